"""Which readings are let in while more is offered than is taken: fair shares for devices, and a way past for control.

Control traffic is never refused, but only as much of it as its streams declare passes for control: a scan of so many
readings each interval. What a stream says beyond that, and what other readings ride in the same pack, is counted
against the sender's share like any other reading. A pack whose control readings pass and whose others do not is parted.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from cityloop.kernel.columns import BOOL, F64, I32, I64
from cityloop.kernel.readings import Overloaded
from cityloop.sensing.live import grown
from cityloop.sensing.offers import Limits
from cityloop.sensing.pending import Pending
from cityloop.sensing.quality import Watch
from cityloop.sensing.shares import FairShares, first_of_each

__all__ = ["Admission", "Parted"]

_USUAL_INTERVAL_MS = 1000.0
_INTERVALS_SAVED = 10


@dataclass(frozen=True, slots=True)
class Parted:
    """A pack of which only the control readings are taken."""

    refused: BOOL
    """Which of its readings are not."""

    why: Overloaded


class Admission:
    """Owns the shares of devices and the allowances of control streams. Called under the inbox's lock."""

    def __init__(self, limits: Limits, watch: Watch, pending: Pending) -> None:
        self._limits, self._watch, self._pending = limits, watch, pending
        self._shares = FairShares(limits.readings_per_s, limits.burst_s)
        self._credit: F64 = np.zeros(0)
        self._credit_at: I64 = np.zeros(0, np.int64)

    def pack(self, streams: I32, device: int, now_ms: int, *, extra: int = 0, ahead: int = 0) -> Parted | None:
        """Let a pack of one device in, whole or its control readings alone; None when whole.

        Parameters
        ----------
        extra
            Rows of its message that are set aside.
        ahead
            Rows taken already that do not wait for the disk yet.

        Raises
        ------
        Overloaded
            When nothing of it is let in.
        """
        rows = len(streams) + extra
        full = self._pending.rows + ahead + rows > self._limits.pending_rows
        if not full and self._limits.readings_per_s is None:
            return None
        free = self._passes(streams, np.full(len(streams), device, np.int32), now_ms)
        kept = int(np.count_nonzero(free))
        others = rows - kept
        if not others:
            return None
        wait_s = 1.0 if full else self._shares.admit_pack(device, others, now_ms)
        if wait_s <= 0:
            return None
        what = "too much waits for the disk" if full else "more readings than your share"
        if not kept:
            raise Overloaded(f"{what}; nothing was kept, try again in {wait_s:.1f} s", wait_s)
        why = Overloaded(
            f"{what}; its {kept} control readings were kept, the other {others} were not: send those alone again in "
            f"{wait_s:.1f} s",
            wait_s,
            kept=kept,
        )
        return Parted(~free, why)

    def rows(self, streams: I32, devices: I32, now_ms: int) -> BOOL | None:
        """Return which rows of many devices are refused; None when none is."""
        full = self._pending.rows + len(streams) > self._limits.pending_rows
        if not full and self._limits.readings_per_s is None:
            return None
        free = self._passes(streams, devices, now_ms)
        if full:
            return None if free.all() else ~free
        asked = np.flatnonzero(~free & (devices >= 0))
        admitted = self._shares.admit_rows(devices[asked], now_ms)
        if admitted is None:
            return None
        refused = np.zeros(len(streams), np.bool_)
        refused[asked] = ~admitted
        return refused

    def _passes(self, streams: I32, devices: I32, now_ms: int) -> BOOL:
        """Return which rows are control traffic of the sender's own, as much of it as its streams declare."""
        passes = self._watch.is_control(streams)
        rows = np.flatnonzero(passes)
        if not len(rows):
            return passes
        owner, writer = self._watch.owner[streams[rows]], devices[rows]
        # What another says in a stream's name uses up nothing of what the stream may say.
        own = (owner == writer) | (owner == -1) | (writer < 0)
        passes[rows[~own]] = False
        rows = rows[own]
        who, inverse, counts = np.unique(streams[rows], return_inverse=True, return_counts=True)
        self._refill(who, now_ms)
        allowed = np.clip(np.floor(self._credit[who]), 0, counts)
        self._credit[who] -= allowed
        if allowed.sum() < len(rows):
            passes[rows] = first_of_each(inverse, counts, allowed)
        return passes

    def _refill(self, who: I32, now_ms: int) -> None:
        if self._watch.streams > len(self._credit):
            room = len(self._watch.owner)
            self._credit = grown(self._credit, room, 0.0)
            self._credit_at = grown(self._credit_at, room, -1)
        scan = self._limits.control_scan_rows
        most = float(_INTERVALS_SAVED * scan)
        interval_ms = self._watch.interval_ms[who]
        interval_ms = np.clip(np.where(np.isfinite(interval_ms), interval_ms, _USUAL_INTERVAL_MS), 100.0, 10_000.0)
        since_ms = np.maximum(now_ms - self._credit_at[who], 0)
        earned = np.where(self._credit_at[who] < 0, most, since_ms / interval_ms * scan)
        self._credit[who] = np.minimum(self._credit[who] + earned, most)
        self._credit_at[who] = now_ms
