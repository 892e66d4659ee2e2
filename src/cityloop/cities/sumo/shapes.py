"""The network's lines for a map: roads, crossings, junction outlines and the ways over junctions."""

from __future__ import annotations

import heapq
from collections.abc import Iterable
from pathlib import Path

from cityloop.cities.sumo.netfile import FOOT_CLASSES, SLOW_CLASSES, Edge, Lane, NetFile, read_netfile
from cityloop.cities.sumo.network import Network
from cityloop.kernel.layout import Layout
from cityloop.kernel.shapes import MapLine, MapShapes, Ways

__all__ = ["bounding_box", "read_shapes"]

_MARGIN_M = 50.0
_NEAR_M = 400.0
"""So far along the roads a street may be to say where a junction is. [m]"""


def bounding_box(layout: Layout) -> tuple[float, float, float, float]:
    """Return the box that places on the map are told in: all edges' ends, and some room about them. [m]"""
    edges = layout.edges
    x0, x1 = min(edges.x0_m.min(), edges.x1_m.min()), max(edges.x0_m.max(), edges.x1_m.max())
    y0, y1 = min(edges.y0_m.min(), edges.y1_m.min()), max(edges.y0_m.max(), edges.y1_m.max())
    return float(x0 - _MARGIN_M), float(y0 - _MARGIN_M), float(x1 + _MARGIN_M), float(y1 + _MARGIN_M)


def read_shapes(net_file: Path, network: Network) -> MapShapes:
    """Read what a map draws of a network."""
    net = read_netfile(net_file)
    layout = network.layout
    row_of = {name: row for row, name in enumerate(layout.names["edges"])}
    lines = [
        _line(edge, row_of.get(edge.id, -1))
        for edge in net.edges.values()
        if edge.lanes and edge.function in ("normal", "crossing", "")
    ]
    outlines = tuple(node.shape for node in net.nodes.values() if len(node.shape) > 2 and node.kind != "internal")
    streets = tuple(net.edges[name].name for name in layout.names["edges"])
    return MapShapes(
        box=bounding_box(layout),
        lines=tuple(lines),
        outlines=outlines,
        links=_links(net, network),
        streets=streets,
        junction_labels=_labels(net, network),
    )


def _line(edge: Edge, row: int) -> MapLine:
    widest = _middle(edge)
    width_m = sum(lane.width_m for lane in edge.lanes)
    return MapLine(row=row, way=_way(edge), width_m=width_m, points=widest.shape)


def _middle(edge: Edge) -> Lane:
    return edge.lanes[len(edge.lanes) // 2]


def _way(edge: Edge) -> Ways:
    if edge.function == "crossing":
        return Ways.CROSSING
    if all(lane.rail_only for lane in edge.lanes):
        return Ways.RAIL
    slow = SLOW_CLASSES | FOOT_CLASSES
    if all(lane.allow and lane.allow <= slow for lane in edge.lanes):
        return Ways.FOOT
    return Ways.ROAD


def _links(net: NetFile, network: Network) -> tuple[tuple[tuple[float, float], ...], ...]:
    """Return each link's way over its junction: of vehicles the path inside it, of people the crossing."""
    controllers = network.assets.controllers
    found: dict[int, tuple[tuple[float, float], ...]] = {}
    junction_of = {name: row for row, name in enumerate(network.tls_ids)}
    for connection in net.connections:
        row = junction_of.get(connection.tls)
        if row is None or connection.link_index < 0:
            continue
        link = int(controllers.link_begin[row]) + connection.link_index
        if connection.via in net.lanes and len(net.lanes[connection.via].shape) > 1:
            found.setdefault(link, net.lanes[connection.via].shape)
        elif connection.from_edge in net.edges and net.edges[connection.from_edge].lanes:
            lane = net.edges[connection.from_edge].lanes[0]
            found.setdefault(link, lane.shape[-2:])
    for link, edge_id in network.crossing_edges.items():
        if edge_id in net.edges and net.edges[edge_id].lanes:
            found[link] = net.edges[edge_id].lanes[0].shape
    return tuple(found.get(link, ()) for link in range(len(network.assets.links.junction)))


def _labels(net: NetFile, network: Network) -> tuple[str, ...]:
    """Name each junction by the streets that meet there.

    Where fewer than two with a name do, the nearest other street follows in brackets; by its identifier where there is
    no name within reach.
    """
    streets: dict[str, dict[str, None]] = {name: {} for name in network.tls_ids}
    edges: dict[str, dict[str, None]] = {name: {} for name in network.tls_ids}
    beside: dict[str, set[str]] = {}
    for connection in net.connections:
        pair = (connection.from_edge, connection.to_edge)
        if any(_passable(net, edge_id) for edge_id in pair):
            beside.setdefault(pair[0], set()).add(pair[1])
            beside.setdefault(pair[1], set()).add(pair[0])
        if connection.tls in streets:
            for edge_id in pair:
                edges[connection.tls][edge_id] = None
                if edge_id in net.edges and net.edges[edge_id].name:
                    streets[connection.tls][net.edges[edge_id].name] = None
    labels = []
    for tls_id in network.tls_ids:
        names = list(streets[tls_id])[:2]
        near = _nearest_names(net, beside, edges[tls_id], frozenset(names), 2 - len(names)) if len(names) < 2 else []
        told = " / ".join(names) if names else tls_id if not near else ""
        labels.append(f"{told} ({' / '.join(near)})".strip() if near else told)
    return tuple(labels)


def _passable(net: NetFile, edge_id: str) -> bool:
    return edge_id in net.edges and net.edges[edge_id].function in ("normal", "") and bool(net.edges[edge_id].lanes)


def _nearest_names(
    net: NetFile, beside: dict[str, set[str]], begin: Iterable[str], known: frozenset[str], wanted: int
) -> list[str]:
    """Return the streets that are met first when one goes on from some edges, the nearest first."""
    heap = [(0.0, edge_id) for edge_id in begin if _passable(net, edge_id)]
    heapq.heapify(heap)
    seen: set[str] = set()
    names: list[str] = []
    while heap and len(names) < wanted:
        gone_m, edge_id = heapq.heappop(heap)
        if edge_id in seen or gone_m > _NEAR_M:
            continue
        seen.add(edge_id)
        edge = net.edges[edge_id]
        if edge.name and edge.name not in known and edge.name not in names:
            names.append(edge.name)
            continue
        for other in sorted(beside.get(edge_id, ())):
            if other not in seen and _passable(net, other):
                heapq.heappush(heap, (gone_m + edge.lanes[0].length_m, other))
    return names
