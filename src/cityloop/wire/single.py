"""One reading in a message of its own: a bare number, or a small JSON object.

``21.5``, ``{"value": 21.5}``, ``{"value": 21.5, "observed_at_ms": 1767225600123, "unit": "Cel"}``,
``{"result": 21.5, "phenomenonTime": "2026-01-01T00:00:00.123Z"}``. Members that are not known are refused.
"""

from __future__ import annotations

import math
from datetime import datetime

import msgspec

from cityloop.wire.named import NO_INSTANT, WireError

__all__ = ["decode_single", "instant_ms"]


class _Single(msgspec.Struct, forbid_unknown_fields=True):
    value: float | None = None
    result: float | None = None
    observed_at_ms: int | None = None
    phenomenonTime: str | None = None  # noqa: N815 - the name is the standard's
    unit: str = ""
    quality: int = 0
    """As a newest reading is told to subscribers; the receiver judges anew."""


_DECODER = msgspec.json.Decoder(_Single)
_NUMBER = msgspec.json.Decoder(float)


def decode_single(payload: bytes) -> tuple[float, int, str]:
    """Return (value, instant or ``NO_INSTANT``, unit or nothing)."""
    try:
        if payload.lstrip()[:1] != b"{":
            return _NUMBER.decode(payload), NO_INSTANT, ""
        single = _DECODER.decode(payload)
    except (msgspec.MsgspecError, RecursionError, UnicodeDecodeError) as error:
        raise WireError(f"payload {payload[:60]!r} is no reading: {error}") from error
    value = single.value if single.value is not None else single.result
    if value is None or (single.value is not None and single.result is not None):
        raise WireError(f'payload {payload[:60]!r} must hold one of "value" and "result"')
    if not math.isfinite(value):
        raise WireError(f"payload {payload[:60]!r}: the value must be finite")
    if single.phenomenonTime is not None:
        if single.observed_at_ms is not None:
            raise WireError(f"payload {payload[:60]!r} gives two instants, must give one")
        return value, instant_ms(single.phenomenonTime), single.unit
    at = NO_INSTANT if single.observed_at_ms is None else single.observed_at_ms
    return value, at, single.unit


def instant_ms(text: str) -> int:
    """Return an instant of ISO 8601 with a zone, in milliseconds; digits beyond are cut off."""
    try:
        moment = datetime.fromisoformat(text)
    except ValueError as error:
        raise WireError(f"instant {text!r:.60} is not ISO 8601, such as 2026-01-31T08:00:00.250Z") from error
    if moment.tzinfo is None:
        raise WireError(f"instant {text!r:.60} has no zone; add Z or an offset such as +01:00")
    since = moment - _EPOCH
    return (since.days * 86_400 + since.seconds) * 1000 + since.microseconds // 1000


_EPOCH = datetime.fromisoformat("1970-01-01T00:00:00+00:00")
