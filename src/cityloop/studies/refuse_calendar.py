"""Write the calendar of fixed rounds from the file that users keep, and hold it against what residents were told."""

from __future__ import annotations

import json
import tomllib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from html import escape
from pathlib import Path
from typing import Any

from cityloop.domains.refuse.calendar import (
    WEEKDAYS,
    DayRound,
    Holidays,
    Move,
    calendar_of,
    ics_of,
    moves,
)
from cityloop.kernel.errors import ConfigError

__all__ = ["Written", "write_calendar"]

_STYLE = "body{font:11pt sans-serif;margin:1.5cm}h2{break-after:avoid}ul{columns:4}"


@dataclass(frozen=True, slots=True)
class Written:
    """What was written."""

    rounds: int
    days: int
    moves: Sequence[Move]


def write_calendar(path: Path, first: str, last: str, told: Path | None, today: str | None, out: Path) -> Written:
    """Write calendar.json, a page to print and one .ics a round into a new or empty folder."""
    rounds, holidays, notice_days = read_rounds(path)
    begin, end = _date(first, "--from"), _date(last, "--to")
    if end < begin:
        raise ConfigError(f"--to {last}: lies before --from {first}.")
    days = calendar_of(rounds, holidays, begin, end)
    found: list[Move] = []
    if told is not None:
        since = datetime.now(tz=UTC).date() if today is None else _date(today, "--today")
        found = moves(_read_told(told, begin, end), days, since, notice_days)
    out.mkdir(parents=True, exist_ok=True)
    plain = {name: [day.isoformat() for day in each] for name, each in days.items()}
    (out / "calendar.json").write_text(json.dumps(plain, indent=1) + "\n", encoding="utf-8")
    (out / "calendar.html").write_text(_page(days, begin, end), encoding="utf-8")
    made = f"{begin:%Y%m%d}T000000Z"
    for number, (name, each) in enumerate(days.items(), 1):
        (out / f"round-{number}.ics").write_text(ics_of(name, each, made), encoding="utf-8", newline="")
    return Written(len(days), sum(len(each) for each in days.values()), found)


def read_rounds(path: Path) -> tuple[list[DayRound], Holidays, int]:
    """Return rounds, holidays and the days of notice of a user's file."""
    try:
        given = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, tomllib.TOMLDecodeError) as error:
        raise ConfigError(f"{path}: cannot be read ({error}).") from error
    rows = given.get("rounds")
    if not isinstance(rows, list) or not rows:
        raise ConfigError(f"{path}: has no [[rounds]]; give each a name, a weekday and a first day.")
    rounds = [_round(row, f"{path}, rounds[{number}]") for number, row in enumerate(rows)]
    names = [one.name for one in rounds]
    for name in names:
        if names.count(name) > 1:
            raise ConfigError(f"{path}: round {name!r} stands there {names.count(name)} times; every name once.")
    table = given.get("holidays", {})
    holidays = Holidays(
        frozenset(_date(day, f"{path}, holidays.days") for day in table.get("days", [])),
        str(table.get("rule", "slip")),
        frozenset(_weekday(day, f"{path}, holidays.worked") for day in table.get("worked", WEEKDAYS[:5])),
        frozenset(_weekday(day, f"{path}, holidays.spare") for day in table.get("spare", WEEKDAYS[5:6])),
    )
    notice = given.get("notice_days", 14)
    if not isinstance(notice, int) or notice < 0:
        raise ConfigError(f"{path}, notice_days: {notice!r}, must be a whole number, 0 or more.")
    return rounds, holidays, notice


def _round(row: dict[str, Any], where: str) -> DayRound:
    for key in ("name", "weekday", "first"):
        if key not in row:
            raise ConfigError(f"{where}.{key}: is missing.")
    every = row.get("every_weeks", 1)
    if not isinstance(every, int) or every < 1:
        raise ConfigError(f"{where}.every_weeks: {every!r}, must be a whole number, 1 or more.")
    return DayRound(
        str(row["name"]), _weekday(row["weekday"], f"{where}.weekday"), every, _date(row["first"], f"{where}.first")
    )


def _weekday(value: object, where: str) -> int:
    if value not in WEEKDAYS:
        raise ConfigError(f"{where}: {value!r}, must be one of {', '.join(WEEKDAYS)}.")
    return WEEKDAYS.index(str(value))


def _date(value: object, where: str) -> date:
    if isinstance(value, date):
        return value
    try:
        return date.fromisoformat(str(value))
    except ValueError:
        raise ConfigError(f"{where}: {value!r}, must be a date such as 2027-01-01.") from None


def _read_told(path: Path, first: date, last: date) -> dict[str, list[date]]:
    try:
        given = json.loads(path.read_text(encoding="utf-8"))
        told = {str(name): [date.fromisoformat(day) for day in days] for name, days in given.items()}
    except (OSError, ValueError, AttributeError, TypeError) as error:
        raise ConfigError(f"{path}: is no calendar.json of an earlier run ({error}).") from error
    return {name: [day for day in days if first <= day <= last] for name, days in told.items()}


def _page(days: dict[str, list[date]], first: date, last: date) -> str:
    parts = [
        f"<h2>{escape(name)}</h2><ul>{''.join(f'<li>{day:%a %d %b %Y}</li>' for day in each)}</ul>"
        for name, each in days.items()
    ]
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8"><title>Collection days</title>'
        f"<style>{_STYLE}</style></head><body><h1>Collection days, {first} to {last}</h1>{''.join(parts)}"
        "</body></html>\n"
    )
