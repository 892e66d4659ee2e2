"""The rows of a network's signals: one pass over its junctions, their links, stages, approaches and movements."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeVar

import numpy as np

from cityloop.cities.sumo.netfile import Connection, Lane, NetFile, Program
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
from cityloop.kernel.columns import BOOL, columns_of
from cityloop.kernel.errors import LayoutError

__all__ = ["SignalRows"]

_Table = TypeVar("_Table")

_TURN_OF = {"s": Turn.STRAIGHT, "l": Turn.LEFT, "L": Turn.LEFT, "r": Turn.RIGHT, "R": Turn.RIGHT, "t": Turn.TURNAROUND}


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


class SignalRows:
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
                    f"{self.net.path}: <tlLogic id={tls_id!r}>: link {c.link_index} has no place in a state of "
                    f"{n_links} characters; rebuild the network's programs with netconvert."
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
        approaching = [c for c in connections if c.from_edge in self.edge_row]
        for c in sorted(approaching, key=lambda c: (c.from_edge, c.from_lane)):
            lane_id = self._from_lane(c).id
            if lane_id not in self.approach_row:
                self._approach(row, lane_id, link_begin, connections)
        for service in table.service:
            self.s.add(junction=row, service=service, min_green_s=MIN_GREEN_S)
        for group in by_index.values():
            lane_ids = [self._from_lane(c).id for c in group if c.from_edge in self.edge_row]
            if lane_ids:
                self.l.columns["approach"][link_begin + group[0].link_index] = self.approach_row[lane_ids[0]]
        together = _shown_together(program, n_links)
        change_s = intergreens(table.states, table.yellow_s, table.all_red_s, clearance_s, crossing, foe, yields)
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
            own_red_s=0.0,
            own_wait_s=0.0,
            next_group=-1 if reach is None else self.group_of[reach.edge_id],
            next_distance_m=0.0 if reach is None else reach.distance_m + length_m,
        )

    def _from_lane(self, c: Connection) -> Lane:
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
            blind_m=self._blind_m(zone),
            own_m=zone.own_m,
            owner=approach,
            feeders=0,
            movement_begin=movement_begin,
            movement_end=len(self.m),
        )

    def _blind_m(self, zone: Zone) -> float:
        """Return the longest way over the junction at which a zone ends, 0 where nothing leads into it."""
        last = self.net.lanes[zone.pieces[-1].lane_id]
        into = [c for c in self.roads.into[last.edge_id] if c.to_lane == last.index and c.direction != "t"]
        return max((self.ways.path_m(c) for c in into), default=0.0)

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


def _table(kind: type[_Table], rows: _Rows) -> _Table:
    """Turn lists into the declared columns of a table."""
    make: Callable[..., _Table] = kind
    return make(**{n.name: np.array(rows.columns[n.name], dtype=n.dtype) for n in columns_of(kind)})


def _shown_together(program: Program, n_links: int) -> BOOL:
    """Return which links a shipped phase shows as protected green together."""
    together = np.zeros((n_links, n_links), np.bool_)
    for phase in program.phases:
        shown = np.array([c == "G" for c in phase.state.ljust(n_links, "r")])
        together |= np.outer(shown, shown)
    return together
