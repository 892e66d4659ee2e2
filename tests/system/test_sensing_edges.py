"""Real clients against a real server of sensing: paho over MQTT, httpx over HTTP, the simulator over both."""

from __future__ import annotations

import asyncio
import json
import socket
import ssl
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from itertools import count
from pathlib import Path

import httpx
import numpy as np
import paho.mqtt.client as mqtt
import pytest
import uvicorn
from click.testing import CliRunner
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

from cityloop.app.sensing import authenticate_with, identify_with, open_sensing, register_with
from cityloop.cli.simulate_sensors import command
from cityloop.kernel.readings import DataKind
from cityloop.sensing.app import SensingService, sensing_app
from cityloop.sensing.inbox import Limits
from cityloop.sensing.mqtt.bridge import Bridge, BridgeParams
from cityloop.sensing.mqtt.listener import ListenerParams
from cityloop.sensing.mqtt.sockets import FAILED, receive_each, send_each
from cityloop.sensing.mqtt.topics import ReadingTopics
from cityloop.storage.readings import StoreParams
from cityloop.storage.streams import Registration
from cityloop.wire import arrow
from cityloop.wire.mqtt.packets import Connect, Publish, encode_connect, encode_publish

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


@pytest.fixture(scope="module")
def server(tmp_path_factory) -> Iterator[Server]:
    with Server(tmp_path_factory.mktemp("sensing")) as started:
        yield started


@pytest.mark.parametrize("version", VERSIONS)
def test_an_acknowledged_reading_is_stored_and_live(server, version):
    """QoS 1 is acknowledged after the sync, by the quick way and by the careful one."""
    with Client(server, version) as client:
        assert client.publish("readings/s0", "21.5") == 0
        assert server.value("s0") == 21.5
        assert 21.5 in server.history("s0")
        assert client.publish("readings/s0", '{ "unit": "K", "value": 300.15 }') == 0
        assert server.history("s0")[-1] == pytest.approx(27.0)


@pytest.mark.parametrize("version", VERSIONS)
def test_qos_0_reaches_live_state(server, version):
    """Nobody waits for an acknowledgement, and the reading is there."""
    with Client(server, version) as client:
        value = 11.0 + version
        client.paho.publish("readings/s1", str(value), qos=0)
        until(lambda: server.value("s1") == value)


@pytest.mark.parametrize("version", VERSIONS)
def test_subscribers_get_the_newest_at_once_and_then_changes(server, version):
    """The newest reading is retained at its topic; later ones follow; wildcards are followed too."""
    with Client(server, version) as client:
        client.publish("readings/s2", str(5.0 + version))
        client.paho.subscribe([("readings/s2", 1), ("readings/#", 0)])
        until(lambda: any(m.topic == "readings/s2" and m.retain for m in client.heard))
        newest = json.loads(client.heard[0].payload)
        assert newest["value"] == 5.0 + version
        client.publish("readings/s2", "9.25")
        until(lambda: any(not m.retain and json.loads(m.payload)["value"] == 9.25 for m in client.heard))


def test_one_device_cannot_write_anothers_stream_nor_hear_its_commands(server):
    """A foreign stream's reading is set aside; foreign topics are refused to writers and readers."""
    with Client(server, mqtt.MQTTv5) as client:
        client.publish("readings/other", "5")
        assert server.history("other") == []
        assert client.publish("devices/another/state", "x") == 0x87
        client.paho.subscribe([("devices/another/#", 0), ("#", 0), ("devices/box/#", 0)])
        until(lambda: len(client.subscribed) == 3)
        assert client.subscribed == [0x87, 0x87, 0]


def test_a_will_is_published_for_a_client_that_vanishes(server):
    """Whoever listens hears it; a client that says goodbye leaves none."""
    with Client(server, name="watcher") as watcher:
        watcher.paho.subscribe("devices/box/#")
        until(lambda: watcher.subscribed)
        for polite in (True, False):
            vanishing = Client(server, name=f"vanishing-{polite}")
            vanishing.paho.will_set("devices/box/state", f"gone {polite}", qos=1)
            vanishing.__enter__()
            if polite:
                vanishing.__exit__()
            else:
                vanishing.paho.loop_stop()
                vanishing.paho.socket().close()
        until(lambda: watcher.heard)
        assert [m.payload for m in watcher.heard] == [b"gone False"]


