"""Five-minute bins: made from readings, joined with bins of the same five minutes, and given out as roll-ups."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import numpy.typing as npt

from cityloop.kernel.batch import Batch, Quality, empty_batch
from cityloop.kernel.columns import F64, I32, I64
from cityloop.kernel.readings import ROLLUP_MS, RollUps
from cityloop.storage.readings.order import pick, stored_order

__all__ = ["Bins", "bins_of", "concat_bins", "empty_bins", "join_bins", "pick_bins", "rollups_of"]


@dataclass(frozen=True, slots=True)
class Bins:
    """Bins that can be joined: sorted by stream and time, at most one of a stream and time."""

    stream: I32
    begin_ms: I64
    count: I64
    total: F64
    """Sum of the readings."""
    low: F64
    high: F64
    last: F64
    last_at_ms: I64
    """When the last of the readings was observed."""

    def __len__(self) -> int:
        """Return the number of bins."""
        return len(self.stream)


def empty_bins() -> Bins:
    """Return no bins."""
    return bins_of(empty_batch())


def bins_of(batch: Batch) -> Bins:
    """Return the bins of readings in stored order; bad readings and values that are no number are left out."""
    sound = (batch.quality < Quality.BAD) & np.isfinite(batch.value)
    if not sound.all():
        batch = pick(batch, sound)
    begin_ms = batch.observed_at_ms - batch.observed_at_ms % ROLLUP_MS
    first = _first_of_each(batch.stream, begin_ms)
    count = np.diff(np.append(first, len(batch)))
    final = first + count - 1
    return Bins(
        batch.stream[first],
        begin_ms[first],
        count.astype(np.int64),
        _reduce(np.add, batch.value, first),
        _reduce(np.minimum, batch.value, first),
        _reduce(np.maximum, batch.value, first),
        batch.value[final],
        batch.observed_at_ms[final],
    )


def join_bins(parts: Sequence[Bins]) -> Bins:
    """Return the bins of all parts as one; of last readings of one instant the later part's counts."""
    parts = [part for part in parts if len(part)]
    if len(parts) < 2:
        return parts[0] if parts else empty_bins()
    parts = sorted(parts, key=lambda part: int(part.stream[0]))
    if all(one.stream[-1] < other.stream[0] for one, other in pairwise(parts)):
        return concat_bins(parts)
    # Parts that follow one another in time are then already in order within each stream.
    whole = concat_bins(sorted(parts, key=lambda part: int(part.begin_ms[0])))
    whole = pick_bins(whole, stored_order(whole.stream, whole.begin_ms, whole.last_at_ms))
    first = _first_of_each(whole.stream, whole.begin_ms)
    if len(first) == len(whole):
        return whole
    final = np.append(first[1:], len(whole)) - 1
    return Bins(
        whole.stream[first],
        whole.begin_ms[first],
        np.add.reduceat(whole.count, first),
        _reduce(np.add, whole.total, first),
        _reduce(np.minimum, whole.low, first),
        _reduce(np.maximum, whole.high, first),
        whole.last[final],
        whole.last_at_ms[final],
    )


def concat_bins(parts: Sequence[Bins]) -> Bins:
    """Return the bins of all parts one behind the other."""
    if not parts:
        return empty_bins()
    return Bins(*(np.concatenate([getattr(part, name) for part in parts]) for name in Bins.__slots__))


def pick_bins(bins: Bins, rows: npt.NDArray[np.int64] | npt.NDArray[np.bool_] | slice) -> Bins:
    """Return some of the bins, in the order asked for."""
    return Bins(*(getattr(bins, name)[rows] for name in Bins.__slots__))


def rollups_of(bins: Bins) -> RollUps:
    """Return bins as the roll-ups that users see."""
    mean = np.clip(bins.total / np.maximum(bins.count, 1), bins.low, bins.high)
    return RollUps(bins.stream, bins.begin_ms, bins.count, mean, bins.low, bins.high, bins.last)


def _first_of_each(stream: I32, begin_ms: I64) -> npt.NDArray[np.int64]:
    """Return the first row of each stream and bin."""
    if not len(stream):
        return np.empty(0, np.int64)
    new = (stream[1:] != stream[:-1]) | (begin_ms[1:] != begin_ms[:-1])
    return np.concatenate(([0], np.flatnonzero(new) + 1))


def _reduce(operation: np.ufunc, values: F64, first: npt.NDArray[np.int64]) -> F64:
    # reduceat refuses positions of an empty array. A sum beyond all numbers is infinite, its mean then the greatest.
    with np.errstate(over="ignore"):
        return np.asarray(operation.reduceat(values, first) if len(first) else np.empty(0), np.float64)
