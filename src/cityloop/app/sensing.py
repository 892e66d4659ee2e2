"""Wiring of sensing: which store, which stream table, which tokens, one inbox for all edges."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec

from cityloop.engine.compiled import keep_compiled_apart
from cityloop.kernel.columns import U8
from cityloop.kernel.readings import Readings
from cityloop.sensing.access import Access, DeviceTokens
from cityloop.sensing.http import Identify, Register, StreamFacts
from cityloop.sensing.inbox import Inbox, Limits
from cityloop.sensing.live import LiveState
from cityloop.sensing.mqtt.broker import Authenticate
from cityloop.sensing.sensorthings.service import SensorThings
from cityloop.storage.dead_letters import SqliteDeadLetters
from cityloop.storage.device_tokens import DeviceTokenRows
from cityloop.storage.entities import Entities
from cityloop.storage.metadata import Metadata
from cityloop.storage.readings import DEFAULT_RETENTION, ReadingsStore, StoreParams
from cityloop.storage.readings.heap import map_large_blocks
from cityloop.storage.streams import Registration, StreamRegister

__all__ = [
    "OpenSensing",
    "authenticate_with",
    "identify_with",
    "open_sensing",
    "register_with",
    "tls_subject",
    "wall_ms",
]


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenSensing:
    """What sensing is made of, opened over one data folder."""

    entities: Entities
    things: SensorThings
    streams: StreamRegister
    readings: Readings
    letters: SqliteDeadLetters
    live: LiveState
    inbox: Inbox
    access: Access
    tokens: DeviceTokens


_SWITCH_S = 0.0005
"""How long one thread may keep the others from running Python. [s]"""


def wall_ms() -> int:
    """Return the wall clock. [ms]"""
    return time.time_ns() // 1_000_000


@contextmanager
def open_sensing(
    data: Path,
    *,
    limits: Limits | None = None,
    store: StoreParams | None = None,
    admin_token: str = "",
    mqtt_endpoints: Sequence[str] = (),
    now_ms: Callable[[], int] = wall_ms,
) -> Iterator[OpenSensing]:
    """Open the store, the entities and the inbox; the live state begins with the newest stored readings.

    Parameters
    ----------
    now_ms
        The clock that readings are judged by: the wall's, unless a simulated field agreed on a faster one.
    """
    keep_compiled_apart()
    # The log takes the interpreter's lock a dozen times on the way from a request to its acknowledgement. While a part
    # of the log is sealed, each time would cost the usual 5 ms, and one acknowledgement in a hundred far too long.
    sys.setswitchinterval(min(_SWITCH_S, sys.getswitchinterval()))
    map_large_blocks()
    data.mkdir(parents=True, exist_ok=True)
    with ExitStack() as closing:
        metadata = Metadata(data / "metadata.sqlite")
        closing.callback(metadata.close)
        streams = StreamRegister(metadata)

        def kinds() -> U8:
            return streams.columns().kind

        readings = ReadingsStore(data / "readings", params=store, kinds=kinds, retention=DEFAULT_RETENTION)
        closing.callback(readings.close)
        entities = Entities(metadata, readings, streams=streams, now_ms=wall_ms)
        closing.callback(entities.close)
        letters = SqliteDeadLetters(data / "dead_letters.sqlite")
        closing.callback(letters.close)
        live = LiveState(len(streams))
        live.update(readings.latest())
        inbox = Inbox(entities.readings, streams, live, now_ms=now_ms, limits=limits, dead_letters=letters)
        things = SensorThings(entities, inbox, now_ms=now_ms, mqtt_endpoints=list(mqtt_endpoints))
        closing.callback(things.close)
        tokens = DeviceTokens(DeviceTokenRows(metadata), wall_ms)
        yield OpenSensing(
            entities=entities,
            things=things,
            streams=streams,
            readings=readings,
            letters=letters,
            live=live,
            inbox=inbox,
            access=Access(tokens, admin_token),
            tokens=tokens,
        )


def register_with(streams: StreamRegister) -> Register:
    """Register streams in the stream table, many in one transaction."""

    def register(facts: Sequence[StreamFacts]) -> Sequence[int]:
        rows = streams.register_many([Registration(**msgspec.structs.asdict(fact)) for fact in facts])
        return [int(row) for row in rows]

    return register


def identify_with(access: Access) -> Identify:
    """Know the sender of a request by its ``Authorization`` header, or else by its client certificate."""

    def identify(scope: object) -> str | None:
        assert isinstance(scope, dict)
        headers: Sequence[tuple[bytes, bytes]] = scope["headers"]
        given = next((value.decode("latin-1") for name, value in headers if name == b"authorization"), None)
        principal = access.principal(given, tls_subject(scope))
        if principal is None or not (principal.device or principal.may_write):
            return None
        return principal.device

    return identify


def tls_subject(scope: Mapping[str, Any]) -> str | None:
    """Return the subject of the client certificate that a request came with."""
    subject: str | None = scope.get("extensions", {}).get("tls", {}).get("client_cert_name")
    return subject


def authenticate_with(access: Access) -> Authenticate:
    """Know an MQTT client by the token that it gives as its password, or else by its client certificate."""

    def authenticate(_client: str, _user: str | None, password: bytes | None, subject: str | None) -> str | None:
        given = password.decode("utf-8", "replace") if password else None
        principal = access.of_token(given) if given else access.of_subject(subject)
        if principal is None or not (principal.device or principal.may_write):
            return None
        return principal.device

    return authenticate
