"""What a dispatcher works by when everything is down: which stations are nearest to every square of the map.

Made from the roads as they are on an ordinary day, before anything fails, and printed. It holds no call and no person.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from cityloop.domains.emergency import live
from cityloop.domains.emergency.schema import SiteKind
from cityloop.kernel.columns import F64, I64
from cityloop.kernel.errors import LayoutError
from cityloop.kernel.layout import Layout
from cityloop.studies.emergency_world import World

__all__ = ["Place", "Sheet", "Square", "sheet_of_layout", "sheet_of_world"]

MOST_SQUARES = 26
"""Columns of the map, a letter each."""
RANKED_STATIONS, RANKED_HOSPITALS = 5, 2


@dataclass(frozen=True, slots=True)
class Place:
    """A station or a hospital."""

    name: str
    square: str
    x_m: float
    y_m: float
    units: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Square:
    """A square of the map."""

    name: str
    x_m: float
    y_m: float
    share: float
    """Of expected calls of high priority."""
    stations: tuple[tuple[int, float], ...]
    """Stations that have units, the soonest first, and minutes with lights and siren."""
    hospitals: tuple[tuple[int, float], ...]
    """Hospitals, the soonest first, and minutes of ordinary driving."""


@dataclass(frozen=True, slots=True)
class Sheet:
    """All that is printed."""

    city: str
    size_m: float
    west_m: float
    north_m: float
    columns: int
    rows: int
    stations: tuple[Place, ...]
    hospitals: tuple[Place, ...]
    squares: tuple[Square, ...]


@dataclass(frozen=True, slots=True)
class _Found:
    """Zones, places and times, however they were come by."""

    zone_x_m: F64
    zone_y_m: F64
    share: F64
    station_min: F64
    """From each station to each zone, shape (n_stations, n_zones). [min]"""
    hospital_min: F64
    """From each zone to each hospital, shape (n_zones, n_hospitals). [min]"""
    stations: tuple[tuple[str, float, float, tuple[str, ...]], ...]
    hospitals: tuple[tuple[str, float, float], ...]


def sheet_of_world(world: World) -> Sheet:
    """Return the sheet of a city of the emergency bench."""
    case, zones = world.case, world.zones
    n = len(case.stations.node)
    units = [
        tuple(case.unit_name[u] for u in np.flatnonzero(case.unit_station == station).tolist()) for station in range(n)
    ]
    off_ms = case.hospitals.offroad_m * (1000.0 / world.times.ordinary_offroad_mps)
    drive_ms = world.times.ordinary.matrix_ms(zones.node, case.hospitals.node) + off_ms[None, :]
    graph = case.roads.graph
    found = _Found(
        zone_x_m=graph.x_m[zones.node],
        zone_y_m=graph.y_m[zones.node],
        share=world.coverage.weight,
        station_min=world.coverage.site_zone_min[:n],
        hospital_min=np.asarray(drive_ms / 60_000.0),
        stations=tuple(zip(case.stations.name, case.stations.x_m, case.stations.y_m, units, strict=True)),
        hospitals=tuple(zip(case.hospitals.name, case.hospitals.x_m, case.hospitals.y_m, strict=True)),
    )
    return _sheet(case.name, found, zones.size_m)


def sheet_of_layout(city: str, layout: Layout) -> Sheet:
    """Return the sheet of a running city that has ambulances, with times of an ordinary day."""
    if "emergency" not in layout.tables:
        raise LayoutError(f"{city}: has no table of emergency; its city.toml names none under [assets].")
    state = live.start(layout, 0)
    table, names, units = state.table, layout.names["sites"], layout.names["units"]
    stations = np.flatnonzero(table.sites.kind == int(SiteKind.STATION))
    hospitals = np.flatnonzero(table.sites.kind == int(SiteKind.HOSPITAL))
    drive_ms = state.picture.times.ordinary.matrix_ms(table.zones.edge, table.sites.edge[hospitals])
    x_m, y_m, home = table.sites.x_m, table.sites.y_m, table.units.home
    found = _Found(
        zone_x_m=table.zones.x_m,
        zone_y_m=table.zones.y_m,
        share=state.coverage.weight,
        station_min=state.coverage.site_zone_min[stations],
        hospital_min=np.asarray(drive_ms / 60_000.0),
        stations=tuple(
            (names[s], float(x_m[s]), float(y_m[s]), tuple(units[u] for u in np.flatnonzero(home == s).tolist()))
            for s in stations.tolist()
        ),
        hospitals=tuple((names[h], float(x_m[h]), float(y_m[h])) for h in hospitals.tolist()),
    )
    return _sheet(city, found, 250.0)


def _sheet(city: str, found: _Found, size_m: float) -> Sheet:
    xs = np.concatenate((found.zone_x_m, [s[1] for s in found.stations], [h[1] for h in found.hospitals]))
    ys = np.concatenate((found.zone_y_m, [s[2] for s in found.stations], [h[2] for h in found.hospitals]))
    while (xs.max() - xs.min()) / size_m >= MOST_SQUARES - 1:
        size_m *= 2.0
    west = float(np.floor(xs.min() / size_m) * size_m)
    north = float(np.ceil(ys.max() / size_m) * size_m)
    column = np.floor((xs - west) / size_m).astype(np.int64)
    row = np.floor((north - ys) / size_m).astype(np.int64)
    name = [f"{chr(ord('A') + c)}{r + 1}" for c, r in zip(column.tolist(), row.tolist(), strict=True)]
    n, m = len(found.zone_x_m), len(found.stations)
    return Sheet(
        city=city,
        size_m=size_m,
        west_m=west,
        north_m=north,
        columns=int(column.max()) + 1,
        rows=int(row.max()) + 1,
        stations=tuple(Place(s[0], name[n + k], s[1], s[2], s[3]) for k, s in enumerate(found.stations)),
        hospitals=tuple(Place(h[0], name[n + m + k], h[1], h[2]) for k, h in enumerate(found.hospitals)),
        squares=_squares(found, column[:n], row[:n], name),
    )


def _squares(found: _Found, column: I64, row: I64, name: list[str]) -> tuple[Square, ...]:
    """Return a square for every place on the map where calls are expected, from north to south, by its zones' mean."""
    manned = np.flatnonzero([len(station[3]) > 0 for station in found.stations])
    squares = []
    keys, at = np.unique(row * MOST_SQUARES + column, return_inverse=True)
    for k in range(len(keys)):
        zones = np.flatnonzero(at == k)
        share = found.share[zones]
        weight = share / share.sum() if share.sum() > 0 else np.full(len(zones), 1.0 / len(zones))
        to_here = found.station_min[manned][:, zones] @ weight
        away = weight @ found.hospital_min[zones]
        squares.append(
            Square(
                name=name[int(zones[0])],
                x_m=float(weight @ found.zone_x_m[zones]),
                y_m=float(weight @ found.zone_y_m[zones]),
                share=float(share.sum()),
                stations=tuple(
                    (int(manned[s]), float(to_here[s])) for s in np.argsort(to_here, kind="stable")[:RANKED_STATIONS]
                ),
                hospitals=tuple((int(h), float(away[h])) for h in np.argsort(away, kind="stable")[:RANKED_HOSPITALS]),
            )
        )
    return tuple(squares)
