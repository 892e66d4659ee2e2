"""Inventory routing as a linear program: sets of visit days for the customers, rounds with amounts for the days.

Each customer mixes sets of visit days, each with amounts that keep it in stock; each day mixes rounds, each with
visits of one kind and the amounts they bring, none above a truck's capacity [1]_.

A visit that brings nothing can be left out once ways are no longer than detours, so shortest ways are taken, and
every visit brings 1 or more: with the rounds and visits given the best amounts are flows, hence whole numbers.

References
----------
.. [1] Desaulniers, G., Rakke, J. G. and Coelho, L. C. (2016). A branch-price-and-cut algorithm for the
   inventory-routing problem. Transportation Science, 50(3), 1060-1076. doi:10.1287/trsc.2015.0635
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise, permutations, product
from typing import Any

import highspy
import numpy as np
from scipy.sparse import csr_matrix
from scipy.sparse.csgraph import floyd_warshall

from cityloop.kernel.columns import F64, I64
from cityloop.methods.highs import solver_with
from cityloop.methods.inventory_bound import Depleting
from cityloop.methods.inventory_prices import Kinds, Walk

__all__ = ["Master", "master_of"]


def spans_of(case: Depleting, row: int, days: tuple[int, ...]) -> F64 | None:
    """Return how much more than by one day's end is delivered by another's at the most, None where that cannot be.

    Row and column 0 are the beginning, ``s + 1`` is day ``s``.
    """
    use, most, stock = float(case.use[row]), float(case.most[row]), float(case.stock[row])
    span = np.full((case.days + 1, case.days + 1), np.inf)
    np.fill_diagonal(span, 0.0)
    for s in range(case.days):
        span[s, s + 1] = case.capacity if s in days else 0.0
        span[s + 1, s] = -1.0 if s in days else 0.0
        span[s + 1, 0] = min(span[s + 1, 0], stock - use * (s + 1))
        if s in days:
            span[0, s + 1] = min(span[0, s + 1], most - stock + use * s)
    for k in range(case.days + 1):
        span = np.minimum(span, span[:, k : k + 1] + span[k : k + 1])
    return None if (np.diag(span) < 0).any() else span


def corners_of(span: F64, visits: tuple[int, ...]) -> set[tuple[float, ...]]:
    """Return the amounts, one for each visit, that all others are a mixture of.

    At such a corner the totals hang on the beginning by a tree of bounds that are met, so some order that sets each
    total to its least or its most, given those before, comes by it.
    """
    found = set()
    for order in permutations(visits):
        for most in product((False, True), repeat=len(visits)):
            total = {0: 0.0}
            for s, up in zip(order, most, strict=True):
                ends = [before + (span[at, s + 1] if up else -span[s + 1, at]) for at, before in total.items()]
                total[s + 1] = min(ends) if up else max(ends)
            ordered = [total[at] for at in sorted(total)]
            found.add(tuple(b - a for a, b in pairwise(ordered)))
    return found


@dataclass(frozen=True, slots=True, kw_only=True)
class Master:
    """The program, and which of its rows prices what."""

    way: F64
    """Shortest ways."""
    solver: Any
    kinds: list[Kinds]
    visit_row: list[I64]
    """For every day the rows of its kinds; the row after each is that of the amounts."""
    fleet_row: list[int]
    patterns: list[tuple[int, int, tuple[int, ...]]]
    """Columns of the sets of visit days, with the customer's row."""
    constant: float
    """Cost of holding if nothing were delivered."""
    side: F64
    """What a unit of each row's price adds, trucks left out."""
    falls: Any
    """Rows whose price is never positive."""
    rises: Any
    """Rows whose price is never negative."""
    table: Any
    """The columns that are no rounds, one a row."""
    costs: F64

    def add(self, day: int, walk: Walk) -> None:
        """Add a round."""
        cost = float(sum(self.way[a, b] for a, b in pairwise([0, *walk.places, 0])))
        entries = [(self.fleet_row[day], 1.0)]
        for kind, amount in zip(walk.kinds, walk.amounts, strict=True):
            at = int(self.visit_row[day][kind])
            entries += [(at, -1.0), (at + 1, -float(amount))]
        add_column(self.solver, cost, entries)

    def price(self, day: int, walk: Walk, duals: F64) -> float:
        """Return what a round costs less what its visits are worth at other prices."""
        price = float(sum(self.way[a, b] for a, b in pairwise([0, *walk.places, 0])))
        for kind, amount in zip(walk.kinds, walk.amounts, strict=True):
            at = int(self.visit_row[day][kind])
            price += duals[at] + amount * duals[at + 1]
        return price

    def legal(self, duals: F64) -> F64:
        """Return prices with the signs that their rows ask for, which a solver keeps but for its tolerance."""
        kept = np.where(self.falls, np.minimum(duals, 0.0), duals)
        kept = np.where(self.rises, np.maximum(kept, 0.0), kept)
        kept[self.fleet_row] = duals[self.fleet_row]
        return kept

    def beside(self, duals: F64, barred: F64) -> float:
        """Return the least that all but the rounds costs at such prices; no column is taken more than once."""
        rest = np.where(barred > 0, 0.0, np.minimum(self.costs - self.table @ duals, 0.0))
        return float(self.side @ duals + rest.sum())


