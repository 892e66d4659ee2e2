"""Which visits on which day, with the routes of every day of the horizon: a search from a given assignment.

An assignment by zones (``selection``) knows what driving to a zone costs on the average. Here each visit has its place
on a trip of its day, so what it costs depends on what else is driven that day, and a trip that is nearly full or nearly
empty counts, and so does a truck that need not leave its depot at all. Every visit may also wait for a day beyond the
horizon. Visits leave their trips in groups and come back
one by one where they cost least, accepted by simulated annealing [1]_. The general search over options
(``vrp_periodic``) can do the same with clocks and queues, for fifty times the work.

References
----------
.. [1] Christiaens, J. and Vanden Berghe, G. (2020). Slack induction by string removals for vehicle routing
   problems. Transportation Science, 54(2), 417-433. doi:10.1287/trsc.2019.0914
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from numba import njit

from cityloop.kernel.columns import F64, I64
from cityloop.methods.tour import build_trips
from cityloop.methods.vrp_insert import draw

__all__ = ["DaySearch", "refine_days"]

Matrix = npt.NDArray[np.float64]
Ways = npt.NDArray[np.float64]
_SPARE_TRIPS = 2
_REMOVED_MOST = 12
_ALONG_SHARE = 0.5
"""Share of the groups that stand beside one another on a trip; the others lie near one another on the map."""
_WHOLE_SHARE = 0.04
"""Share of the groups that are a whole trip: one stop at a time none would ever be given up."""
_DAY_SHARE = 0.02
"""Share of the groups that are all trips of a day: one at a time the truck would leave its depot all the same."""
_SKIP = 0.15
_BLINK = 0.01


@dataclass(frozen=True, slots=True, kw_only=True)
class DaySearch:
    """How long and how hot the search is. Counted, not timed: the same answer on any machine."""

    iterations: int = 4000
    hot_m: float = 100.0
    """Temperature at the beginning. [m]"""
    cold_m: float = 5.0
    """Temperature at the end. [m]"""
    load_kept: float = 1.0
    """Share of a payload that is planned with: what is found may be heavier than expected."""

    def __post_init__(self) -> None:
        if self.iterations < 0 or not 0 < self.cold_m <= self.hot_m or not 0 < self.load_kept <= 1:
            raise ValueError(f"Iterations not negative, 0 < cold <= hot, load kept in (0, 1] must hold: {self}.")


def refine_days(
    cost: F64,
    distance_m: npt.NDArray[np.float32],
    base: int,
    nodes: I64,
    load: tuple[F64, float],
    day: I64,
    params: DaySearch,
    rng: np.random.Generator,
    depot: int | None = None,
) -> I64:
    """Return the day of each visit, beginning from the assignment ``day``.

    Parameters
    ----------
    cost
        Of each visit on each day beside driving, and of none in the horizon, shape (n, days + 1); infinite where it may
        not be. [m]
    distance_m, base, nodes
        Between all places, taken as symmetric; where trips begin and end; the place of each visit. [m]
    load
        What each visit puts on a truck on each day, shape (n, days) or, if it is the same on all, (n,); and what a trip
        can carry.
    day
        Day of each visit, ``days`` for later, shape (n,).
    depot
        Where the first trip of a day begins and the truck returns in the end; the base where it is not given.
    """
    days = cost.shape[1] - 1
    gain = cost[:, :days] - cost[:, [days]]
    # Driving costs something, so a day on which a visit gains nothing is none for it.
    rows = np.flatnonzero((gain < 0).any(axis=1))
    if not len(rows) or params.iterations == 0:
        return day
    payload = load[1] * params.load_kept
    by_day = load[0] if load[0].ndim == 2 else np.repeat(load[0][:, None], days, axis=1)
    weight = np.concatenate([np.zeros((1, days)), np.minimum(by_day[rows], payload)])
    order = np.concatenate([[base], nodes[rows]])
    local = distance_m[np.ix_(order, order)].astype(np.float64)
    way = _ways(local, distance_m[base if depot is None else depot, order].astype(np.float64))
    starts = [np.flatnonzero((day[rows] == d) & (gain[rows, d] < 0)) for d in range(days)]
    trips = [
        build_trips(distance_m, base, nodes[rows[own]], weight[1 + own, d], payload, 3).stops
        for d, own in enumerate(starts)
    ]
    fair = int(np.ceil(2.0 * weight.sum() / (days * days * payload)))
    each = max(fair, *(len(of_day) for of_day in trips)) + _SPARE_TRIPS
    routes = np.zeros((days * each, len(order)), np.int64)
    lengths = np.zeros(days * each, np.int64)
    for d, of_day in enumerate(trips):
        for k, trip in enumerate(_from_depot([1 + starts[d][trip] for trip in of_day], way)):
            routes[d * each + k, : len(trip)] = trip
            lengths[d * each + k] = len(trip)
    near = 1 + _nearest(local[1:, 1:], 4 * _REMOVED_MOST)
    dice = np.array([rng.integers(1, 1 << 63)], np.uint64)
    best = _search(
        way, 2.0 * float(way[0, 0, 0]), np.vstack([np.zeros((1, days)), gain[rows]]), weight, payload, routes, lengths,
        each, np.ascontiguousarray(near), (params.iterations, params.hot_m, params.cold_m), dice,
    )  # fmt: skip
    answer = np.full(len(day), days, np.int64)
    answer[rows] = np.where(best[1:] >= 0, best[1:] // each, days)
    return answer


def _ways(local: Matrix, from_depot: F64) -> Ways:
    """Return the ways of a day's first trip, which begins at the depot, and those of its others.

    A day's first trip without a stop is the way from the depot to the base.
    """
    first = local.copy()
    first[0] = from_depot
    return np.stack([first, local])


def _from_depot(trips: list[I64], way: Ways) -> list[I64]:
    """Put first the trip that is best begun at the depot, in the direction in which it is."""
    if not trips:
        return trips
    ends = np.array([[trip[0], trip[-1]] for trip in trips])
    spared = way[1, 0, ends] - way[0, 0, ends]
    best, end = np.unravel_index(int(np.argmax(spared)), spared.shape)
    own = trips[best][::-1] if end else trips[best]
    return [own, *(trip for k, trip in enumerate(trips) if k != best)]


def _nearest(between_m: Matrix, count: int) -> I64:
    """Return the nearest of each visit, itself first, shape (n, count) or fewer."""
    if len(between_m) <= count:
        return np.argsort(between_m, axis=1, kind="stable")
    some = np.argpartition(between_m, count - 1, axis=1)[:, :count]
    order = np.argsort(np.take_along_axis(between_m, some, axis=1), axis=1, kind="stable")
    return np.take_along_axis(some, order, axis=1)


@njit(cache=True)
def _group(routes: I64, lengths: I64, each: int, trip_of: I64, near: I64, pool: I64, dice: Any) -> int:
    """Name the visits that leave together; return how many."""
    n = len(trip_of) - 1
    seed = 1 + int(draw(dice) * n)
    most = 1 + int(draw(dice) * min(_REMOVED_MOST, n))
    way = draw(dice)
    r = trip_of[seed]
    count = 0
    if r >= 0 and way < _WHOLE_SHARE + _DAY_SHARE:
        day = r // each
        for k in range(day * each, (day + 1) * each):
            if k == r or way < _DAY_SHARE:
                for p in range(lengths[k]):
                    pool[count] = routes[k, p]
                    count += 1
        return count
    if r >= 0 and way < _WHOLE_SHARE + _DAY_SHARE + _ALONG_SHARE:
        at = 0
        while routes[r, at] != seed:
            at += 1
        p = max(0, at - int(draw(dice) * most))
        while p < lengths[r] and count < most:
            pool[count] = routes[r, p]
            count += 1
            p += 1
        return count
    for i in range(near.shape[1]):
        if count >= most:
            break
        if i == 0 or draw(dice) >= _SKIP:
            pool[count] = near[seed - 1, i]
            count += 1
    return count


@njit(cache=True)
def _shuffle(d: Matrix, weight: Matrix, pool: I64, key: F64, count: int, dice: Any) -> None:
    """Order the visits that are out by chance, by load or by distance."""
    way = draw(dice)
    for i in range(count):
        key[i] = draw(dice)
        if 0.5 <= way < 0.75:
            key[i] = -weight[pool[i], 0]
        elif way >= 0.75:
            key[i] = -d[0, pool[i]]
    for i in range(1, count):
        at, v = key[i], pool[i]
        j = i - 1
        while j >= 0 and key[j] > at:
            key[j + 1], pool[j + 1] = key[j], pool[j]
            j -= 1
        key[j + 1], pool[j + 1] = at, v


@njit(cache=True)
def _put_back(
    i: int,
    way: Ways,
    leaving: float,
    gain: Matrix,
    weight: Matrix,
    payload: float,
    routes: I64,
    lengths: I64,
    carried: F64,
    each: int,
    visits: I64,
    dice: Any,
) -> tuple[float, int, int]:
    """Find where a visit costs least: cost, trip and place on it; it waits at no cost, trip -1."""
    best, trip, place = 0.0, -1, 0
    for day in range(gain.shape[1]):
        g = gain[i, day]
        if visits[day] == 0:
            g += leaving
        if g >= best:
            continue
        idle = False
        for r in range(day * each, (day + 1) * each):
            size = lengths[r]
            d = way[0] if r == day * each else way[1]
            if size == 0:
                opened = g + d[0, i] + d[i, 0] - d[0, 0]
                if not idle and opened < best:
                    best, trip, place = opened, r, 0
                idle = True
                continue
            if carried[r] + weight[i, day] > payload:
                continue
            before = 0
            for p in range(size + 1):
                after = routes[r, p] if p < size else 0
                price = g + d[before, i] + d[i, after] - d[before, after]
                if price < best and draw(dice) >= _BLINK:
                    best, trip, place = price, r, p
                before = after
    return best, trip, place


@njit(cache=True)
def _search(
    way: Ways,
    leaving: float,
    gain: Matrix,
    weight: Matrix,
    payload: float,
    routes: I64,
    lengths: I64,
    each: int,
    near: I64,
    cooling: tuple[int, float, float],
    dice: Any,
) -> I64:
    """Take groups of visits out and put them back; return the trip of each in the best plan, -1 for waiting.

    ``leaving`` is what a day costs on which the truck leaves its depot: to the base and back.
    """
    n, trips = len(weight) - 1, len(lengths)
    iterations, hot, cold = cooling
    trip_of = np.full(n + 1, -1, np.int64)
    carried = np.zeros(trips)
    visits = np.zeros(gain.shape[1], np.int64)
    for r in range(trips):
        visits[r // each] += lengths[r]
        for p in range(lengths[r]):
            trip_of[routes[r, p]] = r
            carried[r] += weight[routes[r, p], r // each]
    kept_routes, kept_lengths, kept_carried = routes.copy(), lengths.copy(), carried.copy()
    touched = np.zeros(trips, np.bool_)
    pool, was, key = np.zeros(n + 1, np.int64), np.zeros(n + 1, np.int64), np.zeros(n + 1)
    best, now, least = trip_of.copy(), 0.0, 0.0
    for step in range(iterations):
        heat = hot * (cold / hot) ** (step / iterations)
        count = _group(routes, lengths, each, trip_of, near, pool, dice)
        change = 0.0
        for k in range(count):
            i = pool[k]
            r = trip_of[i]
            if r < 0:
                continue
            if not touched[r]:
                touched[r] = True
                kept_lengths[r], kept_carried[r] = lengths[r], carried[r]
                kept_routes[r, : lengths[r]] = routes[r, : lengths[r]]
            p = 0
            while routes[r, p] != i:
                p += 1
            before = routes[r, p - 1] if p > 0 else 0
            after = routes[r, p + 1] if p + 1 < lengths[r] else 0
            day = r // each
            d = way[0] if r == day * each else way[1]
            visits[day] -= 1
            change -= gain[i, day] + d[before, i] + d[i, after] - d[before, after]
            if visits[day] == 0:
                change -= leaving
            for q in range(p, lengths[r] - 1):
                routes[r, q] = routes[r, q + 1]
            lengths[r] -= 1
            carried[r] -= weight[i, day]
        _shuffle(way[1], weight, pool, key, count, dice)
        for k in range(count):
            i = pool[k]
            was[k] = trip_of[i]
            price, r, p = _put_back(
                i, way, leaving, gain, weight, payload, routes, lengths, carried, each, visits, dice
            )
            trip_of[i] = r
            if r < 0:
                continue
            if not touched[r]:
                touched[r] = True
                kept_lengths[r], kept_carried[r] = lengths[r], carried[r]
                kept_routes[r, : lengths[r]] = routes[r, : lengths[r]]
            for q in range(lengths[r], p, -1):
                routes[r, q] = routes[r, q - 1]
            routes[r, p] = i
            lengths[r] += 1
            visits[r // each] += 1
            carried[r] += weight[i, r // each]
            change += price
        taken = change < -heat * np.log(max(draw(dice), 1e-300))
        for r in range(trips):
            if touched[r]:
                touched[r] = False
                if not taken:
                    visits[r // each] += kept_lengths[r] - lengths[r]
                    lengths[r], carried[r] = kept_lengths[r], kept_carried[r]
                    routes[r, : lengths[r]] = kept_routes[r, : lengths[r]]
        if not taken:
            for k in range(count):
                trip_of[pool[k]] = was[k]
            continue
        now += change
        if now < least - 1e-6:
            least = now
            best[:] = trip_of
    return best
