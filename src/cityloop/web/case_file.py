"""The case file: a place and a time in; lamps, units, decisions, reasons, operators' acts and sensor faults out.

Three questions: why somebody waited at a junction, why that ambulance was sent, and why a bin was missed.

Made for release: it holds no names of people and no positions of vehicles, and says what was left out.
"""

from __future__ import annotations

import asyncio
import hashlib
import html
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
import orjson
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response

from cityloop.web.access import Principal
from cityloop.web.answers import ApiError, answer, instant, number
from cityloop.web.case_services import SERVICE_REDACTED, bin_case, unit_case
from cityloop.web.cycles import cycles_of, stage_changes
from cityloop.web.ports import Desk
from cityloop.web.service_routes import note_reader
from cityloop.web.why import Filter, decisions_between, read_window

__all__ = ["HANDLERS"]

_KINDS = {"wait": (120, 60, 900), "unit": (600, 1200, 3600), "bin": (3600, 3600, 7200)}
"""By question: seconds before and after that are told unless asked otherwise, and the most of each."""
_NOTHING = "Nothing is recorded of this time: traces are kept by time, and none is left or none was made."
_REDACTED = ("names of operators", "positions of vehicles and people", "free text written by operators")


async def case_file(desk: Desk, request: Request, who: Principal) -> Response:
    """Gather what is recorded about a place and time."""
    kind = request.query_params.get("kind", "wait")
    if kind not in _KINDS:
        raise ApiError(422, "invalid", f"kind: {kind[:20]!r} is not one of {', '.join(_KINDS)}", field="kind")
    at_ms = instant(request, "at_ms", desk.now_ms() - 60_000)
    before, after, longest = _KINDS[kind]
    before_s, after_s = number(request, "before_s", before, 10, longest), number(request, "after_s", after, 10, longest)
    released = request.query_params.get("release", "1") != "0"
    if kind == "wait":
        row = _place(desk, request)
        found = await asyncio.to_thread(_gather, desk, row, at_ms, before_s, after_s, released)
    else:
        asked = _asked(desk, request, kind)
        if kind == "unit":
            await note_reader(desk, who)
        found = await asyncio.to_thread(_gather_service, desk, kind, asked, at_ms, before_s, after_s)
    if request.query_params.get("format") == "html":
        return HTMLResponse(_page(found, ZoneInfo(desk.city.zone)))
    return answer(found)


def _asked(desk: Desk, request: Request, kind: str) -> int | None:
    """Return the container, or the call where one is named."""
    if kind == "unit":
        return number(request, "call", 0, 0, 2**31) if request.query_params.get("call") else None
    names = desk.city.layout.names.get("containers", ())
    if not names:
        raise ApiError(404, "not_found", "this city has no refuse collection")
    if not request.query_params.get("container"):
        raise ApiError(422, "invalid", "container: name the row of one", field="container")
    return number(request, "container", 0, 0, len(names) - 1)


def _gather_service(
    desk: Desk, kind: str, asked: int | None, at_ms: int, before_s: int, after_s: int
) -> dict[str, Any]:
    begin_ms, end_ms = at_ms - before_s * 1000, at_ms + after_s * 1000
    window = read_window(desk.trace, begin_ms, end_ms, desk.city.horizon_s)
    if kind == "bin":
        assert asked is not None
        found, place = bin_case(desk, window, (begin_ms, end_ms), asked), desk.city.layout.names["containers"][asked]
    else:
        found = unit_case(desk, window, (begin_ms, end_ms), asked)
        place = "dispatch" if asked is None else f"call {asked}"
    steps = [one for one in window.ticks if begin_ms <= one.at_ms <= end_ms and not one.at_once]
    when = _clock(at_ms, ZoneInfo(desk.city.zone), dated=True)
    case: dict[str, Any] = {
        "title": f"{place}, {when}: {before_s} s before to {after_s} s after",
        "city": desk.city.name,
        "mode": desk.city.mode,
        "label": desk.city.label,
        "place": place,
        "span": {"at_ms": at_ms, "begin_ms": begin_ms, "end_ms": end_ms},
        "recorded_steps": len(steps),
        "lamps": [],
        "sensor_faults": [],
        "operators": [],
        "drill": any(one.unplugged for one in steps),
        "redacted": list(SERVICE_REDACTED),
        **found,
    }
    if not steps:
        case["plain"] = [_NOTHING]
    case["plain"] += ["What was observed against the forecast is no proof of a gain."] if steps else []
    case["digest"] = hashlib.sha256(orjson.dumps(case, option=orjson.OPT_SORT_KEYS)).hexdigest()
    return case


