"""Which visits on which day: a small mixed-integer programme that opens zones and assigns visits to days.

A visit is cheap on a day on which its zone is driven to anyway, dear when the zone is opened for it alone; each visit
has a cost a day of its own (risk of waiting, waste of coming early). This is uncapacitated facility location a day,
tied over the days by each visit taking place once, with an optional bound on what a day can carry.

References
----------
.. [1] Erlenkotter, D. (1978). A dual-based procedure for uncapacitated facility location. Operations Research 26,
   992-1009.
.. [2] Huangfu, Q. & Hall, J. A. J. (2018). Parallelizing the dual revised simplex method. Math. Prog. Comp. 10,
   119-142. (HiGHS)
"""

from __future__ import annotations

from dataclasses import dataclass

import highspy
import numpy as np

from cityloop.kernel.columns import F64, I64
from cityloop.methods.highs import solved

__all__ = ["AssignmentLimits", "assign_days", "zones_of"]


@dataclass(frozen=True, slots=True, kw_only=True)
class AssignmentLimits:
    """When the search may stop. Counted, not timed: the same answer on any machine."""

    gap: float = 0.01
    """Relative distance to the bound at which an answer is good enough."""
    nodes: int = 20


def zones_of(x_m: F64, y_m: F64, size: int) -> I64:
    """Cut places into compact zones of about ``size``: halve the longer side until small enough."""
    zone = np.zeros(len(x_m), np.int64)
    parts = [np.arange(len(x_m))]
    done: list[I64] = []
    while parts:
        part = parts.pop()
        if len(part) <= size:
            done.append(part)
            continue
        wide = np.ptp(x_m[part]) >= np.ptp(y_m[part])
        order = part[np.argsort((x_m if wide else y_m)[part], kind="stable")]
        parts += [order[len(order) // 2 :], order[: len(order) // 2]]
    for k, part in enumerate(done):
        zone[part] = k
    return zone


def assign_days(
    cost: F64, zone: I64, opening: F64, load: F64, day_load: F64, limits: AssignmentLimits | None = None
) -> I64:
    """Assign each visit to a day at least cost; the last column of ``cost`` is leaving it for later.

    Parameters
    ----------
    cost
        Of each visit on each day, and of none in the horizon, shape (n, days + 1).
    zone, opening
        Zone of each visit; cost of driving to a zone on a day at all.
    load, day_load
        What a visit puts on the trucks, and what the trucks of each day can carry, shape (days,); infinite for no
        bound.

    Returns
    -------
    I64
        Day of each visit, ``days`` for later, shape (n,).
    """
    limits = limits or AssignmentLimits()
    n, columns = cost.shape
    days = columns - 1
    answer = np.full(n, days, np.int64)
    gain = cost[:, :days] - cost[:, [days]]
    # A visit that gains nothing on any day even with its zone open is left for later.
    rows = np.flatnonzero((gain < 0).any(axis=1))
    if not len(rows):
        return answer
    used, local = np.unique(zone[rows], return_inverse=True)
    m, z = len(rows), len(used)
    pairs = [(i, d) for i in range(m) for d in range(days) if gain[rows[i], d] < 0]
    y_of = {(k, d): len(pairs) + k * days + d for k in range(z) for d in range(days)}
    columns_n = len(pairs) + z * days
    objective = np.concatenate(
        [np.array([gain[rows[i], d] for i, d in pairs]), np.repeat(opening[used], days).astype(float)]
    )
    index: list[int] = []
    value: list[float] = []
    start = [0]
    upper: list[float] = []
    by_visit: list[list[int]] = [[] for _ in range(m)]
    by_day: list[list[int]] = [[] for _ in range(days)]
    for column, (i, d) in enumerate(pairs):
        by_visit[i].append(column)
        by_day[d].append(column)
        index += [column, y_of[int(local[i]), d]]
        value += [1.0, -1.0]
        start.append(len(index))
        upper.append(0.0)
    for own in by_visit:
        if len(own) > 1:
            index += own
            value += [1.0] * len(own)
            start.append(len(index))
            upper.append(1.0)
    for d in range(days):
        if np.isfinite(day_load[d]) and by_day[d]:
            index += by_day[d]
            value += [float(load[rows[pairs[c][0]]]) for c in by_day[d]]
            start.append(len(index))
            upper.append(float(day_load[d]))
    x = _solve(objective, columns_n, len(pairs), (index, value, start, upper), limits)
    chosen = np.full(m, 0.5)
    for column, (i, d) in enumerate(pairs):
        if x[column] > chosen[i]:
            chosen[i] = x[column]
            answer[rows[i]] = d
    return answer


def _solve(
    objective: F64,
    columns: int,
    free: int,
    matrix: tuple[list[int], list[float], list[int], list[float]],
    limits: AssignmentLimits,
) -> F64:
    """Minimise with variables in [0, 1], those after the first ``free`` whole."""
    index, value, start, upper = matrix
    model = highspy.HighsLp()
    model.num_col_, model.num_row_ = columns, len(upper)
    model.col_cost_ = objective
    model.col_lower_, model.col_upper_ = np.zeros(columns), np.ones(columns)
    model.row_lower_, model.row_upper_ = np.full(len(upper), -highspy.kHighsInf), np.array(upper)
    model.a_matrix_.format_ = highspy.MatrixFormat.kRowwise
    model.a_matrix_.start_ = np.array(start, np.int32)
    model.a_matrix_.index_ = np.array(index, np.int32)
    model.a_matrix_.value_ = np.array(value)
    # Given open zones each visit picks its best day, so only the zones need be whole.
    whole = highspy.HighsVarType.kInteger
    model.integrality_ = [highspy.HighsVarType.kContinuous] * free + [whole] * (columns - free)
    solver = solved(model, gap=limits.gap, nodes=limits.nodes)
    solution = np.array(solver.getSolution().col_value)
    return solution if len(solution) == columns else np.zeros(columns)
