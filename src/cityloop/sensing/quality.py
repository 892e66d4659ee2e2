"""Quality before use: what is held against each reading, and against each stream.

A reading that cannot be true (not a number, out of the declared range, from the future, of another device) is set
aside and never reaches live state or history. One that may be false (a jump, a flat line, a disagreement with its
neighbours, a skewed clock) is kept as suspect. One that is late is kept for history only.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from cityloop.kernel.batch import Batch
from cityloop.kernel.columns import BOOL, F64, I32, I64, U8
from cityloop.kernel.errors import ConfigError
from cityloop.kernel.quarantine import QUARANTINED, Fault
from cityloop.kernel.readings import DataKind
from cityloop.sensing.judging import RING, judge_rows
from cityloop.sensing.live import LiveState, grown

__all__ = ["FAULTS", "KEPT_OUT", "SUSPECT", "Judged", "QualityParams", "Watch", "judge"]

FAULTS = tuple(fault for fault in Fault if fault)
"""Every fault, in the order of its bit."""

KEPT_OUT = np.uint16(QUARANTINED | Fault.DUPLICATE)
"""What keeps a reading out of history."""

SUSPECT = np.uint16(Fault.CLOCK | Fault.FLAT | Fault.JUMP | Fault.DISAGREES)
"""What makes a reading suspect."""


@dataclass(frozen=True, slots=True, kw_only=True)
class QualityParams:
    """When a reading is doubted."""

    earliest_ms: int = 631_152_000_000
    """A reading from before 1990 is of a device whose clock was never set. [ms]"""

    future_ms: int = 60_000
    """Later than now by more than this cannot be. [ms]"""

    skew_ms: int = 2_000
    """Later than now by more than this is a skewed clock. [ms]"""

    flat_count: int = 60
    """Equal readings in a row that make a flat line, if they also last for ``flat_ms``."""

    flat_ms: int = 3_600_000
    """Least duration of a flat line. [ms]"""

    jump_ratio: float = 12.0
    """A change is a jump when it is so many times the stream's usual change."""

    jump_after: int = 30
    """Readings of a stream before its usual change is known."""

    silent_intervals: float = 3.0
    """A stream is silent after so many of its intervals."""

    silent_ms: int = 3_600_000
    """A stream that promises no interval is silent after this. [ms]"""

    bad_share: float = 0.2
    """A stream is faulty when so many of its last 20 or so readings were set aside."""

    def __post_init__(self) -> None:
        if not 0 <= self.skew_ms <= self.future_ms:
            raise ConfigError(f"skew_ms is {self.skew_ms}, must be from 0 to future_ms ({self.future_ms})")
        if self.flat_count < 2 or self.jump_ratio <= 1 or self.jump_after < 2:
            raise ConfigError("flat_count and jump_after must be at least 2, and jump_ratio above 1")


@dataclass(frozen=True, slots=True)
class Judged:
    """What became of a batch."""

    kept: Batch
    """Rows for history, with their quality."""

    fault: npt.NDArray[np.uint16]
    """``Fault`` bits of every row of the batch."""

    observed_at_ms: I64
    """Instants of every row of the batch, arrival where the sender named none. [ms]"""

    made_live: int
    """Rows that became the newest of their stream."""

    def count(self, fault: Fault) -> int:
        """Return how many rows any of the faults is held against."""
        return int(np.count_nonzero(self.fault & np.uint16(fault)))


