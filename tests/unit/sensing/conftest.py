"""An inbox over memory, with a clock that the test sets."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import pytest

from cityloop.kernel.batch import Batch, empty_batch
from cityloop.kernel.readings import DataKind
from cityloop.sensing.inbox import Inbox, Limits
from cityloop.sensing.live import LiveState
from cityloop.storage.readings_memory import MemoryReadings, MemoryStreams

NOW = 1_800_000_000_000


def batch(streams, values, observed=None) -> Batch:
    """Readings as an edge hands them over."""
    none = empty_batch()
    stream = np.array(streams, np.int32)
    at = np.full(len(stream), NOW) if observed is None else np.array(observed, np.int64)
    return Batch(stream, at, none.received_at_ms, np.array(values, np.float64), none.quality)


@dataclass
class Desk:
    """What a test of the inbox works with."""

    streams: MemoryStreams
    store: MemoryReadings
    inbox: Inbox
    clock: list[int]
    told: list[Exception | None] = field(default_factory=list)

    def submit(self, streams, values, observed=None, device=""):
        return self.inbox.submit(batch(streams, values, observed), device=device, done=self.told.append)

    def history(self) -> Batch:
        rows = np.arange(len(self.streams), dtype=np.int32)
        return self.store.history(rows, -(2**62), 2**62)


def make_desk(*, limits: Limits | None = None, hold: bool = False, most_rows: int | None = None, letters=None) -> Desk:
    """Ten streams from -50 to 60: 0 to 4 of device a, 5 to 7 of device b, 8 of nobody, 9 for control."""
    streams = MemoryStreams()
    for row in range(10):
        device = "a" if row < 5 else "b" if row < 8 else ""
        kind = DataKind.CONTROL if row == 9 else DataKind.MEASUREMENT
        streams.register(f"s{row}", "Cel", -50.0, 60.0, device, kind=kind, interval_s=10.0)
    store = MemoryReadings(hold=hold, most_rows=most_rows)
    clock = [NOW]
    inbox = Inbox(store, streams, LiveState(), now_ms=lambda: clock[0], limits=limits, dead_letters=letters)
    return Desk(streams, store, inbox, clock)


@pytest.fixture
def desk() -> Desk:
    return make_desk()
