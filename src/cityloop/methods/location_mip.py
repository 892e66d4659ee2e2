"""Where to stand, with a proof of how good it is: p-median, maximal covering and maximal expected covering in HiGHS.

What comes back is weighed again outside the solver; the bound is the solver's, and the gap between the two is printed,
never assumed. The median is written by radii: a zone pays for every step of distance within which nothing stands. That
has as few entries as there are pairs, and a relaxation as tight as the usual one.

References
----------
.. [1] ReVelle, C. S., Swain, R. W. (1970). Central facilities location. Geographical Analysis, 2(1), 30-42.
.. [2] Church, R., ReVelle, C. (1974). The maximal covering location problem. Papers in Regional Science, 32, 101-118.
.. [3] Daskin, M. S. (1983). A maximum expected covering location model. Transportation Science, 17(1), 48-70.
.. [4] Elloumi, S. (2010). A tighter formulation of the p-median problem. Journal of Combinatorial Optimization, 19,
   69-83. doi:10.1007/s10878-008-9162-0

"""

from __future__ import annotations

from dataclasses import dataclass, field

import highspy
import numpy as np

from cityloop.kernel.columns import BOOL, F64, I64
from cityloop.methods.highs import solved
from cityloop.methods.location import median_cost

__all__ = ["Proof", "SearchLimits", "best_cover", "best_expected_cover", "best_median", "covered", "expected_cover"]


@dataclass(frozen=True, slots=True, kw_only=True)
class SearchLimits:
    """When the search may stop. Counted, not timed: the same answer on any machine."""

    gap: float = 1e-4
    nodes: int = 500


@dataclass(frozen=True, slots=True)
class Proof:
    """A choice, what it is worth, and what no choice can do better than."""

    chosen: I64
    """Rows of the sites, ascending; one more than once where several units stand at it."""
    value: float
    bound: float

    @property
    def gap(self) -> float:
        """Return the distance to the bound, relative to the value."""
        return abs(self.value - self.bound) / max(abs(self.value), 1e-12)


@dataclass(slots=True)
class _Model:
    """Columns and rows as they are added."""

    cost: list[float] = field(default_factory=list)
    most: list[float] = field(default_factory=list)
    least: list[float] = field(default_factory=list)
    low: list[float] = field(default_factory=list)
    high: list[float] = field(default_factory=list)
    start: list[int] = field(default_factory=lambda: [0])
    index: list[int] = field(default_factory=list)
    value: list[float] = field(default_factory=list)

    def column(self, cost: float, most: float, least: float = 0.0) -> int:
        """Add a column from ``least`` to ``most``."""
        self.cost.append(cost)
        self.most.append(most)
        self.least.append(least)
        return len(self.cost) - 1

    def row(self, low: float, entries: list[tuple[int, float]], high: float = highspy.kHighsInf) -> None:
        """Add a row."""
        self.low.append(low)
        self.high.append(high)
        for column, factor in entries:
            self.index.append(column)
            self.value.append(factor)
        self.start.append(len(self.index))


def best_median(
    cost: F64, weight: F64, count: int, limits: SearchLimits | None = None, held: I64 | None = None
) -> Proof:
    """Choose ``count`` sites of least weighted cost to the nearest.

    Parameters
    ----------
    cost
        From each site to each zone, shape (n_sites, n_zones).
    weight
        Of each zone.
    count
        How many to choose.
    limits
        When to stop.
    held
        Sites that are there already and stay, among the ``count``; none where nothing is given.

    """
    n_sites, n_zones = cost.shape
    there = _there(n_sites, count, held)
    _refuse(n_sites, count)
    model = _Model()
    for s in range(n_sites):
        model.column(0.0, 1.0, min(there[s], 1))
    least = 0.0
    for z in range(n_zones):
        order = np.argsort(cost[:, z], kind="stable")
        # With so many open, one of the nearest n - count + 1 is.
        radii, at = np.unique(cost[order[: n_sites - count + 1], z], return_inverse=True)
        least += float(weight[z] * radii[0])
        before = -1
        for k in range(len(radii) - 1):
            step = float(weight[z] * (radii[k + 1] - radii[k]))
            beyond = model.column(step, 1.0)
            here = [(int(s), 1.0) for s in order[: n_sites - count + 1][at == k]]
            if before < 0:
                model.row(1.0, [(beyond, 1.0), *here])
            else:
                model.row(0.0, [(beyond, 1.0), *here, (before, -1.0)])
            before = beyond
        if before >= 0:
            last = order[: n_sites - count + 1][at == len(radii) - 1]
            model.row(0.0, [*((int(s), 1.0) for s in last), (before, -1.0)])
    model.row(float(count), [(s, 1.0) for s in range(n_sites)], float(count))
    open_, bound = _solve(model, n_sites, limits or SearchLimits())
    chosen = np.sort(np.argsort(-open_, kind="stable")[:count])
    return Proof(chosen, median_cost(cost, weight, chosen), least + bound)


