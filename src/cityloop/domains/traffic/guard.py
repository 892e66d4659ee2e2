"""Traffic acts on nothing, so its guard lets nothing pass."""

from __future__ import annotations

from cityloop.domains.traffic.state import TrafficState
from cityloop.kernel.messages import Proposal, Refused, Verdict

__all__ = ["NOTHING_TO_ACT_ON", "check"]

NOTHING_TO_ACT_ON = 1


def check(proposal: Proposal, state: TrafficState, now_ms: int) -> Verdict:
    """Refuse: a domain without commands has none to allow."""
    return Refused(NOTHING_TO_ACT_ON)
