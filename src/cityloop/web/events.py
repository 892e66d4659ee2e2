"""Server-sent events: alerts, decisions and acts as they happen, and again from the last one a client has seen."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Callable
from typing import Any

import orjson
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from cityloop.web.answers import ApiError

__all__ = ["Events"]

_KEPT = 2000
_QUEUE = 500
_MOST_CLIENTS = 200
_HEARTBEAT_S = 15.0


class Events:
    """Hands events to everybody who listens; owns their queues."""

    def __init__(self) -> None:
        self._kept: deque[tuple[int, bytes]] = deque(maxlen=_KEPT)
        self._queues: set[asyncio.Queue[bytes | None]] = set()
        self._next = 1
        self.also: list[Callable[[str, Any], None]] = []
        """Who else is told of each event, at once and without waiting."""

    def send(self, kind: str, value: Any) -> None:
        """Tell everybody; a client that does not read is let go and comes back by itself."""
        data = orjson.dumps(value, option=orjson.OPT_SERIALIZE_NUMPY | orjson.OPT_NON_STR_KEYS)
        text = b"id: %d\nevent: %s\ndata: %s\n\n" % (self._next, kind.encode(), data)
        self._kept.append((self._next, text))
        self._next += 1
        for told in self.also:
            told(kind, value)
        for queue in list(self._queues):
            if queue.qsize() >= _QUEUE:
                self._queues.discard(queue)
                queue.put_nowait(None)
            else:
                queue.put_nowait(text)

    def close(self) -> None:
        """End every stream."""
        for queue in self._queues:
            queue.put_nowait(None)
        self._queues.clear()

    async def listen(self, request: Request) -> Response:
        """Answer with the stream."""
        if len(self._queues) >= _MOST_CLIENTS:
            raise ApiError(503, "full", "too many listeners; close some tabs", retry_s=10)
        last = request.headers.get("last-event-id", "")
        headers = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
        return StreamingResponse(self._stream(last), headers=headers, media_type="text/event-stream")

    async def _stream(self, last: str) -> AsyncIterator[bytes]:
        queue: asyncio.Queue[bytes | None] = asyncio.Queue()
        self._queues.add(queue)
        try:
            yield b"retry: 2000\n: cityloop\n\n"
            if last.isdigit():
                missed = [text for number, text in self._kept if number > int(last)]
                if missed:
                    yield b"".join(missed)
            while True:
                try:
                    text = await asyncio.wait_for(queue.get(), _HEARTBEAT_S)
                except TimeoutError:
                    yield b": still here\n\n"
                    continue
                if text is None:
                    return
                yield text
        finally:
            self._queues.discard(queue)
