"""The field's link across two processes: the inbox lives in the server's, the loop that leads the field in another.

The loop asks for readings and hands over leases; receipts and the field's state are passed on as they come.
"""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Sequence

import msgspec
import numpy as np

from cityloop.app.live_link import InboxLink
from cityloop.engine.pipe import Pipe, PipeClosedError
from cityloop.kernel.batch import Batch
from cityloop.kernel.errors import CityError
from cityloop.kernel.messages import Command, Receipt
from cityloop.wire.field import FieldReport, FieldState, encode_leases

__all__ = ["PipeLink", "serve_link"]

_ANSWER_S = 10.0


class _Drain(msgspec.Struct, frozen=True, tag=True):
    """Up: hand over the readings received up to an instant."""

    until_ms: int


class _Lead(msgspec.Struct, frozen=True, tag=True):
    """Up: publish a pack of leases."""

    payload: bytes


class _Heard(msgspec.Struct, frozen=True, tag=True):
    """Down: the readings asked for, as the bytes of their columns."""

    stream: bytes
    observed_at_ms: bytes
    received_at_ms: bytes
    value: bytes
    quality: bytes


class _Receipts(msgspec.Struct, frozen=True, tag=True):
    """Down: what the field answered."""

    receipts: list[tuple[int, Receipt]]


class _State(msgspec.Struct, frozen=True, tag=True):
    """Down: what the field says of itself."""

    report: FieldReport


_ENCODE = msgspec.msgpack.Encoder().encode
_UP = msgspec.msgpack.Decoder(_Drain | _Lead)
_DOWN = msgspec.msgpack.Decoder(_Heard | _Receipts | _State)


def serve_link(connection: socket.socket, link: InboxLink, send: Callable[[bytes], None]) -> None:
    """Answer one loop until it is gone, on a thread of its own; the newest loop hears what the field says.

    Parameters
    ----------
    send
        Publishes a pack of leases.
    """
    pipe = Pipe(connection)

    def pass_on(said: list[tuple[int, Receipt]] | FieldReport) -> None:
        try:
            pipe.send(_ENCODE(_State(said) if isinstance(said, FieldReport) else _Receipts(said)))
        except PipeClosedError:
            link.listener = None

    def answer() -> None:
        if link.state is not None:
            pass_on(link.state)
        link.listener = pass_on
        try:
            while True:
                asked: _Drain | _Lead = _UP.decode(pipe.receive())
                match asked:
                    case _Drain(until_ms=until_ms):
                        batch = link.readings(until_ms)
                        columns = (
                            batch.stream,
                            batch.observed_at_ms,
                            batch.received_at_ms,
                            batch.value,
                            batch.quality,
                        )
                        pipe.send(_ENCODE(_Heard(*(column.tobytes() for column in columns))))
                    case _Lead(payload=payload):
                        send(payload)
        except PipeClosedError:
            pass
        finally:
            if link.listener is pass_on:
                link.listener = None
            pipe.close()

    threading.Thread(target=answer, name="field-pipe", daemon=True).start()


class PipeLink:
    """A live city's ear and voice in the loop's process."""

    def __init__(self, connection: socket.socket) -> None:
        self._pipe = Pipe(connection)
        self._lock = threading.Lock()
        self._receipts: list[tuple[int, Receipt]] = []
        self._batch: Batch | None = None
        self._answered = threading.Event()
        self.news = threading.Event()
        self.over_ms: int | None = None
        threading.Thread(target=self._listen, name="field-pipe", daemon=True).start()

    def readings(self, until_ms: int) -> Batch:
        """Return and forget what was received up to an instant."""
        self._answered.clear()
        self._pipe.send(_ENCODE(_Drain(until_ms)))
        if not self._answered.wait(_ANSWER_S) or self._batch is None:
            raise CityError("the server does not hand over the field's readings")
        batch, self._batch = self._batch, None
        return batch

    def receipts(self) -> Sequence[tuple[int, Receipt]]:
        """Return and forget the receipts that came."""
        with self._lock:
            receipts, self._receipts = self._receipts, []
        return receipts

    def send(self, commands: Sequence[Command]) -> None:
        """Publish leases."""
        self._pipe.send(_ENCODE(_Lead(encode_leases(commands))))

    def close(self) -> None:
        """Let go of the server."""
        self._pipe.close()

    def _listen(self) -> None:
        try:
            while True:
                said: _Heard | _Receipts | _State = _DOWN.decode(self._pipe.receive())
                match said:
                    case _Heard() as heard:
                        self._batch = _batch(heard)
                        self._answered.set()
                    case _Receipts(receipts=receipts):
                        with self._lock:
                            self._receipts += receipts
                        self.news.set()
                    case _State(report=report):
                        self.over_ms = report.at_ms if report.state is FieldState.OVER else None
                        self.news.set()
        except (PipeClosedError, OSError):
            self._answered.set()
            self.news.set()


def _batch(heard: _Heard) -> Batch:
    return Batch(
        np.frombuffer(heard.stream, np.int32),
        np.frombuffer(heard.observed_at_ms, np.int64),
        np.frombuffer(heard.received_at_ms, np.int64),
        np.frombuffer(heard.value, np.float64),
        np.frombuffer(heard.quality, np.uint8),
    )
