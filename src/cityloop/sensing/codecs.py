"""Which codec reads what: by media type and path over HTTP, by topic over MQTT."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from cityloop.kernel.batch import Batch
from cityloop.kernel.readings import Done
from cityloop.sensing.inbox import Inbox, Taken
from cityloop.sensing.packs import PackReader
from cityloop.sensing.sparkplug import SparkplugNodes
from cityloop.wire import arrow, gtfs_realtime, reading_csv, senml
from cityloop.wire.hires import decode_hires
from cityloop.wire.lorawan import decode_chirpstack, decode_ttn
from cityloop.wire.named import NamedReadings, WireError
from cityloop.wire.nmea import decode_nmea

__all__ = ["Codecs", "Decode"]

Decode = Callable[[bytes, str, Inbox, Done, Mapping[str, str]], Taken]
"""Reads a body that a device sent and submits it; the last is what the query says."""

_NAME = re.compile(r"[\w\-.:]{1,120}\Z")


class Codecs:
    """Every codec, and what has to be remembered between messages."""

    def __init__(self) -> None:
        self.sparkplug = SparkplugNodes()
        self._packs: PackReader | None = None
        self.media_types: dict[str, Decode] = {
            arrow.MEDIA_TYPE: self._arrow,
            "application/vnd.apache.arrow.stream": self._arrow,
            senml.MEDIA_TYPE_JSON: _named(lambda body, now_ms: senml.decode_senml_json(body, now_ms)),
            senml.MEDIA_TYPE_CBOR: _named(lambda body, now_ms: senml.decode_senml_cbor(body, now_ms)),
            reading_csv.MEDIA_TYPE: _named(lambda body, now_ms: reading_csv.decode_csv(body)),
        }
        self.paths: dict[str, Decode] = {
            "ttn": _named(lambda body, now_ms: decode_ttn(body)),
            "chirpstack": _named(lambda body, now_ms: decode_chirpstack(body)),
            "gtfs-realtime": _named(lambda body, now_ms: gtfs_realtime.decode_vehicle_positions(body)),
            "nmea": _nmea,
            "hires": _hires,
        }

    def find(self, path: str, media_type: str) -> Decode | None:
        """Return the codec of a request; one of its own path goes before its media type."""
        if path:
            return self.paths.get(path)
        return self.media_types.get(media_type)

    def topics(self) -> Mapping[str, Callable[[bytes, str, Inbox, Done], Taken | None]]:
        """Return the codecs of MQTT messages, by topic filter."""
        by_kind = {
            "packs/arrow": self._arrow,
            "packs/senml-json": self.media_types[senml.MEDIA_TYPE_JSON],
            "packs/senml-cbor": self.media_types[senml.MEDIA_TYPE_CBOR],
            "packs/csv": self.media_types[reading_csv.MEDIA_TYPE],
            "packs/gtfs-realtime": self.paths["gtfs-realtime"],
            "v3/+/devices/+/up": self.paths["ttn"],
            "application/+/device/+/event/up": self.paths["chirpstack"],
        }
        return {topic: _without_query(decode) for topic, decode in by_kind.items()}

    def _arrow(self, body: bytes, device: str, inbox: Inbox, done: Done, _query: Mapping[str, str]) -> Taken:
        if self._packs is None or self._packs.inbox is not inbox:
            self._packs = PackReader(inbox)
        read = self._packs.read(body)
        if isinstance(read, Batch):
            return inbox.submit(read, device=device, done=done)
        return inbox.submit_packs(read, device=device, done=done)


def _without_query(decode: Decode) -> Callable[[bytes, str, Inbox, Done], Taken]:
    return lambda body, device, inbox, done: decode(body, device, inbox, done, {})


def _named(decode: Callable[[bytes, int], NamedReadings]) -> Decode:
    def submit(body: bytes, device: str, inbox: Inbox, done: Done, _query: Mapping[str, str]) -> Taken:
        return inbox.submit_named(decode(body, inbox.now_ms()), device=device, done=done)

    return submit


def _nmea(body: bytes, device: str, inbox: Inbox, done: Done, query: Mapping[str, str]) -> Taken:
    receiver = query.get("receiver") or device
    if not _NAME.match(receiver):
        raise WireError(f"receiver is {receiver!r:.60}; name it in the query, such as ?receiver=bus-7")
    return inbox.submit_named(decode_nmea(body, receiver), device=device, done=done)


def _hires(body: bytes, device: str, inbox: Inbox, done: Done, query: Mapping[str, str]) -> Taken:
    name = query.get("zone", "UTC")
    try:
        zone = ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise WireError(f"zone is {name!r:.60}, must be one such as Europe/Berlin") from error
    return inbox.submit_named(decode_hires(body, zone), device=device, done=done)
