"""Tests of how alerts are counted."""

from __future__ import annotations

import pytest

from cityloop.studies.dashboard_alerts import most_in_ten_minutes


@pytest.mark.parametrize(
    ("minutes", "most"),
    [([], 0), ([5.0], 1), ([0.0, 9.9, 10.0], 2), ([30.0, 0.0, 31.0, 1.0, 32.0], 3)],
)
def test_the_worst_ten_minutes_are_found_wherever_they_lie(minutes: list[float], most: int) -> None:
    """Whatever order they come in; an alert exactly ten minutes later belongs to the next ten."""
    assert most_in_ten_minutes([round(one * 60_000) for one in minutes]) == most
