"""What a city case must know of its network and routes before SUMO is started.

The whole network is read elsewhere, for the layout; here only the few facts that tell whether files belong
together, and that candidate routes are drawn from. Read with expat, since demand files reach gigabytes.
"""

from __future__ import annotations

import gzip
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from xml.parsers import expat

from cityloop.kernel.errors import InputError

__all__ = ["EdgeFacts", "NetFacts", "check_routes", "read_departures_s", "read_net_facts", "scan_xml"]

_CAR = "passenger"
_EDGE_LISTS = ("edges", "via")
_EDGE_NAMES = ("from", "to")
_ROUTED = frozenset({"route", "trip", "flow", "vehicle", "walk", "personTrip", "ride", "person", "personFlow"})
_DEPARTING = frozenset({"trip", "flow", "vehicle", "person", "personFlow"})


@dataclass(frozen=True, slots=True, kw_only=True)
class EdgeFacts:
    """One edge that vehicles or people can be routed over."""

    from_node: str
    to_node: str
    length_m: float
    speed_mps: float
    lanes: int
    """Lanes open to cars; zero means that no car may use the edge."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NetFacts:
    """The edges of a network by name, what comes before and after each for a car, and its signals."""

    edges: Mapping[str, EdgeFacts]
    predecessors: Mapping[str, tuple[str, ...]]
    successors: Mapping[str, tuple[str, ...]]
    signals: tuple[str, ...]


def scan_xml(path: Path, on_start: Callable[[str, dict[str, str]], None]) -> None:
    """Call `on_start(tag, attributes)` for every element of an XML file, gzip included."""
    parser = expat.ParserCreate()
    parser.StartElementHandler = on_start
    try:
        with gzip.open(path, "rb") if path.suffix == ".gz" else path.open("rb") as stream:
            parser.ParseFile(stream)
    except expat.ExpatError as error:
        what = expat.errors.messages[error.code]
        raise InputError(f"{path}, line {error.lineno}: not well-formed XML ({what}); repair it") from error
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror or error}); check it") from error


def read_net_facts(net_file: Path) -> NetFacts:
    """Read a SUMO network's edges, car connections and signals."""
    raw: dict[str, tuple[str, str]] = {}
    lanes: dict[str, list[tuple[float, float]]] = {}
    length_m: dict[str, float] = {}
    successors: dict[str, dict[str, None]] = {}
    signals: dict[str, None] = {}
    edge = ""
    root = ""

    def on_start(tag: str, attributes: dict[str, str]) -> None:
        nonlocal edge, root
        root = root or tag
        if tag == "edge":
            edge = "" if "function" in attributes else attributes["id"]
            if edge:
                raw[edge] = (attributes.get("from", ""), attributes.get("to", ""))
        elif tag == "lane" and edge:
            length_m[edge] = float(attributes["length"])
            if _open_to_cars(attributes):
                lanes.setdefault(edge, []).append((float(attributes["length"]), float(attributes["speed"])))
        elif tag == "connection":
            successors.setdefault(attributes["from"], {})[attributes["to"]] = None
        elif tag == "tlLogic":
            signals[attributes["id"]] = None

    scan_xml(net_file, on_start)
    if root != "net":
        raise InputError(f"{net_file}: root element is <{root}>, not <net>; give a SUMO network (.net.xml)")
    edges = {}
    for name, (from_node, to_node) in raw.items():
        open_lanes = lanes.get(name, [])
        edges[name] = EdgeFacts(
            from_node=from_node,
            to_node=to_node,
            length_m=length_m.get(name, 0.0),
            speed_mps=open_lanes[0][1] if open_lanes else 1.4,
            lanes=len(open_lanes),
        )
    links = [
        (name, follower)
        for name, followers in successors.items()
        for follower in followers
        if name in lanes and follower in lanes
    ]
    before: dict[str, list[str]] = {}
    after: dict[str, list[str]] = {}
    for name, follower in links:
        before.setdefault(follower, []).append(name)
        after.setdefault(name, []).append(follower)
    return NetFacts(
        edges=edges,
        predecessors={name: tuple(others) for name, others in before.items()},
        successors={name: tuple(others) for name, others in after.items()},
        signals=tuple(signals),
    )


def check_routes(route_file: Path, net: NetFacts, net_file: Path) -> None:
    """Refuse a demand file that names edges which its network does not have."""
    first: tuple[str, str] | None = None
    carrier = "route"
    routed = refused = 0

    def on_start(tag: str, attributes: dict[str, str]) -> None:
        nonlocal first, carrier, routed, refused
        if tag not in _ROUTED:
            return
        carrier = f"{tag} {attributes['id']!r}" if "id" in attributes else carrier
        names = _edges_named(tag, attributes)
        unknown = next((name for name in names if name not in net.edges), None)
        routed += bool(names)
        if unknown is not None:
            refused += 1
            first = first or (carrier, unknown)

    scan_xml(route_file, on_start)
    if first is not None:
        raise InputError(
            f"{route_file}: {first[0]} uses edge {first[1]!r}, which {net_file} does not have "
            f"({refused} of {routed} routes and trips do so); give routes made for this network"
        )


def read_departures_s(route_file: Path) -> tuple[float, float] | None:
    """Return the first and last planned departure of a demand file, or None when it names no instants."""
    low, high = float("inf"), float("-inf")

    def on_start(tag: str, attributes: dict[str, str]) -> None:
        nonlocal low, high
        if tag in _DEPARTING:
            for key in ("depart", "begin", "end"):
                try:
                    instant_s = float(attributes[key])
                except (KeyError, ValueError):
                    continue
                low, high = min(low, instant_s), max(high, instant_s)

    scan_xml(route_file, on_start)
    return (low, high) if low <= high else None


def _edges_named(tag: str, attributes: dict[str, str]) -> list[str]:
    names = [name for key in _EDGE_LISTS for name in attributes.get(key, "").replace(",", " ").split()]
    if tag != "person":
        names += [attributes[key] for key in _EDGE_NAMES if key in attributes]
    return [name for name in names if not name.startswith(":")]


def _open_to_cars(lane: dict[str, str]) -> bool:
    if "allow" in lane:
        allowed = lane["allow"].split()
        return _CAR in allowed or "all" in allowed
    disallowed = lane.get("disallow", "").split()
    return _CAR not in disallowed and "all" not in disallowed
