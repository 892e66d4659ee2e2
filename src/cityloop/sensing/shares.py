"""How much each device may send while more is offered than is taken: equal shares, and what some leave goes to others.

Every second the level is set anew at which the devices' demands, each cut at the level, add up to the rate: max-min
fairness, as water finds its level [1]_. A device whose credit is above zero may send a whole pack and goes into debt
for it, so that large packs pass at small rates too.

References
----------
.. [1] Bertsekas, D., Gallager, R. (1992). Data Networks, 2nd ed., section 6.5.2. Prentice Hall.
"""

from __future__ import annotations

import numpy as np

from cityloop.kernel.columns import BOOL, F64, I32, I64
from cityloop.sensing.live import grown

__all__ = ["FairShares", "first_of_each", "water_level"]

_EPOCH_MS = 1000


class FairShares:
    """Credit of every device, by its number."""

    def __init__(self, rate_per_s: float | None, burst_s: float = 1.0) -> None:
        self.rate_per_s = rate_per_s
        self._burst_s = burst_s
        self._level = rate_per_s or 0.0
        self._total = (rate_per_s or 0.0) * burst_s
        self._total_at = -1
        self._epoch = -1
        self._credit: F64 = np.zeros(256)
        self._credit_at: I64 = np.full(256, -1, np.int64)
        self._offered: I64 = np.zeros(256, np.int64)

    def admit_pack(self, device: int, rows: int, now_ms: int) -> float:
        """Take a pack whole, or say after how many seconds it is worth trying again; 0 when taken."""
        if self.rate_per_s is None:
            return 0.0
        self._pass_time(device + 1, now_ms)
        self._offered[device] += rows
        self._refill(np.array([device], np.int32), now_ms)
        # A large pack of one device may leave nothing for a moment. Whoever keeps more than half of what it may save up
        # does not wait for that: what it takes then is paid back by those that send more.
        modest = self._credit[device] - rows >= self._cap() / 2
        most_debt = self.rate_per_s * self._burst_s if modest else 0.0
        if self._credit[device] > 0 and self._total > -most_debt:
            self._credit[device] -= rows
            self._total -= rows
            return 0.0
        wait_s = max((1 - self._credit[device]) / max(self._level, 1e-3), (1 - self._total) / self.rate_per_s)
        return float(min(max(wait_s, 0.05), 60.0))

    def admit_rows(self, devices: I32, now_ms: int) -> BOOL | None:
        """Return which rows, each of a device, are taken; None when all are."""
        if self.rate_per_s is None or not len(devices):
            return None
        self._pass_time(int(devices.max()) + 1, now_ms)
        who, inverse, rows = np.unique(devices, return_inverse=True, return_counts=True)
        self._offered[who] += rows
        self._refill(who, now_ms)
        allowed = np.clip(np.floor(self._credit[who]), 0, rows)
        taken = allowed.sum()
        room = max(self._total, 0.0)
        if taken > room:
            # Small demands are met first, here as over time; what is left of rounding goes to the first.
            cut = np.minimum(allowed, np.floor(water_level(allowed[allowed > 0], room)))
            more = np.flatnonzero(allowed > cut)[: int(room - cut.sum())]
            cut[more] += 1
            allowed, taken = cut, cut.sum()
        self._credit[who] -= allowed
        self._total -= taken
        if taken == len(devices):
            return None
        return first_of_each(inverse, rows, allowed)

    def _pass_time(self, devices: int, now_ms: int) -> None:
        assert self.rate_per_s is not None
        if devices > len(self._credit):
            self._credit = grown(self._credit, devices, 0.0)
            self._credit_at = grown(self._credit_at, devices, -1)
            self._offered = grown(self._offered, devices, 0)
        if self._total_at < 0:
            self._total_at = self._epoch = now_ms
        passed_s = max(0, now_ms - self._total_at) / 1000
        self._total = min(self._total + passed_s * self.rate_per_s, self.rate_per_s * self._burst_s)
        self._total_at = now_ms
        if now_ms - self._epoch >= _EPOCH_MS:
            demand = self._offered / ((now_ms - self._epoch) / 1000)
            self._level = water_level(demand[demand > 0], self.rate_per_s)
            self._offered[:] = 0
            self._epoch = now_ms

    def _cap(self) -> float:
        """Return what a device may save up."""
        return max(self._level * self._burst_s, 1.0)

    def _refill(self, who: I32, now_ms: int) -> None:
        cap = self._cap()
        fresh = self._credit_at[who] < 0
        passed_s = np.where(fresh, self._burst_s, (now_ms - self._credit_at[who]) / 1000)
        self._credit[who] = np.minimum(self._credit[who] + np.maximum(passed_s, 0) * self._level, cap)
        self._credit_at[who] = now_ms


def first_of_each(inverse: I64, rows: I64, allowed: F64) -> BOOL:
    """Return which rows are among the first of their sender that are allowed.

    Parameters
    ----------
    inverse
        Which sender each row is of, in order of arrival.
    rows
        How many rows each sender has.
    allowed
        How many of them pass.
    """
    order = np.argsort(inverse, kind="stable")
    rank = np.empty(len(inverse), np.int64)
    rank[order] = np.arange(len(inverse)) - np.repeat(np.cumsum(rows) - rows, rows)
    first: BOOL = rank < allowed[inverse]
    return first


def water_level(demand: F64, rate: float) -> float:
    """Return the level at which demands, each cut at it, add up to the rate; the rate when they fit below it."""
    if demand.sum() <= rate:
        return rate
    rising = np.sort(demand)
    below = np.concatenate([[0.0], np.cumsum(rising)[:-1]])
    left = len(rising) - np.arange(len(rising))
    # The least demand that would have to be cut: those below it are served whole, the rest share what remains.
    cut = int(np.argmax(below + rising * left >= rate))
    return float((rate - below[cut]) / left[cut])
