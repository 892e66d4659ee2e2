"""A unit's way from one place to another: off the roads, node by node, and off the roads again."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from cityloop.kernel.columns import I32, I64
from cityloop.methods.routing import Router, Way

__all__ = ["Passing", "Trip"]


@dataclass(frozen=True, slots=True)
class Passing:
    """Where a unit under way is: between two places, and when it will pass the next node."""

    node: int
    """The next node, at which the unit can be sent another way."""
    in_ms: int
    x_m: float
    y_m: float


@dataclass(slots=True)
class Trip:
    """A drive. Its way is looked up when somebody needs to know where the unit is."""

    router: Router
    begin_ms: int
    source: int
    target: int
    lead_ms: int
    """Time to reach ``source`` from where the unit was."""
    from_x_m: float
    from_y_m: float
    tail_ms: int
    """Time off the roads from ``target`` to the destination."""
    to_x_m: float
    to_y_m: float
    drive_ms: int
    """Time on the roads."""
    slow: float = 1.0
    """By what factor this drive takes longer than expected, all the way."""
    known: Way | None = None

    @property
    def end_ms(self) -> int:
        """Return when the destination is reached."""
        return self.begin_ms + round(self.slow * (self.lead_ms + self.drive_ms + self.tail_ms))

    @property
    def way(self) -> Way:
        """Return the way on the roads."""
        if self.known is None:
            self.known = self.router.way(self.source, self.target)
        return self.known

    def at(self, now_ms: int) -> Passing:
        """Return where the unit is, and when it is expected at the next node: how slow it will be, nobody knows."""
        graph, elapsed = self.router.graph, int((now_ms - self.begin_ms) / self.slow)
        sx, sy = float(graph.x_m[self.source]), float(graph.y_m[self.source])
        if elapsed < self.lead_ms:
            share = elapsed / self.lead_ms
            x_m = self.from_x_m + share * (sx - self.from_x_m)
            y_m = self.from_y_m + share * (sy - self.from_y_m)
            return Passing(self.source, self.lead_ms - elapsed, x_m, y_m)
        rolled = elapsed - self.lead_ms
        if rolled <= self.drive_ms:
            way = self.way
            k = int(np.searchsorted(way.passed_ms, rolled))
            here = int(way.nodes[k])
            in_ms = int(way.passed_ms[k]) - rolled
            if in_ms == 0:
                return Passing(here, 0, float(graph.x_m[here]), float(graph.y_m[here]))
            before = int(way.nodes[k - 1])
            share = 1.0 - in_ms / (int(way.passed_ms[k]) - int(way.passed_ms[k - 1]))
            x_m = float(graph.x_m[before] + share * (graph.x_m[here] - graph.x_m[before]))
            y_m = float(graph.y_m[before] + share * (graph.y_m[here] - graph.y_m[before]))
            return Passing(here, in_ms, x_m, y_m)
        # Off the roads at the far end: it turns and goes back the way it came.
        back_ms = min(rolled - self.drive_ms, self.tail_ms)
        tx, ty = float(graph.x_m[self.target]), float(graph.y_m[self.target])
        share = back_ms / max(self.tail_ms, 1)
        return Passing(self.target, back_ms, tx + share * (self.to_x_m - tx), ty + share * (self.to_y_m - ty))

    def passed(self, until_ms: int) -> tuple[I64, I32, I32]:
        """Return the instants, nodes and arcs of the nodes passed up to an instant."""
        way = self.way
        at_ms = self.begin_ms + np.rint(self.slow * (self.lead_ms + way.passed_ms)).astype(np.int64)
        count = int(np.searchsorted(at_ms, until_ms, side="right"))
        return at_ms[:count], way.nodes[:count], way.arcs[:count]

    def length_m(self, until_ms: int) -> float:
        """Return the way driven up to an instant, on and off the roads. [m]"""
        graph = self.router.graph
        _, nodes, arcs = self.passed(until_ms)
        total = float(graph.length_m[arcs[1:]].sum()) if len(arcs) > 1 else 0.0
        here = self.at(min(until_ms, self.end_ms))
        if not len(nodes):
            return float(np.hypot(here.x_m - self.from_x_m, here.y_m - self.from_y_m))
        first, last = int(nodes[0]), int(nodes[-1])
        total += float(np.hypot(graph.x_m[first] - self.from_x_m, graph.y_m[first] - self.from_y_m))
        return total + float(np.hypot(here.x_m - graph.x_m[last], here.y_m - graph.y_m[last]))
