"""A proven bound on inventory routing: rounds made as their prices ask for them, then branching.

At any prices the value, less what the cheapest round of each day would still save times its trucks, is a bound;
rounds may call twice at a customer [1]_. Prices are drawn to those of the best bound so far, as they swing from one
program to the next [2]_. Branching is on how many trucks leave on a day, then on whether a customer is visited on it.

References
----------
.. [1] Desaulniers, G., Rakke, J. G. and Coelho, L. C. (2016). A branch-price-and-cut algorithm for the
   inventory-routing problem. Transportation Science, 50(3), 1060-1076. doi:10.1287/trsc.2015.0635
.. [2] Pessoa, A., Sadykov, R., Uchoa, E. and Vanderbeck, F. (2018). Automation and combination of linear-programming
   based stabilization techniques in column generation. INFORMS Journal on Computing, 30(2), 339-360.
   doi:10.1287/ijoc.2017.0784
"""

from __future__ import annotations

import heapq
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import highspy
import numpy as np

from cityloop.kernel.columns import F64
from cityloop.methods.inventory_bound import Depleting
from cityloop.methods.inventory_columns import Master, master_of
from cityloop.methods.inventory_prices import Kinds, Walk, memory_of, new_table, walks_of

__all__ = ["bound_by_rounds"]

_NEIGHBOURS = 4
_PULL = 0.7
_CLOSE = 2e-4
"""Relative distance of a program's value to its bound at which it counts as solved."""
_TRIES = 800
_COARSE = 60
"""Parts of a truck that loads are counted in while rounds found so still help."""
_WHOLE = 1e-4


@dataclass(frozen=True, slots=True)
class _Node:
    """What is asked for beside the program."""

    trucks: tuple[tuple[int, int], ...]
    """For every day the least and the most."""
    visited: tuple[tuple[int, int, bool], ...]
    """Customers and days, and whether there is a visit."""


def bound_by_rounds(
    case: Depleting,
    progress: Callable[[int], float],
    known: Sequence[Sequence[Sequence[tuple[int, int]]]] = (),
    enough: float = np.inf,
) -> float:
    """Return a bound on driving and holding from the end of the first day on.

    Parameters
    ----------
    progress
        Given the programs solved, the share of the budget spent; the search ends at 1.
    known
        For every day rounds of a plan, customers with amounts: columns to begin with.
    enough
        Cost of a plan: no bound above it is looked for.
    """
    master = master_of(case)
    for day, kinds in enumerate(master.kinds):
        for place in range(1, len(case.way)):
            for kind in range(kinds.begin[place], kinds.begin[place + 1]):
                master.add(day, Walk(0.0, (place,), (kind,), (int(kinds.high[kind]),)))
    for day, each in enumerate(known):
        for stops in each:
            for walk in _walks_named(master.kinds[day], stops):
                master.add(day, walk)
    search = _Search(case, master, progress, enough - master.constant)
    root = _Node(((0, case.trucks),) * case.days, ())
    low, centre, branches = search.solve(root, None)
    open_nodes: list[tuple[float, int, F64 | None, tuple[_Node, ...]]] = [(low, 0, centre, branches)]
    count = 0
    while progress(search.solved) < 1:
        low, _, centre, branches = open_nodes[0]
        if not branches or low >= search.enough:
            break
        heapq.heappop(open_nodes)
        for node in branches:
            count += 1
            fresh, middle, further = search.solve(node, centre)
            heapq.heappush(open_nodes, (max(low, fresh), count, middle, further))
    return min(open_nodes[0][0], search.enough) + master.constant


