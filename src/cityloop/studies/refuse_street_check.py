"""Drive rounds along streets again, with shortest paths of their own, and name every rule that is broken.

This file shares nothing with what makes the rounds but the reading of the instance: each way between two streets is
searched anew over single arcs, turn by turn.
"""

from __future__ import annotations

import heapq
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from cityloop.methods.vrp import Problem
from cityloop.studies.refuse_streets import StreetCase

__all__ = ["Leg", "rounds_of", "walk"]


@dataclass(frozen=True, slots=True)
class Leg:
    """One line of a round: a street to be served in one of its directions, or a visit to a tip."""

    street: int = -1
    """Row among the streets to be served; -1: a tip."""
    against: bool = False
    """Whether it is driven against its first direction."""
    tip: int = -1


def rounds_of(problem: Problem, routes: Sequence[Sequence[int]]) -> list[list[Leg]]:
    """Return a plan's nodes as streets and tips."""
    return [[_leg(problem, node) for node in route] for route in routes if route]


def _leg(problem: Problem, node: int) -> Leg:
    if node < problem.first_client:
        return Leg(tip=node - problem.n_depots)
    if node < problem.end_primary:
        return Leg(street=node - problem.first_client)
    assert problem.twin is not None
    return Leg(street=int(problem.twin[node]) - problem.first_client, against=True)


def walk(case: StreetCase, rounds: Sequence[Sequence[Leg]]) -> tuple[float, list[str]]:
    """Return the cost of rounds and what is not legal about them."""
    faults: list[str] = []
    served = np.zeros(len(case.tasks.arc), np.int64)
    total = 0.0
    roads = _Roads(case)
    for number, legs in enumerate(rounds):
        load = np.zeros(len(case.capacity), np.int64)
        cost, arc, node = 0.0, -1, case.depot
        for leg in legs:
            if leg.street < 0:
                cost += roads.to_node(arc, node, case.sites[leg.tip]) + case.site_cost[leg.tip]
                arc, node = -1, case.sites[leg.tip]
                load[:] = 0
                continue
            ahead = int(case.tasks.arc[leg.street])
            into = int(case.network.reverse[ahead]) if leg.against else ahead
            if leg.against and not case.tasks.both_ways[leg.street]:
                faults.append(f"round {number}: street {leg.street} is served against its direction")
            cost += roads.to_arc(arc, node, into) + float(case.tasks.cost[leg.street])
            arc, node = into, -1
            served[leg.street] += 1
            load += case.tasks.demand[leg.street]
            if (load > np.array(case.capacity)).any():
                faults.append(f"round {number}: load {load.tolist()}, {list(case.capacity)} at the most")
        if case.sites and legs and legs[-1].street >= 0:
            faults.append(f"round {number}: does not end at a tip")
        cost += roads.to_node(arc, node, case.depot)
        # Costs are added up in floating point, and searched in whole thousandths.
        if case.longest is not None and cost > case.longest + 1.0:
            faults.append(f"round {number}: costs {cost:.1f}, {case.longest:.1f} at the most")
        total += cost
    faults += [
        f"street {street}: served {times} times" for street, times in enumerate(served.tolist()) if times != 1
    ]  # fmt: skip
    return total, faults


class _Roads:
    """Least costs from where a truck stands, or from the arc that it has just left, over single arcs."""

    def __init__(self, case: StreetCase) -> None:
        self._network = case.network
        self._out: dict[int, list[int]] = {}
        for arc, tail in enumerate(case.network.tail.tolist()):
            self._out.setdefault(tail, []).append(arc)

    def to_node(self, arc: int, node: int, goal: int) -> float:
        """Return the cost of driving to a node, in any direction."""
        here = node if arc < 0 else int(self._network.head[arc])
        if here == goal:
            return 0.0
        head = self._network.head
        return next(cost for reached, cost in self._spread(arc, node) if int(head[reached]) == goal)

    def to_arc(self, arc: int, node: int, goal: int) -> float:
        """Return the cost of driving to the beginning of an arc, the turn into it included."""
        costs = (cost for reached, cost in self._spread(arc, node) if reached == goal)
        return next(costs) - float(self._network.cost[goal])

    def _spread(self, arc: int, node: int) -> Iterator[tuple[int, float]]:
        """Name every arc with the least cost at which its end is reached, the cheapest first."""
        heap: list[tuple[float, int]] = []
        done: set[int] = set()
        self._push(heap, 0.0, arc, node)
        while heap:
            cost, reached = heapq.heappop(heap)
            if reached not in done:
                done.add(reached)
                yield reached, cost
                self._push(heap, cost, reached, -1)

    def _push(self, heap: list[tuple[float, int]], cost: float, arc: int, node: int) -> None:
        here = node if arc < 0 else int(self._network.head[arc])
        for after in self._out.get(here, ()):
            turn = 0.0 if arc < 0 else self._turn(arc, after)
            heapq.heappush(heap, (cost + turn + float(self._network.cost[after]), after))

    def _turn(self, arc: int, after: int) -> float:
        turns = self._network.turns
        if turns is None:
            return 0.0
        if int(self._network.reverse[arc]) == after:
            return turns.back
        change = float(self._network.leaves_deg[after]) - float(self._network.enters_deg[arc])
        change = math.remainder(change, 360.0)
        if math.isnan(change) or abs(change) <= turns.sharp_deg:
            return turns.straight
        return turns.right if change > 0 else turns.left
