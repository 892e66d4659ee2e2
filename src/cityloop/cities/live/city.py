"""The live city: the City port over a field that is run by others, somewhere else.

``observe`` waits by the city's clock and takes what the sensing inbox heard meanwhile; ``apply`` publishes leases and
waits, for a bounded time, for the field's receipts. Nothing here can hurt the street: a lease that is lost is sent
anew with the next decision, and a field that hears of none follows its own plan.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from cityloop.cities.live.clock import Clock
from cityloop.cities.live.scans import ScanFilter
from cityloop.kernel.batch import Batch, empty_batch
from cityloop.kernel.errors import CityError, ConfigError
from cityloop.kernel.layout import Layout
from cityloop.kernel.messages import Command, Receipt, ReceiptStatus

__all__ = ["FieldLink", "LiveCity", "LiveObservation", "LiveParams"]


class FieldLink(Protocol):
    """How a live city hears its field and speaks to it."""

    @property
    def news(self) -> threading.Event:
        """Set when a receipt came, or the field's state changed."""

    @property
    def over_ms(self) -> int | None:
        """When the field said that it has no more time to give; None while it has. [ms]"""

    def readings(self, until_ms: int) -> Batch:
        """Return and forget what was received up to an instant, by rows of the layout's streams."""

    def receipts(self) -> Sequence[tuple[int, Receipt]]:
        """Return and forget the receipts that came, each with the epoch that it answers (-1: not said)."""

    def send(self, commands: Sequence[Command]) -> None:
        """Publish leases. Never waits."""

    def close(self) -> None:
        """Let go of the field. Safe to call twice."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LiveParams:
    """How long a live city waits."""

    answer_ms: int = 250
    """For the receipts of one pack of leases, by the city's clock. What comes later comes with a later ``observe``."""

    longest_lag_ms: int | None = None
    """A city that lies farther behind its clock goes on from now; None: it makes up for every second, so that a
    recording of it has them all."""

    period_ms: int = 1000
    """Steps in which it goes on then."""

    ends: bool = True
    """Whether the city is over when its field says so; else it waits for the field to come back."""

    def __post_init__(self) -> None:
        if not 0 <= self.answer_ms <= 4000:
            raise ConfigError(f"answer_ms is {self.answer_ms}, must be 0 to 4000: no lease lasts longer")


@dataclass(frozen=True, slots=True)
class LiveObservation:
    """What one ``observe`` brings back."""

    now_ms: int
    batch: Batch
    receipts: tuple[Receipt, ...]
    ended: bool


class LiveCity:
    """A city in the field. Owns its link.

    Parameters
    ----------
    begin_ms
        The city's time at the start; ``observe`` goes on from there.
    """

    def __init__(
        self, layout: Layout, link: FieldLink, clock: Clock, begin_ms: int, params: LiveParams | None = None
    ) -> None:
        self.params = params or LiveParams()
        self._layout, self._link, self._clock = layout, link, clock
        self._now_ms = begin_ms
        self._scans = ScanFilter(layout.streams)
        self._ended = self._closed = False
        self._receipts: list[Receipt] = []
        self._waiting: dict[tuple[int, str, int, int], int] = {}
        """Leases without an answer, by epoch, domain, target and sequence: until when they hold."""
        self._epochs: set[int] = set()
        self.unanswered = 0
        """Leases whose time ran out before any receipt came."""

    @property
    def scans(self) -> ScanFilter:
        """What was held back of what came."""
        return self._scans

    def layout(self) -> Layout:
        """Return the city's assets."""
        return self._layout

    def observe(self, until_ms: int) -> LiveObservation:
        """Wait until an instant and return what was heard meanwhile."""
        self._refuse_when_closed()
        if until_ms <= self._now_ms or self._ended:
            self._hear()
            return self._seen(empty_batch())
        link, lag_ms = self._link, self.params.longest_lag_ms
        while True:
            link.news.clear()
            over_ms = link.over_ms if self.params.ends else None
            if over_ms is not None and over_ms < until_ms:
                break
            if self._clock.now_ms() >= until_ms:
                break
            self._clock.wait(until_ms, link.news)
        if lag_ms is not None and self._clock.now_ms() - until_ms > lag_ms:
            period_ms = self.params.period_ms
            until_ms += (self._clock.now_ms() - until_ms) // period_ms * period_ms
        batch = link.readings(until_ms)
        self._ended = over_ms is not None
        if over_ms is not None:
            heard_ms = int(batch.received_at_ms[-1]) if len(batch) else self._now_ms
            until_ms = min(until_ms, max(over_ms, heard_ms, self._now_ms))
        self._now_ms = until_ms
        self._hear()
        self._give_up(until_ms)
        return self._seen(self._scans.take(batch))

    def apply(self, commands: Sequence[Command]) -> None:
        """Publish leases and wait a bounded time for the field's receipts."""
        self._refuse_when_closed()
        if not commands:
            return
        for command in commands:
            self._epochs.add(command.epoch)
            key = (command.epoch, command.domain, command.target, command.sequence)
            self._waiting[key] = command.not_after_ms
        asked = {(c.epoch, c.domain, c.target, c.sequence) for c in commands}
        self._link.send(commands)
        until_ms = self._clock.now_ms() + self.params.answer_ms
        while True:
            self._link.news.clear()
            self._hear()
            if asked.isdisjoint(self._waiting) or self._clock.now_ms() >= until_ms:
                return
            self._clock.wait(until_ms, self._link.news)

    def close(self) -> None:
        """Let go of the field, which goes on by itself. Safe to call twice."""
        if not self._closed:
            self._closed = True
            self._link.close()

    def _hear(self) -> None:
        """Take the receipts that came; those of another brain's leases are not ours."""
        for epoch, receipt in self._link.receipts():
            if epoch >= 0 and epoch not in self._epochs:
                continue
            key = (receipt.domain, receipt.target, receipt.sequence)
            for of in self._epochs if epoch < 0 else (epoch,):
                self._waiting.pop((of, *key), None)
            self._receipts.append(receipt)

    def _give_up(self, now_ms: int) -> None:
        """Answer for the field where a lease ran out and nothing was heard of it."""
        silent = [key for key, not_after_ms in self._waiting.items() if not_after_ms + 1000 < now_ms]
        for key in silent:
            del self._waiting[key]
            self.unanswered += 1
            _, domain, target, sequence = key
            self._receipts.append(
                Receipt(
                    domain=domain,
                    target=target,
                    sequence=sequence,
                    status=ReceiptStatus.EXPIRED,
                    at_ms=now_ms,
                    detail="the field did not answer",
                )
            )

    def _seen(self, batch: Batch) -> LiveObservation:
        receipts, self._receipts = tuple(self._receipts), []
        return LiveObservation(self._now_ms, batch, receipts, self._ended)

    def _refuse_when_closed(self) -> None:
        if self._closed:
            raise CityError("the live city is closed; open it anew")
