"""Ten dashboards on a running city: does any of them make a tick late, and does the server's memory grow?

The same served city is watched first by nobody and then by ten: some read everything, some read slowly, some are
asleep with their socket open, one is caught in a storm of reconnections, one asks for its pages over and over. How late
each tick began is taken from the city's own trace, memory from the kernel.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import math
import os
import random
import time
from collections import Counter
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from cityloop.kernel.columns import F64
from cityloop.kernel.errors import ConfigError
from cityloop.methods.statistics import t_quantile
from cityloop.storage.trace_log import TraceReader
from cityloop.studies.served_room import ServedRoom, serving
from cityloop.wire.frame import frame_number
from cityloop.wire.live import Tick

__all__ = ["Growth", "Lateness", "RoomBench", "RoomFigures", "growth_of", "lateness_of", "measure_room", "watch_room"]

_SAMPLE_S = 5.0
_SETTLE_S = 20.0
_START_S = 900.0
_LATE_MS = 100.0
_STORM_PAUSE_S = 0.2
_PAGES = ("/api/v1/signals", "/api/v1/decisions?changes=1&limit=200", "/api/v1/emergency", "/api/v1/refuse",
          "/api/v1/alerts", "/api/v1/ladder", "/api/v1/layout", "/api/v1/signals/3/history")  # fmt: skip
CLIENTS = ("reads", "reads", "reads", "reads", "slow", "slow", "asleep", "asleep", "storm", "asks")
"""What the ten do."""
_TICK = msgspec.msgpack.Decoder(Tick)


@dataclass(frozen=True, slots=True, kw_only=True)
class RoomBench:
    """What is measured."""

    minutes: float = 30.0
    """With the ten; a third of it before that with nobody."""
    city: str = "adlershof"


@dataclass(frozen=True, slots=True)
class Lateness:
    """How late ticks began."""

    ticks: int
    late: int
    """More than 100 ms after their due time."""
    median_ms: float
    p99_ms: float
    worst_ms: float


@dataclass(frozen=True, slots=True)
class Growth:
    """Resident memory over time, a straight line through it, and the line's 95 % interval."""

    first_mb: float
    last_mb: float
    slope_kb_min: float
    low_kb_min: float
    high_kb_min: float


@dataclass(frozen=True, slots=True, kw_only=True)
class RoomFigures:
    """The result."""

    minutes: float
    alone: Lateness
    watched: Lateness
    server: Growth
    running_city: Growth
    """The running city's own processes: the loop and the simulation."""
    frames: int
    connections: int
    answers: int
    failed: dict[str, int]
    """Connections and answers that failed without the client's doing, by what was asked and what came of it."""
    load_alone: float
    load_watched: float
    """Of the machine, mean."""

    def as_dict(self) -> dict[str, Any]:
        """Return the figures for JSON."""
        return asdict(self)


class _Counts:
    """What the clients did."""

    def __init__(self) -> None:
        self.frames = self.connections = self.answers = 0
        self.failed: Counter[str] = Counter()
        self.over = False


def measure_room(bench: RoomBench) -> RoomFigures:
    """Serve a city, every rung live, and watch it."""
    with serving(bench.city, "--rung", "live") as server:
        _wait_until_it_runs(server)
        return watch_room(bench, server.base, server.token, server.data, server.pid)


def _wait_until_it_runs(server: ServedRoom) -> None:
    until_s = time.monotonic() + _START_S
    while time.monotonic() < until_s:
        if server.ask("/api/v1/city")["running"]:
            return
        time.sleep(0.5)
    raise ConfigError(f"The city did not run within {_START_S:.0f} s.")


