"""Belief of fill: deposits add up, readings are weighed, broken sensors lose their voice."""

import numpy as np
import pytest

from cityloop.methods.fill_belief import SensorParams, chance_full, deposit, emptied, fresh, sense

SENSORS = SensorParams()


def after_days(days, readings=None):
    belief = fresh(1, SENSORS)
    for day in range(days):
        belief = deposit(belief, np.array([0.1]), np.array([0.002]), 1.0, SENSORS)
        if readings is not None:
            belief = sense(belief, np.array([readings[day]]), SENSORS)
    return belief


def test_deposits_add_up():
    """Five days of a tenth are half full."""
    assert after_days(5).mean()[0] == pytest.approx(0.5, abs=0.03)


def test_the_chance_of_being_full_rises_with_what_is_to_come():
    """Half full: hardly full after a tenth, almost surely after nine tenths."""
    belief = after_days(5)
    chances = [chance_full(belief, np.array([m]), np.array([0.02 * m]))[0] for m in (0.1, 0.5, 0.9)]
    assert chances == sorted(chances)
    assert chances[0] < 0.02
    assert chances[2] > 0.98


def test_a_working_sensor_is_heeded():
    """Readings well above what was expected pull the belief to them."""
    assert after_days(4, [0.2, 0.41, 0.59, 0.8]).mean()[0] == pytest.approx(0.8, abs=0.05)


@pytest.mark.parametrize("readings", [[0.3] * 8, [0.1, 0.9, 0.05, 0.7, 0.2, 0.95, 0.1, 0.6]])
def test_stuck_and_lying_sensors_lose_their_voice(readings):
    """A sensor that repeats itself or jumps about is believed broken, and its container goes on filling."""
    belief = after_days(8, readings)
    assert belief.faulty[0] > 0.9
    assert belief.mean()[0] > 0.5


def test_a_silent_sensor_has_no_voice():
    """Two days without a word, and history speaks instead."""
    assert after_days(1, [0.1]).voice()[0] > 0.9
    assert after_days(2).voice()[0] == 0.0


def test_emptied_containers_are_empty():
    """Only the container that was emptied starts anew."""
    belief = deposit(fresh(2, SENSORS), np.full(2, 0.5), np.full(2, 0.01), 1.0, SENSORS)
    assert emptied(belief, np.array([0])).mean() == pytest.approx([0.0, 0.5], abs=0.05)