def test_a_wrong_password_is_refused(server):
    """Without a token nobody is let in."""
    for version in VERSIONS:
        client = Client(server, version, token="wrong")
        client.paho.connect("127.0.0.1", server.mqtt_port)
        client.paho.loop_start()
        until(lambda client=client: client.connected)
        assert client.connected[0].is_failure
        client.paho.disconnect()
        client.paho.loop_stop()


def test_topic_aliases_spare_the_topic(server):
    """An alias of 5.0 stands for the topic, in the quick way and in the careful one."""
    alias = Properties(PacketTypes.PUBLISH)
    alias.TopicAlias = 3
    with Client(server, mqtt.MQTTv5) as client:
        assert client.publish("readings/s3", "1.25", properties=alias) == 0
        client.paho.publish("", "2.25", qos=1, properties=alias)
        until(lambda: server.value("s3") == 2.25)
        client.paho.publish("", '{"unit":"Cel","value":3.25}', qos=1, properties=alias)
        until(lambda: server.value("s3") == 3.25)


def test_unreadable_messages_are_told_where_they_can_be_and_kept(server):
    """5.0 hears that the payload is invalid; 3.1.1 cannot be told, so the message waits for a person."""
    with Client(server, mqtt.MQTTv5) as client:
        assert client.publish("readings/s0", "1e999") == 0x99
        assert "1e999" in client.whys[-1] or "infinite" in client.whys[-1]
        assert client.publish("devices/another/state", "x") == 0x87
        assert client.whys[-1] == "box may not publish to 'devices/another/state'"
    with Client(server, mqtt.MQTTv311) as client:
        assert client.publish("readings/s0", "[" * 200_000) == 0
    with server.http(ADMIN) as http:
        until(lambda: http.get("/ingest/letters?limit=1000").json()["count"] >= 2)
        assert "unreadable" in http.get("/ingest/letters?limit=1000").json()["letters"][-1]["reasons"]


def test_a_reading_that_is_set_aside_is_told_why(server):
    """5.0 hears that nothing was kept and why, by the quick way and by the careful one; 3.1.1 is done with it."""
    with Client(server, mqtt.MQTTv5) as client:
        for topic, payload, why in (
            ("readings/s0", "1000", "s0: 1000 is outside -50 to 60"),
            ("readings/s0", '{"value": 1, "unit": "furlong"}', "s0: unit 'furlong' is none that 'Cel'"),
            ("readings/nobody", "1", "no stream is named 'nobody'"),
            ("readings/S0", "1", "there is 's0', and names are compared to the letter"),
            ("readings/other", "1", "other: the stream belongs to another device"),
            (
                "packs/csv",
                "stream,observed_at_ms,value\ns0,1000,1\n",
                "s0: observed at 1970-01-01T00:00:01+00:00: a clock that was never set",
            ),
            (
                "packs/csv",
                "stream,observed_at_ms,value\ns0,9224318015999,1\n",
                "s0: observed at 2262-04-22T22:33:35+00:00, ",
            ),
        ):
            assert client.publish(topic, payload) == 0x99, topic
            assert why in client.whys[-1]
        assert client.publish("packs/csv", "stream,observed_at_ms,value\ns0,1000,1\ns1,1700000000009,5\n") == 0
        assert "s0: observed at 1970-01-01T00:00:01+00:00" in client.whys[-1]
    with Client(server, mqtt.MQTTv311) as client:
        assert client.publish("readings/s0", "1000") == 0
        assert client.publish("readings/S0", "1") == 0


def test_who_wants_no_words_is_sent_none(server):
    """A client that asked to be spared problem information gets the reason's number alone."""
    with socket.create_connection(("127.0.0.1", server.mqtt_port), timeout=20) as sock:
        hello = Connect(version=5, client_id="terse", user="box", password=server.token.encode(), properties={0x17: 0})
        sock.sendall(encode_connect(hello))
        assert sock.recv(1000)[0] == 0x20
        sock.sendall(encode_publish(Publish(topic="readings/s0", payload=b"1000", qos=1, packet_id=7), 5))
        assert sock.recv(100) == b"\x40\x03\x00\x07\x99"


def test_packs_come_over_mqtt_too(server):
    """An Arrow body is one message."""
    body = arrow.encode_arrow(["s4", "s4"], np.array([1_700_000_000_000, 1_700_000_000_001]), np.array([1.0, 2.0]))
    with Client(server) as client:
        assert client.publish("packs/arrow", body) == 0
    assert server.history("s4")[:2] == [1.0, 2.0]


