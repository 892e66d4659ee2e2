"""A server of sensing alone: ``python -m cityloop.app.sensing_server FOLDER``. For measuring, and for trying devices.

It prints one line of JSON with its ports and process once it listens, and counts on request at ``/ingest/counts``.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import json
import os
import resource
import socket
from collections.abc import Coroutine
from pathlib import Path
from typing import TYPE_CHECKING, cast

import uvicorn
from starlette.applications import Starlette

from cityloop.app.sensing import authenticate_with, identify_with, open_sensing, register_with
from cityloop.sensing.app import SensingService, sensing_app
from cityloop.sensing.inbox import Limits
from cityloop.sensing.sensorthings.routes import ROOT, sensorthings_routes
from cityloop.sensing.sensorthings.topics import SensorThingsTopics
from cityloop.storage.streams import Registration

if TYPE_CHECKING:
    from cityloop.sensing.app import AsgiApp

__all__ = ["raise_file_limit"]


def raise_file_limit() -> None:
    """Let this process hold as many connections as it is allowed to."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def main() -> None:
    """Serve until told to stop."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("folder", type=Path)
    options.add_argument("--port", type=int, default=0)
    options.add_argument("--mqtt-port", type=int, default=0)
    options.add_argument("--streams", type=int, default=0, help="register streams sensor-000000 and so on")
    options.add_argument("--control-streams", type=int, default=0, help="register streams control-000000 and so on")
    options.add_argument("--token", default="measuring")
    options.add_argument("--limit", type=float, default=None, help="readings taken a second")
    given = options.parse_args()
    raise_file_limit()
    limits = Limits(readings_per_s=given.limit)
    with open_sensing(given.folder, limits=limits, admin_token=given.token) as opened:
        wanted = _registrations(given.streams, given.control_streams) if given.streams else []
        missing = [registration for registration in wanted if opened.streams.row_of(registration.name) is None]
        if missing:
            opened.streams.register_many(missing)
            opened.inbox.known.refresh_if_grown()
        # What is there now stays: looking through it for garbage again and again would hold everybody up.
        gc.collect()
        gc.freeze()
        _run(_serve(opened, given.port, given.mqtt_port, given.token))


def _run(serving: Coroutine[None, None, None]) -> None:
    try:
        import uvloop
    except ImportError:
        # Not made for every system; the loop of the language does the same at a higher price.
        asyncio.run(serving)
        return
    uvloop.run(serving)


def _registrations(count: int, control: int) -> list[Registration]:
    from cityloop.kernel.readings import DataKind

    plain = [
        Registration(name=f"sensor-{row:06d}", unit="Cel", low=-50.0, high=60.0, interval_s=1.0) for row in range(count)
    ]
    return plain + [
        Registration(name=f"control-{row:06d}", unit="1", interval_s=1.0, kind=DataKind.CONTROL)
        for row in range(control)
    ]


async def _serve(opened: object, port: int, mqtt_port: int, token: str) -> None:
    from cityloop.app.sensing import OpenSensing

    assert isinstance(opened, OpenSensing)
    authenticate = authenticate_with(opened.access)

    def known(client: str, user: str | None, password: bytes | None, subject: str | None) -> str | None:
        # A fleet under measurement speaks for many devices with one token: each user is then a device.
        device = authenticate(client, user, password, subject)
        return user if device == "" and user else device

    identify = identify_with(opened.access)

    def sender(scope: object) -> str | None:
        assert isinstance(scope, dict)
        device = identify(scope)
        named = next((value.decode("latin-1") for name, value in scope["headers"] if name == b"x-device"), "")
        return named if device == "" else device

    topics = SensorThingsTopics(opened.things, base=ROOT)
    service = SensingService.over(
        opened.inbox,
        handlers=(topics,),
        identify=sender,
        authenticate=known,
        mqtt_port=mqtt_port,
        register=register_with(opened.streams),
        tokens=opened.tokens,
    )
    topics.attach(service.broker.publish, lambda run: service.broker.call_soon(run))
    routes = Starlette(
        routes=list(
            sensorthings_routes(opened.things, lambda http: opened.access.principal(http.headers.get("authorization")))
        )
    )
    mqtt = await service.listener.start()
    listening = socket.create_server(("127.0.0.1", port), backlog=2048)
    answer = sensing_app(service.ingest, cast("AsgiApp", routes))
    config = uvicorn.Config(
        answer,
        http=service.http,
        log_level="warning",
        access_log=False,
        lifespan="off",
        server_header=False,
        proxy_headers=False,
    )
    told = {"port": listening.getsockname()[1], "mqtt_port": mqtt, "pid": os.getpid(), "token": token}
    print(json.dumps(told), flush=True)
    try:
        await uvicorn.Server(config).serve(sockets=[listening])
    finally:
        await service.listener.close()


if __name__ == "__main__":
    main()
