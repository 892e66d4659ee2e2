"""HTTP connections on which packs of readings take a short way past the framework.

A sender repeats its request's head, byte for byte. The first request of a connection is read by the framework's parser
and answered by the application; where it was a plain pack, its head is remembered, and a request that begins with the
very same bytes on the same connection goes straight to the lane of packs. Who sends is looked up anew for each request.
Everything else takes the usual way.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import MutableMapping
from typing import TYPE_CHECKING, Any

from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol, RequestResponseCycle

from cityloop.sensing.access import subject_of
from cityloop.sensing.pack_lane import Headers, PackLane
from cityloop.wire.arrow import MEDIA_TYPE

if TYPE_CHECKING:
    from cityloop.sensing.http import Identify

__all__ = ["PackProtocol", "pack_protocol"]

_HEAD_BYTES = 4096
_HEADS = 16
"""Heads remembered of one connection: they differ by the length of the body."""

_AHEAD_BYTES = 65_536
"""Bytes of further requests held while one waits for the disk; more are not read from the socket."""

_KNOWN = frozenset(
    {b"host", b"authorization", b"content-length", b"content-type", b"accept", b"user-agent", b"x-device"}
)
_LENGTH = re.compile(rb"[0-9]{1,10}\Z")
_UNAUTHORISED = (401, b'{"error":"give a device\'s token"}', ((b"www-authenticate", b"Bearer"),))


class _Head:
    """A head that was read by the parser."""

    __slots__ = ("length", "scope")

    def __init__(self, length: int, scope: MutableMapping[str, Any]) -> None:
        self.length, self.scope = length, scope


class PackProtocol(HttpToolsProtocol):
    """uvicorn's protocol with a short way for packs; ``pack_protocol`` binds it to a lane."""

    lane: PackLane
    identify: Identify
    most_bytes: int
    body_s: float

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._heads: dict[bytes, _Head] = {}
        self._candidate = b""
        self._between = True
        """Whether the parser has read whole requests, and nothing of another."""
        self._head: _Head | None = None
        """Of the request on the short way, until it is answered."""
        self._parts: list[bytes] = []
        self._missing = 0
        self._ahead = b""
        self._slow: asyncio.TimerHandle | None = None
        self._ending = False
        self._subject: str | None = None

    def data_received(self, data: bytes) -> None:
        """Read what came."""
        if self._head is not None:
            self._go_on(data)
            return
        self._candidate = b""
        if self._between and not self._answering():
            end = data.find(b"\r\n\r\n", 0, _HEAD_BYTES) + 4
            if end >= 4:
                head = self._heads.get(data[:end])
                if head is not None and not self._crowded():
                    self._begin(head, data, end)
                    return
                self._candidate = data[:end]
        super().data_received(data)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Note whose certificate the client gave."""
        super().connection_made(transport)  # type: ignore[arg-type] # uvicorn declares a narrower type than asyncio
        self._subject = subject_of(transport.get_extra_info("peercert"))

    def on_message_begin(self) -> None:
        """Note that the parser is within a request."""
        self._between = False
        super().on_message_begin()
        if self._subject is not None:
            # As the ASGI extension for TLS names it.
            self.scope["extensions"] = {"tls": {"client_cert_name": self._subject}}

    def on_headers_complete(self) -> None:
        """Remember the head of a plain pack."""
        super().on_headers_complete()
        candidate, self._candidate = self._candidate, b""
        if candidate and self.url == b"/ingest" and self.scope["method"] == "POST":
            length = self._plain_length()
            if length is not None:
                if len(self._heads) >= _HEADS:
                    self._heads.clear()
                self._heads[candidate] = _Head(length, dict(self.scope))

    def on_message_complete(self) -> None:
        """Note that the parser is between requests."""
        self._between = True
        super().on_message_complete()

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget what is under way; a pack that was handed over is kept all the same."""
        self._drop()
        super().connection_lost(exc)

    def shutdown(self) -> None:
        """Close, after the answer to what is under way."""
        if self._head is not None:
            self._ending = True
        else:
            super().shutdown()

    def _plain_length(self) -> int | None:
        """Return the body's length where the head is one of a plain pack."""
        headers = dict(self.headers)
        if len(headers) != len(self.headers) or not headers.keys() <= _KNOWN or self.scope["http_version"] != "1.1":
            return None
        length = headers.get(b"content-length", b"")
        media = headers.get(b"content-type", b"").split(b";")[0].strip().lower()
        plain = media == MEDIA_TYPE.encode() and _LENGTH.match(length) and 0 < int(length) <= self.most_bytes
        return int(length) if plain else None

    def _answering(self) -> bool:
        # There is none before the first request, whatever the declared type says.
        cycle: RequestResponseCycle | None = self.cycle
        return cycle is not None and not cycle.response_complete

    def _crowded(self) -> bool:
        most = self.limit_concurrency
        return most is not None and (len(self.connections) >= most or len(self.tasks) >= most)

    def _begin(self, head: _Head, data: bytes, at: int) -> None:
        self._unset_keepalive_if_required()
        self._head = head
        self._missing = head.length
        self._go_on(data[at:])
        if self._missing:
            self._slow = self.loop.call_later(self.body_s, self._too_slow)

    def _go_on(self, data: bytes) -> None:
        """Take further bytes of the body, and keep those behind it for later."""
        if not self._missing:
            self._ahead += data
            if len(self._ahead) > _AHEAD_BYTES:
                self.flow.pause_reading()
            return
        part = data if len(data) <= self._missing else data[: self._missing]
        self._parts.append(part)
        self._missing -= len(part)
        self._ahead = data[len(part) :]
        if self._missing:
            return
        if self._slow is not None:
            self._slow.cancel()
            self._slow = None
        body = part if len(self._parts) == 1 else b"".join(self._parts)
        self._parts = []
        assert self._head is not None
        device = self.identify(self._head.scope)
        if device is None:
            self.loop.call_soon(self._answer, *_UNAUTHORISED)
        else:
            self.lane.take(body, device, self._answer)

    def _answer(self, status: int, body: bytes, headers: Headers) -> None:
        """Answer, and go on with what came meanwhile."""
        self._head = None
        if self.transport.is_closing():
            return
        self.server_state.total_requests += 1
        pieces = [STATUS_LINE[status]]
        for name, value in (*self.server_state.default_headers, *headers):
            pieces += (name, b": ", value, b"\r\n")
        if self._ending:
            pieces.append(b"connection: close\r\n")
        pieces.append(
            b"content-type: application/json\r\ncache-control: no-store\r\ncontent-length: %d\r\n\r\n" % len(body)
        )
        pieces.append(body)
        self.transport.write(b"".join(pieces))
        if self._ending:
            self._drop()
            self.transport.close()
            return
        self.flow.resume_reading()
        ahead, self._ahead = self._ahead, b""
        if ahead:
            self.data_received(ahead)
        else:
            self.timeout_keep_alive_task = self.loop.call_later(
                self.timeout_keep_alive, self.timeout_keep_alive_handler
            )

    def _too_slow(self) -> None:
        self._slow = None
        self._ending = True
        why = b'{"error":"the body took longer than %g s"}' % self.body_s
        self._answer(408, why, ())

    def _drop(self) -> None:
        if self._slow is not None:
            self._slow.cancel()
            self._slow = None
        self._parts, self._ahead = [], b""


def pack_protocol(lane: PackLane, identify: Identify, *, most_bytes: int, body_s: float = 30.0) -> type[PackProtocol]:
    """Return the protocol for a server whose packs a lane takes."""
    bound: dict[str, Any] = {
        "lane": lane,
        "identify": staticmethod(identify),
        "most_bytes": most_bytes,
        "body_s": body_s,
    }
    return type("BoundPackProtocol", (PackProtocol,), bound)
