"""SensorThings over MQTT with a client that others wrote (18-088, clause 14)."""

from __future__ import annotations

import json
import queue
from typing import Any

import httpx
import paho.mqtt.client as mqtt
import pytest
from sensorthings_service import ADMIN, PLACE, a_datastream, a_thing

WAIT_S = 60


class Subscriber:
    """A paho client whose messages can be waited for."""

    def __init__(self, running: Any, token: str = ADMIN, version: Any = mqtt.MQTTv311) -> None:
        self.messages: queue.Queue[tuple[str, Any]] = queue.Queue()
        self.told: queue.Queue[str] = queue.Queue()
        self.client = mqtt.Client(mqtt.CallbackAPIVersion.VERSION2, protocol=version)
        self.client.username_pw_set("token", token)
        self.client.on_message = lambda _c, _u, m: self.messages.put((m.topic, json.loads(m.payload)))
        self.client.on_subscribe = lambda *_: self.told.put("subscribed")
        self.client.on_publish = lambda *_: self.told.put("published")
        self.client.on_connect = lambda *_: self.told.put("connected")
        self.client.connect("127.0.0.1", running.mqtt_port)
        self.client.loop_start()
        assert self.told.get(timeout=WAIT_S) == "connected"

    def subscribe(self, *topics: str) -> None:
        for topic in topics:
            self.client.subscribe(topic)
            assert self.told.get(timeout=WAIT_S) == "subscribed"

    def publish(self, topic: str, body: Any) -> None:
        self.client.publish(topic, json.dumps(body), qos=1)
        assert self.told.get(timeout=WAIT_S) == "published"

    def next(self) -> tuple[str, Any]:
        return self.messages.get(timeout=WAIT_S)

    def close(self) -> None:
        self.client.disconnect()
        self.client.loop_stop()


@pytest.fixture
def http(running):
    with httpx.Client(headers=running.headers, timeout=WAIT_S) as client:
        stream = a_datastream(properties={"cityloop": {"device": "a"}})
        made = client.post(f"{running.url}/Things", json=a_thing(Locations=[PLACE], Datastreams=[stream]))
        assert made.status_code == 201, made.text
        yield client


@pytest.fixture
def subscriber(running, http):
    made = Subscriber(running)
    yield made
    made.close()


@pytest.mark.parametrize("version", [mqtt.MQTTv311, mqtt.MQTTv5])
def test_published_observation_is_created(running, http, version):
    """A message to Datastreams(1)/Observations is there once it was acknowledged, plain or not."""
    sender = Subscriber(running, version=version)
    sender.publish("v1.1/Datastreams(1)/Observations", {"result": 5, "phenomenonTime": "2025-12-31T10:00:00Z"})
    sender.publish("v1.1/Datastreams(1)/Observations", {"result": "text", "parameters": {"a": 1}})
    sender.publish("v1.1/Observations", {"result": 7, "Datastream": {"@iot.id": 1}})
    sender.close()
    shown = http.get(f"{running.url}/Observations?$expand=FeatureOfInterest").json()["value"]
    assert sorted(str(o["result"]) for o in shown) == ["5", "7", "text"]
    assert {o["FeatureOfInterest"]["name"] for o in shown} == {"corner"}


def test_device_publishes_to_its_own_streams_alone(running, http):
    """A message of another device's stream is not kept."""
    tokens = {device: running.service.devices.issue(device) for device in "ab"}
    for device, value in (("b", 1), ("a", 2)):
        sender = Subscriber(running, tokens[device])
        sender.client.publish("v1.1/Datastreams(1)/Observations", json.dumps({"result": value}), qos=1)
        sender.client.publish("v1.1/Datastreams(1)/Observations", json.dumps({"result": f"{device}"}), qos=1)
        if device == "a":
            assert [sender.told.get(timeout=WAIT_S) for _ in range(2)] == ["published"] * 2
        sender.close()
    shown = http.get(f"{running.url}/Observations").json()["value"]
    assert sorted(str(o["result"]) for o in shown) == ["2", "a"]


def test_subscribers_are_told_of_every_observation(running, http, subscriber):
    """Sets, the set of a Datastream, and chosen properties; whatever way the observation came by."""
    subscriber.subscribe("v1.1/Datastreams(1)/Observations", "v1.1/Observations?$select=result")
    path = f"{running.url}/Datastreams(1)/Observations"
    for second in range(3):
        http.post(path, json={"result": second, "phenomenonTime": f"2025-12-31T10:00:0{second}Z"})
    http.post(path, json={"result": "text"})
    by_topic: dict[str, list[Any]] = {}
    for _ in range(8):
        topic, payload = subscriber.next()
        by_topic.setdefault(topic, []).append(payload)
    assert [o["result"] for o in by_topic["v1.1/Datastreams(1)/Observations"]] == [0, 1, 2, "text"]
    assert by_topic["v1.1/Observations?$select=result"] == [{"result": r} for r in (0, 1, 2, "text")]
    told = by_topic["v1.1/Datastreams(1)/Observations"][0]
    assert http.get(told["@iot.selfLink"]).json()["phenomenonTime"] == "2025-12-31T10:00:00.000Z"


def test_subscribers_are_told_of_changed_entities(running, http, subscriber):
    """An entity, a property of it, a set, and a set under a parent."""
    subscriber.subscribe("v1.1/Things(1)", "v1.1/Things(1)/description", "v1.1/Things", "v1.1/Things(1)/Datastreams")
    http.patch(f"{running.url}/Things(1)", json={"description": "new"})
    told = dict(subscriber.next() for _ in range(3))
    assert told["v1.1/Things(1)/description"] == {"description": "new"}
    assert told["v1.1/Things(1)"]["description"] == told["v1.1/Things"]["description"] == "new"
    http.post(f"{running.url}/Things(1)/Datastreams", json=a_datastream("second"))
    topic, payload = subscriber.next()
    assert (topic, payload["name"]) == ("v1.1/Things(1)/Datastreams", "second")


def test_faulty_message_is_not_acknowledged_as_kept(running, http):
    """A message that makes no Observation leaves none, and the connection goes on."""
    sender = Subscriber(running, version=mqtt.MQTTv5)
    for body in ("{", '{"result":1e999}', '{"nothing":1}', "[" * 10_000):
        sender.client.publish("v1.1/Datastreams(1)/Observations", body, qos=1)
        sender.told.get(timeout=WAIT_S)
    sender.publish("v1.1/Datastreams(1)/Observations", {"result": 3})
    sender.close()
    assert [o["result"] for o in http.get(f"{running.url}/Observations").json()["value"]] == [3]


def test_what_never_can_be_kept_is_not_sent_for_ever(running, http):
    """3.1.1 has no word for a refusal: what is refused is counted, and the sender done with it."""
    sender = Subscriber(running)
    before = int(running.service.inbox.watch.counts.sum())
    for topic, body in (
        ("v1.1/Datastreams(1)/Observations", {"nothing": 1}),
        ("v1.1/Datastreams(99)/Observations", {"result": 1}),
        ("v1.1/Datastreams(1)/Observations", {"result": 1, "phenomenonTime": "never"}),
    ):
        sender.publish(topic, body)
    sender.close()
    assert running.service.inbox.watch.counts.sum() == before + 3
    assert http.get(f"{running.url}/Observations").json()["value"] == []
