"""Where a patient is taken, in hand-checked cases: capability, queues, diversions, closed doors."""

from dataclasses import replace

import numpy as np
import pytest

from cityloop.methods.hospital_choice import Capability, Departments, Door, advise, door_waits_ms

MINUTE_MS = 60_000
STROKE = int(Capability.STROKE)


@pytest.fixture
def departments():
    """Three: an ordinary one, two with a stroke unit; no bound at the doors."""
    return Departments(
        capability=np.array([0, STROKE, STROKE], np.int32),
        is_open=np.ones(3, np.bool_),
        diverting=np.zeros(3, np.bool_),
        bays=np.zeros(3, np.int32),
        here=np.zeros(3, np.int32),
        coming=np.zeros(3, np.int32),
        handover_ms=20.0 * MINUTE_MS,
    )


def minutes(*values):
    """Drives."""
    return np.array(values, np.int64) * MINUTE_MS


def test_an_ordinary_patient_goes_to_the_nearest(departments):
    """Five minutes before ten."""
    found = advise(departments, 0, minutes(5, 10, 20))
    assert (found.hospital, found.door, found.drive_ms) == (0, Door.SOONEST, 5 * MINUTE_MS)
    assert found.others == ((1, 10 * MINUTE_MS), (2, 20 * MINUTE_MS))


def test_a_stroke_passes_the_nearest_for_one_that_can_treat_it(departments):
    """The second is the nearest that can."""
    assert advise(departments, STROKE, minutes(5, 10, 20)).hospital == 1


def test_a_queue_at_the_door_counts_as_time(departments):
    """Two bays full and two waiting: three handovers to wait for at two bays' rate, half an hour."""
    busy = replace(departments, bays=np.array([0, 2, 2], np.int32), here=np.array([0, 4, 0], np.int32))
    assert door_waits_ms(busy).tolist() == [0.0, 30.0 * MINUTE_MS, 0.0]
    found = advise(busy, STROKE, minutes(5, 10, 20))
    assert (found.hospital, found.wait_ms) == (2, 0)


def test_a_diversion_is_kept_while_another_has_what_is_needed(departments):
    """The second diverts: the third takes the stroke, though farther."""
    away = replace(departments, diverting=np.array([False, True, False]))
    assert advise(away, STROKE, minutes(5, 10, 20)).hospital == 2


def test_a_diversion_yields_to_a_need_that_nobody_else_meets(departments):
    """Both that could treat a stroke divert: the nearer of them takes it, and the reason says so."""
    away = replace(departments, diverting=np.array([False, True, True]))
    found = advise(away, STROKE, minutes(5, 10, 20))
    assert (found.hospital, found.door) == (1, Door.DIVERTING)


def test_a_capable_hospital_may_be_too_far(departments):
    """More than half an hour beyond the nearest: that one stabilises."""
    found = advise(departments, STROKE, minutes(5, 40, 50))
    assert (found.hospital, found.door) == (0, Door.TOO_FAR)


def test_a_need_that_nobody_meets_goes_to_the_nearest(departments):
    """No trauma centre anywhere."""
    found = advise(departments, int(Capability.TRAUMA), minutes(9, 4, 6))
    assert (found.hospital, found.door) == (1, Door.NONE_CAPABLE)


def test_a_closed_hospital_takes_nobody_while_one_is_open(departments):
    """The nearest two are closed."""
    shut = replace(departments, is_open=np.array([False, False, True]))
    assert advise(shut, 0, minutes(5, 10, 20)).hospital == 2


def test_nobody_is_turned_away_from_the_last_door(departments):
    """All closed: the nearest, and the reason says so."""
    shut = replace(departments, is_open=np.zeros(3, np.bool_))
    found = advise(shut, STROKE, minutes(5, 10, 20))
    assert (found.hospital, found.door) == (0, Door.LAST_DOOR)