@pytest.mark.parametrize(
    "sent",
    [
        b"\x30\x03\x00\x01a",
        b"GET / HTTP/1.1\r\n\r\n",
        b"\x10\xff\xff\xff\xff\x7f",
        b"\x10\x0c\x00\x04MQTT\x09\x02\x00\x00\x00\x00",
        b"",
    ],
)
def test_whoever_breaks_the_protocol_or_says_nothing_is_cut_off(server, sent):
    """Malformed greetings are closed at once, silence after a second."""
    with socket.create_connection(("127.0.0.1", server.mqtt_port), timeout=20) as sock:
        sock.sendall(sent)
        with suppress(ConnectionResetError):
            while sock.recv(100):
                pass


def test_silence_beyond_the_keep_alive_ends_a_connection(server):
    """With a keep-alive of one second the connection is closed after one and a half."""
    with socket.create_connection(("127.0.0.1", server.mqtt_port), timeout=30) as sock:
        hello = Connect(version=5, client_id="sleepy", keep_alive_s=1, user="box", password=server.token.encode())
        sock.sendall(encode_connect(hello))
        heard = b""
        while part := sock.recv(1000):
            heard += part
        # The last packet is DISCONNECT with reason 0x8D.
        assert b"\x8d" in heard[-80:]


def test_http_takes_every_media_type_and_tells_what_became_of_it(server):
    """SenML, CSV and Arrow; a letter for what was set aside; clear refusals for what is wrong."""
    with server.http() as http:
        senml = [{"n": "s0", "v": 20.5, "u": "Cel"}, {"n": "s1", "v": 99}, {"n": "nobody", "v": 1}]
        answer = http.post("/ingest", json=senml, headers={"Content-Type": "application/senml+json"})
        why = ["nobody: no stream is named 'nobody'", "s1: 99 is outside -50 to 60"]
        assert answer.json() == {"stored": 1, "suspect": 0, "late": 0, "duplicate": 0, "quarantined": 2, "why": why}
        csv = "stream,observed_at,value\ns2,2026-01-01T00:00:00Z,7.5\n"
        assert http.post("/ingest", content=csv, headers={"Content-Type": "text/csv"}).json()["stored"] == 1
        assert http.post("/ingest", content=b"x", headers={"Content-Type": "text/plain"}).status_code == 415
        assert http.post("/ingest", content=b"x", headers={"Content-Type": "text/csv"}).status_code == 400
        large = b"x" * (5 << 20)
        assert http.post("/ingest", content=large, headers={"Content-Type": "text/csv"}).status_code == 413
        assert http.get("/ingest/letters").status_code == 403
        assert http.post("/ingest/streams", json=[]).status_code == 403
        assert httpx.get(f"{server.url}/ingest/live").status_code == 401
        live = http.get("/ingest/live?streams=s0").json()
        assert (live[0]["stream"], live[0]["value"], live[0]["reasons"]) == ("s0", 20.5, [])
        assert http.get("/ingest/live?streams=nobody").status_code == 400
        assert http.get("/ingest/health").json()["streams"] == 7


def test_changes_are_told_as_server_sent_events(server):
    """A listener hears of a reading that came after it began to listen."""
    with server.http() as http, http.stream("GET", "/ingest/changes?streams=s0&interval_ms=50") as events:
        lines = events.iter_lines()
        assert next(lines) == ": open"
        body = f"stream,observed_at_ms,value\ns0,{time.time_ns() // 1_000_000},33.25\n"
        with server.http() as sender:
            sender.post("/ingest", content=body, headers={"Content-Type": "text/csv"})
        data = next(line for line in lines if line.startswith("data: "))
        assert json.loads(data[6:])[0]["value"] == 33.25


def test_a_bridge_brings_in_what_another_broker_has(server, tmp_path):
    """Readings published at one broker are stored by a server that is bridged to it, and acknowledged there after."""
    with Server(tmp_path) as behind:
        params = BridgeParams(
            host="127.0.0.1", port=server.mqtt_port, topics=("readings/s3",), user="box", password=server.token
        )
        bridge = Bridge(params, behind.opened.inbox, [ReadingTopics(behind.opened.inbox)])

        async def run() -> None:
            await bridge.start()
            with Client(server) as client:
                client.publish("readings/s3", "44.5")
                await asyncio.to_thread(until, lambda: behind.history("s3")[-1:] == [44.5])
            await bridge.close()

        asyncio.run(run())
        assert bridge.taken >= 1


