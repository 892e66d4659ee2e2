"""From a SUMO network file to a layout: junctions, links, stages, approaches and their conflicts."""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from cityloop.cities.sumo.netfile import Connection, NetFile, Program, read_netfile
from cityloop.cities.sumo.rightofway import Ways, link_matrices
from cityloop.cities.sumo.stages import LAMP_OF, MIN_GREEN_S, StageTable, intergreens, stage_table
from cityloop.cities.sumo.zones import Reach, Roads, Zone, zone_of
from cityloop.domains.signals.schema import (
    Approaches,
    Controllers,
    LinkKind,
    Links,
    Matrices,
    Movements,
    SignalAssets,
    Stages,
    Turn,
)
from cityloop.kernel.columns import BOOL, validate
from cityloop.kernel.errors import LayoutError
from cityloop.kernel.layout import Edges, Junctions, Lanes, Layout, StreamKind, Streams

__all__ = ["Network", "read_network"]

_TURN_OF = {"s": Turn.STRAIGHT, "l": Turn.LEFT, "L": Turn.LEFT, "r": Turn.RIGHT, "R": Turn.RIGHT, "t": Turn.TURNAROUND}


@dataclass(frozen=True, slots=True)
class Network:
    """A network as the twin needs it: the layout, and the SUMO names behind its rows."""

    layout: Layout
    assets: SignalAssets
    tls_ids: tuple[str, ...]
    stage_states: tuple[tuple[str, ...], ...]
    """Per junction, the SUMO state of each stage."""
    programs: tuple[Program, ...]
    """Per junction, the shipped program."""
    zones: tuple[Zone, ...]
    """Per approach row."""
    crossing_edges: dict[int, str]
    """Crossing edge by link row."""


@dataclass(slots=True)
class _Rows:
    """Columns under construction, one list a column."""

    columns: dict[str, list[float]]

    def add(self, **values: float) -> int:
        for name, value in values.items():
            self.columns[name].append(value)
        return len(next(iter(self.columns.values()))) - 1

    def __len__(self) -> int:
        return len(next(iter(self.columns.values()), []))


def read_network(net_file: Path, *, sensing: str = "area:150", walking_speed_mps: float = 1.0) -> Network:
    """Read a network and derive its signal assets.

    Parameters
    ----------
    net_file
        A ``.net.xml`` or ``.net.xml.gz``.
    sensing
        Level the city offers: ``area:<m>``, ``probe:<share>``, ``loops`` or ``truth``.
    walking_speed_mps
        Speed by which a crossing's clearance is timed. [m/s]

    Raises
    ------
    LayoutError
        When the file cannot be read or has no signals.
    """
    net = read_netfile(net_file)
    ways = Ways(net)
    controlled: dict[str, list[Connection]] = defaultdict(list)
    for connection in net.connections:
        if connection.tls and connection.link_index >= 0:
            controlled[connection.tls].append(connection)
    tls_ids = tuple(t for t in net.programs if t in controlled and _has_green(net.programs[t]))
    if not tls_ids:
        raise LayoutError(f"{net_file}: no traffic signals (<tlLogic>); cityloop controls signals, give a network with some.")
    build = _Build(net, ways, controlled, tls_ids, walking_speed_mps)
    assets = build.assets(sensing)
    digest = hashlib.sha256(net_file.read_bytes()).hexdigest()
    layout = build.layout(assets, digest)
    for table in (assets.controllers, assets.links, assets.stages, assets.approaches, assets.movements, assets.matrices):
        validate(table)
    return Network(
        layout,
        assets,
        tls_ids,
        tuple(t.states for t in build.tables),
        tuple(net.programs[t] for t in tls_ids),
        tuple(build.zones),
        build.crossing_edges,
    )


def _has_green(program: Program) -> bool:
    return any(c in "gG" for phase in program.phases for c in phase.state)


