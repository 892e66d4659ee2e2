"""Draw what nobody senses, compiled: which turn a vehicle of a shared lane wants, which pocket it makes for.

No chance is used: a fixed low-discrepancy sequence over the vehicles' ordinal numbers, so that the same vehicle keeps
its turn from second to second and shares come out right over any few vehicles. A shift of the sequence draws anew: over
shifts spread evenly between 0 and 1 each vehicle wants each turn as often as its share says.
"""

from __future__ import annotations

from numba import njit

from cityloop.kernel.columns import BOOL, F64, I32, I64

__all__ = ["STANDING_MPS", "draw_lane", "draw_turn", "join"]

STANDING_MPS = 0.5
ACCELERATION_MPS2 = 2.0
"""Of a car starting in a queue; sets how long a standing vehicle needs to the line. [m/s2]"""
CRUISING_FRAC = 0.7
"""From this share of the limit on, a vehicle is taken to keep its speed: drivers differ in the speed they like."""
GOLDEN = 0.6180339887498949


@njit(cache=True)
def draw_turn(
    ordinal: int,
    a: int,
    head: bool,
    movement_begin: I32,
    movement_end: I32,
    class_of_movement: I32,
    share: F64,
    head_odds: F64,
    shift: float,
) -> int:
    """Return the class that a lane's vehicle is taken to want; another shift draws anew."""
    begin, end = movement_begin[a], movement_end[a]
    first = int(class_of_movement[begin])
    if end - begin == 1:
        return first
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
            return int(class_of_movement[m])
    return int(class_of_movement[end - 1])


@njit(cache=True)
def draw_lane(
    ordinal: int,
    q: int,
    a: int,
    sharing_begin: I32,
    sharing_queue: I32,
    queue_approach: I32,
    left_veh: I64,
    shift: float,
) -> int:
    """Return the queue that a vehicle of a shared upstream lane is taken to choose, by what each has let go so far."""
    total = left_veh[a] + 3.0
    for x in range(sharing_begin[a], sharing_begin[a + 1]):
        total += left_veh[queue_approach[sharing_queue[x]]] + 3.0
    u = ((ordinal * GOLDEN + shift) % 1.0) * total - (left_veh[a] + 3.0)
    if u < 0.0:
        return q
    for x in range(sharing_begin[a], sharing_begin[a + 1]):
        u -= left_veh[queue_approach[sharing_queue[x]]] + 3.0
        if u < 0.0:
            return int(sharing_queue[x])
    return q


@njit(cache=True)
def join(
    target: int,
    seen_from: int,
    d: float,
    speed: float,
    queue_approach: I32,
    speed_limit_mps: F64,
    movement_begin: I32,
    movement_end: I32,
    class_of_movement: I32,
    left_veh: I64,
    share: F64,
    head_odds: F64,
    eta_s: F64,
    wants: I32,
    count: I32,
    stands: BOOL,
    shift: float,
) -> None:
    """Add a vehicle seen at a distance to the end of a queue."""
    k = count[target]
    if k >= eta_s.shape[1]:
        return
    limit = max(speed_limit_mps[queue_approach[seen_from]], 1.0)
    if speed >= CRUISING_FRAC * limit:
        eta = d / speed
    else:
        lost = limit - speed
        eta = d / limit + lost * lost / (2.0 * ACCELERATION_MPS2 * limit)
    if k > 0 and eta < eta_s[target, k - 1]:
        eta = eta_s[target, k - 1]
    b = queue_approach[target]
    eta_s[target, k] = eta
    wants[target, k] = draw_turn(
        left_veh[b] + k, b, k == 0, movement_begin, movement_end, class_of_movement, share, head_odds, shift
    )
    stands[target, k] = speed < STANDING_MPS
    count[target] = k + 1
