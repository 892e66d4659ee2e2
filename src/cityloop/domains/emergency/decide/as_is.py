"""As-is: the deployment as shipped, the closest free unit by drive time, and upgrade diversion.

What most services do with a computer-aided dispatch of their own: a call of high priority may take a unit that is under
way to a lesser one, when that is the closest.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from cityloop.domains.emergency.crew import protected
from cityloop.domains.emergency.forecast import Coverage
from cityloop.domains.emergency.owed import owed
from cityloop.domains.emergency.schema import Move, Reason, Send, UnitStatus
from cityloop.domains.emergency.state import HIGH, EmergencyState, eta_ms, free_units
from cityloop.kernel.columns import BOOL
from cityloop.kernel.messages import Alternative, Proposal, Request

__all__ = ["closest_sends", "propose", "queue_order"]


def propose(state: EmergencyState, coverage: Coverage, requests: Sequence[Request], now_ms: int) -> list[Proposal]:
    """Send the closest free unit to each open call; send the others home."""
    due = owed(state, now_ms)
    sends, taken = closest_sends(state, now_ms)
    homeward = []
    for u in np.flatnonzero(free_units(state.units) & ~taken & ~due.bound):
        if state.units.site[u] != state.units.home[u]:
            action = Move(int(state.units.home[u]))
            homeward.append(Proposal(target=int(u), action=action, reason=Reason.GO_HOME, cost=0.0, gain=0.0))
    return [*sends, *due.proposals, *homeward]


def queue_order(state: EmergencyState) -> list[int]:
    """Return the rows of calls without a unit, high priority first, then by arrival."""
    calls = state.calls
    waiting = np.flatnonzero(calls.unit < 0)
    return [int(c) for c in waiting[np.lexsort((calls.received_ms[waiting], calls.priority[waiting]))]]


def closest_sends(state: EmergencyState, now_ms: int) -> tuple[list[Proposal], BOOL]:
    """Return one proposal for each open call that a unit can serve, and the units so taken."""
    units, calls = state.units, state.calls
    free = free_units(units)
    guarded = protected(units, state.rules, now_ms)
    taken = np.zeros(len(free), np.bool_)
    serving = np.full(len(free), 99, np.int32)
    for c in range(len(calls.call)):
        if calls.unit[c] >= 0:
            serving[calls.unit[c]] = calls.priority[c]
    under_way = (units.status == UnitStatus.EN_ROUTE) | (units.status == UnitStatus.TURNING_OUT)
    proposals = []
    for c in queue_order(state):
        priority = int(calls.priority[c])
        can = free & ~taken
        if priority <= HIGH:
            can |= under_way & (serving > priority) & (serving < 99) & ~units.diverted & ~taken
        else:
            can &= ~guarded
        can &= (units.capability & calls.needs[c]) == calls.needs[c]
        rows = np.flatnonzero(can)
        if not len(rows):
            continue
        times_ms = eta_ms(state, rows, c)
        ranked = np.argsort(times_ms, kind="stable")
        best = int(rows[ranked[0]])
        taken[best] = True
        proposals.append(
            Proposal(
                target=best,
                action=Send(int(calls.call[c])),
                reason=Reason.UPGRADE if under_way[best] else Reason.CLOSEST,
                cost=float(times_ms[ranked[0]]) / 1000.0,
                gain=0.0,
                alternatives=tuple(Alternative(int(rows[k]), float(times_ms[k]) / 1000.0) for k in ranked[1:4]),
            )
        )
    return proposals, taken
