"""No more cars than the shipped greens can carry: nobody would queue daily for what a street cannot give."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping
from itertools import pairwise
from pathlib import Path

import numpy as np

from cityloop.cities.sumo.netfile import Connection, Program, read_netfile
from cityloop.kernel.errors import LayoutError

__all__ = ["LOAD_FRAC", "movement_capacities_vph", "thinned"]

LOAD_FRAC = 0.85
"""Greatest share of a movement's shipped capacity that is asked of it: beyond, queues outlast the cycle
(Highway Capacity Manual: a degree of saturation of 0.85 to 0.9 is the practical limit)."""

_SATURATION_VPH = 1800.0
"""Discharge of a lane with right of way. [veh/h]"""
_LOST_S = 5.0
"""Lost from every green to starting up and to people still crossing when it ends."""
_YIELDING_FRAC = 0.5
"""Share of it that a stream discharges while it has to yield."""

Movement = tuple[str, str]
"""From edge, to edge."""


def movement_capacities_vph(net_file: Path) -> dict[Movement, float]:
    """Return what each signalled movement can carry under the shipped durations [veh/h]."""
    net = read_netfile(net_file)
    links: dict[Movement, list[Connection]] = defaultdict(list)
    for connection in net.connections:
        source = net.edges.get(connection.from_edge)
        if connection.tls in net.programs and source is not None and source.function == "normal":
            links[connection.from_edge, connection.to_edge].append(connection)
    return {
        movement: sum(_lane_vph(net.programs[c.tls], c) for c in {c.from_lane: c for c in found}.values())
        for movement, found in links.items()
    }


def thinned(
    routes: Counter[str],
    capacities_vph: Mapping[Movement, float],
    cars_per_h: float,
    rng: np.random.Generator,
) -> Counter[str]:
    """Take away routes through overloaded movements until none carries more than ``LOAD_FRAC``.

    The total rate stays: what is taken from one way is spread over all that remain.
    """
    left = [text for text, count in sorted(routes.items()) for _ in range(count)]
    used = [list(pairwise(edges)) for edges in (text.split() for text in left)]
    most = len(left)
    while True:
        load = Counter(movement for ways in used for movement in ways if movement in capacities_vph)
        room = {movement: LOAD_FRAC * capacities_vph[movement] * len(left) / cars_per_h for movement in load}
        over = [movement for movement in load if load[movement] > room[movement]]
        if not over:
            return Counter(left)
        worst = max(over, key=lambda movement: (load[movement] - room[movement], movement))
        through = [row for row, ways in enumerate(used) if worst in ways]
        drop = set(rng.permutation(through)[: int(np.ceil(load[worst] - room[worst]))].tolist())
        left = [text for row, text in enumerate(left) if row not in drop]
        used = [ways for row, ways in enumerate(used) if row not in drop]
        if len(left) < most / 2:
            raise LayoutError(
                f"The network's signals cannot carry {cars_per_h:g} cars an hour ({worst[0]} to {worst[1]} "
                "is the tightest way); ask for fewer."
            )


def _lane_vph(program: Program, connection: Connection) -> float:
    phases = program.phases
    cycle_s = sum(phase.duration_s for phase in phases)
    green_s = 0.0
    for row, phase in enumerate(phases):
        lamp = phase.state[connection.link_index]
        if lamp in "gG":
            begins = phases[row - 1].state[connection.link_index] not in "gG"
            useful_s = max(phase.duration_s - _LOST_S * begins, 0.0)
            green_s += useful_s * (1.0 if lamp == "G" else _YIELDING_FRAC)
    return _SATURATION_VPH * green_s / cycle_s if cycle_s > 0 else 0.0
