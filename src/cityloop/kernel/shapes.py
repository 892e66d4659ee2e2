"""What a map draws of a city: lines and outlines, for people's eyes alone. Nothing that decides reads them."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum

__all__ = ["MapLine", "MapShapes", "Points", "Ways"]

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
