"""The services of a city joined to its network: their tables, names and streams in the layout, and places at kerbs."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from cityloop.cities.sumo.fleet_case import TREATS, EmergencyFile, FleetCase, OnEdge, RefuseFile, read_fleet
from cityloop.cities.sumo.folder import CityCase
from cityloop.cities.sumo.netfile import NetFile, read_netfile
from cityloop.cities.sumo.network import Network
from cityloop.cities.sumo.units import UnitSpec, with_units
from cityloop.domains.emergency.schema import (
    HOSPITALS,
    EmergencyTable,
    HospitalTable,
    PlaceTable,
    RosterTable,
    SiteKind,
    ZoneTable,
)
from cityloop.domains.refuse.schema import Containers, FleetTable, RoundsTable
from cityloop.kernel.columns import F64, I32
from cityloop.kernel.errors import ConfigError
from cityloop.kernel.layout import Layout, StreamKind, Streams, UnitKind

__all__ = ["FleetSetup", "Kerb", "reachable_edges", "setup_fleet", "with_fleet"]

_ZONE_M = 400.0
_LEAST_CALL_EDGE_M = 25.0
_END_M = 8.0
"""Nobody parks nearer than this to an end of an edge, where it is long enough. [m]"""
_CALL_KINDS = tuple(kind for kind in StreamKind if StreamKind.CALL_COUNT <= kind <= StreamKind.CALL_STATUS)
_UNIT_KINDS = (StreamKind.UNIT_STATUS, StreamKind.UNIT_CALL, StreamKind.UNIT_SITE)
_TRUCK_KINDS = (StreamKind.TRUCK_STATUS, StreamKind.TRUCK_LOAD_KG, StreamKind.TRUCK_NEXT)
_SITE_KINDS = {"station": SiteKind.STATION, "hospital": SiteKind.HOSPITAL, "kerb": SiteKind.KERB}
_LORRY_SHARE = 0.7
"""Of the limit at which a lorry drives in a town, stops at signals apart."""
_LORRY_TURN_S = 6.0
"""At every junction, in the mean. [s]"""


@dataclass(frozen=True, slots=True)
class Kerb:
    """A place on a lane where a vehicle can stand."""

    edge: str
    lane: int
    at_m: float
    x_m: float
    y_m: float
    row: int
    """Of the layout's edges."""
    edge_m: float
    """Length of the edge."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FleetSetup:
    """What the simulation needs of a city's services."""

    case: FleetCase
    sites: tuple[Kerb, ...] = ()
    call_kerbs: tuple[Kerb, ...] = ()
    """Middles of the roads on which somebody may call."""
    depot: Kerb | None = None
    tip: Kerb | None = None
    containers: tuple[Kerb, ...] = ()


def with_fleet(network: Network, case: CityCase, clock: str | None = None) -> Network:
    """Return the network with a city's services in its layout; as it is where the city has none.

    Parameters
    ----------
    clock
        Time zone of the crews' clock; unless given the begin of the run stands for the hour that the city's file says.
    """
    fleet = read_fleet(case)
    if fleet is None:
        return network
    net = read_netfile(case.net_file)
    emergency, refuse = fleet.emergency, fleet.refuse
    units = [UnitSpec(unit.name) for unit in emergency.units] if emergency else []
    units += [UnitSpec(truck.name, UnitKind.REFUSE_TRUCK) for truck in refuse.trucks] if refuse else []
    network = with_units(network, case.net_file, units)
    setup = setup_fleet(network, fleet, net)
    layout = network.layout
    tables, names, streams = dict(layout.tables), dict(layout.names), [layout.streams]
    if emergency is not None:
        zone = clock or _zone_of(emergency.begins_at_h, case.begin_s)
        tables["emergency"] = _emergency_table(emergency, setup, zone)
        names["sites"] = tuple(site.name for site in emergency.sites)
        names["determinants"] = emergency.calls.determinants
        rows = [(kind, 0) for kind in _CALL_KINDS]
        rows += [(kind, unit) for unit in range(len(emergency.units)) for kind in _UNIT_KINDS]
        streams.append(_rows(rows))
        if emergency.hospitals_tell:
            tables[HOSPITALS] = _hospital_table(emergency)
            streams.append(_rows(_hospital_rows(emergency)))
    if refuse is not None:
        tables["refuse"] = _rounds_table(refuse, setup, layout)
        names["containers"], names["trucks"] = refuse.container, tuple(truck.name for truck in refuse.trucks)
        streams.append(_rows(_refuse_rows(refuse)))
    joined = Streams(np.concatenate([s.kind for s in streams]), np.concatenate([s.asset for s in streams]))
    changed = dataclasses.replace(layout, tables=tables, names=names, streams=joined)
    return dataclasses.replace(network, layout=changed, services=setup)


