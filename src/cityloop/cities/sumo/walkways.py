"""Sidewalks and crossings for a SUMO network, and files that name its lanes moved along.

netconvert adds sidewalks to the edges that meet a signal and crossings at the signals. A new sidewalk becomes
an edge's lane 0, so that the lanes of vehicles move up by one. Everything that a shipped program or route
relies on is compared afterwards: edges, connections and signal indices.
"""

from __future__ import annotations

import gzip
import shutil
import xml.etree.ElementTree as ET
from pathlib import Path

from cityloop.cities.sumo.sumo_tools import run_binary
from cityloop.kernel.errors import InputError, LayoutError

__all__ = ["add_walkways", "raised_edges", "read_xml", "write_raised", "xml_bytes"]

_FASTEST_WALKED_MPS = 22.3
"""No sidewalk is added along faster roads (80 km/h)."""

_LANE_NUMBERS = {"departLane": 0, "arrivalLane": -1}
"""Attributes that number a lane, and whether on the first or the last edge of the way."""


def read_xml(path: Path) -> ET.Element:
    """Parse a file, gzip included."""
    try:
        with gzip.open(path, "rb") if path.suffix == ".gz" else path.open("rb") as stream:
            return ET.parse(stream).getroot()
    except ET.ParseError as error:
        raise InputError(f"{path}: not well-formed XML ({error}); repair the file") from error
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror or error}); check the path and rights") from error


def xml_bytes(root: ET.Element) -> bytes:
    """Write a tree the same way every time."""
    ET.indent(root)
    return b"".join((ET.tostring(root, encoding="utf-8", xml_declaration=True), b"\n"))


def add_walkways(shipped: ET.Element, net_file: Path, scratch: Path) -> ET.Element:
    """Return the network with sidewalks at its signals and crossings over their arms."""
    nodes = {j.attrib["id"] for j in shipped.iter("junction") if "traffic_light" in j.get("type", "")}
    away = [
        edge.attrib["id"]
        for edge in shipped.iter("edge")
        if "function" not in edge.attrib
        and (not nodes & {edge.get("from", ""), edge.get("to", "")} or not _any_lane_takes_cars(edge))
    ]
    built = scratch / "walkways.net.xml"
    options = {
        "sumo-net-file": str(net_file.resolve()),
        "output-file": str(built),
        "sidewalks.guess": "true",
        "sidewalks.guess.max-speed": str(_FASTEST_WALKED_MPS),
        "sidewalks.guess.exclude": ",".join(away),
        "crossings.guess": "true",
        # No crossing where nothing but courtesy would stop the traffic.
        "crossings.guess.speed-threshold": "0",
        "walkingareas": "true",
        "no-turnarounds": "true",
        "offset.disable-normalization": "true",
        "geometry.max-grade.fix": "false",
    }
    config = ET.Element("configuration")
    for name, value in options.items():
        if value:
            ET.SubElement(config, name, {"value": value})
    config_file = scratch / "walkways.netccfg"
    config_file.write_bytes(xml_bytes(config))
    run_binary("netconvert", ["-c", str(config_file)])
    return read_xml(built)


def raised_edges(shipped: ET.Element, net: ET.Element, net_file: Path) -> frozenset[str]:
    """Return the edges that gained a sidewalk as lane 0; refuse a network that changed in any other way."""
    before, after = _lane_counts(shipped), _lane_counts(net)
    if before.keys() != after.keys():
        odd = min(before.keys() ^ after.keys())
        raise LayoutError(f"{net_file}: netconvert did not keep edge {odd!r}; bring the network up to date first")
    gained = {name: after[name] - lanes for name, lanes in before.items()}
    odd_edges = sorted(name for name, lanes in gained.items() if lanes not in (0, 1))
    if odd_edges:
        name = odd_edges[0]
        raise LayoutError(
            f"{net_file}: edge {name!r} changed by {gained[name]} lanes; bring the network up to date first"
        )
    raised = frozenset(name for name, lanes in gained.items() if lanes)
    old, new = _connections(shipped, frozenset()), _connections(net, raised)
    if old != new:
        way = min(old.items() ^ new.items(), key=str)[0]
        raise LayoutError(
            f"{net_file}: netconvert changed the connection {way[0]}_{way[2]} to {way[1]}_{way[3]} "
            "or its signal index; bring the network up to date first"
        )
    return raised


