"""Instants of sensors that report at an even pace: where each stands on its stream's grid, and how far off it.

An instant that jitters about an even pace carries a few bits that nobody could guess. Kept as one number it takes twice
their room, because the step back in time from one stream's end to the next one's begin spoils the differences of a
hundred rows around it. Kept as two, the grid takes next to nothing and the rest what it is worth.
"""

from __future__ import annotations

import numpy as np

from cityloop.kernel.columns import I32, I64

__all__ = ["off_grid_ms"]

_LEAST_ROWS = 4
"""Readings of a stream from which its pace can be told."""
_SAMPLES = 16
_WHOLE_MS = 1000
"""A pace is a number of whole seconds."""


def off_grid_ms(stream: I32, observed_at_ms: I64) -> I32:
    """Return how far each instant lies from the even grid of its stream; 0 where a stream keeps no pace.

    Parameters
    ----------
    stream, observed_at_ms
        Sorted by stream and time, shape (n,).

    Notes
    -----
    A stream's pace is the median of some of its differences, its phase the rounded median of some of its rests.
    Readings left out do not matter; a stream with one instant farther off than a quarter of its pace keeps none.
    """
    off: I64 = np.zeros(len(stream), np.int64)
    if not len(stream):
        return off.astype(np.int32)
    starts = np.flatnonzero(np.r_[True, stream[1:] != stream[:-1]])
    counts = np.diff(np.r_[starts, len(stream)])
    enough = counts >= _LEAST_ROWS
    last = np.maximum(counts - 1, 1)
    places = starts[:, None] + (np.arange(_SAMPLES) * last[:, None]) // _SAMPLES
    after = np.minimum(places + 1, len(stream) - 1)
    middle = _SAMPLES // 2
    pace = np.sort(observed_at_ms[after] - observed_at_ms[places], axis=1)[:, middle]
    pace = (pace + _WHOLE_MS // 2) // _WHOLE_MS * _WHOLE_MS
    keeps = enough & (pace >= _WHOLE_MS) & (pace < 2**31)
    pace = np.where(keeps, pace, 1)
    first = observed_at_ms[starts]
    rests = _rest(observed_at_ms[places] - first[:, None], pace[:, None])
    phase = first + np.sort(rests, axis=1)[:, middle]
    # To a round instant, so that streams of one pace step from one to the next alike, and that repeats.
    round_ms = np.maximum(np.minimum(pace // 8, _WHOLE_MS), 1)
    phase = (phase + round_ms // 2) // round_ms * round_ms
    off = _rest(observed_at_ms - np.repeat(phase, counts), np.repeat(pace, counts))
    keeps &= np.maximum.reduceat(np.abs(off), starts) <= pace // 4
    off[~np.repeat(keeps, counts)] = 0
    return off.astype(np.int32)


def _rest(span_ms: I64, pace: I64) -> I64:
    half = pace // 2
    rest: I64 = (span_ms + half) % pace - half
    return rest
