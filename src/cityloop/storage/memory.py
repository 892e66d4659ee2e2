"""A store that keeps everything in memory: for tests, and where nothing is to be left behind."""

from __future__ import annotations

from collections.abc import Sequence

from cityloop.kernel.batch import Batch
from cityloop.kernel.errors import StoreError
from cityloop.kernel.journal import DecisionDigest, decision_bytes
from cityloop.kernel.messages import Decision, Receipt

__all__ = ["MemoryStore"]


class MemoryStore:
    """Keeps a run in lists."""

    def __init__(self) -> None:
        self.decisions: list[Decision] = []
        self.readings: list[tuple[int, Batch]] = []
        self.receipts: list[tuple[int, Receipt]] = []
        """With the end of the step that brought each."""
        self.digest = DecisionDigest()
        self._closed = False

    def append_decisions(self, decisions: Sequence[Decision]) -> None:
        """Keep decisions."""
        self._refuse_if_closed()
        self.digest.add(map(decision_bytes, decisions))
        self.decisions.extend(decisions)

    def append_readings(self, now_ms: int, batch: Batch) -> None:
        """Keep a step's readings."""
        self._refuse_if_closed()
        self.readings.append((now_ms, batch))

    def append_receipts(self, receipts: Sequence[Receipt]) -> None:
        """Keep the city's answers under the step last appended."""
        self._refuse_if_closed()
        now_ms = self.readings[-1][0] if self.readings else 0
        self.receipts.extend((now_ms, receipt) for receipt in receipts)

    def close(self) -> None:
        """Take nothing more."""
        self._closed = True

    def _refuse_if_closed(self) -> None:
        if self._closed:
            raise StoreError("The store is closed; nothing more can be appended.")