class _Build:
    """One pass over the junctions; owns the rows while they grow."""

    def __init__(
        self,
        net: NetFile,
        ways: Ways,
        controlled: dict[str, list[Connection]],
        tls_ids: Sequence[str],
        walking_speed_mps: float,
    ) -> None:
        self.net, self.ways, self.tls_ids = net, ways, tls_ids
        self.roads = Roads(net)
        self.edge_ids = [e.id for e in net.edges.values() if e.function == "normal"]
        self.edge_row = {edge_id: row for row, edge_id in enumerate(self.edge_ids)}
        self.lane_ids = [lane.id for e in self.edge_ids for lane in net.edges[e].lanes]
        self.lane_row = {lane_id: row for row, lane_id in enumerate(self.lane_ids)}
        self.signalled = {c.from_edge: t for t in tls_ids for c in controlled[t] if c.from_edge in self.edge_row}
        self.group_of = {edge_id: g for g, edge_id in enumerate(sorted(self.signalled))}
        self.tables: list[StageTable] = []
        self.zones: list[Zone] = []
        self.crossing_edges: dict[int, str] = {}
        self.approach_row: dict[str, int] = {}
        self.c = _Rows(defaultdict(list))
        self.l = _Rows(defaultdict(list))
        self.s = _Rows(defaultdict(list))
        self.a = _Rows(defaultdict(list))
        self.m = _Rows(defaultdict(list))
        self.foe: list[BOOL] = []
        self.yields: list[BOOL] = []
        self.together: list[BOOL] = []
        self.lamps: list[np.ndarray] = []
        self.intergreen: list[np.ndarray] = []
        self.n_matrix = self.n_lamps = self.n_changes = 0
        for row, tls_id in enumerate(tls_ids):
            self._junction(row, tls_id, controlled[tls_id], walking_speed_mps)
        self._owners()

    def _junction(self, row: int, tls_id: str, connections: Sequence[Connection], walking_speed_mps: float) -> None:
        program = self.net.programs[tls_id]
        n_links = max(len(p.state) for p in program.phases)
        for c in connections:
            if c.link_index >= n_links:
                raise LayoutError(
                    f"{self.net.path}: <tlLogic id={tls_id!r}>: link {c.link_index} has no place in a state of {n_links} "
                    "characters; rebuild the network's programs with netconvert."
                )
        by_index: dict[int, list[Connection]] = defaultdict(list)
        for c in connections:
            by_index[c.link_index].append(c)
        crossing = np.zeros(n_links, np.bool_)
        clearance_s = np.zeros(n_links)
        for index, group in by_index.items():
            target = self.net.edges.get(group[0].to_edge)
            if target is not None and target.function == "crossing":
                crossing[index] = True
                clearance_s[index] = target.lanes[0].length_m / walking_speed_mps
        table = stage_table(program, crossing)
        foe, yields = link_matrices(self.ways, by_index, n_links)
        self.tables.append(table)
        link_begin, stage_begin, approach_begin = len(self.l), len(self.s), len(self.a)
        for index in range(n_links):
            self._link(row, index, by_index.get(index, []), bool(crossing[index]), table, float(clearance_s[index]))
        for c in sorted((c for c in connections if c.from_edge in self.edge_row), key=lambda c: (c.from_edge, c.from_lane)):
            lane_id = self.net.edges[c.from_edge].lanes[c.from_lane].id
            if lane_id not in self.approach_row:
                self._approach(row, lane_id, link_begin, connections)
        for service in table.service:
            self.s.add(junction=row, service=service, min_green_s=MIN_GREEN_S)
        for group in by_index.values():
            lane_ids = [self.net.edges[c.from_edge].lanes[c.from_lane].id for c in group if c.from_edge in self.edge_row]
            if lane_ids:
                self.l.columns["approach"][link_begin + group[0].link_index] = self.approach_row[lane_ids[0]]
        together = _shown_together(program, n_links)
        change_s = intergreens(table.states, table.yellow_s, table.all_red_s, clearance_s, crossing, foe)
        self.c.add(
            link_begin=link_begin,
            link_end=len(self.l),
            stage_begin=stage_begin,
            stage_end=len(self.s),
            approach_begin=approach_begin,
            approach_end=len(self.a),
            matrix_begin=self.n_matrix,
            lamps_begin=self.n_lamps,
            intergreen_begin=self.n_changes,
            all_red_s=table.all_red_s,
        )
        self.foe.append(foe.ravel())
        self.yields.append(yields.ravel())
        self.together.append(together.ravel())
        self.lamps.append(np.array([[LAMP_OF[c] for c in s] for s in table.states], np.uint8).ravel())
        self.intergreen.append(change_s.ravel())
        self.n_matrix += n_links * n_links
        self.n_lamps += n_links * len(table.states)
        self.n_changes += len(table.states) ** 2

    def _link(
        self, row: int, index: int, group: Sequence[Connection], crossing: bool, table: StageTable, clearance_s: float
    ) -> None:
        kind = LinkKind.CROSSING if crossing else LinkKind.VEHICLE
        length_m, turn, reach = 0.0, Turn.NONE, None
        if group and crossing:
            length_m = self.net.edges[group[0].to_edge].lanes[0].length_m
            self.crossing_edges[len(self.l)] = group[0].to_edge
        elif group:
            length_m = max(self.ways.path_m(c) for c in group)
            turn = _TURN_OF.get(group[0].direction, Turn.NONE)
            reach = self._reach(group[0])
            if all(self._from_lane(c).rail_only for c in group if c.from_edge in self.edge_row):
                kind = LinkKind.RAIL
        self.l.add(
            junction=row,
            kind=kind,
            approach=-1,
            turn=turn,
            yellow_s=float(table.yellow_s[index]),
            length_m=length_m,
            clearance_s=clearance_s,
            next_group=-1 if reach is None else self.group_of[reach.edge_id],
            next_distance_m=0.0 if reach is None else reach.distance_m + length_m,
        )

    def _from_lane(self, c: Connection):  # type: ignore[no-untyped-def]
        return self.net.edges[c.from_edge].lanes[c.from_lane]

    def _reach(self, c: Connection) -> Reach | None:
        if c.to_edge not in self.edge_row:
            return None
        return self.roads.signal_after(c.to_edge, self.signalled)

    def _approach(self, row: int, lane_id: str, link_begin: int, connections: Sequence[Connection]) -> None:
        lane = self.net.lanes[lane_id]
        zone = zone_of(self.roads, lane_id)
        approach = len(self.a)
        self.approach_row[lane_id] = approach
        self.zones.append(zone)
        movement_begin = len(self.m)
        for c in connections:
            if c.from_edge == lane.edge_id and c.from_lane == lane.index:
                reach = self._reach(c)
                self.m.add(
                    approach=approach,
                    link=link_begin + c.link_index,
                    turn=_TURN_OF.get(c.direction, Turn.NONE),
                    next_group=-1 if reach is None else self.group_of[reach.edge_id],
                    next_distance_m=0.0 if reach is None else reach.distance_m + self.ways.path_m(c),
                    speed_mps=self.net.lanes[c.via].speed_mps if c.via in self.net.lanes else lane.speed_mps,
                )
        self.a.add(
            junction=row,
            lane=self.lane_row[lane_id],
            group=self.group_of[lane.edge_id],
            speed_limit_mps=lane.speed_mps,
            zone_m=zone.reach_m,
            own_m=zone.own_m,
            owner=approach,
            feeders=0,
            movement_begin=movement_begin,
            movement_end=len(self.m),
        )

    def _owners(self) -> None:
        """Name each approach's upstream owner and count who feeds its group."""
        feeding: dict[int, int] = defaultdict(int)
        for group in self.m.columns["next_group"]:
            feeding[int(group)] += 1
        for approach, zone in enumerate(self.zones):
            self.a.columns["owner"][approach] = self.approach_row.get(zone.owner_lane, approach)
            self.a.columns["feeders"][approach] = feeding[int(self.a.columns["group"][approach])]

    def assets(self, sensing: str) -> SignalAssets:
        """Gather the rows into typed tables."""
        return SignalAssets(
            controllers=_table(Controllers, self.c),
            links=_table(Links, self.l),
            stages=_table(Stages, self.s),
            approaches=_table(Approaches, self.a),
            movements=_table(Movements, self.m),
            matrices=Matrices(np.concatenate(self.foe), np.concatenate(self.yields), np.concatenate(self.together)),
            lamps=np.concatenate(self.lamps),
            intergreen_s=np.concatenate(self.intergreen),
            sensing=sensing,
        )

    def layout(self, assets: SignalAssets, digest: str) -> Layout:
        """Return the layout around the signal assets."""
        net = self.net
        ends = [(e.lanes[0].shape or ((0.0, 0.0),)) for e in (net.edges[i] for i in self.edge_ids)]
        return Layout(
            version=digest,
            junctions=Junctions(*_centres(net, self.tls_ids, self.signalled)),
            edges=Edges(
                np.array([net.edges[i].lanes[0].length_m for i in self.edge_ids]),
                np.array([max(lane.speed_mps for lane in net.edges[i].lanes) for i in self.edge_ids]),
                np.array([shape[0][0] for shape in ends]),
                np.array([shape[0][1] for shape in ends]),
                np.array([shape[-1][0] for shape in ends]),
                np.array([shape[-1][1] for shape in ends]),
            ),
            lanes=Lanes(
                np.array([self.edge_row[net.lanes[i].edge_id] for i in self.lane_ids], np.int32),
                np.array([net.lanes[i].length_m for i in self.lane_ids]),
                np.array([net.lanes[i].speed_mps for i in self.lane_ids]),
            ),
            approaches=assets.approaches,
            movements=assets.movements,
            streams=_streams(assets),
            tables={"signals": assets},
            names={"junctions": tuple(self.tls_ids), "edges": tuple(self.edge_ids), "lanes": tuple(self.lane_ids)},
        )


