"""A proven bound on rounds along streets: flows from arc to arc, with cuts for what capacity and parity ask for.

How often each arc is driven along, and how often one arc goes over into another, is a flow; every street to be served
is driven along once in either direction at least. A linear relaxation of this knows the turns but neither loads nor
that rounds are connected. Cuts bring both in: around streets whose load fills so many trips, away from depot and tips,
every trip goes in and comes out; and whatever is closed crosses every border an even number of times [1]_, [2]_.

References
----------
.. [1] Belenguer, J. M. and Benavent, E. (2003). A cutting plane algorithm for the capacitated arc routing problem.
   Computers & Operations Research, 30(5), 705-728. doi:10.1016/S0305-0548(02)00046-1
.. [2] Belenguer, J. M., Benavent, E., Lacomme, P. and Prins, C. (2006). Lower and upper bounds for the mixed
   capacitated arc routing problem. Computers & Operations Research, 33(12), 3363-3383. doi:10.1016/j.cor.2005.02.009
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import highspy
import numpy as np
from scipy.sparse import coo_matrix, csr_matrix
from scipy.sparse.csgraph import breadth_first_order, connected_components, dijkstra, maximum_flow

from cityloop.kernel.columns import BOOL, F64, I64
from cityloop.methods.arc_routing import ArcNetwork, Tasks, turn_costs
from cityloop.methods.highs import solver_with

__all__ = ["bound_streets"]

_GRAIN = 100_000
"""Least cuts are found in whole numbers of this part."""
_VIOLATED = 1e-3
_STALLED = 1e-4
"""Relative gain below which a round of cuts counts as idle."""
_IDLE_MOST = 3
"""Idle rounds one after another until no more cuts are looked for."""
_SHELLS = 24
"""Distances from the tips beyond which streets are taken together."""
_PULLS = (1.0, 1.25, 1.6, 2.2)
"""Factors on the loads with which least cuts are looked for: a load that nearly fills a trip asks for a whole one."""
_ALL = 1000.0
"""Trips that no border lets through: the cut is then the thinnest border, not the part itself."""
_FAR_MOST = 40
"""Parts whose thinnest border is looked for in every round."""
_LOOSE = (0.01, 0.1, 0.25, 0.5)
"""Empty drives along a street below which it is no bond between its ends."""


@dataclass(frozen=True, slots=True)
class _Streets:
    """The network with what its cuts are made of."""

    tail: I64
    head: I64
    needed: I64
    """By arc: how many streets to be served have it as their first direction."""
    share: F64
    """By arc: the trips that serving it fills, 0 where it is none's first direction."""
    nodes: int
    places: I64
    """Nodes of depot and tips."""

    def crossing(self, inside: BOOL) -> BOOL:
        """Return the arcs that lead over the border of some nodes."""
        crosses: BOOL = inside[self.tail] != inside[self.head]
        return crosses

    def least(self, inside: BOOL) -> int:
        """Return how often the border of some nodes is crossed at the least."""
        over = self.crossing(inside)
        streets = int(self.needed[over].sum())
        trips = 0
        if not inside[self.places].any():
            load = self.share[over | inside[self.tail]].sum()
            trips = 2 * int(np.ceil(load - 1e-9))
        # Whoever goes over a border comes back.
        return max(trips, streets + streets % 2)


