"""Where devices speak: SensorThings and the fast lanes beside the API, on the same port."""

from __future__ import annotations

import asyncio
import ssl
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, cast

from starlette.applications import Starlette
from starlette.requests import HTTPConnection

from cityloop.app.sensing import authenticate_with, identify_with, register_with, wall_ms
from cityloop.engine.compiled import keep_compiled_apart
from cityloop.kernel.columns import U8
from cityloop.sensing.access import Access, DeviceTokens, Principal
from cityloop.sensing.app import SensingService, sensing_app, watch_neighbours
from cityloop.sensing.inbox import Inbox
from cityloop.sensing.live import LiveState
from cityloop.sensing.sensorthings.routes import ROOT, sensorthings_routes
from cityloop.sensing.sensorthings.service import SensorThings
from cityloop.sensing.sensorthings.topics import SensorThingsTopics
from cityloop.storage.dead_letters import SqliteDeadLetters
from cityloop.storage.device_tokens import DeviceTokenRows
from cityloop.storage.entities import Entities
from cityloop.storage.metadata import Metadata
from cityloop.storage.readings import DEFAULT_RETENTION, ReadingsStore
from cityloop.web.policy import ENGINEER, OPERATOR, VIEWER
from cityloop.web.ports import Desk

if TYPE_CHECKING:
    from starlette.types import ASGIApp

    from cityloop.sensing.app import AsgiApp

__all__ = ["mount_sensing"]

_READERS = frozenset({VIEWER, OPERATOR, ENGINEER})


def mount_sensing(
    desk: Desk, data: Path, token: str, mqtt_port: int | None, host: str, tls: ssl.SSLContext | None, closing: ExitStack
) -> None:
    """Mount the sensing rooms' application; what they own is closed with the server."""
    keep_compiled_apart()
    folder = data / "sensing"
    folder.mkdir(parents=True, exist_ok=True)
    metadata = Metadata(folder / "metadata.sqlite")

    def kinds() -> U8:
        # The store asks what a stream's readings are of; the table that knows stands upon the store.
        return entities.streams.columns().kind

    readings = ReadingsStore(folder / "readings", kinds=kinds, retention=DEFAULT_RETENTION)
    closing.callback(readings.close)
    entities = Entities(metadata, readings, now_ms=wall_ms)
    closing.callback(entities.close)
    letters = SqliteDeadLetters(folder / "dead_letters.sqlite")
    closing.callback(letters.close)
    live = LiveState(len(entities.streams))
    live.update(readings.latest())
    inbox = Inbox(entities.readings, entities.streams, live, now_ms=wall_ms, dead_letters=letters)
    access = Access(DeviceTokens(DeviceTokenRows(metadata), wall_ms), token)
    endpoints = [] if mqtt_port is None else [f"mqtt{'s' if tls else ''}://{host}:{mqtt_port}"]
    things = SensorThings(entities, inbox, now_ms=wall_ms, mqtt_endpoints=endpoints)
    closing.callback(things.close)

    def authenticate(http: HTTPConnection) -> Principal | None:
        """Know devices and the administrator by token; a signed-in browser may look, and change nothing."""
        given = http.headers.get("authorization")
        if given:
            return access.principal(given)
        person = desk.gate.principal(http)
        allowed = person is not None and not _READERS.isdisjoint(person.roles)
        return Principal(name=person.name) if person is not None and allowed else None

    topics = SensorThingsTopics(things, base=ROOT)
    service = SensingService.over(
        inbox,
        handlers=(topics,),
        register=register_with(entities.streams),
        identify=identify_with(access),
        authenticate=authenticate_with(access),
        host=host,
        mqtt_port=mqtt_port or 0,
        tls=tls,
    )
    topics.attach(service.broker.publish, lambda run: service.broker.call_soon(run))
    routes = Starlette(routes=list(sensorthings_routes(things, authenticate)))
    beside = cast("ASGIApp", sensing_app(service.ingest, cast("AsgiApp", routes)))
    desk.beside = {"/sta": beside, "/ingest": beside}
    tasks: list[asyncio.Task[None]] = []

    async def begin() -> None:
        tasks.append(asyncio.create_task(watch_neighbours(inbox)))
        if mqtt_port is not None:
            await service.listener.start()

    async def end() -> None:
        for task in tasks:
            task.cancel()
        if mqtt_port is not None:
            await service.listener.close()

    desk.startup = [*desk.startup, begin]
    desk.shutdown = [*desk.shutdown, end]
