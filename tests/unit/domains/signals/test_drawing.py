"""Turns and lanes are drawn so that shares come out right over draws as well as over vehicles."""

from __future__ import annotations

import numpy as np
import pytest

from cityloop.domains.signals.drawing import Lanes, Sight, draw_lane, draw_turn

EVEN_ODDS = np.ones(2)
NOTHING_I, NOTHING_F = np.zeros(0, np.int32), np.zeros(0)


def lanes(**given: np.ndarray) -> Lanes:
    """Return lanes of which only what is given is told."""
    told = {name: NOTHING_F if name.endswith(("_m", "_mps")) else NOTHING_I for name in Lanes._fields}
    return Lanes(**(told | given))


def sight(**given: np.ndarray) -> Sight:
    """Return a sight of which only what is given is told."""
    told = {name: NOTHING_I if name in ("count_veh", "left_veh") else NOTHING_F for name in Sight._fields}
    return Sight(**(told | given))


TWO_WAYS = lanes(
    movement_begin=np.array([0], np.int32),
    movement_end=np.array([2], np.int32),
    class_of_movement=np.array([0, 1], np.int32),
)


def turn(ordinal: int, share: float, shift: float, *, odds=EVEN_ODDS, head: bool = False) -> int:
    """Return the turn of a vehicle of a lane that leads two ways."""
    seen = sight(share=np.array([share, 1.0 - share]), head_odds=odds)
    return draw_turn(ordinal, 0, head, TWO_WAYS, seen, shift)


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
    pockets = lanes(
        queue_approach=np.array([0, 1], np.int32),
        sharing_begin=np.array([0, 1, 1], np.int32),
        sharing_queue=np.array([1], np.int32),
    )
    seen = sight(left_veh=np.array([40, 40], np.int64))
    assert {draw_lane(5, 0, 0, pockets, seen, shift) for shift in (0.0, 1 / 3, 2 / 3)} == {0, 1}
