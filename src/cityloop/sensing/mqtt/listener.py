"""The sockets of the MQTT listener, swept by the batch.

A socket is not read when it has something, but when it is its turn: every few milliseconds one sweep asks the kernel
which connections have sent anything, reads each once into one shared buffer, splits all of it in one compiled pass and
submits all plain readings as one batch. A message then costs a fraction of a system call instead of several, at the
price of half a sweep's delay.
"""

from __future__ import annotations

import asyncio
import select
import socket
import ssl
from dataclasses import dataclass

import numpy as np

from cityloop.kernel.columns import I32, I64
from cityloop.kernel.errors import CityloopError, ConfigError
from cityloop.kernel.readings import Overloaded, StoreFull
from cityloop.sensing.mqtt.broker import Broker
from cityloop.sensing.mqtt.rows import RowsIn
from cityloop.sensing.mqtt.session import Session
from cityloop.sensing.mqtt.sockets import FAILED, receive_each, send_each
from cityloop.wire.mqtt.properties import PacketError, Reason
from cityloop.wire.mqtt.split import MALFORMED, PACKET, Rows, split

__all__ = ["ListenerParams", "MqttListener"]

_ROWS, _RESTS = 65_536, 16_384


@dataclass(frozen=True, slots=True, kw_only=True)
class ListenerParams:
    """How the listener reads, and how long it waits for whom."""

    sweep_s: float = 0.02
    """Time between sweeps. [s]"""

    busy_sweep_s: float = 0.1
    """The same while many send and nobody asks for acknowledgements: more of each is then read at once. [s]"""

    busy_connections: int = 400
    """Connections with something to read in one sweep that make it a busy time."""

    read_bytes: int = 65_536
    """Most that is read of one connection in a sweep. [B]"""

    buffer_bytes: int = 8 << 20
    """Room for what a sweep reads. [B]"""

    receive_buffer_bytes: int = 65_536
    """What the kernel may hold of one connection; the sender waits when it is full. [B]"""

    max_sessions: int = 20_000
    connect_s: float = 10.0
    """Time to introduce oneself. [s]"""

    packet_s: float = 30.0
    """Time to send the rest of a packet, and to take what is sent. [s]"""

    deferred_s: float = 60.0
    """How long a client may be kept waiting for its share before it is told to leave. [s]"""

    changes_s: float = 0.1
    """Time between messages on one stream to its subscribers. [s]"""

    def __post_init__(self) -> None:
        for name in ("sweep_s", "busy_sweep_s"):
            if not 0.001 <= getattr(self, name) <= 0.25:
                raise ConfigError(f"{name} is {getattr(self, name):g}, must be from 0.001 to 0.25")
        if self.buffer_bytes < 4 * self.read_bytes:
            raise ConfigError("buffer_bytes must be at least four times read_bytes")


