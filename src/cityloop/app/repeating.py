"""A twin that goes on: when its hours are over it begins anew, while the city's clock runs on."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import msgspec
import numpy as np

from cityloop.kernel.batch import Batch
from cityloop.kernel.errors import CityError
from cityloop.kernel.layout import Layout
from cityloop.kernel.messages import Command, Receipt
from cityloop.kernel.ports import City

__all__ = ["Lap", "RepeatingCity", "Seen"]

_AHEAD_MS = 60_000
"""The next lap's twin is started so long before it is needed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Lap:
    """One twin, and the hours that it has."""

    city: City
    begin_ms: int
    end_ms: int


@dataclass(frozen=True, slots=True)
class Seen:
    """What one ``observe`` brings back, on the city's own clock."""

    now_ms: int
    batch: Batch
    receipts: tuple[Receipt, ...]
    ended: bool
    picture: Mapping[str, bytes] = field(default_factory=dict)


class RepeatingCity:
    """Twins one after the other as one city; owns them.

    Parameters
    ----------
    open_lap
        ``open_lap(number)``: the twin of a lap, ready to run.
    now_ms
        The city's clock at the begin; instants go on from here across laps.
    """

    def __init__(self, open_lap: Callable[[int], Lap], now_ms: int) -> None:
        self._open_lap = open_lap
        self.lap = 1
        self._current = open_lap(1)
        self._layout = self._current.city.layout()
        self._now_ms = now_ms
        self._shift_ms = now_ms - self._current.begin_ms
        self._next: list[Lap | Exception] = []
        self._opening: threading.Thread | None = None
        self._closed = False

    def set_clock(self, now_ms: int) -> None:
        """Let the clock begin at another instant; only before time has passed."""
        self._now_ms = now_ms
        self._shift_ms = now_ms - self._current.begin_ms

    def layout(self) -> Layout:
        """Return the city's assets."""
        return self._layout

    def observe(self, until_ms: int) -> Seen:
        """Let time pass; where a lap is over, the next begins."""
        inner_ms = until_ms - self._shift_ms
        if inner_ms > self._current.end_ms and until_ms > self._now_ms:
            self._turn_over()
            inner_ms = until_ms - self._shift_ms
        elif self._current.end_ms - inner_ms < _AHEAD_MS and self._opening is None:
            self._opening = threading.Thread(target=self._open_next, name="next-lap", daemon=True)
            self._opening.start()
        seen = self._current.city.observe(inner_ms)
        if seen.now_ms + self._shift_ms <= self._now_ms and until_ms > self._now_ms:
            raise CityError(f"the twin's time stands still at {seen.now_ms / 1000:g} s")
        self._now_ms = seen.now_ms + self._shift_ms
        batch = seen.batch
        moved = Batch(
            batch.stream,
            batch.observed_at_ms + np.int64(self._shift_ms),
            batch.received_at_ms + np.int64(self._shift_ms),
            batch.value,
            batch.quality,
        )
        receipts = tuple(
            msgspec.structs.replace(receipt, at_ms=receipt.at_ms + self._shift_ms) for receipt in seen.receipts
        )
        return Seen(self._now_ms, moved, receipts, False, getattr(seen, "picture", {}))

    def apply(self, commands: Sequence[Command]) -> None:
        """Hand over leases, on the lap's own clock."""
        self._current.city.apply(
            [
                msgspec.structs.replace(
                    command,
                    issued_at_ms=command.issued_at_ms - self._shift_ms,
                    not_after_ms=command.not_after_ms - self._shift_ms,
                )
                for command in commands
            ]
        )

    def sim_s(self, now_ms: int) -> tuple[float, int]:
        """Return the twin's own time of day [s], and the lap."""
        return (now_ms - self._shift_ms) / 1000, self.lap

    def close(self) -> None:
        """Close every twin. Safe to call twice."""
        if not self._closed:
            self._closed = True
            if self._opening is not None:
                self._opening.join()
            self._current.city.close()
            for lap in self._next:
                if isinstance(lap, Lap):
                    lap.city.close()

    def _open_next(self) -> None:
        try:
            self._next.append(self._open_lap(self.lap + 1))
        except Exception as error:  # told where it is needed, in the loop's own thread
            self._next.append(error)

    def _turn_over(self) -> None:
        if self._opening is None:
            self._open_next()
        else:
            self._opening.join()
        following = self._next.pop()
        if isinstance(following, Exception):
            raise CityError(f"the next lap of the twin did not start: {following}") from following
        old, self._current = self._current, following
        self._opening = None
        self.lap += 1
        self._shift_ms = self._now_ms - following.begin_ms
        # SUMO writes its last files when it closes; the loop does not wait for them.
        threading.Thread(target=old.city.close, name="last-lap", daemon=True).start()
