"""How a sensor says its reading in each protocol: where to, in which bytes, and into which streams.

Protocols of plain readings carry a fleet's values as they are. Those of vehicles (GTFS-Realtime, NMEA) make a position
of each value, and controllers' events make a detector that is on while the value is high, so that every fault of a
fleet comes through each of them.
"""

from __future__ import annotations

import functools
import math
import operator
import struct
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from urllib.parse import quote

import msgspec
import numpy as np

from cityloop.kernel.columns import F64, I64
from cityloop.studies.sensor_fleet import Fleet, Round
from cityloop.studies.sensor_packs import csv_body, data_array_body, senml_body, senml_cbor_body
from cityloop.wire import arrow, gtfs_realtime, reading_csv, senml
from cityloop.wire.protobuf import varint

__all__ = ["SINGLE", "WAYS", "Said", "Stream", "Way", "birth", "facts_of", "parts_of", "said_by"]

SINGLE = "mqtt"
"""One plain reading a message."""

_LAT_DEG, _LON_DEG = 52.5, 13.4
_DEG = 1e-3
"""Of a vehicle's way north and east for each unit of its value. [deg]"""
_GROUP = "city"
"""Of Sparkplug's edge nodes."""

Stream = tuple[str, str, float, float]
"""What stands behind a sensor's name, unit, and the least and greatest value."""


@dataclass(frozen=True, slots=True)
class Said:
    """The readings of one message."""

    fleet: Fleet
    numbers: Sequence[int]
    """Of sensors."""
    rows: Sequence[int]
    """Of their Datastreams; empty where nobody asked for them."""
    observed_at_ms: I64
    value: F64
    pack: int
    """Which part of the fleet speaks."""

    @property
    def names(self) -> list[str]:
        """Names of the sensors."""
        return [self.fleet.names[number] for number in self.numbers]


@dataclass(frozen=True, slots=True, kw_only=True)
class Way:
    """A protocol, as sensors speak it."""

    body: Callable[[Said], bytes]
    path: Callable[[Said], str] | None = None
    """Over HTTP; None where it is not spoken there."""
    media_type: str = "application/json"
    topic: Callable[[Said], str] | None = None
    """Over MQTT; None where it is not spoken there."""
    message: Callable[[Said], bytes] | None = None
    """Body over MQTT, of one reading, where that is another."""
    alone: bool = False
    """Whether a message holds one reading, whatever the size of packs."""
    by_row: bool = False
    """Whether streams are named by their Datastream's id, which has to be asked for."""
    streams: Callable[[Fleet], tuple[Stream, ...]]
    """What each sensor's readings become."""
    prefix: Callable[[int], str] = lambda _pack: ""
    """What stands before the names of a part of the fleet."""


def parts_of(way: Way, fleet: Fleet, pack: int, *, over_mqtt: bool) -> list[range]:
    """Return which sensors speak in one message."""
    size = 1 if way.alone or (over_mqtt and way.message) else pack
    return [range(begin, min(begin + size, len(fleet.names))) for begin in range(0, len(fleet.names), size)]


def said_by(fleet: Fleet, told: Round, part: range, pack: int, *, rows: Sequence[int] = (), later_ms: int = 0) -> Said:
    """Return what a part of the fleet says in a round; later parts of it are measured later."""
    numbers = np.arange(part.start, part.stop)
    if told.said is not None:
        numbers = numbers[told.said[part.start : part.stop]]
    chosen = numbers.tolist()
    their_rows = [rows[number] for number in chosen] if rows else []
    return Said(fleet, chosen, their_rows, told.observed_at_ms[numbers] + later_ms, told.value[numbers], pack)


def facts_of(way: Way, fleet: Fleet, pack: int, names: Sequence[str]) -> list[dict[str, object]]:
    """Return what is declared of the streams of some sensors."""
    streams, before = way.streams(fleet), way.prefix(pack)
    return [
        {"name": f"{before}{name}{after}", "unit": unit, "low": low, "high": high}
        for name in names
        for after, unit, low, high in streams
    ]


def birth(said: Said) -> tuple[str, bytes]:
    """Return topic and payload of an edge node's birth, by which the aliases of its metrics are known."""
    metrics = [
        _text(1, name) + _number(2, alias) + _number(4, 10) + _number(7, 1)
        for alias, name in zip(said.numbers, said.names, strict=True)
    ]
    head = _number(1, int(said.observed_at_ms.max())) + _number(3, 0)
    return f"spBv1.0/{_GROUP}/NBIRTH/{_gateway(said.pack)}", head + b"".join(_message(2, one) for one in metrics)


