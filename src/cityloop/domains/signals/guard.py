"""The guard: pure, small, integer milliseconds. Policies propose, this disposes.

The field controller keeps its own minimums and intergreens; the guard refuses what it would have to refuse or delay, so
that a decision in the journal is what happens in the street. Rules, in order:

1. ``UNKNOWN_STAGE``, ``NOT_SERVICE``: a stage of the junction's own table, and one that serves (RiLSA 2015, 2.3).
2. ``CONFLICT``: no two protected greens on crossing streams, save pairs that the shipped program shows (NEMA TS 2-2021,
   4: CMU).
3. ``SENSING_DEAD``: without trustworthy sensing nothing is leased; the junction's own plan runs.
4. ``INTERGREEN``: a change under way is finished first.
5. ``MINIMUM_GREEN``: at least the stage's minimum (RiLSA 2015, 2.7.3: 5 s), which holds its Walk (MUTCD 2023, 4I.06).
6. ``NO_REQUEST``, ``HOLD_CAP``: a corridor's stage is one that an admitted request asks for, or that ends a green in
   which its unit is stuck, and is led no longer than the cap (our bound, 40 s); it passes all other rules like any.
7. ``MAXIMUM_RED``: when a wait at a link leaves no slack for the stage asked, its own goes first (our bound, 120 s).
"""

from __future__ import annotations

from cityloop.domains.signals.bounds import forced_stage
from cityloop.domains.signals.corridors import DEFAULT
from cityloop.domains.signals.schema import Reason, Rule, ShowStage
from cityloop.domains.signals.state import LEAD_MS, SignalState
from cityloop.kernel.messages import Action, Allowed, Proposal, Refused, Trimmed, Verdict

__all__ = ["check"]

_ITS_STAGE = (Reason.CORRIDOR_CLEAR, Reason.CORRIDOR_HOLD)
_CORRIDOR = frozenset(
    (*_ITS_STAGE, Reason.CORRIDOR_KEEP, Reason.CORRIDOR_RAIL, Reason.CORRIDOR_RECOVER, Reason.CORRIDOR_RELEASE)
)


def check(proposal: Proposal, state: SignalState, now_ms: int) -> Verdict:
    """Judge one proposal against what its junction shows."""
    action: Action = proposal.action
    if not isinstance(action, ShowStage):
        return Refused(Rule.UNKNOWN_STAGE)
    j, stage, tables = proposal.target, action.stage, state.tables
    if not 0 <= j < len(tables.n_stages) or not 0 <= stage < tables.n_stages[j]:
        return Refused(Rule.UNKNOWN_STAGE)
    if not tables.service[j, stage]:
        return Refused(Rule.NOT_SERVICE)
    if tables.conflict[j, stage]:
        return Refused(Rule.CONFLICT)
    if state.dead[j]:
        return Refused(Rule.SENSING_DEAD)
    if proposal.reason in _CORRIDOR and (rule := _corridor_rule(proposal.reason, stage, j, state, now_ms)):
        return Refused(rule)
    shown = int(state.stage[j])
    if shown < 0:
        return _during_change(action, int(state.target[j]))
    if shown != stage and tables.service[j, shown]:
        least_ms = round(float(tables.min_green_s[j, shown]) * 1000)
        if now_ms + LEAD_MS - int(state.green_since_ms[j]) < least_ms:
            return Trimmed(ShowStage(shown), Rule.MINIMUM_GREEN)
    due = forced_stage(state, j, now_ms, stage)
    if due >= 0:
        least_ms = round(float(tables.min_green_s[j, shown]) * 1000)
        if due == shown or now_ms + LEAD_MS - int(state.green_since_ms[j]) >= least_ms:
            return Trimmed(ShowStage(due), Rule.MAXIMUM_RED)
    return Allowed(action)


def _corridor_rule(reason: int, stage: int, junction: int, state: SignalState, now_ms: int) -> int:
    """Return the rule that a corridor's proposal breaks, 0 for none."""
    if reason == Reason.CORRIDOR_RECOVER:
        known = any(one.junction == junction and one.stage == stage for one in state.corridors.recoveries)
        return 0 if known else Rule.NO_REQUEST
    claim = state.corridors.leading(junction)
    if claim is None or (reason in _ITS_STAGE and stage != claim.stage):
        return Rule.NO_REQUEST
    if reason == Reason.CORRIDOR_RELEASE:
        return 0 if stage == claim.release and now_ms < claim.locked_ms else Rule.NO_REQUEST
    over = claim.served_ms >= 0 and now_ms - claim.served_ms >= DEFAULT.hold_cap_s * 1000
    return Rule.HOLD_CAP if over or now_ms < claim.locked_ms else 0


def _during_change(action: ShowStage, target: int) -> Verdict:
    """Have a change to another stage than the one proposed finished first."""
    if target < 0 or action.stage == target:
        return Allowed(action)
    return Trimmed(ShowStage(target), Rule.INTERGREEN)
