"""What becomes of calls after they were taken: upgraded, downgraded, called off, or found to be one with another."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace

import numpy as np

from cityloop.cities.events.calls import Calls, take_calls
from cityloop.cities.events.case import EmergencyCase, snap
from cityloop.domains.emergency.schema import CallChange
from cityloop.kernel.columns import I32, I64
from cityloop.kernel.errors import ConfigError

__all__ = ["ChangeShares", "Changes", "draw_changes"]

MINUTE_MS = 60_000


@dataclass(frozen=True, slots=True)
class Changes:
    """Changes of calls, one row a change; nobody knows of one before it happens."""

    at_ms: I64
    call: I64
    kind: I32
    """A ``CallChange``."""
    priority: I32
    """The new one, where it changes."""
    of: I64
    """The call that a duplicate is one with, -1 otherwise."""

    def __len__(self) -> int:
        """Return the number of changes."""
        return len(self.at_ms)


@dataclass(frozen=True, slots=True)
class ChangeShares:
    """How often calls change; made up, for a service has its own."""

    upgraded: float = 0.05
    """Of calls of lower priority, to the highest."""
    downgraded: float = 0.08
    """Of calls of high priority, to the next lower."""
    cancelled: float = 0.06
    duplicated: float = 0.05
    """So many calls are told a second time, from near by, and found out after a while."""
    after_min: float = 3.0
    """From the earliest dispatch to the change, in the mean. [min]"""

    def __post_init__(self) -> None:
        """Refuse what is no share."""
        shares = (self.upgraded, self.downgraded, self.cancelled, self.duplicated)
        if min(shares) < 0.0 or max(shares) > 1.0 or self.after_min <= 0.0:
            raise ConfigError(f"Changes of calls: shares {shares}, after {self.after_min} min: must be 0 to 1, > 0.")


def draw_changes(
    case: EmergencyCase, calls: Calls, seed: int, shares: ChangeShares = ChangeShares()
) -> tuple[Calls, Changes]:
    """Draw what becomes of calls, and add those that will turn out to be another one told again.

    Returns the calls, in order of arrival, and the changes by their rows.
    """
    rng = np.random.default_rng([seed, 23])
    n = len(calls)
    high = calls.priority <= case.high_until
    lowest = int(calls.priority.max(initial=1))
    chance, after_ms = rng.random(n), rng.exponential(shares.after_min * MINUTE_MS, n).astype(np.int64)
    # One draw decides for all kinds, so that no call changes twice.
    cancelled = chance < shares.cancelled
    changed = ~cancelled & (chance < shares.cancelled + np.where(high, shares.downgraded, shares.upgraded))
    changed &= lowest > case.high_until
    again = np.flatnonzero(rng.random(n) < shares.duplicated)
    second = _told_again(case, calls, again, rng)
    found_ms = second.ready_ms + rng.exponential(shares.after_min * MINUTE_MS, len(again)).astype(np.int64)
    both = Calls(**{f.name: np.concatenate((getattr(calls, f.name), getattr(second, f.name))) for f in fields(Calls)})
    order = np.argsort(both.received_ms, kind="stable")
    row = np.empty(len(order), np.int64)
    row[order] = np.arange(len(order))
    own = np.flatnonzero(cancelled | changed)
    kind = np.where(
        cancelled[own],
        int(CallChange.CANCELLED),
        np.where(high[own], int(CallChange.DOWNGRADED), int(CallChange.UPGRADED)),
    )
    to = np.where(high[own], case.high_until + 1, 1)
    changes = Changes(
        at_ms=np.concatenate(((calls.ready_ms + after_ms)[own], found_ms)),
        call=np.concatenate((row[own], row[n:])),
        kind=np.concatenate((kind, np.full(len(again), int(CallChange.DUPLICATE)))).astype(np.int32),
        priority=np.concatenate((np.minimum(to, lowest), second.priority)).astype(np.int32),
        of=np.concatenate((np.full(len(own), -1), row[again])).astype(np.int64),
    )
    return take_calls(both, order), changes


def _told_again(case: EmergencyCase, calls: Calls, rows: I64, rng: np.random.Generator) -> Calls:
    """Return second calls about some of the calls, from a few steps away and a little later."""
    some, count = take_calls(calls, rows), len(rows)
    later_ms = rng.integers(20_000, 180_000, count)
    angle, far_m = rng.random(count) * 2 * np.pi, 40.0 * rng.random(count)
    x_m, y_m = some.x_m + far_m * np.cos(angle), some.y_m + far_m * np.sin(angle)
    node, offroad_m = snap(case.roads, x_m, y_m) if count else (some.node, some.offroad_m)
    return replace(
        some,
        received_ms=some.received_ms + later_ms,
        ready_ms=some.ready_ms + later_ms,
        x_m=x_m,
        y_m=y_m,
        node=node,
        offroad_m=offroad_m,
    )