def setup_fleet(network: Network, fleet: FleetCase, net: NetFile) -> FleetSetup:
    """Find the kerbs of everything that the city's files name.

    Raises
    ------
    ConfigError
        Naming the place and the edge, where no vehicle of the service gets there and away again.
    """
    at_edge = {name: row for row, name in enumerate(network.layout.names["edges"])}
    siren, lorry = (reachable_edges(network.layout, lorry=lorry) for lorry in (False, True))

    def kerb(what: str, place: OnEdge, among: frozenset[int], vehicle: str) -> Kerb:
        row = at_edge.get(place.edge)
        if row is None:
            raise ConfigError(f"{what}: there is no edge {place.edge!r} in the network; correct the name")
        if row not in among:
            raise ConfigError(f"{what}: no {vehicle} gets to edge {place.edge!r} and away again; give another edge")
        return _kerb(net, row, place, vehicle)

    emergency, refuse = fleet.emergency, fleet.refuse
    sites: tuple[Kerb, ...] = ()
    calls: tuple[Kerb, ...] = ()
    if emergency is not None:
        sites = tuple(kerb(f"site {s.name!r}", s.place, siren, "emergency") for s in emergency.sites)
        edges, names = network.layout.edges, network.layout.names["edges"]
        rows = sorted(row for row in siren if edges.length_m[row] >= _LEAST_CALL_EDGE_M)
        calls = tuple(_kerb(net, row, OnEdge(names[row], edges.length_m[row] / 2), "emergency") for row in rows)
    if refuse is None:
        return FleetSetup(case=fleet, sites=sites, call_kerbs=calls)
    places = zip(refuse.container, refuse.edge, refuse.at_m, strict=True)
    return FleetSetup(
        case=fleet,
        sites=sites,
        call_kerbs=calls,
        depot=kerb("depot", refuse.depot, lorry, "truck"),
        tip=kerb("tip", refuse.tip, lorry, "truck"),
        containers=tuple(kerb(f"container {n!r}", OnEdge(e, m), lorry, "truck") for n, e, m in places),
    )


def _kerb(net: NetFile, row: int, place: OnEdge, vehicle: str) -> Kerb:
    lanes = net.edges[place.edge].lanes
    open_to = [lane for lane in lanes if _allows(lane.allow, lane.disallow, vehicle)]
    lane = open_to[0] if open_to else lanes[0]
    room_m = min(_END_M, lane.length_m / 3)
    at_m = min(max(place.at_m, room_m), lane.length_m - room_m)
    x_m, y_m = _along(lane.shape, at_m / max(lane.length_m, 0.1))
    return Kerb(place.edge, lane.index, at_m, x_m, y_m, row, lane.length_m)


def _allows(allow: frozenset[str], disallow: frozenset[str], vehicle: str) -> bool:
    return bool(allow & {vehicle, "all"}) if allow else not disallow & {vehicle, "all"}


def _along(shape: Sequence[tuple[float, float]], share: float) -> tuple[float, float]:
    """Return the point at a share of a line's length."""
    points = np.array(shape)
    steps_m = np.hypot(*np.diff(points, axis=0).T)
    reached_m = np.concatenate([[0.0], np.cumsum(steps_m)])
    at_m = share * reached_m[-1]
    return float(np.interp(at_m, reached_m, points[:, 0])), float(np.interp(at_m, reached_m, points[:, 1]))


def reachable_edges(layout: Layout, *, lorry: bool) -> frozenset[int]:
    """Return the edges of the largest part in which every edge leads to every other."""
    # Imported here: scipy's graph routines cost a fifth of a second that a city without services never needs.
    from scipy.sparse.csgraph import connected_components

    ways = _ways(layout, lorry=lorry)
    _, part = connected_components(ways, directed=True, connection="strong")
    return frozenset(np.flatnonzero(part == np.bincount(part).argmax()).tolist())


