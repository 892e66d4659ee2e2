"""Turns and lanes are drawn so that shares come out right over draws as well as over vehicles."""

from __future__ import annotations

import numpy as np
import pytest

from cityloop.domains.signals.drawing import draw_lane, draw_turn

BEGIN, END = np.array([0], np.int32), np.array([2], np.int32)
CLASSES = np.array([0, 1], np.int32)
EVEN_ODDS = np.ones(2)


def turn(ordinal: int, share: float, shift: float, *, odds=EVEN_ODDS, head: bool = False) -> int:
    """Return the turn of a vehicle of a lane that leads two ways."""
    shares = np.array([share, 1.0 - share])
    return draw_turn(ordinal, 0, head, BEGIN, END, CLASSES, shares, odds, shift)


@pytest.mark.parametrize("ordinal", range(12))
def test_over_three_draws_a_vehicle_wants_each_turn_by_its_share(ordinal):
    """Two thirds lead ahead: of three draws two say ahead, for every single vehicle."""
    assert sum(turn(ordinal, 2 / 3, shift) for shift in (0.0, 1 / 3, 2 / 3)) == 1


def test_over_many_vehicles_each_draw_keeps_the_shares():
    """One in five turns off, in each draw by itself."""
    for shift in (0.0, 1 / 3, 2 / 3):
        assert 18 <= sum(turn(ordinal, 0.8, shift) for ordinal in range(100)) <= 22


def test_what_is_known_of_the_head_holds_in_every_draw():
    """Who stood through the green ahead wants the other turn, however it is drawn."""
    odds = np.array([0.001, 1.0])
    assert all(turn(7, 0.9, shift, odds=odds, head=True) == 1 for shift in (0.0, 1 / 3, 2 / 3))


def test_over_draws_a_vehicle_makes_for_each_pocket():
    """Two lanes that let equally many go: over draws a vehicle is taken to make for both."""
    sharing_begin, sharing_queue = np.array([0, 1, 1], np.int32), np.array([1], np.int32)
    rows, left = np.array([0, 1], np.int32), np.array([40, 40], np.int64)
    drawn = {draw_lane(5, 0, 0, sharing_begin, sharing_queue, rows, left, shift) for shift in (0.0, 1 / 3, 2 / 3)}
    assert drawn == {0, 1}
