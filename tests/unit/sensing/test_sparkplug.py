"""Sparkplug's edge nodes: names behind aliases, and what is done about births that nobody here heard."""

from __future__ import annotations

import struct

import pytest

from cityloop.sensing.sparkplug import SparkplugNodes, SparkplugTopics
from cityloop.wire.protobuf import varint
from cityloop.wire.sparkplug import REBIRTH, decode_payload

from .conftest import NOW

NODE = "spBv1.0/city/{}/gateway"


def field(number: int, value: int | bytes) -> bytes:
    if isinstance(value, int):
        return varint(number << 3) + varint(value)
    return varint(number << 3 | 2) + varint(len(value)) + value


def payload(alias: int, value: float, name: str = "") -> bytes:
    """A message of one metric, which goes by its alias where it is not named."""
    told = field(1, name.encode()) if name else b""
    metric = told + field(2, alias) + field(3, NOW) + field(4, 10) + b"\x69" + struct.pack("<d", value)
    return field(1, NOW) + field(2, metric)


@pytest.fixture
def asked() -> list[tuple[str, bytes]]:
    return []


@pytest.fixture
def topics(desk, asked) -> SparkplugTopics:
    desk.streams.register("city/gateway/fill", "1")
    desk.inbox.known.refresh_if_grown()
    return SparkplugTopics(desk.inbox, SparkplugNodes(), lambda topic, body: asked.append((topic, body)))


def hear(desk, topics, message: str, body: bytes):
    return topics.publish(NODE.format(message), body, "", desk.told.append)


def test_a_metric_goes_by_its_alias_once_it_was_born(desk, topics, asked):
    """Birth and data are readings of one stream."""
    assert hear(desk, topics, "NBIRTH", payload(7, 1.5, "fill")).stored == 1
    assert hear(desk, topics, "NDATA", payload(7, 2.5)).stored == 1
    assert desk.history().value.tolist() == [1.5, 2.5]
    assert asked == []


def test_a_node_whose_birth_was_not_heard_is_asked_for_it(desk, topics, asked):
    """As after a restart of this server: what came meanwhile is set aside, and it is asked once a minute."""
    for _ in range(3):
        assert hear(desk, topics, "NDATA", payload(7, 2.5)).quarantined == 1
    assert [topic for topic, _ in asked] == ["spBv1.0/city/NCMD/gateway"]
    command = decode_payload(asked[0][1])
    assert [(metric.name, metric.value) for metric in command.metrics] == [(REBIRTH, 1.0)]
    assert command.observed_at_ms == NOW
    desk.clock[0] += 60_000
    hear(desk, topics, "NDATA", payload(7, 2.5))
    assert len(asked) == 2
    hear(desk, topics, "NBIRTH", payload(7, 1.5, "fill"))
    assert hear(desk, topics, "NDATA", payload(7, 3.5)).stored == 1


def test_a_death_takes_the_names_along(desk, topics, asked):
    """A node that died is born anew before it is understood again."""
    hear(desk, topics, "NBIRTH", payload(7, 1.5, "fill"))
    hear(desk, topics, "NDEATH", b"")
    assert hear(desk, topics, "NDATA", payload(7, 2.5)).quarantined == 1
    assert len(asked) == 1


def test_whoever_is_reached_otherwise_is_asked_otherwise(desk, topics, asked):
    """A node behind a bridge is asked by way of the bridge; its births count for both."""
    behind: list[str] = []
    hear(desk, topics, "NBIRTH", payload(7, 1.5, "fill"))
    other = topics.asking(lambda topic, _body: behind.append(topic))
    assert hear(desk, other, "NDATA", payload(7, 2.5)).stored == 1
    hear(desk, other, "NDATA", payload(8, 2.5))
    assert (len(behind), asked) == (1, [])
