"""Bounds on miles: never above what a plan can reach, and tight where places and loads leave no choice."""

from itertools import permutations

import numpy as np
import pytest

from cityloop.studies.refuse_kim_bound import bound_loops, bound_miles

CASE = """2.0 // vehicle capacity
3.0 // a day
9 // stops
3600 // lunch
40 // mph
Stop_ID X Y Early Late Service Load Type
0 0 0 0400 1500 0 99 0
1 5280 0 0000 2400 0 99 2
2 105600 0 0000 2400 0 99 2
3 52800 0 0000 2400 60 1 1
4 52800 0 0000 2400 60 1 1
5 -5280 0 0000 2400 60 1 1
6 -5280 0 0000 2400 60 1 1
"""


def along(x):
    """Distances on a street."""
    x = np.asarray(x, float)
    return np.abs(x[:, None] - x)


def test_a_far_pair_and_a_near_pair_are_two_loads():
    """Each load holds two: 20 to the far pair and back, 2 to the near one, and no order does it for less."""
    load = np.array([0.0, 1.0, 1.0, 1.0, 1.0])
    assert bound_loops(along([0, 10, 10, 1, 1]), load, 2.0, None, 100) == pytest.approx(22.0)


def test_the_bound_is_not_above_the_best_plan():
    """Five drawn stops of which two fit on a truck: no more than the best split of any order."""
    for seed in range(4):
        spot = np.random.default_rng(seed).uniform(0, 10, (6, 2))
        way = np.abs(spot[:, None] - spot).sum(axis=2)
        best = min(
            way[0, a] + way[a, b] + way[b, 0] + way[0, c] + way[c, d] + way[d, 0] + 2 * way[0, e]
            for a, b, c, d, e in permutations(range(1, 6))
        )
        bound = bound_loops(way, np.array([0.0, 1, 1, 1, 1, 1]), 2.0, None, 100)
        assert 0.7 * best <= bound <= best + 1e-6


def test_every_truck_drives_home_from_a_tip(tmp_path):
    """Two loads, each over the near tip; both trucks home from it, a mile each."""
    (tmp_path / "6_stop.txt").write_text(CASE)
    found = bound_miles(tmp_path / "6_stop.txt", 2, ("2",), 100)
    # The near tip counts as the depot: 9 miles out and back to the far pair, 1 to the other, and 2 trucks home.
    assert found["near tips"] == pytest.approx(18.0 + 2.0 + 2.0)
    # Over the far tip at mile 20 both ways lead past the far pair.
    assert found["tip 2 too"] == pytest.approx(38.0 + 2.0)