def _plain(fleet: Fleet) -> tuple[Stream, ...]:
    return (("", fleet.unit, fleet.low, fleet.high),)


def _uplinked(fleet: Fleet) -> tuple[Stream, ...]:
    return (
        ("/value", fleet.unit, fleet.low, fleet.high),
        ("/rssi_dbm", "1", -200.0, 50.0),
        ("/snr_db", "1", -50.0, 50.0),
    )


def _driven(fleet: Fleet) -> tuple[Stream, ...]:
    low, high = _DEG * fleet.low, _DEG * fleet.high
    return (
        ("/lat_deg", "deg", _LAT_DEG + low, _LAT_DEG + high),
        ("/lon_deg", "deg", _LON_DEG + low, _LON_DEG + high),
    )


def _detected(_fleet: Fleet) -> tuple[Stream, ...]:
    return (("/detector/1", "1", 0.0, 1.0),)


def _ttn(said: Said) -> bytes:
    at = _iso(said.observed_at_ms[0])
    heard = {
        "decoded_payload": {"value": _or_null(said.value[0])},
        "rx_metadata": [{"rssi": -97, "snr": 7.5}],
        "received_at": at,
    }
    uplink = {"end_device_ids": {"device_id": said.names[0]}, "received_at": at, "uplink_message": heard}
    return msgspec.json.encode(uplink)


def _chirpstack(said: Said) -> bytes:
    uplink = {
        "deviceInfo": {"deviceName": said.names[0]},
        "time": _iso(said.observed_at_ms[0]),
        "object": {"value": _or_null(said.value[0])},
        "rxInfo": [{"rssi": -97, "snr": 7.5}],
    }
    return msgspec.json.encode(uplink)


def _single(said: Said) -> bytes:
    return msgspec.json.encode({"value": _or_null(said.value[0]), "observed_at_ms": int(said.observed_at_ms[0])})


def _observation(said: Said) -> bytes:
    result = _or_null(said.value[0])
    return msgspec.json.encode({"phenomenonTime": _iso(said.observed_at_ms[0]), "result": result})


