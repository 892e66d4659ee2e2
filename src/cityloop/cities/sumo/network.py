"""From a SUMO network file to a layout: junctions, links, stages, approaches and their conflicts."""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from cityloop.cities.sumo.netfile import Connection, NetFile, Program, read_netfile
from cityloop.cities.sumo.rightofway import Ways
from cityloop.cities.sumo.signal_rows import SignalRows
from cityloop.cities.sumo.zones import Zone
from cityloop.domains.signals.schema import LinkKind, SignalAssets
from cityloop.kernel.columns import F64, validate
from cityloop.kernel.errors import LayoutError
from cityloop.kernel.layout import Edges, Junctions, Lanes, Layout, StreamKind, Streams

if TYPE_CHECKING:
    from cityloop.cities.sumo.fleet_assets import FleetSetup

__all__ = ["Network", "read_network"]


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
    services: FleetSetup | None = None
    """Ambulances, calls, trucks and containers, where the city has any and they have been joined."""


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
        raise LayoutError(
            f"{net_file}: no traffic signals (<tlLogic>); cityloop controls signals, so give it a network with some"
        )
    rows = SignalRows(net, ways, controlled, tls_ids, walking_speed_mps)
    assets = rows.assets(sensing)
    digest = hashlib.sha256(net_file.read_bytes()).hexdigest()
    layout = _layout(net, rows, assets, digest)
    tables = (assets.controllers, assets.links, assets.stages, assets.approaches, assets.movements, assets.matrices)
    for table in tables:
        validate(table)
    return Network(
        layout,
        assets,
        tls_ids,
        tuple(t.states for t in rows.tables),
        tuple(net.programs[t] for t in tls_ids),
        tuple(rows.zones),
        rows.crossing_edges,
    )


def _has_green(program: Program) -> bool:
    return any(c in "gG" for phase in program.phases for c in phase.state)


def _layout(net: NetFile, rows: SignalRows, assets: SignalAssets, digest: str) -> Layout:
    """Return the layout around the signal assets."""
    ends = [(e.lanes[0].shape or ((0.0, 0.0),)) for e in (net.edges[i] for i in rows.edge_ids)]
    return Layout(
        version=digest,
        junctions=Junctions(*_centres(net, rows.tls_ids, rows.signalled)),
        edges=Edges(
            np.array([net.edges[i].lanes[0].length_m for i in rows.edge_ids]),
            np.array([max(lane.speed_mps for lane in net.edges[i].lanes) for i in rows.edge_ids]),
            np.array([shape[0][0] for shape in ends]),
            np.array([shape[0][1] for shape in ends]),
            np.array([shape[-1][0] for shape in ends]),
            np.array([shape[-1][1] for shape in ends]),
        ),
        lanes=Lanes(
            np.array([rows.edge_row[net.lanes[i].edge_id] for i in rows.lane_ids], np.int32),
            np.array([net.lanes[i].length_m for i in rows.lane_ids]),
            np.array([net.lanes[i].speed_mps for i in rows.lane_ids]),
        ),
        approaches=assets.approaches,
        movements=assets.movements,
        streams=_streams(assets),
        tables={"signals": assets},
        names={"junctions": tuple(rows.tls_ids), "edges": tuple(rows.edge_ids), "lanes": tuple(rows.lane_ids)},
    )


def _centres(net: NetFile, tls_ids: Sequence[str], signalled: dict[str, str]) -> tuple[F64, F64]:
    """Return each signal's place in m: the mean of the nodes it controls."""
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
    kinds: tuple[StreamKind, ...] = (StreamKind.OBJECT_COUNT, StreamKind.OBJECT_DISTANCE_M, StreamKind.OBJECT_SPEED_MPS)
    if assets.sensing.startswith("loops"):
        kinds = (
            StreamKind.STOP_LINE_COUNT,
            StreamKind.STOP_LINE_OCCUPANCY,
            StreamKind.ADVANCE_COUNT,
            StreamKind.ADVANCE_OCCUPANCY,
        )
    for approach in range(n_approaches):
        rows.extend((kind, approach) for kind in kinds)
    for junction in range(len(assets.controllers.link_begin)):
        rows.append((StreamKind.STAGE_SHOWN, junction))
        rows.append((StreamKind.CONTROL_MODE, junction))
    rows.extend((StreamKind.CROSSING_CALL, int(i)) for i in np.flatnonzero(assets.links.kind == LinkKind.CROSSING))
    return Streams(np.array([r[0] for r in rows], np.int32), np.array([r[1] for r in rows], np.int32))
