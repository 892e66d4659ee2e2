"""Evidence: sensors, alerts, what-if runs, the scorecard, the audit log."""

from __future__ import annotations

import asyncio
import gzip
import hashlib
from typing import Any

import msgspec
import numpy as np
from starlette.requests import Request
from starlette.responses import Response

from cityloop.web.access import Principal
from cityloop.web.answers import ApiError, answer, body_of, cached, instant, number
from cityloop.web.cap import cap_feed
from cityloop.web.ports import Desk, SensorItem
from cityloop.web.scorecard import scorecard_of
from cityloop.web.why import read_window
from cityloop.wire.frame import quantised

__all__ = ["HANDLERS", "SENSOR_STATES"]

SENSOR_STATES = {"good": 0, "suspect": 1, "bad": 2, "silent": 3, "flat-lined": 4, "jumping": 5, "never heard": 255}
_STATE_NAMES = {code: name for name, code in SENSOR_STATES.items()}
_EXCEPTIONS = 200


def _sensor(item: SensorItem) -> dict[str, Any]:
    return {
        "row": item.row,
        "name": item.name,
        "kind": item.kind,
        "x_m": round(item.x_m, 1),
        "y_m": round(item.y_m, 1),
        "state": _STATE_NAMES.get(item.state, "never heard"),
        "reason": item.reason,
        "value": item.value,
        "unit": item.unit,
        "observed_at_ms": item.observed_at_ms,
        "received_at_ms": item.received_at_ms,
        "junction": item.junction,
    }


async def sensors(desk: Desk, request: Request, who: Principal) -> Response:
    """List sensors."""
    words = [word for word in request.query_params.get("state", "").split(",") if word]
    wrong = [word for word in words if word not in SENSOR_STATES]
    if wrong:
        message = f"state: {wrong[0][:20]!r} is not one of {', '.join(SENSOR_STATES)}"
        raise ApiError(422, "invalid", message, field="state")
    begin, limit = number(request, "cursor", 0, 0, 2**31), number(request, "limit", 100, 1, 1000)
    text = request.query_params.get("q", "")[:100].casefold()
    rows = desk.sensors.find(text, [SENSOR_STATES[word] for word in words], begin, limit)
    more = str(rows[-1] + 1) if len(rows) == limit else None
    return answer({"items": [_sensor(desk.sensors.item(row)) for row in rows], "next": more})


async def sensor_columns(desk: Desk, request: Request, who: Principal) -> Response:
    """Hand out every sensor's place, kind and state."""
    x_m, y_m, kind, state = desk.sensors.columns()
    head = np.array([len(x_m), 0], "<u4").tobytes()
    data = head + quantised(x_m, y_m, desk.city.shapes.box) + kind.tobytes() + state.tobytes()
    tag = hashlib.sha256(data).hexdigest()[:24]
    packed = await asyncio.to_thread(gzip.compress, data, 1)
    return cached(request, packed, tag, "application/octet-stream")


async def sensor_health(desk: Desk, request: Request, who: Principal) -> Response:
    """Count sensors by state."""
    state = desk.sensors.columns()[3]
    counts = np.bincount(state, minlength=256)
    wrong = np.flatnonzero(state != 0)[:_EXCEPTIONS]
    return answer(
        {
            "total": len(state),
            "by_state": {name: int(counts[code]) for name, code in SENSOR_STATES.items()},
            "exceptions": [_sensor(desk.sensors.item(int(row))) for row in wrong],
        }
    )


async def sensor(desk: Desk, request: Request, who: Principal) -> Response:
    """Tell one sensor, with its history."""
    row = request.path_params["row"]
    if not 0 <= row < len(desk.sensors.columns()[0]):
        raise ApiError(404, "not_found", f"there is no sensor {row}")
    end_ms = instant(request, "end_ms", desk.now_ms())
    begin_ms = instant(request, "begin_ms", max(end_ms - 3_600_000, 0))
    history = await asyncio.to_thread(desk.sensors.history, row, begin_ms, end_ms)
    return answer({**_sensor(desk.sensors.item(row)), "history": history})


class AssignBody(msgspec.Struct, forbid_unknown_fields=True):
    """Who takes it."""

    owner: str


class NoteBody(msgspec.Struct, forbid_unknown_fields=True):
    """What was done."""

    note: str = ""


async def alerts(desk: Desk, request: Request, who: Principal) -> Response:
    """List alerts."""
    status = request.query_params.get("status") or None
    if status not in (None, "open", "acknowledged", "resolved"):
        raise ApiError(422, "invalid", "status: give open, acknowledged or resolved", field="status")
    return answer({"items": desk.alerts.listed(status, number(request, "limit", 200, 1, 1000)), "next": None})


async def acknowledge(desk: Desk, request: Request, who: Principal) -> Response:
    """Say that an alert is seen."""
    return _changed(desk, request, who, status="acknowledged", acknowledged_by=who.name, owner=who.name)


async def assign(desk: Desk, request: Request, who: Principal) -> Response:
    """Give an alert an owner."""
    body = await body_of(request, AssignBody)
    if body.owner != "token" and desk.accounts.person(body.owner) is None:
        raise ApiError(422, "invalid", f"owner: nobody is called {body.owner[:64]!r}", field="owner")
    return _changed(desk, request, who, owner=body.owner)


