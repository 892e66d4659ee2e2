"""A broker that others wrote, and what comes through it: readings in, leases out, receipts in."""

from __future__ import annotations

import asyncio
import os
import shutil
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import paho.mqtt.client as mqtt
import pytest

from cityloop.app.sensing import authenticate_with, identify_with, open_sensing
from cityloop.kernel.errors import ConfigError
from cityloop.kernel.messages import Receipt, ReceiptStatus
from cityloop.sensing.app import SensingService
from cityloop.sensing.field import FieldHub, FieldTopics
from cityloop.sensing.mqtt.bridge import Bridge, BridgeParams, keep_bridged
from cityloop.storage.readings import StoreParams
from cityloop.storage.streams import Registration
from cityloop.wire.field import encode_receipts

MOSQUITTO = os.environ.get("CITYLOOP_MOSQUITTO") or shutil.which("mosquitto") or shutil.which("/usr/sbin/mosquitto")
needs_mosquitto = pytest.mark.skipif(
    MOSQUITTO is None,
    reason="needs Mosquitto: install it (apt install mosquitto), or name its program in CITYLOOP_MOSQUITTO",
)


class Broker:
    """Mosquitto on a port of loopback."""

    def __init__(self, folder: Path) -> None:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        self._config = folder / "mosquitto.conf"
        self._config.write_text(f"listener {self.port} 127.0.0.1\nallow_anonymous true\npersistence false\n")

    def start(self) -> None:
        assert MOSQUITTO is not None
        self.process = subprocess.Popen([MOSQUITTO, "-c", str(self._config)], stderr=subprocess.DEVNULL)

    def stop(self) -> None:
        self.process.terminate()
        self.process.wait(30)


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[Broker]:
    made = Broker(tmp_path)
    yield made
    if made.process.poll() is None:
        made.stop()


async def _until(holds: Callable[[], bool], patience_s: float = 60.0) -> None:
    deadline = time.monotonic() + patience_s
    while not holds():
        assert time.monotonic() < deadline, "waited in vain"
        await asyncio.sleep(0.02)


@needs_mosquitto
@pytest.mark.parametrize("version", ["4", "5"])
def test_readings_and_a_fields_word_come_through_mosquitto(tmp_path: Path, broker: Broker, version: str) -> None:
    """A broker that comes late is waited for; its readings are stored, leases go out and receipts come in by it."""
    url = f"mqtt://127.0.0.1:{broker.port}/town?version={version}"
    receipt = Receipt(domain="signals", target=0, sequence=1, status=ReceiptStatus.ACCEPTED, at_ms=1)
    heard: list[object] = []
    leases: list[bytes] = []

    async def run() -> list[float]:
        with open_sensing(tmp_path / "data", store=StoreParams(background=False)) as opened:
            (row,) = opened.streams.register_many([Registration(name="s0", unit="Cel")])
            service = SensingService.over(
                opened.inbox,
                identify=identify_with(opened.access),
                authenticate=authenticate_with(opened.access),
            )
            hub = FieldHub(service.broker, identify=identify_with(opened.access))
            hub.start(asyncio.get_running_loop())
            hub.lead("box", heard.append)
            bridge = Bridge(BridgeParams.of_url(url), opened.inbox, (*service.handlers, FieldTopics(hub)))
            hub.publish_beyond(bridge.publish)
            bridging = asyncio.create_task(keep_bridged(bridge))
            await asyncio.sleep(0.2)
            assert not bridging.done()
            broker.start()
            await bridging
            paho = mqtt.Client(mqtt.CallbackAPIVersion.VERSION2)
            subscribed: list[object] = []
            paho.on_subscribe = lambda *_: subscribed.append(1)
            paho.on_message = lambda _c, _u, message: leases.append(message.payload)
            paho.connect("127.0.0.1", broker.port)
            paho.loop_start()
            paho.subscribe("town/devices/box/leases", qos=1)
            await _until(lambda: bool(subscribed))
            paho.publish("town/readings/s0", "21.5", qos=1)
            paho.publish("town/devices/box/receipts", encode_receipts([(7, receipt)]), qos=1)
            hub.send("box", b'{"leases":[]}')
            rows = np.array([row], np.int32)
            await _until(lambda: bool(heard and leases) and len(opened.readings.history(rows, 0, 2**62)) == 1)
            paho.disconnect()
            paho.loop_stop()
            await bridge.close()
            return opened.readings.history(rows, 0, 2**62).value.tolist()

    assert asyncio.run(run()) == [21.5]
    assert heard == [[(7, receipt)]]
    assert leases == [b'{"leases":[]}']


def test_an_address_says_which_broker_and_what_of_it() -> None:
    """Host, port, user, prefix and query; the rest is as usual."""
    plain = BridgeParams.of_url("mqtt://broker.example")
    assert (plain.host, plain.port, plain.tls, plain.strip, plain.version) == ("broker.example", 1883, False, "", 5)
    given = BridgeParams.of_url(
        "mqtts://anna:p%40ss@b:9000/city/east?topic=a/%23&topic=b&device=box&version=4&client=c"
    )
    assert (given.user, given.password, given.port, given.tls) == ("anna", "p@ss", 9000, True)
    assert (given.strip, given.topics, given.device) == ("city/east/", ("a/#", "b"), "box")
    assert (given.version, given.client_id) == (4, "c")


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("http://broker", "give mqtt://"),
        ("mqtt://", "give mqtt://"),
        ("mqtt://b:99999", "Port out of range"),
        ("mqtt://b?colour=red", "only client, device, topic, version"),
        ("mqtt://b?version=3", "version is '3'"),
        ("mqtt://b?topic=a/%23/b", "no topic filter"),
    ],
)
def test_an_address_that_makes_no_sense_is_refused(url: str, said: str) -> None:
    """In one line that never shows the password."""
    with pytest.raises(ConfigError, match=said):
        BridgeParams.of_url(url)
    with pytest.raises(ConfigError) as caught:
        BridgeParams.of_url("http://anna:secret@broker")
    assert "secret" not in str(caught.value)
