"""What a brain and the field say to one another: packs of leases, their receipts, and the field's own state.

Each is one JSON object, over MQTT and HTTP alike, so that any field controller's gateway can speak it:

    {"leases": [{"domain": "signals", "target": 3, "action": {"type": "ShowStage", "stage": 2}, "epoch": 1772352000,
                 "sequence": 17, "issued_at_ms": 1772352001300, "not_after_ms": 1772352005300}]}
    {"receipts": [{"domain": "signals", "target": 3, "sequence": 17, "epoch": 1772352000, "status": "PENDING",
                   "at_ms": 1772352001320, "detail": "taken"}]}
    {"state": "running", "at_ms": 1772352000000}

A target is a row of its table in the city document. Instants are UTC milliseconds.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from enum import StrEnum
from typing import Annotated, Any, TypeVar

import msgspec

from cityloop.kernel.messages import Action, Command, Receipt, ReceiptStatus
from cityloop.wire.named import WireError

__all__ = [
    "FieldReport",
    "FieldState",
    "decode_leases",
    "decode_receipts",
    "decode_report",
    "encode_leases",
    "encode_receipts",
    "encode_report",
]

T = TypeVar("T")

MAX_LEASES = 100_000
"""Most leases or receipts of one message."""


_Row = Annotated[int, msgspec.Meta(ge=-(2**31), lt=2**31)]
_Whole = Annotated[int, msgspec.Meta(ge=-(2**62), le=2**62)]


class FieldState(StrEnum):
    """What a field says of itself."""

    RUNNING = "running"
    LOST = "lost"
    """Said for it, by its will, when its connection broke."""
    OVER = "over"
    """It has no more time to give: a twin's end, a field that is being taken down."""


class FieldReport(msgspec.Struct, frozen=True, kw_only=True):
    """The field's own state."""

    state: FieldState
    at_ms: _Whole = 0


class _Lease(msgspec.Struct, frozen=True, kw_only=True):
    domain: str
    target: _Row
    action: dict[str, Any]
    epoch: _Whole
    sequence: _Whole
    issued_at_ms: _Whole
    not_after_ms: _Whole


class _Leases(msgspec.Struct, frozen=True):
    leases: list[_Lease]


class _Receipt(msgspec.Struct, frozen=True, kw_only=True):
    domain: str
    target: _Row
    sequence: _Whole
    status: str
    at_ms: _Whole
    epoch: _Whole = -1
    """Of the lease that is answered; -1 where the field does not say."""
    detail: str = ""


class _Receipts(msgspec.Struct, frozen=True):
    receipts: list[_Receipt]


def encode_leases(commands: Sequence[Command]) -> bytes:
    """Return a pack of leases."""
    leases = [
        _Lease(
            domain=command.domain,
            target=command.target,
            action={"type": type(command.action).__name__, **msgspec.structs.asdict(command.action)},
            epoch=command.epoch,
            sequence=command.sequence,
            issued_at_ms=command.issued_at_ms,
            not_after_ms=command.not_after_ms,
        )
        for command in commands
    ]
    return msgspec.json.encode(_Leases(leases))


def decode_leases(data: bytes, actions: Mapping[str, type[Action]]) -> list[Command]:
    """Return the leases of a pack; an action that is not known is a bare ``Action``, for the field to refuse.

    Parameters
    ----------
    actions
        The actions that the field knows, by name.
    """
    pack = _decode(data, _Leases)
    _bounded(pack.leases)
    return [
        Command(
            domain=lease.domain,
            target=lease.target,
            action=_action(lease.action, actions),
            epoch=lease.epoch,
            sequence=lease.sequence,
            issued_at_ms=lease.issued_at_ms,
            not_after_ms=lease.not_after_ms,
        )
        for lease in pack.leases
    ]


def encode_receipts(receipts: Sequence[tuple[int, Receipt]]) -> bytes:
    """Return a pack of receipts, each with the epoch that it answers (-1: not said)."""
    said = [
        _Receipt(
            domain=receipt.domain,
            target=receipt.target,
            sequence=receipt.sequence,
            status=receipt.status.name,
            at_ms=receipt.at_ms,
            epoch=epoch,
            detail=receipt.detail,
        )
        for epoch, receipt in receipts
    ]
    return msgspec.json.encode(_Receipts(said))


def decode_receipts(data: bytes) -> list[tuple[int, Receipt]]:
    """Return the receipts of a pack, each with the epoch that it answers (-1: not said)."""
    pack = _decode(data, _Receipts)
    _bounded(pack.receipts)
    return [(said.epoch, _receipt(said)) for said in pack.receipts]


def encode_report(report: FieldReport) -> bytes:
    """Return a field's state as bytes."""
    return msgspec.json.encode(report)


def decode_report(data: bytes) -> FieldReport:
    """Return a field's state."""
    return _decode(data, FieldReport)


def _receipt(said: _Receipt) -> Receipt:
    if said.status not in ReceiptStatus.__members__:
        raise WireError(f"receipt status is {said.status!r:.40}, must be one of {', '.join(ReceiptStatus.__members__)}")
    return Receipt(
        domain=said.domain,
        target=said.target,
        sequence=said.sequence,
        status=ReceiptStatus[said.status],
        at_ms=said.at_ms,
        detail=said.detail[:200],
    )


def _action(said: dict[str, Any], actions: Mapping[str, type[Action]]) -> Action:
    kind = actions.get(str(said.get("type")))
    if kind is None:
        return Action()
    fields = {field.name: field for field in msgspec.structs.fields(kind)}
    given = {name: value for name, value in said.items() if name != "type"}
    if set(given) != set(fields):
        raise WireError(f"action {kind.__name__}: keys are {sorted(given)}, must be {sorted(fields)}")
    for name, value in given.items():
        if isinstance(value, int) and not -(2**31) <= value < 2**31:
            raise WireError(f"action {kind.__name__}: {name} is {str(value)[:40]}, must be within 32 bits")
    try:
        return kind(**{name: msgspec.convert(value, fields[name].type) for name, value in given.items()})
    except msgspec.ValidationError as error:
        raise WireError(f"action {kind.__name__}: {error}") from error


def _bounded(rows: Sequence[Any]) -> None:
    if len(rows) > MAX_LEASES:
        raise WireError(f"{len(rows)} in one message, at most {MAX_LEASES} are taken; send several")


def _decode(data: bytes, kind: type[T]) -> T:
    try:
        return msgspec.json.decode(data, type=kind)
    except (msgspec.MsgspecError, RecursionError, UnicodeDecodeError) as error:
        raise WireError(f"not a message of the field: {error}") from error
