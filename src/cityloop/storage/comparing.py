"""A store that keeps nothing and compares: each decision must be the recorded one, byte for byte."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from cityloop.kernel.batch import Batch
from cityloop.kernel.errors import StoreError
from cityloop.kernel.journal import DecisionDigest, decision_bytes
from cityloop.kernel.messages import Decision, Receipt
from cityloop.storage.records import decision_from, first_difference

__all__ = ["ComparingStore"]


_SERVICES = ("emergency", "refuse")
"""Their targets are units, trucks and containers, not junctions."""


class ComparingStore:
    """Reads the recorded decisions along with those made again."""

    def __init__(self, recorded: Iterable[bytes], junctions: Sequence[str]) -> None:
        self._recorded = iter(recorded)
        self._junctions = junctions
        self.digest = DecisionDigest()

    def append_decisions(self, decisions: Sequence[Decision]) -> None:
        """Compare decisions with the recorded ones; raise ``StoreError`` at the first that differs."""
        for decision in decisions:
            again = decision_bytes(decision)
            recorded = next(self._recorded, None)
            if recorded is None:
                raise StoreError(f"{self._where(decision)}: decided again, but the journal ends before it")
            if again != recorded:
                self._raise_difference(recorded, again)
            self.digest.add((again,))

    def append_readings(self, now_ms: int, batch: Batch) -> None:
        """Keep nothing: the readings come from the recording."""

    def append_receipts(self, receipts: Sequence[Receipt]) -> None:
        """Keep nothing: the receipts come from the recording."""

    def close(self) -> None:
        """Keep nothing."""

    def check_end(self) -> None:
        """Raise when the journal holds a decision that was not made again."""
        left = next(self._recorded, None)
        if left is not None:
            raise StoreError(f"{self._where(decision_from(left))}: in the journal, but not decided again")

    def _raise_difference(self, recorded: bytes, again: bytes) -> None:
        field, was, now = first_difference(recorded, again)
        raise StoreError(
            f"{self._where(decision_from(recorded))}, field {field}: the journal says {was!r}, decided again {now!r}"
        )

    def _where(self, decision: Decision) -> str:
        target = decision.proposal.target
        if decision.domain in _SERVICES:
            return f"First decision that differs: {decision.decided_at_ms / 1000:g} s, {decision.domain} {target}"
        name = self._junctions[target] if target < len(self._junctions) else str(target)
        return f"First decision that differs: {decision.decided_at_ms / 1000:g} s, junction {name!r}"
