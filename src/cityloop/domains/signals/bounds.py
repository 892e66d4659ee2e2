"""Nobody waits past the bound: which stage must go first so that every link is green in time.

Earliest deadline first over the links that are red. When the chain of services that the next deadlines need leaves no
slack, the first of the chain is due now, whatever any estimate says. Policies ask so as to act in time; the guard asks
so that they have to.
"""

from __future__ import annotations

import numpy as np
from numba import njit

from cityloop.domains.signals.state import SignalState
from cityloop.kernel.columns import BOOL, F64, I64, U8

__all__ = ["MAX_RED_S", "due_stage", "forced_stage"]

MAX_RED_S = 120.0
"""Longest red of any link (RiLSA 2015, 2.7.4 keeps cycles at or under 120 s for people on foot). [s]"""

SLACK_S = 2.0
"""Kept in hand for the controller's own whole seconds."""

SEEN_LATE_S = 1.0
"""A stage is heard of a step after it began, and held as much longer. [s]"""


def due_stage(state: SignalState, junction: int, now_ms: int) -> int:
    """Return the local stage that must be served or kept now, or -1 while every deadline has slack."""
    stage = int(state.last_stage[junction])
    if stage < 0 or _young(state, junction, now_ms):
        return -1
    first, slack_s = _chain(state, junction, now_ms, stage, _rest_s(state, junction, now_ms))
    return first if slack_s <= 1.0 else -1


def forced_stage(state: SignalState, junction: int, now_ms: int, wanted: int) -> int:
    """Return the local stage that must be served instead of the one wanted, or -1 where that one may be.

    A stage may be gone to only while the chain of services still holds every deadline after it.
    """
    stage = int(state.last_stage[junction])
    if stage < 0 or _young(state, junction, now_ms):
        return -1
    rest_s = _rest_s(state, junction, now_ms)
    first, slack_s = _chain(state, junction, now_ms, stage, rest_s)
    if first < 0 or first == wanted:
        return -1
    if slack_s <= 1.0:
        return first
    if wanted == stage:
        return -1
    tables = state.tables
    served_s = rest_s + float(tables.intergreen_s[junction, stage, wanted]) + SEEN_LATE_S
    served_s += float(tables.min_green_s[junction, wanted])
    _, slack_s = _chain(state, junction, now_ms, wanted, served_s)
    return first if slack_s <= 1.0 else -1


def _young(state: SignalState, junction: int, now_ms: int) -> bool:
    """Tell whether every link was green so lately that serving all stages once, after any other, cannot be late."""
    red_s = (now_ms - int(state.oldest_wait_ms[junction])) / 1000.0
    one_more = 1.0 + 1.0 / float(state.tables.n_stages[junction])
    return red_s + one_more * float(state.tables.round_s[junction]) + 10.0 < MAX_RED_S - SLACK_S


def _rest_s(state: SignalState, junction: int, now_ms: int) -> float:
    """Return how much longer the stage shown lasts at least. [s]."""
    green_s = max((now_ms - int(state.green_since_ms[junction])) / 1000.0, 0.0)
    return max(float(state.tables.min_green_s[junction, int(state.last_stage[junction])]) - green_s, 0.0)


def _chain(state: SignalState, junction: int, now_ms: int, stage: int, at_s: float) -> tuple[int, float]:
    """Return the first of the services that follow a stage which ends in ``at_s``, and the least slack of all. [s]."""
    tables, controllers = state.tables, state.tables.assets.controllers
    first, slack_s = _services(
        now_ms,
        stage,
        at_s,
        int(controllers.link_begin[junction]),
        int(controllers.link_end[junction]),
        int(tables.n_stages[junction]),
        tables.lamps,
        state.waits_since_ms,
        tables.service[junction] & ~tables.conflict[junction],
        tables.min_green_s[junction],
        tables.intergreen_s[junction],
        MAX_RED_S - SLACK_S,
    )
    return int(first), float(slack_s)


@njit(cache=True)
def _services(
    now_ms: int,
    stage: int,
    at_s: float,
    link_begin: int,
    link_end: int,
    n_stages: int,
    lamps: U8,
    waits_since_ms: I64,
    service: BOOL,
    min_green_s: F64,
    intergreen_s: F64,
    bound_s: float,
) -> tuple[int, float]:
    n = link_end - link_begin
    covered = np.zeros(n, np.bool_)
    for i in range(n):
        link = link_begin + i
        covered[i] = lamps[link, stage] == 1 or lamps[link, stage] == 2
    here, first, slack = stage, -1, 1e9
    for _ in range(n_stages):
        worst, worst_left_s = -1, 1e9
        for i in range(n):
            if covered[i]:
                continue
            left_s = bound_s - (now_ms - waits_since_ms[link_begin + i]) / 1000.0
            if left_s < worst_left_s:
                servable = False
                for k in range(n_stages):
                    if service[k] and (lamps[link_begin + i, k] == 1 or lamps[link_begin + i, k] == 2):
                        servable = True
                if servable:
                    worst, worst_left_s = i, left_s
        if worst < 0:
            break
        best, best_gain = -1, -1e9
        for k in range(n_stages):
            shown = lamps[link_begin + worst, k]
            if not service[k] or (shown != 1 and shown != 2):
                continue
            gain = 0.0
            for i in range(n):
                if not covered[i] and (lamps[link_begin + i, k] == 1 or lamps[link_begin + i, k] == 2):
                    left_s = bound_s - (now_ms - waits_since_ms[link_begin + i]) / 1000.0
                    gain += 1.0 + max(60.0 - left_s, 0.0) / 10.0
            gain -= intergreen_s[here, k] / 20.0
            if gain > best_gain:
                best, best_gain = k, gain
        green_at_s = at_s + intergreen_s[here, best] + SEEN_LATE_S
        slack = min(slack, worst_left_s - green_at_s)
        if first < 0:
            first = best
        at_s = green_at_s + min_green_s[best]
        here = best
        for i in range(n):
            covered[i] |= lamps[link_begin + i, best] == 1 or lamps[link_begin + i, best] == 2
    return first, slack
