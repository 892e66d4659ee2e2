"""Readings as parallel arrays: the only currency of sensing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum
from typing import Annotated

import numpy as np

from cityloop.kernel.columns import F64, I32, I64, U8, Column

__all__ = ["Batch", "Quality", "concat", "empty_batch"]


class Quality(IntEnum):
    """What is known against a reading."""

    GOOD = 0
    SUSPECT = 1
    """Kept for history; estimators may use it with less weight."""
    BAD = 2
    """Out of range, or known to be false; never enters live state."""


@dataclass(frozen=True, slots=True)
class Batch:
    """Readings, one a row, in order of arrival.

    Several readings of one stream may share an instant: a detector that scans reports one row per object, nearest
    first, and paired streams (position, speed) of one scan keep the same order.
    """

    stream: Annotated[I32, Column("1", low=0)]
    """Row of the layout's stream table."""

    observed_at_ms: Annotated[I64, Column("ms")]
    """When the detector measured."""

    received_at_ms: Annotated[I64, Column("ms")]
    """When we heard."""

    value: Annotated[F64, Column("stream's own")]
    """The reading, in the unit of its stream kind."""

    quality: Annotated[U8, Column("1", low=0, high=2)]
    """A ``Quality``."""

    def __len__(self) -> int:
        """Return the number of readings."""
        return len(self.stream)


def empty_batch() -> Batch:
    """Return a batch without readings."""
    return Batch(
        np.empty(0, np.int32),
        np.empty(0, np.int64),
        np.empty(0, np.int64),
        np.empty(0, np.float64),
        np.empty(0, np.uint8),
    )


def concat(batches: Sequence[Batch]) -> Batch:
    """Join batches in the order given."""
    if not batches:
        return empty_batch()
    return Batch(
        np.concatenate([b.stream for b in batches]),
        np.concatenate([b.observed_at_ms for b in batches]),
        np.concatenate([b.received_at_ms for b in batches]),
        np.concatenate([b.value for b in batches]),
        np.concatenate([b.quality for b in batches]),
    )
