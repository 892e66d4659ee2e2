"""Shifts by the clock on the wall, nights, and what crews are owed."""

from datetime import UTC, datetime

import numpy as np
import pytest

from cityloop.domains.emergency.crew import CrewRules, is_night, meals_at_once, shift_changes_ms

HOUR_MS = 3_600_000


def at(*moment: int) -> int:
    """Return an instant of UTC."""
    return round(datetime(*moment, tzinfo=UTC).timestamp() * 1000)


def test_night_is_local():
    """21:30 UTC is 23:30 in Berlin's summer and 22:30 in its winter."""
    rules = CrewRules(zone="Europe/Berlin")
    assert is_night(rules, at(2026, 7, 1, 21, 30))
    assert not is_night(rules, at(2026, 12, 1, 21, 30))


def test_a_shift_ends_by_the_wall_when_clocks_change():
    """Changes at 06:00 and 18:00 in Berlin: 12 h apart, but 11 h over the night in which summer begins."""
    changes = shift_changes_ms(CrewRules(zone="Europe/Berlin"), at(2026, 3, 28), at(2026, 3, 29), offset_min=360)
    assert changes[:4].tolist() == [at(2026, 3, 28, 5), at(2026, 3, 28, 17), at(2026, 3, 29, 4), at(2026, 3, 29, 16)]
    assert np.diff(changes[:4] // HOUR_MS).tolist() == [12, 11, 12]


def test_a_meal_window_outside_the_shift_is_refused():
    """Nobody eats in the fourteenth hour of twelve."""
    with pytest.raises(ValueError, match="must lie in the shift"):
        CrewRules(meal_until_h=14.0)


@pytest.mark.parametrize(("units", "at_once"), [(1, 1), (2, 1), (3, 1), (4, 2), (16, 2)])
def test_a_small_fleet_never_eats_all_at_once(units, at_once):
    """Two crews of two at table would leave nobody to send; of one there is no choice."""
    assert meals_at_once(CrewRules(), units) == at_once
    assert meals_at_once(CrewRules(meals_at_once=0), units) == 0
