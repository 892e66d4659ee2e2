"""From raw readings to objects per approach lane, and from two scans to who crossed the stop line. Compiled."""

from __future__ import annotations

import math

import numpy as np
from numba import njit

from cityloop.kernel.columns import F64, I32, I64, U8

__all__ = ["count_released", "read_scans", "released_between"]

_COUNT, _DISTANCE, _SPEED = 3, 1, 2
_BAD = 2
SHORTEST_M = 5.0
"""A vehicle's own length: no zone is read as shorter. [m]"""


@njit(cache=True)
def read_scans(
    stream: I32,
    observed_at_ms: I64,
    value: F64,
    quality: U8,
    stream_kind: I32,
    stream_asset: I32,
    distance_m: F64,
    speed_mps: F64,
    count_veh: I32,
    seen_at_ms: I64,
) -> None:
    """Fill the object columns from a batch; the latest scan of a lane wins.

    Distances and speeds of one scan arrive in the same order; both are sorted by distance afterwards. Changes
    ``distance_m`` and ``speed_mps`` of shape (n_approaches, MAX_OBJECTS), ``count_veh`` and ``seen_at_ms`` in place.
    """
    n_approaches, most = distance_m.shape
    n_distance = np.zeros(n_approaches, np.int32)
    n_speed = np.zeros(n_approaches, np.int32)
    fresh = np.zeros(n_approaches, np.bool_)
    for i in range(len(stream)):
        kind = stream_kind[stream[i]]
        if kind > _COUNT or quality[i] == _BAD:
            continue
        a = stream_asset[stream[i]]
        if observed_at_ms[i] > seen_at_ms[a] or not fresh[a]:
            if observed_at_ms[i] <= seen_at_ms[a]:
                continue
            seen_at_ms[a] = observed_at_ms[i]
            fresh[a] = True
            n_distance[a] = 0
            n_speed[a] = 0
            count_veh[a] = 0
        elif observed_at_ms[i] < seen_at_ms[a]:
            continue
        if kind == _DISTANCE and n_distance[a] < most:
            distance_m[a, n_distance[a]] = max(value[i], 0.0)
            n_distance[a] += 1
        elif kind == _SPEED and n_speed[a] < most:
            speed_mps[a, n_speed[a]] = max(value[i], 0.0)
            n_speed[a] += 1
    for a in range(n_approaches):
        if not fresh[a]:
            continue
        n = min(n_distance[a], n_speed[a])
        kept = 0
        for i in range(n):
            d, v = distance_m[a, i], speed_mps[a, i]
            if not (math.isfinite(d) and math.isfinite(v)):
                continue
            k = kept
            while k > 0 and distance_m[a, k - 1] > d:
                distance_m[a, k] = distance_m[a, k - 1]
                speed_mps[a, k] = speed_mps[a, k - 1]
                k -= 1
            distance_m[a, k] = d
            speed_mps[a, k] = v
            kept += 1
        count_veh[a] = kept
        for i in range(kept, most):
            distance_m[a, i] = np.nan
            speed_mps[a, i] = np.nan


@njit(cache=True)
def count_released(
    before_m: F64, before_mps: F64, n_before: int, after_m: F64, after_mps: F64, n_after: int, step_s: float
) -> int:
    """Return how many of a lane's vehicles crossed the stop line between two scans.

    The scans are aligned by the number of vehicles that makes the rest fit best: a vehicle is expected where its mean
    speed over the step puts it. Vehicles are never followed by name.
    """
    if n_before == 0:
        return 0
    best, best_cost = 0, 1e18
    for gone in range(min(n_before, 4) + 1):
        cost = 0.0
        for i in range(gone):
            # Whoever left must have been able to reach the line.
            reach_m = (before_mps[i] + 1.5) * step_s + 1.0
            if before_m[i] > reach_m:
                cost += (before_m[i] - reach_m) * 2.0
        pairs = min(min(n_before - gone, n_after), 3)
        for i in range(pairs):
            expected_m = before_m[gone + i] - 0.5 * (before_mps[gone + i] + after_mps[i]) * step_s
            cost += min(abs(after_m[i] - expected_m), 12.0) / pairs
        if pairs == 0 and (n_before > gone or (n_after > 0 and after_m[0] < before_m[n_before - 1] + 20.0)):
            # Somebody stayed yet nobody is seen, or somebody is seen who cannot have just come: only a lane change
            # explains it.
            cost += 6.0
        cost += 0.3 * gone
        if cost < best_cost - 1e-9:
            best, best_cost = gone, cost
    return best


@njit(cache=True)
def released_between(
    before_m: F64,
    before_mps: F64,
    n_before: I32,
    before_at_ms: I64,
    after_m: F64,
    after_mps: F64,
    n_after: I32,
    after_at_ms: I64,
    reach_m: F64,
    missed_veh: F64,
    released: I32,
) -> None:
    """Fill ``released`` for every lane whose last two scans lie at most 5 s apart; a longer gap counts as nobody.

    Who drives through a zone shorter than the way of a step is in it at few of the scans. One that is seen there stands
    for as many as its way is zones long (an inverse probability of being seen [1]_); what is left of one is kept in
    ``missed_veh``.

    References
    ----------
    .. [1] Horvitz, D. G. and Thompson, D. J. (1952). A generalization of sampling without replacement from a finite
       universe. JASA, 47(260), 663-685. doi:10.1080/01621459.1952.10483446
    """
    for a in range(len(released)):
        step_ms = after_at_ms[a] - before_at_ms[a]
        if 0 < step_ms <= 5000:
            released[a] = count_released(
                before_m[a],
                before_mps[a],
                n_before[a],
                after_m[a],
                after_mps[a],
                n_after[a],
                step_ms / 1000.0,
            )
            for i in range(released[a]):
                missed_veh[a] += max(before_mps[a, i] * step_ms / 1000.0 / max(reach_m[a], SHORTEST_M) - 1.0, 0.0)
            unseen = int(missed_veh[a])
            released[a] += unseen
            missed_veh[a] -= unseen
