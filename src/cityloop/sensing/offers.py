"""What is offered to the inbox, how much of it is taken at most, and what became of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from cityloop.kernel.batch import Batch, empty_batch
from cityloop.kernel.columns import BOOL, F64, I32, I64
from cityloop.kernel.errors import ConfigError
from cityloop.kernel.quarantine import QUARANTINED, DeadLetter, Fault
from cityloop.kernel.readings import Overloaded
from cityloop.sensing.quality import KEPT_OUT, SUSPECT

__all__ = ["Limits", "Offer", "Taken", "join", "pick_rows", "plain_batch", "reasons", "shares_of"]


_REASONS = 5
"""Readings set aside that a sender is told the reason of."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What is taken at most."""

    readings_per_s: float | None = None
    """Readings taken a second, shared fairly among devices; None: as many as can be judged and synced."""

    burst_s: float = 1.0
    """How long a device may save up its share. [s]"""

    pending_rows: int = 2_000_000
    """Readings that may wait for the disk before more are refused."""

    message_bytes: int = 4 << 20
    """Largest message or request body. [B]"""

    unpacked_bytes: int = 64 << 20
    """Largest body once unpacked. [B]"""

    letters_per_s: int = 5000
    """Readings set aside that are kept for reading; more are counted only."""

    control_scan_rows: int = 100
    """Readings of a control stream that pass every limit, each interval it declares (0.1 to 10 s; none: 1 s)."""

    drain_rows: int = 2_000_000
    """Readings kept for a live city's next look; the oldest give way."""

    def __post_init__(self) -> None:
        if self.readings_per_s is not None and not self.readings_per_s > 0:
            raise ConfigError(f"readings_per_s is {self.readings_per_s:g}, must be above 0")
        if min(self.pending_rows, self.message_bytes, self.control_scan_rows, self.drain_rows) < 1:
            raise ConfigError("pending_rows, message_bytes, control_scan_rows and drain_rows must be at least 1")


@dataclass(frozen=True, slots=True, kw_only=True)
class Taken:
    """What became of what was submitted."""

    stored: int
    """Rows on their way into history."""

    suspect: int = 0
    late: int = 0
    duplicate: int = 0
    quarantined: int = 0
    refused: BOOL | None = None
    """Of a mixed batch the rows that were over their device's share; None when all were taken."""

    over: Overloaded | None = None
    """Of an offer among others: why all but its control readings were refused."""

    received_at_ms: int = 0
    """When the rows were heard, as they are stored."""

    letters: Sequence[DeadLetter] = ()
    """What was set aside, with the reason: parts of the message first, then rows in the order they came."""

    fault: npt.NDArray[np.uint16] | None = None
    """``Fault`` bits of every row that was judged, in the order they came."""


def reasons(letters: Sequence[DeadLetter]) -> list[str]:
    """Return a few lines that tell a sender why some of its readings were set aside."""
    lines = [f"{letter.stream or 'a row'}: {letter.why}" for letter in letters[:_REASONS]]
    more = len(letters) - len(lines)
    return [*lines, f"and {more} more"] if more else lines


@dataclass(frozen=True, slots=True)
class Offer:
    """One device's readings, among those of others."""

    batch: Batch
    device: int
    """As ``Known.device`` counts."""


def shares_of(taken: Taken, sizes: Sequence[int]) -> list[Taken]:
    """Return what became of each part of a batch, given how many rows each has."""
    if taken.stored == sum(sizes) and not (taken.suspect or taken.late):
        return [Taken(stored=size, received_at_ms=taken.received_at_ms) for size in sizes]
    assert taken.fault is not None
    found, begin, told = [], 0, 0
    for size in sizes:
        fault = taken.fault[begin : begin + size]
        kept = fault & KEPT_OUT == 0
        quarantined = int(np.count_nonzero(fault & np.uint16(QUARANTINED)))
        found.append(
            Taken(
                stored=int(np.count_nonzero(kept)),
                suspect=int(np.count_nonzero(kept & (fault & SUSPECT != 0))),
                late=int(np.count_nonzero(fault & np.uint16(Fault.LATE))),
                duplicate=int(np.count_nonzero(fault & np.uint16(Fault.DUPLICATE))),
                quarantined=quarantined,
                letters=taken.letters[told : told + quarantined],
                received_at_ms=taken.received_at_ms,
                fault=fault,
            )
        )
        begin, told = begin + size, told + quarantined
    return found


def plain_batch(stream: I32, observed_at_ms: I64, value: F64) -> Batch:
    """Return readings as an edge hands them over."""
    # Arrival and quality are set where the batch is judged.
    none = empty_batch()
    return Batch(stream, observed_at_ms, none.received_at_ms, value, none.quality)


def join(columns: Sequence[npt.NDArray[Any]], dtype: type) -> npt.NDArray[Any]:
    """Return columns one behind the other."""
    if len(columns) == 1:
        return columns[0]
    return np.concatenate(columns) if columns else np.empty(0, dtype)


def pick_rows(batch: Batch, rows: I64) -> Batch:
    """Return some readings of a batch whose arrival and quality may not be set yet."""
    received, quality = batch.received_at_ms, batch.quality
    return Batch(
        batch.stream[rows],
        batch.observed_at_ms[rows],
        received[rows] if len(received) else received,
        batch.value[rows],
        quality[rows] if len(quality) else quality,
    )
