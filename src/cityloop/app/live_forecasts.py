"""What each decision of a service leads one to expect, reckoned when it is made and journalled with it.

Signals have theirs by junction (``delay_forecast``). Here: when somebody is at a call, stands at his new place or has
eaten, how full a container is found, how many are emptied in a round, when a truck is home. Each is a quantity that is
observed afterwards.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from cityloop.domains.emergency.schema import Advise, Lead, Move, Send, TakeBreak
from cityloop.domains.emergency.state import drive_to_sites_ms, eta_ms
from cityloop.domains.refuse.forecast import VISIT_OF_DAY
from cityloop.domains.refuse.schema import DriveRoute, EmptyToday, PlanRound, RoundsTable
from cityloop.domains.refuse.state import fill_of
from cityloop.kernel.messages import Decision
from cityloop.kernel.tick import BrainState

__all__ = ["forecasts_of"]

Forecast = tuple[int, float, float, float]
"""Row among the step's decisions, value, horizon [s], age of the oldest reading that it rests on [s]."""
_NEVER_MS = -(2**39)
_LEASE_TAKEN_S = 5.0
_DAY_S = 86_400.0


def forecasts_of(state: BrainState | None, decisions: Sequence[Decision], now_ms: int) -> list[Forecast]:
    """Return the forecasts of the services' decisions of one step."""
    found: list[Forecast] = []
    if state is None:
        return found
    for row, decision in enumerate(decisions):
        reckon = _BY_DOMAIN.get(decision.domain)
        if reckon is not None and decision.domain in state.domains:
            value, horizon_s, age_s = reckon(state.domains[decision.domain], decision, now_ms)
            if math.isfinite(value):
                found.append((row, round(value, 3), round(horizon_s, 1), age_s))
    return found


def _emergency(state: Any, decision: Decision, now_ms: int) -> tuple[float, float, float]:
    picture, proposal = state.picture, decision.proposal
    unit = proposal.target
    if isinstance(proposal.action, Lead):
        return 1.0, _LEASE_TAKEN_S, math.nan
    if not 0 <= unit < len(picture.units.status):
        return math.nan, 0.0, math.nan
    age_s = _age_s(picture.units.seen_at_ms[unit], now_ms)
    rows = np.array([unit], np.int64)
    match proposal.action:
        case Send(call=number):
            value = proposal.cost
            at = np.flatnonzero(picture.calls.call == number)
            if not value > 0 and len(at):
                value = float(eta_ms(picture, rows, int(at[0]))[0]) / 1000.0
        case Move(site=site) if 0 <= site < len(picture.sites.kind):
            value = float(drive_to_sites_ms(picture, rows, np.array([site], np.int32))[0, 0]) / 1000.0
        case TakeBreak():
            value = picture.rules.meal_min * 60.0
        case Advise():
            value = proposal.cost
        case _:
            return math.nan, 0.0, math.nan
    return value, 2.0 * value + 300.0, age_s


def _refuse(state: Any, decision: Decision, now_ms: int) -> tuple[float, float, float]:
    table, progress, target = state.table, state.progress, decision.proposal.target
    shift_s = table.shift_s if isinstance(table, RoundsTable) else _DAY_S
    match decision.proposal.action:
        case EmptyToday() if 0 <= target < len(state.level_at_ms):
            rates = state.fill.rates
            fill = float(fill_of(state.fill)[target] + VISIT_OF_DAY * (rates.rate() * rates.level)[target])
            return fill, shift_s, _age_s(state.level_at_ms[target], now_ms)
        case PlanRound(containers=containers):
            heard = progress.seen_at_ms.min() if progress is not None and len(progress.seen_at_ms) else _NEVER_MS
            return float(len(containers)), shift_s, _age_s(heard, now_ms)
        case DriveRoute() if progress is not None and 0 <= target < len(progress.planned_ms):
            planned = progress.planned_ms[target]
            if not planned:
                return math.nan, 0.0, math.nan
            value = max((planned[-1] - now_ms) / 1000.0, 0.0)
            return value, 2.0 * value + 1800.0, _age_s(progress.seen_at_ms[target], now_ms)
    return math.nan, 0.0, math.nan


def _age_s(seen_at_ms: int, now_ms: int) -> float:
    return round((now_ms - int(seen_at_ms)) / 1000.0, 1) if seen_at_ms > 0 else math.nan


_BY_DOMAIN: Mapping[str, Callable[[Any, Decision, int], tuple[float, float, float]]] = {
    "emergency": _emergency,
    "refuse": _refuse,
}
