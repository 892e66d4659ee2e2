"""Emergency trips for measuring corridors: seeded, the same for every arm, each on a way of its own."""

from __future__ import annotations

import heapq
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from xml.sax.saxutils import quoteattr

import numpy as np

from cityloop.cities.sumo.units import BLUE_LIGHT_TYPE
from cityloop.kernel.columns import F64
from cityloop.kernel.errors import ConfigError
from cityloop.kernel.layout import Layout, Passages
from cityloop.methods.route_ahead import RouteAhead

__all__ = ["EmergencyTrip", "draw_trips", "write_trips"]

_LEAST_M = 500.0
_TRIES = 60
_WARM_UP_S = 300.0
_TAIL_S = 240.0
"""No trip begins in the first and last part of a run: traffic is not yet there, or the unit would not arrive."""


@dataclass(frozen=True, slots=True)
class EmergencyTrip:
    """One unit's drive to one call."""

    unit: int
    name: str
    depart_s: float
    route: tuple[int, ...]
    """Rows of the edges."""
    signals: int
    """Signals passed on the way."""


def draw_trips(layout: Layout, rate_per_h: float, begin_s: float, end_s: float, seed: int) -> tuple[EmergencyTrip, ...]:
    """Draw trips over a run: evenly spread with a seeded shift, on fastest ways between seeded places.

    A way is kept when it is at least 500 m long and passes as many signals as the upper quarter of the ways drawn:
    where no signal is passed no corridor can show what it does.
    """
    first_s, last_s = begin_s + _WARM_UP_S, end_s - _TAIL_S
    if last_s <= first_s:
        least_s = _WARM_UP_S + _TAIL_S + 60
        raise ConfigError(f"a run of {end_s - begin_s:g} s is too short for trips; give {least_s:g} s or more")
    rng = np.random.default_rng(np.random.SeedSequence([seed, round(rate_per_h * 100), 0x636F72]))
    count = max(round(rate_per_h * (last_s - first_s) / 3600.0), 1)
    ways = _ways(layout, rng)
    if not ways:
        raise ConfigError("no way of 500 m that passes a signal in this network; give a larger one")
    least = sorted(signals for _, signals in ways)[len(ways) * 3 // 4]
    long = [way for way in ways if way[1] >= least]
    gap_s = (last_s - first_s) / count
    trips = []
    for unit in range(count):
        route, signals = long[int(rng.integers(len(long)))]
        depart_s = round(first_s + gap_s * (unit + float(rng.random())))
        trips.append(EmergencyTrip(unit, f"blue.{unit}", depart_s, route, signals))
    return tuple(trips)


def write_trips(trips: Sequence[EmergencyTrip], layout: Layout, path: Path) -> None:
    """Write the trips as a route file, in order of departure."""
    names = layout.names["edges"]
    lines = ["<routes>", BLUE_LIGHT_TYPE]
    for trip in sorted(trips, key=lambda one: one.depart_s):
        edges = quoteattr(" ".join(names[edge] for edge in trip.route))
        lines.append(
            f'<vehicle id={quoteattr(trip.name)} type="cityloop.blue" depart="{trip.depart_s:g}" departLane="best" '
            f'departSpeed="0"><route edges={edges}/></vehicle>'
        )
    path.write_text("\n".join([*lines, "</routes>", ""]), encoding="utf-8")


def _ways(layout: Layout, rng: np.random.Generator) -> list[tuple[tuple[int, ...], int]]:
    passages: Passages = layout.tables["passages"]
    onward: dict[int, list[int]] = {}
    for source, target in zip(passages.from_edge.tolist(), passages.to_edge.tolist(), strict=True):
        onward.setdefault(source, []).append(target)
    time_s = layout.edges.length_m / np.maximum(layout.edges.speed_limit_mps, 1.0)
    looking = RouteAhead(layout)
    starts = sorted(onward)
    found = []
    for _ in range(_TRIES):
        start = starts[int(rng.integers(len(starts)))]
        before = _fastest(start, onward, time_s)
        reached = sorted(before)
        route = _route(reached[int(rng.integers(len(reached)))], before)
        if float(layout.edges.length_m[list(route)].sum()) < _LEAST_M:
            continue
        signals = looking.signals(route)
        if signals:
            found.append((route, signals))
    return found


def _fastest(start: int, onward: dict[int, list[int]], time_s: F64) -> dict[int, int]:
    """Return for every edge reached the edge before it on the fastest way; the start's is -1."""
    least_s = {start: 0.0}
    before = {start: -1}
    front = [(0.0, start)]
    while front:
        at_s, edge = heapq.heappop(front)
        if at_s > least_s[edge]:
            continue
        for one in onward.get(edge, ()):
            there_s = at_s + float(time_s[one])
            if there_s < least_s.get(one, float("inf")):
                least_s[one], before[one] = there_s, edge
                heapq.heappush(front, (there_s, one))
    return before


def _route(edge: int, before: dict[int, int]) -> tuple[int, ...]:
    route = [edge]
    while before[route[-1]] >= 0:
        route.append(before[route[-1]])
    return tuple(reversed(route))
