"""Sends a fleet's readings as MQTT messages of any protocol, packs or single ones, with or without TLS."""

from __future__ import annotations

import threading
import time
from urllib.parse import urlsplit

from cityloop.sensing.mqtt.client import ClientParams, MqttClient
from cityloop.studies.sensor_fleet import Fleet
from cityloop.studies.sensor_load import LoadCount, LoadParams, LoadReport
from cityloop.studies.sensor_ways import WAYS, birth, parts_of, said_by

__all__ = ["send_messages"]

_UNACKNOWLEDGED = 64
"""Messages of a connection that may wait for their acknowledgement."""
_PATIENCE_S = 10.0
_LATER = (0x97, 0x93)
"""Quota exceeded, receive maximum exceeded: reasons that mean later."""


class _Connection:
    """One connection, and what of it is still unacknowledged."""

    def __init__(self, params: LoadParams, number: int, count: LoadCount, counting: threading.Lock) -> None:
        parts = urlsplit(params.url)
        assert parts.hostname is not None
        tls = params.tls(params.url)
        self._count, self._counting, self._sending = count, counting, threading.Lock()
        self._room = threading.Semaphore(_UNACKNOWLEDGED)
        self._waiting: dict[int, tuple[int, float]] = {}
        name = f"fleet-{number:05d}"
        self._client = MqttClient(
            ClientParams(
                host=parts.hostname,
                port=parts.port or (8883 if tls else 1883),
                client_id=name,
                user=name if params.token else "",
                password=params.token,
                tls=tls,
            ),
            heard=lambda _topic, _payload: None,
            acknowledged=self._acknowledged,
            broken=lambda: None,
        )

    def send(self, topic: str, payload: bytes, qos: int, size: int) -> None:
        """Send a message; what cannot go is counted."""
        if qos and not self._room.acquire(timeout=_PATIENCE_S):
            with self._counting:
                self._count.blocked += size
            return
        try:
            # Held, so that no acknowledgement comes before it is known what of.
            with self._sending:
                number = self._client.publish(topic, payload, qos=qos)
                if qos:
                    self._waiting[number] = size, time.perf_counter()
        except OSError:
            with self._counting:
                self._count.failed += size
        else:
            with self._counting:
                self._count.sent += size

    def close(self, until_s: float) -> None:
        """Wait for what is unacknowledged, and say goodbye."""
        while self._waiting and time.perf_counter() < until_s:
            time.sleep(0.005)
        self._client.close()

    def _acknowledged(self, number: int, reason: int) -> None:
        with self._sending:
            size, sent_s = self._waiting.pop(number, (0, 0.0))
        with self._counting:
            if reason in _LATER:
                self._count.refused += size
            else:
                # What was set aside for good is answered for as well: it needs no repeating.
                self._count.acknowledged += size
                self._count.ack_s.append(time.perf_counter() - sent_s)
        self._room.release()


def send_messages(fleet: Fleet, params: LoadParams, rows: list[int]) -> LoadReport:
    """Send rounds until the duration is over, and wait for what is still unacknowledged."""
    way = WAYS[params.protocol]
    body, topic = way.message or way.body, way.topic
    assert topic is not None
    counting, count = threading.Lock(), LoadCount()
    packs = parts_of(way, fleet, params.pack, over_mqtt=True)
    connections: list[_Connection] = []
    try:
        wanted = range(min(params.connections, len(packs)))
        connections.extend(_Connection(params, number, count, counting) for number in wanted)
        if params.protocol == "sparkplug":
            now = fleet.round(time.time_ns() // 1_000_000)
            for place, pack in enumerate(packs):
                connections[place % len(connections)].send(*birth(said_by(fleet, now, pack, place)), params.qos, 0)
        count.began_s = due_s = time.perf_counter()
        step_s = 1 / params.rate_hz / len(packs)
        for _ in range(max(1, round(params.duration_s * params.rate_hz))):
            now_ms = time.time_ns() // 1_000_000
            told = fleet.round(now_ms)
            for place, pack in enumerate(packs):
                late_s = time.perf_counter() - due_s
                if late_s < 0:
                    time.sleep(-late_s)
                count.behind_s = max(count.behind_s, late_s)
                due_s += step_s
                said = said_by(fleet, told, pack, place, rows=rows, later_ms=time.time_ns() // 1_000_000 - now_ms)
                if said.numbers:
                    sender = connections[place % len(connections)]
                    sender.send(topic(said), body(said), params.qos, len(said.numbers))
    finally:
        until_s = time.perf_counter() + _PATIENCE_S
        for connection in connections:
            connection.close(until_s)
    return count.report()
