"""A basemap of the operator's own: water, green and buildings from a GeoJSON file, drawn under the network.

The file is read when the server starts and handed out with the network's own lines, so that the page still asks nobody
but its server.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import orjson

from cityloop.kernel.errors import ConfigError
from cityloop.kernel.shapes import BaseKind, BaseMap, BaseShape, Points
from cityloop.methods.utm import MapFrame

__all__ = ["read_basemap"]

_MOST_BYTES = 32 * 2**20
_MOST_POINTS = 400_000
_LONGEST_CREDIT = 200
_LEAST_STEP_M = 0.5
"""Points nearer than this to the one before are left out."""
_GREEN_USES = frozenset(
    {"forest", "grass", "meadow", "cemetery", "allotments", "village_green", "recreation_ground", "farmland", "orchard"}
)
_GREEN_LEISURE = frozenset({"park", "garden", "pitch", "golf_course", "nature_reserve", "playground"})


def read_basemap(path: Path, frame: MapFrame | None, box: tuple[float, float, float, float]) -> BaseMap:
    """Read what of a GeoJSON file lies in the city's box.

    Raises
    ------
    ConfigError
        Naming the file and the fix, where it is no such file, too large, not in degrees, or misses the city.
    """
    if frame is None:
        raise ConfigError(
            f"--basemap {path}: the city's network does not say how it lies on the globe (a UTM projection in its "
            "<location>), so degrees cannot be placed on it; make the network with netconvert --proj.utm"
        )
    shapes, points = [], 0
    found = _decoded(path)
    for feature in _features(path, found):
        for kind, rings in _drawn(feature):
            least = 2 if kind in (BaseKind.WATERWAY, BaseKind.LINE) else 3
            placed = [ring for ring in (_placed(path, one, frame) for one in rings) if len(ring) >= least]
            if not placed or not _meets(placed[0], box):
                continue
            points += sum(map(len, placed))
            if points > _MOST_POINTS:
                raise ConfigError(
                    f"--basemap {path}: more than {_MOST_POINTS:,} points lie in the city; simplify it "
                    "(ogr2ogr -simplify 0.00001), or leave the buildings out"
                )
            shapes.append(BaseShape(kind, tuple(placed)))
    if not shapes:
        raise ConfigError(f"--basemap {path}: nothing of it lies in the city; give a file of this place, in degrees")
    credit = found.get("attribution", "")
    return BaseMap(tuple(shapes), credit[:_LONGEST_CREDIT] if isinstance(credit, str) else "")


def _decoded(path: Path) -> dict[str, Any]:
    try:
        if path.stat().st_size > _MOST_BYTES:
            raise ConfigError(f"--basemap {path}: larger than {_MOST_BYTES // 2**20} MiB; cut it to the city")
        found = orjson.loads(path.read_bytes())
    except OSError as error:
        raise ConfigError(f"--basemap {path}: cannot be read ({error.strerror})") from error
    except orjson.JSONDecodeError as error:
        raise ConfigError(f"--basemap {path}: not JSON ({error})") from error
    if not isinstance(found, dict):
        raise ConfigError(f"--basemap {path}: not a GeoJSON FeatureCollection")
    return found


def _features(path: Path, found: Mapping[str, Any]) -> Iterable[Mapping[str, Any]]:
    features = found.get("features")
    if found.get("type") != "FeatureCollection" or not isinstance(features, list):
        raise ConfigError(f"--basemap {path}: not a GeoJSON FeatureCollection; give one with a list of features")
    return [one for one in features if isinstance(one, dict)]


def _drawn(feature: Mapping[str, Any]) -> Iterator[tuple[BaseKind, list[Any]]]:
    """Yield what a feature is drawn as: an area by its rings, a line by itself; points are not drawn."""
    geometry, properties = feature.get("geometry"), feature.get("properties")
    if not isinstance(geometry, dict) or not isinstance(geometry.get("coordinates"), list):
        return
    kind = _kind(properties if isinstance(properties, dict) else {})
    line = BaseKind.WATERWAY if kind is BaseKind.WATER else BaseKind.LINE
    coordinates = geometry["coordinates"]
    match geometry.get("type"):
        case "Polygon":
            yield kind, coordinates
        case "MultiPolygon":
            yield from ((kind, rings) for rings in coordinates if isinstance(rings, list))
        case "LineString":
            yield line, [coordinates]
        case "MultiLineString":
            yield from ((line, [one]) for one in coordinates)
        case _:
            return


def _kind(properties: Mapping[str, Any]) -> BaseKind:
    """Return the kind that a feature states, or that its tags of OpenStreetMap mean."""
    stated = properties.get("kind")
    if isinstance(stated, str) and stated.upper() in ("WATER", "GREEN", "BUILDING"):
        return BaseKind[stated.upper()]
    natural = properties.get("natural")
    if natural == "water" or properties.get("waterway") or properties.get("landuse") in ("reservoir", "basin"):
        return BaseKind.WATER
    if properties.get("landuse") in _GREEN_USES or properties.get("leisure") in _GREEN_LEISURE:
        return BaseKind.GREEN
    if natural in ("wood", "scrub", "heath", "grassland", "wetland"):
        return BaseKind.GREEN
    return BaseKind.BUILDING if properties.get("building") not in (None, "no") else BaseKind.LAND


def _placed(path: Path, ring: Any, frame: MapFrame) -> Points:
    points: list[tuple[float, float]] = []
    for place in ring if isinstance(ring, list) else ():
        at = _at(place, frame)
        if at is None:
            raise ConfigError(
                f"--basemap {path}: {str(place)[:40]} is no longitude and latitude near the city; GeoJSON is in "
                "degrees, convert it with ogr2ogr -t_srs EPSG:4326"
            )
        if not points or max(abs(at[0] - points[-1][0]), abs(at[1] - points[-1][1])) >= _LEAST_STEP_M:
            points.append(at)
    return tuple(points)


def _at(place: Any, frame: MapFrame) -> tuple[float, float] | None:
    if not isinstance(place, list) or len(place) < 2:
        return None
    lon, lat = place[:2]
    if not all(isinstance(one, int | float) for one in (lon, lat)) or not -180.0 <= lon <= 180.0:
        return None
    return frame.place_m(float(lat), float(lon))


def _meets(ring: Sequence[tuple[float, float]], box: tuple[float, float, float, float]) -> bool:
    x, y = zip(*ring, strict=True)
    return bool(max(x) >= box[0] and min(x) <= box[2] and max(y) >= box[1] and min(y) <= box[3])
