"""The edge to computer-aided dispatch: calls in, in three forms; calls and recommendations out.

A call is on disk before its sender is told that it was taken, and a message about a known incident changes that call.
"""

from __future__ import annotations

import asyncio
import time
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from cityloop.web.access import Principal
from cityloop.web.answers import MAX_BODY_BYTES, ApiError, answer
from cityloop.web.cad_calls import call_item, merged, read_call, recommendations
from cityloop.web.ports import CallsPort, Desk
from cityloop.web.service_routes import note_reader, published
from cityloop.web.steering import steer
from cityloop.wire.calls import CallReport
from cityloop.wire.eido import Assigned, encode_eido
from cityloop.wire.named import WireError

__all__ = ["HANDLERS", "take_call"]

_ISSUER = "cityloop"
_STATUS = {2: "Assigned", 3: "OnScene"}


async def take(desk: Desk, request: Request, who: Principal) -> Response:
    """Take a call down, or change one: EIDO, CAP 1.2 or plain JSON."""
    data = b""
    async for chunk in request.stream():
        data += chunk
        if len(data) > MAX_BODY_BYTES:
            raise ApiError(413, "too_large", f"the body is larger than {MAX_BODY_BYTES} bytes; send less")
    calls = _calls(desk)
    try:
        report = read_call(data)
    except WireError as error:
        raise ApiError(422, "invalid", str(error)) from error
    if report is None:
        return answer({"taken": False, "why": "a valid message that tells of no call: a test, an exercise or a reply"})
    # What of a call may stand in the audit log for good: that it came, not where or what it is.
    request.state.target, request.state.detail = report.incident[:60], {"state": str(report.state)}
    known = await asyncio.to_thread(calls.named, report.incident)
    item = await take_call(desk, calls, report, who.name)
    return answer({"taken": True, **item}, 200 if known else 201)


async def take_call(desk: Desk, calls: CallsPort, report: CallReport, by: str) -> dict[str, Any]:
    """Keep a call and tell the running city of it; return it as the API tells it."""
    # Kept first: a crash between the two must not lose a call that its sender was told is taken.
    before = await asyncio.to_thread(calls.named, report.incident)
    whole = merged(None if before is None else before.report, report)
    kept = await asyncio.to_thread(calls.keep, whole, by, desk.now_ms())
    await steer(desk)
    return call_item(desk, kept, _tables(desk))


async def listed(desk: Desk, request: Request, who: Principal) -> Response:
    """Tell of the calls that came in, and what became of each."""
    await note_reader(desk, who)
    taken = await asyncio.to_thread(_calls(desk).listed, 200)
    tables = _tables(desk)
    return answer({"calls": [call_item(desk, one, tables) for one in taken]})


async def read(desk: Desk, request: Request, who: Principal) -> Response:
    """Tell of one call; as an EIDO where that is what is accepted."""
    await note_reader(desk, who)
    number = request.path_params["number"]
    # Numbers beyond what a database holds are nobody's.
    taken = None if number > 2**62 else await asyncio.to_thread(_calls(desk).numbered, number)
    if taken is None:
        raise ApiError(404, "not_found", f"no call {number} came in")
    item = call_item(desk, taken, _tables(desk))
    if "eido" not in request.headers.get("accept", "") and request.query_params.get("form") != "eido":
        return answer(item)
    told = item["listed"]
    assigned: tuple[Assigned, ...] = ()
    if told is not None and told["unit"] >= 0:
        assigned = (Assigned(unit=item["owner"], status=_STATUS.get(told["status"], "Assigned")),)
    data = encode_eido(taken.report, issuer=_ISSUER, now_ms=time.time_ns() // 1_000_000, assigned=assigned)
    return Response(data, headers={"Cache-Control": "no-store"}, media_type="application/emergency.eido+json")


async def recommended(desk: Desk, request: Request, who: Principal) -> Response:
    """Tell who could go to each open call, and what it would leave uncovered."""
    await note_reader(desk, who)
    found = published(desk, "emergency")
    if found is None:
        raise ApiError(404, "not_found", "no emergency service runs here, or it has not spoken yet")
    return answer({"at_ms": found["at_ms"], "calls": await asyncio.to_thread(recommendations, desk, found)})


def _calls(desk: Desk) -> CallsPort:
    if desk.calls is None:
        raise ApiError(404, "not_found", "calls come in here by the city's own dispatch centre alone")
    return desk.calls


def _tables(desk: Desk) -> dict[str, Any] | None:
    found = published(desk, "emergency")
    return None if found is None else found["tables"]


HANDLERS = {"cad.take": take, "cad.calls": listed, "cad.call": read, "cad.recommendations": recommended}
