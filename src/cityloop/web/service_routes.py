"""Emergency and refuse as their domains publish them, with the names of their rows.

Place, time and priority of a call are health data: that somebody reads them is noted in the audit log, once in ten
minutes a person, as a page reads them every other second.
"""

from __future__ import annotations

import asyncio
import time
from typing import Any

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from cityloop.web.access import Principal
from cityloop.web.answers import answer
from cityloop.web.ports import Desk

__all__ = ["HANDLERS", "SERVICES", "note_reader", "published"]

SERVICES = {
    "emergency": ("units", "sites", "determinants"),
    "refuse": ("containers", "trucks"),
}
"""By domain: whose names its tables' rows and codes stand for."""
_NOTED_EVERY_S = 600.0


def published(desk: Desk, domain: str) -> dict[str, Any] | None:
    """Return what a service published last; None where it runs not here, or has not spoken yet."""
    raw = desk.board.views.get(domain)
    if raw is None:
        return None
    names = desk.city.layout.names
    return {
        "domain": domain,
        "available": True,
        "at_ms": desk.board.views_at_ms,
        "tables": {name: {"columns": columns} for name, columns in msgspec.msgpack.decode(raw).items()},
        "names": {kind: list(names.get(kind, ())) for kind in SERVICES[domain]},
    }


async def emergency(desk: Desk, request: Request, who: Principal) -> Response:
    """Tell of calls, units, who would be sent and why, and how the city is covered."""
    await note_reader(desk, who)
    return _service(desk, "emergency")


async def refuse(desk: Desk, request: Request, who: Principal) -> Response:
    """Tell of containers, trucks and the plan in force."""
    return _service(desk, "refuse")


def _service(desk: Desk, domain: str) -> Response:
    found = published(desk, domain)
    if found is None:
        found = {"domain": domain, "available": False, "at_ms": desk.now_ms(), "tables": {}, "names": {}}
    return answer(found)


async def note_reader(desk: Desk, who: Principal) -> None:
    """Note in the audit log that somebody reads calls."""
    now_s = time.monotonic()
    if now_s - desk.readers.get(who.name, -_NOTED_EVERY_S) < _NOTED_EVERY_S:
        return
    desk.readers[who.name] = now_s
    at_ms = time.time_ns() // 1_000_000
    await asyncio.to_thread(desk.audit.append, at_ms, who.name, who.roles, "emergency.read", "", "done", {})


HANDLERS = {"emergency.read": emergency, "refuse.read": refuse}
