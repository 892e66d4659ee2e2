"""The order of stored readings: by stream, then by when they were observed, then by when they were received."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

from cityloop.kernel.batch import Batch
from cityloop.kernel.columns import I32, I64

__all__ = ["clip_instants", "is_sorted", "pick", "sorted_batch", "sorted_slices", "span_mask", "stored_order"]


def sorted_batch(batch: Batch) -> Batch:
    """Return the readings in stored order; those that are alike in all three stay in order of arrival."""
    return pick(batch, stored_order(batch.stream, batch.observed_at_ms, batch.received_at_ms))


def sorted_slices(batch: Batch, among: npt.NDArray[np.bool_], slice_rows: int) -> Iterator[Batch]:
    """Yield some readings in stored order, whole streams at a time.

    Parameters
    ----------
    among
        Which readings are wanted.
    slice_rows
        Readings in a slice, and those of one stream more: what is copied and sorted at a time.
    """
    below = np.cumsum(np.bincount(batch.stream[among]))
    if not len(below):
        return
    full = np.searchsorted(below, np.arange(slice_rows, int(below[-1]), slice_rows)) + 1
    low = 0
    for high in np.unique([*full.tolist(), len(below)]).tolist():
        rows = np.flatnonzero(among & (batch.stream >= low) & (batch.stream < high))
        if len(rows):
            yield sorted_batch(pick(batch, rows))
        low = high


def is_sorted(batch: Batch) -> bool:
    """Tell whether readings are in stored order."""
    stream = batch.stream
    return not ((stream[1:] < stream[:-1]).any() or _late(stream, batch.observed_at_ms, batch.received_at_ms).any())


def pick(batch: Batch, rows: npt.NDArray[np.int64] | npt.NDArray[np.bool_] | slice) -> Batch:
    """Return some rows of a batch, in the order asked for."""
    return Batch(
        batch.stream[rows],
        batch.observed_at_ms[rows],
        batch.received_at_ms[rows],
        batch.value[rows],
        batch.quality[rows],
    )


def span_mask(observed_at_ms: I64, begin_ms: int, end_ms: int) -> npt.NDArray[np.bool_]:
    """Return which instants lie from ``begin_ms`` up to but not including ``end_ms``."""
    begin_ms, end_ms = clip_instants(begin_ms, end_ms)
    mask: npt.NDArray[np.bool_] = (observed_at_ms >= begin_ms) & (observed_at_ms < end_ms)
    return mask


def clip_instants(*instants_ms: int) -> tuple[int, ...]:
    """Return instants as they fit into 64 bits: a span may be asked for without bounds."""
    bounds = np.iinfo(np.int64)
    return tuple(min(max(int(instant), int(bounds.min)), int(bounds.max)) for instant in instants_ms)


def stored_order(stream: I32, observed: I64, received: I64) -> npt.NDArray[np.int64]:
    """Return the rows in stored order; those that are alike in all three stay as they came."""
    # NumPy sorts 16-bit integers by radix: two passes over the halves of the row number are four times faster than one
    # sort of the whole, and readings mostly arrive in time order already.
    low = np.argsort((stream & 0xFFFF).astype(np.uint16), kind="stable")
    order: npt.NDArray[np.int64] = low
    if len(stream) and int(stream.max()) > 0xFFFF:
        order = low[np.argsort((stream[low] >> 16).astype(np.uint16), kind="stable")]
    by_stream = stream[order]
    late = _late(by_stream, observed[order], received[order])
    if late.any():
        # Only streams with a reading out of order are sorted by time.
        mixed = np.zeros(int(by_stream[-1]) + 1, bool)
        mixed[by_stream[1:][late]] = True
        rows = np.flatnonzero(mixed[by_stream])
        part = order[rows]
        order[rows] = part[np.lexsort((received[part], observed[part], stream[part]))]
    return order


def _late(stream: I32, observed: I64, received: I64) -> npt.NDArray[np.bool_]:
    """Return which rows, from the second on, stand behind a later row of their stream."""
    same = stream[1:] == stream[:-1]
    earlier = observed[1:] < observed[:-1]
    tied = (observed[1:] == observed[:-1]) & (received[1:] < received[:-1])
    late: npt.NDArray[np.bool_] = same & (earlier | tied)
    return late
