"""The journal's records: canonical bytes of decisions, and their digest.

Canonical means: msgpack of the decision as declared, in journal order, without outcomes, paths or wall times. Two runs
that decided alike have the same digest, whatever machine they ran on.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable

import msgspec

from cityloop.kernel.messages import Decision

__all__ = ["DecisionDigest", "decision_bytes"]

_ENCODER = msgspec.msgpack.Encoder()

_HASHED_AT_ONCE_BYTES = 1 << 14
"""Records wait until there are so many bytes of them: hashing a few hundred costs more in the call than in the work."""


def decision_bytes(decision: Decision) -> bytes:
    """Return the canonical bytes of one decision."""
    return _ENCODER.encode(decision)


class DecisionDigest:
    """SHA-256 over the canonical bytes of a run's decisions, fed as they are made."""

    __slots__ = ("_sha", "_waiting", "count")

    def __init__(self) -> None:
        self._sha = hashlib.sha256()
        self._waiting = bytearray()
        self.count = 0

    def add(self, records: Iterable[bytes]) -> None:
        """Take the canonical bytes of further decisions, in order."""
        for record in records:
            self.add_joined(record, 1)

    def add_joined(self, records: bytes, count: int) -> None:
        """Take the same, one after the other in one piece."""
        self._waiting += records
        self.count += count
        if len(self._waiting) >= _HASHED_AT_ONCE_BYTES:
            self._hash()

    def _hash(self) -> None:
        self._sha.update(self._waiting)
        self._waiting.clear()

    def hexdigest(self) -> str:
        """Return the digest so far."""
        self._hash()
        return self._sha.hexdigest()
