"""Turn shares, headways and arrivals, learned from who crosses the stop line when. Compiled.

Nobody tells where a vehicle turns. A vehicle that leaves while only one of its lane's movements is green took that one.
One that stands first through a movement's green wants another, the likelier the longer.
"""

from __future__ import annotations

import numpy as np
from numba import njit

from cityloop.kernel.columns import F64, I32, I64, U8

__all__ = ["learn"]

_PERMISSIVE, _PROTECTED, _STOP = 1, 2, 3
STANDING_MPS = 0.5
HEAD_ZONE_M = 9.0
REACTION_S = 3.0
"""A head vehicle that may go is under way within this. [s]"""
STOPPED_S = 2.0
"""One that may turn after a full stop goes about this long after it, or soon afterwards. [s]"""
GAP_WAIT_S = 8.0
"""How long one that must yield typically waits for a gap. [s]"""
SPACING_M = 8.0
"""Of vehicles standing in a queue. [m]"""
CREEP_MPS = 2.0
MOST_HIDDEN_VEH = 15.0
ROOM_S = 3.0
"""Longer than the next of a queue takes to move up: room untaken for so long tells that nobody stands beyond. [s]"""
START_S = 2.0
"""Lost by whoever keeps a junction clear and starts once there is room beyond it (HCM 7, ch. 19). [s]"""
ACCELERATION_MPS2 = 2.0
FRONT_M = 1.0
"""From a standing vehicle to the line before it. [m]"""
DOUBT_S = 40.0
"""After so long without an end the queue is believed to grow twice as fast; set on own networks. [s]"""
DEMAND_MEMORY_S = 300.0
LEAST_COUNTING_S = 60.0
"""Of fewer seconds a count of arrivals is chance. [s]"""
INLET_MEMORY_VEH = 20.0
"""Vehicles over which it is remembered where those of a lane are seen first."""
FAR_M = 20.0
"""Who is first seen within this of the zone's upstream end came in there: a second's way and more. [m]"""
INLET_OFF_M = 8.0
"""Those who come out of one yard are first seen within a second's way; those who change lanes, anywhere. [m]"""
LEAST_ODDS = 0.001
SHARE_MEMORY_VEH = 40.0
"""Vehicles over which turn shares are remembered."""
FLOW_MEMORY_S = 180.0
HEADWAY_GAIN = 0.05
LEAST_HEADWAY_S, MOST_HEADWAY_S = 1.4, 3.0
SATURATED_AFTER_VEH = 3
"""A queue's headways settle with its fourth vehicle (HCM 7, ch. 31: saturation flow is measured from there)."""
MOST_GAP_S = 5.0
"""A longer gap is no saturated headway: somebody waited for something else. [s]"""


@njit(cache=True)
def _inlet_m(a: int, entered: int, n: int, distance_m: F64, seen_m: F64, inlet: F64) -> float:
    """Return how far from the line most come into a lane: at the zone's upstream end, or by a gate beside it.

    ``inlet`` holds, per lane, the share of those who come in at the end, where the others are first seen in the mean,
    and how far from there they are in the mean.
    """
    for i in range(max(n - entered, 0), n):
        at_m, gain = distance_m[a, i], 1.0 / INLET_MEMORY_VEH
        far = at_m > seen_m[a] - FAR_M
        inlet[0, a] += gain * ((1.0 if far else 0.0) - inlet[0, a])
        if not far:
            first = inlet[1, a] == 0.0
            inlet[1, a] += at_m - inlet[1, a] if first else gain * (at_m - inlet[1, a])
            inlet[2, a] += INLET_OFF_M if first else gain * (abs(at_m - inlet[1, a]) - inlet[2, a])
    if inlet[0, a] < 0.5 and inlet[2, a] < INLET_OFF_M:
        return float(inlet[1, a] + inlet[2, a])
    return float(seen_m[a])


