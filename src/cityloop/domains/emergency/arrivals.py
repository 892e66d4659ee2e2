"""Expected times held against what came, in a running city: whom a call awaits, and what is learned of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from cityloop.domains.emergency.bands import Residuals, learned
from cityloop.domains.emergency.hearing import Known

__all__ = ["Arrivals", "arrived", "expected"]


@dataclass(frozen=True, slots=True)
class Arrivals:
    """Units that are awaited, and how long those that came took of what was expected."""

    awaited: tuple[tuple[int, int, float], ...] = ()
    """Call, when its unit was sent, and how long it was expected to take [s]."""
    residuals: Residuals = field(default_factory=Residuals)


def expected(arrivals: Arrivals, call: int, now_ms: int, eta_s: float) -> Arrivals:
    """Note that a unit is sent to a call; of two sent to one call the later counts."""
    others = tuple(one for one in arrivals.awaited if one[0] != call)
    return replace(arrivals, awaited=(*others, (call, now_ms, eta_s)))


def arrived(arrivals: Arrivals, before: Sequence[Known], after: Sequence[Known], now_ms: int) -> Arrivals:
    """Take in whose calls have somebody on scene now; calls that are closed without are no longer awaited."""
    if not arrivals.awaited or before is after:
        return arrivals
    state = {call.number: call.attended for call in after}
    awaited, residuals = [], arrivals.residuals
    for call, sent_ms, eta_s in arrivals.awaited:
        there = state.get(call)
        if there is False:
            awaited.append((call, sent_ms, eta_s))
        elif there:
            residuals = learned(residuals, eta_s, (now_ms - sent_ms) / 1000.0)
    return Arrivals(tuple(awaited), residuals)
