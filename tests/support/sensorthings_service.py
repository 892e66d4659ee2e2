"""A SensorThings service on real storage in a temporary folder, and a client that speaks to it without a socket."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import pytest
from starlette.applications import Starlette

from cityloop.sensing.access import Access, DeviceTokens
from cityloop.sensing.inbox import Inbox
from cityloop.sensing.live import LiveState
from cityloop.sensing.sensorthings.routes import ROOT, sensorthings_routes
from cityloop.sensing.sensorthings.service import SensorThings
from cityloop.storage.device_tokens import DeviceTokenRows
from cityloop.storage.entities import Entities
from cityloop.storage.metadata import Metadata
from cityloop.storage.readings.store import ReadingsStore

ADMIN = "an-administrators-token"
BASE = f"http://city{ROOT}"
NOW_MS = 1_767_225_600_000
"""2026-01-01T00:00:00Z."""


class Clock:
    """A clock that moves on by itself, a millisecond a look, and further when it is told to."""

    def __init__(self) -> None:
        self.ms = NOW_MS

    def __call__(self) -> int:
        self.ms += 1
        return self.ms


@dataclass(slots=True)
class Service:
    """A running service and its parts."""

    folder: Path
    clock: Clock = field(default_factory=Clock)
    store: ReadingsStore = field(init=False)
    entities: Entities = field(init=False)
    inbox: Inbox = field(init=False)
    sensorthings: SensorThings = field(init=False)
    devices: DeviceTokens = field(init=False)
    app: Starlette = field(init=False)

    def __post_init__(self) -> None:
        self.open()

    def open(self) -> None:
        self.store = ReadingsStore(self.folder / "readings")
        metadata = Metadata(self.folder / "metadata.sqlite")
        self.entities = Entities(metadata, self.store, now_ms=self.clock)
        live = LiveState(len(self.entities.streams))
        self.inbox = Inbox(self.entities.readings, self.entities.streams, live, now_ms=self.clock)
        self.sensorthings = SensorThings(
            self.entities, self.inbox, now_ms=self.clock, mqtt_endpoints=["mqtt://city:1883"]
        )
        self.devices = DeviceTokens(DeviceTokenRows(metadata), self.clock)
        access = Access(self.devices, ADMIN)

        def authenticate(request: Any) -> Any:
            return access.principal(request.headers.get("authorization"))

        self.app = Starlette(routes=list(sensorthings_routes(self.sensorthings, authenticate)))

    def close(self) -> None:
        self.sensorthings.close()
        self.entities.close()
        self.store.close()

    def reopen(self) -> None:
        self.close()
        self.open()


class Client:
    """Speaks HTTP to the application, as the administrator unless another token is given."""

    def __init__(self, service: Service) -> None:
        self.service = service
        self.loop = asyncio.new_event_loop()

    def send(self, verb: str, path: str, *, token: str | None = ADMIN, **more: Any) -> httpx.Response:
        async def one() -> httpx.Response:
            transport = httpx.ASGITransport(app=self.service.app)
            headers = more.pop("headers", {})
            if token is not None:
                headers = {"authorization": f"Bearer {token}", **headers}
            async with httpx.AsyncClient(transport=transport, timeout=60) as client:
                url = path if path.startswith("http") else f"{BASE}/{path}" if path else BASE
                return await client.request(verb, url, headers=headers, **more)

        return self.loop.run_until_complete(one())

    def get(self, path: str, status: int = 200, **more: Any) -> Any:
        response = self.send("GET", path, **more)
        assert response.status_code == status, response.text
        is_json = response.headers.get("content-type", "").startswith("application/json")
        return response.json() if is_json else response.text

    def names(self, path: str) -> list[str]:
        return [entity["name"] for entity in self.get(path)["value"]]

    def post(self, path: str, body: Any, status: int = 201, **more: Any) -> httpx.Response:
        response = self.send("POST", path, json=body, **more)
        assert response.status_code == status, response.text
        return response

    def create(self, path: str, body: Any, **more: Any) -> Any:
        """POST, and return the id."""
        location = self.post(path, body, **more).headers["location"]
        return self.get(location)["@iot.id"]

    def error(self, verb: str, path: str, status: int, **more: Any) -> str:
        response = self.send(verb, path, **more)
        assert response.status_code == status, response.text
        told = response.json()
        assert told["code"] == status
        assert told["error"]["message"] == told["message"]
        return str(told["message"])


@pytest.fixture
def service(tmp_path: Path) -> Iterator[Service]:
    running = Service(tmp_path)
    yield running
    running.close()


@pytest.fixture
def client(service: Service) -> Iterator[Client]:
    speaking = Client(service)
    yield speaking
    speaking.loop.close()


SENSOR = {"name": "gauge", "description": "a gauge", "encodingType": "text/html", "metadata": "http://example.org/g"}
PROPERTY = {"name": "level", "definition": "http://example.org/level", "description": "how full"}
UNIT = {"name": "percent", "symbol": "%", "definition": "ucum:%"}
MEASUREMENT = "http://www.opengis.net/def/observationType/OGC-OM/2.0/OM_Measurement"
PLACE = {
    "name": "corner",
    "description": "a street corner",
    "encodingType": "application/geo+json",
    "location": {"type": "Point", "coordinates": [13.5, 52.4]},
}


def a_datastream(name: str = "fill", **more: Any) -> dict[str, Any]:
    return {
        "name": name,
        "description": "fill of a bin",
        "observationType": MEASUREMENT,
        "unitOfMeasurement": UNIT,
        "Sensor": SENSOR,
        "ObservedProperty": PROPERTY,
        **more,
    }


def a_thing(name: str = "bin", **more: Any) -> dict[str, Any]:
    return {"name": name, "description": "a bin", **more}


@pytest.fixture
def bin_stream(client: Client) -> int:
    """A Datastream of a Thing at a Location."""
    thing = client.create("Things", a_thing(Locations=[PLACE], Datastreams=[a_datastream()]))
    return int(client.get(f"Things({thing})/Datastreams")["value"][0]["@iot.id"])


@pytest.fixture
def observe(client: Client) -> Callable[..., str]:
    """Create an Observation and return its id."""

    def create(stream: int, time: str, result: Any, **more: Any) -> str:
        body = {"phenomenonTime": time, "result": result, **more}
        return str(client.create(f"Datastreams({stream})/Observations", body))

    return create
