"""A live city and its field in one process: every byte of the protocols is real, only time and the network are not."""

from __future__ import annotations

import threading
from collections.abc import Callable

import numpy as np

from cityloop.app.live_link import InboxLink
from cityloop.cities.live.city import LiveCity, LiveParams
from cityloop.cities.live.field import Field
from cityloop.domains.signals.schema import SignalAssets
from cityloop.kernel.ports import City
from cityloop.kernel.readings import DataKind
from cityloop.sensing.inbox import Inbox
from cityloop.sensing.live import LiveState
from cityloop.storage.readings_memory import MemoryReadings, MemoryStreams
from cityloop.wire.arrow import decode_arrow, encode_arrow
from cityloop.wire.city_document import decode_city_document, encode_city_document
from cityloop.wire.field import FieldReport, FieldState, decode_receipts, decode_report, encode_report

BEGIN_MS = 1_772_352_000_000
"""When the field begins: a whole second of UTC."""


class SteppedClock:
    """The city's time in a test: to wait is to let the field's seconds pass."""

    def __init__(self, begin_ms: int) -> None:
        self.at_ms = begin_ms
        self.second: Callable[[int], None] = lambda now_ms: None

    def now_ms(self) -> int:
        return self.at_ms

    def wait(self, until_ms: int, happened: threading.Event) -> None:
        while self.at_ms < until_ms and not happened.is_set():
            self.at_ms = min(until_ms, self.at_ms // 1000 * 1000 + 1000)
            if self.at_ms % 1000 == 0:
                self.second(self.at_ms)


class Wire:
    """Bytes between brain and field; what is to become of a message may be set."""

    def __init__(self, clock: SteppedClock, names: tuple[str, ...], city: City, inbox: Inbox) -> None:
        self.clock, self.names, self.inbox, self.city = clock, list(names), inbox, city
        self.field = Field(city, BEGIN_MS - city_begin_ms(city), self._answered)
        self.cut = False
        """Whether nothing gets through in either direction."""
        self.times = 1
        """How often a pack of readings is sent."""
        self.over = False
        self.heard: Callable[[object], None] = lambda said: None
        clock.second = self.second

    def lead(self, device: str, heard: Callable[[object], None]) -> None:
        self.heard = heard

    def send(self, device: str, payload: bytes) -> None:
        if not self.cut:
            self.field.take(payload, self.clock.now_ms() // 1000 * 1000)

    def second(self, now_ms: int) -> None:
        if self.over:
            return
        batch, self.over = self.field.step(now_ms)
        if len(batch) and not self.cut:
            names = [self.names[row] for row in batch.stream.tolist()]
            body = encode_arrow(names, batch.observed_at_ms, batch.value)
            for _ in range(self.times):
                packs = list(decode_arrow(body, max_bytes=1 << 24))
                self.inbox.submit_packs(packs, device="field", done=lambda error: None)
        if self.over and not self.cut:
            self.heard(decode_report(encode_report(FieldReport(state=FieldState.OVER, at_ms=now_ms))))

    def _answered(self, payload: bytes) -> None:
        if not self.cut:
            self.heard(decode_receipts(payload))


def city_begin_ms(city: City) -> int:
    """The field's own first instant: cities of tests begin at 0 or tell it."""
    return int(getattr(city, "begin_ms", 0))


def live_over(city: City, params: LiveParams | None = None) -> tuple[LiveCity, Wire]:
    """A live city whose field is another city, through the document, the codecs and the inbox."""
    document = decode_city_document(encode_city_document("town", city.layout()), {"signals": SignalAssets}, "city.json")
    clock = SteppedClock(BEGIN_MS)
    streams = MemoryStreams()
    for name in document.streams:
        streams.register(name, "1", device="field", kind=DataKind.CONTROL)
    inbox = Inbox(MemoryReadings(), streams, LiveState(), now_ms=clock.now_ms)
    wire = Wire(clock, document.streams, city, inbox)
    rows = np.arange(len(document.streams), dtype=np.int32)
    link = InboxLink(inbox, wire, "field", rows)  # type: ignore[arg-type]
    return LiveCity(document.layout, link, clock, BEGIN_MS, params), wire
