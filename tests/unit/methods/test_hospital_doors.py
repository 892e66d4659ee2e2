"""Hospitals' doors, by hand: bays, the queue, and declarations."""

import pytest

from cityloop.kernel.errors import ConfigError
from cityloop.methods.hospital_doors import Doors, HospitalPlan, Notice


def test_a_queue_is_served_in_order():
    """With one bay the second waits for the first, the third for the second."""
    doors = Doors(HospitalPlan((0,), (1,), 1.0))
    assert [doors.arrive(0, unit) for unit in (4, 5, 6)] == [True, False, False]
    assert doors.waiting(0) == 2
    assert [doors.leave(0) for _ in range(3)] == [5, 6, -1]


def test_a_plan_that_does_not_fit_is_refused():
    """One line that names what is wrong."""
    with pytest.raises(ConfigError, match="2 numbers of bays for 1 hospitals"):
        HospitalPlan((0,), (1, 1), 1.0)
    with pytest.raises(ConfigError, match="notice of hospital 3, there are 1"):
        HospitalPlan((0,), (1,), 1.0, (Notice(0, 3, is_open=True, diverting=False),))


def test_a_door_closes_once():
    """Only the declaration that closes it turns units round; a diversion does not, nor does the word said again."""
    doors = Doors(HospitalPlan((0,), (0,), 1.0))
    said = [(True, True), (False, False), (False, False), (True, False), (False, True)]
    told = [doors.declare(Notice(0, 0, is_open=is_open, diverting=diverting)) for is_open, diverting in said]
    assert told == [False, True, False, False, True]
    assert not doors.is_open[0]
    assert doors.diverting[0]