@njit(cache=True)
def _hide(
    a: int,
    step_s: float,
    entered: int,
    distance_m: F64,
    speed_mps: F64,
    count_veh: I32,
    blind_m: F64,
    seen_m: F64,
    room_s: F64,
    queued_s: F64,
    queued_veh: F64,
    demand_vps: F64,
    hidden_veh: F64,
    inlet: F64,
) -> None:
    """Keep count of who stands beyond a zone that the queue has filled.

    A queue begins when the zone is full and ends when room at its upstream end goes untaken. Whoever arrived between
    is counted exactly by then; until then the lane's demand of before is believed, and more of it the longer no end is
    seen: a lane that is never seen empty was let go too seldom, and what it was let go says nothing of its demand.
    """
    n = count_veh[a]
    last_m = distance_m[a, n - 1] if n > 0 else 0.0
    seen_m[a] = max(seen_m[a], last_m)
    end_m = _inlet_m(a, entered, n, distance_m, seen_m, inlet)
    # Who stands upstream of a yard's gate is in sight and hides nobody.
    at_end = end_m - SPACING_M < last_m < end_m + SPACING_M
    full = n > 0 and at_end and speed_mps[a, n - 1] < CREEP_MPS
    room = n == 0 or last_m + 2.0 * SPACING_M < end_m
    room_s[a] = room_s[a] + step_s if room and entered == 0 else 0.0
    if queued_s[a] == 0.0:
        demand_vps[a] += (entered / step_s - demand_vps[a]) * step_s / DEMAND_MEMORY_S
        if full:
            queued_s[a], queued_veh[a] = step_s, 0.0
        return
    queued_s[a] += step_s
    queued_veh[a] += entered
    # The next may stand behind a junction, of which the inside is kept clear until there is room.
    comes_s = START_S + np.sqrt(2.0 * (blind_m[a] + FRONT_M) / ACCELERATION_MPS2) if blind_m[a] > 0.0 else 0.0
    if room_s[a] >= max(ROOM_S, comes_s):
        counted_vps = queued_veh[a] / queued_s[a]
        demand_vps[a] += (counted_vps - demand_vps[a]) * (1.0 - np.exp(-queued_s[a] / DEMAND_MEMORY_S))
        queued_s[a] = hidden_veh[a] = 0.0
        return
    least_vps = queued_veh[a] / max(queued_s[a], LEAST_COUNTING_S)
    believed_vps = max(demand_vps[a], least_vps) * (1.0 + queued_s[a] / DOUBT_S)
    hidden_veh[a] = min(max(hidden_veh[a] + believed_vps * step_s - entered, 0.0), MOST_HIDDEN_VEH)


