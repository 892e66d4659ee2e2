"""A recording as a city: what was sensed and answered then is sensed and answered again.

The recording is handed over as steps, so that this adapter knows no file format.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from cityloop.kernel.batch import Batch, concat
from cityloop.kernel.errors import CityError
from cityloop.kernel.layout import Layout
from cityloop.kernel.messages import Command, Receipt

__all__ = ["ReplayCity", "ReplayObservation"]


@dataclass(frozen=True, slots=True)
class ReplayObservation:
    """What one ``observe`` brings back."""

    now_ms: int
    batch: Batch
    receipts: tuple[Receipt, ...]
    ended: bool


class ReplayCity:
    """Plays recorded steps through the City port.

    Parameters
    ----------
    layout
        As recorded.
    readings
        ``(now_ms, batch)`` a step, in order of time.
    receipts
        ``(now_ms, receipt)``, with the end of the step that brought each, in order of time.
    begin_ms
        When the recording begins.
    """

    def __init__(
        self,
        layout: Layout,
        readings: Iterable[tuple[int, Batch]],
        receipts: Iterable[tuple[int, Receipt]],
        begin_ms: int,
    ) -> None:
        self._layout = layout
        self._readings = iter(readings)
        self._receipts = iter(receipts)
        self._now_ms = begin_ms
        self._next_step = next(self._readings, None)
        self._next_receipt = next(self._receipts, None)
        self._closed = False

    def layout(self) -> Layout:
        """Return the recorded assets."""
        return self._layout

    def observe(self, until_ms: int) -> ReplayObservation:
        """Return the recorded steps that ended no later than ``until_ms``, as one."""
        self._refuse_when_closed()
        batches: list[Batch] = []
        while self._next_step is not None and self._next_step[0] <= until_ms:
            self._now_ms, batch = self._next_step
            batches.append(batch)
            self._next_step = next(self._readings, None)
        receipts: list[Receipt] = []
        while self._next_receipt is not None and self._next_receipt[0] <= self._now_ms:
            receipts.append(self._next_receipt[1])
            self._next_receipt = next(self._receipts, None)
        return ReplayObservation(self._now_ms, concat(batches), tuple(receipts), self._next_step is None)

    def apply(self, commands: Sequence[Command]) -> None:
        """Do nothing: what became of the commands is in the recording."""
        self._refuse_when_closed()

    def close(self) -> None:
        """Let go of the recording."""
        self._closed = True
        self._next_step = self._next_receipt = None

    def _refuse_when_closed(self) -> None:
        if self._closed:
            raise CityError("the recording is closed; open it anew")
