"""People, public transport and bicycles of a demand: what a fit of cars to counts leaves as it is."""

from __future__ import annotations

import gzip
import xml.etree.ElementTree as ET
from collections.abc import Sequence
from pathlib import Path

__all__ = ["keep_other_traffic"]

_OTHER_CLASSES = frozenset(
    {
        "bicycle",
        "bus",
        "cable_car",
        "coach",
        "pedestrian",
        "rail",
        "rail_electric",
        "rail_fast",
        "rail_urban",
        "scooter",
        "ship",
        "subway",
        "tram",
        "wheelchair",
    }
)
_ALWAYS_OTHER = frozenset({"person", "personFlow", "container", "containerFlow"})
_SHARED = frozenset({"vType", "vTypeDistribution", "route", "routeDistribution"})
_VEHICLES = frozenset({"vehicle", "trip", "flow"})


def keep_other_traffic(
    route_files: Sequence[Path], additional_files: Sequence[Path], folder: Path, stem: str
) -> tuple[Path, ...]:
    """Copy all but the cars of each demand file into `folder`; a file of cars alone leaves no copy."""
    roots = {file: _root(file) for file in (*route_files, *additional_files)}
    other_types = frozenset(
        kind.get("id", "")
        for root in roots.values()
        for kind in root.iter("vType")
        if kind.get("vClass") in _OTHER_CLASSES
    )
    kept = []
    for number, route_file in enumerate(route_files):
        copy = ET.Element("routes")
        copy.extend(part for part in roots[route_file] if part.tag in _SHARED or _is_other(part, other_types))
        if any(part.tag not in _SHARED for part in copy):
            target = folder / f"{stem}{number or ''}.rou.xml"
            ET.ElementTree(copy).write(target, encoding="utf-8", xml_declaration=True)
            kept.append(target)
    return tuple(kept)


def _root(file: Path) -> ET.Element:
    with gzip.open(file, "rb") if file.suffix == ".gz" else file.open("rb") as stream:
        return ET.parse(stream).getroot()


def _is_other(element: ET.Element, other_types: frozenset[str]) -> bool:
    if element.tag in _ALWAYS_OTHER:
        return True
    return element.tag in _VEHICLES and element.get("type") in other_types
