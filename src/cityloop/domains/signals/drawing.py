"""Draw what nobody senses, compiled: which turn a vehicle of a shared lane wants, which pocket it makes for.

No chance is used: a fixed low-discrepancy sequence over the vehicles' ordinal numbers, so that the same vehicle keeps
its turn from second to second and shares come out right over any few vehicles. A shift of the sequence draws anew: over
shifts spread evenly between 0 and 1 each vehicle wants each turn as often as its share says.
"""

from __future__ import annotations

from typing import NamedTuple

from numba import njit

from cityloop.kernel.columns import BOOL, F64, I32, I64

__all__ = ["STANDING_MPS", "Arrivals", "Lanes", "Sight", "draw_lane", "draw_turn", "join"]

STANDING_MPS = 0.5
ACCELERATION_MPS2 = 2.0
"""Of a car starting in a queue; sets how long a standing vehicle needs to the line. [m/s2]"""
CRUISING_FRAC = 0.7
"""From this share of the limit on, a vehicle is taken to keep its speed: drivers differ in the speed they like."""
GOLDEN = 0.6180339887498949


class Lanes(NamedTuple):
    """What does not change: queues, their approach lanes, and the turns that lead from each."""

    queue_approach: I32
    """Lane of each queue, -1 of a crossing's."""
    class_of_movement: I32
    reach_m: F64
    """How far each lane is sensed. [m]"""
    own_m: F64
    """From the line to where a lane that others share begins. [m]"""
    sharing_begin: I32
    sharing_queue: I32
    """Queues that share the lane upstream of lane a, from ``sharing_begin[a]`` to ``sharing_begin[a + 1]``."""
    group: I32
    group_size: I32
    """Lanes of each group: those that the same feeders lead to."""
    feeders: I32
    speed_limit_mps: F64
    movement_begin: I32
    movement_end: I32


class Sight(NamedTuple):
    """What the traffic domain sees and has learned of every lane; see its view."""

    distance_m: F64
    speed_mps: F64
    count_veh: I32
    """Vehicles seen, -1 where the lane has gone silent."""
    left_veh: I64
    flow_vps: F64
    hidden_veh: F64
    share: F64
    head_odds: F64
    coming_veh: F64


class Arrivals(NamedTuple):
    """Users of every queue in order of arrival, one draw of them; see `Demand` of the forecast."""

    eta_s: F64
    wants: I32
    length: I32
    """Users of each queue."""
    stands: BOOL


# Inlined everywhere: handing a group of arrays on counts each of its arrays up and down, for every vehicle drawn.
@njit(cache=True, inline="always")
def draw_turn(ordinal: int, a: int, head: bool, lanes: Lanes, sight: Sight, shift: float) -> int:
    """Return the class that a lane's vehicle is taken to want; another shift draws anew."""
    begin, end = lanes.movement_begin[a], lanes.movement_end[a]
    first = int(lanes.class_of_movement[begin])
    if end - begin == 1:
        return first
    share, head_odds = sight.share, sight.head_odds
    total = 0.0
    for m in range(begin, end):
        w = share[m] * head_odds[m] if head else share[m]
        total += w
    if total <= 0.0:
        return first
    u = ((ordinal * GOLDEN + a * 0.371 + shift) % 1.0) * total
    for m in range(begin, end):
        w = share[m] * head_odds[m] if head else share[m]
        u -= w
        if u < 0.0:
            return int(lanes.class_of_movement[m])
    return int(lanes.class_of_movement[end - 1])


@njit(cache=True, inline="always")
def draw_lane(ordinal: int, q: int, a: int, lanes: Lanes, sight: Sight, shift: float) -> int:
    """Return the queue that a vehicle of a shared upstream lane is taken to choose, by what each has let go so far."""
    left_veh, sharing_queue = sight.left_veh, lanes.sharing_queue
    total = left_veh[a] + 3.0
    for x in range(lanes.sharing_begin[a], lanes.sharing_begin[a + 1]):
        total += left_veh[lanes.queue_approach[sharing_queue[x]]] + 3.0
    u = ((ordinal * GOLDEN + shift) % 1.0) * total - (left_veh[a] + 3.0)
    if u < 0.0:
        return q
    for x in range(lanes.sharing_begin[a], lanes.sharing_begin[a + 1]):
        u -= left_veh[lanes.queue_approach[sharing_queue[x]]] + 3.0
        if u < 0.0:
            return int(sharing_queue[x])
    return q


@njit(cache=True, inline="always")
def join(
    target: int, seen_from: int, d: float, speed: float, lanes: Lanes, sight: Sight, arrivals: Arrivals, shift: float
) -> None:
    """Add a vehicle seen at a distance to the end of a queue."""
    eta_s, length = arrivals.eta_s, arrivals.length
    k = length[target]
    if k >= eta_s.shape[1]:
        return
    limit = max(lanes.speed_limit_mps[lanes.queue_approach[seen_from]], 1.0)
    if speed >= CRUISING_FRAC * limit:
        eta = d / speed
    else:
        lost = limit - speed
        eta = d / limit + lost * lost / (2.0 * ACCELERATION_MPS2 * limit)
    if k > 0 and eta < eta_s[target, k - 1]:
        eta = eta_s[target, k - 1]
    b = lanes.queue_approach[target]
    eta_s[target, k] = eta
    arrivals.wants[target, k] = draw_turn(sight.left_veh[b] + k, b, k == 0, lanes, sight, shift)
    arrivals.stands[target, k] = speed < STANDING_MPS
    length[target] = k + 1
