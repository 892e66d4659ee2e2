"""What the twin and its child process say to one another: few, compact messages over one socket.

Readings travel as the raw bytes of their columns; nothing is made into an object a reading.
"""

from __future__ import annotations

import socket
import struct
from typing import Any

import msgspec
import numpy as np

from cityloop.domains.emergency.schema import Advise, Lead, Move, Send, TakeBreak, TakeCall
from cityloop.domains.refuse.schema import DriveRoute
from cityloop.domains.signals.schema import ShowStage
from cityloop.kernel.batch import Batch
from cityloop.kernel.messages import Action, Command, Receipt, ReceiptStatus

__all__ = [
    "Close",
    "Closed",
    "Failed",
    "LeaseMessage",
    "Observe",
    "Ready",
    "Seen",
    "batch_of",
    "receive",
    "send",
]

_LENGTH = struct.Struct(">I")
_USUAL_BYTES = 1 << 16
_NO_STAGE = -(2**31)
_ENCODER = msgspec.msgpack.Encoder()
_ACTION = msgspec.msgpack.Decoder(Advise | Lead | Move | Send | TakeBreak | TakeCall | DriveRoute)


class LeaseMessage(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """A command, flattened."""

    domain: str
    target: int
    stage: int
    epoch: int
    sequence: int
    issued_at_ms: int
    not_after_ms: int
    action: bytes = b""
    """Of an action of another domain: its bytes."""

    @classmethod
    def of(cls, command: Command) -> LeaseMessage:
        """Flatten a command; an action that is not of signals has no stage and travels whole."""
        action = command.action
        shown = isinstance(action, ShowStage)
        stage = action.stage if isinstance(action, ShowStage) else _NO_STAGE
        return cls(
            command.domain,
            command.target,
            stage,
            command.epoch,
            command.sequence,
            command.issued_at_ms,
            command.not_after_ms,
            b"" if shown else _ENCODER.encode(action),
        )

    def command(self) -> Command:
        """Return the command."""
        return Command(
            domain=self.domain,
            target=self.target,
            action=ShowStage(self.stage) if self.stage != _NO_STAGE else _action_of(self.action),
            epoch=self.epoch,
            sequence=self.sequence,
            issued_at_ms=self.issued_at_ms,
            not_after_ms=self.not_after_ms,
        )


class ReceiptMessage(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """A receipt, as an array."""

    domain: str
    target: int
    sequence: int
    status: int
    at_ms: int
    detail: str


class Observe(msgspec.Struct, frozen=True, array_like=True, tag=True):
    """Parent to child: take these commands, then let time pass."""

    until_ms: int
    commands: tuple[LeaseMessage, ...]


class Close(msgspec.Struct, frozen=True, array_like=True, tag=True):
    """Parent to child: finish the outputs and end."""


class Ready(msgspec.Struct, frozen=True, array_like=True, tag=True):
    """Child to parent: the simulation is loaded."""


class Seen(msgspec.Struct, frozen=True, array_like=True, tag=True):
    """Child to parent: what an ``Observe`` brought."""

    now_ms: int
    ended: bool
    cpu_s: float
    stream: bytearray
    """Columns come as memory of their own that may be written to: an array over it needs no copy."""
    observed_at_ms: bytearray
    received_at_ms: bytearray
    value: bytearray
    receipts: tuple[ReceiptMessage, ...]
    picture: dict[str, bytes] = {}
    """What a map may show of the simulation's truth; no controller reads it."""


class Failed(msgspec.Struct, frozen=True, array_like=True, tag=True):
    """Child to parent: it cannot go on."""

    what: str
    now_ms: int


class Closed(msgspec.Struct, frozen=True, array_like=True, tag=True):
    """Child to parent: the outputs are whole."""

    cpu_s: float


_Message = Observe | Close | Ready | Seen | Failed | Closed
_DECODER = msgspec.msgpack.Decoder(_Message)


def _action_of(data: bytes) -> Action:
    """Return an action of a service; one that no service knows becomes an action that all of them refuse."""
    try:
        found: Action = _ACTION.decode(data)
    except msgspec.ValidationError:
        return Action()
    return found


def send(connection: socket.socket, message: Any) -> None:
    """Send one message whole."""
    payload = _ENCODER.encode(message)
    connection.sendall(_LENGTH.pack(len(payload)) + payload)


def receive(connection: socket.socket) -> _Message | None:
    """Wait for one message; None when the other side is gone. Nobody sends a second before the first is answered."""
    whole = bytearray()
    missing = _LENGTH.size
    while missing > 0:
        # All of most messages at once, length and all: what is asked of the system costs more than what is copied.
        part = _part(connection, max(missing, _USUAL_BYTES))
        if not part:
            return None
        whole += part
        if len(whole) >= _LENGTH.size:
            missing = _LENGTH.size + _LENGTH.unpack_from(whole)[0] - len(whole)
    message: _Message = _DECODER.decode(memoryview(whole)[_LENGTH.size :])
    return message


def batch_of(seen: Seen) -> Batch:
    """Return the readings of a message, all of them good.

    Writable like any other batch's, because compiled functions tell read-only arrays apart and would be compiled a
    second time.
    """
    stream = np.frombuffer(seen.stream, np.int32)
    return Batch(
        stream,
        np.frombuffer(seen.observed_at_ms, np.int64),
        np.frombuffer(seen.received_at_ms, np.int64),
        np.frombuffer(seen.value, np.float64),
        np.zeros(len(stream), np.uint8),
    )


def receipts_of(seen: Seen) -> tuple[Receipt, ...]:
    """Return the receipts of a message."""
    return tuple(
        Receipt(
            domain=r.domain,
            target=r.target,
            sequence=r.sequence,
            status=ReceiptStatus(r.status),
            at_ms=r.at_ms,
            detail=r.detail,
        )
        for r in seen.receipts
    )


def receipt_message(receipt: Receipt) -> ReceiptMessage:
    """Flatten a receipt."""
    return ReceiptMessage(
        receipt.domain, receipt.target, receipt.sequence, int(receipt.status), receipt.at_ms, receipt.detail
    )


def _part(connection: socket.socket, most_bytes: int) -> bytes:
    """Return what is there of a message; nothing when the other side is gone."""
    try:
        return connection.recv(most_bytes)
    except ConnectionError:
        return b""
