"""A call as a dispatch system hands it over, whatever it is written in: the one form that intake knows."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from enum import StrEnum
from typing import Annotated

import msgspec
from msgspec import Meta

from cityloop.wire.named import WireError

__all__ = ["CallReport", "CallState", "Place", "TakenCall", "decode_call", "encode_call", "instant_ms", "text_of"]

Name = Annotated[str, Meta(min_length=1, max_length=200)]
_LONGEST_TEXT = 2000
_OTHER = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\ud800-\udfff\ufffe\uffff]")


class CallState(StrEnum):
    """What the sender says of a call."""

    OPEN = "open"
    CLOSED = "closed"
    """Over, by its own end."""
    CANCELLED = "cancelled"
    DUPLICATE = "duplicate"
    """Found to be one with another call, which goes on."""


class Place(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """Where a call is: degrees of WGS 84, or metres of the city's own map; words for people besides."""

    lat_deg: Annotated[float, Meta(ge=-90, le=90)] | None = None
    lon_deg: Annotated[float, Meta(ge=-180, le=180)] | None = None
    x_m: Annotated[float, Meta(ge=-1e7, le=1e7)] | None = None
    y_m: Annotated[float, Meta(ge=-1e7, le=1e7)] | None = None
    words: Annotated[str, Meta(max_length=_LONGEST_TEXT)] = ""

    @property
    def known(self) -> bool:
        """Whether it can be found on a map."""
        return self.lat_deg is not None or self.x_m is not None

    def __post_init__(self) -> None:
        """Refuse half a place, and one given twice."""
        if (self.lat_deg is None) != (self.lon_deg is None):
            raise ValueError("lat_deg and lon_deg go together")
        if (self.x_m is None) != (self.y_m is None):
            raise ValueError("x_m and y_m go together")
        if self.lat_deg is not None and self.x_m is not None:
            raise ValueError("give lat_deg and lon_deg, or x_m and y_m, not both")


class CallReport(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """What was said of a call in one message. Who took it down, by telephone or by a system, makes no difference."""

    incident: Name
    """The sender's own name of the incident: the same in every message about it."""
    sender: Annotated[str, Meta(max_length=200)] = ""
    state: CallState = CallState.OPEN
    priority: Annotated[int, Meta(ge=0, le=99)] | None = None
    """As triaged outside, in the service's own numbers, 1 the highest; nothing here triages."""
    common_priority: Annotated[int, Meta(ge=0, le=10)] | None = None
    """The same as EIDO's common number: 10 the highest."""
    determinant: Annotated[str, Meta(max_length=200)] = ""
    """What triage found, in its own code."""
    place: Place = Place()
    received_at_ms: Annotated[int, Meta(ge=0, le=253_402_300_799_999)] | None = None
    """When the call was answered; the instant of arrival is taken where nothing is said."""
    duplicate_of: Annotated[str, Meta(max_length=200)] = ""
    note: Annotated[str, Meta(max_length=_LONGEST_TEXT)] = ""


class TakenCall(msgspec.Struct, frozen=True, kw_only=True):
    """A call that was taken down, as its last message tells."""

    number: int
    """The city's own number of it."""
    report: CallReport
    by: str
    """Whose message the last one was."""
    taken_at_ms: int
    """When its first message came."""
    changed_at_ms: int


_DECODER = msgspec.json.Decoder(CallReport)


def decode_call(data: bytes) -> CallReport:
    """Return a call of cityloop's own JSON.

    Raises
    ------
    WireError
        Naming the key and what is wrong with it.
    """
    try:
        report = _DECODER.decode(data)
    except msgspec.ValidationError as error:
        raise WireError(f"call: {error}".replace(" - at `$", " at `")) from error
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise WireError(f"call: not JSON ({error})") from error
    return report


def encode_call(report: CallReport) -> bytes:
    """Return a call as cityloop's own JSON."""
    return msgspec.json.encode(report)


def instant_ms(text: str, where: str) -> int:
    """Return an instant written with its offset, such as 2026-01-01T12:00:00+01:00. [ms]"""
    try:
        at = datetime.fromisoformat(text)
    except ValueError as error:
        raise WireError(f"{where}: {text!r:.60} is no instant; write it like 2026-01-01T12:00:00+01:00") from error
    if at.tzinfo is None:
        raise WireError(f"{where}: {text!r:.60} does not say its offset; add Z or +01:00")
    at_ms = round((at - datetime(1970, 1, 1, tzinfo=UTC)).total_seconds() * 1000)
    if at_ms < 0:
        raise WireError(f"{where}: {text!r:.60} lies before 1970")
    return at_ms


def text_of(text: str) -> str:
    """Return text that XML and logs can hold, cut to what a record takes."""
    return _OTHER.sub("", text)[:_LONGEST_TEXT]
