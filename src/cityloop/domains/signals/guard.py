"""The guard: pure, small, integer milliseconds. Policies propose, this disposes.

The field controller keeps its own minimums and intergreens; the guard refuses what it would have to refuse or delay, so
that a decision in the journal is what happens in the street. Rules, in order:

1. ``UNKNOWN_STAGE``, ``NOT_SERVICE``: a stage of the junction's own table, and one that serves (RiLSA 2015, 2.3).
2. ``CONFLICT``: no two protected greens on crossing streams, save pairs that the shipped program shows (NEMA TS 2-2021,
   4: CMU).
3. ``SENSING_DEAD``: without trustworthy sensing nothing is leased; the junction's own plan runs.
4. ``INTERGREEN``: a change under way is finished first.
5. ``MINIMUM_GREEN``: at least the stage's minimum (RiLSA 2015, 2.7.3: 5 s), which holds its Walk (MUTCD 2023, 4I.06).
6. ``MAXIMUM_RED``: when a wait at a link leaves no slack for the stage asked, its own goes first (our bound, 120 s).
"""

from __future__ import annotations

from cityloop.domains.signals.bounds import forced_stage
from cityloop.domains.signals.schema import Rule, ShowStage
from cityloop.domains.signals.state import LEAD_MS, SignalState
from cityloop.kernel.messages import Action, Allowed, Proposal, Refused, Trimmed, Verdict

__all__ = ["check"]


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


def _during_change(action: ShowStage, target: int) -> Verdict:
    """Have a change to another stage than the one proposed finished first."""
    if target < 0 or action.stage == target:
        return Allowed(action)
    return Trimmed(ShowStage(target), Rule.INTERGREEN)

