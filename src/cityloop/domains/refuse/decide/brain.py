"""Which containers today: risk of waiting and waste of coming early against the metres of going there.

Every container has a cost for each of the next working days: the overflow expected until then, in metres of driving
(``overflow_m``, the service dial), less what postponing is worth (a visit saved in the long run, a day at a time). A
small mixed-integer programme assigns days, so that neighbours are visited together; a search over the routes of all
these days moves visits between them. Without that search the tour of today is built, and stops that cost more than they
are worth today are left for another day.

References
----------
.. [1] Wouda, N. A., Aerts-Veenstra, M. & van Foreest, N. (2024). An integrated selection and routing policy for urban
   waste collection. arXiv:2409.13386.
.. [2] Coelho, L. C., Cordeau, J.-F. & Laporte, G. (2014). Thirty years of inventory routing. Transp. Sci. 48, 1-19.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import numpy as np
import numpy.typing as npt

from cityloop.domains.refuse.forecast import VISIT_OF_DAY, Outlook, cycle_cost
from cityloop.kernel.columns import BOOL, F64, I64
from cityloop.methods.selection import AssignmentLimits, assign_days, zones_of
from cityloop.methods.tour import build_trips
from cityloop.methods.visit_days import DaySearch, refine_days

__all__ = ["SEARCHED", "BrainParams", "Map", "Memory", "choose", "start_memory"]


@dataclass(frozen=True, slots=True)
class Map:
    """Where things are: rows of the distance matrix."""

    distance_m: npt.NDArray[np.float32]
    """Between all nodes. [m]"""
    node: I64
    """Node of each container, shape (n,)."""
    base: int
    """Node from which trips leave and to which they return: the tip."""
    x_m: F64
    y_m: F64
    depot: int | None = None
    """Node from which trucks leave in the morning and to which they come home; the base unless given."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BrainParams:
    """The dial and the sizes of the search."""

    overflow_m: float = 20_000.0
    """Metres of driving worth sparing a day of one overfull container: the service dial. [m/d]"""
    zone_size: int = 12
    district_size: int = 400
    """Containers whose days are assigned together."""
    passes: int = 1
    """How often the tour of today is refined."""
    marginal_gain: float = 0.2
    """Share by which what a visit costs is learned anew each time."""
    visit_scale: float = 3.0
    """What a visit costs in the long run, by what leaving it out would save on the day."""
    limits: AssignmentLimits = field(default_factory=AssignmentLimits)
    routes: DaySearch | None = None
    """The search over the routes of all days; None where there is no time for it."""

    def __post_init__(self) -> None:
        if self.overflow_m < 0 or self.zone_size < 1 or not 0 < self.marginal_gain <= 1:
            raise ValueError(f"The dial must not be negative, zones not empty, the gain in (0, 1]: {self}.")


SEARCHED = BrainParams(
    routes=DaySearch(iterations=12_000, load_kept=0.94),
    visit_scale=6.0,
    limits=AssignmentLimits(gap=0.05, nodes=1),
)
"""With the search over routes, which needs no more than a fair assignment to begin from. On routes that are searched
one more stop looks cheap, so what a visit costs in the long run is scaled up."""


@dataclass(frozen=True, slots=True)
class Memory:
    """What the policy keeps from day to day."""

    visit_m: F64
    """Metres that visiting each container costs, as learned. [m]"""
    zone: I64
    opening_m: F64
    local_m: F64


def start_memory(place: Map, params: BrainParams) -> Memory:
    """Return the memory before the first day: what a visit costs is guessed from how near the neighbours are."""
    between = place.distance_m[np.ix_(place.node, place.node)].astype(float)
    np.fill_diagonal(between, np.inf)
    near = np.sort(between, axis=1)
    local = near[:, 0] if len(near) > 1 else np.zeros(len(near))
    zone = zones_of(place.x_m, place.y_m, params.zone_size)
    zones = int(zone.max()) + 1
    opening = np.zeros(zones)
    for z in range(zones):
        mine = zone == z
        if mine.all():
            continue
        # From the zone to the third nearest container outside: with a fifth or so of a city visited a day, the next
        # stop is about that far.
        outside = np.sort(between[np.ix_(mine, ~mine)].min(axis=0))
        opening[z] = float(outside[min(2, len(outside) - 1)])
    visit = local + opening[zone] / 2.0
    return Memory(visit, zone, opening, local)


