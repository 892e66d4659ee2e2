"""Several units an incident: what is asked for, and when the first, the second and all were there."""

import numpy as np
import pytest

from cityloop.domains.emergency.responses import due_of, full_assignment
from cityloop.domains.emergency.schema import Due, Fire, ResponsePlan
from cityloop.kernel.errors import ConfigError

E, L = int(Fire.ENGINE), int(Fire.LADDER)
PLAN = ResponsePlan({"fire": ((E, 3), (L, 1)), "small": ((E, 1),)})


def test_a_determinant_asks_for_its_units_one_by_one():
    """Three engines, of which the first and the second are named, and a ladder."""
    assert PLAN.places("fire") == ((E, Due.FIRST), (E, Due.SECOND), (E, Due.OTHER), (L, Due.OTHER))
    assert PLAN.places("small") == ((E, Due.FIRST),)


def test_an_unknown_determinant_is_named():
    """With those that there are."""
    with pytest.raises(ConfigError, match="no determinant 'flood'; there are fire, small"):
        PLAN.places("flood")


def test_a_plan_that_asks_for_nobody_is_refused():
    """No call may get no unit."""
    with pytest.raises(ConfigError, match="must name units"):
        ResponsePlan({"fire": ()})


def test_who_was_there_first_is_the_first_due():
    """A ladder comes first of all, but the first engine counts; the last unit makes the assignment full."""
    incident = np.array([0, 0, 0, 0, 1])
    needs = np.array([E, E, L, E, E], np.int32)
    received = np.zeros(5, np.int64)
    mobile = np.array([60, 60, 60, 60, 60]) * 1000
    arrived = np.array([400, 300, 200, 540, 180]) * 1000
    first, second, full = due_of(incident, needs, received, mobile, arrived)
    assert first.tolist() == [[5.0, 240.0], [3.0, 120.0]]
    assert second[0].tolist() == pytest.approx([400 / 60, 340.0])
    assert full[0].tolist() == [9.0, 480.0]
    assert np.isnan(second[1]).all()
    assert np.isnan(full[1]).all()


def test_an_assignment_with_a_place_unfilled_is_not_full():
    """The ladder never came: no full assignment, one place unserved; the first due counts all the same."""
    found = full_assignment(
        np.array([0, 0]),
        np.array([E, L], np.int32),
        np.zeros(2, np.int64),
        np.array([60_000, -1]),
        np.array([180_000, -1]),
    )
    assert found.unserved == 1
    assert found.full.incidents == 0
    assert (found.first.incidents, found.first.mean_min, found.first.drive_within) == (1, 3.0, 1.0)


def test_a_second_alarm_counts_from_when_it_was_asked_for_and_leaves_the_first_alone():
    """Two more engines, asked for ten minutes in: the last of them comes seven minutes later."""
    minute = 60_000
    found = full_assignment(
        np.array([0, 0, 0, 0]),
        np.array([E, E, E, E], np.int32),
        np.array([0, 0, 10, 10]) * minute,
        np.array([1, 1, 11, 11]) * minute,
        np.array([4, 5, 15, 17]) * minute,
        np.array([1, 1, 2, 2], np.int32),
    )
    assert (found.first.mean_min, found.second.mean_min, found.full.mean_min) == (4.0, 5.0, 5.0)
    assert found.second_alarm is not None
    assert (found.second_alarm.incidents, found.second_alarm.mean_min) == (1, 7.0)


def test_a_second_alarm_without_a_first_is_refused():
    """By the determinant."""
    with pytest.raises(ConfigError, match="'flood' has a second alarm and no first"):
        ResponsePlan({"fire": ((E, 1),)}, second={"flood": ((E, 1),)})
