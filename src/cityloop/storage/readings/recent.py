"""Readings that are in the log and not yet sealed, in memory, as they arrived."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from cityloop.kernel.batch import Batch, empty_batch
from cityloop.kernel.columns import I32
from cityloop.storage.readings.order import pick, sorted_batch, span_mask

__all__ = ["Recent", "StreamSet", "recent_of"]


class StreamSet:
    """The streams asked for, ready to be looked up by row."""

    def __init__(self, streams: I32) -> None:
        self.rows: I32 = np.unique(np.asarray(streams, np.int32))
        self.rows = self.rows[self.rows >= 0]
        # One place more than there are rows, where all greater ones end up: never wanted.
        self._wanted = np.zeros(int(self.rows[-1]) + 2 if len(self.rows) else 1, bool)
        self._wanted[self.rows] = True

    def __len__(self) -> int:
        """Return how many streams are asked for."""
        return len(self.rows)

    @property
    def low(self) -> int:
        """The least row asked for."""
        return int(self.rows[0])

    @property
    def high(self) -> int:
        """The greatest row asked for."""
        return int(self.rows[-1])

    def among(self, stream: I32) -> npt.NDArray[np.bool_]:
        """Return which of these rows are asked for."""
        if len(self.rows) == 1:
            return np.asarray(stream == self.rows[0])
        return np.asarray(self._wanted.take(stream, mode="clip"))

    def touches(self, low: int, high: int) -> bool:
        """Tell whether a stream from ``low`` to ``high``, inclusive, is asked for."""
        at = int(np.searchsorted(self.rows, low))
        return at < len(self.rows) and int(self.rows[at]) <= high


class Recent:
    """Grows by one writer; any thread may read what was there when it began."""

    def __init__(self, log_number: int, capacity: int) -> None:
        self.log_number = log_number
        """The log file that holds the same rows."""
        self._columns = _columns(capacity)
        self._rows = 0
        self._span = (np.iinfo(np.int64).max, np.iinfo(np.int64).min)

    def __len__(self) -> int:
        """Return the number of readings."""
        return self._rows

    def add(self, batch: Batch) -> None:
        """Take further readings; only one thread may do so."""
        begin, end = self._rows, self._rows + len(batch)
        if end > len(self._columns.stream):
            grown = _columns(max(end, 2 * len(self._columns.stream)))
            _copy(pick(self._columns, slice(0, begin)), grown, 0)
            self._columns = grown
        _copy(batch, self._columns, begin)
        if len(batch):
            low, high = int(batch.observed_at_ms.min()), int(batch.observed_at_ms.max())
            self._span = (min(self._span[0], low), max(self._span[1], high))
        # Readers look at the count first: a row counts only once it is whole.
        self._rows = end

    def batch(self) -> Batch:
        """Return all readings in order of arrival; a view, not a copy."""
        rows = self._rows
        return pick(self._columns, slice(0, rows))

    def select(self, streams: StreamSet, begin_ms: int, end_ms: int) -> Batch:
        """Return the readings of some streams and a span, in stored order."""
        held = self.batch()
        low, high = self._span
        if not len(held) or not len(streams) or high < begin_ms or low >= end_ms:
            return empty_batch()
        rows = np.flatnonzero(streams.among(held.stream))
        found = pick(held, rows)
        return sorted_batch(pick(found, span_mask(found.observed_at_ms, begin_ms, end_ms)))


def _columns(capacity: int) -> Batch:
    return Batch(
        np.empty(capacity, np.int32),
        np.empty(capacity, np.int64),
        np.empty(capacity, np.int64),
        np.empty(capacity, np.float64),
        np.empty(capacity, np.uint8),
    )


def _copy(batch: Batch, into: Batch, begin: int) -> None:
    end = begin + len(batch)
    into.stream[begin:end] = batch.stream
    into.observed_at_ms[begin:end] = batch.observed_at_ms
    into.received_at_ms[begin:end] = batch.received_at_ms
    into.value[begin:end] = batch.value
    into.quality[begin:end] = batch.quality


def recent_of(log_number: int, batches: tuple[Batch, ...]) -> Recent:
    """Return the readings of a log file that was read back."""
    rows = sum(len(batch) for batch in batches)
    recent = Recent(log_number, max(rows, 1))
    for batch in batches:
        recent.add(batch)
    return recent
