"""A sender that keeps its own record of what it offered and what was acknowledged, for the checker."""

from __future__ import annotations

import zlib
from pathlib import Path

import numpy as np

from cityloop.kernel.batch import Batch

__all__ = ["Sender", "numbered_batch"]

_PLACES = 4096


def numbered_batch(number: int, rng: np.random.Generator, streams: int, now_ms: int) -> Batch:
    """Return a batch whose values tell its number, with jittered instants and some readings late or out of order."""
    rows = int(rng.integers(1, 200))
    observed = now_ms - rng.integers(0, 2_000, rows)
    late = rng.random(rows) < 0.02
    observed[late] -= rng.integers(0, 3 * 86_400_000, int(late.sum()))
    return Batch(
        rng.integers(0, streams, rows).astype(np.int32),
        observed.astype(np.int64),
        np.full(rows, now_ms, np.int64),
        float(number * _PLACES) + np.arange(rows, dtype=np.float64),
        rng.integers(0, 3, rows).astype(np.uint8),
    )


class Sender:
    """Owns the record, a text file that the checker reads."""

    def __init__(self, record: Path) -> None:
        self._file = record.open("a", encoding="ascii", buffering=1)
        self.acknowledged = 0

    def offer(self, number: int, batch: Batch) -> None:
        """Write down a batch before it is offered."""
        check = 0
        for column in (batch.stream, batch.observed_at_ms, batch.received_at_ms, batch.value, batch.quality):
            check = zlib.crc32(column.tobytes(), check)
        self._file.write(f"offered {number} {len(batch)} {check}\n")

    def acknowledge(self, number: int) -> None:
        """Write down that a batch was acknowledged."""
        self._file.write(f"acknowledged {number}\n")
        self.acknowledged += 1

    def close(self) -> None:
        """Close the record."""
        self._file.close()
