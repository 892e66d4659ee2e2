"""A bridge to a broker that a city already runs: its messages come in as if they were published here.

The bridge subscribes at the broker with QoS 1 and acknowledges a message when its readings would survive a power cut,
so that the broker keeps and sends again what was not. What devices are to be told goes out with QoS 1.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

from gmqtt import Client as GmqttClient
from gmqtt import Subscription
from gmqtt.mqtt.constants import MQTTv50, MQTTv311

from cityloop.kernel.errors import CityError, ConfigError, InputError
from cityloop.kernel.readings import Overloaded, StoreFull
from cityloop.sensing.inbox import Inbox
from cityloop.sensing.mqtt.topics import TopicHandler
from cityloop.sensing.sparkplug import SparkplugTopics
from cityloop.wire.mqtt.topics import is_filter

__all__ = ["Bridge", "BridgeParams", "keep_bridged"]

_LOG = logging.getLogger(__name__)

_RETRY_S = 0.5
_KEPT_S = 86_400
"""How long the broker keeps what was not acknowledged. [s]"""


@dataclass(frozen=True, slots=True, kw_only=True)
class BridgeParams:
    """Which broker, and what of it."""

    host: str
    port: int = 1883
    topics: tuple[str, ...] = (
        "readings/#",
        "packs/#",
        "v3/+/devices/+/up",
        "application/+/device/+/event/up",
        "spBv1.0/#",
        "devices/+/receipts",
        "devices/+/state",
    )
    """Filters to subscribe to."""

    user: str = ""
    password: str = ""
    client_id: str = "cityloop-bridge"
    """Kept by the broker with what was not acknowledged, so one to a bridge."""

    device: str = ""
    """The device that the broker's messages are taken to come from; empty: it may write every stream."""

    strip: str = ""
    """Prefix of the broker's topics that is left out, such as ``city/``."""

    tls: bool = False
    version: int = 5

    def __post_init__(self) -> None:
        if not self.host or not 0 < self.port < 65_536:
            raise ConfigError(f"broker {self.host!r}:{self.port}, must be a host and a port from 1 to 65535")
        for topic in self.topics:
            if not is_filter(topic):
                raise ConfigError(f"bridge topic {topic!r} is no topic filter")
        if self.version not in (4, 5):
            raise ConfigError(f"version is {self.version}, must be 4 (MQTT 3.1.1) or 5")

    @classmethod
    def of_url(cls, url: str) -> BridgeParams:
        """Read ``mqtt://[USER[:PASSWORD]@]HOST[:PORT][/PREFIX][?topic=FILTER&device=NAME&version=4]``.

        ``mqtts`` is the same over TLS. ``topic`` may be repeated and replaces the usual filters.
        """
        try:
            parts = urlsplit(url)
            port = parts.port
            query = parse_qs(parts.query, strict_parsing=bool(parts.query))
        except ValueError as error:
            raise ConfigError(f"bridge {_without_secret(url)!r}: {error}") from error
        known = {"topic", "device", "version", "client"}
        if parts.scheme not in ("mqtt", "mqtts") or not parts.hostname or not set(query) <= known:
            raise ConfigError(
                f"bridge {_without_secret(url)!r}: give mqtt://[USER:PASSWORD@]HOST[:PORT][/PREFIX], and after ? only "
                f"{', '.join(sorted(known))}"
            )
        version = query.get("version", ["5"])[-1]
        if version not in ("4", "5"):
            raise ConfigError(f"bridge version is {version!r:.20}, must be 4 (MQTT 3.1.1) or 5")
        prefix = unquote(parts.path.strip("/"))
        usual = cls(host=parts.hostname)
        return cls(
            host=parts.hostname,
            port=port or (8883 if parts.scheme == "mqtts" else 1883),
            topics=tuple(query.get("topic", usual.topics)),
            user=unquote(parts.username or ""),
            password=unquote(parts.password or ""),
            client_id=query.get("client", [usual.client_id])[-1],
            device=query.get("device", [""])[-1],
            strip=f"{prefix}/" if prefix else "",
            tls=parts.scheme == "mqtts",
            version=int(version),
        )


def _without_secret(url: str) -> str:
    head, sign, tail = url.rpartition("@")
    return f"{head.partition('//')[0]}//...@{tail}" if sign else url


