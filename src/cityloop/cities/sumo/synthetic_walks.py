"""People on foot whose way leads over a signalised crossing."""

from __future__ import annotations

import heapq
from pathlib import Path

import numpy as np

from cityloop.cities.sumo.case_facts import scan_xml

__all__ = ["WalkFlow", "walk_flows"]

_REACH_M = 250.0
"""People come from, and go to, within this distance of their crossing."""
_FLOWS_PER_CROSSING = 4
_SECONDS_PER_H = 3600.0

WalkFlow = tuple[str, str, float]
"""From edge, to edge, people per second."""


class _Footways:
    """What can be walked: sidewalks, walking areas and crossings, joined in both directions."""

    def __init__(self, net_file: Path) -> None:
        self.length_m: dict[str, float] = {}
        self.inside: set[str] = set()
        self.crossings: set[str] = set()
        self.signalled: set[str] = set()
        self.next: dict[str, set[str]] = {}
        edge = ""

        def on_start(tag: str, attributes: dict[str, str]) -> None:
            nonlocal edge
            if tag == "edge":
                edge = attributes["id"]
                if attributes.get("function") in ("crossing", "walkingarea"):
                    self.inside.add(edge)
                    if attributes["function"] == "crossing":
                        self.crossings.add(edge)
            elif tag == "lane":
                self.length_m[edge] = float(attributes["length"])
            elif tag == "connection":
                origin, target = attributes["from"], attributes["to"]
                if origin in self.inside or target in self.inside:
                    self.next.setdefault(origin, set()).add(target)
                    self.next.setdefault(target, set()).add(origin)
                    if "tl" in attributes and target in self.crossings:
                        self.signalled.add(target)

        scan_xml(net_file, on_start)

    def around(self, start: str) -> set[str]:
        """Return the streets and paths within reach of a walking area, not over a crossing beside it."""
        junction = start.rsplit("_", 1)[0]
        reached_m = {start: 0.0}
        heap = [(0.0, start)]
        while heap:
            here_m, here = heapq.heappop(heap)
            if here_m > reached_m[here]:
                continue
            for there in sorted(self.next.get(here, ())):
                if there in self.crossings and there.startswith(f"{junction}_c"):
                    continue
                there_m = here_m + self.length_m[there]
                if there_m <= _REACH_M and there_m < reached_m.get(there, np.inf):
                    reached_m[there] = there_m
                    heapq.heappush(heap, (there_m, there))
        return {name for name in reached_m if name not in self.inside}


def walk_flows(net_file: Path, persons_per_h: float, rng: np.random.Generator) -> list[WalkFlow]:
    """Draw walks from one side of every signalised crossing to the other.

    Every crossing gets the same share, split over a few pairs of streets, each within reach of its own side.
    A pair may have another way that is as short; people choose when they walk.
    """
    if persons_per_h <= 0:
        return []
    footways = _Footways(net_file)
    rates: dict[tuple[str, str], int] = {}
    for crossing in sorted(footways.signalled):
        ends = sorted(footways.next[crossing])
        if len(ends) != 2:
            continue
        one, other = (footways.around(end) for end in ends)
        sides = [sorted(one - other), sorted(other - one)]
        if not all(sides):
            continue
        for row in range(_FLOWS_PER_CROSSING):
            origin, target = (str(rng.choice(side)) for side in (sides if row % 2 else sides[::-1]))
            rates[origin, target] = rates.get((origin, target), 0) + 1
    share_hz = persons_per_h / _SECONDS_PER_H / max(sum(rates.values()), 1)
    return [(origin, target, count * share_hz) for (origin, target), count in rates.items()]
