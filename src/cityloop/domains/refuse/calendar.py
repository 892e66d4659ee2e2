"""Collection days by the calendar: fixed days, what holidays do to them, and no move without notice.

A round has its weekday and comes every week or every so many. A holiday moves it: to the next worked day with all
rounds of the week after it (``slip``), to the next day that is free of rounds (``next_free``), or to the last worked
day before it (``before``). Residents are told a calendar; a later one may not move a day that is
nearer than the notice, and every move is listed.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta

from cityloop.kernel.errors import InputError

__all__ = ["DayRound", "Holidays", "Move", "calendar_of", "ics_of", "moves"]

WEEKDAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")


@dataclass(frozen=True, slots=True)
class DayRound:
    """A round of fixed day."""

    name: str
    weekday: int
    """0 is Monday."""
    every_weeks: int
    first: date
    """A day in the first week it is driven in."""


@dataclass(frozen=True, slots=True)
class Holidays:
    """Days on which nobody drives, and what becomes of their rounds."""

    days: frozenset[date]
    rule: str = "slip"
    """``slip``, ``next_free`` or ``before``."""
    worked: frozenset[int] = frozenset({0, 1, 2, 3, 4})
    """Weekdays that rounds have."""
    spare: frozenset[int] = frozenset({5})
    """Weekdays that are worked only where a holiday asks for it."""

    def __post_init__(self) -> None:
        """Refuse rules that there are not."""
        if self.rule not in ("slip", "next_free", "before"):
            raise InputError(f"holiday rule {self.rule!r}: must be slip, next_free or before.")
        if self.worked & self.spare:
            both = ", ".join(WEEKDAYS[day] for day in sorted(self.worked & self.spare))
            raise InputError(f"weekdays {both}: are worked and spare; name them once.")


@dataclass(frozen=True, slots=True)
class Move:
    """A collection that is on another day than residents were told."""

    round: str
    told: date
    now: date | None
    """None: it does not come at all."""


def calendar_of(rounds: Sequence[DayRound], holidays: Holidays, first: date, last: date) -> dict[str, list[date]]:
    """Return every round's days between two dates, both included.

    Raises
    ------
    InputError
        When a week has no room for its rounds: the message names the round and the week.
    """
    found: dict[str, list[date]] = {one.name: [] for one in rounds}
    # A week before and after: a slip may lead into the window or out of it.
    monday = first - timedelta(days=first.weekday() + 7)
    while monday <= last + timedelta(days=7):
        for name, day in _week(rounds, holidays, monday).items():
            if first <= day <= last:
                found[name].append(day)
        monday += timedelta(days=7)
    return found


def _week(rounds: Sequence[DayRound], holidays: Holidays, monday: date) -> dict[str, date]:
    due = [one for one in rounds if _driven(one, monday)]
    usual = {one.name: monday + timedelta(days=one.weekday) for one in due}
    off = sorted(day for day in (monday + timedelta(days=n) for n in range(7)) if day in holidays.days)
    if not any(day in off for day in usual.values()):
        return usual
    open_days = [
        day
        for day in (monday + timedelta(days=n) for n in range(7))
        if day.weekday() in holidays.worked | holidays.spare and day not in holidays.days
    ]
    moved: dict[str, date] = {}
    if holidays.rule == "slip":
        # All rounds from the holiday on move on by a worked day, and none overtakes another.
        at: date | None = None
        before: date | None = None
        for one in sorted(due, key=lambda one: usual[one.name]):
            same = before == usual[one.name]
            before = usual[one.name]
            low = usual[one.name] if at is None or same else max(usual[one.name], at + timedelta(days=1))
            at = at if same and at is not None else _first(open_days, low, one, monday)
            moved[one.name] = at
        return moved
    taken = {day for day in usual.values() if day not in off}
    for one in due:
        if usual[one.name] not in off:
            moved[one.name] = usual[one.name]
            continue
        if holidays.rule == "before":
            earlier = [day for day in open_days if day < usual[one.name]]
            moved[one.name] = earlier[-1] if earlier else _first(open_days, usual[one.name], one, monday)
        else:
            free = [day for day in open_days if day not in taken and day > usual[one.name]]
            moved[one.name] = free[0] if free else _first(open_days, usual[one.name], one, monday)
    return moved


def _first(open_days: Sequence[date], low: date, one: DayRound, monday: date) -> date:
    for day in open_days:
        if day >= low:
            return day
    raise InputError(
        f"round {one.name}: the week of {monday} has no worked day left from {low} on; work "
        f"{WEEKDAYS[5]} as a spare day, or use the rule before."
    )


def _driven(one: DayRound, monday: date) -> bool:
    begin = one.first - timedelta(days=one.first.weekday())
    weeks = (monday - begin).days // 7
    return weeks >= 0 and weeks % one.every_weeks == 0


def moves(
    told: Mapping[str, Sequence[date]], now: Mapping[str, Sequence[date]], today: date, notice_days: int
) -> list[Move]:
    """Return what has moved since residents were told, the days to come only.

    Raises
    ------
    InputError
        When a day moves that is nearer than the notice: who was told it keeps it.
    """
    found = []
    for name, days in told.items():
        left = [day for day in now.get(name, ()) if day not in set(days)]
        for day in sorted(days):
            if day < today or day in now.get(name, ()):
                continue
            near = min(left, key=lambda other: abs((other - day).days), default=None)
            if near is not None and abs((near - day).days) > 6:
                near = None
            if near is not None:
                left.remove(near)
            if (min(day, near or day) - today).days < notice_days:
                raise InputError(
                    f"round {name}: {day} may not move to {near or 'no day'}, residents have to be told {notice_days} "
                    f"days ahead; keep {day}, or move days from {today + timedelta(days=notice_days)} on."
                )
            found.append(Move(name, day, near))
    return found


def ics_of(name: str, days: Sequence[date], made: str) -> str:
    """Return a round's days as a calendar file for its residents.

    Parameters
    ----------
    made
        When it was made, as ``20270101T000000Z``.
    """
    lines = ["BEGIN:VCALENDAR", "VERSION:2.0", "PRODID:-//cityloop//refuse//EN"]
    for day in days:
        after = day + timedelta(days=1)
        lines += [
            "BEGIN:VEVENT", f"UID:{name}-{day:%Y%m%d}@cityloop", f"DTSTAMP:{made}",
            f"DTSTART;VALUE=DATE:{day:%Y%m%d}", f"DTEND;VALUE=DATE:{after:%Y%m%d}", f"SUMMARY:{_text(name)}",
            "END:VEVENT",
        ]  # fmt: skip
    return "\r\n".join([*lines, "END:VCALENDAR", ""])


def _text(name: str) -> str:
    return name.replace("\\", "\\\\").replace(";", "\\;").replace(",", "\\,").replace("\n", " ")