def _table(kind, rows):  # type: ignore[no-untyped-def]
    """Turn lists into the declared columns of a table."""
    from cityloop.kernel.columns import columns_of

    return kind(**{n.name: np.array(rows.columns[n.name], dtype=n.dtype) for n in columns_of(kind)})


def _shown_together(program: Program, n_links: int) -> BOOL:
    """Return which links a shipped phase shows as protected green together."""
    together = np.zeros((n_links, n_links), np.bool_)
    for phase in program.phases:
        shown = np.array([c == "G" for c in phase.state.ljust(n_links, "r")])
        together |= np.outer(shown, shown)
    return together


def _centres(net: NetFile, tls_ids: Sequence[str], signalled: dict[str, str]) -> tuple[np.ndarray, np.ndarray]:
    """Return each signal's place: the mean of the nodes it controls. [m]"""
    nodes: dict[str, set[str]] = defaultdict(set)
    for edge_id, tls_id in signalled.items():
        nodes[tls_id].add(net.edges[edge_id].to_node)
    for connection in net.connections:
        if connection.tls and connection.tls not in nodes:
            nodes[connection.tls].update(n for n in [net.edges[connection.from_edge].to_node] if n)
    places = []
    for tls_id in tls_ids:
        found = [net.nodes[n] for n in sorted(nodes[tls_id]) if n in net.nodes]
        x = float(np.mean([n.x_m for n in found])) if found else 0.0
        y = float(np.mean([n.y_m for n in found])) if found else 0.0
        places.append((x, y))
    xy = np.array(places)
    return xy[:, 0].copy(), xy[:, 1].copy()


def _streams(assets: SignalAssets) -> Streams:
    """Declare what the sensing level reports."""
    rows: list[tuple[int, int]] = []
    n_approaches = len(assets.approaches.junction)
    if assets.sensing.startswith("loops"):
        kinds = (
            StreamKind.STOP_LINE_COUNT,
            StreamKind.STOP_LINE_OCCUPANCY,
            StreamKind.ADVANCE_COUNT,
            StreamKind.ADVANCE_OCCUPANCY,
        )
    else:
        kinds = (StreamKind.OBJECT_COUNT, StreamKind.OBJECT_DISTANCE_M, StreamKind.OBJECT_SPEED_MPS)  # type: ignore[assignment]
    for approach in range(n_approaches):
        rows.extend((kind, approach) for kind in kinds)
    for junction in range(len(assets.controllers.link_begin)):
        rows.append((StreamKind.STAGE_SHOWN, junction))
        rows.append((StreamKind.CONTROL_MODE, junction))
    rows.extend((StreamKind.CROSSING_CALL, int(i)) for i in np.flatnonzero(assets.links.kind == LinkKind.CROSSING))
    return Streams(np.array([r[0] for r in rows], np.int32), np.array([r[1] for r in rows], np.int32))
