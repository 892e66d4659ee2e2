"""MQTT packets and topics, and readings split off by the batch."""

from __future__ import annotations

import numpy as np
import pytest

from cityloop.wire.mqtt.packets import (
    Connect,
    Publish,
    Reason,
    Subscribe,
    Subscription,
    Will,
    connack,
    decode_connect,
    decode_disconnect,
    decode_publish,
    decode_subscribe,
    decode_unsubscribe,
    disconnect,
    encode_connect,
    encode_publish,
    encode_subscribe,
    frame,
)
from cityloop.wire.mqtt.properties import PacketError, encode_properties, take_properties
from cityloop.wire.mqtt.split import ALIASES, MALFORMED, PACKET, TOO_LARGE, Rows, TopicTable, split
from cityloop.wire.mqtt.topics import FilterTree, is_filter, matches


def body_of(packet: bytes) -> bytes:
    at = 2
    while packet[at - 1] & 128:
        at += 1
    return packet[at:]


@pytest.mark.parametrize("version", [4, 5])
def test_connect_comes_back_as_it_went(version):
    """A greeting with a will and credentials survives encoding."""
    packet = Connect(
        version=version,
        client_id="bus-7",
        clean=True,
        keep_alive_s=30,
        user="bus-7",
        password=b"secret",
        will=Will(topic="devices/bus-7/state", payload=b"gone", qos=1, retain=True),
    )
    assert decode_connect(body_of(encode_connect(packet))) == packet


@pytest.mark.parametrize("version", [4, 5])
def test_publish_and_subscribe_come_back_as_they_went(version):
    """Messages and subscriptions survive encoding."""
    packet = Publish(topic="a/b", payload=b"x" * 300, qos=1, retain=True, packet_id=7)
    sent = encode_publish(packet, version)
    assert decode_publish(sent[0], body_of(sent), version) == packet
    asked = Subscribe(packet_id=9, subscriptions=(Subscription(topic_filter="a/#", qos=1),))
    sent = encode_subscribe(asked, version)
    assert decode_subscribe(sent[0], body_of(sent), version) == asked


def test_properties_come_back_as_they_went():
    """Every kind of property survives encoding."""
    properties = {0x01: 1, 0x02: 7, 0x03: "text", 0x09: b"raw", 0x0B: 300, 0x23: 5, 0x26: [("a", "b"), ("a", "c")]}
    assert take_properties(encode_properties(properties), 0)[0] == properties


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"\0\4MQTT\3\2\0\0\0\0",
        b"\0\4MQIs\4\2\0\0\0\0",
        b"\0\4MQTT\4\3\0\0\0\0",
        b"\0\4MQTT\4\2\0\0\0\1",
        b"\0\4MQTT\4\2\0\0\0\0extra",
        b"\0\4MQTT\4\x42\0\0\0\0\0\1x",
        b"\0\4MQTT\5\2\0\0\x05\x11\0\0",
    ],
)
def test_a_wrong_connect_is_refused(body):
    """Other protocols, reserved flags, missing and surplus bytes are told apart from a greeting."""
    with pytest.raises(PacketError):
        decode_connect(body)


def test_qos_2_and_wildcards_in_topics_are_refused():
    """A publish must be of QoS 0 or 1 and name one topic."""
    with pytest.raises(PacketError) as error:
        decode_publish(0x34, b"\0\1a\0\1", 4)
    assert error.value.reason == Reason.QOS_NOT_SUPPORTED
    with pytest.raises(PacketError) as error:
        decode_publish(0x30, b"\0\3a/#", 4)
    assert error.value.reason == Reason.TOPIC_NAME_INVALID
    with pytest.raises(PacketError):
        decode_unsubscribe(0xA2, b"\0\1", 4)


def test_reasons_are_told_in_the_terms_of_the_version():
    """3.1.1 knows five refusals and hears nothing before it is disconnected."""
    assert connack(4, Reason.BAD_CREDENTIALS, session_present=False) == b"\x20\x02\x00\x04"
    assert disconnect(4, Reason.QUOTA_EXCEEDED) == b""
    sent = disconnect(5, Reason.QUOTA_EXCEEDED, "too much")
    assert decode_disconnect(body_of(sent), 5) == 0x97


@pytest.mark.parametrize(
    ("wanted", "topic", "expected"),
    [
        ("a/b", "a/b", True),
        ("a/+", "a/b", True),
        ("a/+", "a/b/c", False),
        ("a/#", "a", True),
        ("a/#", "a/b/c", True),
        ("#", "$SYS/x", False),
        ("+/x", "$SYS/x", False),
        ("$SYS/#", "$SYS/x", True),
        ("a/b", "A/b", False),
    ],
)
def test_filters_match_as_the_standard_says(wanted, topic, expected):
    """One function and the tree agree with section 4.7 of the standard."""
    tree: FilterTree[str] = FilterTree()
    tree.add(wanted, "me", 1)
    assert matches(wanted, topic) is expected
    assert tree.find(topic) == ({"me": 1} if expected else {})
    assert tree.remove(wanted, "me")
    assert not tree


