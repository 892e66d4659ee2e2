"""The live feed over a WebSocket: the newest frame, never a queue of old ones."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections import deque

import numpy as np
import orjson
from starlette.websockets import WebSocket, WebSocketDisconnect

from cityloop.web.access import Principal
from cityloop.web.board import ALL_SECTIONS, Board
from cityloop.web.ports import Desk
from cityloop.wire.frame import FRAME_VERSION, Kind, Section, encode_frame

__all__ = ["Wish", "live_feed"]

_MOST_WATCHERS = 300
_SEND_LIMIT_S = 10.0
"""A client that takes no byte for so long is let go."""
_RECHECK_S = 60.0
_NEWS_S = 5.0
_MOST_AHEAD = 4
"""Frames on their way to a client that says which it got: a slow line or a sleeping page holds no queue of old ones."""
_QUIET = '{"quiet":1}'
_NAMES = {
    "vehicles": Kind.VEHICLES, "lamps": Kind.LAMPS, "junctions": Kind.JUNCTIONS, "queues": Kind.QUEUES,
    "edges": Kind.EDGES, "units": Kind.UNITS, "trucks": Kind.TRUCKS, "containers": Kind.CONTAINERS,
    "sensors": Kind.SENSORS,
}  # fmt: skip


class Wish:
    """What a client asked for; changes while it watches."""

    def __init__(self) -> None:
        self.kinds: frozenset[Kind] = ALL_SECTIONS
        self.max_hz = 10.0
        self.sensors = False
        self._got: int | None = None
        self._sent: deque[int] = deque(maxlen=64)
        self._heard = asyncio.Event()

    def sent(self, number: int) -> None:
        """Note a frame that is on its way."""
        self._sent.append(number)

    async def room(self, timeout_s: float) -> bool:
        """Wait until the client has got most of what was sent; at once for one that never says what it got."""
        if self._behind():
            self._heard.clear()
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._heard.wait(), timeout_s)
        return not self._behind()

    def _behind(self) -> bool:
        got = self._got
        return got is not None and sum(number > got for number in self._sent) >= _MOST_AHEAD

    def take(self, text: str) -> None:
        """Read a client's message; what cannot be read changes nothing."""
        try:
            asked = orjson.loads(text)
        except orjson.JSONDecodeError:
            return
        if not isinstance(asked, dict):
            return
        want, rate, got = asked.get("want"), asked.get("max_hz"), asked.get("got")
        if isinstance(got, int):
            self._got = got
            self._heard.set()
        if isinstance(want, list):
            kinds = frozenset(_NAMES[name] for name in want if isinstance(name, str) and name in _NAMES)
            self.sensors = Kind.SENSORS in kinds
            self.kinds = kinds - {Kind.SENSORS}
        if isinstance(rate, int | float) and rate == rate:
            self.max_hz = min(max(float(rate), 0.1), 20.0)


async def live_feed(desk: Desk, socket: WebSocket, principal: Principal, board: Board) -> None:
    """Serve one client until it leaves; the board is the city's own, or the left half's."""
    await socket.accept()
    if board.watchers >= _MOST_WATCHERS:
        await socket.close(4429, "too many watchers")
        return
    wish = Wish()
    board.watchers += 1
    listener = asyncio.create_task(_listen(socket, wish))
    try:
        hello = {
            "hello": 1,
            "layout_version": desk.city.layout.version,
            "bbox": desk.city.shapes.box,
            "frame_version": FRAME_VERSION,
        }
        await socket.send_text(orjson.dumps(hello).decode())
        await _send_frames(desk, socket, principal, board, wish, listener)
    except (WebSocketDisconnect, RuntimeError, TimeoutError, OSError):
        # The client is gone; there is nobody to tell.
        pass
    finally:
        board.watchers -= 1
        listener.cancel()


async def _send_frames(
    desk: Desk,
    socket: WebSocket,
    principal: Principal,
    board: Board,
    wish: Wish,
    listener: asyncio.Task[None],
) -> None:
    last, kinds = -1, wish.kinds
    states: bytes | None = None
    checked_s = sent_s = time.monotonic()
    while not listener.done():
        heard = await board.later_than(max(last, 0), _NEWS_S)
        if board.closed:
            # The page comes back by itself, to whoever serves here next.
            await socket.close(1001, "the server ends")
            return
        if not heard:
            # Nothing moves: the client is told that the line holds, as pings of the protocol never reach a page.
            await asyncio.wait_for(socket.send_text(_QUIET), _SEND_LIMIT_S)
        now_s = time.monotonic()
        if now_s - checked_s > _RECHECK_S:
            checked_s = now_s
            if principal.by_cookie and desk.gate.principal(socket) is None:
                await socket.close(4401, "session gone")
                return
        if board.number <= last or board.number == 0 or not await wish.room(_NEWS_S):
            continue
        wait_s = sent_s + 1.0 / wish.max_hz - now_s
        if wait_s > 0.005 and last > 0:
            await asyncio.sleep(wait_s)
        if wish.kinds != kinds:
            kinds, last = wish.kinds, -1
        frame = board.frame(last, kinds)
        last = board.number
        sent_s = time.monotonic()
        wish.sent(last)
        await asyncio.wait_for(socket.send_bytes(frame), _SEND_LIMIT_S)
        if wish.sensors:
            states, section = _sensor_changes(desk, states)
            if section is not None:
                extra = encode_frame(last, desk.now_ms(), board.pace, [section])
                await asyncio.wait_for(socket.send_bytes(extra), _SEND_LIMIT_S)


def _sensor_changes(desk: Desk, before: bytes | None) -> tuple[bytes, Section | None]:
    """Return the states as they are, and what changed since, at most 400 rows."""
    now = desk.sensors.columns()[3]
    if before is None or len(before) != len(now):
        return now.tobytes(), None
    old = np.frombuffer(before, np.uint8)
    rows = np.flatnonzero(old != now)[:400]
    if len(rows) == 0:
        return before, None
    told = old.copy()
    told[rows] = now[rows]
    payload = rows.astype("<u4").tobytes() + now[rows].tobytes()
    return told.tobytes(), Section(Kind.SENSORS, 5, len(rows), payload)


async def _listen(socket: WebSocket, wish: Wish) -> None:
    try:
        while True:
            text = await socket.receive_text()
            if len(text) <= 2000:
                wish.take(text)
    except (WebSocketDisconnect, RuntimeError, KeyError):
        return
