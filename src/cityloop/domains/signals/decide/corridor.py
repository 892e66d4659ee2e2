"""Green corridors: laid in front of a policy, at the junctions ahead of a unit on its way and nowhere else.

A unit's stage is asked for just early enough that whoever stands before it is gone when it arrives, is kept until it is
through or the cap is reached, and is followed by a stated exit stage. Between these the ordinary policy decides.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from cityloop.domains.signals.corridors import DEFAULT, Claim, CorridorParams, Recovery, lead_s
from cityloop.domains.signals.forecast import Demand
from cityloop.domains.signals.schema import Reason, ShowStage
from cityloop.domains.signals.state import SignalState
from cityloop.kernel.messages import Alternative, Proposal, Request

__all__ = ["lead", "with_corridors"]

_Propose = Callable[[SignalState, Demand, Sequence[Request], int], Sequence[Proposal]]
_KEPT_REASONS = (Reason.KEEP_MINIMUM_GREEN, Reason.CHANGE_WAIT_BOUND, Reason.CHANGE_IN_PROGRESS)
"""What the ordinary policy proposes for these reasons no unit can change."""
_TRAM_MS = 20_000
"""A tram that does not use its green for this long stands at a stop. [ms]"""


def with_corridors(policy: _Propose) -> _Propose:
    """Return a policy that gives way to units with priority; without one it is the policy itself."""

    def propose(state: SignalState, demand: Demand, requests: Sequence[Request], now_ms: int) -> Sequence[Proposal]:
        ordinary = policy(state, demand, requests, now_ms)
        if not (state.corridors.claims or state.corridors.recoveries):
            return ordinary
        return lead(state, demand, ordinary, now_ms)

    return propose


def lead(
    state: SignalState,
    demand: Demand,
    ordinary: Sequence[Proposal],
    now_ms: int,
    params: CorridorParams = DEFAULT,
) -> list[Proposal]:
    """Return the proposals of a policy, with those of led junctions changed where a unit needs it."""
    usual = {proposal.target: proposal for proposal in ordinary}
    changed: dict[int, Proposal] = {}
    for claim in state.corridors.leaders:
        base = usual.get(claim.junction)
        if base is not None and (instead := _for_claim(state, demand, claim, base, now_ms, params)) is not None:
            changed[claim.junction] = instead
    for recovery in state.corridors.recoveries:
        base = usual.get(recovery.junction)
        if base is not None and recovery.junction not in changed:
            instead = _for_recovery(state, recovery, base)
            if instead is not None:
                changed[recovery.junction] = instead
    return [changed.get(proposal.target, proposal) for proposal in ordinary]


def _for_claim(
    state: SignalState, demand: Demand, claim: Claim, base: Proposal, now_ms: int, params: CorridorParams
) -> Proposal | None:
    """Return what a unit needs of its junction now; None where the ordinary proposal will do."""
    j, tables = claim.junction, state.tables
    shown = int(state.stage[j])
    if shown < 0 or base.reason in _KEPT_REASONS:
        return None
    assert isinstance(base.action, ShowStage)
    if now_ms < claim.locked_ms and shown == claim.stage and claim.release >= 0:
        asked_already = base.action.stage == claim.release
        return None if asked_already else _instead(base, claim.release, Reason.CORRIDOR_RELEASE)
    if claim.yields or now_ms < claim.locked_ms:
        return None
    asked, arrives_s = base.action.stage, (claim.arrives_ms - now_ms) / 1000.0
    if arrives_s <= lead_s(claim, tables, shown, params):
        rail = _rail_stage(state, demand, claim, shown, now_ms, params)
        stage, reason = (rail, Reason.CORRIDOR_RAIL) if rail >= 0 else (claim.stage, Reason.CORRIDOR_CLEAR)
        if rail < 0 and shown == stage:
            reason = Reason.CORRIDOR_HOLD
        return None if asked == stage else _instead(base, stage, reason)
    if asked in (shown, claim.stage):
        return None
    there_and_back_s = (
        float(tables.intergreen_s[j, shown, asked])
        + float(tables.min_green_s[j, asked])
        + 1.0
        + lead_s(claim, tables, asked, params)
    )
    if arrives_s < min(there_and_back_s, params.keep_s):
        return _instead(base, shown, Reason.CORRIDOR_KEEP)
    return None


def _for_recovery(state: SignalState, recovery: Recovery, base: Proposal) -> Proposal | None:
    """Return the stated exit stage while it has not begun; None where the ordinary proposal will do."""
    shown = int(state.stage[recovery.junction])
    if shown in (-1, recovery.stage) or base.reason in _KEPT_REASONS:
        return None
    assert isinstance(base.action, ShowStage)
    return None if base.action.stage == recovery.stage else _instead(base, recovery.stage, Reason.CORRIDOR_RECOVER)


def _rail_stage(
    state: SignalState, demand: Demand, claim: Claim, shown: int, now_ms: int, params: CorridorParams
) -> int:
    """Return the stage for a tram that is near and that the unit's own stage does not serve, -1 for none."""
    tables, j = state.tables, claim.junction
    for queue in range(int(tables.queue_begin[j]), int(tables.queue_end[j])):
        if not tables.queue_rail[queue] or demand.now[queue] == 0 or demand.eta_s[queue, 0] > params.rail_s:
            continue
        wants = int(demand.wants[queue, 0])
        if tables.class_lamp[wants, claim.stage] == 2:
            continue
        if tables.class_lamp[wants, shown] == 2:
            if now_ms - int(state.green_since_ms[j]) <= _TRAM_MS:
                return shown
            continue
        for stage in range(int(tables.n_stages[j])):
            if tables.service[j, stage] and not tables.conflict[j, stage] and tables.class_lamp[wants, stage] == 2:
                return stage
    return -1


def _instead(base: Proposal, stage: int, reason: Reason) -> Proposal:
    """Return a proposal of another stage, with the ordinary one among what was rejected."""
    assert isinstance(base.action, ShowStage)
    costs = {one.action: one.cost for one in base.alternatives}
    others = tuple(one for one in base.alternatives if one.action != stage)
    if base.cost >= 0.0:
        others += (Alternative(base.action.stage, base.cost),)
    cost = costs.get(stage, -1.0)
    gain = base.cost - cost if cost >= 0.0 and base.cost >= 0.0 else 0.0
    return Proposal(
        target=base.target, action=ShowStage(stage), reason=reason, cost=cost, gain=gain, alternatives=others
    )
