"""Look ahead: who reaches which stop line when, and what they will want there.

Vehicles in the detection zone come first, each with the time it would cross unhindered. Beyond the zone come those
that upstream signals let go, and after them the lane's average rate. In a lane shared by several turns each vehicle's
turn is drawn from the learned shares, before a turning pocket its lane too: three times over, since nobody knows them.
"""

from __future__ import annotations

import msgspec
import numpy as np
from numba import njit

from cityloop.domains.signals.drawing import STANDING_MPS, Arrivals, Lanes, Sight, draw_lane, draw_turn, join
from cityloop.domains.signals.state import SENSING_DEAD_S, SignalState
from cityloop.kernel.columns import BOOL, F64, I32, I64
from cityloop.kernel.domain import Views

__all__ = ["MAX_QUEUE", "Demand", "Redrawn", "predict"]

MAX_QUEUE = 64
"""Users of a queue looked at: those present and those to come within the horizon."""

DRAWS = 3
"""So often turns and lanes are drawn. On our own networks two did worse, five and eight no better."""
HORIZON_S = 45
RAIL_WEIGHT = 10.0
"""A tram's delay counts as this many cars': about 60 persons against 1.3, limited so that cars are still seen."""
PEDESTRIAN_WEIGHT = 1.5
"""Delay of a standing crossing call, in cars': a call often stands for more than one person."""
PEDESTRIANS_JOIN_PER_S = 0.05
"""How much a call's weight grows while it stands: more people wait behind it, and the sooner one walks on red. [1/s]"""
HASTE_FROM, HASTE_WHOLE = 0.9, 1.1
"""A call weighs more where people on foot have waited so much of what they would have under the own plans round it."""
HASTE = 3.0
"""How much more, at the second of these."""
SPACING_M = 8.0
"""Of vehicles standing in a queue. [m]"""
FREE_AHEAD_M = 12.0
"""A vehicle standing with more room than this before it does not wait for the lamp. [m]"""
CROSSING_HEADWAY_S = 2.0
"""Of people on foot, who do not leave one after another. [s]"""
_DEAD_MS = round(SENSING_DEAD_S * 1000)


class Redrawn(msgspec.Struct, frozen=True):
    """The same users with their turns and lanes drawn anew; shapes as in `Demand`, one draw after the other."""

    eta_s: F64
    wants: I32
    count: I32
    stands: BOOL


NOTHING_REDRAWN = Redrawn(
    np.zeros((0, 0, 0)), np.zeros((0, 0, 0), np.int32), np.zeros((0, 0), np.int32), np.zeros((0, 0, 0), np.bool_)
)


class Demand(msgspec.Struct, frozen=True):
    """Users of every queue in order of arrival."""

    eta_s: F64
    """When each would cross unhindered, from now, shape (n_queues, MAX_QUEUE)."""
    wants: I32
    """Class of each, same shape."""
    count: I32
    """Users of each queue."""
    weight: F64
    """Weight of a user's delay, one a queue."""
    headway_s: F64
    """Saturation headway, one a queue."""
    stands: BOOL
    """Whether each stands already, shape (n_queues, MAX_QUEUE)."""
    now: I32
    """Users present in the zone now, one a queue; the rest are expected."""
    redrawn: Redrawn = NOTHING_REDRAWN
    """Further draws of the same."""


