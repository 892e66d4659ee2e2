"""Expected response of the next call, and what a move or a loss does to it. Compiled.

Every unit that may serve has a time to every zone and a chance to be there when needed. A call in a zone is served by
the nearest that is; the expectation runs over the nearest four, then assumes one that must still come free.

As a function of one unit's own time the expectation of a zone is concave and made of straight pieces, so it is the
least of a few lines: that is what makes it cheap to ask for every site at once.
"""

from __future__ import annotations

import numpy as np
from numba import njit

from cityloop.kernel.columns import F64, I64

__all__ = ["BEYOND_MIN", "expected_response", "loss_without", "place_values", "ranked"]

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


@njit(cache=True, fastmath=True)
def _fill(zone_site: F64, cap: float, head1: float, live1: float, head2: float, live2: float, out: F64) -> None:
    """Write a zone's expected response with one more unit at each site: the least of four lines."""
    for s in range(len(zone_site)):
        t = zone_site[s]
        v1 = head1 + live1 * t
        v2 = head2 + live2 * t
        t = min(t, v1)
        t = min(t, v2)
        out[s] = min(t, cap)


@njit(cache=True)
def _lines(eta: F64, there: F64, order: I64, zone: int, skip: int) -> tuple[float, float, float, float, float]:
    """Return a zone's expected response without one unit, and the lines of one and two others before it.

    From the third on the last line is kept, which is never too small.
    """
    cap = _expected(eta, there, order, zone, skip)
    head1, live1, head2, live2 = cap, 0.0, cap, 0.0
    seen = 0
    for k in range(NEAREST + 1):
        u = order[zone, k]
        if u < 0 or seen == 2:
            break
        if u == skip:
            continue
        if seen == 0:
            head1, live1 = there[u] * eta[u, zone], 1.0 - there[u]
            head2, live2 = head1, live1
        else:
            head2, live2 = head1 + live1 * there[u] * eta[u, zone], live1 * (1.0 - there[u])
        seen += 1
    return cap, head1, live1, head2, live2


@njit(cache=True)
def place_values(eta: F64, there: F64, weight: F64, here: F64, zone_site: F64) -> tuple[float, F64, F64]:
    """Return the expected response as planned, with each unit left where it is, and with each at every site. [min]

    In a zone only the few that may be the first there make a difference by leaving; for all others a site is worth
    what it is worth to one unit more. So the sum over zones is made once for all and mended for those few.

    Parameters
    ----------
    eta, there, weight
        As in ``expected_response``, under the present plan.
    here
        From where each unit is now, shape (n_units, n_zones). [min]
    zone_site
        From each site to each zone, shape (n_zones, n_sites). [min]

    """
    n_units, n_zones = eta.shape
    n_sites = zone_site.shape[1]
    shared, mended, stay = np.zeros(n_sites), np.zeros((n_units, n_sites)), np.zeros(n_units)
    more, without = np.empty(n_sites), np.empty(n_sites)
    order = ranked(eta, there)
    now = 0.0
    for z in range(n_zones):
        w = weight[z]
        cap, head1, live1, head2, live2 = _lines(eta, there, order, z, -1)
        now += w * cap
        _fill(zone_site[z], cap, head1, live1, head2, live2, more)
        for s in range(n_sites):
            shared[s] += w * more[s]
        for u in range(n_units):
            t = here[u, z]
            stay[u] += w * min(min(t, head1 + live1 * t), min(head2 + live2 * t, cap))
        left = 1.0
        for k in range(NEAREST):
            u = order[z, k]
            if u < 0 or left <= 0.0:
                break
            left *= 1.0 - there[u]
            t = here[u, z]
            with_it = min(min(t, head1 + live1 * t), min(head2 + live2 * t, cap))
            cap_u, head1_u, live1_u, head2_u, live2_u = _lines(eta, there, order, z, u)
            stay[u] += w * (min(min(t, head1_u + live1_u * t), min(head2_u + live2_u * t, cap_u)) - with_it)
            _fill(zone_site[z], cap_u, head1_u, live1_u, head2_u, live2_u, without)
            for s in range(n_sites):
                mended[u, s] += w * (without[s] - more[s])
    for u in range(n_units):
        for s in range(n_sites):
            mended[u, s] += shared[s]
    return now, stay, mended
