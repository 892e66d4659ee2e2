"""A small client of MQTT 5.0 on one blocking socket: what a device's gateway needs, with every acknowledgement told.

It connects once; whoever owns it makes another when it broke. One thread reads, any thread may send.
"""

from __future__ import annotations

import contextlib
import socket
import ssl
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from cityloop.kernel.errors import CityError
from cityloop.wire.mqtt.packets import (
    Connect,
    Kind,
    Publish,
    Subscribe,
    Subscription,
    Will,
    decode_publish,
    encode_connect,
    encode_publish,
    encode_subscribe,
    frame,
    puback,
)

__all__ = ["ClientParams", "MqttClient"]

_VERSION = 5
_LARGEST = 1 << 24


@dataclass(frozen=True, slots=True, kw_only=True)
class ClientParams:
    """Which broker, and as whom."""

    host: str
    port: int = 1883
    client_id: str
    user: str = ""
    password: str = ""
    topics: tuple[str, ...] = ()
    """Filters to subscribe to, with QoS 1."""
    will: Will | None = None
    keep_alive_s: int = 10
    tls: ssl.SSLContext | None = None
    patience_s: float = 10.0


class MqttClient:
    """Owns one connection.

    Parameters
    ----------
    heard
        ``heard(topic, payload)``, on the reading thread.
    acknowledged
        ``acknowledged(packet_id, reason)``, on the reading thread; 0 is success.
    broken
        Called once when the connection ended without ``close``.

    Raises
    ------
    OSError
        When the broker cannot be reached.
    CityError
        When it refuses.
    """

    def __init__(
        self,
        params: ClientParams,
        *,
        heard: Callable[[str, bytes], None],
        acknowledged: Callable[[int, int], None],
        broken: Callable[[], None],
    ) -> None:
        self._heard, self._acknowledged, self._broken = heard, acknowledged, broken
        self._next_id = 1
        self._sending = threading.Lock()
        self._closed = threading.Event()
        sock = socket.create_connection((params.host, params.port), timeout=params.patience_s)
        self._sock: socket.socket = sock
        try:
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            if params.tls is not None:
                self._sock = params.tls.wrap_socket(sock, server_hostname=params.host)
            self._greet(params)
        except BaseException:
            self._sock.close()
            raise
        # A broker that says nothing for one and a half keep-alives is gone: pings are answered.
        self._sock.settimeout(params.keep_alive_s * 1.5)
        self._reader = threading.Thread(target=self._read, name="mqtt-client", daemon=True)
        self._reader.start()
        self._pinger = threading.Thread(
            target=self._ping, args=(params.keep_alive_s / 2,), name="mqtt-client-ping", daemon=True
        )
        self._pinger.start()

    def publish(self, topic: str, payload: bytes, *, qos: int = 1, retain: bool = False, dup: bool = False) -> int:
        """Send a message; return its packet identifier, 0 for QoS 0."""
        with self._sending:
            packet_id = 0
            if qos:
                packet_id = self._next_id
                self._next_id = packet_id % 65_535 + 1
            packet = Publish(topic=topic, payload=payload, qos=qos, retain=retain, dup=dup, packet_id=packet_id)
            self._sock.sendall(encode_publish(packet, _VERSION))
        return packet_id

    def close(self) -> None:
        """Say goodbye, so that the will is not published. Safe to call twice."""
        if not self._closed.is_set():
            self._closed.set()
            with contextlib.suppress(OSError), self._sending:
                self._sock.sendall(frame(0xE0, b""))
        self._shut()

    def _greet(self, params: ClientParams) -> None:
        hello = Connect(
            version=_VERSION,
            client_id=params.client_id,
            keep_alive_s=params.keep_alive_s,
            user=params.user or None,
            password=params.password.encode() or None,
            will=params.will,
        )
        self._sock.sendall(encode_connect(hello))
        head, body = self._packet()
        if head >> 4 != Kind.CONNACK or len(body) < 2 or body[1]:
            reason = f"0x{body[1]:02x}" if len(body) > 1 else "no answer"
            raise CityError(
                f"broker {params.host}:{params.port} refuses the connection ({reason}); is the token right?"
            )
        if params.topics:
            self._subscribe(params.topics)

    def _subscribe(self, topics: Sequence[str]) -> None:
        wanted = tuple(Subscription(topic_filter=topic, qos=1) for topic in topics)
        self._sock.sendall(encode_subscribe(Subscribe(packet_id=65_535, subscriptions=wanted), _VERSION))
        while True:
            head, body = self._packet()
            if head >> 4 == Kind.SUBACK:
                break
            self._take(head, body)
        refused = [topic for topic, reason in zip(topics, body[-len(topics) :], strict=True) if reason >= 0x80]
        if refused:
            raise CityError(f"the broker refuses a subscription to {refused[0]}; may this token read it?")

    def _read(self) -> None:
        try:
            while True:
                self._take(*self._packet())
        except (OSError, CityError, ValueError, IndexError):
            pass
        finally:
            self._shut()
            if not self._closed.is_set():
                self._closed.set()
                self._broken()

    def _take(self, head: int, body: bytes) -> None:
        kind = head >> 4
        if kind == Kind.PUBLISH:
            packet = decode_publish(head, body, _VERSION)
            self._heard(packet.topic, packet.payload)
            if packet.qos:
                with self._sending:
                    self._sock.sendall(puback(_VERSION, packet.packet_id))
        elif kind == Kind.PUBACK:
            self._acknowledged(int.from_bytes(body[:2], "big"), body[2] if len(body) > 2 else 0)
        elif kind == Kind.DISCONNECT:
            raise CityError("the broker said goodbye")

    def _ping(self, every_s: float) -> None:
        while not self._closed.wait(every_s):
            try:
                with self._sending:
                    self._sock.sendall(b"\xc0\x00")
            except OSError:
                self._shut()
                return

    def _packet(self) -> tuple[int, bytes]:
        head = self._exactly(1)[0]
        length = shift = 0
        while True:
            byte = self._exactly(1)[0]
            length |= (byte & 127) << shift
            shift += 7
            if byte < 128:
                break
            if shift > 21:
                raise CityError("the broker sends what is no MQTT")
        if length > _LARGEST:
            raise CityError(f"the broker sends a packet of {length} bytes")
        return head, self._exactly(length)

    def _exactly(self, size: int) -> bytes:
        parts = bytearray()
        while len(parts) < size:
            part = self._sock.recv(size - len(parts))
            if not part:
                raise ConnectionResetError("the broker closed the connection")
            parts += part
        return bytes(parts)

    def _shut(self) -> None:
        # Shut down before closing, so that a thread that reads wakes up.
        with contextlib.suppress(OSError):
            self._sock.shutdown(socket.SHUT_RDWR)
        self._sock.close()
