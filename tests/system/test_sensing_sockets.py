"""Bare sockets against a real listener: however messages are cut and acknowledgements left lying."""

from __future__ import annotations

import socket
import time

import numpy as np
from sensing_server import Server

from cityloop.sensing.mqtt.sockets import FAILED, receive_each, send_each
from cityloop.wire.mqtt.packets import Connect, Publish, encode_connect, encode_publish


def _login(server: Server) -> socket.socket:
    """A bare connection of the device, let in."""
    sock = socket.create_connection(("127.0.0.1", server.mqtt_port), timeout=60)
    hello = Connect(version=4, client_id=f"bare-{id(sock)}", user="box", password=server.token.encode())
    sock.sendall(encode_connect(hello))
    assert sock.recv(4) == b"\x20\x02\0\0"
    return sock


def test_each_message_is_acknowledged_once_however_it_is_cut(server):
    """Packets that come in pieces, and several in one piece, from many connections: every identifier comes back."""
    socks = [_login(server) for _ in range(20)]
    try:
        for round_ in range(5):
            for number, sock in enumerate(socks):
                said = [
                    Publish(topic="readings/s1", payload=b"%d" % number, qos=1, packet_id=3 * round_ + part + 1)
                    for part in range(3)
                ]
                packets = b"".join(encode_publish(one, 4) for one in said)
                sock.sendall(packets[: 7 + 5 * number % 40])
                time.sleep(0.002)
                sock.sendall(packets[7 + 5 * number % 40 :])
        for sock in socks:
            heard = b""
            while len(heard) < 60:
                heard += sock.recv(60 - len(heard))
            ids = [int.from_bytes(heard[at + 2 : at + 4], "big") for at in range(0, 60, 4)]
            assert heard[::4] == b"\x40" * 15
            assert sorted(ids) == list(range(1, 16))
    finally:
        for sock in socks:
            sock.close()


def test_a_client_that_reads_late_gets_every_acknowledgement(server):
    """What its buffers did not hold waits for it, in order and whole."""
    count = 30_000
    sock = _login(server)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    packets = b"".join(
        encode_publish(Publish(topic="readings/s2", payload=b"7", qos=1, packet_id=number + 1), 4)
        for number in range(count)
    )
    with sock:
        sock.sendall(packets)
        heard = b""
        while len(heard) < 4 * count:
            more = sock.recv(65_536)
            assert more
            heard += more
    ids = np.frombuffer(heard, ">u2").reshape(-1, 2)[:, 1]
    assert sorted(ids.tolist()) == list(range(1, count + 1))


def test_sockets_are_read_and_written_in_one_pass() -> None:
    """Bytes lie one behind the other; who has nothing, or is gone, is told apart; a full buffer ends the pass."""
    pairs = [socket.socketpair() for _ in range(4)]
    try:
        pairs[0][1].sendall(b"first")
        pairs[1][1].sendall(b"second one")
        pairs[2][1].close()
        fds = np.array([near.fileno() for near, _ in pairs], np.int32)
        room = np.zeros(64, np.uint8)
        begins, counts, done = receive_each(fds, room, 2, 16)
        assert (done, counts.tolist()) == (4, [5, 10, 0, FAILED])
        assert room[begins[0] : begins[0] + 5].tobytes() == b"first"
        assert room[begins[1] : begins[1] + 10].tobytes() == b"second one"
        pairs[0][1].sendall(b"again")
        assert receive_each(fds[[0, 1]], room[:20], 0, 16)[2] == 1
        data = np.frombuffer(b"abcdef", np.uint8)
        assert send_each(fds[[0, 2]], data, np.array([0, 3]), np.array([3, 6])).tolist() == [3, FAILED]
        assert pairs[0][1].recv(10) == b"abc"
    finally:
        for near, far in pairs:
            near.close()
            far.close()
