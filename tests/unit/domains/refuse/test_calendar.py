"""Fixed days by the calendar: holidays move rounds by a rule, and residents are told ahead or nothing moves."""

from __future__ import annotations

from datetime import date, timedelta

import pytest

from cityloop.domains.refuse.calendar import DayRound, Holidays, Move, calendar_of, ics_of, moves
from cityloop.kernel.errors import InputError

MONDAY = date(2027, 3, 1)
ROUNDS = [DayRound(name, weekday, 1, MONDAY) for weekday, name in enumerate(("A", "B", "C", "D", "E"))]


def week(rule: str, *off: int, spare: frozenset[int] = frozenset({5})) -> dict[str, str]:
    """Return the weekday on which each round comes in a week with so many days off."""
    holidays = Holidays(frozenset(MONDAY + timedelta(days=n) for n in off), rule, spare=spare)
    found = calendar_of(ROUNDS, holidays, MONDAY, MONDAY + timedelta(days=6))
    return {name: days[0].strftime("%a") for name, days in found.items()}


def test_a_holiday_slips_the_rest_of_its_week() -> None:
    """Wednesday off: Wednesday's round and all after it come a day later, Friday's on the spare Saturday."""
    assert week("slip", 2) == {"A": "Mon", "B": "Tue", "C": "Thu", "D": "Fri", "E": "Sat"}
    assert week("slip") == {"A": "Mon", "B": "Tue", "C": "Wed", "D": "Thu", "E": "Fri"}


def test_other_rules_move_the_holidays_round_alone() -> None:
    """It takes the next day without a round, or the last worked day before."""
    assert week("next_free", 2) == {"A": "Mon", "B": "Tue", "C": "Sat", "D": "Thu", "E": "Fri"}
    assert week("before", 2) == {"A": "Mon", "B": "Tue", "C": "Tue", "D": "Thu", "E": "Fri"}


def test_a_week_without_room_is_named() -> None:
    """Two days off with one spare day: the message names round, week and what would do."""
    with pytest.raises(InputError, match=r"round E: the week of 2027-03-01 has no worked day left .* spare day"):
        week("slip", 2, 3)


def test_rounds_of_every_other_week_keep_their_weeks() -> None:
    """A round of every second week is counted from the week of its first day."""
    found = calendar_of([DayRound("A", 1, 2, MONDAY)], Holidays(frozenset()), MONDAY, MONDAY + timedelta(days=35))
    assert found["A"] == [date(2027, 3, 2), date(2027, 3, 16), date(2027, 3, 30)]


def test_nothing_moves_without_notice() -> None:
    """A move in three weeks is listed; one in three days is refused, with the first day that may move."""
    told = {"A": [date(2027, 3, 2), date(2027, 3, 23)]}
    now = {"A": [date(2027, 3, 2), date(2027, 3, 24)]}
    assert moves(told, now, MONDAY, 14) == [Move("A", date(2027, 3, 23), date(2027, 3, 24))]
    with pytest.raises(InputError, match=r"2027-03-23 may not move to 2027-03-24.*from 2027-04-03 on"):
        moves(told, now, date(2027, 3, 20), 14)
    assert moves(told, {"A": [date(2027, 3, 2)]}, MONDAY, 14) == [Move("A", date(2027, 3, 23), None)]


def test_a_day_that_is_over_cannot_have_moved() -> None:
    """What lies behind is not looked at."""
    assert moves({"A": [date(2027, 2, 1)]}, {"A": []}, MONDAY, 14) == []


def test_residents_get_a_calendar_file() -> None:
    """One whole-day event a collection, with lines as the format asks for."""
    text = ics_of("North, paper", [date(2027, 3, 2)], "20270101T000000Z")
    assert "DTSTART;VALUE=DATE:20270302\r\nDTEND;VALUE=DATE:20270303\r\nSUMMARY:North\\, paper\r\n" in text
