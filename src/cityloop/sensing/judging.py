"""The compiled pass that judges readings one by one and brings the live state up to date in the same go.

One pass, because each reading is judged by what was live before it: readings of one stream within a batch included.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from numba import njit

from cityloop.kernel.columns import BOOL, F64, I32, I64, U8
from cityloop.kernel.quarantine import QUARANTINED, Fault
from cityloop.kernel.readings import DataKind

__all__ = ["GONE", "RING", "judge_rows"]

U16 = npt.NDArray[np.uint16]
U64 = npt.NDArray[np.uint64]
F32 = npt.NDArray[np.float32]

RING = 8
"""Readings of a stream that a duplicate is looked for among."""

GONE = -2
"""Owner of a row that is no stream's, or no longer."""

NO_INSTANT: int = -(2**63)
_MEASUREMENT = int(DataKind.MEASUREMENT)
_PERSON_POSITION = int(DataKind.PERSON_POSITION)
_CONTROL = int(DataKind.CONTROL)
_NOT_A_NUMBER = int(Fault.NOT_A_NUMBER)
_OUT_OF_RANGE = int(Fault.OUT_OF_RANGE)
_FUTURE = int(Fault.FUTURE)
_ANCIENT = int(Fault.ANCIENT)
_UNKNOWN = int(Fault.UNKNOWN_STREAM)
_NOT_OWN = int(Fault.NOT_OWN_STREAM)
_DUPLICATE = int(Fault.DUPLICATE)
_LATE = int(Fault.LATE)
_CLOCK = int(Fault.CLOCK)
_FLAT = int(Fault.FLAT)
_JUMP = int(Fault.JUMP)
_DISAGREES = int(Fault.DISAGREES)
_QUARANTINED = int(QUARANTINED)
_SUSPECT = int(Fault.CLOCK | Fault.FLAT | Fault.JUMP | Fault.DISAGREES)
_MEMORY = np.float32(0.05)
"""Weight of the newest reading in running means."""


@njit(cache=True, nogil=True)
def judge_rows(
    now_ms: int,
    stream: I32,
    observed: I64,
    value: F64,
    bits: U64,
    writer: I32,
    streams: int,
    owner: I32,
    low: F64,
    high: F64,
    kind: U8,
    live_value: F64,
    live_observed: I64,
    live_received: I64,
    live_quality: U8,
    live_fault: U16,
    run_count: I32,
    run_since: I64,
    change_mean: F32,
    seen: I32,
    bad_mean: F32,
    last_bad: U16,
    lag_mean: F32,
    ring: U64,
    disagrees: BOOL,
    earliest_ms: int,
    future_ms: int,
    skew_ms: int,
    flat_count: int,
    flat_ms: int,
    jump_ratio: float,
    jump_after: int,
    quality: U8,
    fault: U16,
    counts: I64,
) -> tuple[int, int]:
    """Judge readings in order; fill ``quality`` and ``fault``; return (rows kept out of history, rows made live).

    ``observed`` is filled with ``now_ms`` where it is ``NO_INSTANT``. ``writer`` holds the device of each row, or one
    for all; -1 may write any stream. ``bits`` are those of ``value``. ``counts`` adds up faults by bit.
    """
    kept_out = 0
    made_live = 0
    one_writer = len(writer) == 1
    for row in range(len(stream)):
        s = stream[row]
        v = value[row]
        dated = observed[row] != NO_INSTANT
        if not dated:
            observed[row] = now_ms
        at = observed[row]
        wrong = 0
        if s < 0 or s >= streams or owner[s] == GONE:
            wrong |= _UNKNOWN
        else:
            who = writer[0] if one_writer else writer[row]
            if who >= 0 and owner[s] >= 0 and owner[s] != who:
                wrong |= _NOT_OWN
        if not np.isfinite(v):
            wrong |= _NOT_A_NUMBER
        elif wrong == 0 and (v < low[s] or v > high[s]):
            wrong |= _OUT_OF_RANGE
        if at > now_ms + future_ms:
            wrong |= _FUTURE
        elif at < earliest_ms:
            wrong |= _ANCIENT
        if wrong:
            # What another device says in its name is not held against a stream.
            if not wrong & (_UNKNOWN | _NOT_OWN):
                bad_mean[s] += _MEMORY * (np.float32(1) - bad_mean[s])
                last_bad[s] = wrong
            quality[row] = 2
            fault[row] = wrong
            kept_out += 1
            _count(counts, wrong)
            continue
        bad_mean[s] -= _MEMORY * bad_mean[s]
        held = 0
        # A scan of several objects, and a list of places, may well report equal readings of one instant.
        free = kind[s] == _CONTROL or kind[s] == _PERSON_POSITION
        if dated and not free:
            mark = bits[row] * np.uint64(0x9E3779B97F4A7C15) ^ np.uint64(at) * np.uint64(0xC2B2AE3D27D4EB4F)
            mark |= np.uint64(1)
            repeated = False
            for place in range(RING):
                repeated = repeated or ring[s, place] == mark
            if repeated:
                quality[row] = 0
                fault[row] = _DUPLICATE
                kept_out += 1
                _count(counts, _DUPLICATE)
                continue
            for place in range(RING - 1):
                ring[s, place] = ring[s, place + 1]
            ring[s, RING - 1] = mark
            lag_mean[s] += _MEMORY * (np.float32(now_ms - at) - lag_mean[s])
        if at > now_ms + skew_ms:
            held |= _CLOCK
        if disagrees[s]:
            held |= _DISAGREES
        newest = at >= live_observed[s]
        if not newest:
            held |= _LATE
        elif kind[s] == _MEASUREMENT:
            # What stands still and then drives off is no faulty sensor.
            change = abs(v - live_value[s])
            if seen[s] > 0:
                mean = float(change_mean[s])
                if seen[s] >= jump_after and mean > 0.0 and change > jump_ratio * mean:
                    held |= _JUMP
                # One wild value must not make the next ones look usual.
                learnt = min(change, 20.0 * mean) if seen[s] > 20 else change
                change_mean[s] += _MEMORY * np.float32(learnt - mean)
            if change == 0.0:
                run_count[s] += 1
                # Nothing to say is said as zero for days by rain gauges and counters at night.
                if run_count[s] >= flat_count and at - run_since[s] >= flat_ms and v != 0.0:
                    held |= _FLAT
            else:
                run_count[s] = 1
                run_since[s] = at
            seen[s] += 1
        suspect = held & _SUSPECT != 0
        quality[row] = 1 if suspect else 0
        fault[row] = held
        if held:
            _count(counts, held)
        if newest:
            live_value[s] = v
            live_observed[s] = at
            live_received[s] = now_ms
            live_quality[s] = quality[row]
            live_fault[s] = held
            made_live += 1
    return kept_out, made_live


@njit(cache=True, nogil=True)
def _count(counts: I64, faults: int) -> None:
    for bit in range(len(counts)):
        if faults >> bit & 1:
            counts[bit] += 1
