"""The fast lanes over HTTP: readings in by any codec, live state and its changes out, dead letters to read and admit.

A plain ASGI application: what a request costs besides its readings decides how small a pack may be. It answers below
``/ingest``; a request is acknowledged when its readings would survive a power cut.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Awaitable, Callable, MutableMapping, Sequence
from typing import Any
from urllib.parse import parse_qs

import msgspec

from cityloop.kernel.errors import InputError
from cityloop.kernel.readings import DataKind, Overloaded, StoreFull
from cityloop.sensing.access import DeviceTokens
from cityloop.sensing.codecs import Codecs
from cityloop.sensing.devices import DeviceDesk
from cityloop.sensing.inbox import Inbox
from cityloop.sensing.inspect import Views
from cityloop.sensing.openapi import ingest_openapi
from cityloop.sensing.pack_lane import told
from cityloop.wire.named import WireError

__all__ = ["Identify", "IngestApp", "Register", "StreamFacts"]

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]

Identify = Callable[[Scope], "str | None"]
"""Given a request's ASGI scope: the device, empty for an administrator, None when nobody is known by it."""


class StreamFacts(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What is declared of a stream that is registered by name."""

    name: str
    unit: str
    low: float = -math.inf
    high: float = math.inf
    device: str = ""
    kind: DataKind = DataKind.MEASUREMENT
    lon_deg: float = math.nan
    lat_deg: float = math.nan
    interval_s: float = math.nan


Register = Callable[[Sequence[StreamFacts]], Sequence[int]]
"""Registers streams durably and returns their rows."""

_JSON = [(b"content-type", b"application/json"), (b"cache-control", b"no-store")]


class _Answer(Exception):  # noqa: N818 - an outcome, not a failure
    """Ends a request with a status and one line."""

    def __init__(self, status: int, why: str, headers: tuple[tuple[bytes, bytes], ...] = ()) -> None:
        super().__init__(why)
        self.status = status
        self.headers = headers


class IngestApp:
    """Answers ``/ingest`` and what lies below it."""

    def __init__(
        self,
        inbox: Inbox,
        codecs: Codecs,
        *,
        identify: Identify,
        register: Register | None = None,
        tokens: DeviceTokens | None = None,
        body_s: float = 30.0,
    ) -> None:
        self._inbox = inbox
        self._codecs = codecs
        self._identify = identify
        self._register = register
        self._devices = None if tokens is None else DeviceDesk(tokens)
        self._views = Views(inbox)
        self._body_s = body_s
        self.open_requests = 0
        """Requests whose readings wait for the disk."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            raise InputError(f"{scope['type']} connections are not answered here")
        try:
            device = self._identify(scope)
            if device is None:
                raise _Answer(401, "give a device's token", ((b"www-authenticate", b"Bearer"),))
            path = scope["path"].removeprefix(scope.get("root_path", "")).removeprefix("/ingest").strip("/")
            if scope["method"] == "POST":
                answer = await self._post(scope, receive, path, device)
            elif scope["method"] == "GET" and path == "changes":
                await self._changes(scope, receive, send)
                return
            elif scope["method"] == "GET":
                answer = self._get(path, _query(scope), device)
            else:
                raise _Answer(405, "GET and POST are answered here")
            await _reply(send, 200, answer)
        except _Answer as error:
            await _reply(send, error.status, {"error": str(error)}, error.headers)
        except Overloaded as error:
            wait = b"%d" % max(1, round(error.retry_after_s + 0.5))
            await _reply(send, 429, {"error": str(error)}, ((b"retry-after", wait),))
        except StoreFull as error:
            await _reply(send, 507, {"error": str(error)})
        except InputError as error:
            await _reply(send, 400, {"error": str(error)})

    async def _post(self, scope: Scope, receive: Receive, path: str, device: str) -> object:
        if path.startswith(("streams", "letters", "devices")):
            if device:
                raise _Answer(403, "streams, devices and dead letters are an administrator's to change")
            return await self._change(path, await self._body(scope, receive))
        headers = dict(scope["headers"])
        media = headers.get(b"content-type", b"").split(b";")[0].strip().decode("latin-1").lower()
        decode = self._codecs.find(path, media)
        if decode is None:
            known = ", ".join(sorted(self._codecs.media_types))
            raise _Answer(415, f"content type {media!r:.60} is not known below /ingest; known are {known}")
        encoding = headers.get(b"content-encoding", b"identity")
        if encoding != b"identity":
            raise _Answer(415, f"content encoding {encoding.decode('latin-1')!r:.20} is not taken")
        body = await self._body(scope, receive)
        loop = asyncio.get_running_loop()
        durable: asyncio.Future[None] = loop.create_future()

        def done(error: Exception | None) -> None:
            loop.call_soon_threadsafe(_settle, durable, error)

        taken = decode(body, device, self._inbox, done, _query(scope))
        self.open_requests += 1
        try:
            await durable
        finally:
            self.open_requests -= 1
        return told(taken)

    async def _body(self, scope: Scope, receive: Receive) -> bytes:
        """Read a body of bounded size in bounded time."""
        most = self._inbox.limits.message_bytes
        length = next((value for name, value in scope["headers"] if name == b"content-length"), b"")
        if length.isdigit() and len(length) < 19 and int(length) > most:
            raise _Answer(413, f"{int(length)} bytes, at most {most} are taken at once")
        try:
            async with asyncio.timeout(self._body_s):
                message = await receive()
                body: bytes = message.get("body", b"")
                if message.get("more_body"):
                    parts, size = [body], len(body)
                    while message.get("more_body"):
                        message = await receive()
                        parts.append(message.get("body", b""))
                        size += len(parts[-1])
                        if size > most:
                            raise _Answer(413, f"more than {most} bytes, send smaller bodies")
                    body = b"".join(parts)
        except TimeoutError as error:
            raise _Answer(408, f"the body took longer than {self._body_s:g} s", ((b"connection", b"close"),)) from error
        if len(body) > most:
            raise _Answer(413, f"{len(body)} bytes, at most {most} are taken at once")
        return body

    async def _change(self, path: str, body: bytes) -> object:
        """Do what only an administrator may."""
        if path == "streams":
            return await self._streams(body)
        if path.startswith("letters"):
            return await self._letters(path, body)
        if self._devices is not None and path == "devices":
            return await self._devices.issue(body)
        if self._devices is not None and path == "devices/revoke":
            return await self._devices.revoke(body)
        raise _Answer(404, "there are /ingest/streams, devices, devices/revoke, letters/admit and letters/forget")

    async def _streams(self, body: bytes) -> object:
        if self._register is None:
            raise _Answer(404, "streams are not registered here")
        try:
            facts = msgspec.json.decode(body, type=list[StreamFacts])
        except (msgspec.MsgspecError, RecursionError, UnicodeDecodeError) as error:
            raise WireError(f"give a JSON array of streams: {error}") from error
        rows = await asyncio.to_thread(self._register, facts)
        self._inbox.known.refresh(rows)
        return {"rows": dict(zip([fact.name for fact in facts], rows, strict=True))}

    async def _letters(self, path: str, body: bytes) -> object:
        try:
            numbers = msgspec.json.decode(body, type=list[int])
        except (msgspec.MsgspecError, RecursionError, UnicodeDecodeError) as error:
            raise WireError(f"give a JSON array of letters' numbers: {error}") from error
        store = self._inbox.dead_letters
        if store is None:
            raise _Answer(404, "no dead letters are kept")
        if path == "letters/forget":
            return {"forgotten": store.remove(numbers)}
        if path != "letters/admit":
            raise _Answer(404, "there are /ingest/letters/admit and /ingest/letters/forget")
        loop = asyncio.get_running_loop()
        durable: asyncio.Future[None] = loop.create_future()

        def done(error: Exception | None) -> None:
            loop.call_soon_threadsafe(_settle, durable, error)

        taken = self._inbox.admit_again(numbers, done)
        await durable
        return told(taken)

    def _get(self, path: str, query: dict[str, str], device: str) -> object:
        match path:
            case "streams":
                return self._views.rows(_names(query))
            case "live":
                return self._views.live(_names(query) if "streams" in query else None)
            case "health":
                return self._views.health(_names(query) if "streams" in query else None)
            case "counts":
                return self._views.counts()
            case "openapi.json":
                return ingest_openapi(self._codecs)
            case "devices" if self._devices is not None:
                if device:
                    raise _Answer(403, "devices are an administrator's to list")
                return self._devices.listed()
            case "letters":
                if device:
                    raise _Answer(403, "dead letters are an administrator's to read")
                return self._views.letters(_count(query, "after", 0), _count(query, "limit", 100))
            case _:
                raise _Answer(
                    404, "there are /ingest/streams, live, changes, health, counts, devices, letters and openapi.json"
                )

    async def _changes(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send the newest readings of streams as they change, as server-sent events, until the client leaves."""
        query = _query(scope)
        feed = self._views.feed(_names(query) if "streams" in query else None)
        interval_s = min(max(_count(query, "interval_ms", 250), 50), 60_000) / 1000
        gone = asyncio.ensure_future(_left(receive))
        try:
            head = [(b"content-type", b"text/event-stream"), (b"cache-control", b"no-store")]
            await send({"type": "http.response.start", "status": 200, "headers": head})
            await send({"type": "http.response.body", "body": b": open\n\n", "more_body": True})
            silent_s = 0.0
            while not gone.done():
                await asyncio.wait([gone], timeout=interval_s)
                body = self._views.changes(feed)
                silent_s = 0.0 if body else silent_s + interval_s
                if not body and silent_s >= 15:
                    body, silent_s = b": still here\n\n", 0.0
                if body and not gone.done():
                    # Waits while the client does not take it; what changes meanwhile is told at once later.
                    await send({"type": "http.response.body", "body": body, "more_body": True})
        finally:
            gone.cancel()
            feed.close()


async def _left(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


async def _reply(send: Send, status: int, answer: object, headers: tuple[tuple[bytes, bytes], ...] = ()) -> None:
    body = msgspec.json.encode(answer)
    length = (b"content-length", b"%d" % len(body))
    await send({"type": "http.response.start", "status": status, "headers": [*_JSON, length, *headers]})
    await send({"type": "http.response.body", "body": body})


def _settle(durable: asyncio.Future[None], error: Exception | None) -> None:
    if durable.done():
        return
    if error is None:
        durable.set_result(None)
    else:
        durable.set_exception(error)


def _query(scope: Scope) -> dict[str, str]:
    text = scope.get("query_string", b"")
    if not text:
        return {}
    try:
        return {name: values[-1] for name, values in parse_qs(text.decode("ascii"), max_num_fields=50).items()}
    except (UnicodeDecodeError, ValueError) as error:
        raise WireError(f"the query cannot be read: {error}") from error


def _names(query: dict[str, str]) -> list[str]:
    return [name for name in query.get("streams", "").split(",") if name]


def _count(query: dict[str, str], name: str, usual: int) -> int:
    text = query.get(name, "")
    if not text:
        return usual
    if not text.isdigit() or len(text) > 15:
        raise WireError(f"{name} is {text!r:.40}, must be a whole number")
    return int(text)
