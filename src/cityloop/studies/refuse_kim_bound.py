"""What an instance of Kim, Kim and Sahoo must cost whatever its windows say: a proven bound from places and loads.

Trucks leave the depot, fill up between tips and end tip, depot. Whatever their order and clock, a set of stops is
entered at least as often as its load fills trucks, and each truck drives from a tip to the depot in the end. The
depot and the tips near it count as one place; a tip named as far is a place of its own, and the bound is the lesser
of those with it left out and with it visited. Edges are a linear relaxation with rounded capacity cuts [1]_, then
branching by HiGHS.

``python -m cityloop.studies.refuse_kim_bound 102_stop.txt --trucks 3 --far 2``

References
----------
.. [1] Laporte, G., Nobert, Y. and Desrochers, M. (1985). Optimal routing under capacity and distance restrictions.
   Operations Research, 33(5), 1050-1073. doi:10.1287/opre.33.5.1050
"""

from __future__ import annotations

import json
import math
from pathlib import Path

import click
import highspy
import numpy as np
import numpy.typing as npt
from scipy.sparse import csr_matrix
from scipy.sparse.csgraph import breadth_first_order, connected_components, maximum_flow

from cityloop.kernel.columns import F64, I64
from cityloop.methods.highs import solver_with
from cityloop.studies.refuse_instances import METRES_PER_MILE, read_kim

__all__ = ["bound_loops", "bound_miles", "main"]

Matrix = npt.NDArray[np.float64]
_GRAIN = 100_000
_SEARCHES = 6
"""Searches over whole numbers, each with the cuts that the answer of the one before it violates."""


def bound_loops(way: Matrix, load: F64, capacity: float, passing: int | None, nodes: int) -> float:
    """Return a bound on loops from place 0 that visit every other place, none with more than the capacity on it.

    Parameters
    ----------
    passing
        A place where trucks are emptied on the way, which may be visited more than once.
    nodes
        Of each search over whole numbers; 0: none.
    """
    n = len(way)
    a, b = np.triu_indices(n, 1)
    solver = solver_with(nodes=nodes, mip_heuristic_effort=0.0)
    none = np.zeros(0, np.int32), np.zeros(0)
    for x, y in zip(a, b, strict=True):
        solver.addCol(
            float(way[x, y]), 0.0, highspy.kHighsInf if passing in (x, y) else 2.0 if x == 0 else 1.0, 0, *none
        )
    for place in range(1, n):
        own = np.flatnonzero((a == place) | (b == place)).astype(np.int32)
        solver.addRow(2.0, highspy.kHighsInf if place == passing else 2.0, len(own), own, np.ones(len(own)))
    value, whole, seen = -math.inf, 0, set[tuple[int, ...]]()
    while True:
        solver.run()
        told = solver.getInfo()
        value = max(value, float(told.mip_dual_bound if whole else told.objective_function_value))
        found = np.array(solver.getSolution().col_value)
        fresh = 0
        for inside in _candidates(n, a, b, found, load, capacity) if len(found) else []:
            key = tuple(inside.tolist())
            trips = 1 if passing in key else max(1, math.ceil(load[inside].sum() / capacity - 1e-9))
            edge = np.flatnonzero(np.isin(a, inside) != np.isin(b, inside)).astype(np.int32)
            if key not in seen and found[edge].sum() < 2.0 * trips - 1e-3:
                seen.add(key)
                solver.addRow(2.0 * trips, highspy.kHighsInf, len(edge), edge, np.ones(len(edge)))
                fresh += 1
        if fresh:
            continue
        if whole == _SEARCHES or nodes == 0:
            return value
        whole += 1
        for column in range(len(a)):
            solver.changeColIntegrality(column, highspy.HighsVarType.kInteger)


