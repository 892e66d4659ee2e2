"""Bins of several parts joined on a grid of streams and times: no sorting, one pass a part.

Where most streams have a bin for most of the span, as a city's have, the cells of such a grid are nearly all filled.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from cityloop.kernel.columns import F64, I32, I64
from cityloop.kernel.readings import ROLLUP_MS
from cityloop.methods.cells import join_cells
from cityloop.storage.readings.bins import Bins, empty_bins, join_bins, pick_bins

__all__ = ["join_on_grid"]

_CELLS_PER_BIN = 4
_FEW_CELLS = 65_536


def join_on_grid(parts: Sequence[Bins], streams: I32) -> Bins:
    """Return the bins of all parts as one, sorted by stream and time.

    Parameters
    ----------
    parts
        Each sorted by stream and time, at most one bin of a stream and time in it; of last readings of one instant the
        later part's counts.
    streams
        All streams there may be, ascending.
    """
    parts = [part for part in parts if len(part)]
    if not parts:
        return empty_bins()
    first = min(int(part.begin_ms.min()) for part in parts) // ROLLUP_MS
    times = max(int(part.begin_ms.max()) for part in parts) // ROLLUP_MS - first + 1
    cells = times * len(streams)
    if cells > _CELLS_PER_BIN * sum(len(part) for part in parts) + _FEW_CELLS:
        return join_bins(parts)
    rank = np.zeros(int(streams[-1]) + 1, np.int64)
    rank[streams] = np.arange(len(streams))
    whole = Bins(
        np.repeat(streams, times),
        np.tile((first + np.arange(times)) * ROLLUP_MS, len(streams)),
        np.zeros(cells, np.int64),
        np.empty(cells),
        np.empty(cells),
        np.empty(cells),
        np.empty(cells),
        np.empty(cells, np.int64),
    )
    for part in parts:
        cell = rank[part.stream] * times + (part.begin_ms // ROLLUP_MS - first)
        join_cells(cell, *_summaries(part), *_summaries(whole))
    filled = np.flatnonzero(whole.count)
    return whole if len(filled) == cells else pick_bins(whole, filled)


def _summaries(bins: Bins) -> tuple[I64, F64, F64, F64, F64, I64]:
    columns = (bins.count, bins.total, bins.low, bins.high, bins.last, bins.last_at_ms)
    return tuple(np.ascontiguousarray(column) for column in columns)  # type: ignore[return-value]  # six, one a column
