"""Tests of a basemap of the operator's own: what is drawn as what, where, and what is refused."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from cityloop.app.basemap import read_basemap
from cityloop.kernel.errors import ConfigError
from cityloop.kernel.shapes import BaseKind
from cityloop.methods.utm import MapFrame, utm_m

_LAT, _LON = 52.43, 13.53
_EAST_M, _NORTH_M = utm_m(_LAT, _LON, 33)
FRAME = MapFrame(33, False, -_EAST_M, -_NORTH_M)
BOX = (-500.0, -500.0, 500.0, 500.0)


def _square(size: float = 0.001, lon: float = _LON) -> list[list[float]]:
    return [[lon, _LAT], [lon + size, _LAT], [lon + size, _LAT + size], [lon, _LAT + size], [lon, _LAT]]


def _file(folder: Path, *features: dict[str, Any], **more: Any) -> Path:
    path = folder / "land.geojson"
    path.write_text(json.dumps({"type": "FeatureCollection", "features": list(features), **more}), encoding="utf-8")
    return path


def _area(properties: dict[str, Any], *rings: list[list[float]]) -> dict[str, Any]:
    geometry = {"type": "Polygon", "coordinates": list(rings) or [_square()]}
    return {"type": "Feature", "properties": properties, "geometry": geometry}


@pytest.mark.parametrize(
    ("properties", "kind"),
    [
        ({"kind": "water"}, BaseKind.WATER),
        ({"natural": "water"}, BaseKind.WATER),
        ({"leisure": "park"}, BaseKind.GREEN),
        ({"landuse": "forest", "building": "no"}, BaseKind.GREEN),
        ({"building": "yes"}, BaseKind.BUILDING),
        ({"amenity": "school"}, BaseKind.LAND),
        ({}, BaseKind.LAND),
    ],
)
def test_a_shape_is_drawn_as_it_says_or_as_its_tags_mean(tmp_path: Path, properties: Any, kind: BaseKind) -> None:
    """A stated kind first, else the usual tags of OpenStreetMap; anything else by its outline alone."""
    (one,) = read_basemap(_file(tmp_path, _area(properties)), FRAME, BOX).shapes
    assert one.kind is kind


def test_degrees_lie_where_the_network_s_metres_say(tmp_path: Path) -> None:
    """The corner at the frame's own origin is at 0, 0; a thousandth of a degree north is 111 m."""
    (one,) = read_basemap(_file(tmp_path, _area({"kind": "green"})), FRAME, BOX).shapes
    (first, *_), north = one.rings[0], one.rings[0][3]
    assert first == pytest.approx((0.0, 0.0), abs=0.01)
    assert north[1] == pytest.approx(111.2, abs=0.5)


def test_holes_follow_their_ring_and_lines_stay_lines(tmp_path: Path) -> None:
    """An island in a lake is a second ring of the same shape; a brook is a line of water."""
    brook = {"type": "LineString", "coordinates": _square()[:3]}
    path = _file(
        tmp_path,
        _area({"natural": "water"}, _square(), _square(0.0005)),
        {"type": "Feature", "properties": {"waterway": "stream"}, "geometry": brook},
        {"type": "Feature", "properties": {}, "geometry": {"type": "Point", "coordinates": [_LON, _LAT]}},
        attribution="© somebody",
    )
    lake, stream = (found := read_basemap(path, FRAME, BOX)).shapes
    assert (lake.kind, len(lake.rings)) == (BaseKind.WATER, 2)
    assert (stream.kind, len(stream.rings[0])) == (BaseKind.WATERWAY, 3)
    assert found.attribution == "© somebody"


def test_what_lies_elsewhere_is_left_out(tmp_path: Path) -> None:
    """Of two areas one is in the next town."""
    path = _file(tmp_path, _area({"kind": "water"}), _area({"kind": "green"}, _square(lon=_LON + 0.1)))
    assert [one.kind for one in read_basemap(path, FRAME, BOX).shapes] == [BaseKind.WATER]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("{", "not JSON"),
        ("[]", "not a GeoJSON FeatureCollection"),
        ('{"type": "Feature"}', "not a GeoJSON FeatureCollection"),
        ('{"type": "FeatureCollection", "features": []}', "nothing of it lies in the city"),
        (json.dumps({"type": "FeatureCollection", "features": [_area({}, [[4e5, 58e5], [4e5, 59e5], [5e5, 58e5]])]}),
         "degrees"),
        (json.dumps({"type": "FeatureCollection", "features": [_area({}, [["a", "b"], None])]}), "degrees"),
    ],
)  # fmt: skip
def test_a_file_that_is_none_is_refused_in_a_line(tmp_path: Path, text: str, said: str) -> None:
    """Named with what is wrong and what to do; nothing is drawn by half."""
    path = tmp_path / "land.geojson"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(ConfigError) as refused:
        read_basemap(path, FRAME, BOX)
    assert said in str(refused.value)
    assert str(path) in str(refused.value)
    assert len(str(refused.value).splitlines()) == 1


def test_a_network_without_a_place_on_the_globe_takes_none(tmp_path: Path) -> None:
    """Degrees mean nothing there, and it says how to mend that."""
    with pytest.raises(ConfigError, match="netconvert"):
        read_basemap(_file(tmp_path, _area({})), None, BOX)
