"""The city's clock, as a port: a live city waits, and what it waits by is given to it."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Protocol

from cityloop.kernel.errors import ConfigError

__all__ = ["Clock", "PacedClock"]


def _wall_ms() -> int:
    """Return the wall clock, in UTC. [ms]"""
    return time.time_ns() // 1_000_000


class Clock(Protocol):
    """Tells the city's time, and waits by it."""

    def now_ms(self) -> int:
        """Return the city's instant. [ms]"""

    def wait(self, until_ms: int, happened: threading.Event) -> None:
        """Return at an instant, or sooner when something happened."""


class PacedClock:
    """The wall clock, or one that runs so many times as fast from an agreed instant on.

    Two processes with the same pace and origin have the same city time without a word between them. A real city has
    pace 1; more is for trying a field that is simulated.
    """

    def __init__(self, pace: float = 1.0, origin_ms: int = 0, wall: Callable[[], int] = _wall_ms) -> None:
        if not 0.01 <= pace <= 1000:
            raise ConfigError(f"pace is {pace:g}, must be 0.01 to 1000 seconds of the city's a second")
        self.pace = pace
        self.origin_ms = origin_ms
        self._wall = wall

    def now_ms(self) -> int:
        """Return the city's instant. [ms]"""
        wall = self._wall()
        return wall if self.pace == 1.0 else self.origin_ms + int((wall - self.origin_ms) * self.pace)

    def wait_s(self, until_ms: int) -> float:
        """Return how long it takes until an instant, 0 where it is past. [s]"""
        return max(0.0, (until_ms - self.now_ms()) / 1000 / self.pace)

    def wait(self, until_ms: int, happened: threading.Event) -> None:
        """Return at an instant, or sooner when something happened."""
        while True:
            left_s = self.wait_s(until_ms)
            if left_s <= 0 or happened.wait(left_s):
                return
