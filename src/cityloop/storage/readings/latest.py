"""The reading observed last of every stream, kept up as readings are acknowledged."""

from __future__ import annotations

import threading
from typing import Any

import numpy as np
import numpy.typing as npt

from cityloop.kernel.batch import Batch
from cityloop.kernel.columns import I32
from cityloop.methods.newest import fold_newest

__all__ = ["Latest"]

_NEVER = np.iinfo(np.int64).min


class Latest:
    """One row a stream; of readings of one instant the one received last counts, then the one that came last."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._known = np.zeros(0, bool)
        self._rows = _empty(0)

    def fold(self, batch: Batch) -> None:
        """Take readings in order of arrival."""
        with self._lock:
            self._grow(int(batch.stream.max(initial=-1)) + 1)
            held = self._rows
            fold_newest(
                _own(batch.stream, np.int32),
                _own(batch.observed_at_ms, np.int64),
                _own(batch.received_at_ms, np.int64),
                _own(batch.value, np.float64),
                _own(batch.quality, np.uint8),
                self._known,
                held.observed_at_ms,
                held.received_at_ms,
                held.value,
                held.quality,
            )

    def replace(self, streams: I32, batch: Batch) -> None:
        """Forget streams and take these readings for them instead, at most one a stream."""
        with self._lock:
            inside = streams[(streams >= 0) & (streams < len(self._known))]
            self._known[inside] = False
            self._rows.observed_at_ms[inside] = _NEVER
        self.fold(batch)

    def batch(self) -> Batch:
        """Return a copy, sorted by stream."""
        with self._lock:
            streams = np.flatnonzero(self._known)
            held = self._rows
            return Batch(
                streams.astype(np.int32),
                held.observed_at_ms[streams],
                held.received_at_ms[streams],
                held.value[streams],
                held.quality[streams],
            )

    def _grow(self, rows: int) -> None:
        have = len(self._known)
        if rows <= have:
            return
        room = max(rows, have + have // 2)
        grown, known = _empty(room), np.zeros(room, bool)
        known[:have] = self._known
        for name in ("observed_at_ms", "received_at_ms", "value", "quality"):
            getattr(grown, name)[:have] = getattr(self._rows, name)
        self._rows, self._known = grown, known


def _own(column: npt.NDArray[Any], dtype: type) -> npt.NDArray[Any]:
    # What was read from a file is read-only, and a compiled pass tells the two apart.
    return np.require(column, dtype, ["C", "W"])


def _empty(rows: int) -> Batch:
    return Batch(
        np.arange(rows, dtype=np.int32),
        np.full(rows, _NEVER, np.int64),
        np.full(rows, _NEVER, np.int64),
        np.zeros(rows, np.float64),
        np.zeros(rows, np.uint8),
    )
