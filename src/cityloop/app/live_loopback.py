"""A live city and its field in one process, in simulated time: the protocols' bytes are real, the network is not.

For tests and studies: a link of any loss, delay and jitter costs no time of the wall, and a run can be made again.
"""

from __future__ import annotations

import heapq
import itertools
import threading
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from cityloop.app.field_agent import LinkFaults
from cityloop.app.live_link import Heard, InboxLink
from cityloop.cities.live.city import LiveCity, LiveParams
from cityloop.cities.live.declared import field_stream
from cityloop.cities.live.field import Field
from cityloop.cities.live.folder import TABLES
from cityloop.kernel.batch import Batch
from cityloop.kernel.ports import City
from cityloop.sensing.inbox import Inbox
from cityloop.sensing.live import LiveState
from cityloop.storage.readings_memory import MemoryReadings, MemoryStreams
from cityloop.wire.arrow import decode_arrow, encode_arrow
from cityloop.wire.city_document import CityDocument, decode_city_document, encode_city_document
from cityloop.wire.field import FieldReport, FieldState, decode_receipts, decode_report, encode_report

__all__ = ["BEGIN_MS", "Loopback", "live_loopback"]

BEGIN_MS = 1_772_352_000_000
"""When a field in simulated time begins: a whole second of UTC. [ms]"""

_RETRY_MS = 1000
_DEVICE = "field"
_MOST_BYTES = 1 << 26


class Loopback:
    """The clock, the network and the field's gateway of a live city in one process.

    Parameters
    ----------
    city
        The field. Closed by whoever opened it.
    city_begin_ms
        The field's own first instant. [ms]
    transit_ms
        How long every message takes, before the link's faults. [ms]
    """

    def __init__(
        self,
        city: City,
        document: CityDocument,
        *,
        city_begin_ms: int = 0,
        transit_ms: int = 0,
        faults: LinkFaults | None = None,
    ) -> None:
        self.at_ms = BEGIN_MS
        self.cut = False
        """Whether nothing gets through in either direction."""
        self.times = 1
        """How often each pack of readings arrives."""
        self.lost = 0
        self.over = False
        self.field = Field(city, BEGIN_MS - city_begin_ms, self._answered)
        self.inbox = Inbox(MemoryReadings(), _streams(document), LiveState(), now_ms=self.now_ms)
        self._names = list(document.streams)
        self._transit_ms = transit_ms
        self._faults = faults or LinkFaults()
        self._rng = np.random.default_rng(np.random.SeedSequence([self._faults.seed, 0x6C696E6B]))
        self._due: list[tuple[int, int, Callable[[], None]]] = []
        self._number = itertools.count()
        self._heard: Callable[[Heard], None] = lambda said: None

    def now_ms(self) -> int:
        """Return the city's instant. [ms]"""
        return self.at_ms

    def wait(self, until_ms: int, happened: threading.Event) -> None:
        """Let the field's seconds and the network's messages pass, up to an instant or until something happened."""
        while not happened.is_set():
            second_ms = self.at_ms // 1000 * 1000 + 1000
            due_ms = self._due[0][0] if self._due else second_ms
            if min(second_ms, due_ms) > until_ms:
                self.at_ms = max(self.at_ms, until_ms)
                return
            if second_ms <= due_ms:
                self.at_ms = second_ms
                self._second()
            else:
                self.at_ms = max(self.at_ms, due_ms)
                heapq.heappop(self._due)[2]()

    def lead(self, device: str, heard: Callable[[Heard], None]) -> None:
        """Tell what the field says."""
        self._heard = heard

    def send(self, device: str, payload: bytes) -> None:
        """Carry a pack of leases to the field."""
        self._carry(lambda: self.field.take(payload, self.at_ms // 1000 * 1000))

    def _second(self) -> None:
        if self.over:
            return
        batch, self.over = self.field.step(self.at_ms)
        if len(batch):
            self._report(self._body(batch))
        if self.over:
            said = encode_report(FieldReport(state=FieldState.OVER, at_ms=self.at_ms))
            self._later(0, lambda: self._heard(decode_report(said)))

    def _body(self, batch: Batch) -> bytes:
        return encode_arrow([self._names[row] for row in batch.stream.tolist()], batch.observed_at_ms, batch.value)

    def _report(self, body: bytes) -> None:
        """Carry a pack of readings to the brain; what did not arrive is not acknowledged, and sent again."""
        if not self._carry(lambda: self._arrived(body)) and not self.cut:
            self._later(_RETRY_MS, lambda: self._report(body))

    def _arrived(self, body: bytes) -> None:
        for _ in range(self.times):
            self.inbox.submit_packs(list(decode_arrow(body, max_bytes=_MOST_BYTES)), device=_DEVICE, done=_nobody)

    def _answered(self, payload: bytes) -> None:
        self._carry(lambda: self._heard(decode_receipts(payload)))

    def _carry(self, arrive: Callable[[], None]) -> bool:
        """Let a message arrive when the link lets it; return whether it will."""
        lost, share = self._rng.random(2) if self._faults.any else (1.0, 0.0)
        if self.cut or lost < self._faults.loss:
            self.lost += 1
            return False
        self._later(self._transit_ms + round((self._faults.delay_s + share * self._faults.jitter_s) * 1000), arrive)
        return True

    def _later(self, after_ms: int, do: Callable[[], None]) -> None:
        heapq.heappush(self._due, (self.at_ms + after_ms, next(self._number), do))


def live_loopback(
    city: City,
    *,
    name: str = "town",
    params: LiveParams | None = None,
    city_begin_ms: int = 0,
    settle_ms: int = 0,
    transit_ms: int = 0,
    faults: LinkFaults | None = None,
    tables: Mapping[str, type[Any]] | None = None,
) -> tuple[LiveCity, Loopback]:
    """Return a live city whose field is another city, through the document, the codecs and the inbox.

    Parameters
    ----------
    settle_ms
        How long after a field's second the live city's begins. [ms]
    """
    document = decode_city_document(encode_city_document(name, city.layout()), tables or TABLES, "city.json")
    loopback = Loopback(city, document, city_begin_ms=city_begin_ms, transit_ms=transit_ms, faults=faults)
    rows = np.arange(len(document.streams), dtype=np.int32)
    link = InboxLink(loopback.inbox, loopback, _DEVICE, rows, document.layout.streams)
    return LiveCity(document.layout, link, loopback, BEGIN_MS + settle_ms, params), loopback


def _streams(document: CityDocument) -> MemoryStreams:
    streams = MemoryStreams()
    for name, kind in zip(document.streams, document.layout.streams.kind.tolist(), strict=True):
        one = field_stream(kind)
        streams.register(name, one.unit, one.low, one.high, device=_DEVICE, kind=one.kind)
    return streams


def _nobody(error: Exception | None) -> None:
    """Nobody waits for this."""
