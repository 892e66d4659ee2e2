"""ISO 8601 instants, periods and durations as int64 UTC milliseconds, and back; one by one and by the thousand."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import numpy as np

from cityloop.kernel.columns import I64
from cityloop.wire.odata.ast import ODataError

__all__ = [
    "EARLIEST_MS",
    "LATEST_MS",
    "check_observed",
    "format_instant",
    "format_period",
    "parse_duration",
    "parse_instant",
    "parse_instants",
    "parse_period",
]

EARLIEST_MS = 315_964_800_000
"""1980-01-06, the begin of GPS time. Nothing networked measured before; a clock that was never set says 1970."""
LATEST_MS = 4_102_444_800_000
"""2100-01-01. A clock whose counter overflowed says 2262."""

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MS = timedelta(milliseconds=1)
_INSTANT = re.compile(r"(\d{4}-\d\d-\d\dT\d\d:\d\d)(:\d\d(?:\.\d{1,12})?)?(Z|[+-]\d\d:?\d\d)\Z", re.ASCII)
_DURATION = re.compile(
    r"(-)?P(?:(\d{1,9})W)?(?:(\d{1,9})D)?(?:T(?:(\d{1,9})H)?(?:(\d{1,9})M)?(?:(\d{1,9}(?:\.\d{1,9})?)S)?)?\Z", re.ASCII
)
_UTC_WIDTH = len("2015-01-01T00:00:00.000Z")
_DIGITS = np.array([0, 1, 2, 3, 5, 6, 8, 9, 11, 12, 14, 15, 17, 18, 20, 21, 22])
_MARKS = np.array([4, 7, 10, 13, 16, 19, 23])
_MARK_BYTES = np.frombuffer(b"--T::.Z", np.uint8)


def parse_instant(text: object, key: str = "time") -> int:
    """Return an instant in milliseconds; digits past the millisecond are cut.

    Raises
    ------
    ODataError
        Naming the key and the value.
    """
    match = _INSTANT.match(text) if isinstance(text, str) else None
    if match is None:
        raise ODataError(f"{key} is {_shown(text)}; give an instant such as 2015-06-30T12:00:00.000Z")
    seconds = match[2] or ":00"
    if len(seconds) > 7:
        seconds = seconds[:7]
    try:
        instant = datetime.fromisoformat(match[1] + seconds.ljust(7, "0") if "." in seconds else match[1] + seconds)
        zone = datetime.fromisoformat("2000-01-01T00:00" + match[3]).utcoffset()
        assert zone is not None
        return (instant.replace(tzinfo=UTC) - _EPOCH - zone) // _MS
    except ValueError as error:
        raise ODataError(f"{key} is {_shown(text)}: {error}") from None


def parse_period(text: object, key: str = "time") -> tuple[int, int]:
    """Return begin and end of a period, or an instant twice."""
    if isinstance(text, str) and "/" in text:
        first, _, last = text.partition("/")
        begin, end = parse_instant(first, key), parse_instant(last, key)
        if end < begin:
            raise ODataError(f"{key} is {_shown(text)}: it ends before it begins")
        return begin, end
    instant = parse_instant(text, key)
    return instant, instant


def parse_duration(text: str) -> int:
    """Return an ISO 8601 duration of weeks, days and clock parts in milliseconds."""
    match = _DURATION.match(text)
    if match is None or not any(match.groups()[1:]):
        raise ODataError(f"duration {_shown(text)} cannot be read; write PT1H30M or P1D; months have no length")
    sign, weeks, days, hours, minutes, seconds = match.groups()
    whole_s = ((int(weeks or 0) * 7 + int(days or 0)) * 24 + int(hours or 0)) * 3600 + int(minutes or 0) * 60
    total_ms = whole_s * 1000 + round(float(seconds or 0) * 1000)
    return -total_ms if sign else total_ms


def check_observed(begin_ms: int, end_ms: int, key: str = "phenomenonTime") -> None:
    """Refuse an instant that only a broken clock can have said."""
    if begin_ms < EARLIEST_MS or end_ms > LATEST_MS:
        wrong = begin_ms if begin_ms < EARLIEST_MS else end_ms
        raise ODataError(
            f"{key} is {format_instant(wrong)}; it must be from {format_instant(EARLIEST_MS)} to "
            f"{format_instant(LATEST_MS)}: set the device's clock"
        )


def format_instant(instant_ms: int) -> str:
    """Return an instant as ``2015-01-01T00:00:00.000Z``."""
    try:
        text = (_EPOCH + timedelta(milliseconds=instant_ms)).isoformat(timespec="milliseconds")
    except OverflowError:
        return f"{instant_ms} ms"
    return text[:-6] + "Z"


def format_period(begin_ms: int, end_ms: int) -> str:
    """Return a period, or the instant when both ends are one."""
    return format_instant(begin_ms) if begin_ms == end_ms else f"{format_instant(begin_ms)}/{format_instant(end_ms)}"


def parse_instants(texts: Sequence[str], key: str = "phenomenonTime") -> I64:
    """Return many instants at once; by columns of digits where all are written alike.

    Raises
    ------
    ODataError
        Naming the first that cannot be read.
    """
    joined = "".join(texts)
    if joined.isascii() and len(joined) == _UTC_WIDTH * len(texts):
        table = np.frombuffer(joined.encode(), np.uint8).reshape(-1, _UTC_WIDTH)
        digits = table[:, _DIGITS] - np.uint8(48)
        if (digits <= 9).all() and (table[:, _MARKS] == _MARK_BYTES).all():
            instants = _from_digits(digits.astype(np.int64))
            if instants is not None:
                return instants
    return np.array([parse_instant(text, key) for text in texts], np.int64)


def _from_digits(d: I64) -> I64 | None:
    year = d[:, 0] * 1000 + d[:, 1] * 100 + d[:, 2] * 10 + d[:, 3]
    month, day = d[:, 4] * 10 + d[:, 5], d[:, 6] * 10 + d[:, 7]
    hour, minute, second = d[:, 8] * 10 + d[:, 9], d[:, 10] * 10 + d[:, 11], d[:, 12] * 10 + d[:, 13]
    ms = d[:, 14] * 100 + d[:, 15] * 10 + d[:, 16]
    # Days past the 28th and all else unusual go the careful way, which knows how long each month is.
    if ((year < 1) | (month < 1) | (month > 12) | (day < 1) | (hour > 23) | (minute > 59) | (second > 59)).any():
        return None
    months = (year - 1970) * 12 + month - 1
    first = months.astype("datetime64[M]").astype("datetime64[D]")
    next_first = (months + 1).astype("datetime64[M]").astype("datetime64[D]")
    if (day > (next_first - first).astype(np.int64)).any():
        return None
    days = first.astype(np.int64) + day - 1
    instants: I64 = ((days * 24 + hour) * 60 + minute) * 60_000 + second * 1000 + ms
    return instants


def _shown(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "..."
