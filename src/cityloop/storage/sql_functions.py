"""Functions that statements of the metadata database call: text beyond ASCII, numbers, instants, geometry."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import lru_cache
from typing import Any

import apsw
import orjson

from cityloop.kernel.batch import Quality
from cityloop.wire.odata import ODataError
from cityloop.wire.odata.geometry import Geometry, geometry_of_geojson, geometry_of_wkt, length
from cityloop.wire.odata.relate import distance_between, matches, relate, relation
from cityloop.wire.sensorthings.times import parse_instant

__all__ = ["area_of", "parsed_geometry", "register_functions"]

_QUALITY = {int(Quality.GOOD): None, int(Quality.SUSPECT): '"suspect"', int(Quality.BAD): '"bad"'}


def register_functions(connection: apsw.Connection) -> None:
    """Give a connection the functions that do not depend on the database."""
    functions: dict[str, tuple[Callable[..., Any], int]] = {
        "odata_lower": (lambda text: None if text is None else str(text).lower(), 1),
        "odata_upper": (lambda text: None if text is None else str(text).upper(), 1),
        "odata_mod": (_mod, 2),
        "odata_round": (_whole(lambda x: math.floor(abs(x) + 0.5) * (1 if x >= 0 else -1)), 1),
        "odata_floor": (_whole(math.floor), 1),
        "odata_ceiling": (_whole(math.ceil), 1),
        "as_number": (lambda x: x if isinstance(x, int | float) else None, 1),
        "as_instant": (_as_instant, 1),
        "quality_json": (_QUALITY.get, 1),
        "area_json": (area_of, 4),
        "geo_length": (_geo_length, 1),
        "geo_distance": (_geo_distance, 2),
        "geo_relation": (_geo_relation, 3),
        "geo_relate": (_geo_relate, 3),
    }
    for name, (function, arguments) in functions.items():
        connection.create_scalar_function(name, function, arguments, deterministic=True)


def area_of(west: float | None, south: float | None, east: float | None, north: float | None) -> str | None:
    """Return the GeoJSON of a bounding box; of a box without width or height, a line or a point."""
    if west is None or south is None or east is None or north is None:
        return None
    if west == east and south == north:
        return orjson.dumps({"type": "Point", "coordinates": [west, south]}).decode()
    if west == east or south == north:
        return orjson.dumps({"type": "LineString", "coordinates": [[west, south], [east, north]]}).decode()
    ring = [[west, south], [east, south], [east, north], [west, north], [west, south]]
    return orjson.dumps({"type": "Polygon", "coordinates": [ring]}).decode()


@lru_cache(maxsize=8192)
def parsed_geometry(text: str) -> Geometry | None:
    """Return the geometry of GeoJSON or well-known text; None where the text is neither."""
    try:
        if text.lstrip().startswith("{"):
            return geometry_of_geojson(orjson.loads(text))
        return geometry_of_wkt(text)
    except (ODataError, orjson.JSONDecodeError):
        return None


def _geo_length(place: str | None) -> float | None:
    geometry = _geometry(place)
    return None if geometry is None else length(geometry)


def _geo_distance(a: str | None, b: str | None) -> float | None:
    first, second = _geometry(a), _geometry(b)
    return None if first is None or second is None else distance_between(first, second)


def _geo_relation(a: str | None, b: str | None, name: str) -> int | None:
    first, second = _geometry(a), _geometry(b)
    return None if first is None or second is None else int(relation(first, second, name))


def _geo_relate(a: str | None, b: str | None, pattern: str) -> int | None:
    first, second = _geometry(a), _geometry(b)
    return None if first is None or second is None else int(matches(relate(first, second), pattern))


def _geometry(place: Any) -> Geometry | None:
    return parsed_geometry(place) if isinstance(place, str) else None


def _mod(a: Any, b: Any) -> float | int | None:
    if not isinstance(a, int | float) or not isinstance(b, int | float) or b == 0:
        return None
    # The remainder has the sign of the dividend (OData 4.0, part 2, 5.1.1.2.5).
    return int(math.fmod(a, b)) if isinstance(a, int) and isinstance(b, int) else math.fmod(a, b)


def _whole(function: Callable[[float], int]) -> Callable[[Any], int | float | None]:
    def whole(value: Any) -> int | float | None:
        if not isinstance(value, int | float):
            return None
        found = function(value)
        return found if -(2**63) <= found < 2**63 else float(found)

    return whole


def _as_instant(value: Any) -> int | None:
    if isinstance(value, int):
        return value
    try:
        return parse_instant(value if isinstance(value, str) and "T" in value else f"{value}T00:00:00Z")
    except ODataError:
        return None
