"""The twin as what runs beside the server: started in a process of its own, and again when it dies."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import msgspec

import cityloop
from cityloop.app import LEASED_ARMS
from cityloop.app.child import ChildSpec
from cityloop.app.city_source import CitySource, Hear, NoJobs, districts_of, told_apart
from cityloop.app.live_views import SERVICES
from cityloop.app.sensors import TwinSensors
from cityloop.app.what_if import Running, WhatIf
from cityloop.app.what_if_now import MEMORY, LiveNow, live_now
from cityloop.engine.pipe import Pipe, PipeClosedError
from cityloop.kernel.errors import ConfigError
from cityloop.web.board import Board
from cityloop.web.events import Events
from cityloop.web.ports import CityFacts, JobsPort, SensorsPort, TracePort
from cityloop.wire.live import Died, Steering, Stop, Tick, decode_up, encode

__all__ = ["TwinSource", "twin_source"]

_LONGEST_PAUSE_S = 30.0
_STOP_LIMIT_S = 8.0


class TwinSource:
    """Owns the running city's process, and the thread that listens to it."""

    module = "cityloop.app.twin_child"
    """What the process runs."""

    def __init__(self, spec: ChildSpec) -> None:
        self._spec = spec
        self._pipe: Pipe | None = None
        self._process: subprocess.Popen[bytes] | None = None
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._supervise, name="running-city", daemon=True)
        self._hear: Hear | None = None
        self._jobs: WhatIf | None = None
        self._newest: Tick | None = None
        """The newest step that brought what domains publish."""
        self._memory = b""
        self._steering: Steering | None = None
        self._loop: asyncio.AbstractEventLoop | None = None

    def start(self, hear: Hear) -> None:
        """Start the process, and again whenever it dies."""
        self._hear = hear
        self._loop = asyncio.get_running_loop()
        self._thread.start()

    def steer(self, steering: Steering) -> None:
        """Hand over what people have set."""
        pipe, self._steering = self._pipe, steering
        if pipe is not None:
            # A city that is just being started again is told everything when it begins.
            with contextlib.suppress(PipeClosedError):
                pipe.send(encode(steering))

    def sensors(self, facts: CityFacts, board: Board, trace: TracePort) -> SensorsPort:
        """Return the detectors of the field as sensors."""
        return TwinSensors(facts, board, trace)

    def jobs(self, facts: CityFacts, events: Events, sim_s: Callable[[], float | None]) -> JobsPort:
        """Return who runs what-ifs."""
        if self._spec.control not in LEASED_ARMS:
            return NoJobs()
        running = Running(
            sim_s=sim_s, live=lambda: self._live(facts), control=self._spec.control, scale=self._spec.scale
        )
        return self._what_ifs(self._spec.city, facts, events, running)

    def _live(self, facts: CityFacts) -> LiveNow | None:
        """Return what is believed of the city now; None before it has said anything."""
        newest, steering = self._newest, self._steering
        return None if newest is None or steering is None else live_now(newest, steering, facts.layout, self._memory)

    def _what_ifs(self, city: str, facts: CityFacts, events: Events, running: Running) -> WhatIf:
        """Return who runs what-ifs in a twin of that name."""

        def tell(job: dict[str, Any]) -> None:
            if self._loop is not None and not self._loop.is_closed():
                with contextlib.suppress(RuntimeError):
                    self._loop.call_soon_threadsafe(events.send, "job", job)

        self._jobs = WhatIf(city, Path(self._spec.data) / "what-if", facts.layout.names["edges"], tell, running)
        return self._jobs

    def further_sockets(self) -> list[socket.socket]:
        """Return what else a new process is given."""
        return []

    def close(self) -> None:
        """End the process. Safe to call twice."""
        self._closing.set()
        if self._jobs is not None:
            self._jobs.close()
        pipe, process = self._pipe, self._process
        if pipe is not None:
            with contextlib.suppress(PipeClosedError):
                pipe.send(encode(Stop()))
        if process is not None:
            try:
                process.wait(_STOP_LIMIT_S)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()

    def _supervise(self) -> None:
        pause_s = 1.0
        while not self._closing.is_set():
            began_s = time.monotonic()
            what = self._run_once()
            if self._closing.is_set():
                return
            assert self._hear is not None
            self._hear(Died(what=what, at_ms=time.time_ns() // 1_000_000))
            pause_s = 1.0 if time.monotonic() - began_s > 60.0 else min(pause_s * 2, _LONGEST_PAUSE_S)
            self._closing.wait(pause_s)

    def _run_once(self) -> str:
        """Start the process and pass on what it says until it is gone; return why it went."""
        assert self._hear is not None
        here, there = socket.socketpair()
        with ExitStack() as theirs:
            given = [theirs.enter_context(one).fileno() for one in (there, *self.further_sockets())]
            self._process = subprocess.Popen(
                [sys.executable, "-P", "-m", self.module, *map(str, given)],
                pass_fds=given,
                stdin=subprocess.DEVNULL,
                env=_environment(),
            )
        pipe = Pipe(here)
        what = ""
        try:
            pipe.send(msgspec.msgpack.encode(self._spec))
            self._pipe = pipe
            while True:
                message = decode_up(pipe.receive())
                if isinstance(message, Died):
                    what = message.what
                else:
                    if isinstance(message, Tick) and message.views:
                        self._newest = message
                        self._memory = message.views.get(MEMORY, self._memory)
                    self._hear(message)
        except PipeClosedError:
            pass
        self._pipe = None
        pipe.close()
        try:
            code = self._process.wait(_STOP_LIMIT_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            code = self._process.wait()
        return what or f"the running city's process ended with code {code}"


def _environment() -> dict[str, str]:
    source = str(Path(cityloop.__file__).parents[1])
    path = os.pathsep.join(filter(None, [source, os.environ.get("PYTHONPATH", "")]))
    # The child is one loop: more threads would only take the server's processor from it.
    return {**os.environ, "PYTHONPATH": path, "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}


def twin_source(
    city: str, *, data: Path, pace: float, control: str, sensing: str, seed: int, scale: float, keep_days: float
) -> tuple[CityFacts, CitySource]:
    """Return a twin's facts, read here, and the source that will run it."""
    from cityloop.cities.sumo.fleet_assets import with_fleet
    from cityloop.cities.sumo.folder import resolve_city
    from cityloop.cities.sumo.map_frame import read_frame
    from cityloop.cities.sumo.network import read_network
    from cityloop.cities.sumo.shapes import read_shapes

    case = resolve_city(city)
    if control not in LEASED_ARMS:
        raise ConfigError(f"--control {control}: give one of {', '.join(LEASED_ARMS)}")
    network = read_network(case.net_file, sensing=sensing, walking_speed_mps=case.walking_speed_mps)
    network = with_fleet(network, case, clock=case.zone)
    services = tuple(name for name in SERVICES if name in network.layout.tables)
    shapes = read_shapes(case.net_file, network)
    facts = CityFacts(
        name=case.name,
        case=city,
        mode="simulation",
        label=f"SIMULATION · {case.calibration_label()}",
        zone=case.zone,
        pace=pace,
        layout=network.layout,
        shapes=dataclasses.replace(shapes, junction_labels=told_apart(shapes.junction_labels)),
        districts=districts_of(network.layout),
        domains=("traffic", "signals", *services),
        acting=("signals", *services),
        frame=read_frame(case.net_file),
    )
    spec = ChildSpec(
        city=city,
        data=str(data.resolve()),
        pace=pace,
        control=control,
        sensing=sensing,
        seed=seed,
        scale=scale,
        keep_days=keep_days,
    )
    return facts, TwinSource(spec)
