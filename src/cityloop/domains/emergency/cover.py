"""Expected response of the next call, and what a move or a loss does to it. Compiled.

Every unit that may serve has a time to every zone and a chance to be there when needed. A call in a zone is served by
the nearest that is; the expectation runs over the nearest four, then assumes one that must still come free.

As a function of one unit's own time the expectation of a zone is concave and made of straight pieces, so it is the
least of a few lines: that is what makes it cheap to ask for every site at once.
"""

from __future__ import annotations

import numpy as np
from numba import njit

from cityloop.kernel.columns import BOOL, F64, I64

__all__ = ["BEYOND_MIN", "best_move", "expected_response", "loss_without", "move_values", "ranked"]

NEAREST = 4
BEYOND_MIN = 25.0
"""Response when none of the nearest is there: one must come free first. [min]"""


@njit(cache=True)
def ranked(eta: F64, there: F64) -> I64:
    """Return the nearest units of every zone, nearest first, -1 where there are no more; shape (n_zones, 5).

    One more than the expectation runs over, so that any one of them may be left out.
    """
    n_zones = eta.shape[1]
    found = np.full((n_zones, NEAREST + 1), -1, np.int64)
    near = np.full((n_zones, NEAREST + 1), np.inf)
    for u in range(len(eta)):
        if there[u] <= 0.0:
            continue
        for z in range(n_zones):
            x = eta[u, z]
            if x >= near[z, NEAREST]:
                continue
            at = NEAREST
            while at > 0 and near[z, at - 1] > x:
                near[z, at], found[z, at] = near[z, at - 1], found[z, at - 1]
                at -= 1
            near[z, at], found[z, at] = x, u
    return found


@njit(cache=True)
def _expected(eta: F64, there: F64, order: I64, zone: int, skip: int) -> float:
    """Return a zone's expected response over its nearest units, one of them left out."""
    total, left, last, used = 0.0, 1.0, 0.0, 0
    for k in range(NEAREST + 1):
        u = order[zone, k]
        if u < 0 or used == NEAREST:
            break
        if u == skip:
            continue
        last = eta[u, zone]
        part: float = left * there[u] * last
        total += part
        left *= 1.0 - there[u]
        used += 1
        if left <= 0.0:
            return total
    rest: float = left * max(BEYOND_MIN, last)
    return total + rest


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
    order = ranked(eta, there)
    total = 0.0
    for z in range(len(weight)):
        total += weight[z] * _expected(eta, there, order, z, -1)
    return total


@njit(cache=True)
def loss_without(eta: F64, there: F64, weight: F64, who: I64) -> F64:
    """Return by how much the expected response grows without each of some units. [min]"""
    order = ranked(eta, there)
    loss = np.zeros(len(eta))
    for z in range(len(weight)):
        base = _expected(eta, there, order, z, -1)
        left = 1.0
        for k in range(NEAREST):
            u = order[z, k]
            if u < 0 or left <= 0.0:
                break
            loss[u] += weight[z] * (_expected(eta, there, order, z, u) - base)
            left *= 1.0 - there[u]
    return loss[who]


@njit(cache=True)
def _values(
    eta: F64,
    there: F64,
    weight: F64,
    order: I64,
    unit: int,
    here: F64,
    zone_site: F64,
    mix: F64,
    values: F64,
) -> float:
    """Fill the expected response with one unit on its way to each site; return that with it as planned."""
    n_zones, n_sites = zone_site.shape
    values[:] = 0.0
    now = 0.0
    for z in range(n_zones):
        cap = _expected(eta, there, order, z, unit)
        # Lines of one and two others before it; from the third on the last line is kept, which is never too small.
        head1, live1, head2, live2 = cap, 0.0, cap, 0.0
        seen = 0
        for k in range(NEAREST + 1):
            u = order[z, k]
            if u < 0 or seen == 2:
                break
            if u == unit:
                continue
            if seen == 0:
                head1, live1 = there[u] * eta[u, z], 1.0 - there[u]
                head2, live2 = head1, live1
            else:
                head2, live2 = head1 + live1 * there[u] * eta[u, z], live1 * (1.0 - there[u])
            seen += 1
        w, own = weight[z], here[z]
        x = eta[unit, z]
        now += w * min(min(x, head1 + live1 * x), min(head2 + live2 * x, cap))
        for s in range(n_sites):
            t = zone_site[z, s]
            t += mix[s] * (own - t)
            v1 = head1 + live1 * t
            v2 = head2 + live2 * t
            t = min(t, v1)
            t = min(t, v2)
            t = min(t, cap)
            values[s] += w * t
    return now


@njit(cache=True)
def move_values(eta: F64, there: F64, weight: F64, unit: int, zone_site: F64) -> tuple[float, F64]:
    """Return the expected response with one unit as it is, and with it standing at each site. [min]"""
    values = np.empty(zone_site.shape[1])
    order = ranked(eta, there)
    nowhere = np.zeros(zone_site.shape[1])
    now = _values(eta, there, weight, order, unit, eta[unit], zone_site, nowhere, values)
    return now, values


@njit(cache=True)
def best_move(
    eta: F64,
    there: F64,
    weight: F64,
    who: I64,
    forced: BOOL,
    here: F64,
    zone_site: F64,
    allowed: BOOL,
    mix: F64,
    price: F64,
) -> tuple[int, int, float, F64]:
    """Return who of some units should move where, what it wins, and the expected response with it at every site.

    All times are means over the horizon for which a placing lasts: while a unit drives it is between where it was and
    where it will be. Of units that ``forced`` names one is returned before any other: it has to stand somewhere.

    Parameters
    ----------
    eta, there, weight
        As in ``expected_response``, under the present plan.
    who
        Rows of ``eta`` that may move.
    forced
        By entry of ``who``.
    here
        From where each of ``who`` is now, shape (n_who, n_zones). [min]
    zone_site
        From each site to each zone, shape (n_zones, n_sites). [min]
    allowed, mix, price
        By entry of ``who`` and site: whether it may, the share of ``here`` in the mean, and what a gain is lessened by.

    """
    best_k, best_site, best_gain, any_forced = -1, -1, -np.inf, False
    n_sites = zone_site.shape[1]
    values, best_values = np.empty(n_sites), np.empty(n_sites)
    order = ranked(eta, there)
    for k in range(len(who)):
        if any_forced and not forced[k]:
            continue
        now = _values(eta, there, weight, order, who[k], here[k], zone_site, mix[k], values)
        for s in range(n_sites):
            if not allowed[k, s]:
                continue
            gain = now - values[s] - price[k, s]
            if gain > best_gain or (forced[k] and not any_forced):
                best_k, best_site, best_gain = k, s, gain
                best_values[:] = values
                any_forced = forced[k]
    return best_k, best_site, best_gain, best_values
