"""Run sheets for crews and other tools: GeoJSON, GPX and CSV."""

from __future__ import annotations

import csv
import io
import math
from typing import Any
from xml.sax.saxutils import escape

from cityloop.domains.refuse.schema import RoundCase, RoundPlan, VisitKind

__all__ = ["csv_of", "geojson_of", "gpx_of", "spots_of"]

_EARTH_M = 6_371_000.0


Spots = dict[tuple[VisitKind, str], tuple[float, float]]


def _spots(case: RoundCase) -> Spots:
    """Return longitude and latitude of every place, or x and y where the case is in metres."""
    found: Spots = {}
    for kind, ids, table in (
        (VisitKind.DEPOT, case.depot_ids, case.depots),
        (VisitKind.TIP, case.tip_ids, case.tips),
        (VisitKind.STOP, case.stop_ids, case.stops),
    ):
        for name, x_m, y_m in zip(ids, table.x_m.tolist(), table.y_m.tolist(), strict=True):
            found[kind, name] = x_m, y_m
            if case.origin is not None:
                lat, lon = case.origin
                east = math.degrees(x_m / (_EARTH_M * math.cos(math.radians(lat))))
                found[kind, name] = lon + east, lat + math.degrees(y_m / _EARTH_M)
    return found


def spots_of(case: RoundCase) -> list[tuple[float, float] | None]:
    """Return every stop's longitude and latitude; None where the case is in metres."""
    if case.origin is None:
        return [None] * len(case.stop_ids)
    spots = _spots(case)
    return [spots[VisitKind.STOP, name] for name in case.stop_ids]


def _clock(seconds: float) -> str:
    whole = round(seconds)
    return f"{whole // 3600:02d}:{whole // 60 % 60:02d}:{whole % 60:02d}"


def geojson_of(case: RoundCase, plan: RoundPlan) -> dict[str, Any]:
    """Return a line a truck and a point a visit."""
    features: list[dict[str, Any]] = []
    spots = _spots(case)
    for route in plan.routes:
        line = []
        for number, visit in enumerate(route.visits):
            spot = spots.get((visit.kind, visit.id))
            if spot is None:
                continue
            line.append(list(spot))
            told = {"truck": route.truck, "order": number, "kind": visit.kind.value, "id": visit.id}
            told |= {"arrive": _clock(visit.arrive_s), "leave": _clock(visit.leave_s)}
            features.append(
                {"type": "Feature", "geometry": {"type": "Point", "coordinates": list(spot)}, "properties": told}
            )
        features.append(
            {
                "type": "Feature",
                "geometry": {"type": "LineString", "coordinates": line},
                "properties": {"truck": route.truck},
            }
        )
    return {"type": "FeatureCollection", "features": features}


def gpx_of(case: RoundCase, plan: RoundPlan) -> str:
    """Return one route a truck, for navigation devices; places must be in degrees."""
    if case.origin is None:
        raise ValueError("GPX needs places in degrees: give lat and lon in the case")
    spots = _spots(case)
    lines = [
        '<?xml version="1.0" encoding="UTF-8"?>',
        '<gpx version="1.1" creator="cityloop" xmlns="http://www.topografix.com/GPX/1/1">',
    ]
    for route in plan.routes:
        lines.append(f"<rte><name>{escape(route.truck)}</name>")
        for visit in route.visits:
            spot = spots.get((visit.kind, visit.id))
            if spot is not None:
                name = escape(f"{_clock(visit.arrive_s)} {visit.kind.value} {visit.id}")
                lines.append(f'<rtept lat="{spot[1]:.6f}" lon="{spot[0]:.6f}"><name>{name}</name></rtept>')
        lines.append("</rte>")
    lines.append("</gpx>")
    return "\n".join(lines) + "\n"


def csv_of(plan: RoundPlan) -> str:
    """Return one line a visit: the run sheet."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(["truck", "order", "kind", "id", "arrive", "leave"])
    for route in plan.routes:
        for number, visit in enumerate(route.visits):
            writer.writerow(
                [route.truck, number, visit.kind.value, visit.id, _clock(visit.arrive_s), _clock(visit.leave_s)]
            )
    return out.getvalue()
