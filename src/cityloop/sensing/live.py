"""The live state: the newest reading of every stream as NumPy columns, and feeds that tell what changed."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from typing import Annotated, Any

import numpy as np
import numpy.typing as npt

from cityloop.kernel.batch import Batch
from cityloop.kernel.columns import BOOL, F64, I32, I64, U8, Column
from cityloop.wire.named import NO_INSTANT

__all__ = ["Feed", "Latest", "LiveState", "grown"]

U16 = npt.NDArray[np.uint16]


@dataclass(frozen=True, slots=True)
class Latest:
    """The newest reading of some streams, one a row; NaN and an instant of long ago where there is none."""

    stream: Annotated[I32, Column("1", low=0)]
    """Row of the stream table."""

    value: Annotated[F64, Column("stream's own", missing=True)]
    """Newest reading."""

    observed_at_ms: Annotated[I64, Column("ms")]
    """When it was measured."""

    received_at_ms: Annotated[I64, Column("ms")]
    """When it was heard."""

    quality: Annotated[U8, Column("1", low=0, high=2)]
    """A ``Quality``; never bad."""

    fault: Annotated[U16, Column("1", low=0, high=65535)]
    """``Fault`` bits held against it."""

    def __len__(self) -> int:
        """Return the number of streams."""
        return len(self.stream)


class LiveState:
    """Newest reading of every stream, in columns that grow.

    Columns are replaced when they grow, so take the attribute anew at each use. Only ``Inbox`` writes.
    """

    def __init__(self, streams: int = 0) -> None:
        room = max(1024, streams)
        self.lock = threading.RLock()
        self.value: F64 = np.full(room, np.nan)
        self.observed_at_ms: I64 = np.full(room, NO_INSTANT, np.int64)
        self.received_at_ms: I64 = np.full(room, NO_INSTANT, np.int64)
        self.quality: U8 = np.zeros(room, np.uint8)
        self.fault: U16 = np.zeros(room, np.uint16)
        self._feeds: list[Feed] = []
        self._count = streams

    def __len__(self) -> int:
        """Return the number of streams."""
        return self._count

    def grow(self, streams: int) -> None:
        """Make room for so many streams."""
        with self.lock:
            if streams > len(self.value):
                self.value = grown(self.value, streams, np.nan)
                self.observed_at_ms = grown(self.observed_at_ms, streams, NO_INSTANT)
                self.received_at_ms = grown(self.received_at_ms, streams, NO_INSTANT)
                self.quality = grown(self.quality, streams, 0)
                self.fault = grown(self.fault, streams, 0)
            self._count = max(self._count, streams)

    def update(self, batch: Batch) -> None:
        """Take over readings that were judged before, such as the store's newest after a restart.

        Of readings of one stream the one observed last stands; what is not finite is left out.
        """
        if not len(batch):
            return
        self.grow(int(batch.stream.max()) + 1)
        with self.lock:
            newer = np.isfinite(batch.value) & (batch.observed_at_ms >= self.observed_at_ms[batch.stream])
            rows = np.flatnonzero(newer)
            rows = rows[np.lexsort((batch.received_at_ms[rows], batch.observed_at_ms[rows]))]
            at = batch.stream[rows]
            # Where a stream stands several times the last assignment holds.
            self.value[at] = batch.value[rows]
            self.observed_at_ms[at] = batch.observed_at_ms[rows]
            self.received_at_ms[at] = batch.received_at_ms[rows]
            self.quality[at] = batch.quality[rows]
        self.tell(at)

    def latest(self, streams: I32 | None = None) -> Latest:
        """Return copies of the newest readings of some streams, or of all."""
        with self.lock:
            rows = np.arange(self._count, dtype=np.int32) if streams is None else np.asarray(streams, np.int32)
            if len(rows) and not 0 <= int(rows.min()) <= int(rows.max()) < self._count:
                raise IndexError(f"stream {int(rows.max())}: there are {self._count} streams")
            return Latest(
                rows,
                self.value[rows],
                self.observed_at_ms[rows],
                self.received_at_ms[rows],
                self.quality[rows],
                self.fault[rows],
            )

    def tell(self, streams: I32) -> None:
        """Mark streams as changed in every feed."""
        for feed in tuple(self._feeds):
            feed.mark(streams)

    def subscribe(self, streams: I32 | None = None) -> Feed:
        """Return a feed of the changes of some streams, or of all; close it after use."""
        feed = Feed(self, streams)
        with self.lock:
            self._feeds = [*self._feeds, feed]
        return feed

    def leave(self, feed: Feed) -> None:
        """Stop telling a feed."""
        with self.lock:
            self._feeds = [other for other in self._feeds if other is not feed]


class Feed:
    """Which streams changed since it was last asked. However slow its reader, it holds one bit a stream."""

    def __init__(self, live: LiveState, streams: I32 | None) -> None:
        self._live = live
        self._lock = threading.Lock()
        self._changed: BOOL = np.zeros(max(1024, len(live)), np.bool_)
        self._any = False
        self._wanted: BOOL | None = None
        if streams is not None:
            self._wanted = np.zeros(int(streams.max(initial=-1)) + 1, np.bool_)
            self._wanted[streams] = True

    def mark(self, streams: I32) -> None:
        """Note changes."""
        if self._wanted is not None:
            streams = streams[streams < len(self._wanted)]
            streams = streams[self._wanted[streams]]
        if not len(streams):
            return
        with self._lock:
            most = int(streams.max()) + 1
            if most > len(self._changed):
                self._changed = grown(self._changed, most, False)
            self._changed[streams] = True
            self._any = True

    def take(self) -> I32:
        """Return the streams that changed since the last call, in ascending order."""
        if not self._any:
            return np.empty(0, np.int32)
        with self._lock:
            self._any = False
            rows = np.flatnonzero(self._changed).astype(np.int32)
            self._changed[rows] = False
        return rows

    def close(self) -> None:
        """Stop being told."""
        self._live.leave(self)


def grown(column: npt.NDArray[Any], rows: int, fill: float | bool) -> npt.NDArray[Any]:
    """Return a longer copy of a column, at least doubled so that growing stays cheap."""
    longer = np.full((max(rows, 2 * len(column)), *column.shape[1:]), fill, column.dtype)
    longer[: len(column)] = column
    return longer
