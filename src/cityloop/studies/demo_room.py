"""The operations room beside the demo: the brain's city is the room's own, the tuned plan's the left half of its map.

Served from a thread, to this machine alone, to whoever has the address with its token, and for looking only: runs that
are scored take no commands. What it needs lies in a temporary folder that goes with it.
"""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import secrets
import shutil
import socket
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import uvicorn

import cityloop.web
from cityloop.app.city_source import NoJobs
from cityloop.app.sensors import TwinSensors
from cityloop.app.twin_source import twin_source
from cityloop.app.watching import Watch
from cityloop.cities.sumo.folder import resolve_city
from cityloop.kernel.errors import ConfigError
from cityloop.kernel.ladder import Rung
from cityloop.storage.accounts import Accounts
from cityloop.storage.alerts import AlertStore
from cityloop.storage.audit_log import AuditLog
from cityloop.storage.holds import Holds
from cityloop.storage.office import OfficeDatabase
from cityloop.storage.trace_log import TraceReader
from cityloop.studies.demo import DemoOutcome, DemoSpec
from cityloop.studies.demo_halves import HalvesTold
from cityloop.studies.demo_run import DemoTick
from cityloop.studies.demo_stage import Stepped, trace_folder
from cityloop.web.access import Gatekeeper
from cityloop.web.board import Board
from cityloop.web.events import Events
from cityloop.web.policy import VIEWER
from cityloop.web.ports import CityFacts, Desk, Halves
from cityloop.web.room_server import RoomServer
from cityloop.web.server import build_app
from cityloop.web.watchers import ActWatch
from cityloop.wire.live import Tick, decode_up

__all__ = ["DemoRoom"]

_CLOSE_LIMIT_S = 10.0
_PACE_OVER_S = 5.0


class _SeedTrace:
    """The steps of the seed that runs: each begins the same hour anew."""

    def __init__(self, folder: Path) -> None:
        self.reader = TraceReader(folder)

    def span(self) -> tuple[int, int] | None:
        return self.reader.span()

    def between(self, begin_ms: int, end_ms: int, *, stride_ms: int = 0, limit: int = 0) -> Iterator[bytes]:
        return self.reader.between(begin_ms, end_ms, stride_ms=stride_ms, limit=limit)


