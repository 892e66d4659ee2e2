"""A SUMO network file as plain rows: what the file says, nothing concluded from it."""

from __future__ import annotations

import gzip
import xml.etree.ElementTree as ET
from dataclasses import dataclass, field
from pathlib import Path

from cityloop.kernel.errors import LayoutError

__all__ = ["Connection", "Edge", "Lane", "NetFile", "Node", "Phase", "Program", "read_netfile"]

RAIL_CLASSES = frozenset({"tram", "rail", "rail_urban", "rail_electric", "rail_fast", "subway", "cable_car"})
FOOT_CLASSES = frozenset({"pedestrian", "wheelchair"})
SLOW_CLASSES = FOOT_CLASSES | {"bicycle", "scooter"}


@dataclass(frozen=True, slots=True)
class Lane:
    """A lane, internal ones included."""

    id: str
    edge_id: str
    index: int
    length_m: float
    speed_mps: float
    width_m: float
    shape: tuple[tuple[float, float], ...]
    allow: frozenset[str]
    disallow: frozenset[str]

    @property
    def motorised(self) -> bool:
        """Whether cars, buses or trams may use it."""
        if self.allow:
            return bool(self.allow - SLOW_CLASSES)
        return "passenger" not in self.disallow or not self.disallow & {"all", "bus"}

    @property
    def rail_only(self) -> bool:
        """Whether only trams or trains may use it."""
        return bool(self.allow) and self.allow <= RAIL_CLASSES


@dataclass(frozen=True, slots=True)
class Edge:
    """An edge, internal ones included."""

    id: str
    function: str
    from_node: str
    to_node: str
    lanes: tuple[Lane, ...]
    crossing_edges: tuple[str, ...] = ()
    name: str = ""
    """The street's."""


@dataclass(frozen=True, slots=True)
class Connection:
    """A way from one lane to another."""

    from_edge: str
    to_edge: str
    from_lane: int
    to_lane: int
    via: str
    tls: str
    link_index: int
    direction: str


@dataclass(frozen=True, slots=True)
class Node:
    """A junction of the network, signal-controlled or not."""

    id: str
    kind: str
    x_m: float
    y_m: float
    internal_lanes: tuple[str, ...]
    foes: tuple[str, ...]
    """Per request index, least significant last, as in the file."""
    response: tuple[str, ...]
    shape: tuple[tuple[float, float], ...] = ()


@dataclass(frozen=True, slots=True)
class Phase:
    """A phase of a shipped program."""

    state: str
    duration_s: float
    min_s: float
    max_s: float
    next: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class Program:
    """A shipped program."""

    tls_id: str
    program_id: str
    kind: str
    offset_s: float
    phases: tuple[Phase, ...]


@dataclass(frozen=True, slots=True)
class NetFile:
    """Everything read from a network file."""

    path: Path
    edges: dict[str, Edge]
    nodes: dict[str, Node]
    connections: tuple[Connection, ...]
    programs: dict[str, Program]
    lanes: dict[str, Lane] = field(default_factory=dict)


def read_netfile(path: Path) -> NetFile:
    """Read a ``.net.xml`` or ``.net.xml.gz`` file.

    Raises
    ------
    LayoutError
        When the file is missing, is not XML or is not a SUMO network.
    """
    try:
        with gzip.open(path) if path.suffix == ".gz" else path.open("rb") as handle:
            root = ET.parse(handle).getroot()
    except FileNotFoundError:
        raise LayoutError(f"{path}: no such network file; give an existing .net.xml.") from None
    except (ET.ParseError, OSError, EOFError) as error:
        raise LayoutError(f"{path}: not a readable network file ({error}); export it again with netconvert.") from None
    if root.tag != "net":
        raise LayoutError(f"{path}: root element <{root.tag}>, must be <net>; give a SUMO network, not another file.")
    edges: dict[str, Edge] = {}
    lanes: dict[str, Lane] = {}
    for element in root.iter("edge"):
        edge = _edge(element)
        edges[edge.id] = edge
        for lane in edge.lanes:
            lanes[lane.id] = lane
    nodes = {element.get("id", ""): _node(element) for element in root.iter("junction")}
    connections = tuple(_connection(element) for element in root.iter("connection"))
    programs: dict[str, Program] = {}
    for element in root.iter("tlLogic"):
        # SUMO runs the last program it loads for a signal; so do we.
        programs[element.get("id", "")] = _program(element)
    return NetFile(path, edges, nodes, connections, programs, lanes)


def _classes(text: str | None) -> frozenset[str]:
    return frozenset((text or "").split())


def _shape(text: str | None) -> tuple[tuple[float, float], ...]:
    points = []
    for pair in (text or "").split():
        x, y = pair.split(",")[:2]
        points.append((float(x), float(y)))
    return tuple(points)


def _edge(element: ET.Element) -> Edge:
    edge_id = element.get("id", "")
    lanes = tuple(
        Lane(
            id=lane.get("id", ""),
            edge_id=edge_id,
            index=int(lane.get("index", "0")),
            length_m=float(lane.get("length", "0")),
            speed_mps=float(lane.get("speed", "0")),
            width_m=float(lane.get("width", "3.2")),
            shape=_shape(lane.get("shape")),
            allow=_classes(lane.get("allow")),
            disallow=_classes(lane.get("disallow")),
        )
        for lane in element.iter("lane")
    )
    return Edge(
        edge_id,
        element.get("function", "normal"),
        element.get("from", ""),
        element.get("to", ""),
        lanes,
        tuple((element.get("crossingEdges") or "").split()),
        element.get("name", ""),
    )


def _node(element: ET.Element) -> Node:
    requests = sorted(element.iter("request"), key=lambda request: int(request.get("index", "0")))
    return Node(
        element.get("id", ""),
        element.get("type", ""),
        float(element.get("x", "0")),
        float(element.get("y", "0")),
        tuple((element.get("intLanes") or "").split()),
        tuple(request.get("foes", "") for request in requests),
        tuple(request.get("response", "") for request in requests),
        _shape(element.get("shape")),
    )


def _connection(element: ET.Element) -> Connection:
    return Connection(
        element.get("from", ""),
        element.get("to", ""),
        int(element.get("fromLane", "0")),
        int(element.get("toLane", "0")),
        element.get("via", ""),
        element.get("tl", ""),
        int(element.get("linkIndex", "-1")),
        element.get("dir", ""),
    )


def _program(element: ET.Element) -> Program:
    phases = []
    for phase in element.iter("phase"):
        duration_s = float(phase.get("duration", "0"))
        phases.append(
            Phase(
                phase.get("state", ""),
                duration_s,
                float(phase.get("minDur", duration_s)),
                float(phase.get("maxDur", duration_s)),
                tuple(int(n) for n in (phase.get("next") or "").split()),
            )
        )
    offset = element.get("offset", "0")
    return Program(
        element.get("id", ""),
        element.get("programID", "0"),
        element.get("type", "static"),
        0.0 if offset == "begin" else float(offset),
        tuple(phases),
    )