def bound_streets(
    network: ArcNetwork,
    tasks: Tasks,
    depot: int,
    sites: Sequence[int],
    site_cost: Sequence[float],
    capacity: Sequence[int],
    *,
    rounds: int = 30,
) -> float:
    """Return a bound on the cost of serving all streets, service included.

    Parameters
    ----------
    depot, sites
        Nodes of the depot and of the tips; without tips every load ends at the depot.
    site_cost
        Cost of one visit to each tip.
    rounds
        Rounds of cuts at the most.
    """
    # Loads are counted by the dimension that fills more trips: a bound for one holds for all.
    fullest = int(np.argmax(tasks.demand.sum(axis=0) / np.asarray(capacity, float)))
    load = tasks.demand[:, fullest] / float(capacity[fullest])
    trips = int(np.ceil((tasks.demand.sum(axis=0) / np.asarray(capacity, float)).max() - 1e-9))
    arcs, nodes = len(network.tail), int(max(network.tail.max(), network.head.max())) + 1
    needed, share = np.zeros(arcs, np.int64), np.zeros(arcs)
    np.add.at(needed, tasks.arc, 1)
    np.add.at(share, tasks.arc, load)
    streets = _Streets(
        network.tail.astype(np.int64), network.head.astype(np.int64), needed, share, nodes,
        np.unique(np.array([depot, *sites], np.int64)),
    )  # fmt: skip
    solver = solver_with(nodes=0)
    solver.passModel(_model(network, tasks, depot, sites, site_cost, trips))
    known: set[bytes] = set()
    shells = list(_shells(network, streets))
    for inside in (*_single(streets), *shells):
        _add(solver, streets, inside, known, None)
    far = shells[:: max(1, len(shells) // _FAR_MOST)]
    value, idle = -np.inf, 0
    for _ in range(rounds):
        solver.run()
        before, value = value, max(value, float(solver.getInfo().objective_function_value))
        driven = np.array(solver.getSolution().col_value)[:arcs]
        added = sum(_add(solver, streets, inside, known, driven) for inside in _apart(streets, driven, far))
        idle = idle + 1 if value - before < _STALLED * abs(value) else 0
        if not added or idle == _IDLE_MOST:
            break
    return value + float((tasks.cost - network.cost[tasks.arc]).sum())


def _model(
    network: ArcNetwork, tasks: Tasks, depot: int, sites: Sequence[int], site_cost: Sequence[float], trips: int
) -> Any:
    """Return the flow without cuts: columns are arcs, transitions, ways out of and into places, and ways home."""
    arcs = len(network.tail)
    before, after, turning = turn_costs(network)
    goals = [depot, *sites]
    out = [np.flatnonzero(network.tail == node) for node in goals]
    into = [np.flatnonzero(network.head == node) for node in goals]
    moves = len(before)
    left = [arcs + moves + sum(len(each) for each in out[:row]) for row in range(len(goals))]
    ends = arcs + moves + sum(len(each) for each in out)
    come = [ends + sum(len(each) for each in into[:row]) for row in range(len(goals))]
    home = ends + sum(len(each) for each in into)
    columns = home + len(sites)
    cost = np.zeros(columns)
    cost[:arcs], cost[arcs : arcs + moves] = network.cost, turning
    for row, visit in enumerate(site_cost, start=1):
        cost[come[row] : come[row] + len(into[row])] = visit
    high = np.full(columns, highspy.kHighsInf)
    for row, site in enumerate(sites):
        high[home + row] = highspy.kHighsInf if site == depot else 0.0
    entries: list[tuple[I64, I64, F64]] = []

    def put(rows: Any, cols: Any, value: float) -> None:
        rows, cols = np.broadcast_arrays(np.asarray(rows, np.int64), np.asarray(cols, np.int64))
        entries.append((rows.ravel(), cols.ravel(), np.full(rows.size, value)))

    # What comes into an arc drives along it and goes on: rows 0 to arcs, and as many again.
    every = np.arange(arcs)
    put(every, every, -1.0)
    put(arcs + every, every, -1.0)
    put(after, arcs + np.arange(moves), 1.0)
    put(arcs + before, arcs + np.arange(moves), 1.0)
    for row in range(len(goals)):
        put(out[row], left[row] + np.arange(len(out[row])), 1.0)
        put(arcs + into[row], come[row] + np.arange(len(into[row])), 1.0)
        # As many leave a place as come to it.
        put(2 * arcs + row, left[row] + np.arange(len(out[row])), 1.0)
        put(2 * arcs + row, come[row] + np.arange(len(into[row])), -1.0)
    for row in range(len(sites)):
        put(2 * arcs + 1 + row, home + row, 1.0)
        put(2 * arcs, home + row, -1.0)
    loads, first = 2 * arcs + len(goals), 2 * arcs + len(goals) + 1
    for row in range(1, len(goals)) if sites else range(1):
        put(loads, come[row] + np.arange(len(into[row])), 1.0)
    count = len(tasks.arc)
    put(first + np.arange(count), tasks.arc, 1.0)
    turned = np.flatnonzero(tasks.both_ways & (network.reverse[tasks.arc] >= 0))
    put(first + turned, network.reverse[tasks.arc[turned]], 1.0)
    table = coo_matrix(
        (np.concatenate([e[2] for e in entries]), tuple(np.concatenate([e[i] for e in entries]) for i in (0, 1))),
        shape=(first + count, columns),
    ).tocsc()
    low = np.concatenate([np.zeros(2 * arcs + len(goals)), [float(trips)], np.ones(count)])
    most = np.concatenate([np.zeros(2 * arcs + len(goals)), np.full(1 + count, highspy.kHighsInf)])
    model: Any = highspy.HighsLp()
    model.num_col_, model.num_row_ = columns, first + count
    model.col_cost_, model.col_lower_, model.col_upper_ = cost, np.zeros(columns), high
    model.row_lower_, model.row_upper_ = low, most
    model.a_matrix_.format_ = highspy.MatrixFormat.kColwise
    model.a_matrix_.start_, model.a_matrix_.index_, model.a_matrix_.value_ = table.indptr, table.indices, table.data
    return model


def _add(solver: Any, streets: _Streets, inside: BOOL, known: set[bytes], driven: F64 | None) -> bool:
    """Add the cut around some nodes, if it is new and, where a solution is given, violated by it."""
    need = streets.least(inside)
    name = np.packbits(inside).tobytes()
    over = np.flatnonzero(streets.crossing(inside))
    if need == 0 or not len(over) or name in known:
        return False
    if driven is not None and driven[over].sum() > need - _VIOLATED:
        return False
    known.add(name)
    solver.addRow(float(need), highspy.kHighsInf, len(over), over.astype(np.int32), np.ones(len(over)))
    return True


def _single(streets: _Streets) -> Iterator[BOOL]:
    """Name every node where an odd number of streets to be served end."""
    ends = np.bincount(streets.tail, streets.needed, streets.nodes)
    ends += np.bincount(streets.head, streets.needed, streets.nodes)
    for node in np.flatnonzero(ends % 2 == 1):
        inside = np.zeros(streets.nodes, bool)
        inside[node] = True
        yield inside


def _shells(network: ArcNetwork, streets: _Streets) -> Iterator[BOOL]:
    """Name what lies beyond some distances from depot and tips, connected part by connected part."""
    shape = (streets.nodes, streets.nodes)
    graph = csr_matrix((network.cost + 1e-9, (streets.tail, streets.head)), shape=shape)
    away = dijkstra(graph, indices=streets.places, directed=False).min(axis=0)
    used = np.zeros(streets.nodes, bool)
    used[streets.tail[streets.needed > 0]] = True
    used[streets.head[streets.needed > 0]] = True
    far = away[used & np.isfinite(away)]
    if not len(far):
        return
    steps = (np.quantile(far, np.linspace(0.0, 0.98, _SHELLS)), np.linspace(0.0, far.max(), _SHELLS, endpoint=False))
    for beyond in np.unique(np.concatenate(steps)):
        inside = away > beyond
        bonds = inside[streets.tail] & inside[streets.head]
        yield from _parts(streets, bonds, inside)


def _parts(streets: _Streets, bonds: BOOL, among: BOOL) -> Iterator[BOOL]:
    """Name the parts that some arcs hold together."""
    graph = csr_matrix(
        (np.ones(int(bonds.sum())), (streets.tail[bonds], streets.head[bonds])), shape=(streets.nodes,) * 2
    )
    _, label = connected_components(graph, directed=False)
    served = np.zeros(streets.nodes, bool)
    served[streets.tail[streets.needed > 0]] = True
    served[streets.head[streets.needed > 0]] = True
    for part in np.unique(label[among & served]):
        inside: BOOL = (label == part) & among
        if not inside.all():
            yield inside


def _apart(streets: _Streets, driven: F64, far: Sequence[BOOL]) -> Iterator[BOOL]:
    """Name nodes around which a solution may go over the border too seldom."""
    empty = _both(streets, driven) - _both(streets, streets.needed.astype(float))
    everywhere = np.ones(streets.nodes, bool)
    for loose in _LOOSE:
        yield from _parts(streets, empty > loose, everywhere)
    elsewhere = everywhere.copy()
    elsewhere[streets.places] = False
    yield from _parts(streets, driven > 1e-6, elsewhere)
    asks = np.bincount(streets.tail, streets.share / 2, streets.nodes)
    asks += np.bincount(streets.head, streets.share / 2, streets.nodes)
    for pull in _PULLS:
        inside = _least_cut(streets, driven, np.asarray(pull * asks, np.float64))
        bonds = inside[streets.tail] & inside[streets.head]
        yield from _parts(streets, bonds, inside)
        yield inside
    for part in far:
        # The thinnest border between a part and the places that every trip to it comes from.
        yield _least_cut(streets, driven, _ALL * part.astype(np.float64))


def _both(streets: _Streets, values: F64) -> F64:
    """Return for every arc the sum over all arcs between its two ends."""
    low, high = np.minimum(streets.tail, streets.head), np.maximum(streets.tail, streets.head)
    _, row = np.unique(low * streets.nodes + high, return_inverse=True)
    total = np.bincount(row, values)
    return np.asarray(total[row], np.float64)


def _least_cut(streets: _Streets, driven: F64, asks: F64) -> BOOL:
    """Return the nodes around which least is driven for the trips that they ask for, away from depot and tips."""
    source, sink = streets.nodes, streets.nodes + 1
    wanted: I64 = np.minimum(np.rint(2 * asks * _GRAIN), 1 << 29).astype(np.int64)
    wanted[streets.places] = 0
    capacity: I64 = np.rint(driven * _GRAIN).astype(np.int64)
    some = np.flatnonzero(capacity > 0)
    pulls = np.flatnonzero(wanted > 0)
    rows = np.concatenate([streets.tail[some], streets.head[some], np.full(len(pulls), source), streets.places])
    cols = np.concatenate([streets.head[some], streets.tail[some], pulls, np.full(len(streets.places), sink)])
    caps = np.concatenate([capacity[some], capacity[some], wanted[pulls], np.full(len(streets.places), 1 << 30)])
    graph = csr_matrix((caps.astype(np.int32), (rows, cols)), shape=(streets.nodes + 2,) * 2)
    rest = graph - maximum_flow(graph, source, sink).flow
    rest.data = np.maximum(rest.data, 0)
    rest.eliminate_zeros()
    reached = breadth_first_order(rest, source, return_predecessors=False)
    inside = np.zeros(streets.nodes, bool)
    inside[reached[reached < streets.nodes]] = True
    inside[streets.places] = False
    return inside
