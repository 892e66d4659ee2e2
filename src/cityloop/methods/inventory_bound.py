"""A proven bound on inventory routing: a linear relaxation with cuts on the trucks, then branching by HiGHS.

Per day a number of undirected edges between places, who is visited, how much is delivered, and stocks. That every
load leaves the supplier is asked for by cuts, found by least cuts in a graph of the edges' values: where a set of
customers has more delivered than the trucks that enter it carry, and where a customer is cut off from the supplier
[1]_. Searches over whole numbers follow, each with the cuts that the answer of the one before it violates; whatever
cuts are missing, the bound holds.

References
----------
.. [1] Archetti, C., Bianchessi, N., Irnich, S. and Speranza, M. G. (2014). Formulations for an inventory routing
   problem. International Transactions in Operational Research, 21(3), 353-374. doi:10.1111/itor.12076
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import highspy
import numpy as np
from scipy.sparse import csr_matrix
from scipy.sparse.csgraph import breadth_first_order, maximum_flow

from cityloop.kernel.columns import F64
from cityloop.methods.highs import solver_with

__all__ = ["Depleting", "bound_inventory"]

_GRAIN = 1_000_000
"""Least cuts are found in whole numbers of this part."""
_VIOLATED = 1e-3
_SEARCHES = 4
"""Searches over whole numbers, each with the cuts that the one before it violated."""
_STALLED = 1e-5
"""Relative gain of a round of cuts below which no more are looked for."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Depleting:
    """Customers whose stock runs down by the day, and the supplier's trucks."""

    days: int
    trucks: int
    capacity: float
    way: F64
    """Distances, the supplier at row 0."""
    stock: F64
    most: F64
    use: F64
    hold: F64
    supply_hold: float
    supply_stock: float
    supply_a_day: float


class _Columns:
    """Numbers of the columns: for each day edges, visits, amounts and stocks."""

    def __init__(self, n: int) -> None:
        self.n = n
        self.a, self.b = np.triu_indices(n, 1)
        self.edges = len(self.a)
        self.day = self.edges + 3 * n
        at = np.zeros((n, n), np.int64)
        at[self.a, self.b] = np.arange(self.edges)
        self._at = at + at.T

    def edge(self, day: int, a: int, b: int) -> int:
        return day * self.day + int(self._at[a, b])

    def visit(self, day: int, place: int) -> int:
        """Row 0: how many trucks leave."""
        return day * self.day + self.edges + place

    def amount(self, day: int, place: int) -> int:
        """Row 0 is not used."""
        return day * self.day + self.edges + self.n + place

    def stock(self, day: int, place: int) -> int:
        """At the end of the day; row 0: the supplier's."""
        return day * self.day + self.edges + 2 * self.n + place


def bound_inventory(case: Depleting, *, rounds: int = 60, nodes: int = 200) -> float:
    """Return a bound on driving and holding from the end of the first day on.

    Parameters
    ----------
    rounds
        Rounds of cuts at the most.
    nodes
        Nodes of the search over whole numbers; 0: none.
    """
    columns = _Columns(len(case.way))
    solver = solver_with(nodes=nodes, mip_heuristic_effort=0.0)
    _add_columns(case, columns, solver)
    _add_rows(case, columns, solver)
    value = _cut_off(case, columns, solver, rounds)
    if nodes == 0:
        return value
    for day in range(case.days):
        # Edges and visits stand beside one another.
        for column in range(columns.edge(day, 0, 1), columns.amount(day, 0)):
            solver.changeColIntegrality(column, highspy.HighsVarType.kInteger)
    for _ in range(_SEARCHES):
        solver.run()
        value = max(value, float(solver.getInfo().mip_dual_bound))
        found = np.array(solver.getSolution().col_value)
        if not len(found) or not _add_cuts(case, columns, solver, found):
            break
    return value


def _cut_off(case: Depleting, columns: _Columns, solver: Any, rounds: int) -> float:
    """Solve the relaxation and add cuts until none is found or they gain no more; return its value."""
    value = before = -np.inf
    for _ in range(rounds):
        solver.run()
        value = max(before, float(solver.getInfo().objective_function_value))
        found = np.array(solver.getSolution().col_value)
        if value - before < _STALLED * abs(value) or not _add_cuts(case, columns, solver, found):
            break
        before = value
    return value


def _add_cuts(case: Depleting, columns: _Columns, solver: Any, found: F64) -> bool:
    cuts = [cut for day in range(case.days) for cut in _cuts(case, columns, found, day)]
    for index, factor, high in cuts:
        solver.addRow(-highspy.kHighsInf, high, len(index), index, factor)
    return bool(cuts)


def _add_columns(case: Depleting, columns: _Columns, solver: Any) -> None:
    none = np.zeros(0, np.int32), np.zeros(0)
    n = columns.n
    for _ in range(case.days):
        for a, b in zip(columns.a, columns.b, strict=True):
            solver.addCol(float(case.way[a, b]), 0.0, 2.0 if a == 0 else 1.0, 0, *none)
        for place in range(n):
            solver.addCol(0.0, 0.0, float(case.trucks) if place == 0 else 1.0, 0, *none)
        for place in range(n):
            solver.addCol(0.0, 0.0, 0.0 if place == 0 else float(min(case.most[place - 1], case.capacity)), 0, *none)
        for place in range(n):
            hold = case.supply_hold if place == 0 else float(case.hold[place - 1])
            solver.addCol(hold, 0.0, highspy.kHighsInf, 0, *none)