class DemoRoom:
    """Owns the server's thread and its folder."""

    def __init__(self, spec: DemoSpec, port: int = 0) -> None:
        self._spec = spec
        self.folder = Path(tempfile.mkdtemp(prefix="cityloop-demo-"))
        self._database = OfficeDatabase(self.folder)
        self._audit = AuditLog(self.folder)
        self._told = HalvesTold(spec)
        facts, _ = twin_source(
            spec.city, data=self.folder, pace=1.0, control=spec.ours, sensing="area:150", seed=1, scale=1.0,
            keep_days=1.0,
        )  # fmt: skip
        # A run counts its time from the simulated day's midnight: shown as it is, in no zone.
        self._facts = dataclasses.replace(facts, zone="UTC")
        self._traces = {arm: _SeedTrace(trace_folder(self.folder, arm, spec.seeds[0])) for arm in spec.arms}
        self._boards = {arm: Board(facts.shapes.box, len(facts.shapes.links), 1.0) for arm in spec.arms}
        for board in self._boards.values():
            board.began_ms = round(resolve_city(spec.city).begin_s * 1000)
        self._token = secrets.token_urlsafe(24)
        self._desk = self._make_desk(self._facts)
        self._watches = self._make_watches()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._pace_from = (0.0, 0.0)
        self._listener = _listen(port)
        self._server = RoomServer(
            uvicorn.Config(
                build_app(self._desk), log_level="warning", access_log=False, server_header=False,
                ws="websockets-sansio", ws_per_message_deflate=False, timeout_graceful_shutdown=2,
            ),
            self._desk,
        )  # fmt: skip
        self._thread = threading.Thread(target=self._serve, name="demo-room", daemon=True)

    @property
    def url(self) -> str:
        """Where a browser comes in."""
        return f"http://127.0.0.1:{self._listener.getsockname()[1]}/?token={self._token}"

    def start(self) -> None:
        """Begin to serve."""
        self._thread.start()

    def step(self, stepped: Stepped) -> None:
        """Take one step of one arm."""
        self._in_loop(self._publish, stepped)

    def tick(self, tick: DemoTick) -> None:
        """Take in how an arm does."""
        self._in_loop(self._note, tick)

    def finish(self, outcome: DemoOutcome, report: Path) -> None:
        """Show the scored comparison and offer the report."""
        self._in_loop(self._told.finish, outcome, report.resolve())

    def close(self) -> None:
        """End the server and take its folder away. Safe to call twice."""
        self._server.should_exit = True
        if self._thread.is_alive():
            self._thread.join(_CLOSE_LIMIT_S)
        self._listener.close()
        self._audit.close()
        self._database.close()
        shutil.rmtree(self.folder, ignore_errors=True)

    def _serve(self) -> None:
        self._server.run(sockets=[self._listener])

    def _in_loop(self, act: Callable[..., Any], *given: Any) -> None:
        loop = self._loop
        if loop is not None and not loop.is_closed():
            with contextlib.suppress(RuntimeError):
                loop.call_soon_threadsafe(act, *given)

    def _publish(self, stepped: Stepped) -> None:
        tick = decode_up(stepped.payload)
        assert isinstance(tick, Tick)
        board = self._boards[stepped.arm]
        if board.tick is None or board.tick.lap != tick.lap:
            self._begin_seed(stepped.arm, stepped.seed)
        if stepped.arm == self._spec.ours:
            self._measure_pace(tick.sim_s)
        board.publish(tick)
        if stepped.arm == self._spec.ours:
            watch, acts = self._watches
            watch.step(tick)
            acts.step(tick)

    def _begin_seed(self, arm: str, seed: int) -> None:
        self._traces[arm].reader = TraceReader(trace_folder(self.folder, arm, seed))
        if arm == self._spec.ours:
            for alert in self._desk.alerts.listed("open", 1000):
                self._desk.alerts.change(alert["id"], status="resolved", note="the run is over", resolved_by="cityloop")
            self._watches = self._make_watches()
            self._pace_from = (time.monotonic(), 0.0)

    def _measure_pace(self, sim_s: float) -> None:
        """Tell how many of the city's seconds pass in one: as many as the machine makes."""
        since_s, from_s = self._pace_from
        now_s = time.monotonic()
        if from_s == 0.0 or sim_s < from_s:
            self._pace_from = (now_s, sim_s)
        elif now_s - since_s >= _PACE_OVER_S:
            pace = max(0.1, round((sim_s - from_s) / (now_s - since_s), 1))
            for board in self._boards.values():
                board.pace = pace
            self._pace_from = (now_s, sim_s)

    def _note(self, tick: DemoTick) -> None:
        self._told.tick(tick)

    def _make_watches(self) -> tuple[Watch, ActWatch]:
        desk = self._desk
        assert isinstance(desk.alerts, AlertStore)
        return Watch(self._facts, desk.alerts, desk.events.send), ActWatch(desk)

    def _make_desk(self, facts: CityFacts) -> Desk:
        spec, accounts, holds = self._spec, Accounts(self._database), Holds(self._database)
        holds.keep_setting("first_rung", str(int(Rung.LIVE)))
        ours, theirs = self._boards[spec.ours], self._boards[spec.baseline]

        async def begin() -> None:
            self._loop = asyncio.get_running_loop()

        return Desk(
            city=facts,
            gate=Gatekeeper(self._token, (VIEWER,), accounts),
            accounts=accounts,
            audit=self._audit,
            holds=holds,
            trace=self._traces[spec.ours],
            sensors=TwinSensors(facts, ours, self._traces[spec.ours]),
            alerts=AlertStore(self._database),
            jobs=NoJobs(),
            board=ours,
            events=Events(),
            steer=lambda steering: None,
            static=Path(cityloop.web.__file__).parent / "static",
            store_ready=lambda: "",
            halves=Halves(
                left=spec.baseline,
                right=spec.ours,
                board=theirs,
                trace=self._traces[spec.baseline],
                told=self._told.told,
                report=lambda: self._told.report,
            ),
            startup=[begin],
        )


def _listen(port: int) -> socket.socket:
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind(("127.0.0.1", port))
    except OSError as error:
        listener.close()
        raise ConfigError(
            f"--port {port}: {error.strerror or error}; give another, or none for any free one"
        ) from error
    listener.listen(128)
    return listener
