"""Sends packs of a fleet's readings over HTTP, evenly over each round, and times every acknowledgement."""

from __future__ import annotations

import asyncio
import ssl
import time
from collections.abc import Callable
from functools import partial
from typing import cast
from urllib.parse import quote, urlsplit

import msgspec
import numpy as np

from cityloop.kernel.columns import I64
from cityloop.kernel.errors import ConfigError, InputError
from cityloop.studies.sensor_fleet import Fleet
from cityloop.studies.sensor_load import LoadCount, LoadParams, LoadReport
from cityloop.studies.sensor_packs import ArrowBody
from cityloop.studies.sensor_ways import WAYS, parts_of, said_by

__all__ = ["HttpSender", "send_over_http", "stream_rows"]

_ROWS_AT_ONCE = 400


class _Answers(asyncio.Protocol):
    """Reads answers of known length, one at a time."""

    def __init__(self) -> None:
        self.transport: asyncio.Transport | None = None
        self.awaited: asyncio.Future[tuple[int, bytes]] | None = None
        self._held = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # Not checked: uvloop's transports are of no class of asyncio's.
        self.transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        held = self._held = self._held + data if self._held else data
        end = held.find(b"\r\n\r\n") + 4
        if end < 4 or self.awaited is None or self.awaited.done():
            return
        fields = held[:end].lower()
        at = fields.find(b"content-length:")
        length = int(fields[at + 15 : fields.find(b"\r", at)]) if at >= 0 else 0
        if len(held) >= end + length:
            self._held = held[end + length :]
            self.awaited.set_result((int(held[9:12]), held[end : end + length]))

    def connection_lost(self, exc: Exception | None) -> None:
        if self.awaited is not None and not self.awaited.done():
            self.awaited.set_exception(exc if isinstance(exc, OSError) else ConnectionResetError("the server hung up"))


class HttpSender:
    """One connection, one request at a time."""

    def __init__(self, url: str, token: str, device: str = "", tls: ssl.SSLContext | None = None) -> None:
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise ConfigError(f"url is {url!r}, must be http://HOST:PORT or https://HOST:PORT")
        self._tls = (tls or ssl.create_default_context()) if parts.scheme == "https" else None
        self._host, self._port = parts.hostname, parts.port or (443 if self._tls else 80)
        self._fields = f"Host: {self._host}\r\n"
        self._fields += f"Authorization: Bearer {token}\r\n" if token else ""
        self._fields += f"X-Device: {device}\r\n" if device else ""
        self._connection: _Answers | None = None

    async def request(self, method: str, path: str, media_type: str = "", body: bytes = b"") -> tuple[int, bytes]:
        """Return status and body of the answer."""
        loop = asyncio.get_running_loop()
        held = None if self._connection is None else self._connection.transport
        if held is not None and held.is_closing():
            # Servers hang up on whoever is silent for some seconds, and a seldom sensor is.
            self.close()
        if self._connection is None:
            _, self._connection = await loop.create_connection(_Answers, self._host, self._port, ssl=self._tls)
        connection = self._connection
        assert connection.transport is not None
        head = f"{method} {path} HTTP/1.1\r\n{self._fields}Content-Length: {len(body)}\r\n"
        head += f"Content-Type: {media_type}\r\n" if media_type else ""
        connection.awaited = loop.create_future()
        connection.transport.writelines((head.encode() + b"\r\n", body))
        try:
            return await connection.awaited
        except OSError:
            self.close()
            raise

    def close(self) -> None:
        """Close the connection."""
        if self._connection is not None and self._connection.transport is not None:
            # With TLS nobody is there any more to wait for the other side's goodbye.
            (self._connection.transport.abort if self._tls else self._connection.transport.close)()
        self._connection = None


async def send_over_http(fleet: Fleet, params: LoadParams) -> LoadReport:
    """Send rounds until the duration is over."""
    way = WAYS[params.protocol]
    assert way.path is not None
    rows = await stream_rows(fleet, params) if way.by_row else []
    packs = parts_of(way, fleet, params.pack, over_mqtt=False)
    # Bytes that are overwritten in place: the sender should cost little beside what it measures.
    bodies = [ArrowBody(fleet.names[pack.start : pack.stop]) for pack in packs] if params.protocol == "arrow" else []
    count = LoadCount()
    work: asyncio.Queue[tuple[str, Callable[[], bytes], int] | None] = asyncio.Queue(maxsize=4 * params.connections)
    tls = params.tls(params.url)

    async def sender(number: int) -> None:
        device = f"{params.device}{number}" if params.device else ""
        connection = HttpSender(params.url, params.token, device, tls)
        while (job := await work.get()) is not None:
            path, body, size = job
            made = body()
            began_s = time.perf_counter()
            count.sent += size
            try:
                status, _ = await connection.request("POST", path, way.media_type, made)
            except OSError:
                count.failed += size
                continue
            if status in (200, 201):
                count.acknowledged += size
                count.ack_s.append(time.perf_counter() - began_s)
            elif status in (429, 507):
                count.refused += size
            else:
                count.failed += size
        connection.close()

    senders = [asyncio.create_task(sender(number)) for number in range(params.connections)]
    step_s = 1 / params.rate_hz / len(packs)
    due_s = count.began_s
    for _ in range(max(1, round(params.duration_s * params.rate_hz))):
        told = fleet.round(time.time_ns() // 1_000_000)
        for place, pack in enumerate(packs):
            late_s = time.perf_counter() - due_s
            if late_s < 0:
                await asyncio.sleep(-late_s)
            count.behind_s = max(count.behind_s, late_s)
            due_s += step_s
            later_ms = _since(told.observed_at_ms)
            if bodies and told.said is None:
                observed = told.observed_at_ms[pack.start : pack.stop] + later_ms
                whole = partial(bodies[place].fill, observed, told.value[pack.start : pack.stop])
                await work.put(("/ingest", whole, len(pack)))
                continue
            said = said_by(fleet, told, pack, place, rows=rows, later_ms=later_ms)
            if said.numbers:
                await work.put((way.path(said), partial(way.body, said), len(said.numbers)))
    for _ in senders:
        await work.put(None)
    await asyncio.gather(*senders)
    return count.report()


def _since(observed_at_ms: I64) -> int:
    """Return how long ago the round was made: the later packs of a round are measured later. [ms]"""
    return max(0, time.time_ns() // 1_000_000 - int(np.median(observed_at_ms)))


async def stream_rows(fleet: Fleet, params: LoadParams) -> list[int]:
    """Ask the server for the ids of the datastreams by their names."""
    url = params.asked_url
    connection = HttpSender(url, params.token, tls=params.tls(url))
    found: list[int] = []
    try:
        for begin in range(0, len(fleet.names), _ROWS_AT_ONCE):
            names = fleet.names[begin : begin + _ROWS_AT_ONCE]
            status, answer = await connection.request("GET", f"/ingest/streams?streams={quote(','.join(names))}")
            if status != 200:
                raise InputError(f"{url}/ingest/streams answers {status}: {answer[:200].decode('utf-8', 'replace')}")
            told = msgspec.json.decode(answer, type=dict[str, int])
            found += [told[name] for name in names]
    finally:
        connection.close()
    missing = sum(row < 0 for row in found)
    if missing:
        raise InputError(f"{missing} of {len(found)} streams are not registered; run once with --register")
    return found
