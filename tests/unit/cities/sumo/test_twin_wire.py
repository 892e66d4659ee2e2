"""What the twin's two processes say to one another arrives whole, however the socket cuts it up."""

from __future__ import annotations

import socket
import struct
import threading

import numpy as np
import pytest

from cityloop.cities.sumo.twin_wire import Close, LeaseMessage, Observe, Seen, batch_of, receive, send
from cityloop.domains.signals.schema import ShowStage
from cityloop.kernel.batch import Quality
from cityloop.kernel.messages import Command


@pytest.fixture
def ends():
    """Two ends of a socket."""
    here, there = socket.socketpair()
    with here, there:
        yield here, there


def seen(n_readings):
    """What a step brought, with so many readings."""
    instants = bytearray(np.full(n_readings, 1000, np.int64))
    values = bytearray(np.linspace(0.0, 1.0, n_readings))
    return Seen(1000, False, 0.5, bytearray(np.arange(n_readings, dtype=np.int32)), instants, instants, values, ())


@pytest.mark.parametrize("n_readings", [0, 1, 2_000, 200_000])
def test_a_message_of_any_size_arrives(ends, n_readings):
    """A message that the socket hands over in many parts is one message."""
    here, there = ends
    sending = threading.Thread(target=send, args=(here, seen(n_readings)))
    sending.start()
    message = receive(there)
    sending.join()
    assert message == seen(n_readings)


def test_a_message_in_single_bytes_arrives(ends):
    """Not even the length needs to come at once."""
    here, there = ends
    send(here, Observe(2000, ()))
    whole = there.recv(1000)
    sending = threading.Thread(target=lambda: [here.send(whole[i : i + 1]) for i in range(len(whole))])
    sending.start()
    message = receive(there)
    sending.join()
    assert message == Observe(2000, ())


@pytest.mark.parametrize("sent", [b"", b"\0\0", struct.pack(">I", 9) + b"half"])
def test_who_is_gone_says_nothing(ends, sent):
    """A message cut short by the other side's end is none."""
    here, there = ends
    here.sendall(sent)
    here.close()
    assert receive(there) is None


def test_one_message_after_the_other(ends):
    """The next message begins where the last one ended."""
    here, there = ends
    for message in (Observe(1000, ()), Close()):
        send(here, message)
        assert receive(there) == message


def test_readings_come_back_good_and_writable():
    """Compiled functions would be compiled again for read-only arrays."""
    batch = batch_of(seen(3))
    assert batch.stream.tolist() == [0, 1, 2]
    assert batch.value.tolist() == [0.0, 0.5, 1.0]
    assert batch.quality.tolist() == [Quality.GOOD] * 3
    columns = (batch.stream, batch.observed_at_ms, batch.received_at_ms, batch.value, batch.quality)
    assert all(column.flags.writeable and column.flags.aligned for column in columns)


def test_a_command_comes_back_as_it_was():
    """A lease is flattened for the way and is the same command on the other side."""
    command = Command(
        domain="signals", target=3, action=ShowStage(2), epoch=1, sequence=7, issued_at_ms=1000, not_after_ms=5000
    )
    assert LeaseMessage.of(command).command() == command
