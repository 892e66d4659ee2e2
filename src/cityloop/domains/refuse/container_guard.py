"""What may be asked of crews at all: containers that exist, on the day itself, on days that are worked, once."""

from __future__ import annotations

from cityloop.domains.refuse.containers import EmptyToday, Rule
from cityloop.domains.refuse.live import LiveState, local_day
from cityloop.kernel.messages import Allowed, Proposal, Refused, Verdict

__all__ = ["check"]


def check(proposal: Proposal, state: LiveState, now_ms: int) -> Verdict:
    """Let a container be asked for, or name the rule that forbids it."""
    day, weekday, _ = local_day(state.table, now_ms)
    if not 0 <= proposal.target < len(state.asked_day):
        return Refused(Rule.NO_SUCH_CONTAINER)
    if not isinstance(proposal.action, EmptyToday) or proposal.action.day != day:
        return Refused(Rule.NOT_TODAY)
    if not state.table.works[weekday]:
        return Refused(Rule.NOT_A_WORKED_DAY)
    if state.asked_day[proposal.target] == day:
        return Refused(Rule.ALREADY_ASKED)
    return Allowed(proposal.action)