def test_the_simulator_loads_a_server(server):
    """The command registers its streams, and every reading that is acknowledged was stored or set aside."""
    common = ["--token", ADMIN, "--count", "50", "--rate", "5", "--duration", "1", "--json"]
    runner = CliRunner()
    for protocol in ("arrow", "senml", "csv"):
        more = ["--url", server.url, "--protocol", protocol, "--pack", "20", "--register"]
        outcome = runner.invoke(command, common + more, catch_exceptions=False)
        told = json.loads(outcome.output.splitlines()[-1])
        assert told["acknowledged"] == told["sent"] == 250
    url = f"mqtt://127.0.0.1:{server.mqtt_port}"
    for qos in ("0", "1"):
        more = ["--url", url, "--protocol", "mqtt", "--connections", "7", "--qos", qos]
        told = json.loads(runner.invoke(command, common + more, catch_exceptions=False).output.splitlines()[-1])
        assert (told["sent"], told["failed"]) == (250, 0)
        assert told["acknowledged"] == (250 if qos == "1" else 0)
    faulty = runner.invoke(command, [*common, "--url", server.url, "--faults", "0.9"], catch_exceptions=False)
    assert json.loads(faulty.output.splitlines()[-1])["acknowledged"] == 250
    assert server.opened.inbox.watch.counts.sum() > 0


def test_a_pack_of_which_some_was_set_aside_says_what_and_why(server):
    """By each way over HTTP: the codecs' own, and the short one of packs."""
    rows = np.array([server.opened.streams.row_of("s2"), 4_000_000, server.opened.streams.row_of("s2")], np.int32)
    pack = arrow.encode_arrow(rows, np.full(3, 1_700_000_123_000), np.array([1.0, 1.0, np.nan]))
    csv = b"stream,observed_at_ms,value,unit\ns2,1700000124000,1,Cel\nS2,1700000124000,1,Cel\ns2,1700000125000,1,lux\n"
    with server.http() as http:
        told = http.post("/ingest", content=pack, headers={"Content-Type": arrow.MEDIA_TYPE}).json()
        assert (told["stored"], told["quarantined"]) == (1, 2)
        assert told["why"] == ["a row: row 4000000 is no stream", "s2: nan is no finite number"]
        told = http.post("/ingest", content=csv, headers={"Content-Type": "text/csv"}).json()
        assert (told["stored"], told["quarantined"]) == (1, 2)
        assert told["why"] == [
            "S2: no stream is named 'S2'; there is 's2', and names are compared to the letter",
            "s2: unit 'lux' is none that 'Cel', the stream's own, can be made from",
        ]


def test_a_pack_without_a_time_is_set_aside_however_often_it_comes(server):
    """A missing date is no reading of now, the first time a form of pack is seen and every time after."""
    row = np.array([server.opened.streams.row_of("s4")], np.int32)
    with server.http() as http:
        for value in (1.0, 2.0, 3.0):
            pack = arrow.encode_arrow(row, np.array([-(2**63)]), np.array([value]))
            told = http.post("/ingest", content=pack, headers={"Content-Type": arrow.MEDIA_TYPE}).json()
            assert (told["stored"], told["quarantined"]) == (0, 1)


def test_a_device_that_looks_like_a_known_one_is_given_no_token(server):
    """Two names that nobody can tell apart would be two devices, and readings of the one refused to the other."""
    with server.http(ADMIN) as http:
        for name in ("BOX", "\uff42ox"):
            refused = http.post("/ingest/devices", json={"device": name})
            assert refused.status_code == 400
            assert "differs from the known 'box' only by case or Unicode form" in refused.json()["error"]
        assert http.post("/ingest/devices", json={"device": "box-2"}).status_code == 200
        assert http.post("/ingest/devices/revoke", json={"device": "box-2"}).json() == {"revoked": 1}
        assert http.post("/ingest/devices", json={"device": "Box-2"}).status_code == 200


