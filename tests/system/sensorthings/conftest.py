"""A whole service on loopback: HTTP by uvicorn, MQTT by the listener, in a thread of its own."""

from __future__ import annotations

import asyncio
import socket
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import uvicorn

sys.path.insert(0, str(Path(__file__).parents[2] / "support"))

from sensorthings_service import ADMIN, Service

from cityloop.sensing.access import Access
from cityloop.sensing.app import SensingService
from cityloop.sensing.sensorthings.topics import SensorThingsTopics


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class Running:
    """Where the service is to be reached."""

    def __init__(self, folder: Path) -> None:
        self.service = Service(folder)
        self.port, self.mqtt_port = free_port(), free_port()
        self.url = f"http://127.0.0.1:{self.port}/sta/v1.1"
        self.headers = {"authorization": f"Bearer {ADMIN}"}
        access = Access(self.service.devices, ADMIN)

        def by_password(_client: str, _user: str | None, password: bytes | None, _subject: str | None) -> str | None:
            principal = access.of_token(password.decode()) if password else None
            return None if principal is None else principal.device

        topics = SensorThingsTopics(self.service.sensorthings, base=self.url)
        self.sensing = SensingService.over(
            self.service.inbox,
            identify=lambda scope: None,
            authenticate=by_password,
            handlers=(topics,),
            mqtt_port=self.mqtt_port,
        )
        topics.attach(self.sensing.broker.publish, lambda run: self.sensing.broker.call_soon(run))
        config = uvicorn.Config(self.service.app, port=self.port, log_level="warning", lifespan="off")
        self.server = uvicorn.Server(config)
        self.started = threading.Event()
        self.thread = threading.Thread(target=lambda: asyncio.run(self._run()), daemon=True)
        self.thread.start()
        assert self.started.wait(60)

    async def _run(self) -> None:
        await self.sensing.listener.start()
        serving = asyncio.create_task(self.server.serve())
        while not self.server.started:  # noqa: ASYNC110 - uvicorn offers nothing to wait for
            await asyncio.sleep(0.01)
        self.started.set()
        await serving
        await self.sensing.listener.close()

    def close(self) -> None:
        self.server.should_exit = True
        self.thread.join(30)
        self.service.close()


@pytest.fixture
def running(tmp_path: Path) -> Iterator[Any]:
    service = Running(tmp_path)
    yield service
    service.close()