def write_raised(path: Path, folder: Path, raised: frozenset[str]) -> Path:
    """Copy a route or additional file into a folder, lane numbers moved up where a sidewalk came in.

    A file that names no such lane is copied byte for byte.
    """
    target = folder / path.name
    if target.exists():
        raise InputError(f"{path}: another input file has the same name; rename one")
    root = read_xml(path)
    if next(root.iter("tlLogic"), None) is not None:
        raise InputError(f"{path}: holds a <tlLogic>; move signal programs into the network")
    routes = {route.get("id", ""): route.get("edges", "") for route in root.iter("route")}
    changed = False
    for element in root.iter():
        for name in ("lane", "lanes", "startLane", "endLane"):
            words = element.get(name, "").split()
            moved = [_raise_lane(word, raised) for word in words]
            if moved != words:
                element.set(name, " ".join(moved))
                changed = True
        for name, place in _LANE_NUMBERS.items():
            number = element.get(name, "")
            if number.isdigit() and _way(element, routes, path)[place] in raised:
                element.set(name, str(int(number) + 1))
                changed = True
    if not changed:
        shutil.copyfile(path, target)
        return target
    content = xml_bytes(root)
    target.write_bytes(gzip.compress(content, mtime=0) if path.suffix == ".gz" else content)
    return target


def _raise_lane(lane: str, raised: frozenset[str]) -> str:
    edge, _, number = lane.rpartition("_")
    return f"{edge}_{int(number) + 1}" if edge in raised and number.isdigit() else lane


def _way(vehicle: ET.Element, routes: dict[str, str], path: Path) -> tuple[str, str]:
    """Return the first and last edge of a vehicle, trip or flow."""
    inner = vehicle.find("route")
    edges = (inner.get("edges", "") if inner is not None else routes.get(vehicle.get("route", ""), "")).split()
    ends = (edges[0], edges[-1]) if edges else (vehicle.get("from", ""), vehicle.get("to", ""))
    if not all(ends):
        raise InputError(
            f"{path}: {vehicle.tag} {vehicle.get('id')!r} numbers a lane of edges that this file "
            "does not name; give it a route here, or a departLane such as 'best'"
        )
    return ends


def _lane_counts(net: ET.Element) -> dict[str, int]:
    return {e.attrib["id"]: len(e.findall("lane")) for e in net.iter("edge") if "function" not in e.attrib}


def _connections(
    net: ET.Element, raised: frozenset[str]
) -> dict[tuple[str, str, int, int], tuple[str | None, str | None]]:
    """List what vehicles may do, in the lane numbers from before the sidewalks."""
    out: dict[tuple[str, str, int, int], tuple[str | None, str | None]] = {}
    for c in net.iter("connection"):
        from_edge, to_edge = c.attrib["from"], c.attrib["to"]
        if from_edge.startswith(":") or to_edge.startswith(":"):
            continue
        from_lane = int(c.attrib["fromLane"]) - (from_edge in raised)
        to_lane = int(c.attrib["toLane"]) - (to_edge in raised)
        out[from_edge, to_edge, from_lane, to_lane] = c.get("tl"), c.get("linkIndex")
    return out


def _any_lane_takes_cars(edge: ET.Element) -> bool:
    for lane in edge.iter("lane"):
        allowed, denied = lane.get("allow", "all").split(), lane.get("disallow", "").split()
        if {"all", "passenger"} & set(allowed) and not {"all", "passenger"} & set(denied):
            return True
    return False
