"""Sends a fleet's readings as single MQTT messages over many connections, and times QoS 1 acknowledgements."""

from __future__ import annotations

import itertools
import select
import socket
import time
from collections.abc import Callable
from urllib.parse import urlsplit

import numpy as np

from cityloop.kernel.columns import F64, I32, I64, U8
from cityloop.kernel.errors import CityError, ConfigError
from cityloop.sensing.mqtt.sockets import receive_each, send_each
from cityloop.studies.sensor_fleet import Fleet
from cityloop.studies.sensor_load import LoadCount, LoadParams, LoadReport
from cityloop.wire.mqtt.packets import Connect, encode_connect

__all__ = ["MqttFleet", "send_over_mqtt"]

_SLICES = 100
"""Parts of a round, each sent at its own time."""
_IDS = 4096
_AT_ONCE = 250
_LISTEN_S = 0.004
"""How long acknowledgements may wait to be heard. [s]"""
_HEARD_BYTES = 16_384
"""Of one connection at a time: thousands of acknowledgements."""


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
        self._fds: I32 = np.zeros(0, np.int32)
        self._epoll = select.epoll()
        self._of_fd: I32 = np.zeros(0, np.int32)
        self._heard = np.zeros(4 << 20, np.uint8)
        self._count = LoadCount()
        self._sent_s = np.zeros((self._connections if params.qos else 1, _IDS))
        self._unacknowledged = 0
        # Three digits before the point are enough for most; only larger values make longer messages.
        whole = 3 if max(abs(fleet.low), abs(fleet.high)) < 1000 else 9
        self._packets = _Packets(fleet.names, self._connections, params.qos, whole)

    def run(self, begun: Callable[[], None] = lambda: None) -> LoadReport:
        """Connect, send rounds until the duration is over, and wait for what is still unacknowledged.

        Parameters
        ----------
        begun
            Called once everybody is connected, before the first reading is sent.
        """
        self._connect()
        begun()
        self._count = count = LoadCount()
        period_s = 1 / self._params.rate_hz
        rounds = max(1, round(self._params.duration_s / period_s))
        bounds = np.linspace(0, len(self._fleet.names), _SLICES + 1).astype(int).tolist()
        due_s = count.began_s
        for _ in range(rounds):
            told = self._fleet.round(time.time_ns() // 1_000_000)
            for begin, end in itertools.pairwise(bounds):
                self._packets.fill(begin, end, told.observed_at_ms[begin:end], told.value[begin:end])
                count.behind_s = max(count.behind_s, time.perf_counter() - due_s)
                self._wait_until(due_s)
                rows = np.arange(begin, end)
                self._send(rows if told.said is None else rows[told.said[begin:end]])
                due_s += period_s / _SLICES
        self._wait_until(min(due_s, time.perf_counter() + period_s))
        patience_s = time.perf_counter() + 5
        while self._unacknowledged and time.perf_counter() < patience_s:
            time.sleep(_LISTEN_S)
            self._hear()
        report = count.report()
        for sock in self._socks:
            sock.close()
        self._epoll.close()
        return report

    def _wait_until(self, due_s: float) -> None:
        """Let time pass; acknowledgements are heard as they come."""
        while True:
            if self._params.qos:
                self._hear()
            left_s = due_s - time.perf_counter()
            if left_s <= 0:
                return
            time.sleep(min(left_s, _LISTEN_S) if self._params.qos else left_s)

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
                self._epoll.register(sock.fileno(), select.EPOLLIN)
                self._socks.append(sock)
        self._fds = np.array([sock.fileno() for sock in self._socks], np.int32)
        self._of_fd = np.zeros(int(self._fds.max()) + 1, np.int32)
        self._of_fd[self._fds] = np.arange(len(self._fds), dtype=np.int32)
        # Compiled before the clock runs.
        send_each(self._fds[:0], self._packets.data, self._packets.begins[:0], self._packets.begins[:0])
        receive_each(self._fds[:0], self._heard, 0, _HEARD_BYTES)

    def _send(self, rows: I64) -> None:
        """Send the packets of sensors."""
        count, packets = self._count, self._packets
        connection = rows % self._connections
        now_s = time.perf_counter()
        if self._params.qos:
            self._sent_s[connection, packets.next_ids(rows)] = now_s
        begins = packets.begins[rows]
        went = send_each(self._fds[connection], packets.data, begins, begins + packets.each)
        blocked = failed = 0
        for place in np.flatnonzero(went < packets.each).tolist():
            part = max(int(went[place]), 0)
            try:
                packet = packets.data[begins[place] + part : begins[place] + packets.each]
                self._socks[connection[place]].sendall(packet) if part else self._socks[connection[place]].send(packet)
            except BlockingIOError:
                blocked += 1
            except OSError:
                failed += 1
        sent = len(rows) - blocked - failed
        count.sent += sent
        count.blocked += blocked
        count.failed += failed
        if self._params.qos:
            self._unacknowledged += sent

    def _hear(self) -> None:
        """Take acknowledgements."""
        count = self._count
        events = self._epoll.poll(0, 32_768)
        fds = np.array([fd for fd, _ in events], np.int32)
        while len(fds):
            begins, counts, done = receive_each(fds, self._heard, 0, _HEARD_BYTES)
            now_s = time.perf_counter()
            for place in np.flatnonzero(counts[:done] == 0).tolist():
                self._epoll.unregister(int(fds[place]))
            came = np.flatnonzero(counts[:done] > 0)
            # PUBACKs of four bytes; the server never sends part of one unless its buffer is full.
            acks = counts[came] // 4
            number = np.repeat(self._of_fd[fds[came]], acks)
            first = np.cumsum(acks) - acks
            at = np.repeat(begins[came] - 4 * first, acks) + 4 * np.arange(int(acks.sum()))
            ids = (self._heard[at + 2].astype(int) << 8 | self._heard[at + 3]) % _IDS
            count.ack_s += (now_s - self._sent_s[number, ids]).tolist()
            count.acknowledged += len(ids)
            self._unacknowledged -= len(ids)
            fds = fds[done:]


class _Packets:
    """PUBLISH packets of all sensors as one matrix of bytes, overwritten each round."""

    def __init__(self, names: list[str], connections: int, qos: int, whole: int) -> None:
        topics = [f"readings/{name}".encode() for name in names]
        width = len(topics[0])
        if any(len(topic) != width for topic in topics):
            raise ConfigError("names must be of equal length")
        # A sign, digits before the point, the point, and three after it.
        self._whole, self._width = whole, whole + 5
        payload = b'{"value":' + b"0".rjust(self._width) + b',"observed_at_ms":0000000000000}'
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
        self.data: U8 = self._bytes.reshape(-1)
        self.each = 2 + body
        """Bytes of a packet."""
        self.begins: I64 = np.arange(len(names)) * self.each

    def fill(self, begin: int, end: int, observed_at_ms: I64, value: F64) -> None:
        """Write the readings of some sensors; a value that is no number is written as JSON's null, no reading."""
        number = np.isfinite(value)
        whole = self._whole
        milli = np.round(np.where(number, np.clip(value, -1e12, 1e12), 0.0) * 1000).astype(np.int64)
        size = np.minimum(np.abs(milli), 10 ** (whole + 4) - 1)
        digits = _digits(size, whole + 4)
        # Columns: sign, digits before the point without leading zeros, the point, three after it.
        field = np.full((len(value), self._width), 32, np.uint8)
        field[:, 1 : whole + 1] = digits[:, 1 : whole + 1]
        field[:, whole + 1] = 46
        field[:, whole + 2 :] = digits[:, whole + 1 :]
        blank = np.zeros(len(value), np.int64)
        for place in range(whole - 1):
            short = size < 10 ** (whole + 2 - place)
            field[:, 1 + place][short] = 32
            blank += short
        negative = np.flatnonzero(milli < 0)
        field[negative, blank[negative]] = 45
        field[~number] = np.frombuffer(b"null".rjust(self._width), np.uint8)
        field[size >= 10 ** (whole + 3)] = np.frombuffer(b"9" * whole + b".999 ", np.uint8)
        packets = self._bytes[begin:end]
        packets[:, self._value : self._value + self._width] = field
        packets[:, self._instant : self._instant + 13] = _digits(observed_at_ms, 13)
        if self._id:
            ids = self._ids[begin:end] = self._next[begin:end] % 65_535 + 1
            self._next[begin:end] += self._step
            packets[:, self._id] = ids >> 8
            packets[:, self._id + 1] = ids & 255

    def next_ids(self, rows: I64) -> I64:
        """Return this round's packet identifiers, as acknowledgements are looked up by."""
        found: I64 = self._ids[rows] % _IDS
        return found


def _digits(number: I64, width: int) -> U8:
    powers = 10 ** np.arange(width - 1, -1, -1, dtype=np.int64)
    return (number[:, None] // powers % 10 + 48).astype(np.uint8)


def send_over_mqtt(fleet: Fleet, params: LoadParams, begun: Callable[[], None] = lambda: None) -> LoadReport:
    """Send rounds until the duration is over."""
    return MqttFleet(fleet, params).run(begun)
