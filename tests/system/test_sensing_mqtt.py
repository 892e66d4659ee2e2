"""paho against a real listener: acknowledgements, subscriptions, wills, refusals with their reasons."""

from __future__ import annotations

import json
import socket
from contextlib import suppress

import numpy as np
import paho.mqtt.client as mqtt
import pytest
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from sensing_server import ADMIN, VERSIONS, Client, until

from cityloop.wire import arrow
from cityloop.wire.mqtt.packets import Connect, Publish, encode_connect, encode_publish


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
