"""Rows of ``cityloop bench sensing`` on the edges: a server process of its own, and a fleet that loads it from here."""

from __future__ import annotations

import os
import socket
import threading
import time
from dataclasses import dataclass, replace

import msgspec
import numpy as np

from cityloop.kernel.errors import CityError
from cityloop.storage.readings import StoreParams
from cityloop.studies.measured_server import PROBES, TOKEN, MemoryWatch, Server, served
from cityloop.studies.sensing_rows import Figure, RowSpec
from cityloop.studies.sensor_fleet import FleetParams
from cityloop.studies.sensor_load import LoadParams, LoadReport
from cityloop.studies.simulate import simulate
from cityloop.wire.mqtt.packets import Connect, Publish, encode_connect, encode_publish

__all__ = ["acknowledge", "arrow", "data_arrays", "mqtt", "mqtt_acknowledged", "overload"]

_STREAMS = 120_000
_RATES = (1000, 2000, 5000, 10_000, 15_000, 20_000, 30_000, 40_000, 50_000)
"""Messages a second of QoS 1, one after the other."""
_LATEST_MS = 100.0
"""Acknowledgement of QoS 1, 99th percentile."""
_STEADY_SHARE, _STEADY_LATEST_S = 0.02, 1200.0
"""Memory is steady when its highest has grown by less than this while a log file was filled and sealed."""


@dataclass(frozen=True, slots=True)
class _Outcome:
    report: LoadReport
    server_cpu_s: float
    live_ms: list[float]
    """Of probes sent meanwhile on a connection of their own: from measuring to live state."""

    def figures(self, row: str, note: str) -> list[Figure]:
        """Return what every row tells."""
        report = self.report
        note += f"; {report.sent} readings in {report.wall_s:g} s"
        note += f", the sender used {report.client_cpu_s:g} s of CPU and fell at most {report.behind_s:g} s behind"
        found = [
            Figure(row=row, what="readings sent", value=report.rate_per_s, unit="1/s", note=note, more_is_better=True),
            Figure(row=row, what="server CPU", value=self.server_cpu_s / report.wall_s, unit="cores", note=note),
            Figure(
                row=row,
                what="server CPU per million readings",
                value=1e6 * self.server_cpu_s / max(1, report.sent),
                unit="s",
                note=note,
            ),
        ]
        if self.live_ms:
            p99 = float(np.percentile(self.live_ms, 99))
            found.append(Figure(row=row, what="reading to live state, p99", value=p99, unit="ms", bound=250, note=note))
        return found


def _load(server: Server, streams: int, load: LoadParams, seed: int) -> _Outcome:
    probe = _Probe(server)
    probe.start()
    before_s = server.cpu_s()

    def begun() -> None:
        # Greeting thousands of connections is no part of what their readings cost.
        nonlocal before_s
        before_s = server.cpu_s()

    report = simulate(FleetParams(count=streams, seed=seed), load, begun=begun)
    used_s = server.cpu_s() - before_s
    strangers = server.strangers()
    if strangers:
        raise CityError(f"{strangers} readings were of sensors that the server does not know: refusing is not measured")
    return _Outcome(report, used_s, probe.stop())


class _Probe(threading.Thread):
    """Sends a reading of a stream of its own every 50 ms over MQTT, and asks afterwards when it became live."""

    def __init__(self, server: Server) -> None:
        super().__init__(daemon=True)
        self._server = server
        self._stopped = threading.Event()
        self._sent = 0

    def run(self) -> None:
        port = int(self._server.mqtt.rpartition(":")[2])
        with socket.create_connection(("127.0.0.1", port), timeout=30) as sock:
            sock.sendall(encode_connect(Connect(version=4, client_id="probe", user="probe", password=TOKEN.encode())))
            sock.recv(4)
            while self._sent < PROBES and not self._stopped.wait(0.05):
                now_ms = time.time_ns() // 1_000_000
                payload = b'{"value":1,"observed_at_ms":%d}' % now_ms
                sock.sendall(encode_publish(Publish(topic=f"readings/control-{self._sent:06d}", payload=payload), 4))
                self._sent += 1
            time.sleep(1.0)

    def stop(self) -> list[float]:
        """Return how long each probe took."""
        self._stopped.set()
        self.join()
        found = []
        for begin in range(0, self._sent, 100):
            names = ",".join(f"control-{row:06d}" for row in range(begin, min(begin + 100, self._sent)))
            told = msgspec.convert(self._server.ask(f"/ingest/live?streams={names}"), list[dict[str, object]])
            found += [float(str(one["received_at_ms"])) - float(str(one["observed_at_ms"])) for one in told]
        return found


def _streams(spec: RowSpec) -> int:
    return max(1000, round(_STREAMS * spec.scale))