def watch_room(bench: RoomBench, base: str, token: str, data: Path, server_pid: int) -> RoomFigures:
    """Watch a served city that runs already.

    Raises
    ------
    ConfigError
        If it leaves no trace of its ticks.
    """
    time.sleep(_SETTLE_S)
    alone_ms, alone_load, _ = _phase(bench.minutes * 20.0, server_pid, None)
    counts = _Counts()
    watched_ms, watched_load, memory = asyncio.run(_with_clients(bench.minutes * 60.0, server_pid, base, token, counts))
    trace = TraceReader(data / "trace")
    span = trace.span()
    if span is None:
        raise ConfigError(f"{data}: the served city left no trace of its ticks")
    ticks = [_TICK.decode(payload) for payload in trace.between(*span)]
    steps = [(one.wall_ms, one.late_ms) for one in ticks if not one.at_once]
    return RoomFigures(
        minutes=bench.minutes,
        alone=lateness_of([late for wall, late in steps if alone_ms[0] <= wall <= alone_ms[1]]),
        watched=lateness_of([late for wall, late in steps if watched_ms[0] <= wall <= watched_ms[1]]),
        server=growth_of([row[0] for row in memory], [row[1] for row in memory]),
        running_city=growth_of([row[0] for row in memory], [row[2] for row in memory]),
        frames=counts.frames,
        connections=counts.connections,
        answers=counts.answers,
        failed=dict(counts.failed),
        load_alone=alone_load,
        load_watched=watched_load,
    )


def lateness_of(late_ms: Sequence[float]) -> Lateness:
    """Sum up how late ticks began."""
    if not late_ms:
        return Lateness(0, 0, math.nan, math.nan, math.nan)
    values = np.array(late_ms)
    p50, p99 = np.quantile(values, (0.5, 0.99))
    return Lateness(
        len(values),
        int((values > _LATE_MS).sum()),
        round(float(p50), 2),
        round(float(p99), 2),
        round(float(values.max()), 2),
    )


def growth_of(at_s: Sequence[float], resident_mb: Sequence[float]) -> Growth:
    """Fit a line to resident memory.

    Samples in a row resemble one another, so the interval counts only as many as are independent, by the residuals'
    first autocorrelation.
    """
    x, y = np.array(at_s, float) / 60.0, np.array(resident_mb, float)
    if len(x) < 4:
        return Growth(*(float(y[0]), float(y[-1])) if len(y) else (math.nan, math.nan), math.nan, math.nan, math.nan)
    slope, level = np.polyfit(x, y, 1)
    residual: F64 = y - (slope * x + level)
    spread = float((residual**2).sum())
    rho = 0.0 if spread == 0 else min(max(float((residual[1:] * residual[:-1]).sum()) / spread, 0.0), 0.99)
    free = max(len(x) * (1.0 - rho) / (1.0 + rho), 4.0)
    variance = spread / (len(x) - 2) / float(((x - x.mean()) ** 2).sum())
    error = math.sqrt(variance * len(x) / free)
    half = t_quantile(0.975, max(int(free) - 2, 1)) * error
    kb = 1024.0
    return Growth(
        round(float(y[0]), 1),
        round(float(y[-1]), 1),
        round(float(slope) * kb, 1),
        round((float(slope) - half) * kb, 1),
        round((float(slope) + half) * kb, 1),
    )


def _phase(seconds: float, pid: int, counts: _Counts | None) -> tuple[tuple[float, float], float, list[Any]]:
    """Let time pass and sample memory and load."""
    began_s, loads, memory = time.monotonic(), [], []
    began_ms = time.time() * 1000.0
    while time.monotonic() - began_s < seconds:
        time.sleep(min(_SAMPLE_S, max(seconds - (time.monotonic() - began_s), 0.0)))
        loads.append(os.getloadavg()[0])
        memory.append((time.monotonic() - began_s, _resident_mb(pid), sum(map(_resident_mb, _below(pid)))))
    if counts is not None:
        counts.over = True
    return (began_ms, time.time() * 1000.0), round(float(np.mean(loads)), 2), memory


async def _with_clients(
    seconds: float, pid: int, base: str, token: str, counts: _Counts
) -> tuple[tuple[float, float], float, list[Any]]:
    tasks = [asyncio.create_task(_ACTS[what](base, token, counts, random.Random(n))) for n, what in enumerate(CLIENTS)]
    try:
        await asyncio.sleep(_SETTLE_S)
        return await asyncio.to_thread(_phase, seconds, pid, counts)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def _socket(base: str, token: str) -> Any:
    import websockets

    return websockets.connect(
        base.replace("http", "ws", 1) + "/api/v1/live",
        additional_headers={"Authorization": f"Bearer {token}"},
        max_size=2**24,
        proxy=None,
        close_timeout=1,
    )