def predict(state: SignalState, views: Views, now_ms: int) -> Demand:
    """Return the demand ahead as the traffic domain's view tells it."""
    tables, traffic, approaches = state.tables, views["traffic"], state.layout.approaches
    n = len(tables.queue_approach)
    # Where no turn and no lane is in doubt, one draw says all.
    draws = DRAWS if tables.in_doubt else 1
    eta_s = np.zeros((draws, n, MAX_QUEUE))
    wants = np.zeros((draws, n, MAX_QUEUE), np.int32)
    count = np.zeros((draws, n), np.int32)
    stands = np.zeros((draws, n, MAX_QUEUE), np.bool_)
    demand = Demand(
        eta_s=eta_s[0],
        wants=wants[0],
        count=count[0],
        weight=np.empty(n),
        headway_s=np.empty(n),
        stands=stands[0],
        now=np.zeros(n, np.int32),
        redrawn=Redrawn(eta_s=eta_s[1:], wants=wants[1:], count=count[1:], stands=stands[1:]),
    )
    # Arrays one by one: numba takes groups apart at its door at twice the price of all that is done behind it.
    look_ahead(
        now_ms,
        tables.queue_approach,
        tables.class_of_movement,
        tables.reach_m,
        approaches.own_m,
        tables.sharing_begin,
        tables.sharing_queue,
        approaches.group,
        tables.group_size,
        approaches.feeders,
        approaches.speed_limit_mps,
        approaches.movement_begin,
        approaches.movement_end,
        traffic.distance_m,
        traffic.speed_mps,
        traffic.count_veh,
        traffic.left_veh,
        traffic.flow_vps,
        traffic.hidden_veh,
        traffic.share,
        traffic.head_odds,
        traffic.coming_veh,
        traffic.seen_at_ms,
        traffic.headway_s,
        tables.queue_link,
        tables.queue_rail,
        tables.class_begin,
        state.call_since_ms,
        state.foot_ratio,
        tables.assets.links.junction,
        eta_s,
        wants,
        count,
        stands,
        demand.now,
        demand.weight,
        demand.headway_s,
    )
    return demand


