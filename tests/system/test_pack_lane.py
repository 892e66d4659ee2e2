"""Packs over HTTP by the short way: the same answers as by the long one, from real sockets."""

from __future__ import annotations

import socket
import time
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from sensing_server import ADMIN, Server

from cityloop.sensing.inbox import Limits
from cityloop.wire import arrow


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    with Server(tmp_path_factory.mktemp("lane")) as running:
        yield running


@pytest.fixture
def connect():
    """Connections that are closed with the test."""
    made: list[Wire] = []

    def connect(server: Server, token: str | None = None) -> Wire:
        made.append(Wire(server, token))
        return made[-1]

    yield connect
    for wire in made:
        wire.sock.close()


class Wire:
    """One connection, byte by byte."""

    def __init__(self, server: Server, token: str | None = None) -> None:
        host, port = server.url.removeprefix("http://").split(":")
        self.sock = socket.create_connection((host, int(port)), timeout=20)
        self.token = token or server.token
        self._held = b""

    def request(self, body: bytes, **headers: str) -> bytes:
        """Return a pack's bytes with its head."""
        fields = {"Host": "city", "Authorization": f"Bearer {self.token}", "Content-Type": arrow.MEDIA_TYPE, **headers}
        lines = "".join(f"{name.replace('_', '-')}: {value}\r\n" for name, value in fields.items())
        return f"POST /ingest HTTP/1.1\r\n{lines}Content-Length: {len(body)}\r\n\r\n".encode() + body

    def answer(self) -> tuple[int, bytes, bytes]:
        """Return status, head and body of the next answer."""
        while b"\r\n\r\n" not in self._held:
            self._more()
        head, _, rest = self._held.partition(b"\r\n\r\n")
        length = int(head.lower().split(b"content-length:")[1].split(b"\r\n")[0])
        while len(rest) < length:
            self._more()
            rest = self._held.partition(b"\r\n\r\n")[2]
        self._held = rest[length:]
        return int(head[9:12]), head, rest[:length]

    def send(self, body: bytes, **headers: str) -> tuple[int, bytes, bytes]:
        self.sock.sendall(self.request(body, **headers))
        return self.answer()

    def _more(self) -> None:
        data = self.sock.recv(1 << 20)
        if not data:
            raise EOFError
        self._held += data


LAST = [0]


def pack(values, names=("s0", "s1")) -> bytes:
    """Return a pack whose instants are never those of another."""
    LAST[0] = max(LAST[0] + 1, time.time_ns() // 1_000_000 - 1_000_000)
    return arrow.encode_arrow(list(names), np.full(len(names), LAST[0]), np.array(values, np.float64))


def test_later_packs_of_a_connection_are_answered_like_the_first(server, connect):
    """The first takes the framework's way; heads, body and store tell no difference."""
    wire, before = connect(server), server.service.http.lane.packs
    answers = [wire.send(pack([20.0 + n, 30.0])) for n in range(5)]
    assert server.service.http.lane.packs == before + 4
    assert {(status, body) for status, _, body in answers} == {
        (200, b'{"stored":2,"suspect":0,"late":0,"duplicate":0,"quarantined":0}')
    }
    fields = [sorted(line.split(b":")[0] for line in head.split(b"\r\n")[1:]) for _, head, _ in answers]
    assert all(found == fields[0] for found in fields)
    assert server.history("s0")[-5:] == [20.0, 21.0, 22.0, 23.0, 24.0]


def test_bad_and_foreign_readings_are_told_apart_on_the_short_way(server, connect):
    wire = connect(server)
    wire.send(pack([1.0, 1.0]))
    assert b'"stored":1' in wire.send(pack([2.0, 999.0]))[2]
    status, _, body = wire.send(pack([2.0, 3.0], names=("s0", "other")))
    assert (status, b'"quarantined":1' in body) == (200, True)
    status, _, body = wire.send(pack([2.0, 3.0], names=("s0", "nn")))
    assert (status, b'"quarantined":1' in body) == (200, True)


def test_a_spoilt_pack_is_refused_and_the_connection_goes_on(server, connect):
    wire = connect(server)
    good = pack([1.0, 1.0])
    wire.send(good)
    spoilt = bytearray(pack([1.0, 1.0]))
    spoilt[8:16] = b"\xff" * 8
    assert wire.send(bytes(spoilt))[0] == 400
    assert wire.send(pack([4.0, 4.0]))[0] == 200


def test_packs_in_pieces_and_one_behind_the_other_are_all_answered_in_order(server, connect):
    """However the bytes are cut; a request of another kind among them waits for its turn."""
    wire = connect(server)
    wire.send(pack([1.0, 1.0]))
    get = b"GET /ingest/counts HTTP/1.1\r\nHost: city\r\nAuthorization: Bearer " + wire.token.encode() + b"\r\n\r\n"
    stream = wire.request(pack([5.0, 1.0])) + wire.request(pack([6.0, 1.0])) + get + wire.request(pack([7.0, 1.0]))
    for begin in range(0, len(stream), 97):
        wire.sock.sendall(stream[begin : begin + 97])
    found = [wire.answer() for _ in range(4)]
    assert [status for status, _, _ in found] == [200] * 4
    assert b'"submitted"' in found[2][2]
    assert server.history("s0")[-3:] == [5.0, 6.0, 7.0]


def test_a_token_that_was_taken_back_is_refused_at_the_next_pack(server, connect):
    """Though the connection was known, and its head too."""
    token = server.opened.tokens.issue("passing")
    wire = connect(server, token)
    assert wire.send(pack([1.0, 1.0]))[0] == 200
    assert wire.send(pack([1.0, 1.0]))[0] == 200
    server.opened.tokens.revoke("passing")
    assert wire.send(pack([1.0, 1.0]))[0] == 401


def test_many_connections_at_once_are_each_answered(server, connect):
    """Packs of one moment go to the log together."""

    def sender(number: int) -> list[int]:
        wire = connect(server, ADMIN)
        stream, found = f"s{number % 5}", []
        for turn in range(20):
            at = np.array([time.time_ns() // 1_000_000 - 500_000 + turn * 16 + number])
            found.append(wire.send(arrow.encode_arrow([stream], at, np.array([float(turn)])))[0])
        return found

    before = server.opened.inbox.submitted_rows
    with ThreadPoolExecutor(16) as pool:
        answers = [status for found in pool.map(sender, range(16)) for status in found]
    assert answers == [200] * 320
    assert server.opened.inbox.submitted_rows - before == 320


def test_an_empty_pack_is_answered(server, connect):
    wire = connect(server)
    for _ in range(3):
        assert wire.send(pack([], names=()))[0] == 200


def test_over_its_share_a_pack_is_refused_with_when_to_try_again(tmp_path, connect):
    """Explicitly, by the short way too, and the connection stays."""
    with Server(tmp_path, Limits(readings_per_s=4.0)) as server:
        wire = connect(server)
        found = [wire.send(pack([float(n), 1.0])) for n in range(12)]
        refused = [head for status, head, _ in found if status == 429]
        assert refused
        assert all(b"retry-after" in head.lower() for head in refused)
        assert {status for status, _, _ in found} == {200, 429}
