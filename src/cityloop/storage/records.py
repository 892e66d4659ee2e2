"""Decisions and receipts as the journal keeps them, and back."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import msgspec

from cityloop.domains.emergency.schema import Advise, Lead, Move, Send, TakeBreak
from cityloop.domains.refuse.schema import DriveRoute, EmptyToday, PlanRound
from cityloop.domains.signals.schema import ShowStage
from cityloop.kernel.errors import StoreError
from cityloop.kernel.messages import (
    Action,
    Allowed,
    Alternative,
    Decision,
    PassJunction,
    Proposal,
    Receipt,
    Refused,
    Trimmed,
)
from cityloop.storage.journal_log import LogReader

__all__ = ["Frames", "decision_from", "first_difference", "frame_of", "receipt_from"]

_COMPACT = ShowStage | PassJunction
"""Actions that travel as arrays: those of signals, a decision a junction a second."""
_NAMED = Advise | Lead | Move | Send | TakeBreak | DriveRoute | EmptyToday | PlanRound
"""The others that a journal may hold."""

_ENCODER = msgspec.msgpack.Encoder()
_PAIR = b"\x92"
"""How an array of two begins."""
_DECODER = msgspec.msgpack.Decoder(tuple[int, list[msgspec.Raw]])


def frame_of(now_ms: int, records: Sequence[Decision] | Sequence[Receipt]) -> tuple[bytes, bytes]:
    """Return the payload of a step's frame, and its records' bytes alone, one after the other.

    A frame is the instant, then the records: ``[now_ms, [record, ...]]``. Records are encoded all at once: one by one
    would cost several times as much.
    """
    array = _ENCODER.encode(records)
    head_bytes = 1 if len(records) < 16 else 3 if len(records) < 65536 else 5
    return _PAIR + _ENCODER.encode(now_ms) + array, array[head_bytes:]


class Frames:
    """The steps of one log, ``(now_ms, records)`` each; afterwards ``torn`` tells what was left unread."""

    def __init__(self, folder: Path, stem: str) -> None:
        self._log = LogReader(folder, stem)
        self._where = folder / stem

    def __iter__(self) -> Iterator[tuple[int, list[bytes]]]:
        """Yield every intact step."""
        for payload in self._log:
            try:
                now_ms, records = _DECODER.decode(payload)
            except msgspec.MsgspecError as error:
                raise StoreError(f"{self._where}: a whole frame does not hold a step ({error})") from error
            yield now_ms, [bytes(record) for record in records]

    @property
    def torn(self) -> object | None:
        """Where the log stopped being readable, once it has been read."""
        return self._log.torn


def decision_from(record: bytes) -> Decision:
    """Return the decision whose canonical bytes these are."""
    raw = msgspec.msgpack.decode(record)
    proposal, verdict = raw.pop("proposal"), raw.pop("verdict")
    asked = _action(proposal.pop("action"))
    weighed = msgspec.convert(proposal.pop("alternatives"), tuple[Alternative, ...])
    return Decision(proposal=Proposal(action=asked, alternatives=weighed, **proposal), verdict=_verdict(verdict), **raw)


def receipt_from(record: bytes) -> Receipt:
    """Return the receipt whose bytes these are."""
    return msgspec.msgpack.decode(record, type=Receipt)


def first_difference(one: bytes, other: bytes) -> tuple[str, object, object]:
    """Return the first field, by its path, in which two records differ, with both values."""
    return _differs("", msgspec.msgpack.decode(one), msgspec.msgpack.decode(other)) or ("", one, other)


def _action(raw: Any) -> Action:
    found: Action = msgspec.convert(raw, _COMPACT if isinstance(raw, list) else _NAMED)
    return found


def _verdict(raw: dict[str, Any]) -> Allowed | Trimmed | Refused:
    kind = raw["type"]
    if kind == "Refused":
        return Refused(raw["rule"])
    action = _action(raw["action"])
    return Allowed(action) if kind == "Allowed" else Trimmed(action, raw["rule"])


def _differs(path: str, one: Any, other: Any) -> tuple[str, object, object] | None:
    if isinstance(one, dict) and isinstance(other, dict) and one.keys() == other.keys():
        pairs = [(f"{path}.{key}".lstrip("."), one[key], other[key]) for key in one]
    elif isinstance(one, list) and isinstance(other, list) and len(one) == len(other):
        pairs = [(f"{path}[{row}]", one[row], other[row]) for row in range(len(one))]
    else:
        # Compared as bytes: NaN equals NaN here, and 1 is not 1.0.
        return None if _ENCODER.encode(one) == _ENCODER.encode(other) else (path, one, other)
    return next((found for found in (_differs(*pair) for pair in pairs) if found is not None), None)