def _ways(layout: Layout, *, lorry: bool, seconds: F64 | None = None) -> Any:
    """Return the turns between edges as a sparse matrix; an entry is the cost of the edge turned into."""
    from scipy.sparse import csr_array

    passages = layout.tables["passages"]
    may = passages.lorry if lorry else np.ones(len(passages.lorry), np.bool_)
    pairs = np.unique(np.column_stack([passages.from_edge[may], passages.to_edge[may]]), axis=0)
    n = len(layout.edges.length_m)
    cost = np.ones(len(pairs)) if seconds is None else np.maximum(seconds[pairs[:, 1]], 0.01)
    return csr_array((cost, (pairs[:, 0], pairs[:, 1])), shape=(n, n))


def _zone_of(begins_at_h: int, begin_s: float) -> str:
    """Return a zone of fixed offset in which the run's begin is that hour; such zones count westward."""
    east_h = (begins_at_h - math.floor(begin_s / 3600)) % 24
    east_h = east_h - 24 if east_h > 14 else east_h
    return "UTC" if east_h == 0 else f"Etc/GMT{-east_h:+d}"


def _emergency_table(file: EmergencyFile, setup: FleetSetup, zone: str) -> EmergencyTable:
    kerbs, calls = setup.call_kerbs, file.calls
    number = {site.name: row for row, site in enumerate(file.sites)}
    column = np.array([math.floor(kerb.x_m / _ZONE_M) * 100_000 + math.floor(kerb.y_m / _ZONE_M) for kerb in kerbs])
    keys, zone_of = np.unique(column, return_inverse=True)
    length_m = np.array([kerb.edge_m for kerb in kerbs])
    weight = np.bincount(zone_of, length_m, len(keys)) / length_m.sum()
    x_m = np.bincount(zone_of, length_m * [k.x_m for k in kerbs]) / np.bincount(zone_of, length_m)
    y_m = np.bincount(zone_of, length_m * [k.y_m for k in kerbs]) / np.bincount(zone_of, length_m)
    middle = [
        min(np.flatnonzero(zone_of == z), key=lambda k: math.hypot(kerbs[k].x_m - x_m[z], kerbs[k].y_m - y_m[z]))
        for z in range(len(keys))
    ]
    high = calls.priority_share[0]
    away_h = (calls.on_scene_min[0] + calls.transport_share * calls.handover_min[0] + 10.0) / 60.0
    mean, spread = calls.handover_min
    return EmergencyTable(
        units=RosterTable(
            home=np.array([number[unit.station] for unit in file.units], np.int32),
            capability=np.zeros(len(file.units), np.int32),
        ),
        sites=PlaceTable(
            kind=np.array([_SITE_KINDS[site.kind] for site in file.sites], np.int32),
            x_m=np.array([kerb.x_m for kerb in setup.sites]),
            y_m=np.array([kerb.y_m for kerb in setup.sites]),
            edge=np.array([kerb.row for kerb in setup.sites], np.int32),
            edge_m=np.array([kerb.at_m for kerb in setup.sites]),
        ),
        zones=ZoneTable(x_m, y_m, np.array([kerbs[k].row for k in middle], np.int32), weight),
        zone=zone,
        turnout_s=file.turnout_s,
        calls_per_h=calls.per_h,
        high_share=high,
        busy_share=min(0.95, away_h * calls.per_h / len(file.units)),
        # Quantiles of what the file says of handovers: what records of the past would show.
        handover_min=tuple(max(mean + spread * q, 0.5) for q in np.linspace(-1.6, 1.6, 33).tolist()),
    )


def _hospital_table(file: EmergencyFile) -> HospitalTable:
    rows = [row for row, site in enumerate(file.sites) if site.kind == "hospital"]
    return HospitalTable(
        site=np.array(rows, np.int32),
        capability=np.array([sum(TREATS[word] for word in file.sites[row].treats) for row in rows], np.int32),
        bays=np.array([file.sites[row].bays or 0 for row in rows], np.int32),
    )


def _hospital_rows(file: EmergencyFile) -> list[tuple[int, int]]:
    hospitals = [row for row, site in enumerate(file.sites) if site.kind == "hospital"]
    rows = [(int(kind), row) for row in hospitals for kind in (StreamKind.HOSPITAL_OPEN, StreamKind.HOSPITAL_DIVERTING)]
    return rows + [(int(StreamKind.UNIT_NEEDS), unit) for unit in range(len(file.units))]


