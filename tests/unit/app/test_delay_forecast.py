"""Tests of the delay expected on a junction's approaches."""

from __future__ import annotations

import numpy as np
import pytest

from cityloop.app.delay_forecast import HORIZON_S, _roll_out


def _i32(*values: int) -> np.ndarray:
    return np.array(values, np.int32)


def _expected(eta_s: list[float], *, shown: int, asked: int, approach: int = 0, room: int = 64) -> float:
    """One junction of two stages; its one queue goes in stage 1; 4 s between them, green for long already."""
    eta = np.zeros((1, 8))
    eta[0, : len(eta_s)] = eta_s
    expected = np.zeros(1)
    _roll_out(
        0, _i32(shown), _i32(asked), _i32(shown), np.array([-60_000]), np.array([-60_000]), _i32(2), _i32(0), _i32(1),
        _i32(approach), np.array([[0, 2]], np.uint8), np.array([[True, True]]), np.full((1, 2), 5.0),
        np.full((1, 2, 2), 4.0), eta, np.zeros((1, 8), np.int32), _i32(len(eta_s)), np.array([2.0]), _i32(room),
        expected,
    )  # fmt: skip
    return float(expected[0])


def test_nobody_waits_at_an_empty_junction():
    """No vehicles, no delay."""
    assert _expected([], shown=0, asked=1) == 0.0


def test_queue_leaves_after_the_change():
    """Three standing leave 5.2, 7.2 and 9.2 s from now: 5, 7 and 9 whole seconds of waiting."""
    assert _expected([0.0, 0.0, 0.0], shown=0, asked=1) == 21.0


def test_who_arrives_at_green_is_not_held_up():
    """A vehicle that comes in ten seconds to a running green loses nothing."""
    assert _expected([10.0], shown=1, asked=1) == 0.0


def test_only_what_the_detectors_reach_counts():
    """Five stand, two are in sight: two a second for the eleven seconds until the fourth has left, then one for two."""
    assert _expected([0.0] * 5, shown=0, asked=1, room=2) == 2 * 11 + 1 * 2


def test_people_on_foot_are_not_counted():
    """A crossing's queue is none of the approaches'."""
    assert _expected([0.0], shown=0, asked=1, approach=-1) == 0.0


@pytest.mark.parametrize("shown", [0, 1])
def test_delay_is_bounded_by_who_is_there(shown):
    """Nobody can lose more than the horizon."""
    assert 0.0 <= _expected([0.0] * 8, shown=shown, asked=shown) <= 8 * HORIZON_S
