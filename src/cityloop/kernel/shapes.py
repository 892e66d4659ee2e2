"""What a map draws of a city: lines and outlines, for people's eyes alone. Nothing that decides reads them."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum

__all__ = ["BaseKind", "BaseMap", "BaseShape", "MapLine", "MapShapes", "Points", "Ways"]

Points = tuple[tuple[float, float], ...]
"""Places x, y along a line. [m]"""


class Ways(IntEnum):
    """What a line is for."""

    ROAD = 0
    RAIL = 1
    FOOT = 2
    """Footways and cycleways."""
    CROSSING = 3


@dataclass(frozen=True, slots=True)
class MapLine:
    """A road section's line."""

    row: int
    """Row of ``layout.edges``, -1 for one that is no asset."""
    way: Ways
    width_m: float
    points: Points


class BaseKind(IntEnum):
    """What a shape of a basemap is drawn as, in the order in which they are drawn."""

    LAND = 0
    """Any other area: its outline alone."""
    GREEN = 1
    WATER = 2
    BUILDING = 3
    WATERWAY = 4
    LINE = 5


@dataclass(frozen=True, slots=True)
class BaseShape:
    """An area by its rings, holes after the outer one, or a line."""

    kind: BaseKind
    rings: tuple[Points, ...]


@dataclass(frozen=True, slots=True)
class BaseMap:
    """What lies under the network, from a file of the operator's own."""

    shapes: tuple[BaseShape, ...]
    attribution: str = ""
    """Whose data it is, as the file says."""


@dataclass(frozen=True, slots=True)
class MapShapes:
    """Everything that a map draws, with the names that people know."""

    box: tuple[float, float, float, float]
    """x0, y0, x1, y1. [m]"""
    lines: tuple[MapLine, ...]
    outlines: tuple[Points, ...]
    """Of junctions."""
    links: tuple[Points, ...]
    """By signal link: the way over the junction, or the crossing."""
    streets: tuple[str, ...]
    """By edge."""
    junction_labels: tuple[str, ...]
    """By junction: the streets that meet there."""
