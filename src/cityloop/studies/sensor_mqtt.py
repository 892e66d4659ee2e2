"""Sends a fleet's readings as single MQTT messages over many connections, and times QoS 1 acknowledgements."""

from __future__ import annotations

import itertools
import select
import socket
import time
from urllib.parse import urlsplit

import numpy as np

from cityloop.kernel.columns import F64, I64, U8
from cityloop.kernel.errors import CityError, ConfigError
from cityloop.studies.sensor_fleet import Fleet
from cityloop.studies.sensor_load import LoadCount, LoadParams, LoadReport
from cityloop.wire.mqtt.packets import Connect, encode_connect

__all__ = ["MqttFleet", "send_over_mqtt"]

_SLICES = 100
"""Parts of a round, each sent at its own time."""
_IDS = 4096
_AT_ONCE = 250


class MqttFleet:
    """Many connections of one thread; sensor i speaks on connection i modulo their number."""

    def __init__(self, fleet: Fleet, params: LoadParams) -> None:
        parts = urlsplit(params.url)
        if parts.scheme != "mqtt" or not parts.hostname:
            raise ConfigError(f"url is {params.url!r}, must be mqtt://HOST:PORT")
        self._address = (parts.hostname, parts.port or 1883)
        self._fleet, self._params = fleet, params
        self._connections = min(params.connections, len(fleet.names))
        self._socks: list[socket.socket] = []
        self._epoll = select.epoll()
        self._of_fd: dict[int, int] = {}
        self._count = LoadCount()
        self._sent_s = np.zeros((self._connections if params.qos else 1, _IDS))
        self._unacknowledged = 0
        self._packets = _Packets(fleet.names, self._connections, params.qos)

    def run(self) -> LoadReport:
        """Connect, send rounds until the duration is over, and wait for what is still unacknowledged."""
        self._connect()
        self._count = count = LoadCount()
        period_s = 1 / self._params.rate_hz
        rounds = max(1, round(self._params.duration_s / period_s))
        bounds = np.linspace(0, len(self._fleet.names), _SLICES + 1).astype(int).tolist()
        due_s = count.began_s
        for _ in range(rounds):
            said = self._fleet.round(time.time_ns() // 1_000_000)
            self._packets.fill(said.observed_at_ms, said.value)
            for begin, end in itertools.pairwise(bounds):
                late_s = time.perf_counter() - due_s
                count.behind_s = max(count.behind_s, late_s)
                if late_s < 0:
                    time.sleep(-late_s)
                self._send(begin, end)
                if self._params.qos:
                    self._hear()
                due_s += period_s / _SLICES
        patience_s = time.perf_counter() + 5
        while self._unacknowledged and time.perf_counter() < patience_s:
            time.sleep(0.005)
            self._hear()
        report = count.report()
        for sock in self._socks:
            sock.close()
        self._epoll.close()
        return report

    def _connect(self) -> None:
        token = self._params.token.encode() or None
        for begin in range(0, self._connections, _AT_ONCE):
            some = []
            for number in range(begin, min(begin + _AT_ONCE, self._connections)):
                sock = socket.create_connection(self._address, timeout=30)
                sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                name = f"fleet-{number:05d}"
                hello = Connect(version=4, client_id=name, user=name if token else None, password=token)
                sock.sendall(encode_connect(hello))
                some.append(sock)
            for sock in some:
                answer = sock.recv(4)
                if answer[:1] != b"\x20" or answer[3:4] != b"\0":
                    raise CityError(f"{self._params.url}: the connection was refused ({answer.hex() or 'closed'})")
                sock.setblocking(False)
                self._of_fd[sock.fileno()] = len(self._socks)
                self._epoll.register(sock.fileno(), select.EPOLLIN)
                self._socks.append(sock)

    def _send(self, begin: int, end: int) -> None:
        """Send the packets of sensors from begin to end; those of one connection may go together."""
        count, packets = self._count, self._packets
        now_s = time.perf_counter()
        if self._params.qos:
            rows = np.arange(begin, end)
            self._sent_s[rows % self._connections, packets.next_ids(begin, end)] = now_s
        views, connections = packets.views, self._connections
        socks = self._socks
        blocked = failed = 0
        for row in range(begin, end):
            try:
                socks[row % connections].send(views[row])
            except BlockingIOError:
                blocked += 1
            except OSError:
                failed += 1
        sent = end - begin - blocked - failed
        count.sent += sent
        count.blocked += blocked
        count.failed += failed
        if self._params.qos:
            self._unacknowledged += sent

    def _hear(self) -> None:
        """Take acknowledgements."""
        count = self._count
        now_s = time.perf_counter()
        for fd, _ in self._epoll.poll(0, 4096):
            number = self._of_fd[fd]
            try:
                data = self._socks[number].recv(65_536)
            except BlockingIOError:
                continue
            except OSError:
                data = b""
            if not data:
                self._epoll.unregister(fd)
                continue
            # PUBACKs of four bytes; the server never sends part of one unless its buffer is full.
            acks = np.frombuffer(data[: len(data) // 4 * 4], np.uint8).reshape(-1, 4)
            ids = (acks[:, 2].astype(int) << 8 | acks[:, 3]) % _IDS
            count.ack_s += (now_s - self._sent_s[number, ids]).tolist()
            count.acknowledged += len(ids)
            self._unacknowledged -= len(ids)


class _Packets:
    """PUBLISH packets of all sensors as one matrix of bytes, overwritten each round."""

    def __init__(self, names: list[str], connections: int, qos: int) -> None:
        topics = [f"readings/{name}".encode() for name in names]
        width = len(topics[0])
        if any(len(topic) != width for topic in topics):
            raise ConfigError("names must be of equal length")
        payload = b'{"value":       0,"observed_at_ms":0000000000000}'
        body = 2 + width + (2 if qos else 0) + len(payload)
        if body > 127:
            raise ConfigError("the names are too long; give a shorter --prefix")
        head = bytes([0x30 | qos << 1, body]) + width.to_bytes(2, "big")
        self._bytes = np.empty((len(names), 2 + body), np.uint8)
        self._bytes[:, :4] = np.frombuffer(head, np.uint8)
        self._bytes[:, 4 : 4 + width] = np.frombuffer(b"".join(topics), np.uint8).reshape(-1, width)
        self._bytes[:, -len(payload) :] = np.frombuffer(payload, np.uint8)
        self._value = 2 + body - len(payload) + 9
        self._instant = 2 + body - 14
        self._id = 4 + width if qos else 0
        self._connections = connections
        self._next = np.arange(len(names)) // connections
        self._step = -(-len(names) // connections)
        self._ids = np.zeros(len(names), int)
        flat = memoryview(self._bytes.reshape(-1).data)
        each = 2 + body
        self.views = [flat[begin : begin + each] for begin in range(0, flat.nbytes, each)]

    def fill(self, observed_at_ms: I64, value: F64) -> None:
        """Write this round's readings; a value that is no number is written as JSON's null, which is no reading."""
        number = np.isfinite(value)
        milli = np.round(np.where(number, value, 0.0) * 1000).astype(np.int64)
        size = np.minimum(np.abs(milli), 9_999_999)
        digits = _digits(size, 7)
        # Columns: sign, up to four digits before the point without leading zeros, the point, two or three after it.
        field = np.full((len(value), 8), 32, np.uint8)
        field[:, 1:4] = digits[:, 1:4]
        field[:, 4] = 46
        field[:, 5:8] = digits[:, 4:7]
        field[:, 1][size < 100_000] = 32
        field[:, 2][size < 10_000] = 32
        negative = milli < 0
        lead = 3 - (size >= 10_000).astype(int) - (size >= 100_000).astype(int)
        field[np.flatnonzero(negative), lead[negative] - 1] = 45
        field[~number] = np.frombuffer(b"    null", np.uint8)
        wild = size >= 1_000_000
        field[wild] = np.frombuffer(b"999.999 ", np.uint8)
        self._bytes[:, self._value : self._value + 8] = field
        self._bytes[:, self._instant : self._instant + 13] = _digits(observed_at_ms, 13)
        if self._id:
            self._ids = self._next % 65_535 + 1
            self._next += self._step
            self._bytes[:, self._id] = self._ids >> 8
            self._bytes[:, self._id + 1] = self._ids & 255

    def next_ids(self, begin: int, end: int) -> I64:
        """Return this round's packet identifiers, as acknowledgements are looked up by."""
        found: I64 = self._ids[begin:end] % _IDS
        return found


def _digits(number: I64, width: int) -> U8:
    powers = 10 ** np.arange(width - 1, -1, -1, dtype=np.int64)
    return (number[:, None] // powers % 10 + 48).astype(np.uint8)


def send_over_mqtt(fleet: Fleet, params: LoadParams) -> LoadReport:
    """Send rounds until the duration is over."""
    return MqttFleet(fleet, params).run()
