"""What a person asks of a unit, laid over what a policy proposes.

A dispatch by hand replaces the policy's proposals for its unit and for its call, and for no other, as long as it is in
force: nobody else is sent in that unit's place meanwhile. It passes the same guard.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from cityloop.domains.emergency.schema import Move, Send, TakeBreak
from cityloop.domains.emergency.state import EmergencyState, eta_ms
from cityloop.kernel.ladder import OPERATOR_REASONS
from cityloop.kernel.messages import Proposal, Request

__all__ = ["by_hand", "not_by_hand"]


def by_hand(state: EmergencyState, asked: Sequence[Request]) -> list[Proposal]:
    """Return the proposals of people's requests that are not carried out yet; a dispatch with its expected time [s]."""
    proposals = []
    for request in asked:
        unit, action, cost = request.target, request.action, 0.0
        known = 0 <= unit < len(state.units.status)
        if isinstance(action, Send) and known:
            if int(state.units.call[unit]) == action.call:
                continue
            at = np.flatnonzero(state.calls.call == action.call)
            if len(at):
                cost = float(eta_ms(state, np.array([unit], np.int64), int(at[0]))[0]) / 1000.0
        elif not isinstance(action, Move | TakeBreak | Send):
            continue
        proposals.append(Proposal(target=unit, action=action, reason=OPERATOR_REASONS.start, cost=cost, gain=0.0))
    return proposals


def not_by_hand(decided: Sequence[Proposal], asked: Sequence[Request]) -> list[Proposal]:
    """Return what a policy proposed without what concerns a unit or a call that a person has decided about."""
    units = {request.target for request in asked if isinstance(request.action, Send | Move | TakeBreak)}
    calls = {request.action.call for request in asked if isinstance(request.action, Send)}
    return [
        one
        for one in decided
        if one.target not in units and not (isinstance(one.action, Send) and one.action.call in calls)
    ]
