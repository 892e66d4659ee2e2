"""Naive: homes dealt out in turn, and run cards: a fixed order of stations for every zone.

The unit of the first station on the card that has a free one goes, wherever that unit happens to be. So services worked
before units told their positions.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from cityloop.domains.emergency.crew import protected
from cityloop.domains.emergency.decide.as_is import queue_order
from cityloop.domains.emergency.forecast import Coverage
from cityloop.domains.emergency.owed import owed
from cityloop.domains.emergency.schema import Move, Reason, Send
from cityloop.domains.emergency.state import HIGH, EmergencyState, free_units
from cityloop.kernel.messages import Alternative, Proposal, Request

__all__ = ["propose", "round_robin_homes"]


def round_robin_homes(n_units: int, n_stations: int) -> list[int]:
    """Return a home for every unit: stations in turn."""
    return [u % n_stations for u in range(n_units)]


def propose(state: EmergencyState, coverage: Coverage, requests: Sequence[Request], now_ms: int) -> list[Proposal]:
    """Send by run card; send the others home."""
    units, calls = state.units, state.calls
    due = owed(state, now_ms)
    free = free_units(units)
    guarded = protected(units, state.rules, now_ms)
    taken = np.zeros(len(free), np.bool_)
    proposals = []
    for c in queue_order(state):
        can = free & ~taken & ((units.capability & calls.needs[c]) == calls.needs[c])
        if calls.priority[c] > HIGH:
            can &= ~guarded
        rows = np.flatnonzero(can)
        if not len(rows):
            continue
        homes = units.home[rows]
        card_ms = state.times.siren.to_one_ms(state.sites.node[homes], int(calls.node[c]))
        ranked = np.argsort(card_ms, kind="stable")
        best = int(rows[ranked[0]])
        taken[best] = True
        proposals.append(
            Proposal(
                target=best,
                action=Send(int(calls.call[c])),
                reason=Reason.RUN_CARD,
                cost=float(card_ms[ranked[0]]) / 1000.0,
                gain=0.0,
                alternatives=tuple(Alternative(int(rows[k]), float(card_ms[k]) / 1000.0) for k in ranked[1:4]),
            )
        )
    for u in np.flatnonzero(free & ~taken & ~due.bound):
        if units.site[u] != units.home[u]:
            action = Move(int(units.home[u]))
            proposals.append(Proposal(target=int(u), action=action, reason=Reason.GO_HOME, cost=0.0, gain=0.0))
    return [*proposals, *due.proposals]