def _vehicles(said: Said) -> bytes:
    """Return a feed message; its instants are whole seconds."""
    head = _text(1, "2.0") + _number(3, int(said.observed_at_ms.max()) // 1000)
    parts = [_message(1, head)]
    for name, at_ms, value in zip(said.names, said.observed_at_ms.tolist(), said.value.tolist(), strict=True):
        lat_deg, lon_deg = _position(value)
        position = b"\x0d" + struct.pack("<f", lat_deg) + b"\x15" + struct.pack("<f", lon_deg)
        vehicle = _message(2, position) + _number(5, at_ms // 1000) + _message(8, _text(1, name))
        parts.append(_message(2, _text(1, name) + _message(4, vehicle)))
    return b"".join(parts)


def _nmea(said: Said) -> bytes:
    """Return an RMC sentence; a position that is no number is a receiver without a fix."""
    moment = datetime.fromtimestamp(int(said.observed_at_ms[0]) / 1000, UTC)
    value = float(said.value[0])
    lat_deg, lon_deg = _position(value) if math.isfinite(value) else (0.0, 0.0)
    where = f"{_angle(lat_deg, 2)},{'N' if lat_deg >= 0 else 'S'},{_angle(lon_deg, 3)},{'E' if lon_deg >= 0 else 'W'}"
    clock = f"{moment:%H%M%S}.{moment.microsecond // 1000:03d}"
    told = f"GPRMC,{clock},{'A' if math.isfinite(value) else 'V'},{where},,,{moment:%d%m%y},,,A"
    return f"${told}*{functools.reduce(operator.xor, told.encode()):02X}\r\n".encode()


def _events(said: Said) -> bytes:
    """Return an event log: a detector is on while the value is in the upper half of its range."""
    fleet = said.fleet
    middle = (fleet.low + fleet.high) / 2
    lines = ["SignalID,Timestamp,EventCode,EventParam"]
    for name, at_ms, value in zip(said.names, said.observed_at_ms.tolist(), said.value.tolist(), strict=True):
        code = (82 if value > middle else 81) if fleet.low <= value <= fleet.high else 70_000
        lines.append(f"{name},{_iso(at_ms)},{code},1")
    return "\n".join(lines).encode() + b"\n"


def _metrics(said: Said) -> bytes:
    """Return a Sparkplug payload of a node that was born: its metrics go by alias."""
    parts = [_number(1, int(said.observed_at_ms.max()))]
    for alias, at_ms, value in zip(said.numbers, said.observed_at_ms.tolist(), said.value.tolist(), strict=True):
        metric = _number(2, alias) + _number(3, at_ms) + _number(4, 10) + b"\x69" + struct.pack("<d", value)
        parts.append(_message(2, metric))
    return b"".join(parts) + _number(3, 1)


def _position(value: float) -> tuple[float, float]:
    return _LAT_DEG + _DEG * value, _LON_DEG + _DEG * value


def _angle(deg: float, digits: int) -> str:
    minutes = round(abs(deg) * 60, 5)
    return f"{int(minutes // 60):0{digits}d}{minutes % 60:08.5f}"


def _iso(at_ms: int) -> str:
    return f"{np.datetime64(int(at_ms), 'ms')}Z"


def _or_null(value: float) -> float | None:
    """Return a value as JSON can say it."""
    return float(value) if math.isfinite(value) else None


def _gateway(pack: int) -> str:
    return f"gateway-{pack}"


def _number(field: int, value: int) -> bytes:
    return varint(field << 3) + varint(value)


def _message(field: int, body: bytes) -> bytes:
    return varint(field << 3 | 2) + varint(len(body)) + body


def _text(field: int, text: str) -> bytes:
    return _message(field, text.encode())


def _to(text: str) -> Callable[[Said], str]:
    """Return where every message of a protocol goes; a sensor's name may stand in it."""
    return lambda said: text.format(name=said.names[0])


WAYS: dict[str, Way] = {
    "arrow": Way(
        body=lambda said: arrow.encode_arrow(said.names, said.observed_at_ms, said.value),
        path=_to("/ingest"),
        media_type=arrow.MEDIA_TYPE,
        topic=_to("packs/arrow"),
        streams=_plain,
    ),
    "senml": Way(
        body=lambda said: senml_body(said.names, said.observed_at_ms, said.value),
        path=_to("/ingest"),
        media_type=senml.MEDIA_TYPE_JSON,
        topic=_to("packs/senml-json"),
        streams=_plain,
    ),
    "senml-cbor": Way(
        body=lambda said: senml_cbor_body(said.names, said.observed_at_ms, said.value),
        path=_to("/ingest"),
        media_type=senml.MEDIA_TYPE_CBOR,
        topic=_to("packs/senml-cbor"),
        streams=_plain,
    ),
    "csv": Way(
        body=lambda said: csv_body(said.names, said.observed_at_ms, said.value),
        path=_to("/ingest"),
        media_type=reading_csv.MEDIA_TYPE,
        topic=_to("packs/csv"),
        streams=_plain,
    ),
    "sta": Way(
        body=lambda said: data_array_body(said.rows, said.observed_at_ms, said.value),
        path=_to("/sta/v1.1/CreateObservations"),
        message=_observation,
        topic=lambda said: f"v1.1/Datastreams({said.rows[0]})/Observations",
        by_row=True,
        streams=_plain,
    ),
    SINGLE: Way(body=_single, topic=_to("readings/{name}"), alone=True, streams=_plain),
    "sparkplug": Way(
        body=_metrics,
        topic=lambda said: f"spBv1.0/{_GROUP}/NDATA/{_gateway(said.pack)}",
        streams=_plain,
        prefix=lambda pack: f"{_GROUP}/{_gateway(pack)}/",
    ),
    "ttn": Way(
        body=_ttn,
        path=_to("/ingest/ttn"),
        topic=_to("v3/city@ttn/devices/{name}/up"),
        alone=True,
        streams=_uplinked,
    ),
    "chirpstack": Way(
        body=_chirpstack,
        path=_to("/ingest/chirpstack"),
        topic=_to("application/city/device/{name}/event/up"),
        alone=True,
        streams=_uplinked,
    ),
    "gtfs-realtime": Way(
        body=_vehicles,
        path=_to("/ingest/gtfs-realtime"),
        media_type=gtfs_realtime.MEDIA_TYPE,
        topic=_to("packs/gtfs-realtime"),
        streams=_driven,
    ),
    "nmea": Way(
        body=_nmea,
        path=lambda said: f"/ingest/nmea?receiver={quote(said.names[0])}",
        media_type="text/plain",
        alone=True,
        streams=_driven,
    ),
    "hires": Way(body=_events, path=_to("/ingest/hires?zone=UTC"), media_type="text/csv", streams=_detected),
}
"""Every protocol, by the name that the command knows it by."""
