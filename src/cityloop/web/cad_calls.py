"""Calls as they come in from other systems and from people at a desk: taken down, placed, told to the dispatch centre.

Every way in ends here, so that who telephones is served as who has a system. Nothing triages: without a priority, or a
place on the map, a call is kept and listed for a person to see to.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from cityloop.web.ports import Desk
from cityloop.wire.calls import CallReport, CallState, TakenCall, decode_call
from cityloop.wire.cap_alert import call_of_cap, decode_cap, is_cap
from cityloop.wire.eido import decode_eido, is_eido
from cityloop.wire.live import CallEntry

__all__ = ["call_item", "entries", "faults_of", "merged", "read_call", "recommendations"]

_OVER_FOR_MS = 600_000
"""So long a call that was called off is still told as such: whoever was away hears of it."""
_COMMON_MOST = 10


def read_call(data: bytes) -> CallReport | None:
    """Return the call of a message in any of the forms; None for one that is valid and tells of none.

    Raises
    ------
    WireError
        Naming the key and what is wrong with it.
    """
    if is_cap(data):
        return call_of_cap(decode_cap(data))
    return decode_eido(data) if is_eido(data) else decode_call(data)


def merged(before: CallReport | None, report: CallReport) -> CallReport:
    """Return what is known of a call after another message: what the message leaves out stands as it was."""
    if before is None:
        return report
    return CallReport(
        incident=report.incident,
        sender=report.sender or before.sender,
        state=report.state,
        priority=report.priority if report.priority is not None else before.priority,
        common_priority=report.common_priority if report.common_priority is not None else before.common_priority,
        determinant=report.determinant or before.determinant,
        place=report.place if report.place.known or not before.place.known else before.place,
        received_at_ms=before.received_at_ms if report.received_at_ms is None else report.received_at_ms,
        duplicate_of=report.duplicate_of or before.duplicate_of,
        note=report.note or before.note,
    )


def entries(desk: Desk, now_ms: int) -> tuple[CallEntry, ...]:
    """Return the calls that the running city's dispatch centre is to know of."""
    if desk.calls is None:
        return ()
    found = []
    for taken in desk.calls.listed():
        over = taken.report.state is not CallState.OPEN
        if over and now_ms - taken.changed_at_ms > _OVER_FOR_MS:
            continue
        x_m, y_m = _place_m(desk, taken.report) or (None, None)
        found.append(
            CallEntry(
                number=taken.number,
                priority=_priority(desk, taken.report) or 0,
                determinant=_determinant(desk, taken.report),
                x_m=x_m,
                y_m=y_m,
                received_at_ms=_received_ms(taken, now_ms),
                over=over,
            )
        )
    return tuple(sorted(found, key=lambda one: one.number))


def faults_of(desk: Desk, report: CallReport) -> list[dict[str, str]]:
    """Return why a person has to look at a call before anybody can be sent."""
    faults = []
    lowest = max(len(desk.city.layout.names.get("determinants", ())), 1)
    priority = _priority(desk, report)
    if priority is None or not 1 <= priority <= lowest:
        why = "nobody has triaged it" if priority is None else f"priority {priority} is not in use, give 1 to {lowest}"
        faults.append({"code": "NO_PRIORITY", "text": f"{why}; give it one"})
    if _place_m(desk, report) is None:
        known = report.place.known
        why = "its degrees cannot be placed on this city's map" if known else "it has no place but in words"
        faults.append({"code": "NO_PLACE", "text": f"{why}; give x_m and y_m"})
    return faults


def call_item(desk: Desk, taken: TakenCall, tables: Mapping[str, Any] | None) -> dict[str, Any]:
    """Return a call as the API tells it, with what the running city makes of it."""
    report, place_m = taken.report, _place_m(desk, taken.report)
    item: dict[str, Any] = {
        "number": taken.number,
        "incident": report.incident,
        "sender": report.sender,
        "state": str(report.state),
        "priority": _priority(desk, report),
        "determinant": report.determinant,
        "place": {"words": report.place.words, "x_m": None, "y_m": None},
        "duplicate_of": report.duplicate_of or None,
        "note": report.note,
        "taken_by": taken.by,
        "taken_at_ms": taken.taken_at_ms,
        "changed_at_ms": taken.changed_at_ms,
        "owner": taken.by,
        "faults": faults_of(desk, report) if report.state is CallState.OPEN else [],
        "listed": None,
    }
    if place_m is not None:
        item["place"] |= {"x_m": round(place_m[0], 1), "y_m": round(place_m[1], 1)}
    calls = None if tables is None else tables["calls"]["columns"]
    if calls is not None and taken.number in calls["number"]["values"]:
        row = calls["number"]["values"].index(taken.number)
        told = {name: calls[name]["values"][row] for name in ("status", "unit", "eta_ms", "fault")}
        item["listed"] = told
        if told["unit"] is not None and told["unit"] >= 0:
            item["owner"] = _unit_name(desk, told["unit"])
    return item


def recommendations(desk: Desk, published: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return for every call without a unit on scene who could go: expected times, bands, what each leaves uncovered."""
    tables = published["tables"]
    calls, ranked = tables["calls"]["columns"], tables["ranked"]["columns"]
    values = {name: column["values"] for name, column in ranked.items()}
    found = []
    for row, number in enumerate(calls["number"]["values"]):
        units = [
            {
                "unit": _unit_name(desk, values["unit"][k]),
                "row": values["unit"][k],
                "eta_s": values["eta_s"][k],
                "band_s": [values["low_s"][k], values["high_s"][k]],
                "leaves_uncovered_s": values["uncovered_s"][k],
            }
            for k, of in enumerate(values["call"])
            if of == number
        ]
        assigned = calls["unit"]["values"][row]
        found.append(
            {
                "call": number,
                "incident": _incident(desk, number),
                "priority": calls["priority"]["values"][row],
                "status": calls["status"]["values"][row],
                "fault": calls["fault"]["values"][row],
                "assigned": _unit_name(desk, assigned) if assigned is not None and assigned >= 0 else None,
                "expected_at_ms": calls["eta_ms"]["values"][row],
                "units": units,
            }
        )
    return found


def _incident(desk: Desk, number: int) -> str | None:
    taken = None if desk.calls is None else desk.calls.numbered(number)
    return None if taken is None else taken.report.incident


def _unit_name(desk: Desk, row: int) -> str:
    names = desk.city.layout.names.get("units", ())
    return names[row] if 0 <= row < len(names) else f"unit {row}"


def _received_ms(taken: TakenCall, now_ms: int) -> int:
    told_ms = taken.report.received_at_ms
    return taken.taken_at_ms if told_ms is None or told_ms > now_ms else told_ms


def _priority(desk: Desk, report: CallReport) -> int | None:
    """Return the service's own priority; of EIDO's common number, 10 the highest, the city's share of it."""
    if report.priority is not None:
        return report.priority
    if report.common_priority is None:
        return None
    lowest = max(len(desk.city.layout.names.get("determinants", ())), 1)
    return 1 + (_COMMON_MOST - report.common_priority) * lowest // (_COMMON_MOST + 1)


def _determinant(desk: Desk, report: CallReport) -> int:
    names = desk.city.layout.names.get("determinants", ())
    return names.index(report.determinant) if report.determinant in names else -1


def _place_m(desk: Desk, report: CallReport) -> tuple[float, float] | None:
    place = report.place
    if place.x_m is not None and place.y_m is not None:
        return place.x_m, place.y_m
    if place.lat_deg is None or place.lon_deg is None or desk.city.frame is None:
        return None
    return desk.city.frame.place_m(place.lat_deg, place.lon_deg)
