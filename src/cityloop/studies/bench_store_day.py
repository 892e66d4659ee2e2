"""A day of 120,000 streams at one reading a minute: how long look-ups and a restart take."""

from __future__ import annotations

import time
from collections.abc import Callable

import numpy as np

from cityloop.kernel.batch import Batch
from cityloop.storage.readings import ReadingsStore, StoreParams
from cityloop.studies.bench_store import append_all
from cityloop.studies.sensing_rows import Figure, RowSpec

__all__ = ["day"]

_STREAMS = 120_000
_MINUTES = 1_440
_DAY_MS = 86_400_000
_BEGIN_MS = 1_750_032_000_000  # midnight UTC
_TRIES = 30


def day(spec: RowSpec) -> list[Figure]:
    """Fill a day, then time look-ups with readings still coming in, and a restart with a full log."""
    streams = max(int(_STREAMS * spec.scale), 2_000)
    rng = np.random.default_rng(spec.seed)
    store = ReadingsStore(spec.folder / "readings")
    begin_s, cpu_s = time.perf_counter(), time.process_time()
    base = np.round(rng.normal(20.0, 5.0, streams), 1)
    minute = 0
    for minute in range(_MINUTES):
        append_all(store, _minute(rng, base, minute))
        if minute % 120 == 119:
            spec.say(f"{minute + 1} of {_MINUTES} minutes, {len(store.catalogue.view.segments)} segments")
    store.seal()
    store.merge(_BEGIN_MS + 3 * _DAY_MS)
    rows = streams * _MINUTES
    wall_s, cpu_s = time.perf_counter() - begin_s, time.process_time() - cpu_s
    filled = f"{rows} readings filled in {wall_s:.0f} s, {cpu_s:.0f} s of CPU"
    figures = _lookups(store, streams, rng, base, spec, filled)
    figures += _restart(store, streams, rng, base, spec)
    return figures


def _minute(rng: np.random.Generator, base: np.ndarray[tuple[int], np.dtype[np.float64]], minute: int) -> Batch:
    """Return one reading of every stream: a slow wave of the day, noise, one decimal, both instants jittered."""
    streams = len(base)
    wave = 8.0 * np.sin(2 * np.pi * minute / _MINUTES)
    observed = _BEGIN_MS + minute * 60_000 + rng.integers(0, 2_000, streams)
    return Batch(
        np.arange(streams, dtype=np.int32),
        observed,
        observed + rng.integers(20, 1_000, streams),
        np.round(base + wave + rng.normal(0.0, 0.3, streams), 1),
        np.zeros(streams, np.uint8),
    )


def _lookups(
    store: ReadingsStore,
    streams: int,
    rng: np.random.Generator,
    base: np.ndarray[tuple[int], np.dtype[np.float64]],
    spec: RowSpec,
    filled: str,
) -> list[Figure]:
    # The next day begins to come in beside the look-ups: rows in memory and in the log take part in every answer.
    for minute in range(_MINUTES, _MINUTES + 5):
        append_all(store, _minute(rng, base, minute))
    end_ms = _BEGIN_MS + _DAY_MS
    segments = store.catalogue.view.segments
    stored = sum(segment.rows for segment in segments)
    note = f"{filled}; {len(segments)} sealed segments, {store.unsealed_rows} readings in memory; {_TRIES} look-ups"
    few = min(1_000, streams)

    def one(_: int) -> int:
        return len(store.history(rng.integers(0, streams, 1).astype(np.int32), _BEGIN_MS, end_ms))

    def scattered(_: int) -> int:
        chosen = rng.choice(streams, few, replace=False).astype(np.int32)
        return len(store.rollups(chosen, _BEGIN_MS, end_ms))

    def neighbours(_: int) -> int:
        first = int(rng.integers(0, streams - few + 1))
        return len(store.rollups(np.arange(first, first + few, dtype=np.int32), _BEGIN_MS, end_ms))

    def newest(_: int) -> int:
        return len(store.latest())

    figures = []
    for what, look, bound, expected in (
        ("one stream's day", one, 50.0, _MINUTES),
        (f"5-minute means of {few} scattered streams for the day", scattered, 50.0, few * 288),
        (f"5-minute means of {few} neighbouring streams for the day", neighbours, 50.0, few * 288),
        ("latest reading of all streams", newest, 5.0, streams),
    ):
        figures += _timed(what, look, bound, expected, note)
    weights = [sum(segment.bytes for segment in segments), sum(segment.rollup_bytes for segment in segments)]
    for what, weight in zip(("readings", "roll-ups beside them"), weights, strict=True):
        figures.append(Figure(row="day", what=f"stored {what}", value=weight / stored, unit="B/reading", note=note))
    return figures


def _timed(what: str, look: Callable[[int], int], bound: float, expected: int, note: str) -> list[Figure]:
    times_ms, cpu_s = [], time.process_time()
    for attempt in range(_TRIES):
        begin_s = time.perf_counter()
        rows = look(attempt)
        times_ms.append(1e3 * (time.perf_counter() - begin_s))
        if rows != expected:
            raise AssertionError(f"{what}: {rows} rows, {expected} were appended")
    median, worst = float(np.median(times_ms)), max(times_ms)
    cpu_ms = 1e3 * (time.process_time() - cpu_s) / _TRIES
    return [
        Figure(row="day", what=f"{what}, median", value=median, unit="ms", bound=bound, note=note),
        Figure(row="day", what=f"{what}, CPU time", value=cpu_ms, unit="ms", note="all threads of the store together"),
        Figure(row="day", what=f"{what}, slowest", value=worst, unit="ms", note=note),
    ]


def _restart(
    store: ReadingsStore,
    streams: int,
    rng: np.random.Generator,
    base: np.ndarray[tuple[int], np.dtype[np.float64]],
    spec: RowSpec,
) -> list[Figure]:
    # A full log: as many readings as may be unsealed, which is what a kill can leave behind at the worst.
    store.seal()
    store.close()
    filling = ReadingsStore(spec.folder / "readings", params=StoreParams(background=False))
    rows, minute = 0, _MINUTES + 5
    while rows + streams <= filling.params.roll_rows * 5:
        append_all(filling, _minute(rng, base, minute))
        rows, minute = rows + streams, minute + 1
    before = filling.latest()
    filling.close()
    begin_s, cpu_s = time.perf_counter(), time.process_time()
    again = ReadingsStore(spec.folder / "readings")
    opened_s, cpu_s = time.perf_counter() - begin_s, time.process_time() - cpu_s
    latest = again.latest()
    live_s = time.perf_counter() - begin_s
    same = all((getattr(before, name) == getattr(latest, name)).all() for name in Batch.__slots__)
    found = len(again.history(np.array([7], np.int32), _BEGIN_MS + _DAY_MS, 2**62))
    again.close()
    if not same or found != minute - _MINUTES:
        raise AssertionError(f"restart: {found} of {minute - _MINUTES} readings of a stream, latest the same: {same}")
    note = f"{streams} streams, {rows} readings in the log; {cpu_s:.1f} s of CPU"
    return [
        Figure(row="day", what="restart: serves", value=opened_s, unit="s", bound=5.0, note=note),
        Figure(row="day", what="restart: latest of all streams", value=live_s, unit="s", bound=30.0, note=note),
    ]
