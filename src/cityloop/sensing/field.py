"""Where the field takes its leases and leaves its receipts: MQTT topics and HTTP requests of one meaning.

| | MQTT | HTTP |
|---|---|---|
| leases to a field | subscribe to ``devices/<device>/leases`` | ``GET /field/leases?after=N&wait_s=2`` |
| receipts from it | publish to ``devices/<device>/receipts`` | ``POST /field/receipts`` |
| its own state | publish to ``devices/<device>/state`` (retained, also as the will) | ``POST /field/state`` |

What stands in them tells ``wire.field``. A device's token opens its own leases and no others'.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs

import msgspec

from cityloop.kernel.errors import InputError
from cityloop.kernel.messages import Receipt
from cityloop.kernel.readings import Done
from cityloop.sensing.http import Identify, Message, Receive, Scope, Send
from cityloop.sensing.live import Latest
from cityloop.sensing.mqtt.broker import Broker
from cityloop.wire.field import FieldReport, decode_receipts, decode_report
from cityloop.wire.mqtt.topics import matches
from cityloop.wire.named import WireError

__all__ = ["FieldHeard", "FieldHub", "FieldTopics"]

FieldHeard = Callable[["list[tuple[int, Receipt]] | FieldReport"], None]
"""Told what a field says: receipts, or its state. Called on the server's loop; must return at once."""

_KEPT_PACKS = 64
"""Packs of leases that a field may fetch later; older ones have run out."""
_LONGEST_WAIT_S = 2.0
"""So that nobody who only waits holds up a server that is to end. [s]"""
_MOST_BYTES = 4 << 20


@dataclass(slots=True)
class _Side:
    """One field."""

    heard: FieldHeard
    packs: deque[tuple[int, bytes]] = field(default_factory=lambda: deque(maxlen=_KEPT_PACKS))
    number: int = 0
    fresh: asyncio.Event = field(default_factory=asyncio.Event)
    refused: int = 0
    """Messages that could not be read."""


class FieldTopics:
    """What fields say by way of another broker: receipts and states, for a bridge to read."""

    def __init__(self, hub: FieldHub) -> None:
        self._hub = hub

    def handles(self, topic: str) -> bool:
        """Return whether a topic is a field's word."""
        return matches("devices/+/receipts", topic) or matches("devices/+/state", topic)

    def publish(self, topic: str, payload: bytes, device: str, done: Done) -> None:
        """Take a message."""
        self._hub.hear(topic, payload, device)
        done(None)

    def reading_topics(self, rows: Iterable[int]) -> Iterable[tuple[bytes, int]]:
        """Yield nothing: these are no readings."""
        return ()

    def changed(self, latest: Latest) -> Iterable[tuple[str, bytes]]:
        """Yield nothing."""
        return ()

    def retained(self, topic_filter: str) -> Iterable[tuple[str, bytes]]:
        """Yield nothing."""
        return ()