def test_wildcards_stand_alone_in_a_level():
    """Only whole levels may be wildcards, and # only the last."""
    assert is_filter("a/+/b/#")
    for wrong in ("", "a/#/b", "a+", "a/b#", "/" * 40):
        assert not is_filter(wrong)


class Splitter:
    """One pass over what some sessions sent."""

    def __init__(self, sessions: int, version: int = 4) -> None:
        self.topics = TopicTable()
        self.topics.add([b"readings/a", b"readings/b"], np.array([3, 5]))
        self.rows = Rows.with_room(1000, 1000)
        self.version = np.full(sessions, version, np.uint8)
        self.alias = np.full((sessions, ALIASES + 1), -1, np.int32)

    def run(self, *pieces: bytes, most: int = 1000):
        text = np.frombuffer(b"".join(pieces), np.uint8).copy()
        ends = np.cumsum([len(piece) for piece in pieces]).astype(np.int64)
        begins = ends - [len(piece) for piece in pieces]
        session = np.arange(len(pieces), dtype=np.int32)
        found, rest = split(text, begins, ends, session, self.version, self.alias, self.topics, self.rows, most)
        return found, rest, (ends - begins).tolist()


def publish(topic: bytes, payload: bytes, qos: int = 0, packet_id: int = 1, properties: bytes = b"") -> bytes:
    identifier = packet_id.to_bytes(2, "big") if qos else b""
    return frame(0x30 | qos << 1, len(topic).to_bytes(2, "big") + topic + identifier + properties + payload)


def test_readings_of_many_sessions_become_rows():
    """Plain readings are split off with their session and identifier; other packets are handed on by their place."""
    ping = b"\xc0\x00"
    splitter = Splitter(2)
    found, rest, left = splitter.run(
        publish(b"readings/a", b"1.5", qos=1, packet_id=77) + ping + publish(b"readings/b", b"2"),
        publish(b"readings/b", b'{"value":3,"observed_at_ms":9}') + publish(b"other", b"4"),
    )
    rows = splitter.rows
    assert (found, rest, left) == (3, 2, [0, 0])
    assert rows.stream[:3].tolist() == [3, 5, 5]
    assert rows.value[:3].tolist() == [1.5, 2.0, 3.0]
    assert rows.piece[:3].tolist() == [0, 0, 1]
    assert rows.packet_id[:3].tolist() == [77, 0, 0]
    assert rows.rest_kind[:2].tolist() == [PACKET, PACKET]


def test_a_cut_packet_waits_for_its_rest():
    """Bytes of an unfinished packet stay, wherever it is cut."""
    packet = publish(b"readings/a", b"1.5")
    for cut in range(len(packet)):
        assert Splitter(1).run(packet + packet[:cut]) == (1, 0, [cut])


def test_before_it_is_let_in_all_of_a_sessions_packets_are_handed_on():
    """A session that has not connected has no readings split off."""
    splitter = Splitter(1, version=0)
    assert splitter.run(publish(b"readings/a", b"1"))[:2] == (0, 1)


def test_a_wrong_length_ends_the_piece():
    """After a malformed or oversized length nothing more of that session is read."""
    splitter = Splitter(2)
    _, rest, left = splitter.run(b"\x30\xff\xff\xff\xff\x01" + publish(b"readings/a", b"1"), frame(0x30, b"x" * 1001))
    assert (rest, left) == (2, [0, 0])
    assert splitter.rows.rest_kind[:2].tolist() == [MALFORMED, TOO_LARGE]


def test_topic_aliases_of_5_0_are_followed():
    """An alias set by one packet stands for the topic in the next, in its own session alone."""
    splitter = Splitter(2, version=5)
    alias = b"\x03\x23\x00\x04"
    found, rest, _ = splitter.run(
        publish(b"readings/b", b"1", properties=alias) + publish(b"", b"2", properties=alias),
        publish(b"", b"3", properties=alias),
    )
    assert (found, rest) == (2, 1)
    assert splitter.rows.stream[:2].tolist() == [5, 5]


def test_no_room_ends_a_pass_and_the_next_goes_on():
    """With room for one row each pass takes one, and nothing is lost."""
    splitter = Splitter(1)
    splitter.rows = Rows.with_room(1, 1)
    text = np.frombuffer(publish(b"readings/a", b"1") * 3, np.uint8).copy()
    begins, ends = np.array([0]), np.array([len(text)])
    session = np.zeros(1, np.int32)
    taken = [
        split(text, begins, ends, session, splitter.version, splitter.alias, splitter.topics, splitter.rows, 99)[0]
        for _ in range(4)
    ]
    assert taken == [1, 1, 1, 0]


def test_the_topic_table_grows():
    """Thousands of topics are found again, and unknown ones are not."""
    table = TopicTable()
    table.add([f"readings/{row}".encode() for row in range(5000)], np.arange(5000))
    table.add([b"readings/17"], np.array([9999]))
    assert len(table) == 5000
    assert [table.row_of(f"readings/{row}".encode()) for row in (0, 17, 4999)] == [0, 9999, 4999]
    assert table.row_of(b"readings/5000") == -1