def _place(desk: Desk, request: Request) -> int:
    places = desk.city.layout.junctions
    if request.query_params.get("junction"):
        return number(request, "junction", 0, 0, max(len(places.x_m) - 1, 0))
    try:
        x_m, y_m = float(request.query_params["x_m"]), float(request.query_params["y_m"])
    except (KeyError, ValueError):
        raise ApiError(422, "invalid", "give junction, or x_m and y_m of a place", field="junction") from None
    if not np.isfinite([x_m, y_m]).all():
        raise ApiError(422, "invalid", "x_m, y_m: give finite metres", field="x_m")
    return int(np.argmin(np.hypot(places.x_m - x_m, places.y_m - y_m)))


def _gather(desk: Desk, row: int, at_ms: int, before_s: int, after_s: int, released: bool) -> dict[str, Any]:
    begin_ms, end_ms = at_ms - before_s * 1000, at_ms + after_s * 1000
    window = read_window(desk.trace, begin_ms, end_ms, desk.city.horizon_s)
    steps = [t for t in window.ticks if begin_ms <= t.at_ms <= end_ms and "stage" in t.arrays and not t.at_once]
    wanted = Filter(begin_ms=begin_ms, end_ms=end_ms, target=row, domain="signals", changes=True)
    decisions = decisions_between(desk.city, window, wanted, 500)[::-1]
    label = desk.city.shapes.junction_labels[row]
    operators = [
        {
            "kind": order.kind,
            "stages": [list(one) for one in order.stages],
            "placed_at_ms": order.placed_at_ms,
            "expires_at_ms": order.lifted_at_ms or order.expires_at_ms,
            **({} if released else {"by": order.by, "why": order.why}),
        }
        for order in desk.holds.orders()
        if order.domain == "signals"
        and order.target == row
        and order.placed_at_ms <= end_ms
        and (order.lifted_at_ms or order.expires_at_ms) >= begin_ms
    ]
    asked = _clock(at_ms, ZoneInfo(desk.city.zone), dated=True)
    case: dict[str, Any] = {
        "title": f"{label}, {asked}: {before_s} s before to {after_s} s after",
        "city": desk.city.name,
        "mode": desk.city.mode,
        "label": desk.city.label,
        "place": {
            "junction": row,
            "name": desk.city.layout.names["junctions"][row],
            "label": label,
            "x_m": round(float(desk.city.layout.junctions.x_m[row]), 1),
            "y_m": round(float(desk.city.layout.junctions.y_m[row]), 1),
        },
        "span": {"at_ms": at_ms, "begin_ms": begin_ms, "end_ms": end_ms},
        "recorded_steps": len(steps),
        "lamps": stage_changes(steps, row),
        "cycles": cycles_of(desk.city.layout, steps, row),
        "decisions": decisions,
        "units": [],
        "sensor_faults": _faults(desk, row, steps),
        "operators": operators,
        "drill": any(t.unplugged for t in steps),
        "redacted": list(_REDACTED) if released else [],
    }
    case["plain"] = _sentences(case, at_ms)
    case["digest"] = hashlib.sha256(orjson.dumps(case, option=orjson.OPT_SORT_KEYS)).hexdigest()
    return case


def _faults(desk: Desk, row: int, steps: list[Any]) -> list[dict[str, Any]]:
    """Return the approaches whose detector was silent for more than 3 s in the span."""
    approaches = np.flatnonzero(desk.city.layout.approaches.junction == row)
    faults = []
    for approach in approaches.tolist():
        ages = [t.arrays["age_ds"][approach] for t in steps if approach < len(t.arrays["age_ds"])]
        silent = sum(age > 30 for age in ages)
        if silent:
            faults.append({"sensor": f"approach {approach}", "silent_s": silent, "worst_age_s": max(ages) / 10})
    return faults


