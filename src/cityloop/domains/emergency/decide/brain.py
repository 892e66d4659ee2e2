"""Brain: rolling assignment, preparedness, and live relocation by marginal expected response.

Three steps, each for all units together. Calls that wait and calls whose unit is still on its way are assigned anew
to free and divertible units: weighted times, a penalty for every switch, and what the choice leaves uncovered. Then
who has just come free is told where to stand, and others are moved when the next call's expected response gains by
it. A unit at a hospital counts by its chance to come free soon.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from cityloop.domains.emergency.assign import AssignParams, assign
from cityloop.domains.emergency.crew import Duty
from cityloop.domains.emergency.forecast import Coverage
from cityloop.domains.emergency.meals import MealParams, meals_put_off
from cityloop.domains.emergency.owed import owed
from cityloop.domains.emergency.relocate import RelocateParams, picture, relocations
from cityloop.domains.emergency.schema import Move, Reason, SiteKind, UnitStatus
from cityloop.domains.emergency.state import EmergencyState, free_units
from cityloop.kernel.columns import BOOL
from cityloop.kernel.messages import Proposal, Request

__all__ = ["BrainParams", "propose"]


@dataclass(frozen=True, slots=True)
class BrainParams:
    """Weights of the brain, and its parts for ablation."""

    assign: AssignParams = field(default_factory=AssignParams)
    relocate: RelocateParams = field(default_factory=RelocateParams)
    meals: MealParams | None = field(default_factory=MealParams)
    """Nothing: the first chance within the window."""


DEFAULT = BrainParams()


def propose(
    state: EmergencyState,
    coverage: Coverage,
    requests: Sequence[Request],
    now_ms: int,
    params: BrainParams = DEFAULT,
) -> list[Proposal]:
    """Assign, keep what crews are owed, and place the rest.

    Where units have merely arrived at where they were sent, there is nothing to choose anew.
    """
    if _only_arrivals(state, now_ms):
        due = owed(state, now_ms)
        if not np.isin(due.duty, (Duty.MEAL, Duty.REST)).any():
            return due.proposals
    view = picture(state, coverage, now_ms, params.relocate)
    later = None if params.meals is None else meals_put_off(state, coverage, view, now_ms, params.meals)
    due = owed(state, now_ms, later)
    chosen = assign(state, coverage, view, now_ms, params.assign)
    busy = np.zeros(len(state.units.status), np.bool_)
    busy[[proposal.target for proposal in chosen.proposals]] = True
    moves = relocations(state, coverage, view, due, busy, chosen.released, now_ms, params.relocate)
    placed = busy.copy()
    placed[[proposal.target for proposal in moves]] = True
    kept = [proposal for proposal in due.proposals if not placed[proposal.target]]
    cover = np.zeros(len(busy), np.bool_)
    cover[view.row] = True
    homeward = _homeward(state, cover | placed | due.bound)
    return [*chosen.proposals, *kept, *moves, *homeward]


def _only_arrivals(state: EmergencyState, now_ms: int) -> bool:
    """Tell whether units have just arrived where they were sent, no call waits, and nobody else has news."""
    units = state.units
    new = units.since_ms == now_ms
    if not new.any() or (state.calls.unit < 0).any():
        return False
    arrived = new & (units.status == int(UnitStatus.STANDING)) & (units.site >= 0)
    # Who stands at a hospital since now has as likely come free there.
    arrived &= state.sites.kind[np.maximum(units.site, 0)] != int(SiteKind.HOSPITAL)
    return not (new & ~arrived).any()


def _homeward(state: EmergencyState, otherwise: BOOL) -> list[Proposal]:
    """Send home who is free and no cover for the first unit of a call, such as a ladder: nothing else places it."""
    units = state.units
    away = free_units(units) & ~otherwise & (units.site != units.home)
    return [
        Proposal(target=int(u), action=Move(int(units.home[u])), reason=Reason.GO_HOME, cost=0.0, gain=0.0)
        for u in np.flatnonzero(away)
    ]