@njit(cache=True)
def look_ahead(
    now_ms: int,
    queue_approach: I32,
    class_of_movement: I32,
    reach_m: F64,
    own_m: F64,
    sharing_begin: I32,
    sharing_queue: I32,
    group: I32,
    group_size: I32,
    feeders: I32,
    speed_limit_mps: F64,
    movement_begin: I32,
    movement_end: I32,
    distance_m: F64,
    speed_mps: F64,
    count_veh: I32,
    left_veh: I64,
    flow_vps: F64,
    hidden_veh: F64,
    share: F64,
    head_odds: F64,
    coming_veh: F64,
    seen_at_ms: I64,
    lane_headway_s: F64,
    queue_link: I32,
    queue_rail: BOOL,
    class_begin: I32,
    call_since_ms: I64,
    foot_ratio: F64,
    link_junction: I32,
    eta_s: F64,
    wants: I32,
    count: I32,
    stands: BOOL,
    present: I32,
    weight: F64,
    headway_s: F64,
) -> None:
    """Fill the demand of every queue, in place, draw by draw."""
    lanes = Lanes(
        queue_approach,
        class_of_movement,
        reach_m,
        own_m,
        sharing_begin,
        sharing_queue,
        group,
        group_size,
        feeders,
        speed_limit_mps,
        movement_begin,
        movement_end,
    )
    # What was last seen of a lane gone silent is an old picture.
    heard = count_veh.copy()
    for a in range(len(heard)):
        if now_ms - seen_at_ms[a] > _DEAD_MS:
            heard[a] = -1
    sight = Sight(distance_m, speed_mps, heard, left_veh, flow_vps, hidden_veh, share, head_odds, coming_veh)
    weight[:] = 1.0
    headway_s[:] = CROSSING_HEADWAY_S
    for q in range(len(queue_approach)):
        a = queue_approach[q]
        if a < 0:
            weight[q] = PEDESTRIAN_WEIGHT
            since_ms = call_since_ms[queue_link[q]]
            if since_ms >= 0:
                haste = (foot_ratio[link_junction[queue_link[q]]] - HASTE_FROM) / (HASTE_WHOLE - HASTE_FROM)
                weight[q] += PEDESTRIANS_JOIN_PER_S * (now_ms - since_ms) / 1000.0
                weight[q] *= 1.0 + HASTE * min(max(haste, 0.0), 1.0)
                wants[:, q, 0] = class_begin[q]
                count[:, q] = 1
                present[q] = 1
            continue
        if queue_rail[q]:
            weight[q] = RAIL_WEIGHT
        headway_s[q] = lane_headway_s[a]
    draws = eta_s.shape[0]
    # The first draw comes last, so that those present are those of the first.
    for draw in range(draws - 1, -1, -1):
        drawn = Arrivals(eta_s[draw], wants[draw], count[draw], stands[draw])
        _fill(draw / draws, now_ms // 1000, lanes, sight, drawn, present)


@njit(cache=True)
def _fill(shift: float, second: int, lanes: Lanes, sight: Sight, arrivals: Arrivals, present: I32) -> None:
    """Fill one draw of the vehicles of every queue."""
    queue_approach, own_m = lanes.queue_approach, lanes.own_m
    sharing_begin, sharing_queue = lanes.sharing_begin, lanes.sharing_queue
    distance_m, speed_mps, count_veh = sight.distance_m, sight.speed_mps, sight.count_veh
    eta_s, wants, count, stands = arrivals
    n_queues = len(queue_approach)
    most = eta_s.shape[1]
    coming_veh, width = sight.coming_veh, sight.coming_veh.shape[1]
    for q in range(n_queues):
        a = queue_approach[q]
        if a < 0 or lanes.movement_end[a] == lanes.movement_begin[a]:
            continue
        n_sharing = sharing_begin[a + 1] - sharing_begin[a]
        for i in range(count_veh[a]):
            if n_sharing > 0 and distance_m[a, i] > own_m[a]:
                break
            join(q, q, distance_m[a, i], speed_mps[a, i], lanes, sight, arrivals, shift)
    # Upstream lanes that serve several approach lanes: whoever is there comes after those already in lane.
    for q in range(n_queues):
        a = queue_approach[q]
        if a < 0 or sharing_begin[a + 1] == sharing_begin[a]:
            continue
        blocked = -1
        for i in range(count_veh[a]):
            d = distance_m[a, i]
            if d <= own_m[a]:
                continue
            ahead_m = d - (distance_m[a, i - 1] + SPACING_M if i > 0 else 0.0)
            if blocked < 0 and speed_mps[a, i] < STANDING_MPS and ahead_m > FREE_AHEAD_M:
                # It stands with a free lane before it: the lane it wants is full, and nobody passes it.
                blocked = sharing_queue[sharing_begin[a]]
                for x in range(sharing_begin[a], sharing_begin[a + 1]):
                    if count[sharing_queue[x]] > count[blocked]:
                        blocked = sharing_queue[x]
            target = blocked
            if blocked < 0:
                target = draw_lane(sight.left_veh[a] + i, q, a, lanes, sight, shift)
            join(target, q, d, speed_mps[a, i], lanes, sight, arrivals, shift)
    for q in range(n_queues):
        a = queue_approach[q]
        if a < 0 or lanes.movement_end[a] == lanes.movement_begin[a]:
            continue
        present[q] = count[q]
        unseen = int(sight.hidden_veh[a] + 0.5)
        for _ in range(unseen):
            k = count[q]
            if k >= most:
                break
            # They stand right behind those seen.
            stands[q, k] = True
            eta_s[q, k] = eta_s[q, k - 1] if k > 0 else 0.0
            wants[q, k] = draw_turn(sight.left_veh[a] + k, a, False, lanes, sight, shift)
            count[q] = k + 1
        limit = max(lanes.speed_limit_mps[a], 1.0)
        lane_fraction = 1.0 / lanes.group_size[lanes.group[a]]
        acc = 0.5
        # A lane gone silent is nobody's last picture: its users come at the lane's rate from the stop line on.
        first_s = int(lanes.reach_m[a] / limit) + 1 if count_veh[a] >= 0 else 1
        upstream = 0.0
        if lanes.feeders[a] > 0:
            for t in range(first_s, min(width - 2, first_s + 30)):
                upstream += coming_veh[lanes.group[a], (second + t) % width]
            upstream = upstream * lane_fraction / 30.0
        background = sight.flow_vps[a] if lanes.feeders[a] == 0 else max(sight.flow_vps[a] - upstream, 0.0) * 0.5
        t = first_s
        while t <= HORIZON_S and count[q] < most:
            acc += background
            if lanes.feeders[a] > 0 and t < width - 2:
                acc += coming_veh[lanes.group[a], (second + t) % width] * lane_fraction
            while acc >= 1.0 and count[q] < most:
                acc -= 1.0
                k = count[q]
                eta = float(t)
                if k > 0 and eta < eta_s[q, k - 1]:
                    eta = eta_s[q, k - 1]
                eta_s[q, k] = eta
                wants[q, k] = draw_turn(sight.left_veh[a] + k, a, False, lanes, sight, shift)
                count[q] = k + 1
            t += 1
