"""When the users of a junction's queues leave in one stage, compiled.

In order: not before they arrive, one saturation headway apart, after the start-up loss, and, where they must give way,
only into gaps of the streams they yield to.
"""

from __future__ import annotations

from numba import njit

from cityloop.domains.signals.decide.given import Costing, Lamps, Queues, Users
from cityloop.kernel.columns import F64, I32

__all__ = ["rank", "serve"]

STOP_S = 3.5
"""Turning on red after a full stop costs a moving vehicle this, beyond gaining speed again. [s]"""
STOP_HEADWAY_S = 6.0
"""Each of those who must stop draws up, stands and sets off by itself (measured in SUMO: 5 to 7 s). [s]"""
_STOP = 3

CLEAR_S = 1.0
"""After a vehicle of the stream yielded to has crossed, the next yielding one may. [s]"""


@njit(cache=True)
def _earliest(eta_s: float, lamp: int, stands: bool) -> float:
    """Return when a user could cross under a lamp: who turns on red stops first, and who stands has stopped."""
    if lamp != _STOP:
        return eta_s
    return max(eta_s - STOP_S, 0.0) if stands else eta_s + STOP_S


@njit(cache=True)
def rank(lamp: int) -> int:
    """Order lamps by what they are worth: red, on red after a stop, giving way, protected."""
    return 1 if lamp == _STOP else lamp + 1 if lamp > 0 else 0


@njit(cache=True, fastmath=False)
def serve(
    stage: int,
    begin_s: float,
    since_s: float,
    before: int,
    horizon_s: float,
    queues: Queues,
    users: Users,
    lamps: Lamps,
    costing: Costing,
    place: I32,
    ready_s: F64,
    leave_s: F64,
    n_leave: I32,
) -> None:
    """Let the queues of a junction leave in one stage, open-ended until the horizon.

    ``place`` and ``ready_s`` tell where each queue stands when the stage begins. Fills ``leave_s`` (shape (n_queues,
    MAX_QUEUE), the departures in order) and ``n_leave``. Classes green in the stage ``before`` too go on leaving from
    ``since_s``.
    """
    q0, q1, headway_s = queues.begin, queues.end, queues.headway_s
    eta_s, wants, count, stands = users.eta_s, users.wants, users.length, users.stands
    class_lamp, class_queue = lamps.shown, lamps.queue
    foe_begin, foe_end, foe_class = lamps.foe_begin, lamps.foe_end, lamps.foe
    start_loss_s, gap_s = costing.start_loss_s, costing.gap_s
    n = q1 - q0
    mixed = False
    for i in range(n):
        q = q0 + i
        at, t_ready, k = place[i], ready_s[i], 0
        while at < count[q]:
            c = wants[q, at]
            lamp = class_lamp[c, stage]
            if lamp == 0:
                break
            if lamp != 2 and foe_end[c] > foe_begin[c]:
                mixed = True
            held = before >= 0 and class_lamp[c, before] != 0
            t = since_s if held else begin_s + start_loss_s
            t = max(t, _earliest(eta_s[q, at], lamp, stands[q, at]), t_ready)
            if t > horizon_s:
                break
            leave_s[i, k] = t
            k += 1
            t_ready = t + (STOP_HEADWAY_S if lamp == _STOP else headway_s[q])
            at += 1
        n_leave[i] = k
    if not mixed:
        return
    # Who must give way leaves into gaps of the streams just computed as if nobody had to.
    for i in range(n):
        q = q0 + i
        yielding = False
        for k in range(n_leave[i]):
            c = wants[q, place[i] + k]
            if class_lamp[c, stage] != 2 and foe_end[c] > foe_begin[c]:
                yielding = True
                break
        if not yielding:
            continue
        t_ready, k = ready_s[i], 0
        n_before = n_leave[i]
        for k in range(n_before):
            at = place[i] + k
            c = wants[q, at]
            lamp = class_lamp[c, stage]
            held = before >= 0 and class_lamp[c, before] != 0
            t = since_s if held else begin_s + start_loss_s
            t = max(t, _earliest(eta_s[q, at], lamp, stands[q, at]), t_ready)
            if lamp != 2:
                moved = True
                while moved and t <= horizon_s:  # t only grows, past one departure a turn
                    moved = False
                    for f in range(foe_begin[c], foe_end[c]):
                        d = foe_class[f]
                        if class_lamp[d, stage] == 0 or class_queue[d] == q:
                            continue
                        other = class_queue[d] - q0
                        if other < 0 or other >= n:
                            continue
                        for x in range(n_leave[other]):
                            away = leave_s[other, x]
                            if away >= t + gap_s:
                                break
                            if away > t - CLEAR_S + 1e-6 and wants[q0 + other, place[other] + x] == d:
                                t = away + CLEAR_S
                                moved = True
            if t > horizon_s:
                n_leave[i] = k
                break
            leave_s[i, k] = t
            t_ready = t + (STOP_HEADWAY_S if lamp == _STOP else headway_s[q])
