"""The case file of a service: why that ambulance, and why a bin was missed.

As the one of a junction it is made for release: no place of a call, no way that a unit drove, nobody's name.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from cityloop.web.ports import Desk
from cityloop.web.why import Filter, Window, decisions_between
from cityloop.wire.live import Tick

__all__ = ["SERVICE_REDACTED", "bin_case", "unit_case"]

SERVICE_REDACTED = ("places of calls", "ways that units drove", "names of people")
_MOST = 500
_UNIT_STATUS = (
    "standing", "moving", "turning out", "on its way to a call", "on scene", "transporting", "at hospital", "on break",
    "free on scene",
)  # fmt: skip
_TRUCK_STATUS = ("in the yard", "driving", "emptying", "at the tip", "broken down", "home")
_PRIVATE = ("route", "visits", "fields", "load_kg", "orders", "truck_at", "truck_load_kg", "truck_out", "containers")


def unit_case(desk: Desk, window: Window, span_ms: tuple[int, int], call: int | None) -> dict[str, Any]:
    """Tell who was sent to calls, or to one, and why; who else could have gone, what was expected and what came."""
    made = _decisions(desk, window, span_ms, "emergency")
    sent = [one for one in made if one["action"]["kind"] == "Send" and call in (None, one["action"].get("call"))]
    others = [one for one in made if one["action"]["kind"] in ("Move", "TakeBreak", "Advise")] if call is None else []
    units = sorted({one["target"] for one in sent})
    steps = _steps(window, span_ms)
    said = []
    for one in sent:
        said.append(f"{_clause(one)} {_held_against(one, 's')}")
        if one["alternatives"]:
            told = [f"{other['name']} ({other['cost']:.0f} s)" for other in one["alternatives"][:4] if other["cost"]]
            said.append(f"Who else could have gone, as expected then: {', '.join(told) or 'nobody'}.")
    if not sent:
        about = "" if call is None else f" to call {call}"
        said.append(f"Nobody was sent{about} by a decision in this span.")
    return {
        "decisions": [_released(one) for one in (*sent, *others)],
        "units": [
            {"unit": _name(desk, "units", row), "status": _changes(steps, "unit_status", row, _UNIT_STATUS)}
            for row in units
        ],
        "plain": said,
    }


def bin_case(desk: Desk, window: Window, span_ms: tuple[int, int], container: int) -> dict[str, Any]:
    """Tell what became of a container in a span: who was to empty it and why, when it was emptied, and how full."""
    made = [one for one in _decisions(desk, window, span_ms, "refuse") if _concerns(one, container)]
    steps = _steps(window, span_ms)
    trucks = sorted({one["target"] for one in made if one["action"]["kind"] == "DriveRoute"})
    emptied = list(_emptied(steps, container))
    name = _name(desk, "containers", container)
    said = [
        f"{name} was emptied at second {(at_ms - span_ms[0]) / 1000:.0f} of the span, found {fill:.0%} full."
        for at_ms, fill in emptied
    ] or [f"{name} was not emptied in this span."]
    asked = [one for one in made if one["action"]["kind"] == "EmptyToday"]
    routes = [one for one in made if one["action"]["kind"] == "DriveRoute"]
    if asked:
        said.append(f"To be emptied that day: {_clause(asked[-1])} {_held_against(asked[-1], '1')}")
    else:
        said.append("No decision of this span asked for it to be emptied.")
    if routes:
        said.append(f"On the way of {_name(desk, 'trucks', routes[-1]['target'])}: {_clause(routes[-1])}")
    elif asked:
        said.append("No truck was told to come by with it in this span.")
    told_by = {row: _changes(steps, "truck_status", row, _TRUCK_STATUS) for row in trucks}
    for row, changes in told_by.items():
        if any(what == "broken down" for _, what in changes):
            said.append(f"{_name(desk, 'trucks', row)}, which had it on its way, broke down.")
    return {
        "decisions": [_released(one) for one in made],
        "emptied": [{"at_ms": at_ms, "fill": round(fill, 3)} for at_ms, fill in emptied],
        "units": [{"unit": _name(desk, "trucks", row), "status": changes} for row, changes in told_by.items()],
        "plain": said,
    }


def _decisions(desk: Desk, window: Window, span_ms: tuple[int, int], domain: str) -> list[dict[str, Any]]:
    wanted = Filter(begin_ms=span_ms[0], end_ms=span_ms[1], domain=domain, changes=True)
    return decisions_between(desk.city, window, wanted, _MOST)[::-1]


def _steps(window: Window, span_ms: tuple[int, int]) -> list[Tick]:
    return [one for one in window.ticks if span_ms[0] <= one.at_ms <= span_ms[1] and not one.at_once]


def _concerns(one: dict[str, Any], container: int) -> bool:
    action = one["action"]
    if action["kind"] == "EmptyToday":
        return bool(one["target"] == container)
    return container in action.get("visits", ()) or container in action.get("containers", ())


def _released(one: dict[str, Any]) -> dict[str, Any]:
    """Return a decision without what would tell a place or a way."""
    verdict = one["verdict"]
    told = None if verdict["action"] is None else _without_places(verdict["action"])
    return {**one, "action": _without_places(one["action"]), "verdict": {**verdict, "action": told}, "saw": []}


def _without_places(action: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in action.items() if key not in _PRIVATE}


def _clause(one: dict[str, Any]) -> str:
    gate = (
        "" if one["acted"] else " It was not acted on: " + str((one["verdict"]["rule"] or {}).get("text", "")).lower()
    )
    reason = str(one["reason"]["text"]).rstrip(".")
    return f"{one['junction']}: {one['action']['kind']}, because: {reason}.{gate}"


def _held_against(one: dict[str, Any], unit: str) -> str:
    expected, seen = one["forecast"]["value"], one["observed"]

    def told(value: float | None) -> str:
        return "nothing" if value is None else f"{value:.0%} full" if unit == "1" else f"{value:.0f} s"

    if seen["status"] == "complete":
        return f"Expected {told(expected)}, observed {told(seen['value'])}."
    return f"Expected {told(expected)}; what came of it: {seen['status']} {seen['note']}".rstrip() + "."


def _changes(steps: Sequence[Tick], column: str, row: int, words: Sequence[str]) -> list[tuple[int, str]]:
    """Return when an asset's status changed, and to what."""
    found: list[tuple[int, str]] = []
    for one in steps:
        raw = one.arrays.get(column, b"")
        if row >= len(raw):
            continue
        what = words[raw[row]] if raw[row] < len(words) else "unknown"
        if not found or found[-1][1] != what:
            found.append((one.at_ms, what))
    return found


def _emptied(steps: Iterable[Tick], container: int) -> Iterable[tuple[int, float]]:
    for one in steps:
        raw = one.arrays.get("found_f32")
        if raw is None:
            continue
        fill = np.frombuffer(raw, np.float32)
        if container < len(fill) and math.isfinite(fill[container]):
            yield one.at_ms, float(fill[container])


def _name(desk: Desk, kind: str, row: int) -> str:
    names = desk.city.layout.names.get(kind, ())
    return names[row] if 0 <= row < len(names) else f"{kind} {row}"
