"""Read a day's case from the JSON object that users write.

Places are in metres (``x_m``, ``y_m``) or degrees (``lat``, ``lon``); clock values are ``"HH:MM"``.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from difflib import get_close_matches
from typing import Any

import numpy as np

from cityloop.domains.refuse.schema import Breaks, Depots, Metric, RoundCase, Stops, Tips, Travel, Trucks
from cityloop.kernel.columns import BOOL, F64
from cityloop.kernel.errors import InputError

__all__ = ["case_from_json"]

_EARTH_M = 6_371_000.0
_UNBOUNDED = 1e9
_DAY_S = 86_400.0
_FARTHEST_M = 300_000.0
"""From the first depot: a place beyond is a slip of the pen, no day's round goes there."""
_ALIKE = 0.85
"""Likeness from which on a key is taken for another one misspelt, as difflib counts it."""
_SITE = ("id", "lat", "lon", "x_m", "y_m")
_WINDOW = ("open", "close")
_KEYS = {
    "depots": (*_SITE, *_WINDOW),
    "tips": (*_SITE, *_WINDOW, "service_min", "queue_min", "streams", "stream", "trucks"),
    "stops": (
        *_SITE, *_WINDOW, "volume_m3", "mass_kg", "service_min", "stream", "streams", "trucks", "prize_km",
    ),
    "trucks": (
        "id", "volume_m3", "payload_kg", "daily_volume_m3", "daily_mass_kg", "stops_most", "fixed_km", "depot",
        "streams", "shift_begin", "shift_end", "breaks",
    ),
}  # fmt: skip
"""Keys that are read. Others may stand beside them (an address, a name), unless they look like one misspelt."""


class _Row:
    """One object of a list, with the words that a complaint about it begins with."""

    def __init__(self, raw: object, where: str) -> None:
        if not isinstance(raw, Mapping):
            raise InputError(f"{where}: must be an object.")
        self.raw: Mapping[str, Any] = raw
        name = raw.get("id")
        self.where = where if name is None else f"{where} ({name})"

    def number(self, key: str, default: float | None = None, low: float = 0.0, high: float = math.inf) -> float:
        value = self.raw.get(key, default)
        if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
            raise InputError(f"{self.where}.{key}: {value!r}, must be a number.")
        if value < low:
            raise InputError(f"{self.where}.{key}: {value:g}, must be {low:g} or more.")
        if value > high:
            raise InputError(f"{self.where}.{key}: {value:g}, must be {high:g} or less.")
        return float(value)

    def clock(self, key: str, default: float) -> float:
        value = self.raw.get(key)
        return default if value is None else clock_s(value, f"{self.where}.{key}")

    def window(self, low: str = "open", high: str = "close") -> tuple[float, float]:
        opens, closes = self.clock(low, 0.0), self.clock(high, _DAY_S)
        if closes < opens:
            shown = f"{self.raw.get(low, '00:00')} to {self.raw.get(high, '24:00')}"
            raise InputError(f"{self.where}: {shown} closes before it opens; swap {low} and {high}, or drop one.")
        return opens, closes

    def words(self, key: str) -> frozenset[str]:
        value = self.raw.get(key, [])
        value = [value] if isinstance(value, str) else value
        if not isinstance(value, list):
            raise InputError(f"{self.where}.{key}: {value!r}, must be a list of names.")
        return frozenset(str(word) for word in value)


def clock_s(value: object, where: str) -> float:
    """Return seconds since midnight of ``"HH:MM"``."""
    parts = value.split(":") if isinstance(value, str) else []
    if len(parts) == 2 and all(part.isdigit() for part in parts):
        hours, minutes = int(parts[0]), int(parts[1])
        if minutes < 60 and hours * 60 + minutes <= 48 * 60:
            return hours * 3600.0 + minutes * 60.0
    raise InputError(f"{where}: {value!r}, must be a clock value such as 06:30.")


