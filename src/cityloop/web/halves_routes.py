"""Two controls of one city side by side: how each does so far, and which half a request is about."""

from __future__ import annotations

import asyncio

from starlette.requests import HTTPConnection, Request
from starlette.responses import HTMLResponse, Response

from cityloop.web.access import Principal
from cityloop.web.answers import ApiError, answer
from cityloop.web.ports import Desk, Halves

__all__ = ["HANDLERS", "left_half"]


def left_half(desk: Desk, asked: HTTPConnection) -> Halves | None:
    """Return the left half where ``?half=left`` asks for it, None for the room's own city."""
    half = asked.query_params.get("half", "right")
    if half == "right":
        return None
    if half != "left":
        raise ApiError(422, "invalid", f"half: {half[:20]!r} is neither left nor right", field="half")
    return _halves(desk)


async def halves(desk: Desk, request: Request, who: Principal) -> Response:
    """Tell how both halves do so far."""
    return answer(_halves(desk).told())


async def report(desk: Desk, request: Request, who: Principal) -> Response:
    """Hand out the page that compares them."""
    path = _halves(desk).report()
    if path is None:
        raise ApiError(404, "not_found", "the report is written when every run is over")
    return HTMLResponse(await asyncio.to_thread(path.read_text, encoding="utf-8"))


def _halves(desk: Desk) -> Halves:
    if desk.halves is None:
        raise ApiError(404, "not_found", "one city is shown here, not two halves; cityloop demo shows two")
    return desk.halves


HANDLERS = {"halves.read": halves, "halves.report": report}
