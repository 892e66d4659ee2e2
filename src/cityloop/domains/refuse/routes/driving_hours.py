"""Legal driving hours, turned into break windows that a search can plan with.

After four and a half hours of driving a driver breaks for 45 minutes, and drives nine hours a day at the most [1]_.
How long a truck has driven depends on its plan; windows have to be known before it. Where every hour of the shift is
counted as if it were driven, breaks inside the windows are legal whatever the plan: no more is driven than time goes
by. The checker counts what is really driven.

References
----------
.. [1] Regulation (EC) No 561/2006, articles 6 and 7.
"""

from __future__ import annotations

from cityloop.domains.refuse.routes.case_rows import DAY_S, Row
from cityloop.domains.refuse.schema import DrivingRule
from cityloop.kernel.errors import InputError
from cityloop.methods.vrp import MAX_BREAKS

__all__ = ["EU_DRIVING", "breaks_of"]

EU_DRIVING = DrivingRule(unbroken_s=4.5 * 3600, break_s=45 * 60, day_s=9 * 3600)
_ROOM_S = 3600.0
"""A break may begin by so much before it has to."""


def breaks_of(row: Row) -> list[tuple[float, float, float]]:
    """Return a truck's breaks as earliest and latest beginning and length in seconds, in order."""
    rule = row.raw.get("hours")
    given = row.raw.get("breaks", [])
    if not isinstance(given, list):
        raise InputError(f"{row.where}.breaks: {given!r}, must be a list.")
    if rule is None:
        found = []
        for number, raw in enumerate(given):
            one = Row(raw, f"{row.where}.breaks[{number}]")
            found.append((*one.window("earliest", "latest"), 60 * one.number("minutes")))
        if len(found) > MAX_BREAKS:
            raise InputError(f"{row.where}.breaks: {len(found)} of them, must be {MAX_BREAKS} or fewer.")
        return sorted(found)
    if rule != "eu":
        raise InputError(f"{row.where}.hours: {rule!r}, must be eu; or give breaks of your own.")
    if given:
        raise InputError(f"{row.where}: has breaks and hours; drop one, hours makes the breaks.")
    begin, end = row.clock("shift_begin", 0.0), row.clock("shift_end", DAY_S)
    found = []
    due = begin + EU_DRIVING.unbroken_s
    while due < end:
        if len(found) == MAX_BREAKS:
            raise InputError(
                f"{row.where}.hours: a shift of {(end - begin) / 3600:.1f} h asks for more than {MAX_BREAKS} breaks; "
                f"end it within {(due - begin) / 3600:.1f} h of its beginning."
            )
        found.append((due - _ROOM_S, due, EU_DRIVING.break_s))
        # The next is due four and a half hours after the earliest end of this one.
        due += EU_DRIVING.unbroken_s + EU_DRIVING.break_s - _ROOM_S
    return found