def case_from_json(raw: object, source: str) -> RoundCase:
    """Return a case, or say which entry is wrong and what would mend it."""
    top = _Row(raw, source)
    depots, tips, stops, trucks = (_rows(top, key, source) for key in ("depots", "tips", "stops", "trucks"))
    for key, rows in (("depots", depots), ("trucks", trucks)):
        if not rows:
            raise InputError(f"{source}: {key} is empty; a day needs at least one.")
    place, origin = _places([*depots, *tips, *stops])
    depot_row = {str(row.raw["id"]): number for number, row in enumerate(depots)}
    shifts = [row.window("shift_begin", "shift_end") for row in trucks]
    travel = top.raw.get("travel", {})
    ways = _Row(travel, f"{source}, travel")
    try:
        metric = Metric(ways.raw.get("metric", "straight"))
    except ValueError:
        raise InputError(f"{ways.where}.metric: {ways.raw.get('metric')!r}, must be straight or manhattan.") from None
    return RoundCase(
        name=str(top.raw.get("name", source)),
        depots=Depots(*place(depots), *_windows(depots)),
        tips=Tips(*place(tips), *_windows(tips), _each(tips, lambda row: 60 * row.number("service_min", 15))),
        stops=Stops(
            *place(stops), *_windows(stops), _each(stops, lambda row: 60 * row.number("service_min", 2)),
            _each(stops, lambda row: row.number("volume_m3")), _each(stops, lambda row: row.number("mass_kg", 0)),
            _each(stops, _prize_m),
        ),
        trucks=Trucks(
            np.array([_depot(row, depot_row) for row in trucks], np.int32),
            np.array([begin for begin, _ in shifts]), np.array([end for _, end in shifts]),
            _each(trucks, lambda row: row.number("volume_m3")),
            _each(trucks, lambda row: row.number("payload_kg", _UNBOUNDED)),
            _each(trucks, lambda row: row.number("daily_volume_m3", _UNBOUNDED)),
            _each(trucks, lambda row: row.number("daily_mass_kg", _UNBOUNDED)),
            np.array([int(row.number("stops_most", 10_000)) for row in trucks], np.int32),
            _each(trucks, lambda row: 1000 * row.number("fixed_km", 0)), np.zeros(len(trucks)), np.zeros(len(trucks)),
        ),
        breaks=_breaks(trucks),
        travel=Travel(metric, ways.number("speed_kmh", 30.0, low=1.0) / 3.6),
        depot_ids=tuple(str(row.raw["id"]) for row in depots),
        tip_ids=tuple(str(row.raw["id"]) for row in tips),
        stop_ids=tuple(str(row.raw["id"]) for row in stops),
        truck_ids=tuple(str(row.raw["id"]) for row in trucks),
        queue_s=_queues(tips),
        may_stop=_match(trucks, stops),
        may_tip=_match(trucks, tips),
        ends_at_tip=bool(tips),
        origin=origin,
    )  # fmt: skip


def _rows(top: _Row, key: str, source: str) -> list[_Row]:
    given = top.raw.get(key, [])
    if not isinstance(given, list):
        raise InputError(f"{source}, {key}: must be a list.")
    rows = [_Row(raw, f"{source}, {key}[{number}]") for number, raw in enumerate(given)]
    seen: dict[str, int] = {}
    for number, row in enumerate(rows):
        if "id" not in row.raw:
            raise InputError(f"{row.where}: has no id.")
        name = str(row.raw["id"])
        if name in seen:
            raise InputError(f"{row.where}: id {name!r} is also that of {key}[{seen[name]}]; every id once.")
        seen[name] = number
        for given_key in row.raw:
            near = [] if given_key in _KEYS[key] else get_close_matches(str(given_key), _KEYS[key], 1, _ALIKE)
            if near:
                raise InputError(
                    f"{row.where}.{given_key}: is no key of {key}; {near[0]} is, write that or another word."
                )
    return rows


def _places(
    rows: Sequence[_Row],
) -> tuple[Callable[[Sequence[_Row]], tuple[F64, F64]], tuple[float, float] | None]:
    """Return what turns rows into metres, and the origin where places are in degrees."""
    degrees = [row for row in rows if "lat" in row.raw]
    origin: tuple[float, float] | None = None
    if degrees:
        lats, lons = zip(*(_degrees(row) for row in degrees), strict=True)
        origin = sum(lats) / len(lats), sum(lons) / len(lons)

    def place(row: _Row) -> tuple[float, float]:
        if "lat" in row.raw:
            assert origin is not None
            lat, lon = _degrees(row)
            east = math.radians(lon - origin[1]) * _EARTH_M * math.cos(math.radians(origin[0]))
            return east, math.radians(lat - origin[0]) * _EARTH_M
        if "x_m" not in row.raw or "y_m" not in row.raw:
            raise InputError(f"{row.where}: has no site; give lat and lon, or x_m and y_m.")
        if degrees:
            raise InputError(f"{row.where}: is in metres while others are in degrees; use one kind.")
        return row.number("x_m", low=-1e9), row.number("y_m", low=-1e9)

    def columns(some: Sequence[_Row]) -> tuple[F64, F64]:
        spots = np.array([place(row) for row in some], float).reshape(len(some), 2)
        return spots[:, 0].copy(), spots[:, 1].copy()

    _within_reach(rows, *columns(rows))
    return columns, origin


