"""Wiring of a live city to sensing: its streams are registered, its readings drained, its leases published."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from typing import Protocol

import numpy as np

from cityloop.cities.live.declared import NO_SCALE, field_stream, said_by_field
from cityloop.kernel.batch import Batch
from cityloop.kernel.columns import I32
from cityloop.kernel.layout import StreamKind, Streams
from cityloop.kernel.messages import Command, Receipt
from cityloop.sensing.inbox import Inbox
from cityloop.storage.streams import Registration, StreamRegister
from cityloop.wire.city_document import CityDocument
from cityloop.wire.field import FieldReport, FieldState, encode_leases

__all__ = ["Heard", "InboxLink", "LeaseHub", "register_field"]

Heard = list[tuple[int, Receipt]] | FieldReport
"""What a field says: receipts, each with the epoch that it answers, or its own state."""

_MOST_RECEIPTS = 100_000


def register_field(streams: StreamRegister, document: CityDocument, device: str) -> I32:
    """Register a field's streams, which that device alone may write; return their rows, in the layout's order.

    Streams that no field writes, such as a planner's answers, have row -1.
    """
    kinds = document.layout.streams.kind
    said = np.flatnonzero(said_by_field(kinds))
    facts = [(document.streams[row], field_stream(int(kinds[row]))) for row in said.tolist()]
    rows: I32 = np.full(len(kinds), -1, np.int32)
    rows[said] = streams.register_many(
        [
            Registration(
                name=name,
                unit=one.unit,
                low=one.low,
                high=one.high,
                device=device,
                kind=one.kind,
                interval_s=one.interval_s,
            )
            for name, one in facts
        ]
    )
    return rows


class LeaseHub(Protocol):
    """What carries leases to a field, and tells what it says: the server's hub, or a loopback."""

    def lead(self, device: str, heard: Callable[[Heard], None]) -> None:
        """Tell whatever a field says."""

    def send(self, device: str, payload: bytes) -> None:
        """Publish a pack of leases; any thread may call this."""


class InboxLink:
    """A live city's ear and voice in the process where the inbox is.

    Parameters
    ----------
    rows
        Rows of the layout's streams, as ``register_field`` returns them.
    streams
        The layout's streams.
    """

    def __init__(self, inbox: Inbox, hub: LeaseHub, device: str, rows: I32, streams: Streams) -> None:
        self._inbox, self._hub, self._device = inbox, hub, device
        self._row_of = np.full(int(rows.max(initial=0)) + 1, -1, np.int32)
        registered = np.flatnonzero(rows >= 0).astype(np.int32)
        rows = rows[registered]
        self._row_of[rows] = registered
        self._weighed = streams.kind == StreamKind.COLLECTED_FRAC
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
        stream, value = self._row_of[batch.stream], batch.value
        unweighed = self._weighed[stream] & (value == NO_SCALE)
        if unweighed.any():
            value = np.where(unweighed, np.nan, value)
        return Batch(stream, batch.observed_at_ms, batch.received_at_ms, value, batch.quality)

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
