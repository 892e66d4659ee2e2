"""The ports. Each has two or three verbs; every adapter passes the shared contract suite."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol, TypeVar, runtime_checkable

from cityloop.kernel.batch import Batch
from cityloop.kernel.layout import Layout
from cityloop.kernel.messages import Command, Decision, Receipt

__all__ = ["City", "Observation", "Solver", "Store"]

P = TypeVar("P", contravariant=True)
R = TypeVar("R", covariant=True)


class Observation(Protocol):
    """What one ``observe`` brings back."""

    @property
    def now_ms(self) -> int:
        """The instant reached."""

    @property
    def batch(self) -> Batch:
        """Readings that arrived since the last call."""

    @property
    def receipts(self) -> Sequence[Receipt]:
        """Answers to commands since the last call."""

    @property
    def ended(self) -> bool:
        """Whether the city has no more time to give (a twin's end, a recording's last record)."""


@runtime_checkable
class City(Protocol):
    """A city: a twin, a street, a recording or a toy. Time passes only inside ``observe``."""

    def layout(self) -> Layout:
        """Return the city's assets; the same value on every call."""

    def observe(self, until_ms: int) -> Observation:
        """Let time pass to ``until_ms`` and return what was sensed. Never goes back in time."""

    def apply(self, commands: Sequence[Command]) -> None:
        """Hand over leases; answers arrive as receipts with a later ``observe``."""

    def close(self) -> None:
        """Release what the city holds. Safe to call twice."""


@runtime_checkable
class Store(Protocol):
    """Where readings and decisions are kept. ``append_decisions`` returns once they cannot be lost to a crash."""

    def append_decisions(self, decisions: Sequence[Decision]) -> None:
        """Journal decisions, before anything acts on them."""

    def append_readings(self, now_ms: int, batch: Batch) -> None:
        """Keep what was sensed in the step that ended at ``now_ms``."""

    def append_receipts(self, receipts: Sequence[Receipt]) -> None:
        """Keep what the city answered."""

    def close(self) -> None:
        """Seal what was written. Safe to call twice."""


class Solver(Protocol[P, R]):
    """A slow method outside the tick. In a twin its budget is iterations; live, ``should_stop`` holds the deadline."""

    def solve(self, problem: P, should_stop: Callable[[int], bool]) -> R:
        """Return the best answer found when ``should_stop(iteration)`` first says so."""
