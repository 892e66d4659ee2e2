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

__all__ = ["MAX_RED_S", "due_stage"]

MAX_RED_S = 120.0
"""Longest red of any link (RiLSA 2015, 2.7.4 keeps cycles at or under 120 s for people on foot). [s]"""

SLACK_S = 2.0
"""Kept in hand for the controller's own whole seconds."""


def due_stage(state: SignalState, junction: int, now_ms: int) -> int:
    """Return the local stage that must be served or kept now, or -1 while every deadline has slack."""
    tables, controllers = state.tables, state.tables.assets.controllers
    return int(
        _due(
            now_ms,
            int(state.last_stage[junction]),
            max((now_ms - int(state.green_since_ms[junction])) / 1000.0, 0.0),
            int(controllers.link_begin[junction]),
            int(controllers.link_end[junction]),
            int(tables.n_stages[junction]),
            tables.lamps,
            state.lamp,
            state.last_green_ms,
            tables.service[junction],
            tables.min_green_s[junction],
            tables.intergreen_s[junction],
            MAX_RED_S - SLACK_S,
        )
    )


@njit(cache=True)
def _due(
    now_ms: int,
    stage: int,
    green_s: float,
    link_begin: int,
    link_end: int,
    n_stages: int,
    lamps: U8,
    lamp: U8,
    last_green_ms: I64,
    service: BOOL,
    min_green_s: F64,
    intergreen_s: F64,
    bound_s: float,
) -> int:
    if stage < 0:
        return -1
    n = link_end - link_begin
    covered = np.zeros(n, np.bool_)
    for i in range(n):
        link = link_begin + i
        covered[i] = lamps[link, stage] == 1 or lamps[link, stage] == 2
    at_s = max(min_green_s[stage] - green_s, 0.0)
    here, first, slack = stage, -1, 1e9
    for _ in range(n_stages):
        worst, worst_left_s = -1, 1e9
        for i in range(n):
            if covered[i]:
                continue
            left_s = bound_s - (now_ms - last_green_ms[link_begin + i]) / 1000.0
            if left_s < worst_left_s:
                servable = False
                for k in range(n_stages):
                    if service[k] and (lamps[link_begin + i, k] == 1 or lamps[link_begin + i, k] == 2):
                        servable = True
                if servable:
                    worst, worst_left_s = i, left_s
        if worst < 0:
            break
        best, best_gain = -1, -1.0
        for k in range(n_stages):
            shown = lamps[link_begin + worst, k]
            if not service[k] or (shown != 1 and shown != 2):
                continue
            gain = 0.0
            for i in range(n):
                if not covered[i] and (lamps[link_begin + i, k] == 1 or lamps[link_begin + i, k] == 2):
                    left_s = bound_s - (now_ms - last_green_ms[link_begin + i]) / 1000.0
                    gain += 1.0 + max(60.0 - left_s, 0.0) / 10.0
            gain -= intergreen_s[here, k] / 20.0
            if gain > best_gain:
                best, best_gain = k, gain
        green_at_s = at_s + intergreen_s[here, best]
        slack = min(slack, worst_left_s - green_at_s)
        if first < 0:
            first = best
        at_s = green_at_s + min_green_s[best]
        here = best
        for i in range(n):
            covered[i] |= lamps[link_begin + i, best] == 1 or lamps[link_begin + i, best] == 2
    return first if slack <= 1.0 else -1