def _candidates(n: int, a: I64, b: I64, found: F64, load: F64, capacity: float) -> list[I64]:
    """Name sets of places that may be entered too seldom: pieces of the plan, least cuts, both with a place less."""
    some = found > 1e-6
    a, b, weight = a[some], b[some], np.rint(found[some] * _GRAIN).astype(np.int64)
    sets: list[I64] = []
    outside = (a > 0) & (b > 0)
    for least in (0.0, 0.25, 0.5, 0.75):
        kept = outside & (weight > least * _GRAIN)
        pieces = connected_components(csr_matrix((np.ones(kept.sum()), (a[kept], b[kept])), shape=(n, n)), False)[1]
        sets += [np.flatnonzero(pieces == k) for k in range(pieces.max() + 1)]
    for least_load in (capacity, 0.7 * capacity, 0.5 * capacity, 2.0 * capacity):
        pull = np.rint(2.0 * load[1:] / least_load * _GRAIN).astype(np.int64)
        sets.append(_least_cut(n, a, b, weight, np.arange(1, n), pull))
    sets += [_least_cut(n, a, b, weight, np.array([place]), np.array([1 << 29])) for place in range(1, n)]
    sets = [inside for inside in sets if len(inside) and inside[0] > 0]
    less = [np.delete(inside, k) for inside in sets if 2 < len(inside) <= 60 for k in range(len(inside))]
    return sets + less


def _least_cut(n: int, a: I64, b: I64, weight: I64, places: I64, pulls: I64) -> I64:
    """Return the side of a least cut that holds the pulled places."""
    rows, heads = np.concatenate([a, b, np.full(len(places), n)]), np.concatenate([b, a, places])
    graph = csr_matrix((np.concatenate([weight, weight, pulls]).astype(np.int32), (rows, heads)), shape=(n + 1, n + 1))
    rest = graph - maximum_flow(graph, n, 0).flow
    rest.data = np.maximum(rest.data, 0)
    rest.eliminate_zeros()
    reached = breadth_first_order(rest, n, return_predecessors=False)
    return np.sort(reached[reached < n]).astype(np.int64)


def bound_miles(path: Path, trucks: int, far: tuple[str, ...], nodes: int) -> dict[str, float]:
    """Return bounds with the far tips left out and with each of them visited. [mi]"""
    case = read_kim(path, trucks)
    apart = [k for k, name in enumerate(case.tip_ids) if name in far]
    near = [k for k in range(len(case.tip_ids)) if k not in apart]
    x = np.concatenate([case.depots.x_m, case.tips.x_m, case.stops.x_m])
    y = np.concatenate([case.depots.y_m, case.tips.y_m, case.stops.y_m])
    way = (np.abs(x[:, None] - x) + np.abs(y[:, None] - y)) / METRES_PER_MILE
    tips = 1 + np.arange(len(case.tip_ids))
    first = 1 + len(tips)
    home = float(way[0, tips].min())
    load, capacity = case.stops.volume_m3, float(case.trucks.volume_m3[0])
    least = math.ceil(float(load.sum()) / float(case.trucks.daily_volume_m3.min()) - 1e-9)
    base = [0, *(1 + k for k in near)]
    out: dict[str, float] = {}
    for passing in (None, *apart):
        others = [*([] if passing is None else [1 + passing]), *range(first, len(x))]
        order = np.array([0, *others])
        table = way[np.ix_(order, order)].copy()
        table[0, 1:] = table[1:, 0] = way[np.ix_(base, others)].min(axis=0)
        weight = np.concatenate([np.zeros(len(order) - len(load)), load])
        name = "near tips" if passing is None else f"tip {case.tip_ids[passing]} too"
        loops = bound_loops(table, weight, capacity, None if passing is None else 1, nodes)
        # Who ends at the far tip drives home from there, which is on the loop already.
        out[name] = loops + (least * home if passing is None else 0.0)
    return out


@click.command()
@click.argument("path", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--trucks", type=int, required=True)
@click.option("--far", multiple=True, help="Id of a tip that is a place of its own.")
@click.option("--nodes", type=int, default=2000, show_default=True, help="Of each search; 0: none.")
def main(path: Path, trucks: int, far: tuple[str, ...], nodes: int) -> None:
    """Bound the miles of an instance from below, windows left aside."""
    click.echo(json.dumps({name: round(miles, 2) for name, miles in bound_miles(path, trucks, far, nodes).items()}))


if __name__ == "__main__":
    main()
