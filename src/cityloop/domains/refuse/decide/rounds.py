"""A round from containers to routes: choose, have routes planned, tell the trucks; and again after a breakdown."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from cityloop.domains.refuse.containers import Reason
from cityloop.domains.refuse.forecast import VISIT_OF_DAY, Outlook
from cityloop.domains.refuse.live import LiveState
from cityloop.domains.refuse.progress import Progress, question
from cityloop.domains.refuse.schema import DriveRoute, PlanReason, PlanRound, RoundsTable, TruckStatus
from cityloop.domains.refuse.state import fill_of
from cityloop.kernel.ladder import OPERATOR_REASONS
from cityloop.kernel.messages import Proposal, Request

__all__ = ["with_routes"]

Choose = Callable[[LiveState, Outlook | None, Sequence[Request], int], Sequence[Proposal]]


def with_routes(choose: Choose) -> Choose:
    """Return a policy that has the containers chosen by another driven, where the city has trucks."""

    def propose(
        state: LiveState, forecast: Outlook | None, requests: Sequence[Request], now_ms: int
    ) -> Sequence[Proposal]:
        chosen = choose(state, forecast, requests, now_ms)
        progress = state.progress
        if chosen or progress is None or not isinstance(state.table, RoundsTable):
            return chosen
        load_kg = np.maximum(fill_of(state.fill) + VISIT_OF_DAY * _rate(state), 0.02)
        load_kg = np.minimum(load_kg, 1.5) * state.table.containers.capacity_kg
        asked_for = np.flatnonzero(state.asked_day == progress.round).tolist() if progress.round >= 0 else []
        asks = question(progress, state.table, asked_for, load_kg, now_ms)
        asked_by_hand = _by_hand(progress, requests)
        if asked_by_hand is not None:
            return (asked_by_hand,)
        if asks is not None:
            reason = Reason.MORNING if asks.reason == PlanReason.MORNING else Reason.BREAKDOWN
            return (Proposal(target=0, action=asks, reason=reason, cost=0.0, gain=0.0),)
        return _orders(progress)

    return propose


def _by_hand(progress: Progress, requests: Sequence[Request]) -> Proposal | None:
    """Return the plan that a person wants made of those proposed, unless it is asked for already."""
    for request in requests:
        action = request.action
        if not isinstance(action, PlanRound) or not request.sender.startswith("operator:"):
            continue
        if action.round == progress.round and action.version > max(progress.version, progress.asked):
            return Proposal(target=0, action=action, reason=OPERATOR_REASONS.start, cost=0.0, gain=0.0)
    return None


def _rate(state: LiveState) -> np.ndarray:
    return np.asarray(state.fill.rates.rate() * state.fill.rates.level)


def _orders(progress: Progress) -> tuple[Proposal, ...]:
    """Tell each truck its part of the plan in force, once."""
    if progress.version == 0:
        return ()
    return tuple(
        Proposal(
            target=truck,
            action=DriveRoute(progress.round, progress.version, progress.open_visits(truck)),
            reason=Reason.NEW_PLAN,
            cost=0.0,
            gain=0.0,
        )
        for truck in range(len(progress.status))
        if progress.told[truck] < progress.version
        and progress.visits[truck]
        and progress.status[truck] != TruckStatus.BROKEN_DOWN
    )
