"""Sensing on loopback sockets, and paho as a client of it."""

from __future__ import annotations

import asyncio
import socket
import ssl
import threading
import time
from pathlib import Path

import httpx
import numpy as np
import paho.mqtt.client as mqtt
import uvicorn

from cityloop.app.sensing import authenticate_with, identify_with, open_sensing, register_with
from cityloop.kernel.readings import DataKind
from cityloop.sensing.app import SensingService, sensing_app
from cityloop.sensing.inbox import Limits
from cityloop.sensing.mqtt.listener import ListenerParams
from cityloop.storage.readings import StoreParams
from cityloop.storage.streams import Registration

__all__ = ["ADMIN", "VERSIONS", "Client", "Server", "until"]

ADMIN = "the administrator's token"
VERSIONS = [mqtt.MQTTv311, mqtt.MQTTv5]


class Server:
    """Sensing on loopback sockets, on a thread of its own."""

    def __init__(self, folder: Path, limits: Limits | None = None, tls: dict[str, str] | None = None) -> None:
        self._folder, self._limits, self._tls = folder, limits, tls
        self._ready, self._stop = threading.Event(), asyncio.Event()
        self.thread = threading.Thread(target=lambda: asyncio.run(self._run()))

    async def _run(self) -> None:
        store = StoreParams(background=False)
        with open_sensing(self._folder, limits=self._limits, store=store, admin_token=ADMIN) as self.opened:
            streams = self.opened.streams
            streams.register_many(
                [Registration(name=f"s{row}", unit="Cel", low=-50.0, high=60.0, device="box") for row in range(5)]
                + [Registration(name="other", unit="Cel", device="another")]
                + [Registration(name="stage", unit="1", device="box", kind=DataKind.CONTROL)]
            )
            self.token = self.opened.tokens.issue("box")
            self.service = SensingService.over(
                self.opened.inbox,
                identify=identify_with(self.opened.access),
                authenticate=authenticate_with(self.opened.access),
                register=register_with(streams),
                tokens=self.opened.tokens,
                mqtt_port=0,
                tls=self._context(),
                listener=ListenerParams(connect_s=1.0, changes_s=0.02),
            )
            self.mqtt_port = await self.service.listener.start()
            listening = socket.create_server(("127.0.0.1", 0))
            self.url = f"http://127.0.0.1:{listening.getsockname()[1]}"
            config = uvicorn.Config(
                sensing_app(self.service.ingest), http=self.service.http, log_level="error", lifespan="off", ws="none",
                **({f"ssl_{name}": path for name, path in self._tls.items()} if self._tls else {}),
                ssl_cert_reqs=ssl.CERT_OPTIONAL,
            )  # fmt: skip
            server = uvicorn.Server(config)
            serving = asyncio.create_task(server.serve(sockets=[listening]))
            self._loop = asyncio.get_running_loop()
            self._ready.set()
            await self._stop.wait()
            server.should_exit = True
            await serving
            await self.service.listener.close()

    def _context(self) -> ssl.SSLContext | None:
        if self._tls is None:
            return None
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile=self._tls["ca_certs"])
        context.load_cert_chain(self._tls["certfile"], self._tls["keyfile"])
        context.verify_mode = ssl.CERT_OPTIONAL
        return context

    def __enter__(self) -> Server:
        self.thread.start()
        assert self._ready.wait(120)
        return self

    def __exit__(self, *_: object) -> None:
        self._loop.call_soon_threadsafe(self._stop.set)
        self.thread.join(30)

    def value(self, name: str) -> float:
        return float(self.opened.live.value[self.opened.streams.row_of(name)])

    def history(self, name: str) -> list[float]:
        row = np.array([self.opened.streams.row_of(name)], np.int32)
        return self.opened.readings.history(row, 0, 2**62).value.tolist()

    def http(self, token: str | None = None) -> httpx.Client:
        return httpx.Client(base_url=self.url, headers={"Authorization": f"Bearer {token or self.token}"}, timeout=30)


class Client:
    """paho, with what it heard."""

    def __init__(self, server: Server, version: int = mqtt.MQTTv311, name: str = "", token: str | None = None) -> None:
        self.heard: list[mqtt.MQTTMessage] = []
        self.acks: list[int] = []
        self.left: list[object] = []
        self.paho = mqtt.Client(mqtt.CallbackAPIVersion.VERSION2, client_id=name, protocol=version)
        self.paho.username_pw_set("box", token or server.token)
        self.paho.on_message = lambda _c, _u, message: self.heard.append(message)
        self.whys: list[str] = []
        self.paho.on_publish = self._acknowledged
        self.paho.on_disconnect = lambda _c, _u, _f, reason, _p: self.left.append(reason)
        self.connected: list[object] = []
        self.paho.on_connect = lambda _c, _u, _f, reason, _p: self.connected.append(reason)
        self.subscribed: list[int] = []
        self.paho.on_subscribe = lambda _c, _u, _m, reasons, _p: self.subscribed.extend(r.value for r in reasons)
        self._port = server.mqtt_port

    def _acknowledged(self, _client, _user, _mid, reason, properties) -> None:
        self.whys.append(getattr(properties, "ReasonString", ""))
        self.acks.append(reason.value)

    def __enter__(self) -> Client:
        self.paho.connect("127.0.0.1", self._port, keepalive=30)
        self.paho.loop_start()
        until(lambda: self.connected)
        return self

    def __exit__(self, *_: object) -> None:
        self.paho.disconnect()
        self.paho.loop_stop()

    def publish(self, topic: str, payload: str | bytes, qos: int = 1, **more: object) -> int:
        """Publish and return the reason of the acknowledgement."""
        before = len(self.acks)
        self.paho.publish(topic, payload, qos=qos, **more)
        until(lambda: len(self.acks) > before)
        return self.acks[-1]


def until(holds, patience_s: float = 20.0) -> None:
    deadline = time.monotonic() + patience_s
    while not holds():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.005)