def choose(
    outlook: Outlook,
    place: Map,
    memory: Memory,
    load: tuple[F64, float],
    params: BrainParams,
    day_load: float = np.inf,
    allowed: BOOL | None = None,
    rng: np.random.Generator | None = None,
) -> tuple[I64, Memory]:
    """Choose the containers of today.

    Parameters
    ----------
    load
        What each container is expected to put on a truck, and a truck's payload. [kg]
    day_load
        What all trucks together can carry in a day. [kg]
    allowed
        Containers that may be visited at all; all unless given.
    rng
        Chance for the search over routes, which is left out without it.

    Returns
    -------
    tuple
        Rows of the containers to empty today, and the memory for tomorrow.
    """
    carried, payload = load
    worth = cycle_cost(outlook.rate, outlook.dispersion, params.visit_scale * memory.visit_m, params.overflow_m)
    waiting = params.overflow_m * outlook.overflow_days - worth[:, None] * outlook.wait_days[None, :]
    visit = params.visit_scale * memory.visit_m
    near = outlook.horizon
    later = waiting[:, near:].min(axis=1) + visit
    cost = np.concatenate([waiting[:, :near] + memory.local_m[:, None], later[:, None]], axis=1)
    if allowed is not None:
        cost[~allowed, :near] = np.inf
    day = np.full(len(cost), near)
    # Zones are numbered so that neighbours are close: a run of them is a district, assigned by itself.
    district = memory.zone // max(1, params.district_size // params.zone_size)
    bound = np.full(near, day_load)
    growing = carried[:, None] * _growth(outlook)
    for k in range(int(district.max()) + 1):
        own = np.flatnonzero(district == k)
        share = bound * (carried[own].sum() / max(float(carried.sum()), 1e-9)) if np.isfinite(day_load) else bound
        day[own] = assign_days(cost[own], memory.zone[own], memory.opening_m, carried[own], share, params.limits)
        if params.routes is not None and rng is not None:
            driven = cost[own] - np.where(np.arange(near + 1) < near, memory.local_m[own, None], 0.0)
            day[own] = refine_days(
                driven,
                place.distance_m,
                place.base,
                place.node[own],
                (growing[own], payload),
                day[own],
                params.routes,
                rng,
                place.depot,
            )
    prize = waiting[:, 1:].min(axis=1) + visit - waiting[:, 0]
    chosen = np.flatnonzero(day == 0)
    for _ in range(0 if params.routes is not None and rng is not None else params.passes):
        chosen = _leave_out(chosen, prize, place, carried, payload)
    if np.isfinite(day_load):
        chosen = _within(chosen, prize, carried, day_load)
    return chosen, _learn(chosen, place, carried, payload, memory, params)


def _growth(outlook: Outlook) -> npt.NDArray[np.float64]:
    """Return how much more than today each container is expected to hold on the days to come, shape (n, days)."""
    wait = outlook.wait_days[None, : outlook.horizon]
    today = np.maximum(outlook.fill + VISIT_OF_DAY * outlook.rate, 0.02)
    return np.asarray(1.0 + outlook.rate[:, None] * wait / today[:, None])


def _edges(chosen: I64, place: Map, carried: F64, payload: float) -> tuple[I64, I64, I64]:
    """Return the tour of the chosen: containers in order with the node before and the node after each."""
    trips = build_trips(place.distance_m, place.base, place.node[chosen], carried[chosen], payload)
    rows, before, after = [], [], []
    for trip in trips.stops:
        own = chosen[trip]
        nodes = np.concatenate([[place.base], place.node[own], [place.base]])
        rows.append(own)
        before.append(nodes[:-2])
        after.append(nodes[2:])
    if not rows:
        empty = np.zeros(0, np.int64)
        return empty, empty, empty
    return np.concatenate(rows), np.concatenate(before), np.concatenate(after)


def _saved(rows: I64, before: I64, after: I64, place: Map) -> F64:
    """Return the metres that leaving each stop out would save."""
    d, own = place.distance_m, place.node[rows]
    return np.asarray(d[before, own] + d[own, after] - d[before, after], float)


def _leave_out(chosen: I64, prize: F64, place: Map, carried: F64, payload: float) -> I64:
    """Leave out stops that cost more metres today than they are worth.

    The other way round, taking in whatever lies near the tour, was tried and is worse: tours grow dense, visits look
    cheap, and containers end up emptied half full every other day.
    """
    rows, before, after = _edges(chosen, place, carried, payload)
    if not len(rows):
        return chosen
    saved = _saved(rows, before, after, place)
    dear = np.flatnonzero(saved > prize[rows])
    # Of two neighbours on the tour only one is left out at once: each alone makes the other dearer.
    out: set[int] = set()
    for k in dear[np.argsort(prize[rows[dear]] - saved[dear], kind="stable")].tolist():
        if k - 1 not in out and k + 1 not in out:
            out.add(k)
    return np.sort(np.delete(rows, sorted(out)))


def _within(chosen: I64, prize: F64, carried: F64, day_load: float) -> I64:
    """Leave out the least urgent until the trucks can carry the rest."""
    order = chosen[np.argsort(-prize[chosen], kind="stable")]
    return np.sort(order[np.cumsum(carried[order]) <= day_load])


def _learn(chosen: I64, place: Map, carried: F64, payload: float, memory: Memory, params: BrainParams) -> Memory:
    """Learn what driving to a zone costs from what leaving all of its stops out of today's tour would have saved."""
    rows, before, after = _edges(chosen, place, carried, payload)
    if not len(rows):
        return memory
    d, own, zone = place.distance_m, place.node[rows], memory.zone[rows]
    # Stops that follow one another in a zone and on a trip are one run.
    begins = np.concatenate([[True], (zone[1:] != zone[:-1]) | (before[1:] != own[:-1])])
    run = np.cumsum(begins) - 1
    ends = np.concatenate([begins[1:], [True]])
    inner = np.bincount(run, np.where(ends, 0.0, d[own, after]))
    first, last = own[begins], own[ends]
    saved = inner + d[before[begins], first] + d[last, after[ends]] - d[before[begins], after[ends]]
    zones = len(memory.opening_m)
    total = np.bincount(zone[begins], saved, minlength=zones)
    stops = np.bincount(zone, minlength=zones)
    local = np.bincount(zone, memory.local_m[rows], minlength=zones)
    seen = stops > 0
    gain = params.marginal_gain
    opening = memory.opening_m.copy()
    opening[seen] += gain * (np.maximum(total - local, 0.0)[seen] - opening[seen])
    visit = memory.visit_m.copy()
    share = memory.local_m[rows] + opening[zone] / stops[zone]
    visit[rows] += gain * (share - visit[rows])
    return replace(memory, visit_m=visit, opening_m=opening)
