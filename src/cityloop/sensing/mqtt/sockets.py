"""Read and write many sockets in one compiled pass.

A message of a sensor costs a system call to read and one to acknowledge. What Python adds to each, taking and giving
back its lock among it, is left out here: the C library's own calls are made one after the other, with the lock free for
other threads all the while.
"""

from __future__ import annotations

import socket
from typing import Any

import numpy as np
from numba import njit, types

from cityloop.kernel.columns import I32, I64, U8

__all__ = ["FAILED", "receive_each", "send_each"]

FAILED = -1
"""Stands for a call that failed: the caller makes it once more by itself, and is told why."""

_NOW = int(socket.MSG_DONTWAIT) | int(getattr(socket, "MSG_NOSIGNAL", 0))

# Found by name in the C library that the process runs on, so that what is compiled can be kept on disk.
_recv: Any = types.ExternalFunction("recv", types.intp(types.int32, types.intp, types.intp, types.int32))
_send: Any = types.ExternalFunction("send", types.intp(types.int32, types.intp, types.intp, types.int32))


def receive_each(fds: I32, buffer: U8, at: int, most_bytes: int) -> tuple[I64, I64, int]:
    """Read each socket once, one behind the other into a buffer.

    Parameters
    ----------
    fds
        Sockets, shape (n,).
    at
        Where the first one's bytes go.
    most_bytes
        What is read of one socket at most. The pass ends where the buffer has less room.

    Returns
    -------
    tuple[I64, I64, int]
        Where the bytes of each socket begin and how many they are, 0 where the other side has closed and ``FAILED``
        where the call failed, shape (n,); and how many sockets were read.
    """
    begins, counts = np.zeros(len(fds), np.int64), np.zeros(len(fds), np.int64)
    done = _receive_each(fds, buffer, at, most_bytes, begins, counts)
    return begins, counts, int(done)


def send_each(fds: I32, data: U8, begins: I64, ends: I64) -> I64:
    """Write a part of some bytes to each socket; return how many of them went, ``FAILED`` where none could."""
    sent = np.zeros(len(fds), np.int64)
    _send_each(fds, data, begins, ends, sent)
    return sent


@njit(cache=True, nogil=True)
def _receive_each(fds: I32, buffer: U8, at: int, most_bytes: int, begins: I64, counts: I64) -> int:
    base = buffer.ctypes.data
    for one in range(len(fds)):
        if at + most_bytes > len(buffer):
            return one
        begins[one] = at
        counts[one] = _recv(fds[one], base + at, most_bytes, _NOW)
        if counts[one] > 0:
            at += counts[one]
    return len(fds)


@njit(cache=True, nogil=True)
def _send_each(fds: I32, data: U8, begins: I64, ends: I64, sent: I64) -> None:
    base = data.ctypes.data
    for one in range(len(fds)):
        sent[one] = _send(fds[one], base + begins[one], ends[one] - begins[one], _NOW)
