"""NMEA 0183 positions as readings: sentences RMC, GGA and VTG of any talker.

A receiver named ``bus-7`` gives ``bus-7/lat_deg``, ``/lon_deg``, ``/speed_mps`` and ``/course_deg``. RMC alone tells
the date, so GGA and VTG are taken at the date of the RMC before them, and left out when there is none. A sentence
without a valid checksum is refused.

References
----------
.. [1] NMEA (2018). NMEA 0183 Interface Standard, v4.11.
"""

from __future__ import annotations

import math
from datetime import UTC, datetime, timedelta

from cityloop.wire.named import Gathering, NamedReadings

__all__ = ["decode_nmea"]

_KNOT_MPS = 1852 / 3600
_MAX_SENTENCE = 120


def decode_nmea(body: bytes, receiver: str) -> NamedReadings:
    """Return the readings of a receiver's sentences, one a line."""
    gathering = Gathering()
    last: datetime | None = None
    for line in body.split(b"\n"):
        sentence = line.strip()
        if not sentence:
            continue
        told = _checked(sentence)
        if told is None:
            gathering.refuse(receiver, f"sentence {sentence[:40]!r} has no valid checksum")
            continue
        try:
            last = _take(gathering, receiver, told, last)
        except (ValueError, IndexError, OverflowError):
            gathering.refuse(receiver, f"sentence {sentence[:40]!r} cannot be read")
    return gathering.done()


def _checked(sentence: bytes) -> list[str] | None:
    if len(sentence) > _MAX_SENTENCE or sentence[:1] != b"$" or sentence[-3:-2] != b"*":
        return None
    total = 0
    for byte in sentence[1:-3]:
        total ^= byte
    if sentence[-2:].upper() != b"%02X" % total:
        return None
    try:
        return sentence[1:-3].decode("ascii").split(",")
    except UnicodeDecodeError:
        return None


def _take(gathering: Gathering, receiver: str, told: list[str], last: datetime | None) -> datetime | None:
    kind = told[0][2:]
    if kind == "RMC":
        if told[2] != "A":
            gathering.refuse(receiver, "no fix (RMC status is not A)")
            return last
        moment = _date(told[9], told[1])
        _position(gathering, receiver, told[3:7], moment)
        _number(gathering, f"{receiver}/speed_mps", told[7], _KNOT_MPS, moment)
        _number(gathering, f"{receiver}/course_deg", told[8], 1.0, moment)
        return moment
    if kind == "GGA" and last is not None and told[6] not in ("", "0"):
        moment = _time(last, told[1])
        # RMC of the same instant told it already.
        if moment != last:
            _position(gathering, receiver, told[2:6], moment)
        _number(gathering, f"{receiver}/altitude_m", told[9], 1.0, moment)
        return moment
    if kind == "VTG" and last is not None:
        _number(gathering, f"{receiver}/speed_mps", told[5], _KNOT_MPS, last)
    return last


def _position(gathering: Gathering, receiver: str, told: list[str], moment: datetime) -> None:
    lat, lon = _angle(told[0], 2, told[1], "NS", 90), _angle(told[2], 3, told[3], "EW", 180)
    at_ms = _ms(moment)
    gathering.take(f"{receiver}/lat_deg", at_ms, lat)
    gathering.take(f"{receiver}/lon_deg", at_ms, lon)


def _angle(text: str, digits: int, side: str, sides: str, most: float) -> float:
    if side not in sides or not side or not text.replace(".", "", 1).isdigit():
        raise ValueError(text)
    minutes = float(text[digits:])
    angle = int(text[:digits]) + minutes / 60
    if minutes >= 60 or angle > most:
        raise ValueError(text)
    return -angle if side == sides[1] else angle


def _number(gathering: Gathering, name: str, text: str, scale: float, moment: datetime) -> None:
    if text:
        value = float(text)
        if not math.isfinite(value):
            raise ValueError(text)
        gathering.take(name, _ms(moment), value * scale)


def _date(date: str, time: str) -> datetime:
    if len(date) != 6 or not date.isdigit():
        raise ValueError(date)
    # Two digits of the year: receivers with this protocol are of 1980 and later.
    year = int(date[4:6])
    midnight = datetime(year + (1900 if year >= 80 else 2000), int(date[2:4]), int(date[:2]), tzinfo=UTC)
    return midnight + _since_midnight(time)


def _time(last: datetime, time: str) -> datetime:
    moment = last.replace(hour=0, minute=0, second=0, microsecond=0) + _since_midnight(time)
    # Past midnight before the next date was told.
    return moment + timedelta(days=1) if last - moment > timedelta(hours=12) else moment


def _since_midnight(time: str) -> timedelta:
    if len(time) < 6 or not time.replace(".", "", 1).isdigit():
        raise ValueError(time)
    hours, minutes, seconds = int(time[:2]), int(time[2:4]), float(time[4:])
    if hours > 23 or minutes > 59 or seconds >= 61:
        raise ValueError(time)
    return timedelta(hours=hours, minutes=minutes, seconds=seconds)


def _ms(moment: datetime) -> int:
    return round(moment.timestamp() * 1000)