def _add_rows(case: Depleting, columns: _Columns, solver: Any) -> None:
    n = columns.n

    def row(low: float, high: float, entries: list[tuple[int, float]]) -> None:
        index = np.array([column for column, _ in entries], np.int32)
        solver.addRow(low, high, len(entries), index, np.array([factor for _, factor in entries]))

    inf = highspy.kHighsInf
    for day in range(case.days):
        for place in range(n):
            ends = [(columns.edge(day, place, other), 1.0) for other in range(n) if other != place]
            row(0.0, 0.0, [*ends, (columns.visit(day, place), -2.0)])
        amounts = [(columns.amount(day, place), 1.0) for place in range(1, n)]
        row(-inf, 0.0, [*amounts, (columns.visit(day, 0), -case.capacity)])
        before = [] if day == 0 else [(columns.stock(day - 1, 0), -1.0)]
        given = case.supply_a_day + (case.supply_stock if day == 0 else 0.0)
        row(given, given, [(columns.stock(day, 0), 1.0), *amounts, *before])
        for place in range(1, n):
            customer = place - 1
            use, most = float(case.use[customer]), float(case.most[customer])
            begin = float(case.stock[customer]) if day == 0 else 0.0
            before = [] if day == 0 else [(columns.stock(day - 1, place), -1.0)]
            taken = (columns.amount(day, place), -1.0)
            row(begin - use, begin - use, [(columns.stock(day, place), 1.0), taken, *before])
            row(-inf, most - use, [(columns.stock(day, place), 1.0)])
            visit = columns.visit(day, place)
            row(-inf, 0.0, [(columns.amount(day, place), 1.0), (visit, -min(most, case.capacity))])
            row(-inf, 0.0, [(visit, 1.0), (columns.visit(day, 0), -1.0)])
            row(-inf, 0.0, [(columns.edge(day, 0, place), 1.0), (visit, -2.0)])
            # By this day so many visits are needed at the least, whatever each of them brings.
            short = use * (day + 1) - float(case.stock[customer])
            if short > 0:
                visits = [(columns.visit(earlier, place), 1.0) for earlier in range(day + 1)]
                row(float(np.ceil(short / min(most, case.capacity) - 1e-9)), inf, visits)
            # Between two days without a visit the stock has to last.
            last = [(columns.visit(day, place), use)]
            row(use - begin, inf, [*last, *[(column, -factor) for column, factor in before]])


def _cuts(case: Depleting, columns: _Columns, found: F64, day: int) -> Iterator[tuple[np.ndarray, np.ndarray, float]]:
    """Name what a day's edges, visits and amounts violate, as rows that must be zero or less."""
    n = columns.n
    values = found[columns.edge(day, 0, 1) : columns.edge(day, 0, 1) + columns.edges]
    some = values > 1e-7
    a, b = columns.a[some], columns.b[some]
    weight = np.rint(values[some] * _GRAIN).astype(np.int64)
    visit = np.array([found[columns.visit(day, place)] for place in range(n)])
    amount = np.array([found[columns.amount(day, place)] for place in range(n)])
    seen: set[tuple[int, ...]] = set()
    need = np.rint(2 * amount[1:] / case.capacity * _GRAIN).astype(np.int64)
    goals = [(np.arange(1, n), need)]
    goals += [(np.array([place]), np.array([1 << 30])) for place in np.flatnonzero(visit[1:] > 0.01) + 1]
    for places, pulls in goals:
        inside = _least_cut(n, a, b, weight, places, pulls)
        if len(inside) < 2 or tuple(inside) in seen:
            continue
        seen.add(tuple(inside))
        pairs = [columns.edge(day, int(x), int(y)) for i, x in enumerate(inside) for y in inside[i + 1 :]]
        within = float(found[pairs].sum())
        visits = [columns.visit(day, int(x)) for x in inside]
        loads = [columns.amount(day, int(x)) for x in inside]
        if within > visit[inside].sum() - amount[inside].sum() / case.capacity + _VIOLATED:
            index = np.array([*pairs, *visits, *loads], np.int32)
            factor = np.concatenate(
                [np.ones(len(pairs)), -np.ones(len(visits)), np.full(len(loads), 1 / case.capacity)]
            )
            yield index, factor, 0.0
        top = int(inside[np.argmax(visit[inside])])
        if within > visit[inside].sum() - visit[top] + _VIOLATED:
            others = [columns.visit(day, int(x)) for x in inside if int(x) != top]
            index = np.array([*pairs, *others], np.int32)
            yield index, np.concatenate([np.ones(len(pairs)), -np.ones(len(others))]), 0.0


def _least_cut(
    n: int, a: np.ndarray, b: np.ndarray, weight: np.ndarray, places: np.ndarray, pulls: np.ndarray
) -> np.ndarray:
    """Return the side of a least cut that holds the pulled places; the supplier is on the other."""
    source = n
    rows = np.concatenate([a, b, np.full(len(places), source)])
    heads = np.concatenate([b, a, places])
    caps = np.concatenate([weight, weight, pulls]).astype(np.int32)
    graph = csr_matrix((caps, (rows, heads)), shape=(n + 1, n + 1))
    flow = maximum_flow(graph, source, 0)
    rest = graph - flow.flow
    rest.data = np.maximum(rest.data, 0)
    rest.eliminate_zeros()
    reached = breadth_first_order(rest, source, return_predecessors=False)
    side: np.ndarray = np.sort(reached[reached < n])
    return side