@njit(cache=True)
def learn(
    now_ms: int,
    step_s: float,
    released: I32,
    distance_m: F64,
    speed_mps: F64,
    count_veh: I32,
    n_before: I32,
    movement_begin: I32,
    movement_end: I32,
    movement_link: I32,
    movement_group: I32,
    movement_distance_m: F64,
    speed_limit_mps: F64,
    blind_m: F64,
    lamp: U8,
    share: F64,
    head_odds: F64,
    green_s: F64,
    standing_s: F64,
    flow_vps: F64,
    left_veh: I64,
    headway_s: F64,
    last_left_ms: I64,
    queue_run: I32,
    coming_veh: F64,
    seen_m: F64,
    room_s: F64,
    queued_s: F64,
    queued_veh: F64,
    demand_vps: F64,
    hidden_veh: F64,
    inlet: F64,
) -> None:
    """Update shares, head flags, flows, headways and the arrivals sent downstream, in place.

    ``lamp`` is what each link was shown during the step. ``green_s`` (per movement) is how long the head vehicle has
    stood before that movement's green, and ``head_odds`` what that says of its wanting the movement; ``queue_run``
    counts vehicles that left one after another out of a standing queue; ``seen_m`` is the farthest an object was seen;
    ``room_s`` how long room at the zone's upstream end has gone untaken; ``queued_s`` and ``queued_veh`` how long the
    lane's queue has not been seen to end, and who entered meanwhile; ``demand_vps`` arrivals from end to end; ``inlet``
    where those who enter are first seen.
    """
    second = now_ms // 1000
    width = coming_veh.shape[1]
    for g in range(coming_veh.shape[0]):
        coming_veh[g, (second - 1) % width] = 0.0
    for a in range(len(released)):
        begin, end = movement_begin[a], movement_end[a]
        n_left = released[a]
        left_veh[a] += n_left
        entered = max(count_veh[a] - n_before[a] + n_left, 0)
        flow_vps[a] += (entered / step_s - flow_vps[a]) * step_s / FLOW_MEMORY_S
        _hide(
            a, step_s, entered, distance_m, speed_mps, count_veh, blind_m, seen_m,
            room_s, queued_s, queued_veh, demand_vps, hidden_veh, inlet,
        )  # fmt: skip
        open_weight = 0.0
        n_open = 0
        for m in range(begin, end):
            shown = lamp[movement_link[m]]
            if shown != 0:
                n_open += 1
                open_weight += share[m] * head_odds[m]
        if n_left > 0:
            protected = False
            for m in range(begin, end):
                if lamp[movement_link[m]] == _PROTECTED:
                    protected = True
            waited = standing_s[a] > 1.5
            if protected and queue_run[a] >= SATURATED_AFTER_VEH:
                gap_s = (now_ms - last_left_ms[a]) / 1000.0 / n_left
                if gap_s < MOST_GAP_S:
                    # Times are whole seconds; the mean over many is not.
                    headway_s[a] += HEADWAY_GAIN * (min(max(gap_s, 0.5), 4.0) - headway_s[a])
                    headway_s[a] = min(max(headway_s[a], LEAST_HEADWAY_S), MOST_HEADWAY_S)
            queued_behind = count_veh[a] > 0 and speed_mps[a, 0] < 0.75 * speed_limit_mps[a] and distance_m[a, 0] < 18.0
            queue_run[a] = queue_run[a] + n_left if queued_behind and (waited or queue_run[a] > 0) else 0
            last_left_ms[a] = now_ms
            if n_open > 0 and open_weight > 0.0:
                gain = n_left / SHARE_MEMORY_VEH
                for m in range(begin, end):
                    link = movement_link[m]
                    chance = 0.0
                    if lamp[link] != 0:
                        chance = share[m] * head_odds[m] / open_weight
                    to = movement_group[m]
                    if to >= 0:
                        eta_s = movement_distance_m[m] / max(speed_limit_mps[a], 1.0) + 2.0
                        if eta_s < width - 2:
                            coming_veh[to, (second + int(eta_s)) % width] += n_left * chance
                    share[m] += gain * (chance - share[m])
            for m in range(begin, end):
                head_odds[m] = 1.0
                green_s[m] = 0.0
            standing_s[a] = 0.0
            floor = 0.05
            total = 0.0
            for m in range(begin, end):
                share[m] = max(share[m], floor)
                total += share[m]
            for m in range(begin, end):
                share[m] /= total
        if count_veh[a] > 0 and speed_mps[a, 0] < STANDING_MPS and distance_m[a, 0] < HEAD_ZONE_M:
            standing_s[a] += step_s
            greatest = 0.0
            for m in range(begin, end):
                shown = lamp[movement_link[m]]
                if shown != 0:
                    green_s[m] += step_s
                    odds = 1.0
                    if shown == _PROTECTED:
                        odds = 1.0 if green_s[m] < REACTION_S else LEAST_ODDS
                    elif shown == _STOP:
                        odds = np.exp(-max(green_s[m] - STOPPED_S, 0.0) / STOPPED_S)
                    else:
                        odds = np.exp(-max(green_s[m] - REACTION_S, 0.0) / GAP_WAIT_S)
                    head_odds[m] = max(min(head_odds[m], odds), LEAST_ODDS)
                elif head_odds[m] > 2.0 * LEAST_ODDS:
                    green_s[m] = 0.0
                greatest = max(greatest, head_odds[m])
            if greatest <= 2.0 * LEAST_ODDS:
                # Stood through all it could want: something else blocks it (a full exit). Nothing is known then.
                for m in range(begin, end):
                    head_odds[m] = 1.0
                    green_s[m] = 0.0
        elif count_veh[a] == 0 or distance_m[a, 0] >= HEAD_ZONE_M:
            standing_s[a] = 0.0
            for m in range(begin, end):
                head_odds[m] = 1.0
                green_s[m] = 0.0