class FieldHub:
    """Passes leases to fields, and what they answer to whoever leads them. Lives on the server's loop."""

    def __init__(self, broker: Broker, *, identify: Identify) -> None:
        self._broker, self._identify = broker, identify
        self._sides: dict[str, _Side] = {}
        self._beyond: list[Callable[[str, bytes], None]] = []
        self._call_soon: Callable[[Callable[[], None]], object] = lambda call: call()
        broker.listen("devices/+/receipts", self.hear)
        broker.listen("devices/+/state", self.hear)

    def start(self, loop: asyncio.AbstractEventLoop) -> None:
        """Take leases from other threads from now on."""
        self._call_soon = loop.call_soon_threadsafe

    def lead(self, device: str, heard: FieldHeard) -> None:
        """Lead a field: whatever it says is told."""
        if not device or any(sign in device for sign in "/+#\0"):
            raise InputError(f"field device {device!r:.60}: give a name without / + #")
        self._sides[device] = _Side(heard)

    def publish_beyond(self, publish: Callable[[str, bytes], None]) -> None:
        """Publish leases by way of another broker too; called on the server's loop."""
        self._beyond.append(publish)

    def send(self, device: str, payload: bytes) -> None:
        """Publish a pack of leases; any thread may call this."""
        self._call_soon(lambda: self._publish(device, payload))

    def _publish(self, device: str, payload: bytes) -> None:
        side = self._sides[device]
        side.number += 1
        side.packs.append((side.number, payload))
        side.fresh.set()
        side.fresh = asyncio.Event()
        topic = f"devices/{device}/leases"
        self._broker.publish(topic, payload, qos=1)
        for publish in self._beyond:
            publish(topic, payload)

    def hear(self, topic: str, payload: bytes, _sender: str) -> None:
        """Take what a field published."""
        _, device, kind = topic.split("/")
        side = self._sides.get(device)
        if side is None or not payload:
            return
        try:
            self._take(side, kind, payload)
        except WireError as error:
            side.refused += 1
            self._broker.inbox.set_aside(payload, f"{topic}: {error}", device=device)

    def _take(self, side: _Side, kind: str, payload: bytes) -> None:
        side.heard(decode_report(payload) if kind == "state" else decode_receipts(payload))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request below ``/field``."""
        if scope["type"] != "http":
            raise InputError(f"{scope['type']} connections are not answered here")
        query = {
            name: values[-1] for name, values in parse_qs(scope.get("query_string", b"").decode("latin-1")).items()
        }
        device = self._identify(scope)
        if device == "":
            device = query.get("device", "")
        if device is None:
            await _reply(send, 401, {"error": "give a device's token"}, ((b"www-authenticate", b"Bearer"),))
            return
        side = self._sides.get(device)
        path = scope["path"].removeprefix(scope.get("root_path", "")).removeprefix("/field").strip("/")
        if side is None:
            await _reply(send, 404, {"error": f"device {device!r:.60} is no field that is led from here"})
        elif scope["method"] == "GET" and path == "leases":
            await self._leases(side, query, send)
        elif scope["method"] == "POST" and path in ("receipts", "state"):
            await self._post(side, path, receive, send)
        else:
            known = "GET /field/leases, POST /field/receipts, POST /field/state"
            await _reply(send, 404, {"error": f"there are {known}"})

    async def _leases(self, side: _Side, query: dict[str, str], send: Send) -> None:
        """Answer with the packs after a number, as soon as there is one."""
        try:
            after, wait_s = int(query.get("after", "0")), float(query.get("wait_s", "0"))
        except ValueError:
            await _reply(send, 400, {"error": "after must be a whole number and wait_s a number of seconds"})
            return
        # A field that counts from another server's numbers is told everything that still holds.
        after = after if after <= side.number else 0
        if after == side.number and wait_s > 0:
            fresh = side.fresh
            try:
                async with asyncio.timeout(min(wait_s, _LONGEST_WAIT_S)):
                    await fresh.wait()
            except TimeoutError:
                pass
        packs = [msgspec.Raw(payload) for number, payload in side.packs if number > after]
        await _reply(send, 200, {"next": side.number, "packs": packs})

    async def _post(self, side: _Side, path: str, receive: Receive, send: Send) -> None:
        body, more = b"", True
        while more:
            message = await receive()
            body += message.get("body", b"")
            more = message.get("more_body", False)
            if len(body) > _MOST_BYTES:
                await _reply(send, 413, {"error": f"more than {_MOST_BYTES} bytes; send smaller packs"})
                return
        try:
            self._take(side, path, body)
        except WireError as error:
            side.refused += 1
            await _reply(send, 400, {"error": str(error)})
            return
        await _reply(send, 200, {})


async def _reply(send: Send, status: int, answer: Any, headers: tuple[tuple[bytes, bytes], ...] = ()) -> None:
    body = msgspec.json.encode(answer)
    head = [
        (b"content-type", b"application/json"),
        (b"cache-control", b"no-store"),
        (b"content-length", b"%d" % len(body)),
        *headers,
    ]
    start: Message = {"type": "http.response.start", "status": status, "headers": head}
    await send(start)
    await send({"type": "http.response.body", "body": body})