def add_column(solver: Any, cost: float, entries: list[tuple[int, float]]) -> None:
    """Add a column of at least 0."""
    summed: dict[int, float] = {}
    for row, factor in entries:
        summed[row] = summed.get(row, 0.0) + factor
    index = np.array(sorted(summed), np.int32)
    factors = np.array([summed[int(row)] for row in index])
    solver.addCol(cost, 0.0, highspy.kHighsInf, len(index), index, factors)


def master_of(case: Depleting) -> Master:
    """Return the program without rounds but those that call at one customer."""
    days, customers = case.days, len(case.use)
    solver = solver_with(nodes=0)
    inf = highspy.kHighsInf
    rows: list[tuple[float, float]] = []
    patterns: list[tuple[int, int, tuple[int, ...]]] = []
    columns: list[tuple[float, list[tuple[int, float]]]] = []

    def new_row(low: float, high: float) -> int:
        rows.append((low, high))
        return len(rows) - 1

    supply = [new_row(-inf, case.supply_stock + case.supply_a_day * (s + 1)) for s in range(days)]
    fleet = [new_row(-inf, float(case.trucks)) for _ in range(days)]
    kind_row: list[dict[tuple[int, int, int], int]] = [{} for _ in range(days)]
    for row in range(customers):
        one = new_row(1.0, 1.0)
        for chosen in product((False, True), repeat=days):
            visits = tuple(s for s in range(days) if chosen[s])
            span = spans_of(case, row, visits)
            if span is None:
                continue
            ties: list[tuple[int, float]] = [(one, 1.0)]
            for s in visits:
                low, high = -span[s + 1, s], span[s, s + 1]
                key = (row, int(np.ceil(low - 1e-9)), int(np.floor(high + 1e-9)))
                if key not in kind_row[s]:
                    kind_row[s][key] = new_row(-inf, 0.0)
                    new_row(-inf, 0.0)
                ties.append((kind_row[s][key], 1.0))
            for amounts in sorted(corners_of(span, visits)):
                brought = [
                    entry
                    for s, (at, _), amount in zip(visits, ties[1:], amounts, strict=True)
                    for entry in ((at + 1, amount), *((supply[d], amount) for d in range(s, days)))
                ]
                rate = float(case.hold[row] - case.supply_hold)
                cost = rate * sum(amount * (days - s) for s, amount in zip(visits, amounts, strict=True))
                patterns.append((len(columns), row, visits))
                columns.append((cost, [*ties, *brought]))
    # Where trucks are too few the program still needs an answer; no bound counts these columns.
    far = 2 * float(case.way[0].sum()) + 1000.0
    table = csr_matrix(
        (
            [factor for _, entries in columns for _, factor in entries],
            (
                [at for at, (_, entries) in enumerate(columns) for _ in entries],
                [row for _, entries in columns for row, _ in entries],
            ),
        ),
        shape=(len(columns), len(rows)),
    )
    costs = np.array([cost for cost, _ in columns])
    none = np.zeros(0, np.int32), np.zeros(0)
    for low, high in rows:
        solver.addRow(low, high, 0, *none)
    for cost, entries in columns:
        add_column(solver, cost, entries)
    for s in range(days):
        add_column(solver, far, [(fleet[s], -1.0)])
    kinds, visit_rows = [], []
    for s in range(days):
        keys = sorted(kind_row[s])
        counts = np.bincount([key[0] + 1 for key in keys], minlength=customers + 1)
        kinds.append(
            Kinds(
                np.concatenate([[0], np.cumsum(counts)]).astype(np.int64),
                np.array([key[1] for key in keys], np.int64),
                np.array([key[2] for key in keys], np.int64),
            )
        )
        visit_rows.append(np.array([kind_row[s][key] for key in keys], np.int64))
    ends = np.arange(1, days + 1)
    constant = float(
        (case.hold[:, None] * (case.stock[:, None] - case.use[:, None] * ends)).sum()
        + (case.supply_hold * (case.supply_stock + case.supply_a_day * ends)).sum()
    )
    low, high = np.array(rows).T
    high[fleet] = 0.0
    return Master(
        way=floyd_warshall(case.way), solver=solver, kinds=kinds, visit_row=visit_rows, fleet_row=fleet,
        patterns=patterns, constant=constant,
        side=np.where(np.isinf(high), 0.0, high),
        falls=np.isinf(low), rises=np.isinf(high), table=table, costs=costs,
    )  # fmt: skip
