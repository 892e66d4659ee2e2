"""How a block of 5-minute bins is laid out: integers in as few bytes as will do where values are short decimals.

Least and greatest are kept as their distance from the last reading, and the sum as what it differs from the last
reading times the count: in five minutes of one stream little changes, so that these fit into a byte or two.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from cityloop.kernel.columns import F64
from cityloop.kernel.readings import ROLLUP_MS
from cityloop.storage.readings.bins import Bins

__all__ = ["LAYOUTS", "SIGNED", "WIDTHS", "as_numbers", "from_numbers", "layouts_of"]

_AFTER = [("after_low", "<u2"), ("after_high", "u1")]


def _layout(stream: str, number: str, count: str, *values: tuple[str, str]) -> np.dtype[np.void]:
    return np.dtype([("stream", stream), ("bin", number), ("count", count), *_AFTER, *values])


LAYOUTS: tuple[np.dtype[np.void], ...] = (
    _layout("<u2", "<u2", "<u2", ("offset", "<i2"), ("below", "u1"), ("above", "u1"), ("last", "<i2")),
    _layout("<u2", "<u2", "<u2", ("offset", "<i4"), ("below", "<u2"), ("above", "<u2"), ("last", "<i4")),
    _layout("<u4", "<i8", "<u4", ("offset", "<i8"), ("below", "<i8"), ("above", "<i8"), ("last", "<i8")),
    _layout("<u4", "<i8", "<i8", ("total", "<f8"), ("low", "<f8"), ("high", "<f8"), ("last", "<f8")),
)
"""By the number that stands in a file's index, from the narrowest to the one that takes any bin there can be."""

WIDTHS = np.array([[layout[name].itemsize for name in layout.names or ()] for layout in LAYOUTS], np.int64)
"""Bytes of each column, by layout."""

SIGNED = np.array([[layout[name].kind == "i" for name in layout.names or ()] for layout in LAYOUTS], np.int64)
"""Whether each column has a sign, by layout."""

_DOUBLES = len(LAYOUTS) - 1
_MOST_DIGITS = 4
_POWERS = 10.0 ** np.arange(_MOST_DIGITS + 1)
_EXACT = 2.0**53


def layouts_of(bins: Bins, starts: npt.NDArray[np.int64]) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Return for each block, of bins from one start to the next, the narrowest layout and its number of decimals."""
    digits = np.maximum.reduceat(_digits(bins), starts)
    sizes = np.diff(np.append(starts, len(bins)))
    numbers = as_numbers(bins, np.repeat(digits, sizes), starts)
    layout = np.full(len(starts), _DOUBLES, np.int64)
    for candidate in range(_DOUBLES - 1, -1, -1):
        fits = np.ones(len(bins), bool)
        for name in ("stream", "bin", "count", "offset", "below", "above", "last"):
            bounds = np.iinfo(LAYOUTS[candidate][name])
            fits &= (numbers[name] >= bounds.min) & (numbers[name] <= bounds.max)
        layout[np.logical_and.reduceat(fits, starts) & (digits <= _MOST_DIGITS)] = candidate
    return layout, np.where(layout == _DOUBLES, 0, digits)


@np.errstate(over="ignore", invalid="ignore")
def as_numbers(bins: Bins, digits: npt.NDArray[np.int64], starts: npt.NDArray[np.int64]) -> dict[str, npt.NDArray[Any]]:
    """Return the columns of every layout; those of integers mean nothing where there are too many digits."""
    sizes = np.diff(np.append(starts, len(bins)))
    number = bins.begin_ms // ROLLUP_MS
    after = bins.last_at_ms - bins.begin_ms
    scale = 10.0 ** np.minimum(digits, _MOST_DIGITS)
    total, low, high, last = (_rounded(values * scale) for values in (bins.total, bins.low, bins.high, bins.last))
    return {
        "stream": bins.stream.astype(np.int64) - np.repeat(bins.stream[starts], sizes),
        "bin": number - np.repeat(np.minimum.reduceat(number, starts), sizes),
        "count": bins.count,
        "after_low": after & 0xFFFF,
        "after_high": after >> 16,
        "offset": total - bins.count * last,
        "below": last - low,
        "above": high - last,
        "last": last,
    }


def from_numbers(columns: npt.NDArray[np.int64], heads: dict[str, npt.NDArray[np.int64]]) -> Bins:
    """Return bins from the columns of their blocks, one row a column of a layout, and what each bin's block says."""
    stream, number, count, after_low, after_high, first, second, third, fourth = columns
    begin_ms = (number + heads["base"]) * ROLLUP_MS
    scale = _POWERS[heads["digits"]]
    bins = Bins(
        (stream + heads["stream_low"]).astype(np.int32),
        begin_ms,
        count,
        (fourth * count + first) / scale,
        (fourth - second) / scale,
        (fourth + third) / scale,
        fourth / scale,
        begin_ms + after_low + (after_high << 16),
    )
    doubles = np.flatnonzero(heads["layout"] == _DOUBLES)
    if len(doubles):
        for into, bits in ((bins.total, first), (bins.low, second), (bins.high, third), (bins.last, fourth)):
            into[doubles] = bits[doubles].view(np.float64)
    return bins


def _rounded(values: F64) -> npt.NDArray[np.int64]:
    # Values that do not fit are of bins kept as doubles; what stands for them here is never written.
    return np.rint(np.clip(values, -_EXACT, _EXACT)).astype(np.int64)


@np.errstate(over="ignore", invalid="ignore")
def _digits(bins: Bins) -> npt.NDArray[np.int64]:
    """Return how many decimals hold each bin exactly; one more than the most where none does."""
    found = np.full(len(bins), _MOST_DIGITS + 1, np.int64)
    todo = np.arange(len(bins))
    for digits in range(_MOST_DIGITS + 1):
        scale = 10.0**digits
        exact = np.ones(len(todo), bool)
        for values in (bins.low[todo], bins.high[todo], bins.last[todo]):
            scaled = np.rint(values * scale)
            exact &= (np.abs(scaled) < 2.0**31) & (scaled / scale == values)
            # An integer has no minus zero.
            exact &= ~(np.signbit(values) & (values == 0))
        total = bins.total[todo]
        # A sum of decimals has a rounding error of its own, far below the last digit kept.
        exact &= np.abs(np.rint(total * scale) / scale - total) <= 1e-12 * np.maximum(np.abs(total), 1.0)
        exact &= np.abs(total * scale) < _EXACT
        exact &= bins.count[todo] * np.abs(bins.last[todo]) * scale < _EXACT
        found[todo[exact]] = digits
        todo = todo[~exact]
        if not len(todo):
            break
    return found
