"""Where devices speak: SensorThings and the fast lanes beside the API, on the same port."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, cast

from starlette.applications import Starlette
from starlette.requests import HTTPConnection

from cityloop.app import cad_link
from cityloop.app.city_source import CitySource
from cityloop.app.live_sensing import device_token
from cityloop.app.live_source import LiveSource
from cityloop.app.sensing import authenticate_with, identify_with, open_sensing, register_with, tls_subject, wall_ms
from cityloop.sensing.access import Principal
from cityloop.sensing.app import SensingService, sensing_app, watch_neighbours
from cityloop.sensing.field import FieldHub, FieldTopics
from cityloop.sensing.mqtt.bridge import Bridge, BridgeParams, keep_bridged
from cityloop.sensing.pack_protocol import PackProtocol
from cityloop.sensing.sensorthings.routes import ROOT, sensorthings_routes
from cityloop.sensing.sensorthings.topics import SensorThingsTopics
from cityloop.web.policy import ENGINEER, OPERATOR, VIEWER
from cityloop.web.ports import Desk

if TYPE_CHECKING:
    from starlette.types import ASGIApp

    from cityloop.sensing.app import AsgiApp

__all__ = ["mount_sensing"]

_READERS = frozenset({VIEWER, OPERATOR, ENGINEER})


def mount_sensing(
    desk: Desk,
    data: Path,
    token: str,
    mqtt_port: int | None,
    host: str,
    tls: ssl.SSLContext | None,
    closing: ExitStack,
    *,
    source: CitySource | None = None,
    bridges: Sequence[BridgeParams] = (),
) -> type[PackProtocol]:
    """Mount the sensing rooms' application and return the protocol to serve it by.

    What the rooms own is closed with the server.

    Parameters
    ----------
    source
        What runs the city; a live one is led through the edges here.
    bridges
        Brokers of others whose messages come in as if they were published here.
    """
    live = source if isinstance(source, LiveSource) else None
    endpoints = [] if mqtt_port is None else [f"mqtt{'s' if tls else ''}://{host}:{mqtt_port}"]
    now_ms = wall_ms if live is None else live.case.clock().now_ms
    opened = closing.enter_context(
        open_sensing(data / "sensing", admin_token=token, mqtt_endpoints=endpoints, now_ms=now_ms)
    )
    access, inbox, things = opened.access, opened.inbox, opened.things

    def authenticate(http: HTTPConnection) -> Principal | None:
        """Know devices and the administrator by token; a signed-in browser may look, and change nothing."""
        given = http.headers.get("authorization")
        if given:
            return access.principal(given)
        if (of_certificate := access.of_subject(tls_subject(http.scope))) is not None:
            return of_certificate
        person = desk.gate.principal(http)
        allowed = person is not None and not _READERS.isdisjoint(person.roles)
        return Principal(name=person.name) if person is not None and allowed else None

    topics = SensorThingsTopics(things, base=ROOT)
    service = SensingService.over(
        inbox,
        handlers=(topics,),
        register=register_with(opened.streams),
        tokens=opened.tokens,
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
    cad: cad_link.CadLink | None = None
    if desk.calls is not None:
        device_token(opened, data / "sensing", cad_link.DEVICE)
        cad = cad_link.CadLink(desk, service.broker)
    hub: FieldHub | None = None
    if live is not None:
        hub = FieldHub(service.broker, identify=identify_with(access))
        live.join(opened, hub, data / "sensing")
        desk.beside = {**desk.beside, "/field": cast("ASGIApp", hub)}
    # A bridge reads what the listener reads, SensorThings' topics apart: those are for our own clients.
    fields = [] if hub is None else [FieldTopics(hub)]
    joined = [Bridge(params, inbox, (*service.handlers, *fields)) for params in bridges]
    if hub is not None:
        for bridge in joined:
            hub.publish_beyond(bridge.publish)
    tasks: list[asyncio.Task[None]] = []

    async def begin() -> None:
        tasks.append(asyncio.create_task(watch_neighbours(inbox)))
        if hub is not None:
            hub.start(asyncio.get_running_loop())
        tasks.extend(asyncio.create_task(keep_bridged(bridge)) for bridge in joined)
        if cad is not None:
            tasks.extend(asyncio.create_task(one) for one in (cad.take(), cad.tell()))
        if mqtt_port is not None:
            await service.listener.start()

    async def end() -> None:
        for task in tasks:
            task.cancel()
        for bridge in joined:
            await bridge.close()
        if mqtt_port is not None:
            await service.listener.close()

    # Before the city begins: a live one speaks through the edges from its first step.
    desk.startup = [begin, *desk.startup]
    desk.shutdown = [*desk.shutdown, end]
    return service.http
