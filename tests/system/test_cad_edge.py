"""A call from another system in a served city: taken down over HTTP and MQTT, listed, and an ambulance sent to it."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import paho.mqtt.client as mqtt
import pytest
from serving import wait_for

TOKEN = "a-token-of-the-administrator"
_PATIENCE_S = 480.0
_ROAD = {"x_m": 1270.0, "y_m": 858.0}


class City:
    """A served city, and how to ask it."""

    def __init__(self, data: Path) -> None:
        self.data = data
        self.port, self.mqtt_port = (_free_port() for _ in range(2))
        where = ["--port", str(self.port), "--mqtt-port", str(self.mqtt_port), "--data", str(data), "--rung", "live"]
        self.process = subprocess.Popen(
            [sys.executable, "-m", "cityloop", "serve", "adlershof", *where],
            env={**os.environ, "CITYLOOP_TOKEN": TOKEN},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def ask(self, path: str, body: bytes | None = None) -> Any:
        """Return what the API answers."""
        headers = {"Authorization": f"Bearer {TOKEN}"}
        request = urllib.request.Request(f"http://127.0.0.1:{self.port}{path}", body, headers)
        with urllib.request.urlopen(request, timeout=60) as answer:
            return json.loads(answer.read())

    def wait(self, what: Any) -> Any:
        """Ask until the answer is there."""
        return wait_for(what, self.process, _PATIENCE_S)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.fixture(scope="module")
def city(tmp_path_factory: pytest.TempPathFactory) -> Iterator[City]:
    """The built-in city, live, with both ways in."""
    made = City(tmp_path_factory.mktemp("cad") / "room")
    made.wait(lambda: made.ask("/api/v1/city")["running"])
    yield made
    made.process.terminate()
    try:
        made.process.communicate(timeout=60)
    except subprocess.TimeoutExpired:
        made.process.kill()
        made.process.communicate()


def _unit_of(city: City, number: int) -> Any:
    listed = city.ask(f"/api/v1/cad/calls/{number}")["listed"]
    return listed if listed is not None and (listed["unit"] or 0) >= 0 and listed["status"] >= 2 else None


@pytest.mark.timeout(1200)  # on a machine that others load too, a start takes its time
def test_an_ambulance_is_sent_to_a_call_that_came_over_http(city: City) -> None:
    """It is numbered and placed at once, on the centre's list within seconds, and has a unit soon after."""
    call = {"incident": "tel-1", "priority": 1, "place": _ROAD, "note": "by telephone"}
    taken = city.ask("/api/v1/cad/calls", json.dumps(call).encode())
    assert (taken["taken"], taken["faults"]) == (True, [])
    listed = city.wait(lambda: _unit_of(city, taken["number"]))
    assert listed["eta_ms"] > 0 or listed["status"] == 3
    assert any(one["call"] == taken["number"] for one in city.ask("/api/v1/cad/recommendations")["calls"]) or (
        listed["status"] == 3
    )


@pytest.mark.timeout(1200)
def test_the_same_goes_over_mqtt(city: City) -> None:
    """With the edge's own token: answers come back in order, and who could go is told without asking."""
    token = (city.data / "sensing" / "cad.token").read_text(encoding="ascii").strip()
    heard: dict[str, list[Any]] = {"answers": [], "recommendations": []}
    client = mqtt.Client(mqtt.CallbackAPIVersion.VERSION2, client_id="a-dispatch-system")
    client.username_pw_set("cad", token)
    client.on_message = lambda _c, _u, message: heard[message.topic.rpartition("/")[2]].append(
        json.loads(message.payload)
    )
    client.connect("127.0.0.1", city.mqtt_port)
    client.loop_start()
    try:
        subscribed: list[Any] = []
        client.on_subscribe = lambda *_: subscribed.append(1)
        client.subscribe([(f"devices/cad/{what}", 1) for what in heard])
        city.wait(lambda: subscribed)
        call = {"incident": "system-1", "priority": 1, "place": _ROAD}
        for body in (json.dumps(call).encode(), b"{", json.dumps({"incident": "system-2"}).encode()):
            client.publish("devices/cad/calls", body, qos=1)
        city.wait(lambda: len(heard["answers"]) == 3)
        first, second, third = heard["answers"]
        assert (first["incident"], first["faults"]) == ("system-1", [])
        assert (second["taken"], second["error"][:14]) == (False, "call: not JSON")
        assert [fault["code"] for fault in third["faults"]] == ["NO_PRIORITY", "NO_PLACE"]
        city.wait(
            lambda: any(one["call"] == first["number"] for told in heard["recommendations"] for one in told["calls"])
        )
    finally:
        client.loop_stop()
        client.disconnect()
    # Whoever needs a person is set aside by name, and not lost.
    item = city.wait(lambda: city.ask(f"/api/v1/cad/calls/{third['number']}")["listed"])
    assert item["fault"] > 0


@pytest.mark.timeout(1200)
def test_another_devices_token_hears_nothing_of_calls(city: City) -> None:
    """Topics of the edge are its device's own; the page's token is no way round the audit either."""
    with pytest.raises(urllib.error.HTTPError):
        urllib.request.urlopen(f"http://127.0.0.1:{city.port}/api/v1/cad/calls", timeout=60)
    acts = {one["act"] for one in city.ask("/api/v1/audit?limit=200")["items"]}
    assert {"cad.take", "emergency.read"} <= acts