def _sentences(case: dict[str, Any], at_ms: int) -> list[str]:
    said = []
    if not case["recorded_steps"]:
        return [_NOTHING]
    shown = [change for change in case["lamps"] if change[0] <= at_ms]
    if shown:
        since_s = (at_ms - shown[-1][0]) / 1000
        what = "an intergreen" if shown[-1][1] < 0 else f"stage {shown[-1][1] + 1}"
        mode = ("on the junction's own plan", "led by the brain", "while control was handed back", "")[shown[-1][2]]
        said.append(f"At the instant the junction showed {what}, for {since_s:.0f} s already, {mode}.")
    before = [d for d in case["decisions"] if d["decided_at_ms"] <= at_ms]
    if before:
        said.append("The last decision before it: " + before[-1]["plain"])
    if case["operators"]:
        said.append(f"{len(case['operators'])} act(s) of operators were in force.")
    if case["sensor_faults"]:
        said.append(f"{len(case['sensor_faults'])} detector(s) were silent for some of the time.")
    if case["drill"]:
        said.append("The brain was unplugged for a drill during the span.")
    said.append("What was observed against the forecast is no proof of a gain.")
    return said


def _told(figure: dict[str, Any]) -> str:
    return "–" if figure["value"] is None else f"{figure['value']} {html.escape(figure['unit'])}"


def _clock(at_ms: int, zone: ZoneInfo, *, dated: bool = False) -> str:
    """Return an instant as the city's clocks show it."""
    moment = datetime.fromtimestamp(at_ms / 1000, zone)
    return moment.strftime("%Y-%m-%d %H:%M:%S" if dated else "%H:%M:%S")


def _page(case: dict[str, Any], zone: ZoneInfo) -> str:
    """Return the case as a page of its own, without scripts, fit for printing."""
    rows = "".join(
        f"<tr><td>{_clock(d['decided_at_ms'], zone)}<td>{html.escape(d['plain'])}<td>{_told(d['forecast'])}"
        f"<td>{_told(d['observed'])} ({d['observed']['status']})"
        for d in case["decisions"]
    )
    lamps = "".join(
        f"<tr><td>{_clock(at, zone)}<td>{'intergreen' if stage < 0 else stage + 1}" for at, stage, _ in case["lamps"]
    )
    units = "".join(
        f"<tr><td>{html.escape(one['unit'])}<td>{_clock(at, zone)}<td>{html.escape(what)}"
        for one in case["units"]
        for at, what in one["status"]
    )
    sentences = "".join(f"<li>{html.escape(text)}" for text in case["plain"])
    return (
        "<!doctype html><html lang=en><meta charset=utf-8><title>Case file</title><style>body{font:15px/1.5 system-ui,"
        "sans-serif;margin:2rem auto;max-width:60rem;padding:0 1rem}table{border-collapse:collapse}td,th{padding:.2rem "
        ".6rem;border-bottom:1px solid #8888;text-align:left;vertical-align:top}@media print{body{margin:0}}</style>"
        f"<h1>{html.escape(case['title'])}</h1><p>{html.escape(case['label'])}. Times are those of "
        f"{html.escape(zone.key)}.</p><ul>{sentences}</ul>"
        + (f"<h2>Stages</h2><table><tr><th>at<th>stage{lamps}</table>" if lamps else "")
        + (f"<h2>Units</h2><table><tr><th>unit<th>at<th>from then on{units}</table>" if units else "")
        + "<h2>Decisions</h2><table><tr><th>at<th>what and why<th>forecast<th>observed"
        f"{rows}</table>"
        f"<h2>Left out</h2><p>{html.escape(', '.join(case['redacted']) or 'nothing')}</p>"
        f"<p>Digest <code>{case['digest']}</code></p>"
    )


HANDLERS = {"cases.read": case_file}
