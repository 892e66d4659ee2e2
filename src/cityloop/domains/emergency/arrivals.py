"""Expected times held against what came: how wide the band about an expected time has to be."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from cityloop.domains.emergency.hearing import Known

__all__ = ["LEAST", "Arrivals", "arrived", "band", "expected"]

LEAST = 10
"""No band is told before so many arrivals have been seen."""
_KEPT = 200


@dataclass(frozen=True, slots=True)
class Arrivals:
    """Units that are awaited, and by what factor those that came took longer than was expected."""

    awaited: tuple[tuple[int, int, float], ...] = ()
    """Call, when its unit was sent, and how long it was expected to take [s]."""
    factors: tuple[float, ...] = ()


def expected(arrivals: Arrivals, call: int, now_ms: int, eta_s: float) -> Arrivals:
    """Note that a unit is sent to a call; of two sent to one call the later counts."""
    others = tuple(one for one in arrivals.awaited if one[0] != call)
    return replace(arrivals, awaited=(*others, (call, now_ms, max(eta_s, 1.0))))


def arrived(arrivals: Arrivals, before: Sequence[Known], after: Sequence[Known], now_ms: int) -> Arrivals:
    """Take in whose calls have somebody on scene now; calls that are closed without are no longer awaited."""
    if not arrivals.awaited or before is after:
        return arrivals
    state = {call.number: call.attended for call in after}
    awaited, factors = [], list(arrivals.factors)
    for call, sent_ms, eta_s in arrivals.awaited:
        there = state.get(call)
        if there is False:
            awaited.append((call, sent_ms, eta_s))
        elif there:
            factors.append((now_ms - sent_ms) / 1000.0 / eta_s)
    return Arrivals(tuple(awaited), tuple(factors[-_KEPT:]))


def band(arrivals: Arrivals) -> tuple[float, float]:
    """Return the factors on an expected time between which nine of ten arrivals lay; NaN until there are enough."""
    if len(arrivals.factors) < LEAST:
        return float("nan"), float("nan")
    low, high = np.quantile(np.array(arrivals.factors), (0.05, 0.95), method="weibull")
    return float(low), float(high)
