"""The same MQTT readings to the server and to Mosquitto with a stock Python client and SQLite, side by side."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

import msgspec

from cityloop.kernel.errors import CityError, ConfigError
from cityloop.studies.measured_server import served
from cityloop.studies.sensing_rows import Figure, RowSpec
from cityloop.studies.sensor_fleet import FleetParams
from cityloop.studies.sensor_load import LoadParams, LoadReport
from cityloop.studies.simulate import simulate

__all__ = ["mosquitto"]

_RATE = 10_000
"""Readings a second, which the stock client still keeps up with. [1/s]"""
_SECONDS = 12
"""As many as make 120,000 readings. [s]"""
_TICKS = os.sysconf("SC_CLK_TCK")
_SETTLE_S = 60.0


def mosquitto(spec: RowSpec) -> list[Figure]:
    """Send 120,000 single readings of QoS 1 to each and compare the processor time of all that keeps them."""
    if shutil.which("mosquitto") is None or find_spec("paho") is None:
        raise ConfigError("--row mosquitto: mosquitto must be on the PATH and paho-mqtt installed; install both.")
    streams = max(500, round(_RATE * spec.scale))
    theirs = _stock(spec, streams)
    ours = _ours(spec, streams)
    note = f"{streams * _SECONDS} readings of QoS 1 over 200 connections at {streams}/s, indexed and synced by both"
    row = "mosquitto"
    per = 120_000 / (streams * _SECONDS)
    return [
        Figure(row=row, what="Mosquitto, paho and SQLite: CPU", value=theirs.cpu_s * per, unit="s/120,000", note=note),
        Figure(row=row, what="the server: CPU", value=ours.cpu_s * per, unit="s/120,000", note=note),
        Figure(row=row, what="theirs over ours", value=theirs.cpu_s / max(ours.cpu_s, 0.01), unit="times", note=note),
        Figure(row=row, what="not kept by Mosquitto, paho and SQLite", value=theirs.missing, unit="1", note=note),
        Figure(row=row, what="not kept by the server", value=ours.missing, unit="1", bound=0, note=note),
    ]


@dataclass(frozen=True, slots=True)
class _Spent:
    cpu_s: float
    """Of every process but the sender's."""
    missing: int
    """Readings sent and not kept."""


def _ours(spec: RowSpec, streams: int) -> _Spent:
    with served(spec, streams) as server:
        before_s = server.cpu_s()
        report = _send(spec, server.mqtt, streams, token="measuring")
        counts = msgspec.convert(server.ask("/ingest/counts"), dict[str, object])
        return _Spent(server.cpu_s() - before_s, report.sent - int(str(counts["submitted"])))


def _stock(spec: RowSpec, streams: int) -> _Spent:
    folder = spec.folder / "stock"
    folder.mkdir()
    with _broker(folder) as (broker, port):
        program = [sys.executable, "-m", "cityloop.storage.proofs.stock_subscriber"]
        command = [*program, str(port), str(folder / "kept.sqlite")]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as keeper:
            assert keeper.stdout is not None
            if keeper.stdout.readline().strip() != "ready":
                raise CityError("the stock subscriber did not start")
            before_s = _cpu_s(broker.pid) + _cpu_s(keeper.pid)
            report = _send(spec, f"mqtt://127.0.0.1:{port}", streams, token="")
            _await_rest(keeper.pid)
            used_s = _cpu_s(broker.pid) + _cpu_s(keeper.pid) - before_s
            keeper.terminate()
            kept = int(keeper.stdout.readline())
    return _Spent(used_s, report.sent - kept)


def _send(spec: RowSpec, url: str, streams: int, token: str) -> LoadReport:
    load = LoadParams(url=url, protocol="mqtt", qos=1, duration_s=_SECONDS, connections=200, token=token)
    report = simulate(FleetParams(count=streams, seed=spec.seed), load)
    spec.say(f"{url}: {report.sent} sent, {report.acknowledged} acknowledged, {report.blocked} held back")
    return report


def _await_rest(pid: int) -> None:
    """Wait until the subscriber has nothing to do any more: what waits in the broker is its to keep."""
    until_s = time.monotonic() + _SETTLE_S
    used_s = -1.0
    while time.monotonic() < until_s and _cpu_s(pid) - used_s > 0.05:
        used_s = _cpu_s(pid)
        time.sleep(1.0)


@contextmanager
def _broker(folder: Path) -> Iterator[tuple[subprocess.Popen[bytes], int]]:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = int(probe.getsockname()[1])
    settings = folder / "mosquitto.conf"
    # Nothing is to be dropped for a queue's length: what is compared is the cost of keeping all.
    settings.write_text(f"listener {port} 127.0.0.1\nallow_anonymous true\nmax_queued_messages 0\n", encoding="utf-8")
    with subprocess.Popen(["mosquitto", "-c", str(settings)], stderr=subprocess.DEVNULL) as broker:
        try:
            for _ in range(100):
                with socket.socket() as sock:
                    if sock.connect_ex(("127.0.0.1", port)) == 0:
                        break
                time.sleep(0.1)
            yield broker, port
        finally:
            broker.terminate()


def _cpu_s(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / _TICKS
