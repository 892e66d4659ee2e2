"""Yellow, all-red and crossing clearance, in hand-checked numbers."""

from __future__ import annotations

import numpy as np
import pytest

from cityloop.methods.clearance import (
    ClearanceParams,
    all_red_s,
    ceding,
    crossing_clearance_s,
    held_green_s,
    yellow_s,
)

PARAMS = ClearanceParams()


@pytest.mark.parametrize(
    ("approach_mps", "expected_s"),
    [
        (8.33, 3),  # 1 + 8.33 / 6.1 = 2.37, and 3 is the least
        (13.89, 4),  # 1 + 13.89 / 6.1 = 3.28
        (19.44, 5),  # 1 + 19.44 / 6.1 = 4.19
        (12.2, 3),  # exactly 3
        (40.0, 6),  # 7.56, and 6 is the most
    ],
)
def test_yellow_follows_the_kinematic_formula(approach_mps, expected_s):
    """Yellow is reaction plus half the braking time, in whole seconds between 3 and 6."""
    assert yellow_s(approach_mps, PARAMS) == expected_s


@pytest.mark.parametrize(
    ("path_m", "speed_mps", "expected_s"),
    [(22.78, 13.89, 2), (22.79, 13.89, 3), (1.0, 20.0, 1), (100.0, 10.0, 6)],
)
def test_all_red_lets_the_last_vehicle_out(path_m, speed_mps, expected_s):
    """All-red is way plus 5 m of vehicle over speed, in whole seconds between 1 and 6."""
    assert all_red_s(path_m, speed_mps, PARAMS) == expected_s


def test_a_crossing_is_cleared_at_walking_speed():
    """12.8 m take 13 s at 1.0 m/s and 16 s at 0.8 m/s."""
    assert crossing_clearance_s(12.8, PARAMS) == 13
    assert crossing_clearance_s(12.8, ClearanceParams(walking_speed_mps=0.8)) == 16


def test_rounding_noise_costs_no_second():
    """A length that is whole but for the last bits of its sum takes that many seconds."""
    assert crossing_clearance_s(0.1 + 0.2 + 5.7, PARAMS) == 6


@pytest.mark.parametrize(
    "wrong",
    [
        {"walking_speed_mps": 0.0},
        {"deceleration_mps2": -1.0},
        {"yellow_least_s": 7},
        {"all_red_least_s": 7},
    ],
)
def test_nonsense_parameters_are_refused(wrong):
    """Speeds and braking are positive, bounds are in order."""
    with pytest.raises(ValueError, match="s"):
        ClearanceParams(**wrong)


def test_a_standing_approach_is_refused():
    """A speed of zero has no yellow and no all-red."""
    with pytest.raises(ValueError, match="approach_mps is 0"):
        yellow_s(0, PARAMS)
    with pytest.raises(ValueError, match="speed_mps is 0"):
        all_red_s(10.0, 0, PARAMS)


@pytest.mark.parametrize(
    ("change_s", "crossing_s", "held_s"),
    [(13.0, 12.4, 5.0), (8.0, 6.0, 0.0), (8.0, 8.0, 0.0), (5.0, 0.0, 0.0), (14.0, 12.4, 0.0)],
)
def test_vehicles_keep_green_only_for_what_a_crossing_needs_beyond_them(change_s, crossing_s, held_s):
    """With 4 s of yellow and 3.2 s of all-red; a change longer than its crossing holds nothing."""
    assert held_green_s(change_s, crossing_s, 4.0, 3.2) == held_s


@pytest.mark.parametrize(
    ("before", "after", "cedes"),
    [
        ((2, 0), (1, 2), True),  # the stream that it yields to is let go
        ((2, 0), (1, 1), True),
        ((2, 1), (1, 2), True),  # it gains the right of way
        ((2, 2), (1, 2), False),  # it was let go already
        ((2, 0), (1, 0), False),
        ((2, 0), (1, 3), False),  # turning on red after a stop is no green
        ((1, 0), (1, 2), False),  # it yielded before
        ((2, 0), (2, 0), False),
        ((2, 0), (0, 2), False),  # it loses its green altogether, which is a yellow anyway
    ],
)
def test_a_right_of_way_is_given_up_to_those_who_are_let_go(before, after, cedes):
    """Of two links the first yields to the second."""
    yields = np.array([[False, True], [False, False]])
    found = ceding(np.array(before, np.uint8), np.array(after, np.uint8), yields)
    assert found.tolist() == [cedes, False]
