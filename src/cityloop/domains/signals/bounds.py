"""Nobody waits past the bound: which stage must go first so that every link is green in time.

Earliest deadline first over the links that are red. When the chain of services that the next deadlines need leaves no
slack, the first of the chain is due now, whatever any estimate says. Policies ask so as to act in time; the guard asks
so that they have to.
"""

from __future__ import annotations

import numpy as np
from numba import njit

from cityloop.domains.signals.state import SignalState
from cityloop.kernel.columns import BOOL, F64, I32, I64, U8

__all__ = ["MAX_RED_S", "due_stages", "forced_stage"]

MAX_RED_S = 120.0
"""Longest red of any link (RiLSA 2015, 2.7.4 keeps cycles at or under 120 s for people on foot). [s]"""

SLACK_S = 2.0
"""Kept in hand for the controller's own whole seconds."""

_BOUND_MS = round((MAX_RED_S - SLACK_S) * 1000)

SEEN_LATE_S = 1.0
"""A stage is heard of a step after it began, and held as much longer. [s]"""


def due_stages(state: SignalState, now_ms: int, promise_frac: float = 0.0) -> I32:
    """Return per junction the stage that must be served or kept now, -1 while every deadline has slack.

    Parameters
    ----------
    state, now_ms
        What is known of the junctions, and the instant. [ms]
    promise_frac
        Where people on foot round a junction have waited longer than under the own plans, whoever calls is to walk
        within this share of the longest red of its plan; 0 for the bound alone.

    """
    tables, controllers = state.tables, state.tables.assets.controllers
    due = np.empty(len(state.last_stage), np.int32)
    _due_all(
        now_ms,
        promise_frac,
        state.last_stage,
        state.green_since_ms,
        state.waits_since_ms,
        state.call_since_ms,
        state.foot_ratio,
        tables.assets.links.own_red_s,
        controllers.link_begin,
        controllers.link_end,
        tables.n_stages,
        tables.lamps,
        tables.servable,
        tables.service,
        tables.conflict,
        tables.min_green_s,
        tables.intergreen_s,
        tables.round_s,
        due,
    )
    return due


def forced_stage(state: SignalState, junction: int, now_ms: int, wanted: int) -> int:
    """Return the local stage that must be served instead of the one wanted, or -1 where that one may be.

    A stage may be gone to only while the chain of services still holds every deadline after it.
    """
    tables, controllers = state.tables, state.tables.assets.controllers
    first: int = _forced(
        now_ms,
        junction,
        wanted,
        state.last_stage,
        state.green_since_ms,
        state.waits_since_ms,
        controllers.link_begin,
        controllers.link_end,
        tables.n_stages,
        tables.lamps,
        tables.servable,
        tables.service,
        tables.conflict,
        tables.min_green_s,
        tables.intergreen_s,
        tables.round_s,
    )
    return first


@njit(cache=True)
def _due_all(
    now_ms: int,
    promise_frac: float,
    last_stage: I32,
    green_since_ms: I64,
    waits_since_ms: I64,
    call_since_ms: I64,
    foot_ratio: F64,
    own_red_s: F64,
    link_begin: I32,
    link_end: I32,
    n_stages: I32,
    lamps: U8,
    servable: BOOL,
    service: BOOL,
    conflict: BOOL,
    min_green_s: F64,
    intergreen_s: F64,
    round_s: F64,
    due: I32,
) -> None:
    latest_ms = waits_since_ms + _BOUND_MS
    for j in range(len(due)):
        if promise_frac > 0.0 and foot_ratio[j] > 1.0:
            for i in range(link_begin[j], link_end[j]):
                if call_since_ms[i] >= 0 and own_red_s[i] > 0.0:
                    latest_ms[i] = min(latest_ms[i], call_since_ms[i] + int(promise_frac * own_red_s[i] * 1000.0))
        due[j] = -1
        stage, own = last_stage[j], slice(link_begin[j], link_end[j])
        if stage < 0 or _young(now_ms, n_stages[j], latest_ms[own], servable[own], round_s[j]):
            continue
        first, slack_s = _services(
            now_ms, stage, _rest_s(now_ms, green_since_ms[j], min_green_s[j, stage]), n_stages[j], latest_ms[own],
            lamps[own], service[j], conflict[j], min_green_s[j], intergreen_s[j],
        )  # fmt: skip
        if slack_s <= 1.0:
            due[j] = first


@njit(cache=True)
def _forced(
    now_ms: int,
    j: int,
    wanted: int,
    last_stage: I32,
    green_since_ms: I64,
    waits_since_ms: I64,
    link_begin: I32,
    link_end: I32,
    n_stages: I32,
    lamps: U8,
    servable: BOOL,
    service: BOOL,
    conflict: BOOL,
    min_green_s: F64,
    intergreen_s: F64,
    round_s: F64,
) -> int:
    stage, own = last_stage[j], slice(link_begin[j], link_end[j])
    if stage < 0:
        return -1
    latest_ms = waits_since_ms[own] + _BOUND_MS
    if _young(now_ms, n_stages[j], latest_ms, servable[own], round_s[j]):
        return -1
    rest_s = _rest_s(now_ms, green_since_ms[j], min_green_s[j, stage])
    first, slack_s = _services(
        now_ms, stage, rest_s, n_stages[j], latest_ms, lamps[own], service[j], conflict[j], min_green_s[j],
        intergreen_s[j],
    )  # fmt: skip
    if first < 0 or first == wanted:
        return -1
    if slack_s <= 1.0:
        return first
    if wanted == stage:
        return -1
    served_s = rest_s + intergreen_s[j, stage, wanted] + SEEN_LATE_S + min_green_s[j, wanted]
    _, slack_s = _services(
        now_ms, wanted, served_s, n_stages[j], latest_ms, lamps[own], service[j], conflict[j], min_green_s[j],
        intergreen_s[j],
    )  # fmt: skip
    return first if slack_s <= 1.0 else -1