def best_cover(
    reach: BOOL, weight: F64, count: int, limits: SearchLimits | None = None, held: I64 | None = None
) -> Proof:
    """Choose ``count`` sites, those ``held`` among them, that cover the most weight.

    ``reach`` tells which site covers which zone.
    """
    n_sites, n_zones = reach.shape
    there = _there(n_sites, count, held)
    _refuse(n_sites, count)
    model = _Model()
    for s in range(n_sites):
        model.column(0.0, 1.0, min(there[s], 1))
    for z in range(n_zones):
        near = np.flatnonzero(reach[:, z])
        if len(near):
            model.row(0.0, [*((int(s), 1.0) for s in near), (model.column(-float(weight[z]), 1.0), -1.0)])
    model.row(float(count), [(s, 1.0) for s in range(n_sites)], float(count))
    open_, bound = _solve(model, n_sites, limits or SearchLimits())
    chosen = np.sort(np.argsort(-open_, kind="stable")[:count])
    return Proof(chosen, covered(reach, weight, chosen), -bound)


def best_expected_cover(
    reach: BOOL,
    weight: F64,
    count: int,
    busy_share: float,
    limits: SearchLimits | None = None,
    held: I64 | None = None,
) -> Proof:
    """Choose places for ``count`` units, several at one if need be, that cover the most weight in expectation.

    Each unit is busy with chance ``busy_share``, whatever the others do. ``held`` names the site of every unit that
    stays where it is, one of them more than once where several do.
    """
    n_sites, n_zones = reach.shape
    there = _there(n_sites, count, held)
    _refuse(n_sites * count, count)
    if not 0.0 < busy_share < 1.0:
        raise ValueError(f"Busy share {busy_share}: must be above 0 and below 1.")
    model = _Model()
    for s in range(n_sites):
        model.column(0.0, float(count), there[s])
    for z in range(n_zones):
        near = np.flatnonzero(reach[:, z])
        if not len(near):
            continue
        worth = float(weight[z]) * (1.0 - busy_share) * busy_share ** np.arange(count)
        layers = [(model.column(-float(w), 1.0), -1.0) for w in worth]
        model.row(0.0, [*((int(s), 1.0) for s in near), *layers])
    model.row(float(count), [(s, 1.0) for s in range(n_sites)], float(count))
    open_, bound = _solve(model, n_sites, limits or SearchLimits())
    chosen = np.repeat(np.arange(n_sites), np.rint(open_).astype(np.int64))
    return Proof(chosen, expected_cover(reach, weight, chosen, busy_share), -bound)


def covered(reach: BOOL, weight: F64, chosen: I64) -> float:
    """Return the weight that the chosen sites cover."""
    return float(weight[reach[chosen].any(axis=0)].sum())


def expected_cover(reach: BOOL, weight: F64, chosen: I64, busy_share: float) -> float:
    """Return the weight covered in expectation by units at the chosen sites."""
    return float((weight * (1.0 - busy_share ** reach[chosen].sum(axis=0))).sum())


def _there(n_sites: int, count: int, held: I64 | None) -> list[int]:
    """Return how many stand at each site already."""
    if held is None:
        return [0] * n_sites
    if len(held) > count:
        raise ValueError(f"{len(held)} sites are held: must be at most the {count} to choose.")
    return [int(n) for n in np.bincount(held, minlength=n_sites)]


def _refuse(most: int, count: int) -> None:
    if not 1 <= count <= most:
        raise ValueError(f"{count} sites to choose: must be 1 to {most}.")


def _solve(model: _Model, whole: int, limits: SearchLimits) -> tuple[F64, float]:
    """Return the first columns of the best solution found, and the proven bound."""
    lp = highspy.HighsLp()
    lp.num_col_, lp.num_row_ = len(model.cost), len(model.low)
    lp.col_cost_, lp.col_lower_, lp.col_upper_ = (
        np.array(column, np.float64) for column in (model.cost, model.least, model.most)
    )
    lp.row_lower_, lp.row_upper_ = np.array(model.low), np.array(model.high)
    lp.a_matrix_.format_ = highspy.MatrixFormat.kRowwise
    lp.a_matrix_.start_ = np.array(model.start, np.int32)
    lp.a_matrix_.index_ = np.array(model.index, np.int32)
    lp.a_matrix_.value_ = np.array(model.value)
    kinds = highspy.HighsVarType
    lp.integrality_ = [kinds.kInteger] * whole + [kinds.kContinuous] * (len(model.cost) - whole)
    solver = solved(lp, gap=limits.gap, nodes=limits.nodes)
    found = np.array(solver.getSolution().col_value)
    bound = float(solver.getInfo().mip_dual_bound)
    return (found[:whole] if len(found) else np.zeros(whole)), bound
