"""One client's connection, and the table of all of them."""

from __future__ import annotations

import select
import socket
import ssl
from collections import deque
from collections.abc import Iterator

import numpy as np

from cityloop.kernel.columns import BOOL, I32, I64, U8
from cityloop.sensing.access import subject_of
from cityloop.sensing.live import grown
from cityloop.wire.mqtt.packets import Connect, Will
from cityloop.wire.mqtt.split import ALIASES

__all__ = ["MAX_OUT_BYTES", "Session", "SessionTable", "wants_reasons"]

MAX_OUT_BYTES = 1 << 20
"""What may wait to be sent to a client before messages to it are left out. [B]"""


class Session:
    """A connection: its socket, what is left of a packet, what waits to be sent, and what was agreed."""

    __slots__ = (
        "_epoll",
        "_table",
        "again",
        "aliases",
        "backlog",
        "client_id",
        "closed",
        "connected",
        "control",
        "deferred_since",
        "device",
        "explains",
        "fd",
        "filters",
        "handshaking",
        "in_flight",
        "interest",
        "name",
        "next_id",
        "out",
        "out_since",
        "rest",
        "rest_since",
        "serial",
        "slot",
        "sock",
        "version",
        "will",
    )

    def __init__(self, sock: socket.socket, epoll: select.epoll, table: SessionTable, serial: int) -> None:
        self.sock = sock
        self.fd = sock.fileno()
        self.serial = serial
        """Never given twice: tells this client from another that got its slot later."""
        self.version = 4
        self.connected = False
        self.explains = False
        """Whether refusals carry a line for a person: 5.0, and the client did not ask to be spared."""
        self.closed = False
        self.handshaking = isinstance(sock, ssl.SSLSocket)
        self.again = False
        """Whether decrypted bytes wait that the poll does not know of."""
        self.client_id = ""
        self.name = ""
        """Device that it may write for."""
        self.device = -1
        self.rest = b""
        """The begin of a packet whose end has not come."""
        self.rest_since = 0.0
        self.out = bytearray()
        self.out_since = 0.0
        self.interest = select.EPOLLIN
        self.control = False
        self.deferred_since = 0.0
        """Since when rows of it wait for its share; it is not read meanwhile, so its own buffers fill. [s]"""
        self.will: Will | None = None
        self.filters: set[str] = set()
        self.aliases: dict[int, str] = {}
        self.backlog: deque[Iterator[bytes]] = deque()
        self.in_flight: set[int] = set()
        self.next_id = 1
        self._epoll = epoll
        self._table = table
        self.slot = table.enter(self)

    def settle(self) -> None:
        """Tell the sweep whether this connection is read and written with all others, or needs a look of its own."""
        if self.closed:
            return
        table = self._table
        plain = not isinstance(self.sock, ssl.SSLSocket)
        table.reads_plainly[self.slot] = plain and not self.rest and not self.deferred_since
        table.writes_plainly[self.slot] = plain and not self.out

    def tls_subject(self) -> str | None:
        """Return the subject of the client's certificate, None where it gave none."""
        return subject_of(self.sock.getpeercert()) if isinstance(self.sock, ssl.SSLSocket) else None

    def send(self, data: bytes | memoryview, now_s: float) -> None:
        """Send as much as goes at once and keep the rest."""
        if self.closed or not data:
            return
        sent = 0
        if not self.out and not self.handshaking:
            try:
                sent = self.sock.send(data)
            except (BlockingIOError, ssl.SSLWantWriteError, ssl.SSLWantReadError):
                sent = 0
            except OSError:
                # The poll will tell that the client is gone.
                return
        if sent < len(data):
            if not self.out:
                self.out_since = now_s
                self.listen_for(self.interest | select.EPOLLOUT)
            self.out += data[sent:]
            self._table.writes_plainly[self.slot] = False

    def flush(self, now_s: float) -> None:
        """Send what waits."""
        if self.out and not self.handshaking:
            try:
                sent = self.sock.send(self.out)
            except (BlockingIOError, ssl.SSLWantWriteError, ssl.SSLWantReadError):
                return
            except OSError:
                self.out.clear()
                return
            if sent:
                del self.out[:sent]
                self.out_since = now_s
        while self.backlog and len(self.out) < MAX_OUT_BYTES // 4:
            packet = next(self.backlog[0], None)
            if packet is None:
                self.backlog.popleft()
            else:
                self.out += packet
        if not self.out:
            self.listen_for(self.interest & ~select.EPOLLOUT)
        self.settle()

    def send_later(self, packets: Iterator[bytes], now_s: float) -> None:
        """Send packets as fast as the client takes them, made when it is their turn."""
        self.backlog.append(packets)
        if not self.out:
            self.out_since = now_s
        self.listen_for(self.interest | select.EPOLLOUT)

    def take_id(self) -> int:
        """Return a packet identifier that is not in use."""
        while self.next_id in self.in_flight:
            self.next_id = self.next_id % 65_535 + 1
        packet_id = self.next_id
        self.in_flight.add(packet_id)
        self.next_id = packet_id % 65_535 + 1
        return packet_id

    def listen_for(self, interest: int) -> None:
        """Change what the poll looks for."""
        if interest != self.interest and not self.closed:
            self.interest = interest
            self._epoll.modify(self.fd, interest)

    def close(self) -> None:
        """Close the socket and give the slot back. Safe to call twice."""
        if self.closed:
            return
        self.closed = True
        self._table.leave(self)
        self._epoll.unregister(self.fd)
        self.sock.close()