def _rounds_table(file: RefuseFile, setup: FleetSetup, layout: Layout) -> RoundsTable:
    assert setup.depot is not None
    assert setup.tip is not None
    kerbs = setup.containers
    metres, seconds = _between(layout, (setup.depot, setup.tip, *kerbs))
    return RoundsTable(
        containers=Containers(
            x_m=np.array([kerb.x_m for kerb in kerbs]),
            y_m=np.array([kerb.y_m for kerb in kerbs]),
            capacity_kg=np.array(file.capacity_kg, np.float64),
            sensed=np.array(file.sensed, np.int32),
            rate_per_day=np.array(file.rate_per_day, np.float64),
        ),
        tip_x_m=setup.tip.x_m,
        tip_y_m=setup.tip.y_m,
        depot_x_m=setup.depot.x_m,
        depot_y_m=setup.depot.y_m,
        payload_kg=min(truck.payload_kg for truck in file.trucks),
        trucks=FleetTable(np.array([truck.payload_kg for truck in file.trucks], np.float64)),
        metres=metres,
        seconds=seconds,
        stop_s=file.stop_s,
        tip_s=file.tip_s,
    )


def _between(layout: Layout, kerbs: Sequence[Kerb]) -> tuple[F64, F64]:
    """Return metres and seconds of the fastest ways of a lorry between kerbs."""
    from scipy.sparse.csgraph import dijkstra

    edges = layout.edges
    seconds = edges.length_m / np.maximum(_LORRY_SHARE * edges.speed_limit_mps, 1.0) + _LORRY_TURN_S
    rows = np.array([kerb.row for kerb in kerbs])
    at_m: F64 = np.array([kerb.at_m for kerb in kerbs])
    costs, before = dijkstra(_ways(layout, lorry=True, seconds=seconds), indices=rows, return_predecessors=True)
    metres = np.zeros((len(kerbs), len(kerbs)))
    lasting = np.zeros_like(metres)
    for i, source in enumerate(rows):
        for j, target in enumerate(rows):
            on_m = float(at_m[j] - at_m[i])
            if i == j or (source == target and on_m >= 0):
                metres[i, j] = max(on_m, 0.0)
                lasting[i, j] = metres[i, j] / max(_LORRY_SHARE * edges.speed_limit_mps[source], 1.0)
                continue
            round_block = source == target
            last = _loop(costs[i], int(source), layout) if round_block else int(target)
            total_s = float(costs[i, last]) + (float(seconds[target]) if round_block else 0.0)
            total_m = float(edges.length_m[_way(before[i], int(source), last)].sum())
            total_m += float(edges.length_m[target]) if round_block else 0.0
            # From the end of the first edge to the end of the last: the rest of one is added, that of the other spared.
            spared = float(edges.length_m[source] - at_m[i]), float(edges.length_m[target] - at_m[j])
            metres[i, j] = max(total_m + spared[0] - spared[1], 1.0)
            pace = 1.0 / max(_LORRY_SHARE * float(edges.speed_limit_mps[source]), 1.0)
            lasting[i, j] = max(total_s + (spared[0] - spared[1]) * pace, 1.0)
    return metres, lasting


def _loop(costs: F64, source: int, layout: Layout) -> int:
    """Return the last edge of the fastest way round a block back to an edge."""
    passages = layout.tables["passages"]
    into = np.unique(passages.from_edge[passages.lorry & (passages.to_edge == source)])
    return int(into[np.argmin(costs[into])])


def _way(before: I32, source: int, target: int) -> list[int]:
    """Return the edges driven, the first left out."""
    way = []
    while target != source and target >= 0:
        way.append(target)
        target = int(before[target])
    return way[::-1]


def _refuse_rows(file: RefuseFile) -> list[tuple[int, int]]:
    rows: list[tuple[int, int]] = []
    for container, sensed in enumerate(file.sensed):
        rows += [(StreamKind.FILL_FRAC, container)] if sensed else []
        rows.append((StreamKind.COLLECTED_FRAC, container))
    rows += [(kind, truck) for truck in range(len(file.trucks)) for kind in _TRUCK_KINDS]
    rows += [(StreamKind.ROUND_OPEN, 0), (StreamKind.PLAN_VERSION, 0)]
    for truck in range(len(file.trucks)):
        rows += [(StreamKind.PLAN_VISIT, truck), (StreamKind.PLAN_IN_S, truck)]
    for container in range(len(file.container)):
        rows += [(StreamKind.PLAN_MOVED, container), (StreamKind.PLAN_LEFT_OUT, container)]
    return rows


def _rows(rows: Sequence[tuple[int, int]]) -> Streams:
    return Streams(np.array([r[0] for r in rows], np.int32), np.array([r[1] for r in rows], np.int32))