def arrow(spec: RowSpec) -> list[Figure]:
    """Measure Arrow packs of 1,000 by name over HTTP, at ten readings and a quarter a second of every stream.

    A little more is offered than the number to reach, so that the row can tell whether it was.
    """
    streams = _streams(spec)
    with served(spec, streams) as server:
        # A connection has one request under way, answered after the sync: 16 of them could ask for 800,000 at most.
        load = LoadParams(url=server.http, rate_hz=10.25, duration_s=spec.seconds, connections=64, token=TOKEN)
        outcome = _load(server, streams, load, spec.seed)
    report = outcome.report
    kept = Figure(
        row="arrow",
        what="readings acknowledged",
        value=report.acknowledged / report.wall_s,
        unit="1/s",
        bound=1_200_000 * spec.scale,
        more_is_better=True,
    )
    return [kept, *outcome.figures("arrow", f"{streams} streams at 10.25 Hz")]


def acknowledge(spec: RowSpec) -> list[Figure]:
    """Measure the time to acknowledgement of Arrow packs of 1,000 at one reading a second of every stream."""
    streams = _streams(spec)
    with served(spec, streams) as server:
        load = LoadParams(url=server.http, duration_s=spec.seconds, connections=16, token=TOKEN)
        outcome = _load(server, streams, load, spec.seed)
    waits = outcome.report.ack_ms
    bounds = {"p50": 25.0, "p99": 100.0}
    return [
        Figure(row="acknowledge", what=f"acknowledged, {name}", value=ms, unit="ms", bound=bounds.get(name))
        for name, ms in waits.items()
    ] + outcome.figures("acknowledge", f"{streams} streams at 1 Hz")


def data_arrays(spec: RowSpec) -> list[Figure]:
    """Measure SensorThings dataArrays of one row a Datastream, 1,000 a request: the costliest form."""
    streams = _streams(spec)
    with served(spec, streams) as server:
        load = LoadParams(url=server.http, protocol="sta", duration_s=spec.seconds, connections=16, token=TOKEN)
        outcome = _load(server, streams, load, spec.seed)
    report = outcome.report
    share = outcome.server_cpu_s / report.wall_s / (os.cpu_count() or 1)
    bounds = {"p50": 25.0, "p99": 100.0}
    return [
        Figure(row="data-arrays", what="share of the machine", value=share, unit="1", bound=0.4),
        *(
            Figure(row="data-arrays", what=f"acknowledged, {name}", value=ms, unit="ms", bound=bounds.get(name))
            for name, ms in report.ack_ms.items()
        ),
        *outcome.figures("data-arrays", f"{streams} streams at 1 Hz, {report.failed} failed"),
    ]


def mqtt(spec: RowSpec) -> list[Figure]:
    """Measure single readings of QoS 0 from 5,000 connections."""
    streams, connections = _streams(spec), max(50, round(5000 * spec.scale))
    with served(spec, streams) as server:
        load = LoadParams(
            url=server.mqtt, protocol="mqtt", duration_s=spec.seconds, connections=connections, token=TOKEN
        )
        outcome = _load(server, streams, load, spec.seed)
        counts = msgspec.convert(server.ask("/ingest/counts"), dict[str, object])
    note = f"{connections} connections, {counts['submitted']} readings taken in"
    cores = outcome.server_cpu_s / outcome.report.wall_s
    return [
        Figure(row="mqtt", what="server", value=cores, unit="cores", bound=1.0, note=note),
        *outcome.figures("mqtt", note),
    ]


def mqtt_acknowledged(spec: RowSpec) -> list[Figure]:
    """Measure single readings of QoS 1 over 1,000, 5,000 and 15,000 connections, at rising rates until they are late.

    A rate counts as kept up with when the 99th percentile of the acknowledgement is at most 100 ms and none is missing.
    """
    found = []
    for connections in (1000, 5000, 15_000):
        of = max(20, round(connections * spec.scale))
        streams, highest, misses = of * 8, 0.0, 0
        with served(spec, streams) as server:
            for rate_per_s in _RATES:
                load = LoadParams(
                    url=server.mqtt,
                    protocol="mqtt",
                    qos=1,
                    rate_hz=rate_per_s * spec.scale / streams,
                    # Every sensor speaks at least once.
                    duration_s=max(spec.seconds / len(_RATES), streams / (rate_per_s * spec.scale)),
                    connections=of,
                    token=TOKEN,
                )
                outcome = _load(server, streams, load, spec.seed)
                report = outcome.report
                missing = report.sent - report.acknowledged
                p99 = report.ack_ms.get("p99", float("nan"))
                kept = p99 <= _LATEST_MS and not missing and report.behind_s < 1.0
                highest = max(highest, report.rate_per_s) if kept else highest
                misses = 0 if kept else misses + 1
                note = (
                    f"{of} connections, {report.wall_s:g} s, median {report.ack_ms.get('p50', float('nan')):g} ms, "
                    f"{missing} unacknowledged; a message cost the server "
                    f"{1e6 * outcome.server_cpu_s / max(1, report.sent):.1f} and the sender "
                    f"{1e6 * report.client_cpu_s / max(1, report.sent):.1f} us of CPU; "
                    f"the sender fell at most {report.behind_s:g} s behind"
                )
                what = f"{of} connections: acknowledged, p99, at {report.rate_per_s:.0f}/s"
                found.append(Figure(row="mqtt-acknowledged", what=what, value=p99, unit="ms", note=note))
                if misses == 2:
                    break
        what = f"{of} connections: highest rate with p99 at most {_LATEST_MS:g} ms"
        found.append(Figure(row="mqtt-acknowledged", what=what, value=highest, unit="1/s", more_is_better=True))
    return found