def _degrees(row: _Row) -> tuple[float, float]:
    return row.number("lat", low=-90, high=90), row.number("lon", low=-180, high=180)


def _within_reach(rows: Sequence[_Row], x_m: F64, y_m: F64) -> None:
    """Refuse places that no truck of the first depot could get to."""
    away_m = np.hypot(x_m - x_m[0], y_m - y_m[0])
    worst = int(np.argmax(away_m))
    if away_m[worst] > _FARTHEST_M:
        first = rows[0].where.rpartition(", ")[2]
        raise InputError(
            f"{rows[worst].where}: lies {away_m[worst] / 1000:,.0f} km from {first}, must be "
            f"{_FARTHEST_M / 1000:.0f} km or less; look at its coordinates, and which is lat and which lon."
        )


def _windows(rows: Sequence[_Row]) -> tuple[F64, F64]:
    table = np.array([row.window() for row in rows], float).reshape(len(rows), 2)
    return table[:, 0].copy(), table[:, 1].copy()


def _each(rows: Sequence[_Row], read: Callable[[_Row], float]) -> F64:
    return np.array([read(row) for row in rows], float)


def _prize_m(row: _Row) -> float:
    return math.nan if "prize_km" not in row.raw else 1000 * row.number("prize_km")


def _depot(row: _Row, known: Mapping[str, int]) -> int:
    name = str(row.raw.get("depot", next(iter(known))))
    if name not in known:
        raise InputError(f"{row.where}.depot: {name!r}, must be one of {', '.join(known)}.")
    return known[name]


def _breaks(trucks: Sequence[_Row]) -> Breaks:
    table: list[tuple[int, float, float, float, bool]] = []
    most = max((len(row.raw.get("breaks", ())) for row in trucks), default=0)
    for number, truck in enumerate(trucks):
        given = [_Row(raw, f"{truck.where}.breaks[{i}]") for i, raw in enumerate(truck.raw.get("breaks", ()))]
        for row in given:
            earliest, latest = row.window("earliest", "latest")
            table.append((number, earliest, latest, 60 * row.number("minutes"), False))
        table += [(number, 0.0, 4 * _DAY_S, 0.0, True)] * (most - len(given))
    columns = list(zip(*table, strict=True)) or [(), (), (), (), ()]
    # Breaks that a truck does not have come first, as taken: states count breaks from the first.
    order = np.lexsort((np.array(columns[1], float), ~np.array(columns[4], bool), np.array(columns[0], int)))
    return Breaks(
        np.array(columns[0], np.int32)[order], np.array(columns[1], float)[order],
        np.array(columns[2], float)[order], np.array(columns[3], float)[order], np.array(columns[4], bool)[order],
    )  # fmt: skip


def _queues(tips: Sequence[_Row]) -> F64:
    table = []
    for row in tips:
        minutes = row.raw.get("queue_min", [0] * 24)
        if not isinstance(minutes, list) or len(minutes) != 24:
            raise InputError(f"{row.where}.queue_min: must be 24 numbers, one an hour of arrival.")
        table.append([60 * _Row({"m": m}, f"{row.where}.queue_min").number("m") for m in minutes])
    return np.array(table, float).reshape(len(tips), 24)


def _match(trucks: Sequence[_Row], places: Sequence[_Row]) -> BOOL | None:
    """Return which truck may serve which place: streams must meet, and a truck must be let in."""
    if not any(row.raw.get("streams") or row.raw.get("stream") or row.raw.get("trucks") for row in (*trucks, *places)):
        return None
    table = np.ones((len(trucks), len(places)), bool)
    for i, truck in enumerate(trucks):
        streams = truck.words("streams")
        for j, place in enumerate(places):
            wanted, let_in = place.words("streams") | place.words("stream"), place.words("trucks")
            if streams and wanted and not streams & wanted:
                table[i, j] = False
            if let_in and str(truck.raw["id"]) not in let_in:
                table[i, j] = False
    return table
