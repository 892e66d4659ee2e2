"""Which signals lie ahead of a vehicle on its own route, and when it gets to each if nothing holds it up.

Whoever sends a vehicle somewhere knows its route, its navigation tells where on it the vehicle is. From both follow the
requests that its signals get: one a signal, the nearest first, within a stated time ahead.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from cityloop.kernel.layout import Layout, Passages
from cityloop.kernel.messages import PassJunction, Priority, Request

__all__ = ["Ahead", "RouteAhead", "RouteParams"]


@dataclass(frozen=True, slots=True)
class RouteParams:
    """How a vehicle is taken to drive, and how far ahead it asks."""

    speed_factor: float = 1.2
    """Of the speed limit, where nobody is in the way."""
    turn_mps: float = 7.0
    """Inside a junction. [m/s]"""
    horizon_s: float = 60.0
    """Signals reached later than this are not asked yet. [s]"""
    most: int = 8
    """Signals asked at once."""
    late_factor: float = 1.5
    late_s: float = 10.0
    """It is there by ``late_factor`` times the free time and this much more at the latest. [s]"""
    valid_s: float = 2.0
    """How long a request holds unless it is sent again. [s]"""

    def __post_init__(self) -> None:
        """Refuse nonsense."""
        for name in ("speed_factor", "turn_mps", "horizon_s", "valid_s"):
            if not getattr(self, name) > 0:
                raise ValueError(f"{name} {getattr(self, name)}, must be positive.")


DEFAULT = RouteParams()


@dataclass(frozen=True, slots=True)
class Ahead:
    """A signal ahead."""

    junction: int
    from_edge: int
    to_edge: int
    free_s: float
    """Until the vehicle is at the stop line if nothing holds it up."""
    distance_m: float
    """To the stop line, along the route."""


class RouteAhead:
    """Looks along routes over a layout that has passages; keeps nothing between calls."""

    def __init__(self, layout: Layout, params: RouteParams = DEFAULT) -> None:
        self._params = params
        self._length_m = layout.edges.length_m
        self._speed_mps = np.maximum(layout.edges.speed_limit_mps * params.speed_factor, 1.0)
        passages: Passages = layout.tables["passages"]
        junction_of_link = dict(
            zip(
                layout.movements.link.tolist(),
                layout.approaches.junction[layout.movements.approach].tolist(),
                strict=True,
            )
        )
        self._inside_m: dict[tuple[int, int], float] = {}
        self._signal: dict[tuple[int, int], int] = {}
        for row, pair in enumerate(zip(passages.from_edge.tolist(), passages.to_edge.tolist(), strict=True)):
            self._inside_m.setdefault(pair, float(passages.length_m[row]))
            junction = junction_of_link.get(int(passages.link[row]))
            if junction is not None:
                self._signal.setdefault(pair, junction)

    def signals(self, route: Sequence[int]) -> int:
        """Return how many signals a route passes."""
        return sum(pair in self._signal for pair in itertools.pairwise(route))

    def ahead(self, route: Sequence[int], edge: int, edge_m: float) -> tuple[Ahead, ...]:
        """Return the signals ahead of a vehicle on a route, nearest first; none where it is off its route.

        Parameters
        ----------
        route
            Edges, in order; the part already driven may be on it or not.
        edge, edge_m
            Where the vehicle is.
        """
        params = self._params
        places = [at for at, one in enumerate(route) if one == edge]
        if not places:
            return ()
        found: list[Ahead] = []
        distance_m = max(float(self._length_m[edge]) - edge_m, 0.0)
        free_s = distance_m / float(self._speed_mps[edge])
        for here, there in itertools.pairwise(route[places[0] :]):
            if free_s > params.horizon_s or len(found) == params.most:
                break
            passed = here == edge and edge_m > float(self._length_m[edge])
            junction = self._signal.get((here, there))
            if junction is not None and not passed:
                found.append(Ahead(junction, here, there, free_s, distance_m))
            inside_m = self._inside_m.get((here, there), 0.0)
            if passed:
                inside_m = max(inside_m - (edge_m - float(self._length_m[edge])), 0.0)
            distance_m += inside_m + float(self._length_m[there])
            free_s += inside_m / params.turn_mps + float(self._length_m[there] / self._speed_mps[there])
        return tuple(found)

    def requests(
        self,
        *,
        unit: int,
        incident: int,
        route: Sequence[int],
        edge: int,
        edge_m: float,
        now_ms: int,
        sender: str,
        seen_at_ms: int | None = None,
        priority: int = Priority.EMERGENCY_HIGH,
        domain: str = "signals",
    ) -> list[Request]:
        """Return what a unit on its way asks of the signals ahead, one request a signal.

        Parameters
        ----------
        seen_at_ms
            When it was where it is said to be; None for now. [ms]
        """
        params = self._params
        from_ms = now_ms if seen_at_ms is None else seen_at_ms
        asked: list[Request] = []
        taken: set[int] = set()
        for one in self.ahead(route, edge, edge_m):
            if one.junction in taken:
                continue
            taken.add(one.junction)
            arrives_ms = max(from_ms + round(one.free_s * 1000), now_ms)
            latest_ms = arrives_ms + round(((params.late_factor - 1) * one.free_s + params.late_s) * 1000)
            asked.append(
                Request(
                    domain=domain,
                    sender=sender,
                    target=one.junction,
                    action=PassJunction(unit, incident, one.from_edge, one.to_edge, arrives_ms, latest_ms),
                    priority=priority,
                    not_before_ms=now_ms,
                    expires_at_ms=now_ms + round(params.valid_s * 1000),
                )
            )
        return asked
