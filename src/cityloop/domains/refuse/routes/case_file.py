"""Read a day's case from the JSON object that users write.

Places are in metres (``x_m``, ``y_m``) or degrees (``lat``, ``lon``); clock values are ``"HH:MM"``.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from difflib import get_close_matches

import numpy as np

from cityloop.domains.refuse.routes.case_rows import DAY_S, Row
from cityloop.domains.refuse.routes.driving_hours import EU_DRIVING, breaks_of
from cityloop.domains.refuse.routes.ground import Ground
from cityloop.domains.refuse.schema import Bodies, Breaks, Depots, RoundCase, Stops, Tips, Trucks
from cityloop.kernel.columns import BOOL, F64
from cityloop.kernel.errors import InputError

__all__ = ["case_from_json"]

_UNBOUNDED = 1e9
_ALIKE = 0.85
"""Likeness from which on a key is taken for another one misspelt, as difflib counts it."""
_SITE = ("id", "lat", "lon", "x_m", "y_m")
_WINDOW = ("open", "close")
_KEYS = {
    "depots": (*_SITE, *_WINDOW),
    "tips": (*_SITE, *_WINDOW, "service_min", "queue_min", "streams", "stream", "trucks"),
    "stops": (
        *_SITE, *_WINDOW, "volume_m3", "mass_kg", "service_min", "stream", "streams", "trucks", "prize_km", "kerb",
    ),
    "trucks": (
        "id", "volume_m3", "payload_kg", "daily_volume_m3", "daily_mass_kg", "stops_most", "fixed_km", "depot",
        "streams", "shift_begin", "shift_end", "breaks", "hours", "bodies",
    ),
}  # fmt: skip
"""Keys that are read. Others may stand beside them (an address, a name), unless they look like one misspelt."""


def case_from_json(raw: object, source: str, set_aside: list[str] | None = None) -> RoundCase:
    """Return a case, or say which entry is wrong and what would mend it.

    Parameters
    ----------
    set_aside
        Given a list, tips, stops and trucks with a wrong entry are left out of the case and told there, one line
        each; without, the first of them is an error.
    """
    top = Row(raw, source)
    depots = _rows(top, "depots", source, None)
    tips, stops, trucks = (_rows(top, key, source, set_aside) for key in ("tips", "stops", "trucks"))
    tipped = bool(top.raw.get("tips"))
    ground = Ground.of([*depots, *tips, *stops], top.raw.get("travel", {}), source)
    depot_row = {str(row.raw["id"]): number for number, row in enumerate(depots)}

    def sited(row: Row) -> None:
        row.window()
        ground.check(row)

    def tip(row: Row) -> None:
        sited(row)
        row.number("service_min", 15)
        _queue_s(row)

    def stop(row: Row) -> None:
        sited(row)
        for key, default in (("volume_m3", None), ("mass_kg", 0.0), ("service_min", 2.0), ("prize_km", 0.0)):
            row.number(key, default)

    def truck(row: Row) -> None:
        row.window("shift_begin", "shift_end")
        _volume_m3(row)
        for key in ("payload_kg", "daily_volume_m3", "daily_mass_kg", "stops_most", "fixed_km"):
            row.number(key, 0.0)
        _depot(row, depot_row)
        breaks_of(row)

    depots = _sound(depots, sited, None)
    tips, stops, trucks = _sound(tips, tip, set_aside), _sound(stops, stop, set_aside), _sound(trucks, truck, set_aside)
    for key, rows in (("depots", depots), ("tips", tips), ("trucks", trucks)):
        if not rows and (key != "tips" or tipped):
            why = f" ({set_aside[-1]})" if set_aside else ""
            raise InputError(f"{source}: {key} is empty; a day needs at least one{why}.")
    place = ground.columns
    shifts = [row.window("shift_begin", "shift_end") for row in trucks]
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
            _each(trucks, _volume_m3),
            _each(trucks, lambda row: row.number("payload_kg", _UNBOUNDED)),
            _each(trucks, lambda row: row.number("daily_volume_m3", _UNBOUNDED)),
            _each(trucks, lambda row: row.number("daily_mass_kg", _UNBOUNDED)),
            np.array([int(row.number("stops_most", 10_000)) for row in trucks], np.int32),
            _each(trucks, lambda row: 1000 * row.number("fixed_km", 0)), np.zeros(len(trucks)), np.zeros(len(trucks)),
        ),
        breaks=_breaks(trucks),
        travel=ground.travel([*depots, *tips, *stops]),
        depot_ids=tuple(str(row.raw["id"]) for row in depots),
        tip_ids=tuple(str(row.raw["id"]) for row in tips),
        stop_ids=tuple(str(row.raw["id"]) for row in stops),
        truck_ids=tuple(str(row.raw["id"]) for row in trucks),
        queue_s=_queues(tips),
        may_stop=_match(trucks, stops),
        may_tip=_match(trucks, tips),
        ends_at_tip=bool(tips),
        origin=ground.origin,
        bodies=_bodies(trucks, stops),
        driving=EU_DRIVING if any(row.raw.get("hours") == "eu" for row in trucks) else None,
    )  # fmt: skip


def _rows(top: Row, key: str, source: str, set_aside: list[str] | None) -> list[Row]:
    given = top.raw.get(key, [])
    if not isinstance(given, list):
        raise InputError(f"{source}, {key}: must be a list.")
    seen: dict[str, int] = {}
    rows: list[Row] = []
    for number, raw in enumerate(given):
        try:
            rows.append(_named(Row(raw, f"{source}, {key}[{number}]"), key, seen, number))
        except InputError as error:
            _put_aside(error, set_aside)
    return rows


def _named(row: Row, key: str, seen: dict[str, int], number: int) -> Row:
    if "id" not in row.raw:
        raise InputError(f"{row.where}: has no id.")
    name = str(row.raw["id"])
    if name in seen:
        raise InputError(f"{row.where}: id {name!r} is also that of {key}[{seen[name]}]; every id once.")
    for given_key in row.raw:
        near = [] if given_key in _KEYS[key] else get_close_matches(str(given_key), _KEYS[key], 1, _ALIKE)
        if near:
            raise InputError(f"{row.where}.{given_key}: is no key of {key}; {near[0]} is, write that or another word.")
    seen[name] = number
    return row


def _sound(rows: Sequence[Row], check: Callable[[Row], None], set_aside: list[str] | None) -> list[Row]:
    """Return the rows whose entries can be read and hold."""
    good = []
    for row in rows:
        try:
            check(row)
        except InputError as error:
            _put_aside(error, set_aside)
        else:
            good.append(row)
    return good


def _put_aside(error: InputError, set_aside: list[str] | None) -> None:
    if set_aside is None:
        raise error
    set_aside.append(str(error))


def _windows(rows: Sequence[Row]) -> tuple[F64, F64]:
    table = np.array([row.window() for row in rows], float).reshape(len(rows), 2)
    return table[:, 0].copy(), table[:, 1].copy()


def _each(rows: Sequence[Row], read: Callable[[Row], float]) -> F64:
    return np.array([read(row) for row in rows], float)


def _prize_m(row: Row) -> float:
    return math.nan if "prize_km" not in row.raw else 1000 * row.number("prize_km")


def _depot(row: Row, known: Mapping[str, int]) -> int:
    name = str(row.raw.get("depot", next(iter(known))))
    if name not in known:
        raise InputError(f"{row.where}.depot: {name!r}, must be one of {', '.join(known)}.")
    return known[name]


def _breaks(trucks: Sequence[Row]) -> Breaks:
    table: list[tuple[int, float, float, float, bool]] = []
    each = [breaks_of(row) for row in trucks]
    most = max((len(given) for given in each), default=0)
    for number, given in enumerate(each):
        table += [(number, earliest, latest, length_s, False) for earliest, latest, length_s in given]
        table += [(number, 0.0, 4 * DAY_S, 0.0, True)] * (most - len(given))
    columns = list(zip(*table, strict=True)) or [(), (), (), (), ()]
    # Breaks that a truck does not have come first, as taken: states count breaks from the first.
    order = np.lexsort((np.array(columns[1], float), ~np.array(columns[4], bool), np.array(columns[0], int)))
    return Breaks(
        np.array(columns[0], np.int32)[order], np.array(columns[1], float)[order],
        np.array(columns[2], float)[order], np.array(columns[3], float)[order], np.array(columns[4], bool)[order],
    )  # fmt: skip


def _queues(tips: Sequence[Row]) -> F64:
    return np.array([_queue_s(row) for row in tips], float).reshape(len(tips), 24)


def _queue_s(row: Row) -> list[float]:
    minutes = row.raw.get("queue_min", [0] * 24)
    if not isinstance(minutes, list) or len(minutes) != 24:
        raise InputError(f"{row.where}.queue_min: must be 24 numbers, one an hour of arrival.")
    return [60 * Row({"m": m}, f"{row.where}.queue_min").number("m") for m in minutes]


def _bodies_of(row: Row) -> list[tuple[frozenset[str], float]]:
    """Return the streams and the volume of each body of a truck; none where it is not split."""
    given = row.raw.get("bodies", [])
    if not isinstance(given, list):
        raise InputError(f"{row.where}.bodies: {given!r}, must be a list.")
    bodies = [Row(raw, f"{row.where}.bodies[{number}]") for number, raw in enumerate(given)]
    found = [(body.words("streams"), body.number("volume_m3")) for body in bodies]
    for body, (streams, _) in zip(bodies, found, strict=True):
        if not streams or sum(bool(streams & others) for others, _ in found) > 1:
            raise InputError(f"{body.where}.streams: name what goes in, and every stream into one body only.")
    return found


def _volume_m3(row: Row) -> float:
    bodies = _bodies_of(row)
    return row.number("volume_m3", sum(volume_m3 for _, volume_m3 in bodies) if bodies else None)


def _bodies(trucks: Sequence[Row], stops: Sequence[Row]) -> Bodies | None:
    """Return split bodies, one column a stream that some truck has a body for."""
    each = [_bodies_of(row) for row in trucks]
    parts = sorted({streams for bodies in each for streams, _ in bodies}, key=sorted)
    if not parts:
        return None
    for row, bodies in zip(trucks, each, strict=True):
        for streams, _ in bodies:
            if any(streams & part and streams != part for part in parts):
                told = ", ".join(sorted(streams))
                raise InputError(f"{row.where}.bodies: part {told} otherwise than another truck; use the same parts.")
    of_stop = [next((n for n, part in enumerate(parts) if part & _streams(row)), -1) for row in stops]
    holds = np.zeros((len(trucks), len(parts)))
    for v, bodies in enumerate(each):
        # A truck with one body bounds nothing beside itself.
        holds[v] = [dict(bodies).get(part, 0.0) for part in parts] if bodies else _UNBOUNDED
    return Bodies(holds, np.array(of_stop, np.int32), np.zeros_like(holds))


def _streams(row: Row) -> frozenset[str]:
    own = row.words("streams") | row.words("stream")
    for streams, _ in _bodies_of(row):
        own |= streams
    return own


def _match(trucks: Sequence[Row], places: Sequence[Row]) -> BOOL | None:
    """Return which truck may serve which place: streams must meet, and a truck must be let in."""
    named = ("streams", "stream", "trucks", "bodies")
    if not any(row.raw.get(key) for row in (*trucks, *places) for key in named):
        return None
    table = np.ones((len(trucks), len(places)), bool)
    for i, truck in enumerate(trucks):
        streams = _streams(truck)
        for j, place in enumerate(places):
            wanted, let_in = place.words("streams") | place.words("stream"), place.words("trucks")
            if streams and wanted and not streams & wanted:
                table[i, j] = False
            if let_in and str(truck.raw["id"]) not in let_in:
                table[i, j] = False
    return table
