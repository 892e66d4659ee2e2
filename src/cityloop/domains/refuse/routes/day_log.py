"""What crews keyed in on a day: stops served and why others were not, as proof of service and for a new plan.

One JSON object a line: ``at`` (``"HH:MM"`` or ``"HH:MM:SS"``), ``truck``, ``stop`` and ``code``; ``kg`` from the scale
of the truck, and ``lat`` and ``lon`` (or ``x_m`` and ``y_m``) of where the truck stood. Nobody is named in it and no
picture belongs in it: lines with a name, a crew or a photo are refused.
"""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from cityloop.domains.refuse.routes.case_rows import Row
from cityloop.domains.refuse.schema import RoundCase, RoundPlan, VisitKind
from cityloop.kernel.errors import InputError

__all__ = ["Code", "Entry", "proof_csv", "read_log", "served_counts"]

_PERSONAL = ("name", "crew", "driver", "person", "photo", "image")
_FAR_M = 50.0
"""Farther than this from its container a truck has not stood at it."""
_EARTH_M = 6_371_000.0


class Code(StrEnum):
    """What became of a stop."""

    SERVED = "served"
    NOT_OUT = "not_out"
    """Nothing stood there: the call is done, the next is on its day."""
    BLOCKED = "blocked"
    """The way there was closed: it stays open for another day."""
    CONTAMINATED = "contaminated"
    """The wrong waste: not taken, left with a note, and left for another truck on another day."""
    OVERLOADED = "overloaded"
    """Too heavy for the lift or the truck: another truck may try."""
    MISSED = "missed"
    """Said to be served, and was not: it is open again."""


CLOSED = frozenset({Code.SERVED, Code.NOT_OUT})
"""What needs nobody to come again."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One line of the log."""

    at_s: float
    truck: str
    stop: str
    code: Code
    kg: float
    """As the scale weighed it; NaN without one."""
    away_m: float
    """From the container to where the truck said it stood; NaN where it did not say."""


def read_log(lines: Sequence[object], case: RoundCase, source: str) -> list[Entry]:
    """Read a day's log, in the order of the clock."""
    entries = []
    for number, raw in enumerate(lines, 1):
        row = Row(raw, f"{source}, line {number}")
        personal = next((key for key in _PERSONAL if key in row.raw), None)
        if personal is not None:
            raise InputError(f"{row.where}.{personal}: does not belong in the log; trucks are measured, not people.")
        for key, known in (("truck", case.truck_ids), ("stop", case.stop_ids)):
            if str(row.raw.get(key)) not in known:
                raise InputError(f"{row.where}.{key}: {row.raw.get(key)!r}, is not one of the case.")
        try:
            code = Code(str(row.raw.get("code")))
        except ValueError:
            codes = ", ".join(one.value for one in Code)
            raise InputError(f"{row.where}.code: {row.raw.get('code')!r}, must be one of {codes}.") from None
        kg = row.number("kg") if "kg" in row.raw else math.nan
        stop = str(row.raw["stop"])
        entries.append(
            Entry(row.clock("at", math.nan), str(row.raw["truck"]), stop, code, kg, _away_m(case, row, stop))
        )
        if math.isnan(entries[-1].at_s):
            raise InputError(f"{row.where}.at: is missing, must be a clock value such as 06:30.")
    return sorted(entries, key=lambda entry: entry.at_s)


def _away_m(case: RoundCase, row: Row, stop: str) -> float:
    place = case.stop_ids.index(stop)
    x_m, y_m = float(case.stops.x_m[place]), float(case.stops.y_m[place])
    if "lat" in row.raw and case.origin is not None:
        lat, lon = row.number("lat", low=-90, high=90), row.number("lon", low=-180, high=180)
        east = math.radians(lon - case.origin[1]) * _EARTH_M * math.cos(math.radians(case.origin[0]))
        return math.hypot(east - x_m, math.radians(lat - case.origin[0]) * _EARTH_M - y_m)
    if "x_m" in row.raw:
        return math.hypot(row.number("x_m", low=-1e9) - x_m, row.number("y_m", low=-1e9) - y_m)
    return math.nan


def proof_csv(case: RoundCase, plan: RoundPlan, entries: Sequence[Entry]) -> str:
    """Return one line a stop: what was planned, what became of it, when, how far off, and what it weighed."""
    last = {entry.stop: entry for entry in entries}
    planned = {
        visit.id: (route.truck, visit.arrive_s)
        for route in plan.routes
        for visit in route.visits
        if visit.kind is VisitKind.STOP
    }
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(
        ["stop", "planned_truck", "planned_at", "code", "truck", "at", "late_min", "away_m", "at_site", "kg"]
    )
    for stop in case.stop_ids:
        truck, due_s = planned.get(stop, ("", math.nan))
        entry = last.get(stop)
        told: list[object] = [stop, truck, _hms(due_s)]
        if entry is None:
            told += ["open" if truck else "not planned", "", "", "", "", "", ""]
        else:
            late = "" if math.isnan(due_s) else f"{(entry.at_s - due_s) / 60:.1f}"
            known = not math.isnan(entry.away_m)
            told += [entry.code.value, entry.truck, _hms(entry.at_s), late]
            told += [f"{entry.away_m:.0f}" if known else "", str(entry.away_m <= _FAR_M).lower() if known else ""]
            told += ["" if math.isnan(entry.kg) else f"{entry.kg:.0f}"]
        writer.writerow(told)
    return out.getvalue()


def served_counts(entries: Sequence[Entry]) -> dict[str, int]:
    """Return how many stops ended with each code, by their last line."""
    last = {entry.stop: entry.code for entry in entries}
    return {code.value: sum(one is code for one in last.values()) for code in Code}


def _hms(seconds: float) -> str:
    if math.isnan(seconds):
        return ""
    whole = round(seconds)
    return f"{whole // 3600:02d}:{whole // 60 % 60:02d}:{whole % 60:02d}"
