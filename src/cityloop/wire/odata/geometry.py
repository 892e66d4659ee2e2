"""Points, lines and areas on the plane of longitude and latitude, from well-known text and GeoJSON."""

from __future__ import annotations

import itertools
import math
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from cityloop.kernel.columns import F64
from cityloop.wire.odata.ast import ODataError

__all__ = ["Geometry", "distance", "geometry_of_geojson", "geometry_of_wkt", "length"]

MAX_VERTICES = 20_000
"""Most vertices of one geometry."""

_WKT = re.compile(r"\s*([A-Za-z]+|[-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?|[(),])")
_DEPTH = {"POINT": 1, "LINESTRING": 1, "POLYGON": 2, "MULTIPOINT": 1, "MULTILINESTRING": 2, "MULTIPOLYGON": 3}

Vertex = tuple[float, float]
Chain = tuple[Vertex, ...]


@dataclass(frozen=True, slots=True)
class Geometry:
    """A set of points, lines and areas; heights are left out."""

    points: Chain = ()
    lines: tuple[Chain, ...] = ()
    areas: tuple[tuple[Chain, ...], ...] = ()
    """Each an outer ring and its holes, closed."""

    @property
    def vertices(self) -> F64:
        """All vertices, shape (n, 2)."""
        return np.array([*self.points, *(v for chain in self.chains() for v in chain)], np.float64).reshape(-1, 2)

    def chains(self) -> Iterator[Chain]:
        """Yield lines and rings."""
        yield from self.lines
        for rings in self.areas:
            yield from rings

    def bounds(self) -> tuple[float, float, float, float]:
        """Return west, south, east, north."""
        v = self.vertices
        west, south = v.min(axis=0)
        east, north = v.max(axis=0)
        return float(west), float(south), float(east), float(north)


def geometry_of_wkt(text: str) -> Geometry:
    """Return the geometry of a well-known text.

    Raises
    ------
    ODataError
        Naming what cannot be read.
    """
    plain = re.sub(r"\A\s*SRID=\d{1,6};", "", text)
    tokens, at = [], 0
    plain = plain.rstrip()
    while at < len(plain):
        match = _WKT.match(plain, at)
        if match is None:
            raise ODataError(f"geography {text[:60]!r}: unexpected {plain[at : at + 10]!r}; write POINT(13.4 52.5)")
        tokens.append(match[1])
        at = match.end()
    reader = _WktReader(tokens, text)
    geometry = reader.geometry()
    reader.finish()
    return geometry


class _WktReader:
    def __init__(self, tokens: list[str], text: str) -> None:
        self._tokens = tokens
        self._text = text[:60]
        self._at = 0

    def geometry(self, depth: int = 0) -> Geometry:
        name = self._next().upper()
        if self._peek().upper() in ("Z", "M", "ZM"):
            self._at += 1
        if name == "GEOMETRYCOLLECTION" and depth < 4:
            self._expect("(")
            parts = [self.geometry(depth + 1)]
            while self._peek() == ",":
                self._at += 1
                parts.append(self.geometry(depth + 1))
            self._expect(")")
            return _joined(parts)
        if name not in _DEPTH:
            raise ODataError(f"geography {self._text!r}: {name[:20]!r} is none of {', '.join(_DEPTH)}")
        return _of_coordinates(name, self._nested(_DEPTH[name], name), f"geography {self._text!r}")

    def finish(self) -> None:
        if self._at != len(self._tokens):
            raise ODataError(f"geography {self._text!r}: something follows its end")

    def _nested(self, depth: int, name: str) -> list[Any]:
        self._expect("(")
        items: list[Any] = []
        while True:
            if depth > 1:
                items.append(self._nested(depth - 1, name))
            elif name == "MULTIPOINT" and self._peek() == "(":
                self._at += 1
                items.append(self._vertex())
                self._expect(")")
            else:
                items.append(self._vertex())
            if self._peek() != ",":
                self._expect(")")
                return items
            self._at += 1

    def _vertex(self) -> list[float]:
        numbers: list[float] = []
        while self._peek() not in (",", ")", "") and len(numbers) < 4:
            token = self._next()
            try:
                numbers.append(float(token))
            except ValueError:
                raise ODataError(f"geography {self._text!r}: {token[:20]!r} is no number") from None
        return numbers

    def _peek(self) -> str:
        return self._tokens[self._at] if self._at < len(self._tokens) else ""

    def _next(self) -> str:
        token = self._peek()
        if not token:
            raise ODataError(f"geography {self._text!r} ends too early")
        self._at += 1
        return token

    def _expect(self, mark: str) -> None:
        if self._next() != mark:
            raise ODataError(f"geography {self._text!r}: {mark!r} is missing before item {self._at}")


