"""Cycle, splits and delay against figures worked by hand and a queue counted vehicle by vehicle."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cityloop.studies.webster import (
    greens_s,
    permitted_frac,
    stage_shares,
    webster_cycle_s,
    webster_delay_s,
)


def test_cycle_of_a_worked_example():
    """With 10 s lost and critical flow ratios of 0.3 and 0.3, (1.5 x 10 + 5) / (1 - 0.6) is 50 s."""
    assert webster_cycle_s(10.0, 0.6) == pytest.approx(50.0)


def test_no_cycle_carries_more_than_there_is():
    """At a flow ratio of 1 no cycle is long enough."""
    assert math.isinf(webster_cycle_s(10.0, 1.0))


def test_websters_cycle_lies_at_the_least_of_websters_delay():
    """The closed form comes within 5 % of the least delay that a search over cycles finds."""
    lost_s, flow, saturation = 8.0, 0.15, 0.5

    def delay_s(cycle_s: float) -> float:
        return webster_delay_s(cycle_s, (cycle_s - lost_s) / 2, flow, saturation)

    best_s = min(delay_s(cycle_s) for cycle_s in np.arange(20.0, 200.0, 0.5))
    assert delay_s(webster_cycle_s(lost_s, 0.6)) < 1.05 * best_s


def test_uniform_delay_matches_a_queue_counted_vehicle_by_vehicle():
    """Vehicles that come evenly and leave at saturation wait, on average, Webster's uniform term."""
    cycle_s, green_s, headway_s, discharge_s = 60.0, 30.0, 6.0, 2.0
    waits, free_s = [], 0.0
    for k in range(4000):
        arrives_s = 0.5 + k * headway_s
        leaves_s = max(arrives_s, free_s)
        if leaves_s % cycle_s >= green_s:
            leaves_s = (leaves_s // cycle_s + 1) * cycle_s
        free_s = leaves_s + discharge_s
        waits.append(leaves_s - arrives_s)
    flow, saturation, share = 1 / headway_s, 1 / discharge_s, green_s / cycle_s
    degree = flow / (share * saturation)
    random_s = degree**2 / (2 * flow * (1 - degree))
    uniform_s = webster_delay_s(cycle_s, green_s, flow, saturation) / 0.9 - random_s
    assert np.mean(waits) == pytest.approx(uniform_s, rel=0.12)


def test_splits_of_separate_stages_are_in_proportion_to_their_critical_flows():
    """Two stages with critical ratios 0.4 and 0.2 share the green two to one, and Y is their sum."""
    served = np.array([[1.0, 1.0, 0.0], [0.0, 0.0, 1.0]])
    shares, ratio = stage_shares(served, np.array([0.4, 0.1, 0.2]))
    assert shares == pytest.approx([2 / 3, 1 / 3])
    assert ratio == pytest.approx(0.6)


def test_a_stage_whose_movements_have_a_better_one_gets_nothing():
    """A stage that serves half of what another does is left out."""
    served = np.array([[1.0, 1.0, 0.0], [1.0, 0.0, 0.0], [0.0, 0.0, 1.0]])
    shares, _ = stage_shares(served, np.array([0.3, 0.3, 0.3]))
    assert shares[1] == pytest.approx(0.0)


def test_a_permitted_turn_loses_what_the_opposing_stream_takes():
    """Against 500 veh/h, 900 of 1,800 veh/h are left; against a full stream, those who turn at the change."""
    assert permitted_frac(500.0) == pytest.approx(0.5)
    assert permitted_frac(1800.0) == pytest.approx(0.08)


@given(st.lists(st.tuples(st.floats(0, 1), st.integers(5, 15)), min_size=1, max_size=8), st.integers(0, 150))
def test_greens_keep_their_least_and_add_up(rows, spare_s):
    """No stage falls below its least green, and the whole is what was to be split, give or take rounding."""
    shares, least = [share for share, _ in rows], [float(s) for _, s in rows]
    total_s = sum(least) + spare_s
    greens = greens_s(shares, least, total_s)
    assert all(green >= low for green, low in zip(greens, least, strict=True))
    assert sum(greens) == pytest.approx(total_s, abs=1.0)