async def _reads(base: str, token: str, counts: _Counts, rng: random.Random, pause_s: float = 0.0) -> None:
    """Read every frame, at once or after a pause, and say so, as a page does; come back when let go."""
    while not counts.over:
        try:
            async with _socket(base, token) as socket:
                counts.connections += 1
                async for frame in socket:
                    counts.frames += isinstance(frame, bytes)
                    if pause_s:
                        await asyncio.sleep(pause_s)
                    if isinstance(frame, bytes):
                        await socket.send(json.dumps({"got": frame_number(frame)}))
        except Exception as error:
            if not counts.over:
                counts.failed[f"feed{' read slowly' if pause_s else ''}: {error}"[:120]] += 1
        await asyncio.sleep(2.0)


async def _slow(base: str, token: str, counts: _Counts, rng: random.Random) -> None:
    """Take one frame every two seconds."""
    await _reads(base, token, counts, rng, pause_s=2.0)


async def _asleep(base: str, token: str, counts: _Counts, rng: random.Random) -> None:
    """Open the feed with a raw socket and never read of it; when the server lets go, open it again after a minute."""
    host, port = base.removeprefix("http://").split(":")
    ask = (
        f"GET /api/v1/live HTTP/1.1\r\nHost: {host}:{port}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\nSec-WebSocket-Version: 13\r\n"
        f"Authorization: Bearer {token}\r\n\r\n"
    )
    while not counts.over:
        _, writer = await asyncio.open_connection(host, int(port), limit=1)
        counts.connections += 1
        writer.write(ask.encode())
        await writer.drain()
        with contextlib.suppress(OSError):
            await asyncio.wait_for(writer.wait_closed(), 60.0)
        writer.close()


async def _storm(base: str, token: str, counts: _Counts, rng: random.Random) -> None:
    """Connect, take a frame or none, and go, five times a second."""
    while not counts.over:
        with contextlib.suppress(Exception):
            async with _socket(base, token) as socket:
                counts.connections += 1
                if rng.random() < 0.5:
                    await asyncio.wait_for(socket.recv(), 1.0)
        await asyncio.sleep(_STORM_PAUSE_S)


async def _asks(base: str, token: str, counts: _Counts, rng: random.Random) -> None:
    """Ask for what the pages ask for, two a second, and follow the events beside it."""
    import httpx

    headers = {"Authorization": f"Bearer {token}"}
    async with httpx.AsyncClient(base_url=base, headers=headers, timeout=30, trust_env=False) as client:
        events = asyncio.create_task(_events(client))
        try:
            while not counts.over:
                for path in _PAGES:
                    answer = await client.get(path)
                    counts.answers += 1
                    if answer.status_code != 200:
                        counts.failed[f"{path}: {answer.status_code} {answer.text}"[:120]] += 1
                    await asyncio.sleep(0.5)
        finally:
            events.cancel()


async def _events(client: Any) -> None:
    async with client.stream("GET", "/api/v1/events", timeout=None) as stream:
        async for _ in stream.aiter_bytes():
            pass


_ACTS: dict[str, Callable[[str, str, _Counts, random.Random], Coroutine[Any, Any, None]]] = {
    "reads": _reads,
    "slow": _slow,
    "asleep": _asleep,
    "storm": _storm,
    "asks": _asks,
}


def _resident_mb(pid: int) -> float:
    try:
        for line in Path(f"/proc/{pid}/status").read_text().splitlines():
            if line.startswith("VmRSS:"):
                return int(line.split()[1]) / 1024.0
    except OSError:
        pass
    return 0.0


def _below(pid: int) -> list[int]:
    """Return the processes that a process has started, and theirs."""
    found = []
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = path.read_text().rpartition(")")[2].split()
        except OSError:
            continue
        if int(fields[1]) == pid:
            found.append(int(path.parent.name))
    return found + [grand for child in found for grand in _below(child)]
