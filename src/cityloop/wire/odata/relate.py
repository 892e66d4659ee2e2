"""How two geometries lie to each other: nine intersections of interior, boundary, exterior (OGC 06-103r4, 6.1.15).

Both are cut where they meet. Every piece and every node is then wholly inside, on or outside of the other, so that one
sample of each tells; areas are told by a sample on either side of each piece of their rings.
"""

from __future__ import annotations

import itertools
from collections import Counter
from typing import Final

import numpy as np

from cityloop.kernel.columns import F64, I64
from cityloop.wire.odata.ast import ODataError
from cityloop.wire.odata.geometry import Geometry, distance

__all__ = ["RELATIONS", "distance_between", "matches", "relate", "relation"]

INTERIOR, BOUNDARY, EXTERIOR = 0, 1, 2
_MAX_PAIRS: Final = 4_000_000

RELATIONS = ("equals", "disjoint", "touches", "within", "overlaps", "crosses", "intersects", "contains")


def relation(a: Geometry, b: Geometry, name: str) -> bool:
    """Tell whether a named relation holds (OGC 06-103r4, 6.1.15.3)."""
    if _apart(a, b):
        return name == "disjoint"
    cells = relate(a, b)
    dims = (_dimension(a), _dimension(b))
    match name:
        case "disjoint":
            return matches(cells, "FF*FF****")
        case "intersects":
            return not matches(cells, "FF*FF****")
        case "within":
            return matches(cells, "T*F**F***")
        case "contains":
            return matches(cells, "T*****FF*")
        case "equals":
            return matches(cells, "T*F**FFF*")
        case "touches":
            return any(matches(cells, p) for p in ("FT*******", "F**T*****", "F***T****"))
        case "crosses":
            if dims == (1, 1):
                return matches(cells, "0********")
            if dims[0] < dims[1]:
                return matches(cells, "T*T******")
            return dims[0] > dims[1] and matches(cells, "T*****T**")
        case "overlaps":
            if dims[0] != dims[1]:
                return False
            return matches(cells, "1*T***T**" if dims[0] == 1 else "T*T***T**")
        case _:
            raise ODataError(f"there is no relation {name!r}; known are {', '.join(RELATIONS)}")


def matches(cells: str, pattern: str) -> bool:
    """Tell whether nine intersections fit a pattern of ``T F * 0 1 2``."""
    return all(
        wanted == "*" or (cell != "F" if wanted == "T" else cell == wanted)
        for cell, wanted in zip(cells, pattern, strict=True)
    )


def distance_between(a: Geometry, b: Geometry) -> float:
    """Return the least distance, 0 where they meet, in the unit of the coordinates."""
    if not _apart(a, b) and relation(a, b, "intersects"):
        return 0.0
    return distance(a, b)


def relate(a: Geometry, b: Geometry) -> str:
    """Return the nine intersections as text, rows of ``a`` first: dimension 0, 1, 2, or F for none."""
    tolerance = 5e-12 * max(1.0, float(np.abs(a.vertices).max()), float(np.abs(b.vertices).max()))
    shapes = (_Shape(a, tolerance), _Shape(b, tolerance))
    cells = np.full((3, 3), -1, np.int64)
    cells[EXTERIOR, EXTERIOR] = 2
    for mine, other in ((0, 1), (1, 0)):
        shape = shapes[mine]
        nodes, middles, sides = shape.pieces(shapes[other])
        for samples, dimension in ((nodes, 0), (middles, 1), (sides, 2)):
            if len(samples):
                in_a, in_b = shapes[0].locate(samples), shapes[1].locate(samples)
                if dimension == 2:
                    # A side sample on a boundary is no sample of an area.
                    clear = (in_a != BOUNDARY) & (in_b != BOUNDARY) & ~_on_lines(shapes, samples)
                    in_a, in_b = in_a[clear], in_b[clear]
                np.maximum.at(cells, (in_a, in_b), dimension)
    return "".join("F" if cell < 0 else str(cell) for cell in cells.ravel().tolist())


class _Shape:
    """A geometry as arrays, ready to be cut and searched."""

    def __init__(self, geometry: Geometry, tolerance: float) -> None:
        self.tolerance = tolerance
        self.points = np.array(geometry.points, np.float64).reshape(-1, 2)
        self.lines = _segments(geometry.lines)
        self.areas = [_segments(rings) for rings in geometry.areas]
        self.rings = np.concatenate([*self.areas, np.empty((0, 4))])
        # An end that an even number of lines share is no boundary (the mod-2 rule).
        ends = Counter(end for line in geometry.lines for end in (line[0], line[-1]))
        self.ends = np.array([end for end, times in ends.items() if times % 2], np.float64).reshape(-1, 2)
        self.vertices = geometry.vertices

    def locate(self, at: F64) -> I64:
        """Tell for each position whether it is interior, boundary or exterior."""
        found = np.full(len(at), EXTERIOR, np.int64)
        for area in self.areas:
            on = _on(area, at, self.tolerance)
            inside = _inside(area, at) & ~on
            found[on & (found == EXTERIOR)] = BOUNDARY
            found[inside] = INTERIOR
        if len(self.lines):
            on = _on(self.lines, at, self.tolerance)
            end = _near(self.ends, at, self.tolerance)
            found[on & end & (found == EXTERIOR)] = BOUNDARY
            found[on & ~end] = INTERIOR
        if len(self.points):
            found[_near(self.points, at, self.tolerance)] = INTERIOR
        return found

    def pieces(self, other: _Shape) -> tuple[F64, F64, F64]:
        """Return the nodes, the middles of all pieces, and samples beside the pieces of rings."""
        cutters = np.concatenate([other.lines, other.rings, self.lines, self.rings])
        stops = np.concatenate([other.vertices, self.vertices])
        nodes, middles, sides = [self.vertices], [], []
        for segments, is_ring in ((self.lines, False), (self.rings, True)):
            for begin, end in _cut(segments, cutters, stops, self.tolerance):
                nodes.append(begin[None])
                middle = (begin + end) / 2
                middles.append(middle)
                if is_ring:
                    along = end - begin
                    across = np.array([-along[1], along[0]]) / np.hypot(*along) * self.tolerance * 50
                    sides += [middle + across, middle - across]
        return np.concatenate(nodes), np.array(middles).reshape(-1, 2), np.array(sides).reshape(-1, 2)


