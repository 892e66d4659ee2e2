"""A field's gateway: carries packs, receipts and state to the brain and leases back, over a link that may fail.

A pack is kept until the brain has acknowledged it, and sent again when it did not; leases and receipts are not: the
brain renews its leases, and a field that hears of none minds itself. Faults of the link are drawn from a seed.
"""

from __future__ import annotations

import heapq
import itertools
import queue
import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TextIO

import numpy as np

from cityloop.app.field_transport import TransportError, transport_of
from cityloop.kernel.errors import CityError, ConfigError
from cityloop.wire.field import FieldReport, encode_report

__all__ = ["AgentCounts", "FieldAgent", "LinkFaults"]

_RETRY_S = 5.0
_RECONNECT_S = (0.1, 1.0)
_MOST_KEPT = 20_000
"""Packs that wait for an acknowledgement; the oldest are given up."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LinkFaults:
    """What the link does to each message, in both directions."""

    loss: float = 0.0
    """Share of messages that do not arrive."""
    delay_s: float = 0.0
    """How long each takes, by the city's clock. [s]"""
    jitter_s: float = 0.0
    """Up to so much longer, drawn anew for each: so messages overtake one another. [s]"""
    seed: int = 0

    def __post_init__(self) -> None:
        """Refuse what no link does."""
        if not 0 <= self.loss < 1:
            raise ConfigError(f"loss is {self.loss:g}; give a share from 0 to below 1")
        if not (0 <= self.delay_s <= 60 and 0 <= self.jitter_s <= 60):
            raise ConfigError(f"delay {self.delay_s:g} s, jitter {self.jitter_s:g} s; give 0 to 60 s each")

    @property
    def any(self) -> bool:
        """Whether the link has a fault."""
        return bool(self.loss or self.delay_s or self.jitter_s)


@dataclass(slots=True)
class AgentCounts:
    """What went over the link."""

    packs: int = 0
    acknowledged: int = 0
    sent_again: int = 0
    refused: int = 0
    """Packs that the brain will never take."""
    given_up: int = 0
    lost: int = 0
    """Messages that the link's faults swallowed."""
    lease_packs: int = 0
    connections: int = 0


class _Lane:
    """Does things at their time, one after the other, on a thread of its own."""

    def __init__(self, name: str) -> None:
        self._due: list[tuple[float, int, Callable[[], None]]] = []
        self._number = itertools.count()
        self._changed = threading.Condition()
        self._closed = False
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)
        self._thread.start()

    def at(self, due_s: float, do: Callable[[], None]) -> None:
        """Do something at an instant of ``time.monotonic``, or as soon as can be."""
        with self._changed:
            heapq.heappush(self._due, (due_s, next(self._number), do))
            self._changed.notify()

    def close(self) -> None:
        """Do no more."""
        with self._changed:
            self._closed = True
            self._changed.notify()
        self._thread.join(5)

    def _run(self) -> None:
        while True:
            with self._changed:
                while not self._closed and (not self._due or self._due[0][0] > time.monotonic()):
                    self._changed.wait(self._due[0][0] - time.monotonic() if self._due else None)
                if self._closed:
                    return
                do = heapq.heappop(self._due)[2]
            do()


@dataclass(slots=True)
class _Pack:
    body: bytes
    note: str
    tries: int = 0


@dataclass(slots=True)
class _Dice:
    """Draws what becomes of each message."""

    faults: LinkFaults
    pace: float
    rng: np.random.Generator = field(init=False)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def __post_init__(self) -> None:
        self.rng = np.random.default_rng(np.random.SeedSequence([self.faults.seed, 0x6C696E6B]))

    def draw(self) -> float | None:
        """Return after how many seconds of the wall a message arrives, None when it does not."""
        if not self.faults.any:
            return 0.0
        with self.lock:
            lost, share = self.rng.random(2)
        if lost < self.faults.loss:
            return None
        return float(self.faults.delay_s + share * self.faults.jitter_s) / self.pace


