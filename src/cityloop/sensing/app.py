"""Sensing as one ASGI application to mount, and as one set of parts that start and stop together."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from cityloop.sensing.access import DeviceTokens
from cityloop.sensing.codecs import Codecs
from cityloop.sensing.health import Neighbours
from cityloop.sensing.http import Identify, IngestApp, Message, Receive, Register, Scope, Send
from cityloop.sensing.inbox import Inbox
from cityloop.sensing.mqtt.broker import Authenticate, Broker
from cityloop.sensing.mqtt.listener import ListenerParams, MqttListener
from cityloop.sensing.mqtt.topics import PackTopics, ReadingTopics, TopicHandler
from cityloop.sensing.pack_lane import PackLane
from cityloop.sensing.pack_protocol import PackProtocol, pack_protocol
from cityloop.sensing.sparkplug import SparkplugTopics

__all__ = ["AsgiApp", "SensingService", "sensing_app", "watch_neighbours"]

AsgiApp = Callable[[Scope, Receive, Send], "asyncio.Future[None]"]

_NEIGHBOURS_S = 60.0


def sensing_app(ingest: IngestApp, sensorthings: AsgiApp | None = None) -> Callable[[Scope, Receive, Send], object]:
    """Return one application that answers ``/ingest`` and, where there is one, SensorThings under ``/sta``."""

    async def answer(scope: Scope, receive: Receive, send: Send) -> None:
        path = scope.get("path", "")
        if scope["type"] == "lifespan":
            await _live(receive, send)
        elif scope["type"] == "websocket":
            await send({"type": "websocket.close", "code": 1000})
        elif sensorthings is not None and path.startswith("/sta"):
            await sensorthings(scope, receive, send)
        elif path == "/ingest" or path.startswith("/ingest/"):
            await ingest(scope, receive, send)
        else:
            body = b'{"error":"there are /ingest and /sta/v1.1"}'
            head = [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(body))]
            start: Message = {"type": "http.response.start", "status": 404, "headers": head}
            await send(start)
            await send({"type": "http.response.body", "body": body})

    return answer


async def _live(receive: Receive, send: Send) -> None:
    """Say that there is nothing to begin or to end: what the application needs is opened around it."""
    while True:
        begins = (await receive())["type"] == "lifespan.startup"
        await send({"type": f"lifespan.{'startup' if begins else 'shutdown'}.complete"})
        if not begins:
            return


@dataclass(frozen=True, slots=True, kw_only=True)
class SensingService:
    """The parts of sensing over one inbox."""

    inbox: Inbox
    ingest: IngestApp
    broker: Broker
    listener: MqttListener
    http: type[PackProtocol]
    """The protocol for the HTTP server that mounts ``sensing_app``: packs then take a short way."""
    handlers: tuple[TopicHandler, ...]
    """What the topics of plain readings and packs mean: a bridge reads by the same."""

    @classmethod
    def over(
        cls,
        inbox: Inbox,
        *,
        identify: Identify,
        authenticate: Authenticate,
        handlers: Sequence[TopicHandler] = (),
        register: Register | None = None,
        tokens: DeviceTokens | None = None,
        host: str = "127.0.0.1",
        mqtt_port: int = 1883,
        tls: ssl.SSLContext | None = None,
        listener: ListenerParams | None = None,
    ) -> SensingService:
        """Set the parts up; the listener listens once it is started.

        Parameters
        ----------
        handlers
            Further families of MQTT topics, such as those of SensorThings.
        tokens
            What an administrator gives devices tokens with; None: they come from elsewhere.
        """
        codecs = Codecs()
        sparkplug = SparkplugTopics(inbox, codecs.sparkplug)
        own: tuple[TopicHandler, ...] = (ReadingTopics(inbox), PackTopics(inbox, codecs.topics()), sparkplug)
        broker = Broker(
            inbox, (*own, *handlers), authenticate=authenticate, max_packet_bytes=inbox.limits.message_bytes
        )
        sparkplug.ask = broker.publish
        return cls(
            inbox=inbox,
            ingest=IngestApp(inbox, codecs, identify=identify, register=register, tokens=tokens),
            broker=broker,
            http=pack_protocol(PackLane(inbox), identify, most_bytes=inbox.limits.message_bytes),
            listener=MqttListener(broker, host=host, port=mqtt_port, tls=tls, params=listener),
            handlers=own,
        )


async def watch_neighbours(inbox: Inbox, *, interval_s: float = _NEIGHBOURS_S) -> None:
    """Compare every stream with its neighbours now and then, until cancelled; the next readings are judged by it."""
    neighbours, known = None, -1
    while True:
        await asyncio.sleep(interval_s)
        if len(inbox.known.streams) != known:
            known = len(inbox.known.streams)
            neighbours = await asyncio.to_thread(lambda: Neighbours(inbox.known.streams.columns()))
        assert neighbours is not None
        found = await asyncio.to_thread(neighbours.disagreeing, inbox.live, inbox.now_ms())
        inbox.watch.disagrees[: len(found)] = found