def _cut(segments: F64, cutters: F64, stops: F64, tolerance: float) -> list[tuple[F64, F64]]:
    if len(segments) * max(len(cutters), len(stops)) > _MAX_PAIRS:
        raise ODataError("the two geometries have too many vertices to relate; simplify one")
    pieces = []
    for x0, y0, x1, y1 in segments.tolist():
        begin, along = np.array([x0, y0]), np.array([x1 - x0, y1 - y0])
        squared = float(along @ along)
        if squared <= tolerance**2:
            continue
        others = cutters[:, 2:] - cutters[:, :2]
        cross = along[0] * others[:, 1] - along[1] * others[:, 0]
        offset = cutters[:, :2] - begin
        with np.errstate(divide="ignore", invalid="ignore"):
            mine = (offset[:, 0] * others[:, 1] - offset[:, 1] * others[:, 0]) / cross
            theirs = (offset[:, 0] * along[1] - offset[:, 1] * along[0]) / cross
        slack = 1e-9
        meets = (np.abs(cross) > 0) & (mine > -slack) & (mine < 1 + slack) & (theirs > -slack) & (theirs < 1 + slack)
        near = _on(np.array([[x0, y0, x1, y1]]), stops, tolerance)
        fractions = np.concatenate([mine[meets], ((stops[near] - begin) @ along) / squared, [0.0, 1.0]])
        fractions = np.unique(np.clip(fractions, 0.0, 1.0))
        # Cuts closer than the tolerance are one cut.
        kept = [0.0]
        for fraction in fractions.tolist():
            if (fraction - kept[-1]) * squared**0.5 > 2 * tolerance:
                kept.append(fraction)
        pieces += [(begin + f * along, begin + g * along) for f, g in zip(kept, [*kept[1:]], strict=False)]
    return pieces


def _segments(chains: tuple[tuple[tuple[float, float], ...], ...]) -> F64:
    rows = [(*p, *q) for chain in chains for p, q in itertools.pairwise(chain) if p != q]
    return np.array(rows, np.float64).reshape(-1, 4)


def _on(segments: F64, at: F64, tolerance: float) -> np.ndarray[tuple[int, ...], np.dtype[np.bool_]]:
    if not len(segments):
        return np.zeros(len(at), np.bool_)
    found = np.zeros(len(at), np.bool_)
    step = max(1, _MAX_PAIRS // max(1, len(segments)) // 4)
    for begin in range(0, len(at), step):
        v = at[begin : begin + step, None, :]
        p, d = segments[None, :, :2], segments[None, :, 2:] - segments[None, :, :2]
        fraction = np.clip(((v - p) * d).sum(axis=2) / (d * d).sum(axis=2), 0.0, 1.0)
        gap = ((p + fraction[..., None] * d - v) ** 2).sum(axis=2)
        found[begin : begin + step] = (gap <= tolerance**2 * 4).any(axis=1)
    return found


def _near(vertices: F64, at: F64, tolerance: float) -> np.ndarray[tuple[int, ...], np.dtype[np.bool_]]:
    if not len(vertices):
        return np.zeros(len(at), np.bool_)
    gap = ((at[:, None, :] - vertices[None]) ** 2).sum(axis=2)
    near: np.ndarray[tuple[int, ...], np.dtype[np.bool_]] = (gap <= tolerance**2 * 4).any(axis=1)
    return near


def _inside(ring_segments: F64, at: F64) -> np.ndarray[tuple[int, ...], np.dtype[np.bool_]]:
    """Count the crossings of a ray to the east; odd is inside, holes included."""
    x, y = at[:, :1], at[:, 1:]
    x0, y0, x1, y1 = ring_segments.T
    spans = (y0 > y) != (y1 > y)
    with np.errstate(divide="ignore", invalid="ignore"):
        crossing = x0 + (y - y0) * (x1 - x0) / (y1 - y0)
    odd: np.ndarray[tuple[int, ...], np.dtype[np.bool_]] = ((spans & (x < crossing)).sum(axis=1) % 2).astype(np.bool_)
    return odd


def _on_lines(shapes: tuple[_Shape, _Shape], at: F64) -> np.ndarray[tuple[int, ...], np.dtype[np.bool_]]:
    return _on(shapes[0].lines, at, shapes[0].tolerance) | _on(shapes[1].lines, at, shapes[1].tolerance)


def _dimension(geometry: Geometry) -> int:
    return 2 if geometry.areas else 1 if geometry.lines else 0


def _apart(a: Geometry, b: Geometry) -> bool:
    aw, as_, ae, an = a.bounds()
    bw, bs, be, bn = b.bounds()
    slack = 1e-9
    return ae < bw - slack or be < aw - slack or an < bs - slack or bn < as_ - slack