class MqttListener:
    """Owns the listening socket and all connections. Runs on one asyncio loop."""

    def __init__(
        self,
        broker: Broker,
        *,
        host: str = "127.0.0.1",
        port: int = 1883,
        tls: ssl.SSLContext | None = None,
        params: ListenerParams | None = None,
    ) -> None:
        self.broker = broker
        self.params = params or ListenerParams()
        self.malformed = 0
        """Connections closed for breaking the protocol."""
        self.turned_away = 0
        """Connections not taken because there are too many."""
        self.sweeps = 0
        self._address = (host, port)
        self._tls = tls
        self._epoll = select.epoll()
        self._socket: socket.socket | None = None
        self._serial = 0
        room = self.params.buffer_bytes + broker.max_packet_bytes + self.params.read_bytes
        self._buffer = np.zeros(room, np.uint8)
        self._view = self._buffer.data
        self._rows = Rows.with_room(_ROWS, _RESTS)
        self._in = RowsIn(broker)
        self._timers: dict[str, asyncio.TimerHandle] = {}
        self._loop: asyncio.AbstractEventLoop | None = None
        self._again: list[Session] = []
        self._looked_s = 0.0

    async def start(self) -> int:
        """Listen; return the port."""
        self._loop = loop = asyncio.get_running_loop()
        self._warm_up()
        family = socket.AF_INET6 if ":" in self._address[0] else socket.AF_INET
        listening = socket.create_server(self._address, family=family, backlog=4096)
        listening.setblocking(False)
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, self.params.receive_buffer_bytes)
        self._socket = listening
        loop.add_reader(listening.fileno(), self._accept)
        self.broker.call_soon = loop.call_soon_threadsafe
        self._sweep_after(self.params.sweep_s)
        self._every("changes", self.params.changes_s, self.broker.tell_changes)
        self._every("patience", 1.0, self._look_after)
        self._every("shares", 0.2, self._in.try_again)
        return int(listening.getsockname()[1])

    async def close(self) -> None:
        """Say goodbye to all and stop. Safe to call twice."""
        for timer in self._timers.values():
            timer.cancel()
        self._timers.clear()
        if self._socket is not None and self._loop is not None:
            self._loop.remove_reader(self._socket.fileno())
            self._socket.close()
            self._socket = None
        for session in tuple(self.broker.sessions.by_fd.values()):
            session.will = None
            self.broker.leave(session, Reason.SHUTTING_DOWN)
        self._epoll.close()

    def _warm_up(self) -> None:
        """Compile what is compiled before anybody waits for it."""
        none = np.zeros(0, np.int64)
        table, topics = self.broker.sessions, self.broker.topics
        nobody = none.astype(np.int32)
        split(self._buffer, none, none, nobody, table.version, table.alias_row, topics, self._rows, 1)
        receive_each(nobody, self._buffer, 0, 1)
        send_each(nobody, self._buffer, none, none)

    def _every(self, name: str, interval_s: float, call: object) -> None:
        loop = self._loop
        assert loop is not None
        assert callable(call)

        def tick() -> None:
            # The next turn is set before this one, so that nothing that goes wrong in one can end them all.
            self._timers[name] = loop.call_later(interval_s, tick)
            self.broker.now_s = loop.time()
            call()

        self._timers[name] = loop.call_later(interval_s, tick)

    def _sweep_after(self, wait_s: float) -> None:
        assert self._loop is not None
        self._timers["sweep"] = self._loop.call_later(wait_s, self._sweep_and_go_on)

    def _sweep_and_go_on(self) -> None:
        """Sweep, and look again the later the more connections there are: more of each is then read at once."""
        assert self._loop is not None
        params, read = self.params, 0
        self.broker.now_s = self._loop.time()
        self._in.acknowledging = False
        try:
            read = self._sweep()
        finally:
            busy = read >= params.busy_connections and not self._in.acknowledging
            wait_s = params.busy_sweep_s if busy else params.sweep_s
            if self._socket is not None:
                self._sweep_after(max(0.001, wait_s - (self._loop.time() - self.broker.now_s)))

    def _accept(self) -> None:
        assert self._socket is not None
        for _ in range(256):
            try:
                sock, _address = self._socket.accept()
            except (BlockingIOError, OSError):
                return
            sock.setblocking(False)
            if len(self.broker.sessions) >= self.params.max_sessions:
                self.turned_away += 1
                sock.close()
                continue
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            if self._tls is not None:
                sock = self._tls.wrap_socket(sock, server_side=True, do_handshake_on_connect=False)
            self._serial += 1
            session = Session(sock, self._epoll, self.broker.sessions, self._serial)
            self._epoll.register(session.fd, session.interest)
            self.broker.sessions.seen_ms[session.slot] = self._now_ms()
            self.broker.sessions.patience_ms[session.slot] = int(self.params.connect_s * 1000)

    def _sweep(self) -> int:
        """Read every connection that sent something, once, and take what came; return how many there were."""
        self.sweeps += 1
        table = self.broker.sessions
        if not table:
            return 0
        again, self._again = self._again, []
        events = np.array(self._epoll.poll(0, 32_768), np.int64).reshape(-1, 2)
        slots = table.slot_of_fd[events[:, 0]]
        plain = (events[:, 1] == select.EPOLLIN) & (slots >= 0) & table.reads_plainly[slots]
        if self._in.crowded():
            plain[:] = False
        # The one by one first: they may set what the others are read by.
        read = self._sweep_each(again, events[~plain].tolist())
        return read + self._sweep_plain(slots[plain].astype(np.int32))

    def _sweep_plain(self, slots: I32) -> int:
        """Read connections of which there is nothing special to know, all in one pass."""
        table, read = self.broker.sessions, len(slots)
        while len(slots):
            # A session that has ended since has lent its slot and its number to nobody yet.
            slots = slots[table.fd[slots] >= 0]
            serials = table.serial[slots]
            begins, counts, done = receive_each(table.fd[slots], self._buffer, 0, self.params.read_bytes)
            came = np.flatnonzero(counts[:done] > 0)
            if len(came):
                self._take(slots[came], begins[came], begins[came] + counts[came])
            for place in np.flatnonzero(counts[:done] <= 0).tolist():
                session = table.by_slot[int(slots[place])]
                if session is not None and session.serial == serials[place]:
                    self._lost_or_late(session, int(counts[place]))
            slots = slots[done:]
        return read

    def _lost_or_late(self, session: Session, count: int) -> None:
        """End a session whose other side is gone; one that merely has nothing to read goes on."""
        if count == FAILED:
            try:
                count = len(session.sock.recv(1, socket.MSG_PEEK))
            except BlockingIOError:
                return
            except OSError:
                count = 0
        if not count:
            self.broker.leave(session)

    def _sweep_each(self, again: list[Session], events: list[list[int]]) -> int:
        """Read connections one by one: encrypted ones, those in the midst of a packet, those that take or wait."""
        table, read, at = self.broker.sessions, 0, 0
        pieces: list[tuple[Session, int, int]] = []
        lost: list[Session] = []
        crowded = self._in.crowded()
        for session in again:
            if not session.closed and not session.deferred_since:
                at = self._read(session, at, pieces, lost)
        for fd, event in events:
            found = table.by_fd.get(fd)
            if found is None:
                continue
            if event & select.EPOLLOUT:
                found.flush(self.broker.now_s)
            if not event & ~select.EPOLLOUT or found.deferred_since or (crowded and not found.control):
                # What is not read fills the client's own buffers: it has to wait.
                if event & (select.EPOLLHUP | select.EPOLLERR):
                    lost.append(found)
                continue
            if at > self.params.buffer_bytes - self.params.read_bytes:
                read += len(pieces)
                self._take_pieces(pieces)
                pieces, at = [], 0
            at = self._read(found, at, pieces, lost)
        if pieces:
            self._take_pieces(pieces)
        for session in lost:
            self.broker.leave(session)
        return read + len(pieces)

    def _take_pieces(self, pieces: list[tuple[Session, int, int]]) -> None:
        slots = np.array([session.slot for session, _, _ in pieces], np.int32)
        self._take(slots, np.array([p[1] for p in pieces], np.int64), np.array([p[2] for p in pieces], np.int64))

    def _read(self, session: Session, at: int, pieces: list[tuple[Session, int, int]], lost: list[Session]) -> int:
        """Read one connection behind what is left of its last packet; return where the next one's bytes go."""
        sock = session.sock
        begin = at
        try:
            if session.handshaking and isinstance(sock, ssl.SSLSocket):
                sock.do_handshake()
                session.handshaking = False
                session.flush(self.broker.now_s)
            end = at + len(session.rest)
            self._view[at:end] = session.rest
            count = sock.recv_into(self._view[end : end + self.params.read_bytes])
        except (ssl.SSLWantReadError, ssl.SSLWantWriteError, BlockingIOError):
            return begin
        except OSError:
            count = end = 0
        if not count:
            lost.append(session)
            return begin
        if isinstance(sock, ssl.SSLSocket) and sock.pending():
            self._again.append(session)
        pieces.append((session, begin, end + count))
        return end + count

    def _take(self, slots: I32, begins: I64, ends: I64) -> None:
        """Split and take what was read of the sessions in some slots."""
        broker, table, rows = self.broker, self.broker.sessions, self._rows
        broker.refresh_topics()
        table.seen_ms[slots] = self._now_ms()
        serials = table.serial[slots]
        while True:
            found, rest = split(
                self._buffer,
                begins,
                ends,
                slots,
                table.version,
                table.alias_row,
                broker.topics,
                rows,
                broker.max_packet_bytes,
            )
            if found:
                self._in.take(rows, found, slots)
            for place in range(rest):
                session = self._session(int(rows.rest_piece[place]), slots, serials)
                if session is not None:
                    self._packet(session, int(rows.rest_begin[place]), int(rows.rest_end[place]), rows.rest_kind[place])
            if found < _ROWS and rest < _RESTS:
                break
        for place in np.flatnonzero((begins < ends) | ~table.reads_plainly[slots]).tolist():
            session = self._session(place, slots, serials)
            if session is None:
                continue
            if begins[place] < ends[place]:
                if not session.rest:
                    session.rest_since = broker.now_s
                session.rest = self._view[begins[place] : ends[place]].tobytes()
            else:
                session.rest = b""
            session.settle()

    def _session(self, piece: int, slots: I32, serials: I64) -> Session | None:
        """Return the session that a piece was read of, while it lives."""
        session = self.broker.sessions.by_slot[int(slots[piece])]
        return session if session is not None and session.serial == serials[piece] else None

    def _packet(self, session: Session, begin: int, end: int, kind: int) -> None:
        """Take one packet that is no plain reading."""
        broker = self.broker
        try:
            if kind != PACKET:
                reason = Reason.MALFORMED if kind == MALFORMED else Reason.PACKET_TOO_LARGE
                raise PacketError(f"a packet is malformed or above {broker.max_packet_bytes} bytes", reason)
            body = begin + 2
            while self._view[body - 1] & 128:
                body += 1
            broker.packet(session, int(self._view[begin]), self._view[body:end].tobytes())
        except (Overloaded, StoreFull):
            self._in.defer_packet(session, self._view[begin:end].tobytes())
        except PacketError as error:
            self.malformed += 1
            broker.leave(session, error.reason, str(error))
        except CityloopError as error:
            broker.leave(session, Reason.UNSPECIFIED, str(error))

    def _look_after(self) -> None:
        """Close connections that are silent, stuck in a packet, or do not take what they are sent."""
        broker, now_s = self.broker, self.broker.now_s
        table = broker.sessions
        was_s, self._looked_s = self._looked_s, now_s
        if now_s - was_s > 2.0:
            # The loop stood still: what came meanwhile has to be read before anybody is called silent.
            return
        silent = np.flatnonzero(self._now_ms() - table.seen_ms > table.patience_ms)
        for slot in silent.tolist():
            session = table.by_slot[slot]
            if session is not None and not session.deferred_since:
                broker.leave(session, Reason.KEEP_ALIVE_TIMEOUT, "nothing heard for one and a half keep-alives")
        patience_s = self.params.packet_s
        for session in tuple(table.by_fd.values()):
            if session.out and now_s - session.out_since > patience_s:
                session.out.clear()
                broker.leave(session, Reason.UNSPECIFIED, "takes too long to take what it is sent")
            elif session.deferred_since:
                if now_s - session.deferred_since > self.params.deferred_s:
                    broker.leave(session, Reason.QUOTA_EXCEEDED, "more readings than your share")
            elif session.rest and now_s - session.rest_since > patience_s:
                broker.leave(session, Reason.MALFORMED, "a packet took too long to arrive")

    def _now_ms(self) -> int:
        return int(self.broker.now_s * 1000)
