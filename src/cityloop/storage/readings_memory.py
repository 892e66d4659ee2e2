"""Readings and streams in memory: for tests, and for trying things out. Nothing survives the process."""

from __future__ import annotations

import threading
from collections.abc import Sequence

import numpy as np

from cityloop.kernel.batch import Batch, Quality, concat, empty_batch
from cityloop.kernel.columns import I32
from cityloop.kernel.readings import ROLLUP_MS, DataKind, Done, Overloaded, RollUps, StreamColumns

__all__ = ["MemoryReadings", "MemoryStreams"]


class MemoryReadings:
    """A readings store without a disk; ``done`` is told before ``append`` returns, or when ``release`` is called."""

    def __init__(self, *, hold: bool = False, most_rows: int | None = None) -> None:
        self.fails_with: Exception | None = None
        """What every ``done`` is told from now on."""

        self._hold = hold
        self._most_rows = most_rows
        self._lock = threading.RLock()
        self._held: list[tuple[Batch, Done]] = []
        self._kept: list[Batch] = []

    def append(self, batch: Batch, done: Done) -> None:
        """Keep rows."""
        with self._lock:
            waiting = sum(len(held) for held, _ in self._held)
            if self._most_rows is not None and waiting + len(batch) > self._most_rows:
                raise Overloaded(f"{waiting} rows wait already, at most {self._most_rows} may", 1.0)
            self._held.append((batch, done))
        if not self._hold:
            self.release()

    def release(self) -> None:
        """Tell what was held back."""
        with self._lock:
            held, self._held = self._held, []
            if self.fails_with is None:
                self._kept += [batch for batch, _ in held]
        for _, done in held:
            done(self.fails_with)

    def history(
        self, streams: I32, begin_ms: int, end_ms: int, *, limit: int | None = None, newest_first: bool = False
    ) -> Batch:
        """Return kept rows."""
        with self._lock:
            whole = concat(self._kept)
        rows = np.flatnonzero(
            np.isin(whole.stream, streams) & (whole.observed_at_ms >= begin_ms) & (whole.observed_at_ms < end_ms)
        )
        sign = -1 if newest_first else 1
        order = np.lexsort((sign * whole.received_at_ms[rows], sign * whole.observed_at_ms[rows], whole.stream[rows]))
        return _rows(whole, rows[order][:limit])

    def rollups(self, streams: I32, begin_ms: int, end_ms: int) -> RollUps:
        """Return 5-minute bins of kept rows."""
        found = self.history(streams, begin_ms, end_ms)
        found = _rows(found, np.flatnonzero(found.quality != Quality.BAD))
        if not len(found):
            none = np.empty(0)
            whole = none.astype(np.int64)
            return RollUps(none.astype(np.int32), whole, whole, none, none, none, none)
        bins = found.observed_at_ms // ROLLUP_MS
        first = np.flatnonzero(np.r_[True, (np.diff(bins) != 0) | (np.diff(found.stream) != 0)])
        count = np.diff(np.r_[first, len(found)])
        return RollUps(
            found.stream[first],
            bins[first] * ROLLUP_MS,
            count,
            np.add.reduceat(found.value, first) / count,
            np.minimum.reduceat(found.value, first),
            np.maximum.reduceat(found.value, first),
            found.value[first + count - 1],
        )

    def latest(self) -> Batch:
        """Return the newest row of each stream."""
        with self._lock:
            whole = concat(self._kept)
        if not len(whole):
            return empty_batch()
        order = np.lexsort((whole.received_at_ms, whole.observed_at_ms, whole.stream))
        last = np.flatnonzero(np.r_[np.diff(whole.stream[order]) != 0, True])
        return _rows(whole, order[last])

    def forget(self, streams: I32, begin_ms: int, end_ms: int) -> int:
        """Delete rows."""
        with self._lock:
            whole = concat(self._kept)
            gone = np.isin(whole.stream, streams) & (whole.observed_at_ms >= begin_ms) & (whole.observed_at_ms < end_ms)
            self._kept = [_rows(whole, np.flatnonzero(~gone))]
        return int(np.count_nonzero(gone))

    def close(self) -> None:
        """Tell what was held back."""
        self.release()


class MemoryStreams:
    """A stream table without a disk."""

    def __init__(self) -> None:
        self._rows: dict[str, int] = {}
        self._facts: list[tuple[str, str, float, float, str, DataKind, float, float, float]] = []

    def row_of(self, name: str) -> int | None:
        """Return the row of a name."""
        return self._rows.get(name)

    def rows_of(self, names: Sequence[str]) -> I32:
        """Return the rows of names, -1 for unknown ones."""
        rows = self._rows
        return np.array([rows.get(name, -1) for name in names], np.int32)

    def name_of(self, row: int) -> str:
        """Return the name of a row."""
        return self._facts[row][0]

    def register(
        self,
        name: str,
        unit: str,
        low: float = -np.inf,
        high: float = np.inf,
        device: str = "",
        *,
        kind: DataKind = DataKind.MEASUREMENT,
        lon_deg: float = np.nan,
        lat_deg: float = np.nan,
        interval_s: float = np.nan,
    ) -> int:
        """Return the row of a new or a known name."""
        facts = (name, unit, low, high, device, kind, lon_deg, lat_deg, interval_s)
        row = self._rows.get(name)
        if row is not None:
            self._facts[row] = facts
            return row
        self._facts.append(facts)
        self._rows[name] = len(self._facts) - 1
        return len(self._facts) - 1

    def device_of(self, row: int) -> str:
        """Return the device of a row."""
        return self._facts[row][4]

    def unit_of(self, row: int) -> str:
        """Return the unit of a row."""
        return self._facts[row][1]

    def columns(self) -> StreamColumns:
        """Return what is declared."""
        units: dict[str, int] = {}
        facts = self._facts
        return StreamColumns(
            np.array([f[2] for f in facts], np.float64),
            np.array([f[3] for f in facts], np.float64),
            np.array([f[6] for f in facts], np.float64),
            np.array([f[7] for f in facts], np.float64),
            np.array([f[8] for f in facts], np.float64),
            np.array([units.setdefault(f[1], len(units)) for f in facts], np.int32),
            np.array([f[5] for f in facts], np.uint8),
        )

    def __len__(self) -> int:
        """Return the number of rows."""
        return len(self._facts)


def _rows(batch: Batch, rows: np.ndarray[tuple[int], np.dtype[np.int64]]) -> Batch:
    return Batch(
        batch.stream[rows],
        batch.observed_at_ms[rows],
        batch.received_at_ms[rows],
        batch.value[rows],
        batch.quality[rows],
    )
