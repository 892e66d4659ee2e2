"""Sensing's edges for a live city without a page: MQTT, ``/ingest`` and ``/field``, on a thread of their own."""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import uvicorn

from cityloop.app.live_link import InboxLink, register_field
from cityloop.app.sensing import OpenSensing, authenticate_with, identify_with, open_sensing, register_with
from cityloop.cities.live.folder import LiveCase
from cityloop.kernel.errors import CityError, ConfigError
from cityloop.sensing.app import SensingService, sensing_app
from cityloop.sensing.field import FieldHub
from cityloop.sensing.http import Receive, Scope, Send
from cityloop.sensing.mqtt.listener import ListenerParams

__all__ = ["Edges", "SensingThread", "device_token"]

_PATIENCE_S = 120.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Edges:
    """Where the edges listen; port 0 is any."""

    host: str = "127.0.0.1"
    port: int = 0
    mqtt_port: int = 0


def device_token(opened: OpenSensing, folder: Path, device: str) -> Path:
    """Return the file of a device's token; a new one is issued where none lies there that still opens anything."""
    path = folder / f"{device}.token"
    if path.is_file():
        path.chmod(0o600)
        if opened.tokens.device_of(path.read_text(encoding="ascii").strip()) == device:
            return path
    token = opened.tokens.issue(device)
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    try:
        os.write(handle, token.encode() + b"\n")
        os.fsync(handle)
    finally:
        os.close(handle)
    return path


class SensingThread:
    """Owns the edges, the inbox behind them and the store; a context manager.

    Parameters
    ----------
    folder
        Where the store, the metadata and the field's token lie.
    """

    def __init__(self, case: LiveCase, folder: Path, edges: Edges, admin_token: str = "") -> None:
        self._case, self._folder, self._edges, self._admin = case, folder, edges, admin_token
        self.port = self.mqtt_port = 0
        self.token_file = folder / f"{case.toml.device}.token"
        self._link: InboxLink | None = None
        self._ready = threading.Event()
        self._failure: BaseException | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._stop: asyncio.Event | None = None
        self._thread = threading.Thread(target=self._main, name="sensing")

    @property
    def link(self) -> InboxLink:
        """The live city's ear and voice."""
        assert self._link is not None
        return self._link

    def __enter__(self) -> SensingThread:
        self._thread.start()
        if not self._ready.wait(_PATIENCE_S):
            raise CityError("the sensing edges did not start")
        if self._failure is not None:
            self._thread.join()
            raise self._failure
        return self

    def __exit__(self, *_: object) -> None:
        if self._loop is not None and self._stop is not None:
            with contextlib.suppress(RuntimeError):
                self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join()

    def _main(self) -> None:
        try:
            asyncio.run(self._serve())
        except BaseException as error:  # told to whoever waits, on its own thread
            self._failure = error
        self._ready.set()

    async def _serve(self) -> None:
        clock, device = self._case.clock(), self._case.toml.device
        with open_sensing(self._folder, admin_token=self._admin, now_ms=clock.now_ms) as opened:
            self.token_file = device_token(opened, self._folder, device)
            rows = register_field(opened.streams, self._case.document, device)
            identify = identify_with(opened.access)
            service = SensingService.over(
                opened.inbox,
                identify=identify,
                authenticate=authenticate_with(opened.access),
                register=register_with(opened.streams),
                host=self._edges.host,
                mqtt_port=self._edges.mqtt_port,
                listener=ListenerParams(sweep_s=0.005),
            )
            hub = FieldHub(service.broker, identify=identify)
            self._loop, self._stop = asyncio.get_running_loop(), asyncio.Event()
            hub.start(self._loop)
            self._link = InboxLink(opened.inbox, hub, device, rows, self._case.document.layout.streams)
            with self._listen() as listening:
                try:
                    self.mqtt_port = await service.listener.start()
                except OSError as error:
                    raise ConfigError(f"--mqtt-port {self._edges.mqtt_port}: {error.strerror}; give another") from error
                self.port = int(listening.getsockname()[1])
                answer = _with_field(hub, service)
                config = uvicorn.Config(answer, log_level="warning", access_log=False, lifespan="off", ws="none")
                server = uvicorn.Server(config)
                # Off the main thread it leaves the process's signals alone.
                serving = asyncio.create_task(server.serve(sockets=[listening]))
                self._ready.set()
                await self._stop.wait()
                server.should_exit = True
                await serving
                await service.listener.close()

    def _listen(self) -> socket.socket:
        family = socket.AF_INET6 if ":" in self._edges.host else socket.AF_INET
        try:
            return socket.create_server((self._edges.host, self._edges.port), family=family, backlog=512)
        except OSError as error:
            raise ConfigError(f"--port {self._edges.port}: {error.strerror}; give another") from error


def _with_field(hub: FieldHub, service: SensingService) -> Callable[..., Any]:
    beside = sensing_app(service.ingest)

    async def answer(scope: Scope, receive: Receive, send: Send) -> None:
        if scope.get("path", "").startswith("/field"):
            await hub(scope, receive, send)
        else:
            await beside(scope, receive, send)  # type: ignore[misc]  # an ASGI application, typed as any callable

    return answer
