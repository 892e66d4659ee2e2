"""How fast, how small and how safe the readings store is: rows of ``cityloop bench sensing``."""

from __future__ import annotations

import csv
import io
import os
import threading
import time
import zipfile
from collections import defaultdict
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import numpy as np

from cityloop.kernel.batch import Batch
from cityloop.kernel.columns import F64
from cityloop.kernel.errors import ConfigError
from cityloop.kernel.readings import Overloaded
from cityloop.storage.readings import ReadingsStore
from cityloop.studies.sensing_rows import Figure, RowSpec

__all__ = ["append", "append_all", "append_packs", "kills", "metadata_cuts", "power_cuts", "storage"]

STREAMS = 120_000
PACK = 1_000
RATE = 120_000
_FAULTS = "batches lost, altered, halved or doubled"
NOW_MS = 1_750_000_000_000


def append(spec: RowSpec) -> list[Figure]:
    """Measure acknowledgements at 120,000 readings a second in packs of 1,000, then the highest rate."""
    store = ReadingsStore(spec.folder / "readings")
    held = _at_rate(store, RATE, spec)
    most = _flat_out(store, spec)
    store.close()
    return [*held, *most]


class _Answers:
    """When packs were offered and acknowledged; the log's thread writes, the bench's reads afterwards."""

    def __init__(self) -> None:
        self.delays_s: list[float] = []
        self.refused = 0
        self._lock = threading.Lock()

    def tell(self, offered_s: float, error: Exception | None) -> None:
        delay_s = time.perf_counter() - offered_s
        with self._lock:
            if error is None:
                self.delays_s.append(delay_s)
            else:
                self.refused += 1


def _packs(rng: np.random.Generator) -> Iterator[Batch]:
    """Yield packs for ever: every stream once a second, as sensors of a city would, with jitter."""
    value = np.round(rng.normal(20.0, 5.0, STREAMS), 1)
    now_ms = NOW_MS
    while True:
        for begin in range(0, STREAMS, PACK):
            stream = np.arange(begin, begin + PACK, dtype=np.int32)
            observed = now_ms + rng.integers(0, 1_000, PACK)
            received = observed + rng.integers(20, 200, PACK)
            yield Batch(stream, observed, received, value[begin : begin + PACK], np.zeros(PACK, np.uint8))
        now_ms += 1_000


def _at_rate(store: ReadingsStore, rate: int, spec: RowSpec) -> list[Figure]:
    answers, packs = _Answers(), _packs(np.random.default_rng(spec.seed))
    cpu_s, begin_s = time.process_time(), time.perf_counter()
    sent, late_s = 0, 0.0
    while (elapsed_s := time.perf_counter() - begin_s) < spec.seconds:
        due = int(elapsed_s * rate / PACK)
        while sent < due:
            store.append(next(packs), partial(answers.tell, time.perf_counter()))
            sent += 1
        late_s = max(late_s, elapsed_s - sent * PACK / rate)
        time.sleep(0.002)
    _settle(answers, sent)
    cpu_s = time.process_time() - cpu_s
    delays_ms = 1e3 * np.array(answers.delays_s)
    note = f"{rate} readings/s held for {spec.seconds:.0f} s in packs of {PACK}, sealing and merging running"
    row = "append"
    return [
        Figure(row=row, what="acknowledgement p50", value=_share(delays_ms, 50), unit="ms", bound=25, note=note),
        Figure(row=row, what="acknowledgement p99", value=_share(delays_ms, 99), unit="ms", bound=100, note=note),
        Figure(row=row, what="acknowledgement max", value=float(delays_ms.max()), unit="ms", note=note),
        Figure(row=row, what="packs refused", value=answers.refused, unit="1", bound=0, note=note),
        Figure(
            row=row,
            what="CPU time for 120,000 readings",
            value=1e3 * cpu_s / (sent * PACK / RATE),
            unit="ms",
            note="making the packs, log, sealing and merging together",
        ),
    ]


def _flat_out(store: ReadingsStore, spec: RowSpec) -> list[Figure]:
    answers, packs = _Answers(), _packs(np.random.default_rng(spec.seed + 1))
    cpu_s, begin_s = time.process_time(), time.perf_counter()
    sent = waits = 0
    while time.perf_counter() - begin_s < spec.seconds:
        batch = next(packs)
        while True:
            try:
                store.append(batch, partial(answers.tell, time.perf_counter()))
                break
            except Overloaded:
                waits += 1
                time.sleep(0.01)
        sent += 1
    _settle(answers, sent)
    wall_s, cpu_s = time.perf_counter() - begin_s, time.process_time() - cpu_s
    note = f"as fast as it goes for {spec.seconds:.0f} s, sealing and merging running; told to wait {waits} times"
    return [
        Figure(
            row="append",
            what="highest rate",
            value=sent * PACK / wall_s,
            unit="readings/s",
            bound=1.2e6,
            more_is_better=True,
            note=note,
        ),
        Figure(row="append", what="readings per CPU second", value=sent * PACK / cpu_s, unit="readings/s", note=note),
    ]


def _settle(answers: _Answers, sent: int) -> None:
    while len(answers.delays_s) + answers.refused < sent:
        time.sleep(0.001)


def _share(values: F64, percent: float) -> float:
    return float(np.percentile(values, percent))