def overload(spec: RowSpec) -> list[Figure]:
    """Measure a server limited to a tenth of what is offered: memory, refusals, control traffic, recovery.

    Every connection speaks for a device of its own: an administrator's readings are under no limit. Steady state is the
    limit's own rate, held until memory no longer grows from one log file to the next.

    Memory rises and falls: readings that wait to be sealed fill up to 60 MB of columns in the 167 s that a log file of
    2 million takes at 12,000 a second, sealing adds 50 to 70 MB for a few seconds, and then all of it goes back. A look
    before the flood and one after it would compare two chance places on that saw. So the row looks four times a second,
    and compares highest with highest and lowest with lowest: the highest of the whole flood and the lowest of its last
    log file against those of the last log file of steady state. Both have to be within the bound.
    """
    streams = _streams(spec)
    usual = StoreParams()
    # A little more than a log file takes to fill, so that each look back holds a sealing.
    period_s = 1.2 * min(usual.roll_s, usual.roll_rows / (streams / 10))
    with served(spec, streams, limit=streams / 10) as server, MemoryWatch(server) as watch:
        to = LoadParams(url=server.http, token=TOKEN, device="box-", pack=100, duration_s=spec.seconds)
        calm = replace(to, rate_hz=0.05, duration_s=20, connections=16)
        steady_s = _steady(spec, watch, replace(to, rate_hz=0.1, connections=64), streams, period_s)
        steady = watch.last(period_s)
        begun_s = time.monotonic()
        outcome = _load(server, streams, replace(to, connections=64), spec.seed)
        flooded, flooded_last = watch.last(time.monotonic() - begun_s), watch.last(period_s)
        time.sleep(2.0)
        after = simulate(FleetParams(count=streams, seed=spec.seed), calm)
    report = outcome.report
    unexplained = report.sent - report.acknowledged - report.refused
    note = f"limit {streams / 10:g}/s, {report.rate_per_s:g}/s offered for {report.wall_s:g} s"
    held = f"MB, {steady[0]:.0f} to {steady[1]:.0f} MB in steady state, which took {steady_s:.0f} s"
    highest = f"{note}; up to {flooded[1]:.0f} {held}"
    lowest = f"{note}; down to {flooded_last[0]:.0f} {held}"
    taken = report.acknowledged / report.wall_s
    return [
        Figure(
            row="overload",
            what="highest memory against steady state's highest",
            value=flooded[1] / steady[1],
            unit="1",
            bound=1.2,
            note=highest,
        ),
        Figure(
            row="overload",
            what="lowest memory against steady state's lowest",
            value=flooded_last[0] / steady[0],
            unit="1",
            bound=1.2,
            note=lowest,
        ),
        Figure(
            row="overload", what="readings neither taken nor refused", value=unexplained, unit="1", bound=0, note=note
        ),
        Figure(row="overload", what="readings taken", value=taken, unit="1/s", bound=1.1 * streams / 10, note=note),
        Figure(row="overload", what="readings refused", value=report.refused, unit="1", note=note),
        Figure(row="overload", what="refused after the flood", value=after.refused, unit="1", bound=0, note=note),
        *(
            Figure(
                row="overload",
                what="control reading to live state, p99",
                value=float(np.percentile(outcome.live_ms, 99)),
                unit="ms",
                bound=250,
                note=note,
            )
            for _ in outcome.live_ms[:1]
        ),
    ]


def _steady(spec: RowSpec, watch: MemoryWatch, load: LoadParams, streams: int, period_s: float) -> float:
    """Send at the limit's own rate until memory no longer grows; return how long that took."""
    began_s, grown_s = time.monotonic(), time.monotonic()
    most_mb = 0.0
    # A short row has no time for it, and says so by the seconds that it tells.
    latest_s = min(_STEADY_LATEST_S, 2 * spec.seconds)
    while time.monotonic() - grown_s < period_s and time.monotonic() - began_s < latest_s:
        simulate(FleetParams(count=streams, seed=spec.seed), replace(load, duration_s=20.0))
        now_mb = watch.last(time.monotonic() - began_s)[1]
        if now_mb > most_mb * (1 + _STEADY_SHARE):
            most_mb, grown_s = now_mb, time.monotonic()
    return time.monotonic() - began_s
