"""Where the places of a user's case lie, and how far it is between them: straight, by blocks, or on a road graph."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from cityloop.domains.refuse.routes.case_rows import Row
from cityloop.domains.refuse.routes.road_graph import Roads, read_roads
from cityloop.domains.refuse.schema import Metric, Travel
from cityloop.kernel.columns import BOOL, F64
from cityloop.kernel.errors import InputError

__all__ = ["Ground"]

_EARTH_M = 6_371_000.0
_FARTHEST_M = 300_000.0
"""From the first depot: a place beyond is a slip of the pen, no day's round goes there."""


@dataclass(frozen=True, slots=True)
class Ground:
    """What turns the rows of a case into places and ways."""

    origin: tuple[float, float] | None
    """Latitude and longitude of x = y = 0; None where places are in metres."""
    first: Row | None
    """The place that no other may be too far from."""
    metric: Metric
    speed_mps: float
    roads: Roads | None
    reach: tuple[BOOL, BOOL] | None = None
    """Which nodes of the roads the first depot has a way to, and from."""

    @classmethod
    def of(cls, rows: Sequence[Row], travel: object, source: str) -> Ground:
        """Return the ground of a case, from its places and its ``travel``."""
        ways = Row(travel, f"{source}, travel")
        try:
            metric = Metric(ways.raw.get("metric", "straight"))
        except ValueError:
            told = ways.raw.get("metric")
            raise InputError(f"{ways.where}.metric: {told!r}, must be straight or manhattan.") from None
        speed_mps = ways.number("speed_kmh", 30.0, low=1.0) / 3.6
        degrees = [row for row in rows if "lat" in row.raw and "lon" in row.raw]
        origin: tuple[float, float] | None = None
        spots = [spot for row in degrees if (spot := _readable(row)) is not None]
        if spots and "lat" in rows[0].raw:
            origin = sum(lat for lat, _ in spots) / len(spots), sum(lon for _, lon in spots) / len(spots)
        plain = cls(origin, rows[0] if rows else None, metric, speed_mps, None)
        graph = ways.raw.get("graph")
        if graph is None:
            return plain
        roads = read_roads(
            Row(graph, f"{ways.where}.graph"), plain.place, speed_mps, str(ways.raw.get("side", "right"))
        )
        reach = roads.reach(plain.place(rows[0])) if rows else None
        return cls(origin, plain.first, metric, speed_mps, roads, reach)

    def place(self, row: Row) -> tuple[float, float]:
        """Return where a row lies. [m]"""
        if "lat" in row.raw or "lon" in row.raw:
            lat, lon = _degrees(row)
            if self.origin is None:
                raise InputError(f"{row.where}: is in degrees while others are in metres; use one kind.")
            east = math.radians(lon - self.origin[1]) * _EARTH_M * math.cos(math.radians(self.origin[0]))
            return east, math.radians(lat - self.origin[0]) * _EARTH_M
        if "x_m" not in row.raw or "y_m" not in row.raw:
            raise InputError(f"{row.where}: has no site; give lat and lon, or x_m and y_m.")
        if self.origin is not None:
            raise InputError(f"{row.where}: is in metres while others are in degrees; use one kind.")
        return row.number("x_m", low=-1e9), row.number("y_m", low=-1e9)

    def check(self, row: Row) -> None:
        """Refuse a place that no truck of the first depot could get to."""
        spot = self.place(row)
        assert self.first is not None
        away_m = math.dist(spot, self.place(self.first))
        if away_m > _FARTHEST_M:
            first = self.first.where.rpartition(", ")[2]
            raise InputError(
                f"{row.where}: lies {away_m / 1000:,.0f} km from {first}, must be "
                f"{_FARTHEST_M / 1000:.0f} km or less; look at its coordinates, and which is lat and which lon."
            )
        if self.roads is not None and self.reach is not None:
            self.roads.check(row.where, spot, self.reach)

    def columns(self, rows: Sequence[Row]) -> tuple[F64, F64]:
        """Return where rows lie, as columns. [m]"""
        spots = np.array([self.place(row) for row in rows], float).reshape(len(rows), 2)
        return spots[:, 0].copy(), spots[:, 1].copy()

    def travel(self, rows: Sequence[Row]) -> Travel:
        """Return ways between all rows in their order."""
        if self.roads is None:
            return Travel(self.metric, self.speed_mps)
        metres, seconds = self.roads.ways([self.place(row) for row in rows], [_kerb(row) for row in rows])
        return Travel(self.metric, self.speed_mps, metres, seconds)


def _degrees(row: Row) -> tuple[float, float]:
    return row.number("lat", low=-90, high=90), row.number("lon", low=-180, high=180)


def _readable(row: Row) -> tuple[float, float] | None:
    try:
        return _degrees(row)
    except InputError:
        return None


def _kerb(row: Row) -> bool:
    value = row.raw.get("kerb", False)
    if not isinstance(value, bool):
        raise InputError(f"{row.where}.kerb: {value!r}, must be true or false.")
    return value