def storage(spec: RowSpec) -> list[Figure]:
    """Measure bytes a reading after merging, with real series replicated and both instants jittered."""
    data = os.environ.get("CITYLOOP_EVAL_DATA")
    if not data:
        raise ConfigError("CITYLOOP_EVAL_DATA: not set; the storage row needs the METR-LA and Melbourne series.")
    root = Path(data) / "sensing"
    figures = []
    for name, series, step_ms in (
        ("METR-LA", _metr(root), 300_000),
        ("Melbourne", _melbourne(root), 3_600_000),
    ):
        for jitter_ms in (250, 1_000):
            rows = int(20_000_000 * spec.scale)
            figures += _stored(spec, f"{name}-{jitter_ms}", series, step_ms, jitter_ms, rows)
    return figures


def _stored(spec: RowSpec, name: str, series: list[F64], step_ms: int, jitter_ms: int, rows: int) -> list[Figure]:
    """Append replicated series step by step, as they would arrive, merge all, and weigh the files."""
    rng = np.random.default_rng(spec.seed)
    folder = spec.folder / name
    store = ReadingsStore(folder)
    steps = min(len(values) for values in series)
    streams = max(rows // steps, 1)
    table = np.stack([series[s % len(series)][:steps] for s in range(streams)], axis=1)
    for step in range(steps):
        observed = 1_330_560_000_000 + step * step_ms + rng.integers(-jitter_ms, jitter_ms + 1, streams)
        received = observed + 50 + rng.gamma(2.0, jitter_ms / 4, streams).astype(np.int64)
        stream = np.arange(streams, dtype=np.int32)
        append_all(store, Batch(stream, observed, received, table[step], np.zeros(streams, np.uint8)))
    store.seal()
    store.merge(2**53)
    segments = store.catalogue.view.segments
    stored = sum(segment.rows for segment in segments)
    readings = sum(segment.bytes for segment in segments) / stored
    rollups = sum(segment.rollup_bytes for segment in segments) / stored
    store.close()
    note = (
        f"{stored} readings: {len(series)} real series replicated to {streams} streams of {steps} readings, observed "
        f"jittered by up to {jitter_ms} ms either way, received 50 ms and a gamma of mean {jitter_ms / 2:.0f} ms later"
    )
    return [
        Figure(row="storage", what=f"{name}: readings", value=readings, unit="B/reading", bound=5.0, note=note),
        Figure(row="storage", what=f"{name}: roll-ups beside them", value=rollups, unit="B/reading", note=note),
    ]


def append_all(store: ReadingsStore, batch: Batch) -> None:
    """Append one batch, waiting where the store asks for it."""
    problems: list[Exception | None] = []
    told = threading.Event()

    def done(error: Exception | None) -> None:
        problems.append(error)
        told.set()

    while True:
        try:
            store.append(batch, done)
            break
        except Overloaded:
            time.sleep(0.05)
    told.wait()
    if problems[0] is not None:
        raise problems[0]


def append_packs(store: ReadingsStore, batch: Batch) -> None:
    """Append a batch in packs of 1,000 and wait until all are acknowledged."""
    answers = _Answers()
    packs = range(0, len(batch), PACK)
    for begin in packs:
        pack = Batch(*(getattr(batch, name)[begin : begin + PACK] for name in Batch.__slots__))
        store.append(pack, partial(answers.tell, time.perf_counter()))
    _settle(answers, len(packs))


def _metr(root: Path) -> list[F64]:
    table = np.genfromtxt(root / "metr-la-week" / "los_speed.csv", delimiter=",", skip_header=1)
    return [np.ascontiguousarray(column) for column in table.T]


def _melbourne(root: Path) -> list[F64]:
    """Return the hourly counts of the sensors that have counted for at least a year."""
    counts: dict[str, list[float]] = defaultdict(list)
    with zipfile.ZipFile(root / "melbourne-pedestrians" / "pedestriancounts_melbourne.zip") as archive:
        name = next(n for n in archive.namelist() if n.endswith(".csv"))
        with archive.open(name) as raw:
            for row in csv.reader(io.TextIOWrapper(raw, encoding="utf-8")):
                if len(row) > 5 and row[5].strip().isdigit():
                    counts[row[3]].append(float(row[5]))
    return [np.array(values) for values in counts.values() if len(values) >= 8_760]


def kills(spec: RowSpec) -> list[Figure]:
    """Kill the store's process 1,000 times and have a separate program look for what was lost."""
    from cityloop.storage.proofs.kills import kill_often

    found = kill_often(spec.folder, max(round(1_000 * spec.scale), 1), spec.seed, spec.say)
    note = f"{found.kills} kills with SIGKILL, {found.acknowledged_batches} batches acknowledged"
    return [Figure(row="kills", what=_FAULTS, value=found.faults, unit="1", bound=0, note=note)]


def power_cuts(spec: RowSpec) -> list[Figure]:
    """Cut the power 1,000 times, drawing what unsynced writes and names leave, and look for what was lost."""
    from cityloop.storage.proofs.power_cuts import cut_often

    found = cut_often(spec.folder, max(round(1_000 * spec.scale), 1), spec.seed, spec.say)
    note = f"{found.cuts} cuts among {found.changes} changes of files, {found.acknowledged_batches} batches kept"
    return [Figure(row="power-cuts", what=_FAULTS, value=found.faults, unit="1", bound=0, note=note)]


def metadata_cuts(spec: RowSpec) -> list[Figure]:
    """Cut the power under the metadata database 1,000 times, and look for what was lost or is there in part."""
    from cityloop.storage.proofs.metadata_cuts import cut_metadata

    found = cut_metadata(spec.folder, max(round(1_000 * spec.scale), 1), spec.seed, spec.say)
    note = f"{found.cuts} cuts among {found.changes} changes of files, {found.acknowledged_batches} groups acknowledged"
    what = "groups of streams lost or halved, and databases not sound"
    return [Figure(row="metadata-cuts", what=what, value=found.faults, unit="1", bound=0, note=note)]