@njit(cache=True)
def _young(now_ms: int, n_stages: int, latest_ms: I64, servable: BOOL, round_s: float) -> bool:
    """Tell whether all deadlines are so far that serving all stages once, after any other, cannot be late."""
    enough_ms = now_ms + (1.0 + 1.0 / n_stages) * round_s * 1000.0 + 10_000.0
    soon = False
    for i in range(len(latest_ms)):
        soon |= servable[i] and latest_ms[i] <= enough_ms
    return not soon


@njit(cache=True)
def _rest_s(now_ms: int, green_since_ms: int, min_green_s: float) -> float:
    """Return how much longer the stage shown lasts at least. [s]."""
    return max(min_green_s - max((now_ms - green_since_ms) / 1000.0, 0.0), 0.0)


@njit(cache=True)
def _services(
    now_ms: int,
    stage: int,
    at_s: float,
    n_stages: int,
    latest_ms: I64,
    lamps: U8,
    service: BOOL,
    conflict: BOOL,
    min_green_s: F64,
    intergreen_s: F64,
) -> tuple[int, float]:
    """Return the first of the services that follow a stage which ends in ``at_s``, and the least slack of all. [s].

    Where the first at hand would be late, one that is not takes its place: which stage helps most urgent links changes
    from one second to the next, and a chain that was counted on must not be dropped for one that comes too late. The
    slack stays that of the first at hand, so that what is due is due as soon as before.
    """
    first, slack_s = _served_from(
        now_ms, stage, at_s, -1, n_stages, latest_ms, lamps, service, conflict, min_green_s, intergreen_s
    )
    if first < 0 or slack_s >= 0.0:
        return first, slack_s
    rescue, rescue_s = first, slack_s
    for k in range(n_stages):
        if k == stage or not service[k] or conflict[k]:
            continue
        begun, other_s = _served_from(
            now_ms, stage, at_s, k, n_stages, latest_ms, lamps, service, conflict, min_green_s, intergreen_s
        )
        if other_s > rescue_s:
            rescue, rescue_s = begun, other_s
    return (rescue if rescue_s >= 0.0 else first), slack_s


@njit(cache=True)
def _served_from(
    now_ms: int,
    stage: int,
    at_s: float,
    begin_with: int,
    n_stages: int,
    latest_ms: I64,
    lamps: U8,
    service: BOOL,
    conflict: BOOL,
    min_green_s: F64,
    intergreen_s: F64,
) -> tuple[int, float]:
    """Return the first of the services that follow a stage which ends in ``at_s``, and the least slack of all. [s].

    The most urgent link is served by the stage that helps most other urgent ones; ``begin_with`` names the first
    service instead where it is not -1.
    """
    n = len(latest_ms)
    covered = np.zeros(n, np.bool_)
    for i in range(n):
        covered[i] = lamps[i, stage] == 1 or lamps[i, stage] == 2
    here, first, slack = stage, -1, 1e9
    for _ in range(n_stages + 1):
        worst, worst_left_s = -1, 1e9
        for i in range(n):
            if covered[i]:
                continue
            left_s = (latest_ms[i] - now_ms) / 1000.0
            if left_s < worst_left_s:
                servable = False
                for k in range(n_stages):
                    if service[k] and not conflict[k] and (lamps[i, k] == 1 or lamps[i, k] == 2):
                        servable = True
                if servable:
                    worst, worst_left_s = i, left_s
        if worst < 0:
            break
        best, best_gain = -1, -1e9
        for k in range(n_stages):
            shown = lamps[worst, k]
            if not service[k] or conflict[k] or (shown != 1 and shown != 2):
                continue
            gain = 0.0
            for i in range(n):
                if not covered[i] and (lamps[i, k] == 1 or lamps[i, k] == 2):
                    left_s = (latest_ms[i] - now_ms) / 1000.0
                    gain += 1.0 + max(60.0 - left_s, 0.0) / 10.0
            gain -= intergreen_s[here, k] / 20.0
            if gain > best_gain:
                best, best_gain = k, gain
        if first < 0:
            best = best if begin_with < 0 else begin_with
            first = best
        green_at_s = at_s + intergreen_s[here, best] + SEEN_LATE_S
        if lamps[worst, best] == 1 or lamps[worst, best] == 2:
            slack = min(slack, worst_left_s - green_at_s)
        at_s = green_at_s + min_green_s[best]
        here = best
        for i in range(n):
            covered[i] |= lamps[i, best] == 1 or lamps[i, best] == 2
    return first, slack
