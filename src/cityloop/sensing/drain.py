"""What a live city has not looked at yet."""

from __future__ import annotations

from collections import deque

import numpy as np

from cityloop.kernel.batch import Batch, concat
from cityloop.kernel.columns import BOOL, I32

__all__ = ["Drain"]


class Drain:
    """Readings in order of arrival, of the streams asked for; the oldest give way when there are too many."""

    def __init__(self, most_rows: int) -> None:
        self.dropped_rows = 0
        self._most_rows = most_rows
        self._kept: deque[Batch] = deque()
        self._rows = 0
        self._wanted: BOOL | None = None
        self._on = False

    def keep(self, streams: I32 | None) -> None:
        """Keep readings of some streams, or of all, from now on."""
        self._on = True
        self._wanted = None
        if streams is not None:
            self._wanted = np.zeros(int(streams.max(initial=0)) + 1, np.bool_)
            self._wanted[streams] = True

    def add(self, batch: Batch) -> None:
        """Keep what is asked for."""
        if not self._on:
            return
        if self._wanted is not None:
            inside = batch.stream < len(self._wanted)
            rows = np.flatnonzero(inside & self._wanted[np.where(inside, batch.stream, 0)])
            if len(rows) < len(batch):
                batch = Batch(
                    batch.stream[rows],
                    batch.observed_at_ms[rows],
                    batch.received_at_ms[rows],
                    batch.value[rows],
                    batch.quality[rows],
                )
        if not len(batch):
            return
        self._kept.append(batch)
        self._rows += len(batch)
        while self._rows > self._most_rows and len(self._kept) > 1:
            dropped = len(self._kept.popleft())
            self._rows -= dropped
            self.dropped_rows += dropped

    def take(self, until_ms: int) -> Batch:
        """Return and forget what was received up to an instant."""
        ready = []
        while self._kept and int(self._kept[0].received_at_ms[0]) <= until_ms:
            ready.append(self._kept.popleft())
        self._rows -= sum(len(batch) for batch in ready)
        return concat(ready)