class SessionTable:
    """What a sweep needs of all sessions, in columns; a row is a session's slot."""

    def __init__(self) -> None:
        room = 256
        self.by_fd: dict[int, Session] = {}
        self.by_slot: list[Session | None] = [None] * room
        self.version: U8 = np.zeros(room, np.uint8)
        """4 or 5 once a session was let in, else 0."""
        self.alias_row: I32 = np.full((room, ALIASES + 1), -1, np.int32)
        self.device: I32 = np.full(room, -1, np.int32)
        self.serial: I64 = np.full(room, -1, np.int64)
        self.seen_ms: I64 = np.zeros(room, np.int64)
        """When a packet last came, by the loop's clock."""
        self.patience_ms: I64 = np.full(room, 2**62, np.int64)
        """How long a session may be silent."""
        self.fd: I32 = np.full(room, -1, np.int32)
        self.reads_plainly: BOOL = np.zeros(room, np.bool_)
        """Whether what comes can be read with that of all others: nothing is left of a packet, and it need not wait."""
        self.writes_plainly: BOOL = np.zeros(room, np.bool_)
        """Whether acknowledgements can be sent with all others: nothing else waits to be sent before them."""
        self.slot_of_fd: I32 = np.full(room, -1, np.int32)
        self._free = list(range(room - 1, -1, -1))

    def __len__(self) -> int:
        """Return the number of sessions."""
        return len(self.by_fd)

    def enter(self, session: Session) -> int:
        """Give a slot."""
        if not self._free:
            old = len(self.by_slot)
            self.version = grown(self.version, 2 * old, 0)
            self.alias_row = grown(self.alias_row, 2 * old, -1)
            self.device = grown(self.device, 2 * old, -1)
            self.serial = grown(self.serial, 2 * old, -1)
            self.seen_ms = grown(self.seen_ms, 2 * old, 0)
            self.patience_ms = grown(self.patience_ms, 2 * old, 2**62)
            self.fd = grown(self.fd, 2 * old, -1)
            self.reads_plainly = grown(self.reads_plainly, 2 * old, False)
            self.writes_plainly = grown(self.writes_plainly, 2 * old, False)
            self.by_slot += [None] * old
            self._free = list(range(2 * old - 1, old - 1, -1))
        slot = self._free.pop()
        self.by_slot[slot] = session
        self.serial[slot] = session.serial
        self.by_fd[session.fd] = session
        if session.fd >= len(self.slot_of_fd):
            self.slot_of_fd = grown(self.slot_of_fd, 2 * session.fd, -1)
        self.slot_of_fd[session.fd] = slot
        self.fd[slot] = session.fd
        plain = not isinstance(session.sock, ssl.SSLSocket)
        self.reads_plainly[slot] = self.writes_plainly[slot] = plain
        return slot

    def leave(self, session: Session) -> None:
        """Take a slot back."""
        slot = session.slot
        self.by_slot[slot] = None
        del self.by_fd[session.fd]
        self.slot_of_fd[session.fd] = -1
        self.fd[slot] = -1
        self.reads_plainly[slot] = self.writes_plainly[slot] = False
        self.version[slot] = 0
        self.alias_row[slot] = -1
        self.device[slot] = -1
        self.serial[slot] = -1
        self.patience_ms[slot] = 2**62
        self._free.append(slot)


def wants_reasons(packet: Connect) -> bool:
    """Return whether a client is told the reason of a refusal in words: problem information, and room for it."""
    longest = packet.properties.get(0x27, 2**28)
    return packet.version == 5 and packet.properties.get(0x17, 1) == 1 and isinstance(longest, int) and longest >= 1024