class _Search:
    """The program with its rounds so far, which every branch goes on with."""

    def __init__(self, case: Depleting, master: Master, progress: Callable[[int], float], enough: float) -> None:
        self.case, self.master, self.progress, self.enough = case, master, progress, enough
        self.memory = memory_of(master.way, _NEIGHBOURS)
        self.table = new_table(int(case.capacity), self.memory, max(len(kinds.low) for kinds in master.kinds))
        self.grain = max(1, int(case.capacity) // _COARSE)
        self.rough = new_table(int(case.capacity) // self.grain, self.memory, self.table.queue.shape[0])
        # Rounds that save less are left to the exact prices, or the rough ones would have the last word for long.
        self.gain = 1e-3 * float(master.way[0].max())
        self.solved = 0

    def solve(self, node: _Node, centre: F64 | None) -> tuple[float, F64 | None, tuple[_Node, ...]]:
        """Return a branch's bound, the prices that gave it, and what to branch into; nothing where all is whole."""
        master, solver = self.master, self.master.solver
        barred = self._ask(node)
        best = -np.inf
        mean: F64 | None = None
        for _ in range(_TRIES):
            solver.run()
            self.solved += 1
            if solver.getModelStatus() == highspy.HighsModelStatus.kInfeasible:
                return np.inf, centre, ()
            value = float(solver.getInfo().objective_function_value)
            duals = master.legal(np.array(solver.getSolution().row_dual))
            mean = duals if mean is None else _PULL * mean + (1 - _PULL) * duals
            if self._price_roughly(mean, duals) or self._price_roughly(duals, duals):
                if self.progress(self.solved) >= 1:
                    break
                continue
            added, pull = 0, _PULL if centre is not None else 0.0
            while True:
                prices = duals if centre is None else pull * centre + (1 - pull) * duals
                low, added = self._price(node, barred, prices, duals)
                if low > best:
                    best, centre = low, prices
                if added or pull == 0.0:
                    break
                pull = max(0.0, pull - 0.35)
            if not added or best >= self.enough or value - best < _CLOSE * abs(value + master.constant):
                break
            if self.progress(self.solved) >= 1:
                break
        return best, centre, self._branches(node)

    def _ask(self, node: _Node) -> F64:
        master, solver = self.master, self.master.solver
        for row, (low, high) in zip(master.fleet_row, node.trucks, strict=True):
            solver.changeRowBounds(row, float(low), float(high))
        barred = np.zeros(len(master.costs))
        for column, customer, days in master.patterns:
            out = any(customer == c and (day in days) != visit for c, day, visit in node.visited)
            barred[column] = float(out)
            solver.changeColBounds(column, 0.0, 0.0 if out else highspy.kHighsInf)
        return barred

    def _price(self, node: _Node, barred: F64, prices: F64, duals: F64) -> tuple[float, int]:
        """Return the bound at such prices, and how many rounds were added that the program would take."""
        master = self.master
        low, added = master.beside(prices, barred), 0
        for day, kinds in enumerate(master.kinds):
            rows = master.visit_row[day]
            found = walks_of(self.table, self.memory, master.way, kinds, -prices[rows], -prices[rows + 1])
            least, most = node.trucks[day]
            cheapest = found[0].price if found else 0.0
            low += cheapest * (most if cheapest < 0 else least)
            for walk in found:
                if master.price(day, walk, duals) - duals[master.fleet_row[day]] < -1e-6:
                    master.add(day, walk)
                    added += 1
        return low, added

    def _price_roughly(self, prices: F64, duals: F64) -> int:
        """Add rounds whose loads are counted in coarse parts; return how many the program would take."""
        master, grain, added = self.master, self.grain, 0
        for day, kinds in enumerate(master.kinds if grain > 1 else []):
            rows = master.visit_row[day]
            parts = Kinds(kinds.begin, -(-kinds.low // grain), -(-kinds.high // grain))
            for walk in walks_of(self.rough, self.memory, master.way, parts, -prices[rows], -prices[rows + 1] * grain):
                amounts = zip(walk.kinds, walk.amounts, strict=True)
                real = walk._replace(amounts=tuple(min(int(kinds.high[k]), part * grain) for k, part in amounts))
                if master.price(day, real, duals) - duals[master.fleet_row[day]] < -self.gain:
                    master.add(day, real)
                    added += 1
        return added

    def _branches(self, node: _Node) -> tuple[_Node, ...]:
        master = self.master
        solution = master.solver.getSolution()
        value = np.array(solution.col_value)
        trucks = np.array(solution.row_value)[master.fleet_row]
        off = np.abs(trucks - np.rint(trucks))
        day = int(off.argmax())
        if off[day] > _WHOLE and node.trucks[day][0] < node.trucks[day][1]:
            least, most = node.trucks[day]
            cut = min(max(int(np.floor(trucks[day])), least), most - 1)
            ways = ((least, cut), (cut + 1, most))
            return tuple(_Node((*node.trucks[:day], way, *node.trucks[day + 1 :]), node.visited) for way in ways)
        visits = np.zeros((len(self.case.use), self.case.days))
        for column, customer, days in master.patterns:
            visits[customer, list(days)] += value[column]
        off = np.minimum(visits, 1 - visits)
        customer, day = (int(v) for v in np.unravel_index(int(off.argmax()), off.shape))
        if off[customer, day] <= _WHOLE:
            return ()
        return tuple(_Node(node.trucks, (*node.visited, (customer, day, visit))) for visit in (False, True))


def _walks_named(kinds: Kinds, stops: Sequence[tuple[int, int]]) -> Iterator[Walk]:
    """Name a plan's round with the first kinds of visits that bring these amounts, then with the last."""
    for pick in (0, -1):
        chosen = []
        for customer, amount in stops:
            span = range(int(kinds.begin[customer + 1]), int(kinds.begin[customer + 2]))
            fits = [kind for kind in span if kinds.low[kind] <= amount <= kinds.high[kind]]
            chosen += [(customer + 1, fits[pick], amount)] if fits else []
        if chosen:
            places, used, amounts = zip(*chosen, strict=True)
            yield Walk(0.0, places, used, amounts)