def test_over_its_limit_a_server_refuses_and_recovers(tmp_path):
    """With 50 readings a second a flood is refused or made to wait, control passes, and all ends well."""
    with Server(tmp_path, Limits(readings_per_s=50.0)) as limited, limited.http() as http:
        csv = {"Content-Type": "text/csv"}

        def post(stream: str, at: int) -> httpx.Response:
            rows = "".join(f"{stream},{1_700_000_000_000 + at * 100 + row},1\n" for row in range(100))
            return http.post("/ingest", content=f"stream,observed_at_ms,value\n{rows}", headers=csv)

        def flooded() -> httpx.Response:
            """Flood until that is refused: right after it the share is used up, however slow the machine."""
            return next(answer for at in count() if (answer := post("s0", at)).status_code == 429)

        assert int(flooded().headers["retry-after"]) >= 1
        assert post("stage", 0).status_code == 200
        # A scan that carries others along: it is kept, and its sender told to send those alone again.
        rows = "".join(f"{name},{1_700_000_000_500 + at},1\n" for at in range(50) for name in ("s1", "stage"))
        with Client(limited, mqtt.MQTTv5) as client:
            until(lambda: flooded() and client.publish("readings/s1", "1") == 0x97)
            until(lambda: flooded() and client.publish("packs/csv", f"stream,observed_at_ms,value\n{rows}") == 0x97)
            assert "its 50 control readings were kept, the other 50 were not" in client.whys[-1]
        with Client(limited, mqtt.MQTTv311) as client:
            # Cannot be told, so it is made to wait, and acknowledged when its share has grown.
            assert client.publish("readings/s1", "2") == 0
        until(lambda: post("s0", 9).status_code == 200)


def _login(server: Server) -> socket.socket:
    """A bare connection of the device, let in."""
    sock = socket.create_connection(("127.0.0.1", server.mqtt_port), timeout=60)
    hello = Connect(version=4, client_id=f"bare-{id(sock)}", user="box", password=server.token.encode())
    sock.sendall(encode_connect(hello))
    assert sock.recv(4) == b"\x20\x02\0\0"
    return sock


def test_each_message_is_acknowledged_once_however_it_is_cut(server):
    """Packets that come in pieces, and several in one piece, from many connections: every identifier comes back."""
    socks = [_login(server) for _ in range(20)]
    try:
        for round_ in range(5):
            for number, sock in enumerate(socks):
                said = [
                    Publish(topic="readings/s1", payload=b"%d" % number, qos=1, packet_id=3 * round_ + part + 1)
                    for part in range(3)
                ]
                packets = b"".join(encode_publish(one, 4) for one in said)
                sock.sendall(packets[: 7 + 5 * number % 40])
                time.sleep(0.002)
                sock.sendall(packets[7 + 5 * number % 40 :])
        for sock in socks:
            heard = b""
            while len(heard) < 60:
                heard += sock.recv(60 - len(heard))
            ids = [int.from_bytes(heard[at + 2 : at + 4], "big") for at in range(0, 60, 4)]
            assert heard[::4] == b"\x40" * 15
            assert sorted(ids) == list(range(1, 16))
    finally:
        for sock in socks:
            sock.close()


def test_a_client_that_reads_late_gets_every_acknowledgement(server):
    """What its buffers did not hold waits for it, in order and whole."""
    count = 30_000
    sock = _login(server)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    packets = b"".join(
        encode_publish(Publish(topic="readings/s2", payload=b"7", qos=1, packet_id=number + 1), 4)
        for number in range(count)
    )
    with sock:
        sock.sendall(packets)
        heard = b""
        while len(heard) < 4 * count:
            more = sock.recv(65_536)
            assert more
            heard += more
    ids = np.frombuffer(heard, ">u2").reshape(-1, 2)[:, 1]
    assert sorted(ids.tolist()) == list(range(1, count + 1))


def test_sockets_are_read_and_written_in_one_pass() -> None:
    """Bytes lie one behind the other; who has nothing, or is gone, is told apart; a full buffer ends the pass."""
    pairs = [socket.socketpair() for _ in range(4)]
    try:
        pairs[0][1].sendall(b"first")
        pairs[1][1].sendall(b"second one")
        pairs[2][1].close()
        fds = np.array([near.fileno() for near, _ in pairs], np.int32)
        room = np.zeros(64, np.uint8)
        begins, counts, done = receive_each(fds, room, 2, 16)
        assert (done, counts.tolist()) == (4, [5, 10, 0, FAILED])
        assert room[begins[0] : begins[0] + 5].tobytes() == b"first"
        assert room[begins[1] : begins[1] + 10].tobytes() == b"second one"
        pairs[0][1].sendall(b"again")
        assert receive_each(fds[[0, 1]], room[:20], 0, 16)[2] == 1
        data = np.frombuffer(b"abcdef", np.uint8)
        assert send_each(fds[[0, 2]], data, np.array([0, 3]), np.array([3, 6])).tolist() == [3, FAILED]
        assert pairs[0][1].recv(10) == b"abc"
    finally:
        for near, far in pairs:
            near.close()
            far.close()
