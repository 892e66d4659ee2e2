"""Wiring of a live city to sensing: its streams are registered, its readings drained, its leases published."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from typing import Protocol

import numpy as np

from cityloop.kernel.batch import Batch
from cityloop.kernel.columns import I32
from cityloop.kernel.layout import StreamKind
from cityloop.kernel.messages import Command, Receipt
from cityloop.kernel.readings import DataKind
from cityloop.sensing.inbox import Inbox
from cityloop.storage.streams import Registration, StreamRegister
from cityloop.wire.city_document import CityDocument
from cityloop.wire.field import FieldReport, FieldState, encode_leases

__all__ = ["Heard", "InboxLink", "LeaseHub", "register_field"]

Heard = list[tuple[int, Receipt]] | FieldReport
"""What a field says: receipts, each with the epoch that it answers, or its own state."""

_MOST_RECEIPTS = 100_000
_INF = float("inf")
_DECLARED: dict[int, tuple[str, float, float]] = {
    StreamKind.OBJECT_DISTANCE_M: ("m", -1000.0, 1e6),
    StreamKind.OBJECT_SPEED_MPS: ("m/s", -1.0, 150.0),
    StreamKind.OBJECT_COUNT: ("1", 0.0, 1e5),
    StreamKind.STOP_LINE_COUNT: ("1", 0.0, 1e5),
    StreamKind.STOP_LINE_OCCUPANCY: ("1", 0.0, 1.0),
    StreamKind.ADVANCE_COUNT: ("1", 0.0, 1e5),
    StreamKind.ADVANCE_OCCUPANCY: ("1", 0.0, 1.0),
    StreamKind.STAGE_SHOWN: ("1", -1.0, 1e4),
    StreamKind.CONTROL_MODE: ("1", 0.0, 2.0),
    StreamKind.CROSSING_CALL: ("1", 0.0, 1.0),
}
"""Unit and range of what a field's detectors say; other kinds are taken as they are."""


def register_field(streams: StreamRegister, document: CityDocument, device: str) -> I32:
    """Register a field's streams, which that device alone may write; return their rows, in the layout's order.

    They are of kind control: never refused for a limit, and a scan's equal readings are no duplicates.
    """
    kinds = document.layout.streams.kind.tolist()
    facts = [_DECLARED.get(kind, ("1", -_INF, _INF)) for kind in kinds]
    rows = streams.register_many(
        [
            Registration(name=name, unit=unit, low=low, high=high, device=device, kind=DataKind.CONTROL, interval_s=1.0)
            for name, (unit, low, high) in zip(document.streams, facts, strict=True)
        ]
    )
    return np.array(rows, np.int32)


class LeaseHub(Protocol):
    """What carries leases to a field, and tells what it says: the server's hub, or a loopback."""

    def lead(self, device: str, heard: Callable[[Heard], None]) -> None:
        """Tell whatever a field says."""

    def send(self, device: str, payload: bytes) -> None:
        """Publish a pack of leases; any thread may call this."""


class InboxLink:
    """A live city's ear and voice in the process where the inbox is."""

    def __init__(self, inbox: Inbox, hub: LeaseHub, device: str, rows: I32) -> None:
        self._inbox, self._hub, self._device = inbox, hub, device
        self._row_of = np.full(int(rows.max(initial=0)) + 1, -1, np.int32)
        self._row_of[rows] = np.arange(len(rows), dtype=np.int32)
        self._lock = threading.Lock()
        self._receipts: list[tuple[int, Receipt]] = []
        self.news = threading.Event()
        self.over_ms: int | None = None
        self.state: FieldReport | None = None
        """What the field said of itself last."""
        self.listener: Callable[[Heard], None] | None = None
        """Whom everything is passed on to, where the loop runs in another process."""
        inbox.known.refresh(rows.tolist())
        inbox.keep_for_drain(rows)
        hub.lead(device, self.heard)

    def heard(self, said: Heard) -> None:
        """Take what the field says; from any thread."""
        listener = self.listener
        with self._lock:
            if isinstance(said, FieldReport):
                self.state = said
                self.over_ms = said.at_ms if said.state is FieldState.OVER else None
            elif listener is None:
                self._receipts = [*self._receipts, *said][-_MOST_RECEIPTS:]
        if listener is not None:
            listener(said)
        self.news.set()

    def readings(self, until_ms: int) -> Batch:
        """Return and forget what was received up to an instant."""
        batch = self._inbox.drain(until_ms)
        return Batch(self._row_of[batch.stream], batch.observed_at_ms, batch.received_at_ms, batch.value, batch.quality)

    def receipts(self) -> Sequence[tuple[int, Receipt]]:
        """Return and forget the receipts that came."""
        with self._lock:
            receipts, self._receipts = self._receipts, []
        return receipts

    def send(self, commands: Sequence[Command]) -> None:
        """Publish leases."""
        self._hub.send(self._device, encode_leases(commands))

    def close(self) -> None:
        """Nothing is held: the field goes on by itself."""