def geometry_of_geojson(value: Any, depth: int = 0) -> Geometry:
    """Return the geometry of a decoded GeoJSON geometry, feature or collection of features.

    Raises
    ------
    ODataError
        Naming what cannot be read.
    """
    if not isinstance(value, dict) or depth > 6:
        raise ODataError("a geometry must be a GeoJSON object with type and coordinates")
    kind = value.get("type")
    if kind == "Feature":
        return geometry_of_geojson(value.get("geometry"), depth + 1)
    if kind in ("FeatureCollection", "GeometryCollection"):
        members = value.get("features" if kind == "FeatureCollection" else "geometries")
        if not isinstance(members, list) or not members:
            raise ODataError(f"a {kind} must list at least one member")
        return _joined([geometry_of_geojson(member, depth + 1) for member in members])
    name = kind.upper() if isinstance(kind, str) else ""
    if name not in _DEPTH:
        raise ODataError(
            f"GeoJSON type {str(kind)[:40]!r} is not known; give Point, LineString or Polygon, or a Multi of them"
        )
    coordinates = value.get("coordinates")
    return _of_coordinates(name, [coordinates] if name == "POINT" else coordinates, f"GeoJSON {kind}")


def _of_coordinates(name: str, nested: Any, text: str) -> Geometry:
    budget = [MAX_VERTICES]
    match name:
        case "POINT":
            return Geometry(points=_chain(nested, text, 1, budget)[:1])
        case "MULTIPOINT":
            return Geometry(points=_chain(nested, text, 1, budget))
        case "LINESTRING":
            return Geometry(lines=(_chain(nested, text, 2, budget),))
        case "MULTILINESTRING":
            return Geometry(lines=tuple(_chain(line, text, 2, budget) for line in _listed(nested, text)))
        case "POLYGON":
            return Geometry(areas=(_rings(nested, text, budget),))
        case _:
            return Geometry(areas=tuple(_rings(area, text, budget) for area in _listed(nested, text)))


def _rings(value: Any, text: str, budget: list[int]) -> tuple[Chain, ...]:
    rings = []
    for ring in _listed(value, text):
        chain = _chain(ring, text, 3, budget)
        if chain[0] != chain[-1]:
            chain = (*chain, chain[0])
        if len(chain) < 4:
            raise ODataError(f"{text}: a ring has {len(chain) - 1} corners, it needs 3")
        rings.append(chain)
    return tuple(rings)


def _chain(value: Any, text: str, least: int, budget: list[int]) -> Chain:
    chain = tuple(_vertex(item, text) for item in _listed(value, text))
    budget[0] -= len(chain)
    if budget[0] < 0:
        raise ODataError(f"{text}: more than {MAX_VERTICES} vertices; simplify it")
    if len(chain) < least:
        raise ODataError(f"{text}: {len(chain)} positions where {least} are needed")
    return chain


def _vertex(value: Any, text: str) -> Vertex:
    if not isinstance(value, list) or len(value) < 2:
        raise ODataError(f"{text}: a position needs longitude and latitude")
    x, y = value[0], value[1]
    for number in (x, y):
        if isinstance(number, bool) or not isinstance(number, int | float) or not math.isfinite(number):
            raise ODataError(f"{text}: {str(number)[:20]!r} is no coordinate")
    return float(x), float(y)


def _listed(value: Any, text: str) -> list[Any]:
    if not isinstance(value, list) or not value:
        raise ODataError(f"{text}: coordinates must be a list with at least one member")
    return value


def _joined(parts: list[Geometry]) -> Geometry:
    return Geometry(
        tuple(p for part in parts for p in part.points),
        tuple(line for part in parts for line in part.lines),
        tuple(area for part in parts for area in part.areas),
    )


def length(geometry: Geometry) -> float:
    """Return the length of the lines, in the unit of the coordinates (degrees)."""
    return sum(math.dist(a, b) for line in geometry.lines for a, b in itertools.pairwise(line))


def distance(a: Geometry, b: Geometry) -> float:
    """Return the least distance of two geometries that have no point in common, in the unit of the coordinates."""
    return min(_to_segments(a.vertices, segments_of(b)), _to_segments(b.vertices, segments_of(a)))


def segments_of(geometry: Geometry) -> F64:
    """Return all segments, shape (n, 4); a point is a segment without length."""
    rows = [(*p, *p) for p in geometry.points]
    rows += [(*p, *q) for chain in geometry.chains() for p, q in itertools.pairwise(chain)]
    return np.array(rows, np.float64).reshape(-1, 4)


def _to_segments(vertices: F64, segments: F64) -> float:
    least = math.inf
    for begin in range(0, len(vertices), 512):
        v = vertices[begin : begin + 512, None, :]
        p, d = segments[None, :, :2], segments[None, :, 2:] - segments[None, :, :2]
        squared = (d * d).sum(axis=2)
        along = ((v - p) * d).sum(axis=2) / np.where(squared > 0, squared, 1.0)
        nearest = p + np.clip(along, 0.0, 1.0)[..., None] * d
        least = min(least, float(np.sqrt(((v - nearest) ** 2).sum(axis=2)).min()))
    return least
