"""How geometries lie to each other, against matrices worked out by hand (OGC 06-103r4, annex)."""

from __future__ import annotations

import pytest

from cityloop.wire.odata import ODataError
from cityloop.wire.odata.geometry import MAX_VERTICES, geometry_of_geojson, geometry_of_wkt
from cityloop.wire.odata.relate import RELATIONS, distance_between, relate, relation

SQUARE = "POLYGON((0 0,4 0,4 4,0 4,0 0))"
RING = "POLYGON((0 0,9 0,9 9,0 9,0 0),(3 3,6 3,6 6,3 6,3 3))"


@pytest.mark.parametrize(
    ("a", "b", "cells", "names"),
    [
        (SQUARE, "POLYGON((2 2,6 2,6 6,2 6,2 2))", "212101212", {"overlaps", "intersects"}),
        (SQUARE, "POLYGON((1 1,2 1,2 2,1 2,1 1))", "212FF1FF2", {"contains", "intersects"}),
        (SQUARE, "POLYGON((4 0,8 0,8 4,4 4,4 0))", "FF2F11212", {"touches", "intersects"}),
        (SQUARE, SQUARE, "2FFF1FFF2", {"equals", "within", "contains", "intersects"}),
        (SQUARE, "LINESTRING(1 1,5 5)", "1020F1102", {"crosses", "intersects"}),
        (SQUARE, "POINT(1 1)", "0F2FF1FF2", {"contains", "intersects"}),
        ("POINT(4 1)", SQUARE, "F0FFFF212", {"touches", "intersects"}),
        ("POINT(1 1)", SQUARE, "0FFFFF212", {"within", "intersects"}),
        ("POINT(5 5)", SQUARE, "FF0FFF212", {"disjoint"}),
        (RING, "POINT(4 4)", "FF2FF10F2", {"disjoint"}),
        (RING, "POLYGON((3 3,6 3,6 6,3 6,3 3))", "FF2F112F2", {"touches", "intersects"}),
        ("LINESTRING(0 0,4 4)", "LINESTRING(0 4,4 0)", "0F1FF0102", {"crosses", "intersects"}),
        ("LINESTRING(0 0,4 4)", "LINESTRING(2 2,6 6)", "1010F0102", {"overlaps", "intersects"}),
        ("LINESTRING(0 0,4 4)", "LINESTRING(4 4,6 2)", "FF1F00102", {"touches", "intersects"}),
        ("MULTIPOINT(0 0,1 1)", "POINT(1 1)", "0F0FFFFF2", {"contains", "intersects"}),
    ],
)
def test_nine_intersections(a, b, cells, names):
    """The matrix, and the named relations that follow from it, both ways round."""
    first, second = geometry_of_wkt(a), geometry_of_wkt(b)
    assert relate(first, second) == cells
    turned = "".join(cells[column * 3 + row] for row in range(3) for column in range(3))
    assert relate(second, first) == turned
    assert {name for name in RELATIONS if relation(first, second, name)} == names


def test_distance_is_of_the_nearest_points():
    """From a point to the middle of a line: 3; 0 inside of an area."""
    assert distance_between(geometry_of_wkt("POINT(0 0)"), geometry_of_wkt("LINESTRING(3 4,3 -4)")) == 3
    assert distance_between(geometry_of_wkt("POINT(1 1)"), geometry_of_wkt(SQUARE)) == 0


def test_wkt_and_geojson_mean_the_same():
    """Heights are left out, rings are closed, collections are joined."""
    square = {"type": "Polygon", "coordinates": [[[0, 0, 9], [4, 0, 9], [4, 4, 9], [0, 4, 9]]]}
    assert geometry_of_geojson({"type": "Feature", "geometry": square}) == geometry_of_wkt(SQUARE)
    both = {"type": "GeometryCollection", "geometries": [square, {"type": "Point", "coordinates": [1, 2]}]}
    assert geometry_of_geojson(both) == geometry_of_wkt(f"GEOMETRYCOLLECTION({SQUARE},POINT Z (1 2 3))")


@pytest.mark.parametrize(
    "text", ["", "POINT", "POINT(", "POINT(1)", "POINT(1 2", "POINT(1 x)", "POINT(1 2) POINT(1 2)", "POINT(1e999 2)",
             "LINESTRING(1 2)", "POLYGON((0 0,1 1,0 0))", "GEOMETRYCOLLECTION(" * 100, "POINT(1 2)\x00"]
)  # fmt: skip
def test_text_that_is_no_geometry_is_refused(text):
    """A fault is an error that names it, never a crash."""
    with pytest.raises(ODataError, match="geography"):
        geometry_of_wkt(text)


def test_geometry_of_too_many_vertices_is_refused():
    """A bound keeps relating within a moment."""
    line = {"type": "LineString", "coordinates": [[n, n] for n in range(MAX_VERTICES + 1)]}
    with pytest.raises(ODataError, match="more than"):
        geometry_of_geojson(line)