class Watch:
    """What is remembered of every stream to judge its next reading, and what is declared of it."""

    def __init__(self, params: QualityParams | None = None) -> None:
        self.params = params or QualityParams()
        self.counts: I64 = np.zeros(len(FAULTS), np.int64)
        """Faults found so far, in the order of ``FAULTS``."""

        self.streams = 0
        room = 1024
        self.owner: I32 = np.full(room, -1, np.int32)
        self.low: F64 = np.full(room, -np.inf)
        self.high: F64 = np.full(room, np.inf)
        self.kind: U8 = np.zeros(room, np.uint8)
        self.interval_ms: F64 = np.full(room, np.nan)
        self.run_count: I32 = np.zeros(room, np.int32)
        self.run_since: I64 = np.zeros(room, np.int64)
        self.change_mean = np.zeros(room, np.float32)
        self.seen: I32 = np.zeros(room, np.int32)
        self.bad_mean = np.zeros(room, np.float32)
        self.last_bad = np.zeros(room, np.uint16)
        self.lag_mean = np.zeros(room, np.float32)
        self.ring = np.zeros((room, RING), np.uint64)
        self.disagrees: BOOL = np.zeros(room, np.bool_)

    def grow(self, streams: int) -> None:
        """Make room for so many streams."""
        if streams > len(self.owner):
            fills = {"owner": -1, "low": -np.inf, "high": np.inf, "interval_ms": np.nan}
            for name in _COLUMNS:
                setattr(self, name, grown(getattr(self, name), streams, fills.get(name, 0)))
        self.streams = max(self.streams, streams)

    def declare(self, low: F64, high: F64, kind: U8, interval_s: F64) -> None:
        """Take over what is declared of every stream, in row order."""
        self.grow(len(low))
        self.low[: len(low)] = low
        self.high[: len(low)] = high
        self.kind[: len(low)] = kind
        self.interval_ms[: len(low)] = interval_s * 1000

    def is_control(self, streams: I32) -> BOOL:
        """Return which streams carry safety or command traffic; unknown ones do not."""
        inside = (streams >= 0) & (streams < self.streams)
        control: BOOL = inside & (self.kind[np.where(inside, streams, 0)] == DataKind.CONTROL)
        return control


_COLUMNS = (
    "owner", "low", "high", "kind", "interval_ms", "run_count", "run_since", "change_mean", "seen", "bad_mean",
    "last_bad", "lag_mean", "ring", "disagrees",
)  # fmt: skip


def judge(batch: Batch, writer: I32, watch: Watch, live: LiveState, now_ms: int) -> Judged:
    """Judge a batch and bring the live state up to date.

    Parameters
    ----------
    writer
        Device that sends each row, or one for all rows, as ``Watch.owner`` counts them; -1 may write any stream.
    """
    live.grow(watch.streams)
    params = watch.params
    count = len(batch)
    # Copies, because columns that came in a message are read-only and a compiled pass tells the two apart.
    stream = np.array(batch.stream, np.int32)
    observed = np.array(batch.observed_at_ms, np.int64)
    value = np.array(batch.value, np.float64)
    quality = np.empty(count, np.uint8)
    fault = np.empty(count, np.uint16)
    with live.lock:
        kept_out, made_live = judge_rows(
            now_ms,
            stream,
            observed,
            value,
            value.view(np.uint64),
            writer,
            watch.streams,
            watch.owner,
            watch.low,
            watch.high,
            watch.kind,
            live.value,
            live.observed_at_ms,
            live.received_at_ms,
            live.quality,
            live.fault,
            watch.run_count,
            watch.run_since,
            watch.change_mean,
            watch.seen,
            watch.bad_mean,
            watch.last_bad,
            watch.lag_mean,
            watch.ring,
            watch.disagrees,
            params.earliest_ms,
            params.future_ms,
            params.skew_ms,
            params.flat_count,
            params.flat_ms,
            params.jump_ratio,
            params.jump_after,
            quality,
            fault,
            watch.counts,
        )
    received = np.full(count, now_ms, np.int64)
    kept = Batch(stream, observed, received, value, quality)
    if kept_out:
        rows = np.flatnonzero((fault & KEPT_OUT) == 0)
        kept = Batch(stream[rows], observed[rows], received[rows], value[rows], quality[rows])
    return Judged(kept, fault, observed, int(made_live))