class FieldAgent:
    """Owns the link to the brain.

    Parameters
    ----------
    record
        Where a line is written for each pack that was acknowledged: the field's own proof of what must not be lost.
    """

    def __init__(
        self,
        url: str,
        *,
        token: str,
        device: str,
        pack: str = "arrow",
        faults: LinkFaults | None = None,
        pace: float = 1.0,
        record: TextIO | None = None,
    ) -> None:
        self.counts = AgentCounts()
        self.leases: queue.SimpleQueue[bytes] = queue.SimpleQueue()
        """Packs of leases that arrived."""
        self._pace = pace
        self._dice = _Dice(faults or LinkFaults(), pace)
        self._retry_s = max(0.2, 1.0 / pace) if self._dice.faults.any else _RETRY_S
        self._record = record
        self._lock = threading.Lock()
        self._kept: OrderedDict[int, _Pack] = OrderedDict()
        self._state: FieldReport | None = None
        self._up = threading.Event()
        self._broken = threading.Event()
        self._broken.set()
        self._closing = threading.Event()
        self._failure: str = ""
        self._transport = transport_of(url, token, device, pack, self)
        self._out, self._talk, self._in = _Lane("field-readings"), _Lane("field-talk"), _Lane("field-leases-in")
        self._mender = threading.Thread(target=self._mend, name="field-link", daemon=True)

    def start(self, patience_s: float) -> None:
        """Connect; later breaks are mended without end."""
        self._mender.start()
        if not self._up.wait(patience_s):
            self.close()
            raise CityError(f"{self._failure or 'the brain does not answer'}; is it running?")

    def readings(self, body: bytes, note: str) -> None:
        """Send a pack, and again until it is acknowledged; the note is what is then recorded."""
        with self._lock:
            self.counts.packs += 1
            number = self.counts.packs
            self._kept[number] = _Pack(body, note)
            while len(self._kept) > _MOST_KEPT:
                self._kept.popitem(last=False)
                self.counts.given_up += 1
        self._attempt(number)

    def say(self, kind: str, payload: bytes) -> None:
        """Send receipts, once."""
        after_s = self._dice.draw()
        if after_s is None:
            self.counts.lost += 1
            return
        self._talk.at(time.monotonic() + after_s, lambda: self._say(kind, payload))

    def tell_state(self, report: FieldReport) -> None:
        """Tell the field's state, now and after each break."""
        self._state = report
        self._talk.at(time.monotonic(), lambda: self._say("state", encode_report(report)))

    def flush(self, patience_s: float) -> int:
        """Wait until every pack was acknowledged; return how many were not."""
        until_s = time.monotonic() + patience_s
        while self._kept and time.monotonic() < until_s:
            time.sleep(0.02)
        return len(self._kept)

    def close(self) -> None:
        """End the link. Safe to call twice."""
        if self._closing.is_set():
            return
        self._closing.set()
        self._broken.set()
        for lane in (self._out, self._talk, self._in):
            lane.close()
        self._transport.close()
        if self._mender.is_alive():
            self._mender.join(15)

    # What the transport tells.

    def acknowledged(self, number: int) -> None:
        """Forget a pack that is safe now."""
        with self._lock:
            pack = self._kept.pop(number, None)
            if pack is None:
                return
            self.counts.acknowledged += 1
            if self._record is not None:
                self._record.write(pack.note + "\n")
                self._record.flush()

    def refused(self, number: int, why: str) -> None:
        """Give up a pack that will never be taken."""
        with self._lock:
            if self._kept.pop(number, None) is not None:
                self.counts.refused += 1
                self._failure = why

    def broken(self) -> None:
        """Mend the link."""
        self._up.clear()
        self._broken.set()

    def arrived(self, payload: bytes) -> None:
        """Pass on a pack of leases."""
        after_s = self._dice.draw()
        if after_s is None:
            self.counts.lost += 1
        elif after_s == 0.0:
            self.counts.lease_packs += 1
            self.leases.put(payload)
        else:
            self._in.at(time.monotonic() + after_s, lambda: self._pass_on(payload))

    def _pass_on(self, payload: bytes) -> None:
        self.counts.lease_packs += 1
        self.leases.put(payload)

    def _attempt(self, number: int) -> None:
        after_s = self._dice.draw()
        now_s = time.monotonic()
        if after_s is None:
            self.counts.lost += 1
        else:
            self._out.at(now_s + after_s, lambda: self._send(number))
        self._out.at(now_s + (after_s or 0.0) + self._retry_s, lambda: self._again(number))

    def _again(self, number: int) -> None:
        if number in self._kept and self._up.is_set():
            self.counts.sent_again += 1
            self._attempt(number)

    def _send(self, number: int) -> None:
        pack = self._kept.get(number)
        if pack is None or not self._up.is_set():
            # What cannot be sent now is sent when the link is mended.
            return
        pack.tries += 1
        try:
            self._transport.readings(number, pack.body)
        except TransportError:
            self.broken()

    def _say(self, kind: str, payload: bytes) -> None:
        if not self._up.is_set():
            return
        try:
            self._transport.say(kind, payload)
        except TransportError:
            self.broken()

    def _mend(self) -> None:
        """Connect whenever the link is broken, and send again what is not acknowledged."""
        shortest_s, longest_s = _RECONNECT_S
        wait_s = shortest_s
        while True:
            self._broken.wait()
            if self._closing.is_set():
                return
            self._broken.clear()
            try:
                self._transport.connect()
            except CityError as error:
                self._failure = str(error)
                self._closing.wait(wait_s)
                wait_s = min(wait_s * 2, longest_s)
                self._broken.set()
                continue
            wait_s = shortest_s
            self.counts.connections += 1
            self._up.set()
            if self._state is not None:
                self.tell_state(self._state)
            with self._lock:
                numbers = [number for number, pack in self._kept.items()]
            for number in numbers:
                self.counts.sent_again += 1
                self._attempt(number)
