"""The delay to be expected on each junction's approaches: the same quantity that is observed afterwards.

Every second, for every junction, whatever was decided: vehicles that would have crossed by now and have not, one
second of delay each, over the next 40 s. Vehicles present and to come are those of the signals domain's own look ahead.
From the stage asked for on, stages are served in the simplest way that is not absurd (keep while somebody uses it, then
the stage that most wait for): what a policy will decide later it does not know itself. Nothing is weighted: a tram is
one vehicle, and people on foot, whom the detectors of approaches do not see, count nothing.
"""

from __future__ import annotations

import numpy as np
from numba import njit

from cityloop.domains.signals.forecast import MAX_QUEUE, SPACING_M, predict
from cityloop.domains.signals.state import SignalState
from cityloop.kernel.columns import BOOL, F64, I32, I64, U8
from cityloop.kernel.domain import Views

__all__ = ["HORIZON_S", "expected_delay"]

HORIZON_S = 40
_START_LOSS_S = 1.2
_PASSAGE_S = 3.0
_LONGEST_GREEN_S = 45.0
_YIELDING = 2.0
"""Who gives way needs about so many headways."""


def expected_delay(state: SignalState, views: Views, now_ms: int) -> F64:
    """Return the vehicles' delay on the approaches of each junction over the next 40 s. [veh·s]"""
    tables = state.tables
    demand = predict(state, views, now_ms)
    expected = np.zeros(len(tables.n_stages))
    room = np.full(len(tables.queue_approach), MAX_QUEUE, np.int32)
    seen = tables.queue_approach >= 0
    room[seen] = np.maximum(tables.reach_m[tables.queue_approach[seen]] / SPACING_M, 1).astype(np.int32)
    _roll_out(
        now_ms,
        state.stage,
        state.target,
        state.last_stage,
        state.green_since_ms,
        state.change_since_ms,
        tables.n_stages,
        tables.queue_begin,
        tables.queue_end,
        tables.queue_approach,
        tables.class_lamp,
        tables.service,
        tables.min_green_s,
        tables.intergreen_s,
        demand.eta_s,
        demand.wants,
        demand.count,
        demand.headway_s,
        room,
        expected,
    )
    expected[state.dead] = np.nan
    return expected


@njit(cache=True)
def _roll_out(
    now_ms: int,
    stage: I32,
    target: I32,
    last_stage: I32,
    green_since_ms: I64,
    change_since_ms: I64,
    n_stages: I32,
    queue_begin: I32,
    queue_end: I32,
    queue_approach: I32,
    class_lamp: U8,
    service: BOOL,
    min_green_s: F64,
    intergreen_s: F64,
    eta_s: F64,
    wants: I32,
    count: I32,
    headway_s: F64,
    room: I32,
    expected: F64,
) -> None:
    """Let each junction's queues leave second by second, and add up who waits."""
    most = 0
    for j in range(len(stage)):
        most = max(most, queue_end[j] - queue_begin[j])
    place = np.zeros(most, np.int32)
    ready = np.zeros(most)
    for j in range(len(stage)):
        q0, n = queue_begin[j], queue_end[j] - queue_begin[j]
        place[:] = 0
        ready[:] = 0.0
        shown = stage[j]
        asked = target[j] if target[j] >= 0 else shown
        if asked < 0:
            asked = max(last_stage[j], 0)
        begin_s = (green_since_ms[j] - now_ms) / 1000.0
        if shown != asked:
            came = shown if shown >= 0 else max(last_stage[j], 0)
            begun_s = 0.0 if shown >= 0 else (change_since_ms[j] - now_ms) / 1000.0
            begin_s = max(begun_s + intergreen_s[j, came, asked], 0.0)
        now = asked
        total = 0.0
        for t in range(HORIZON_S):
            green_s = t - begin_s
            if green_s >= min_green_s[j, now]:
                then = _next(j, now, t, green_s, q0, n, n_stages, class_lamp, service, eta_s, wants, count, place)
                if then != now:
                    begin_s = t + intergreen_s[j, now, then]
                    now = then
            for i in range(n):
                q = q0 + i
                while t >= begin_s and place[i] < count[q]:
                    lamp = class_lamp[wants[q, place[i]], now]
                    leave = max(max(eta_s[q, place[i]], ready[i]), begin_s + _START_LOSS_S)
                    if lamp == 0 or leave > t + 1:
                        break
                    ready[i] = leave + headway_s[q] * (1.0 if lamp == 2 else _YIELDING)
                    place[i] += 1
                if queue_approach[q] < 0:
                    continue
                waits = 0
                for k in range(place[i], count[q]):
                    if eta_s[q, k] > t:
                        break
                    waits += 1
                # Who stands behind what the detectors reach is not observed either.
                total += min(waits, room[q])
        expected[j] = total


@njit(cache=True)
def _next(
    j: int,
    now: int,
    t: int,
    green_s: float,
    q0: int,
    n: int,
    n_stages: I32,
    class_lamp: U8,
    service: BOOL,
    eta_s: F64,
    wants: I32,
    count: I32,
    place: I32,
) -> int:
    """Return the stage to go on with: this one while it is used, then the one that most wait for."""
    best, most, others = now, 0, 0
    for s in range(n_stages[j]):
        if not service[j, s]:
            continue
        waits = 0
        for i in range(n):
            q, k = q0 + i, place[i]
            while k < count[q] and eta_s[q, k] <= t + (_PASSAGE_S if s == now else 0.0):
                if class_lamp[wants[q, k], s] == 0:
                    break
                waits += 1
                k += 1
        if s == now:
            if waits > 0 and green_s < _LONGEST_GREEN_S:
                return now
        elif waits > most:
            best, most = s, waits
            others += waits
    return best if others > 0 else now
