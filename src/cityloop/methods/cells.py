"""Summaries joined cell by cell: how many, their sum, least, greatest and last, in one compiled pass a part."""

from __future__ import annotations

from numba import njit

from cityloop.kernel.columns import F64, I64

__all__ = ["join_cells"]


@njit(cache=True, nogil=True)
def join_cells(
    cell: I64,
    count: I64,
    total: F64,
    low: F64,
    high: F64,
    last: F64,
    last_at_ms: I64,
    into_count: I64,
    into_total: F64,
    into_low: F64,
    into_high: F64,
    into_last: F64,
    into_last_at_ms: I64,
) -> None:
    """Join summaries with those of their cells, of which an empty one has the count 0.

    Of two that end at one instant the later row's last value stands.
    """
    for row in range(len(cell)):
        at = cell[row]
        if into_count[at] == 0:
            into_count[at] = count[row]
            into_total[at] = total[row]
            into_low[at] = low[row]
            into_high[at] = high[row]
            into_last[at] = last[row]
            into_last_at_ms[at] = last_at_ms[row]
            continue
        into_count[at] += count[row]
        into_total[at] += total[row]
        into_low[at] = min(into_low[at], low[row])
        into_high[at] = max(into_high[at], high[row])
        if last_at_ms[row] >= into_last_at_ms[at]:
            into_last[at] = last[row]
            into_last_at_ms[at] = last_at_ms[row]
