"""A bound on rounds along streets: exact where it can be counted by hand, never above what a plan costs."""

from __future__ import annotations

import numpy as np
import pytest

from cityloop.methods.arc_bound import bound_streets
from cityloop.methods.arc_routing import ArcNetwork, Tasks, Turns


def _network(streets: list[tuple[int, int, float]], turns: Turns | None = None) -> ArcNetwork:
    """Return streets that may be driven both ways, their first directions before the others."""
    n = len(streets)
    tail, head, cost = (np.array(column) for column in zip(*streets, strict=True))
    return ArcNetwork(
        np.concatenate([tail, head]).astype(np.int32),
        np.concatenate([head, tail]).astype(np.int32),
        np.concatenate([cost, cost]).astype(float),
        np.concatenate([np.arange(n, 2 * n), np.arange(n)]).astype(np.int32),
        np.full(2 * n, np.nan),
        np.full(2 * n, np.nan),
        turns,
    )


def _tasks(network: ArcNetwork, rows: list[int], demand: int) -> Tasks:
    arc = np.array(rows, np.int32)
    return Tasks(arc, np.ones(len(rows), bool), network.cost[arc], np.full((len(rows), 1), demand, np.int64))


def test_a_dead_end_is_driven_back_along() -> None:
    """A street of 10 with no way out but back costs 20."""
    network = _network([(0, 1, 10.0)])
    assert bound_streets(network, _tasks(network, [0], 1), 0, [], [], [5]) == pytest.approx(20)


def test_a_ring_costs_its_length_and_each_load_the_way_there() -> None:
    """A ring of 40 at the end of a way of 7 costs 54 in one load; of a street each, two cost 34 and the far ones 54."""
    network = _network([(0, 1, 7.0), (1, 2, 10.0), (2, 3, 10.0), (3, 4, 10.0), (4, 1, 10.0)])
    tasks = _tasks(network, [1, 2, 3, 4], 1)
    assert bound_streets(network, tasks, 0, [], [], [4]) == pytest.approx(54)
    assert bound_streets(network, tasks, 0, [], [], [1]) == pytest.approx(2 * 34 + 2 * 54)


def test_a_visit_to_the_tip_is_paid_for_every_load() -> None:
    """Two streets between depot and tip: in two loads two visits are paid, and the way back to the second street."""
    network = _network([(0, 1, 10.0), (1, 2, 10.0)])
    tasks = _tasks(network, [0, 1], 3)
    one = bound_streets(network, tasks, 0, [2], [100.0], [6])
    two = bound_streets(network, tasks, 0, [2], [100.0], [3])
    assert one == pytest.approx(100 + 40)
    assert two == pytest.approx(200 + 60)


def test_turning_round_is_paid() -> None:
    """At the end of a dead end a truck turns round, at what that costs."""
    network = _network([(0, 1, 10.0)], Turns(0.0, 1.0, 2.0, 30.0))
    assert bound_streets(network, _tasks(network, [0], 1), 0, [], [], [5]) == pytest.approx(20 + 30)


def test_a_bound_is_never_above_a_plan() -> None:
    """Serving the streets of drawn networks one trip each is never cheaper than the bound."""
    for seed in range(6):
        rng = np.random.default_rng(seed)
        ends = [(int(a), a + 1, float(rng.integers(3, 20))) for a in range(7)]
        ends += [(int(a), int(b), float(rng.integers(3, 20))) for a, b in rng.integers(0, 8, (5, 2)) if a != b]
        network = _network(ends)
        tasks = _tasks(network, list(range(len(ends))), 1)
        away = _least_ways(network, 8)
        alone = sum(
            min(away[0, a] + away[b, 0], away[0, b] + away[a, 0]) + cost
            for a, b, cost in ends
        )  # fmt: skip
        assert bound_streets(network, tasks, 0, [], [], [1]) <= alone + 1e-6


def _least_ways(network: ArcNetwork, nodes: int) -> np.ndarray:
    ways = np.full((nodes, nodes), np.inf)
    np.fill_diagonal(ways, 0.0)
    for tail, head, cost in zip(network.tail, network.head, network.cost, strict=True):
        ways[tail, head] = min(ways[tail, head], cost)
    for via in range(nodes):
        ways = np.minimum(ways, ways[:, via, None] + ways[via])
    return ways
