"""What is held against a reading, and the port of the store that keeps what was not let in.

Bad telemetry is never raised and never silently dropped: it is counted by fault, set aside as a dead letter with the
reason, and can be read and admitted again once the cause is mended.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import IntFlag
from typing import Protocol, runtime_checkable

__all__ = ["QUARANTINED", "DeadLetter", "DeadLetters", "Fault"]


class Fault(IntFlag):
    """What is held against a reading or a stream; several may hold at once."""

    NONE = 0
    NOT_A_NUMBER = 1
    """NaN or infinite."""
    OUT_OF_RANGE = 2
    """Outside the range that its stream declares."""
    FUTURE = 4
    """Observed later than any clock skew that is put up with."""
    ANCIENT = 8
    """Observed so long ago that the device's clock cannot have been set."""
    UNKNOWN_STREAM = 16
    """No stream has this name."""
    NOT_OWN_STREAM = 32
    """The stream belongs to another device."""
    WRONG_UNIT = 64
    """The message names another unit than the stream declares, and none that it can be converted from."""
    UNREADABLE = 128
    """The message cannot be read as what it says it is."""
    DUPLICATE = 256
    """The same reading was taken in already."""
    LATE = 512
    """Older than the newest of its stream: kept for history only."""
    CLOCK = 1024
    """The device's clock is off by more than a little."""
    FLAT = 2048
    """The stream repeats one value for too long."""
    JUMP = 4096
    """The value is further from the last one than the stream's own changes explain."""
    DISAGREES = 8192
    """The neighbours that measure the same say otherwise."""
    SILENT = 16384
    """Nothing has been heard for several of the stream's intervals."""


QUARANTINED = (
    Fault.NOT_A_NUMBER
    | Fault.OUT_OF_RANGE
    | Fault.FUTURE
    | Fault.ANCIENT
    | Fault.UNKNOWN_STREAM
    | Fault.NOT_OWN_STREAM
    | Fault.WRONG_UNIT
    | Fault.UNREADABLE
)
"""Faults that keep a reading out of history and live state."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DeadLetter:
    """A reading, or a whole message, that was not let in."""

    fault: Fault
    device: str
    received_at_ms: int
    stream: str = ""
    """External name of the stream, empty when the message was not understood so far."""

    observed_at_ms: int = 0
    value: float = float("nan")
    raw: bytes = b""
    """Begin of a message that could not be read."""

    why: str = ""
    """One line for a person."""

    number: int = 0
    """Given by the store."""


@runtime_checkable
class DeadLetters(Protocol):
    """A bounded, durable store of what was not let in. Any thread may call it."""

    def append(self, letters: Sequence[DeadLetter], done: Callable[[Exception | None], None]) -> None:
        """Queue letters; ``done`` is told once they would survive a power cut. Never waits."""

    def read(self, *, after: int = 0, limit: int = 1000, fault: Fault = Fault.NONE) -> list[DeadLetter]:
        """Return letters in order of arrival, those numbered above ``after``, of any of the faults (none: of all)."""

    def remove(self, numbers: Sequence[int]) -> int:
        """Forget letters, because they were admitted again or given up; return how many there were."""

    def count(self) -> int:
        """Return how many letters are kept."""

    def close(self) -> None:
        """Write what waits. Safe to call twice."""
