"""A server of sensing in a process of its own, as the rows of ``cityloop bench sensing`` measure it."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import msgspec

from cityloop.kernel.errors import CityError
from cityloop.studies.sensing_rows import RowSpec
from cityloop.studies.sensor_http import HttpSender

__all__ = ["PROBES", "TOKEN", "MemoryWatch", "Server", "served"]

PROBES = 400
"""Streams of kind control that are registered, ``control-000000`` and so on."""
TOKEN = "measuring"
_START_S = 300.0
_LOOK_EVERY_S = 0.25
_TICKS = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True, slots=True)
class Server:
    """A server of sensing in a process of its own."""

    pid: int
    http: str
    mqtt: str

    def cpu_s(self) -> float:
        """Return what the process has used of the processors so far."""
        fields = Path(f"/proc/{self.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / _TICKS

    def resident_mb(self) -> float:
        """Return the memory that the process holds now."""
        status = Path(f"/proc/{self.pid}/status").read_text()
        return int(next(line for line in status.splitlines() if line.startswith("VmRSS")).split()[1]) / 1024

    def ask(self, path: str) -> object:
        """Return what the server answers."""

        async def ask() -> object:
            sender = HttpSender(self.http, TOKEN)
            try:
                status, body = await sender.request("GET", path)
            finally:
                sender.close()
            if status != 200:
                raise CityError(f"{self.http}{path} answers {status}")
            return msgspec.json.decode(body)

        return asyncio.run(ask())

    def strangers(self) -> int:
        """Return how many readings were set aside because nobody had registered their stream."""
        counts = self.ask("/ingest/counts")
        assert isinstance(counts, dict)
        return int(counts["faults"]["unknown stream"])


@contextmanager
def served(spec: RowSpec, streams: int, limit: float | None = None) -> Iterator[Server]:
    """Serve sensing from a process of its own, with streams registered, and end it afterwards."""
    options = ["--streams", str(streams), "--control-streams", str(PROBES), "--token", TOKEN]
    options += [] if limit is None else ["--limit", str(limit)]
    spec.say(f"starting a server with {streams} streams")
    command = [sys.executable, "-m", "cityloop.app.sensing_server", str(spec.folder / "server"), *options]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
        timer = threading.Timer(_START_S, process.kill)
        timer.start()
        assert process.stdout is not None
        line = process.stdout.readline()
        timer.cancel()
        if not line:
            raise CityError("the server under measurement did not start")
        told = json.loads(line)
        try:
            yield Server(process.pid, f"http://127.0.0.1:{told['port']}", f"mqtt://127.0.0.1:{told['mqtt_port']}")
        finally:
            process.terminate()


class MemoryWatch(threading.Thread):
    """Looks at a server's memory again and again."""

    def __init__(self, server: Server) -> None:
        super().__init__(daemon=True)
        self._server = server
        self._stopped = threading.Event()
        self._seen: list[tuple[float, float]] = []

    def __enter__(self) -> MemoryWatch:
        self._look()
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stopped.set()
        self.join()

    def run(self) -> None:
        """Look until told to stop."""
        while not self._stopped.wait(_LOOK_EVERY_S):
            self._look()

    def _look(self) -> None:
        self._seen.append((time.monotonic(), self._server.resident_mb()))

    def last(self, for_s: float) -> tuple[float, float]:
        """Return the least and the most that was held in the last so many seconds. [MB]"""
        since_s = time.monotonic() - for_s
        seen = list(self._seen)
        held = [mb for at_s, mb in seen if at_s >= since_s] or [seen[-1][1]]
        return min(held), max(held)
