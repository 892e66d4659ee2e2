"""The socket between the running city and the server: whole messages, both ways."""

from __future__ import annotations

import select
import socket
import struct
import threading

from cityloop.kernel.errors import CityError

__all__ = ["Pipe", "PipeClosedError"]

_LENGTH = struct.Struct(">I")
_SEND_LIMIT_S = 5.0


class PipeClosedError(CityError):
    """The other side is gone."""


class Pipe:
    """Owns one end."""

    def __init__(self, connection: socket.socket) -> None:
        self._connection = connection
        self._connection.settimeout(None)
        self._sending = threading.Lock()

    def send(self, payload: bytes) -> None:
        """Send one message whole."""
        try:
            with self._sending:
                self._connection.sendall(_LENGTH.pack(len(payload)) + payload)
        except OSError as error:
            raise PipeClosedError("the other side of the pipe is gone") from error

    def receive(self) -> bytes:
        """Wait for one message."""
        return self._exactly(_LENGTH.unpack(self._exactly(_LENGTH.size))[0])

    def poll(self, timeout_s: float) -> bytes | None:
        """Wait so long for one message; None when none came."""
        ready, _, _ = select.select([self._connection], [], [], max(timeout_s, 0.0))
        return self.receive() if ready else None

    def close(self) -> None:
        """Close this end. Safe to call twice."""
        self._connection.close()

    def _exactly(self, size: int) -> bytes:
        parts = bytearray(size)
        view, have = memoryview(parts), 0
        while have < size:
            try:
                count = self._connection.recv_into(view[have:])
            except OSError as error:
                raise PipeClosedError("the other side of the pipe is gone") from error
            if count == 0:
                raise PipeClosedError("the other side of the pipe is gone")
            have += count
        return bytes(parts)
