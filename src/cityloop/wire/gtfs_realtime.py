"""GTFS-Realtime vehicle positions as readings.

Each vehicle gives ``<vehicle>/lat_deg``, ``<vehicle>/lon_deg`` and, where the feed tells them, ``/bearing_deg``,
``/speed_mps`` and ``/odometer_m``. Trip updates and alerts are not readings and are passed over.

References
----------
.. [1] GTFS Realtime Reference v2.0. https://gtfs.org/documentation/realtime/reference/
"""

from __future__ import annotations

import math

from cityloop.wire.named import NO_INSTANT, Gathering, NamedReadings, WireError
from cityloop.wire.protobuf import double_of, fields, float_of

__all__ = ["MEDIA_TYPE", "decode_vehicle_positions"]

MEDIA_TYPE = "application/x-protobuf"

_MAX_ENTITIES = 200_000


def decode_vehicle_positions(body: bytes) -> NamedReadings:
    """Return the positions of a feed message."""
    feed_ms = NO_INSTANT
    vehicles: list[tuple[str, memoryview]] = []
    has_header = False
    for number, value in fields(body):
        if number == 1 and isinstance(value, memoryview):
            has_header = True
            for inner, stamp in fields(value):
                if inner == 3 and isinstance(stamp, int):
                    feed_ms = _ms(stamp)
        elif number == 2 and isinstance(value, memoryview):
            vehicles += _entity(value)
            if len(vehicles) > _MAX_ENTITIES:
                raise WireError(f"more than {_MAX_ENTITIES} vehicles in one feed")
    if not has_header:
        raise WireError("not a GTFS-Realtime feed: it has no header")
    gathering = Gathering()
    for entity, vehicle in vehicles:
        _take(gathering, entity, vehicle, feed_ms)
    return gathering.done()


def _entity(body: memoryview) -> list[tuple[str, memoryview]]:
    name, deleted, found = "", False, []
    for number, value in fields(body):
        if number == 1 and isinstance(value, memoryview):
            name = _text(value)
        elif number == 2:
            deleted = bool(value)
        elif number == 4 and isinstance(value, memoryview):
            found.append(value)
    return [] if deleted else [(name, vehicle) for vehicle in found]


def _take(gathering: Gathering, entity: str, vehicle: memoryview, feed_ms: int) -> None:
    name, at_ms = entity, feed_ms
    told: dict[str, float] = {}
    for field, value in fields(vehicle):
        if field == 2 and isinstance(value, memoryview):
            told = _position(value)
        elif field == 5 and isinstance(value, int):
            at_ms = _ms(value)
        elif field == 8 and isinstance(value, memoryview):
            for inner, text in fields(value):
                if inner == 1 and isinstance(text, memoryview):
                    name = _text(text) or entity
    if "lat_deg" not in told or "lon_deg" not in told:
        gathering.refuse(name, "a vehicle without a position")
        return
    finite = all(math.isfinite(number) for number in told.values())
    if not finite or abs(told["lat_deg"]) > 90 or abs(told["lon_deg"]) > 180:
        gathering.refuse(name, f"position {told['lat_deg']:g}, {told['lon_deg']:g} is not on Earth")
        return
    for what, number in told.items():
        gathering.take(f"{name}/{what}", at_ms, number)


def _position(body: memoryview) -> dict[str, float]:
    told: dict[str, float] = {}
    names = {1: "lat_deg", 2: "lon_deg", 3: "bearing_deg", 5: "speed_mps"}
    for number, value in fields(body):
        if isinstance(value, int):
            if number in names:
                told[names[number]] = float_of(value)
            elif number == 4:
                told["odometer_m"] = double_of(value)
    return told


def _ms(seconds: int) -> int:
    return min(seconds, 2**50) * 1000


def _text(data: memoryview) -> str:
    try:
        return bytes(data).decode()
    except UnicodeDecodeError as error:
        raise WireError("a name is not UTF-8") from error
