"""Uplinks of LoRaWAN network servers as readings: The Things Stack (TTN, v3) and ChirpStack (v3 and v4), in JSON.

Every number and boolean of the decoded payload is a reading of stream ``<device>/<path>``, such as
``bin-17/fill_frac`` or ``soil-3/depth/10``. The signal's strength comes along as ``<device>/rssi_dbm`` and ``/snr_db``.
The application's decoder must be set up at the network server: raw bytes alone tell nothing.
"""

from __future__ import annotations

import math
from typing import Any

import msgspec

from cityloop.wire.named import NO_INSTANT, Gathering, NamedReadings, WireError
from cityloop.wire.single import instant_ms

__all__ = ["decode_chirpstack", "decode_ttn"]

_MAX_DEPTH = 4
_MAX_READINGS = 1000


class _DeviceIds(msgspec.Struct):
    device_id: str = ""
    dev_eui: str = ""


class _Gateway(msgspec.Struct):
    rssi: float | None = None
    snr: float | None = None
    loRaSNR: float | None = None  # noqa: N815 - the servers' own names


class _Uplink(msgspec.Struct):
    decoded_payload: dict[str, Any] | None = None
    rx_metadata: list[_Gateway] = []
    received_at: str = ""


class _Ttn(msgspec.Struct):
    end_device_ids: _DeviceIds
    uplink_message: _Uplink
    received_at: str = ""


class _DeviceInfo(msgspec.Struct):
    deviceName: str = ""  # noqa: N815
    devEui: str = ""  # noqa: N815


class _ChirpStack(msgspec.Struct):
    deviceInfo: _DeviceInfo | None = None  # noqa: N815
    deviceName: str = ""  # noqa: N815
    devEUI: str = ""  # noqa: N815
    object: dict[str, Any] | None = None
    objectJSON: str = ""  # noqa: N815
    rxInfo: list[_Gateway] = []  # noqa: N815
    time: str = ""


_TTN = msgspec.json.Decoder(_Ttn)
_CHIRPSTACK = msgspec.json.Decoder(_ChirpStack)


def decode_ttn(body: bytes) -> NamedReadings:
    """Return the readings of an uplink of The Things Stack."""
    uplink: _Ttn = _decode(_TTN, body, "The Things Stack")
    ids, message = uplink.end_device_ids, uplink.uplink_message
    device = ids.device_id or ids.dev_eui
    return _readings(device, message.decoded_payload, message.received_at or uplink.received_at, message.rx_metadata)


def decode_chirpstack(body: bytes) -> NamedReadings:
    """Return the readings of an uplink of ChirpStack."""
    uplink: _ChirpStack = _decode(_CHIRPSTACK, body, "ChirpStack")
    told = uplink.object
    if told is None and uplink.objectJSON:
        told = _decode(msgspec.json.Decoder(dict[str, Any]), uplink.objectJSON.encode(), "ChirpStack")
    of = uplink.deviceInfo or _DeviceInfo()
    device = of.deviceName or uplink.deviceName or of.devEui or uplink.devEUI
    return _readings(device, told, uplink.time, uplink.rxInfo)


def _decode(decoder: msgspec.json.Decoder[Any], body: bytes, server: str) -> Any:
    try:
        return decoder.decode(body)
    except (msgspec.MsgspecError, RecursionError, UnicodeDecodeError) as error:
        raise WireError(f"not an uplink of {server}: {error}") from error


def _readings(device: str, told: dict[str, Any] | None, time: str, gateways: list[_Gateway]) -> NamedReadings:
    if not device:
        raise WireError("the uplink names no device")
    if told is None:
        raise WireError(f"the uplink of {device!r:.60} has no decoded payload; set up its decoder there")
    # Nanoseconds are common here; three digits of the second are kept.
    at_ms = instant_ms(time) if time else NO_INSTANT
    gathering = Gathering()
    found = _leaves(told, device, 1)
    for name, value in found[:_MAX_READINGS]:
        if isinstance(value, bool | int | float) and _finite(value):
            gathering.take(name, at_ms, float(value))
        else:
            gathering.refuse(name, f"{value!r:.40} is no finite number")
    if len(found) > _MAX_READINGS:
        gathering.refuse(device, f"more than {_MAX_READINGS} readings in one uplink")
    best = max((g for g in gateways if g.rssi is not None), key=lambda g: g.rssi or 0.0, default=None)
    if best is not None and best.rssi is not None:
        gathering.take(f"{device}/rssi_dbm", at_ms, best.rssi)
        snr = best.snr if best.snr is not None else best.loRaSNR
        if snr is not None:
            gathering.take(f"{device}/snr_db", at_ms, snr)
    return gathering.done()


def _leaves(told: Any, name: str, depth: int) -> list[tuple[str, Any]]:
    if depth > _MAX_DEPTH + 1:
        return [(name, "nested too deep")]
    if isinstance(told, dict):
        return [leaf for key, value in told.items() for leaf in _leaves(value, f"{name}/{key}", depth + 1)]
    if isinstance(told, list):
        return [leaf for place, value in enumerate(told) for leaf in _leaves(value, f"{name}/{place}", depth + 1)]
    return [] if told is None else [(name, told)]


def _finite(value: float) -> bool:
    try:
        return math.isfinite(value)
    except OverflowError:
        return False