async def resolve(desk: Desk, request: Request, who: Principal) -> Response:
    """Close an alert."""
    body = await body_of(request, NoteBody)
    return _changed(desk, request, who, status="resolved", note=body.note[:500], resolved_by=who.name)


async def work_order(desk: Desk, request: Request, who: Principal) -> Response:
    """Make a work order of an alert, for whoever repairs."""
    body = await body_of(request, NoteBody)
    order = {"asked_by": who.name, "asked_at_ms": desk.now_ms(), "note": body.note[:500], "status": "open"}
    return _changed(desk, request, who, work_order=order)


def _changed(desk: Desk, request: Request, who: Principal, **fields: Any) -> Response:
    alert_id = request.path_params["id"]
    request.state.target, request.state.detail = alert_id, fields
    found = desk.alerts.get(alert_id)
    if found is None:
        raise ApiError(404, "not_found", "there is no such alert")
    if found["status"] == "resolved":
        raise ApiError(409, "over", "the alert is resolved already")
    changed = desk.alerts.change(alert_id, **fields)
    desk.events.send("alert", changed)
    return answer(changed)


async def cap(desk: Desk, request: Request, who: Principal) -> Response:
    """Hand out open alerts as CAP 1.2 within an Atom feed."""
    city = desk.city
    text = cap_feed(desk.alerts.listed("open", 200), city.name, live=city.mode == "live", frame=city.frame)
    return Response(text, media_type="application/atom+xml", headers={"Cache-Control": "no-store"})


async def jobs(desk: Desk, request: Request, who: Principal) -> Response:
    """List what-if runs."""
    return answer({"items": desk.jobs.listed(), "next": None})


async def job_choices(desk: Desk, request: Request, who: Principal) -> Response:
    """Tell what a what-if may change."""
    return answer(await asyncio.to_thread(desk.jobs.choices))


async def start_job(desk: Desk, request: Request, who: Principal) -> Response:
    """Start a what-if run."""
    body = await body_of(request, dict[str, Any])
    request.state.detail = body
    job = await asyncio.to_thread(desk.jobs.start, body, who.name)
    request.state.target = job["id"]
    return answer(job, 202)


async def job(desk: Desk, request: Request, who: Principal) -> Response:
    """Tell a run's progress or result."""
    return answer(_job(desk, request))


async def cancel_job(desk: Desk, request: Request, who: Principal) -> Response:
    """Cancel a run."""
    found = _job(desk, request)
    request.state.target = found["id"]
    if not desk.jobs.cancel(found["id"]):
        raise ApiError(409, "over", f"the run is {found['status']} already")
    return answer(_job(desk, request))


def _job(desk: Desk, request: Request) -> dict[str, Any]:
    found = desk.jobs.get(request.path_params["id"])
    if found is None:
        raise ApiError(404, "not_found", "there is no such run")
    return found


async def scorecard(desk: Desk, request: Request, who: Principal) -> Response:
    """Tell the figures of a window."""
    window_s = number(request, "window_s", 900, 60, 7200)
    end_ms = instant(request, "end_ms", desk.now_ms())

    def work() -> dict[str, Any]:
        return scorecard_of(desk.city, read_window(desk.trace, end_ms - window_s * 1000, end_ms, 0.0))

    return answer(await asyncio.to_thread(work))


async def audit(desk: Desk, request: Request, who: Principal) -> Response:
    """List the audit log."""
    limit = number(request, "limit", 100, 1, 1000)
    before = number(request, "cursor", 0, 0, 2**53) or None
    entries = await asyncio.to_thread(desk.audit.newest, limit, before)
    items = [
        {
            "seq": one.seq,
            "at_ms": one.at_ms,
            "who": one.who,
            "roles": one.roles,
            "act": one.act,
            "target": one.target,
            "outcome": one.outcome,
            "detail": one.detail,
            "hash": one.hash,
        }
        for one in entries
    ]
    return answer({"items": items, "next": str(entries[-1].seq) if len(entries) == limit else None})


async def audit_verify(desk: Desk, request: Request, who: Principal) -> Response:
    """Check the audit log's chain."""
    found = await asyncio.to_thread(desk.audit.verify)
    return answer({"ok": found.ok, "entries": found.entries, "head": found.head, "fault": found.fault or None})


HANDLERS = {
    "sensors.list": sensors,
    "sensors.columns": sensor_columns,
    "sensors.health": sensor_health,
    "sensors.read": sensor,
    "alerts.list": alerts,
    "alerts.cap": cap,
    "alerts.acknowledge": acknowledge,
    "alerts.assign": assign,
    "alerts.resolve": resolve,
    "alerts.work-order": work_order,
    "jobs.list": jobs,
    "jobs.choices": job_choices,
    "jobs.start": start_job,
    "jobs.read": job,
    "jobs.cancel": cancel_job,
    "evidence.scorecard": scorecard,
    "audit.list": audit,
    "audit.verify": audit_verify,
}
