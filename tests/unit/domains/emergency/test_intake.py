"""Bad calls and positions are named and set aside."""

import numpy as np

from cityloop.domains.emergency.intake import CallFault, PositionFault, Positions, judge_calls, judge_positions


def test_calls_are_judged_by_number_place_and_priority():
    """A number known, a number twice, a place off the map, a place unread, a priority of zero."""
    fault = judge_calls(
        np.array([7, 8, 8, 9, 10, 11]),
        np.array([10.0, 10.0, 10.0, 9_000.0, np.nan, 10.0]),
        np.array([1, 1, 1, 1, 1, 0], np.int32),
        known=np.array([7]),
    )
    wrong = CallFault
    assert fault.tolist() == [
        wrong.DUPLICATE,
        wrong.NONE,
        wrong.DUPLICATE,
        wrong.OFF_THE_GRAPH,
        wrong.OFF_THE_GRAPH,
        wrong.NO_PRIORITY,
    ]


def test_positions_from_the_future_from_the_past_and_far_away_are_set_aside():
    """A unit 20 km away after ten seconds is not there; the next honest report is believed again."""
    reports = Positions(
        np.array([0, 0, 0, 0, 1], np.int32),
        np.array([70_000, 5_000, 20_000, 21_000, 1_000_000]),
        np.array([0.0, 0.0, 20_000.0, 150.0, 30_000.0]),
        np.zeros(5),
    )
    zeros = np.zeros(2)
    fault = judge_positions(reports, np.array([10_000, 0]), zeros, zeros, now_ms=60_000)
    wrong = PositionFault
    assert fault.tolist() == [wrong.FUTURE, wrong.OLD, wrong.JUMP, wrong.NONE, wrong.FUTURE]


def test_a_unit_that_was_never_seen_is_believed():
    """NaN is no place to be far from."""
    reports = Positions(np.array([0], np.int32), np.array([1_000]), np.array([9e6]), np.zeros(1))
    assert judge_positions(reports, np.array([0]), np.array([np.nan]), np.array([np.nan]), 1_000).tolist() == [0]
