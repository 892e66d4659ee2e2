"""First and last instant of every stream, kept as readings pass to the disk, whatever they came by."""

from __future__ import annotations

import threading
from collections.abc import Callable

import numpy as np

from cityloop.kernel.batch import Batch
from cityloop.kernel.columns import I32, I64
from cityloop.kernel.readings import Done, Readings, RollUps
from cityloop.storage.readings_table import ALL_TIME, ReadingsTable

__all__ = ["FollowedReadings", "ObservedSpans"]

Follower = Callable[[Batch], None]
"""Told of readings once they are durable, on the log's thread; must return soon."""


class FollowedReadings:
    """A readings store that tells others of every batch that became durable."""

    def __init__(self, readings: Readings) -> None:
        self._readings = readings
        self._followers: list[Follower] = []

    def follow(self, follower: Follower) -> None:
        """Tell a follower from now on."""
        self._followers.append(follower)

    def append(self, batch: Batch, done: Done) -> None:
        """Queue rows; followers are told before the sender is, so that what is acknowledged can be seen."""

        def synced(error: Exception | None) -> None:
            if error is None:
                for follower in self._followers:
                    follower(batch)
            done(error)

        self._readings.append(batch, synced)

    def history(
        self, streams: I32, begin_ms: int, end_ms: int, *, limit: int | None = None, newest_first: bool = False
    ) -> Batch:
        """Return stored rows."""
        return self._readings.history(streams, begin_ms, end_ms, limit=limit, newest_first=newest_first)

    def rollups(self, streams: I32, begin_ms: int, end_ms: int) -> RollUps:
        """Return roll-ups."""
        return self._readings.rollups(streams, begin_ms, end_ms)

    def latest(self) -> Batch:
        """Return the newest row of every stream."""
        return self._readings.latest()

    def forget(self, streams: I32, begin_ms: int, end_ms: int) -> int:
        """Delete rows for good."""
        return self._readings.forget(streams, begin_ms, end_ms)

    def close(self) -> None:
        """Close the store."""
        self._readings.close()


class ObservedSpans:
    """First and last instant by stream. Of a stream not asked for yet nothing is kept."""

    def __init__(self, table: ReadingsTable) -> None:
        self._table = table
        self._lock = threading.Lock()
        self._first_ms: I64 = np.zeros(1024, np.int64)
        self._last_ms: I64 = np.zeros(1024, np.int64)
        self._known = np.zeros(1024, np.bool_)

    def of(self, stream: int) -> tuple[int, int] | None:
        """Return first and last instant of a stream's readings, None when it has none."""
        with self._lock:
            if stream < len(self._known) and self._known[stream]:
                return int(self._first_ms[stream]), int(self._last_ms[stream])
            # Known before it is looked up: what becomes durable meanwhile is then not missed.
            self._grow(stream + 1)
            self._known[stream] = True
            self._first_ms[stream], self._last_ms[stream] = ALL_TIME[1], ALL_TIME[0]
        first = next((b for b in self._table.pieces(stream, *ALL_TIME, False) if len(b)), None)
        last = next((b for b in self._table.pieces(stream, *ALL_TIME, True) if len(b)), None)
        with self._lock:
            if first is not None and last is not None:
                self._first_ms[stream] = min(int(first.observed_at_ms[0]), int(self._first_ms[stream]))
                self._last_ms[stream] = max(int(last.observed_at_ms[0]), int(self._last_ms[stream]))
            if self._first_ms[stream] > self._last_ms[stream]:
                self._known[stream] = False
                return None
            return int(self._first_ms[stream]), int(self._last_ms[stream])

    def note(self, batch: Batch) -> None:
        """Take durable readings in."""
        if not len(batch):
            return
        with self._lock:
            inside = batch.stream < len(self._known)
            rows = np.flatnonzero(inside & self._known[np.where(inside, batch.stream, 0)])
            if len(rows):
                streams, observed = batch.stream[rows], batch.observed_at_ms[rows]
                np.minimum.at(self._first_ms, streams, observed)
                np.maximum.at(self._last_ms, streams, observed)

    def forget(self, stream: int) -> None:
        """Look a stream up anew when it is asked for next."""
        with self._lock:
            if stream < len(self._known):
                self._known[stream] = False

    def _grow(self, size: int) -> None:
        if size <= len(self._known):
            return
        size = max(size, 2 * len(self._known))
        for name in ("_first_ms", "_last_ms", "_known"):
            column = getattr(self, name)
            longer = np.zeros(size, column.dtype)
            longer[: len(column)] = column
            setattr(self, name, longer)
