"""What may be asked of crews at all: containers that exist, on the day itself, on days that are worked, once."""

from __future__ import annotations

from cityloop.domains.refuse.containers import EmptyToday, Rule
from cityloop.domains.refuse.live import LiveState, local_day
from cityloop.domains.refuse.schema import DEPOT, DriveRoute, PlanRound, TruckStatus
from cityloop.kernel.messages import Allowed, Proposal, Refused, Verdict

__all__ = ["check"]


def check(proposal: Proposal, state: LiveState, now_ms: int) -> Verdict:
    """Let a container be asked for, or name the rule that forbids it."""
    match proposal.action:
        case PlanRound() | DriveRoute():
            return _check_round(proposal, state)
        case _:
            pass
    day, weekday = state.today(now_ms), local_day(state.table, now_ms)[1]
    if not 0 <= proposal.target < len(state.asked_day):
        return Refused(Rule.NO_SUCH_CONTAINER)
    if not isinstance(proposal.action, EmptyToday) or proposal.action.day != day:
        return Refused(Rule.NOT_TODAY)
    if state.progress is None and not state.table.works[weekday]:
        return Refused(Rule.NOT_A_WORKED_DAY)
    if state.asked_day[proposal.target] == day:
        return Refused(Rule.ALREADY_ASKED)
    return Allowed(proposal.action)


def _check_round(proposal: Proposal, state: LiveState) -> Verdict:
    """Let the planner be asked, and a truck be sent, for the round that is open, and to containers that wait."""
    progress, n = state.progress, len(state.asked_day)
    match proposal.action:
        case PlanRound(round=number, version=version, containers=containers):
            if progress is None or number != progress.round:
                return Refused(Rule.NO_SUCH_ROUND)
            if version <= progress.version:
                return Refused(Rule.OLD_PLAN)
            if any(not 0 <= container < n for container in containers):
                return Refused(Rule.NO_SUCH_CONTAINER)
        case DriveRoute(round=number, version=version, visits=visits):
            if progress is None or number != progress.round:
                return Refused(Rule.NO_SUCH_ROUND)
            if not 0 <= proposal.target < len(progress.status):
                return Refused(Rule.NO_SUCH_TRUCK)
            if version != progress.version:
                return Refused(Rule.OLD_PLAN)
            if progress.status[proposal.target] == TruckStatus.BROKEN_DOWN:
                return Refused(Rule.BROKEN_DOWN)
            if any(visit < DEPOT or visit >= n for visit in visits):
                return Refused(Rule.NO_SUCH_CONTAINER)
            if any(visit >= 0 and progress.served_at_ms[visit] >= 0 for visit in visits):
                return Refused(Rule.ALREADY_EMPTIED)
        case _:
            return Refused(Rule.NOT_TODAY)
    return Allowed(proposal.action)
