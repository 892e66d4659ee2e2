"""Expected response of the next call, and what a move or a loss does to it. Compiled.

Every unit that may serve has a time to every zone and a chance to be there when needed. A call in a zone is served by
the nearest that is; the expectation runs over the nearest four, then assumes one that must still come free.
"""

from __future__ import annotations

import numpy as np
from numba import njit

from cityloop.kernel.columns import BOOL, F64, I64

__all__ = ["BEYOND_MIN", "best_move", "expected_response", "loss_without", "move_values"]

NEAREST = 4
BEYOND_MIN = 25.0
"""Response when none of the nearest is there: one must come free first. [min]"""


@njit(cache=True)
def _nearest(eta: F64, there: F64, zone: int, skip: int, e: F64, a: F64) -> int:
    """Fill the nearest units' times and chances, ascending; return how many."""
    count = 0
    for u in range(len(eta)):
        if u == skip or there[u] <= 0.0:
            continue
        x = eta[u, zone]
        if count < NEAREST:
            at = count
            count += 1
        elif x < e[NEAREST - 1]:
            at = NEAREST - 1
        else:
            continue
        while at > 0 and e[at - 1] > x:
            e[at], a[at] = e[at - 1], a[at - 1]
            at -= 1
        e[at], a[at] = x, there[u]
    return count


@njit(cache=True)
def _expected(e: F64, a: F64, count: int) -> float:
    value = BEYOND_MIN
    for k in range(count - 1, -1, -1):
        value = a[k] * e[k] + (1.0 - a[k]) * max(value, e[k])
    return value


@njit(cache=True)
def expected_response(eta: F64, there: F64, weight: F64) -> float:
    """Return the expected response of the next call. [min]

    Parameters
    ----------
    eta
        Time of each unit to each zone, shape (n_units, n_zones). [min]
    there
        Chance that each unit is there when needed.
    weight
        Share of calls by zone.

    """
    e, a = np.empty(NEAREST), np.empty(NEAREST)
    total = 0.0
    for z in range(len(weight)):
        total += weight[z] * _expected(e, a, _nearest(eta, there, z, -1, e, a))
    return total


@njit(cache=True)
def loss_without(eta: F64, there: F64, weight: F64, who: I64) -> F64:
    """Return by how much the expected response grows without each of some units. [min]"""
    e, a = np.empty(NEAREST), np.empty(NEAREST)
    base = expected_response(eta, there, weight)
    loss = np.zeros(len(who))
    for k in range(len(who)):
        total = 0.0
        for z in range(len(weight)):
            total += weight[z] * _expected(e, a, _nearest(eta, there, z, who[k], e, a))
        loss[k] = total - base
    return loss


@njit(cache=True)
def move_values(eta: F64, there: F64, weight: F64, unit: int, site_zone: F64, allowed: BOOL) -> tuple[float, F64]:
    """Return the expected response with one unit as it is, and with it at each site, there for certain. [min]

    Sites that are not ``allowed`` get infinity. Beyond the time of the nearest other unit that is there for certain a
    site wins nothing in a zone, so most pairs cost one comparison.
    """
    n_sites, n_zones = site_zone.shape
    values = np.full(n_sites, np.inf)
    e, a = np.empty(NEAREST), np.empty(NEAREST)
    head = np.empty((n_zones, NEAREST + 1))
    live = np.empty((n_zones, NEAREST + 1))
    near = np.empty((n_zones, NEAREST))
    counts = np.empty(n_zones, np.int64)
    without = np.empty(n_zones)
    reach = np.empty(n_zones)
    base = 0.0
    for z in range(n_zones):
        count = _nearest(eta, there, z, unit, e, a)
        counts[z] = count
        head[z, 0], live[z, 0] = 0.0, 1.0
        for k in range(count):
            near[z, k] = e[k]
            head[z, k + 1] = head[z, k] + live[z, k] * a[k] * e[k]
            live[z, k + 1] = live[z, k] * (1.0 - a[k])
        without[z] = _expected(e, a, count)
        reach[z] = max(BEYOND_MIN, e[count - 1]) if count else BEYOND_MIN
        for k in range(count):
            if a[k] >= 1.0:
                reach[z] = e[k]
                break
        base += weight[z] * without[z]
    now = base
    for z in range(n_zones):
        x = eta[unit, z]
        if x < reach[z]:
            k = 0
            while k < counts[z] and near[z, k] < x:
                k += 1
            now += weight[z] * (head[z, k] + live[z, k] * x - without[z])
    for s in range(n_sites):
        if not allowed[s]:
            continue
        total = base
        for z in range(n_zones):
            x = site_zone[s, z]
            if x < reach[z]:
                k = 0
                while k < counts[z] and near[z, k] < x:
                    k += 1
                total += weight[z] * (head[z, k] + live[z, k] * x - without[z])
        values[s] = total
    return now, values


@njit(cache=True)
def best_move(
    eta: F64,
    there: F64,
    weight: F64,
    who: I64,
    forced: BOOL,
    site_zone: F64,
    allowed: BOOL,
    drive: F64,
    horizon: float,
    drive_share: float,
) -> tuple[int, int, float, F64]:
    """Return who of some units should move where, what it wins, and that unit's expected response at every site.

    A move wins its lessening of the expected response times the part of the horizon that is left after the drive. Of
    units that ``forced`` names one is returned before any other: it has to stand somewhere, so what counts is its mean
    over the horizon, the nearer site on a tie.

    Parameters
    ----------
    eta, there, weight
        As in ``expected_response``.
    who
        Rows of ``eta`` that may move.
    forced
        By entry of ``who``.
    site_zone
        From each site to each zone. [min]
    allowed, drive
        By entry of ``who`` and site; drives in minutes.
    horizon, drive_share
        How long a placing lasts [min], and the share of the drive during which it counts for nothing.

    """
    best_k, best_site, best_gain, any_forced = -1, -1, -np.inf, False
    best_values = np.empty(0)
    for k in range(len(who)):
        if any_forced and not forced[k]:
            continue
        now, values = move_values(eta, there, weight, who[k], site_zone, allowed[k])
        for s in range(len(values)):
            if not allowed[k, s]:
                continue
            left = max(horizon - drive_share * drive[k, s], 1.0)
            if forced[k]:
                gain = -(values[s] * left + now * (horizon - left)) - 0.02 * drive[k, s]
            else:
                gain = (now - values[s]) * left
            if gain > best_gain or (forced[k] and not any_forced):
                best_k, best_site, best_gain, best_values = k, s, gain, values
                any_forced = forced[k]
    return best_k, best_site, best_gain, best_values