class Bridge:
    """Owns one connection to a broker, and makes it anew whenever it breaks."""

    def __init__(self, params: BridgeParams, inbox: Inbox, handlers: Sequence[TopicHandler]) -> None:
        self.params = params
        self.taken = 0
        """Messages taken and acknowledged."""
        self.refused = 0
        """Messages that were no readings: kept as dead letters."""
        self.parted = 0
        """Messages of which only the control readings were kept: the rest was over the bridge's share."""
        self.unknown = 0
        """Messages of topics that nothing here reads."""
        self._inbox = inbox
        # An edge node behind a broker is asked for its births by that broker.
        self._handlers = tuple(
            each.asking(self.publish) if isinstance(each, SparkplugTopics) else each for each in handlers
        )
        self._subscribed = asyncio.Event()
        self._client = GmqttClient(
            params.client_id,
            clean_session=False,
            optimistic_acknowledgement=False,
            **({"session_expiry_interval": _KEPT_S} if params.version == 5 else {}),
        )
        self._client.on_connect = self._connected
        self._client.on_subscribe = lambda *_: self._subscribed.set()
        self._client.on_message = self._heard
        if params.user:
            self._client.set_auth_credentials(params.user, params.password or None)

    async def start(self, *, patience_s: float = 10.0) -> None:
        """Connect and subscribe; later breaks are mended without end."""
        version = MQTTv50 if self.params.version == 5 else MQTTv311
        try:
            async with asyncio.timeout(patience_s):
                await self._client.connect(self.params.host, self.params.port, ssl=self.params.tls, version=version)
                await self._subscribed.wait()
        except (OSError, TimeoutError) as error:
            where = f"{self.params.host}:{self.params.port}"
            raise CityError(f"broker {where} cannot be reached ({type(error).__name__}); is it running?") from error

    def publish(self, topic: str, payload: bytes, *, retain: bool = False) -> None:
        """Send a message with QoS 1."""
        self._client.publish(self.params.strip + topic, payload, qos=1, retain=retain)

    async def close(self) -> None:
        """Say goodbye; the broker keeps what comes meanwhile."""
        await self._client.disconnect()

    def _connected(self, client: Any, _flags: int, _result: int, _properties: Mapping[str, Any]) -> None:
        client.subscribe([Subscription(self.params.strip + topic, qos=1) for topic in self.params.topics])

    async def _heard(self, _client: Any, topic: str, payload: bytes, _qos: int, _properties: Mapping[str, Any]) -> int:
        """Take one message; the broker is told when this returns."""
        topic = topic.removeprefix(self.params.strip)
        handler = next((found for found in self._handlers if found.handles(topic)), None)
        if handler is None:
            self.unknown += 1
            return 0
        while True:
            try:
                await self._durable(handler, topic, payload)
            except InputError as error:
                self.refused += 1
                self._inbox.set_aside(payload, f"{topic}: {error}", device=self.params.device)
                return 0
            except (Overloaded, StoreFull) as error:
                if isinstance(error, Overloaded) and error.kept:
                    # A broker can only send it whole again, and control readings must not be heard twice.
                    self.parted += 1
                    return 0
                # Nothing is acknowledged meanwhile, so the broker keeps the rest.
                await asyncio.sleep(_RETRY_S)
                continue
            self.taken += 1
            return 0

    async def _durable(self, handler: TopicHandler, topic: str, payload: bytes) -> None:
        loop = asyncio.get_running_loop()
        durable: asyncio.Future[Exception | None] = loop.create_future()

        def done(error: Exception | None) -> None:
            loop.call_soon_threadsafe(settle, error)

        def settle(error: Exception | None) -> None:
            if not durable.done():
                durable.set_result(error)

        handler.publish(topic, payload, self.params.device, done)
        error = await durable
        if error is not None:
            raise error


async def keep_bridged(bridge: Bridge) -> None:
    """Connect a bridge, however long that takes; what breaks later is mended by the bridge itself."""
    wait_s = 1.0
    while True:
        try:
            await bridge.start()
        except CityError as error:
            _LOG.warning("cityloop: warning: %s; it is tried again", error)
            await asyncio.sleep(wait_s)
            wait_s = min(wait_s * 2, 30.0)
        else:
            return
