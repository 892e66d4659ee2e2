"""What a person asks of a junction, laid over what a policy proposes.

An operator's request replaces the policy's proposal for its junction and for no other. It passes the same guard: a hold
ends where somebody would wait past the longest red, and nothing shortens a minimum green.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from cityloop.domains.signals.schema import FollowPlan, Reason, ShowStage
from cityloop.domains.signals.state import SignalState
from cityloop.kernel.messages import Proposal, Request

__all__ = ["OPERATOR", "operator_proposals", "with_operators"]

OPERATOR = "operator:"
"""How the sender of an operator's request begins."""

_Propose = Callable[[SignalState, Any, Sequence[Request], int], Sequence[Proposal]]


def with_operators(policy: _Propose) -> _Propose:
    """Return a policy that gives way to operators' requests, junction by junction."""

    def propose(state: SignalState, forecast: Any, requests: Sequence[Request], now_ms: int) -> Sequence[Proposal]:
        by_hand = operator_proposals(state, requests, now_ms)
        others = [request for request in requests if not request.sender.startswith(OPERATOR)]
        taken = {proposal.target for proposal in by_hand}
        return [*by_hand, *(p for p in policy(state, forecast, others, now_ms) if p.target not in taken)]

    return propose


def operator_proposals(state: SignalState, requests: Sequence[Request], now_ms: int) -> list[Proposal]:
    """Return what operators ask for now, one proposal a junction, the request placed last first."""
    asked = [r for r in requests if r.sender.startswith(OPERATOR) and r.not_before_ms <= now_ms < r.expires_at_ms]
    proposals: dict[int, Proposal] = {}
    for request in sorted(asked, key=lambda r: (-r.not_before_ms, r.sender)):
        match request.action:
            case ShowStage(stage=stage):
                proposal = Proposal(
                    target=request.target, action=ShowStage(stage), reason=Reason.OPERATOR_HOLD, cost=0.0, gain=0.0
                )
            case FollowPlan() as plan:
                stage = _due_in_plan(state, request.target, plan, now_ms - request.not_before_ms)
                proposal = Proposal(
                    target=request.target, action=ShowStage(stage), reason=Reason.OPERATOR_PLAN, cost=0.0, gain=0.0
                )
            case _:
                continue
        proposals.setdefault(request.target, proposal)
    return [proposals[target] for target in sorted(proposals)]


def _due_in_plan(state: SignalState, junction: int, plan: FollowPlan, since_ms: int) -> int:
    """Return the stage that a manual plan shows or moves to so long after it was placed."""
    intergreen_s = state.tables.intergreen_s[junction]
    most = intergreen_s.shape[0]
    stages = [stage for stage, _ in plan.stages]
    spans_ms = []
    for at, (stage, green_s) in enumerate(plan.stages):
        before = stages[at - 1]
        known = 0 <= stage < most and 0 <= before < most and stage != before
        change_s = float(intergreen_s[before, stage]) if known else 0.0
        spans_ms.append(round((change_s + green_s) * 1000))
    left_ms = since_ms % max(sum(spans_ms), 1)
    for stage, span_ms in zip(stages, spans_ms, strict=True):
        if left_ms < span_ms:
            return stage
        left_ms -= span_ms
    return stages[-1]
