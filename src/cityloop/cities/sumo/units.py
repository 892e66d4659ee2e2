"""Units of the city's services in the twin: who they are, which ways they may drive, and what their radios report.

A unit is a vehicle of the simulation that carries the unit's name. Its automatic vehicle location (AVL) is what a
dispatcher gets: place, speed, heading, and where the unit's own navigation has it on the road network, each with noise,
late, and now and then not at all. Nothing else of the simulation's truth leaves it.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from cityloop.cities.sumo.netfile import Connection, Edge, Lane, read_netfile
from cityloop.cities.sumo.network import Network
from cityloop.cities.sumo.rightofway import Ways
from cityloop.kernel.errors import ConfigError
from cityloop.kernel.layout import Passages, StreamKind, Streams, UnitKind, Units

__all__ = ["AVL_KINDS", "BLUE_LIGHT_TYPE", "USUAL_AVL", "Avl", "UnitSpec", "with_units"]

AVL_KINDS = (
    StreamKind.UNIT_X_M,
    StreamKind.UNIT_Y_M,
    StreamKind.UNIT_SPEED_MPS,
    StreamKind.UNIT_HEADING_DEG,
    StreamKind.UNIT_EDGE,
    StreamKind.UNIT_EDGE_M,
)
"""The readings of one report, in this order."""


@dataclass(frozen=True, slots=True)
class UnitSpec:
    """A unit that may show up in the simulation."""

    name: str
    """Of the unit, and of its vehicle."""
    kind: UnitKind = UnitKind.AMBULANCE


@dataclass(frozen=True, slots=True, kw_only=True)
class Avl:
    """How well units are located; the defaults are those of a good receiver on a vehicle, reporting every second."""

    period_s: float = 1.0
    """Between two reports of a unit. [s]"""
    noise_m: float = 3.0
    """Standard deviation of a place, in each direction. [m]"""
    speed_noise_mps: float = 0.3
    heading_noise_deg: float = 3.0
    delay_s: float = 1.0
    """From the measurement to its arrival. [s]"""
    dropout: float = 0.02
    """Share of reports lost."""

    def __post_init__(self) -> None:
        """Refuse what no radio can do."""
        for name in ("noise_m", "speed_noise_mps", "heading_noise_deg", "delay_s"):
            if not 0 <= getattr(self, name) < math.inf:
                raise ConfigError(f"avl.{name}: {getattr(self, name):g}; give 0 or more")
        if not 0.05 <= self.period_s <= 600:
            raise ConfigError(f"avl.period_s: {self.period_s:g} s; give 0.05 to 600")
        if not 0 <= self.dropout < 1:
            raise ConfigError(f"avl.dropout: {self.dropout:g} is no share below 1; give 0 to 0.99")


USUAL_AVL = Avl()

BLUE_LIGHT_TYPE = (
    '<vType id="cityloop.blue" vClass="emergency" length="6.5" width="2.1" maxSpeed="36" accel="2.6" decel="4.5" '
    'speedFactor="1.2" speedDev="0" sigma="0" impatience="1" jmDriveAfterRedTime="300" jmDriveRedSpeed="5.56" '
    'jmDriveAfterYellowTime="10" jmIgnoreKeepClearTime="1" minGapLat="0.3" latAlignment="arbitrary" '
    'lcPushy="0.5" lcSpeedGain="5" guiShape="emergency"/>'
)
"""A vehicle with blue light and siren: a fifth above the limit, and past a red light at 20 km/h once that is free."""


def with_units(network: Network, net_file: Path, units: Sequence[UnitSpec]) -> Network:
    """Return the network with units, the ways they may drive, their streams, and detectors over its crossings.

    Streams are added after those that are there, so that nothing else changes its row.
    """
    if "units" in network.layout.tables or not units:
        return network
    names = [unit.name for unit in units]
    for name in names:
        if not name or names.count(name) > 1:
            raise ConfigError(f"units: {name!r} is empty or there twice; give each unit a name of its own")
    layout = network.layout
    rows = [(int(kind), unit) for unit in range(len(units)) for kind in AVL_KINDS]
    rows += [(int(StreamKind.CROSSING_OCCUPIED), link) for link in sorted(network.crossing_edges)]
    streams = Streams(
        np.concatenate([layout.streams.kind, np.array([kind for kind, _ in rows], np.int32)]),
        np.concatenate([layout.streams.asset, np.array([asset for _, asset in rows], np.int32)]),
    )
    tables = {
        **layout.tables,
        "units": Units(np.array([int(unit.kind) for unit in units], np.int32)),
        "passages": _passages(network, net_file),
    }
    joined = dataclasses.replace(layout, streams=streams, tables=tables, names={**layout.names, "units": tuple(names)})
    return dataclasses.replace(network, layout=joined)


def _passages(network: Network, net_file: Path) -> Passages:
    net = read_netfile(net_file)
    ways = Ways(net)
    edge_row = {name: row for row, name in enumerate(network.layout.names["edges"])}
    tls_row = {name: row for row, name in enumerate(network.tls_ids)}
    link_begin = network.assets.controllers.link_begin
    found: dict[tuple[int, int, int], tuple[float, bool]] = {}
    for connection in net.connections:
        if connection.from_edge not in edge_row or connection.to_edge not in edge_row:
            continue
        lanes = _lanes(net.edges, connection)
        if not all(_allows(lane, "emergency") for lane in lanes):
            continue
        row = tls_row.get(connection.tls)
        link = -1 if row is None or connection.link_index < 0 else int(link_begin[row]) + connection.link_index
        key = (edge_row[connection.from_edge], edge_row[connection.to_edge], link)
        lorry = all(_allows(lane, "truck") for lane in lanes)
        length_m, before = found.get(key, (math.inf, False))
        found[key] = (min(length_m, ways.path_m(connection)), before or lorry)
    keys = sorted(found)
    return Passages(
        from_edge=np.array([key[0] for key in keys], np.int32),
        to_edge=np.array([key[1] for key in keys], np.int32),
        link=np.array([key[2] for key in keys], np.int32),
        length_m=np.array([found[key][0] for key in keys], np.float64),
        lorry=np.array([found[key][1] for key in keys], np.bool_),
    )


def _lanes(edges: Mapping[str, Edge], connection: Connection) -> tuple[Lane, Lane]:
    return (
        edges[connection.from_edge].lanes[connection.from_lane],
        edges[connection.to_edge].lanes[connection.to_lane],
    )


def _allows(lane: Lane, vehicle_class: str) -> bool:
    """Tell whether a class of vehicle may use a lane."""
    if lane.allow:
        return bool(lane.allow & {vehicle_class, "all"})
    return not lane.disallow & {vehicle_class, "all"}
