"""The newest of readings by stream, in one compiled pass."""

from __future__ import annotations

from numba import njit

from cityloop.kernel.columns import BOOL, F64, I32, I64, U8

__all__ = ["fold_newest"]


@njit(cache=True, nogil=True)
def fold_newest(
    stream: I32,
    observed: I64,
    received: I64,
    value: F64,
    quality: U8,
    known: BOOL,
    held_observed: I64,
    held_received: I64,
    held_value: F64,
    held_quality: U8,
) -> None:
    """Take over each reading than which none held of its stream is newer, in order of arrival.

    Newer is what was observed later, then what was received later, then what stands further behind. Every stream must
    have a row in what is held, and all arrays must be writable, as the pass is compiled for those alone.
    """
    for row in range(len(stream)):
        s, at = stream[row], observed[row]
        if at > held_observed[s] or (at == held_observed[s] and received[row] >= held_received[s]):
            known[s] = True
            held_observed[s] = at
            held_received[s] = received[row]
            held_value[s] = value[row]
            held_quality[s] = quality[row]
