"""Compiled scanners of single readings in text: a number, an instant, or a small flat JSON object of the two.

They take the common form at the price of a few dozen nanoseconds and say ``UNSURE`` of everything else, which the
strict decoder in ``single.py`` then reads or refuses. What they do take they read exactly: a decimal of up to 19 digits
whose digits and power of ten are both exact in binary is one correctly rounded operation away from its value [1]_.

References
----------
.. [1] Clinger, W. D. (1990). How to read floating point numbers accurately. PLDI '90. doi:10.1145/93542.93557
"""

from __future__ import annotations

import numpy as np
from numba import njit

from cityloop.kernel.columns import U8

__all__ = ["NO_INSTANT_I64", "SURE", "UNSURE", "scan_instant", "scan_number", "scan_reading"]

SURE = 0
UNSURE = 1

NO_INSTANT_I64: int = -(2**63)
_TENS = np.array([10.0**power for power in range(23)])
_EXACT = np.uint64(2**53)


@njit(cache=True, nogil=True)
def scan_number(text: U8, at: int, end: int) -> tuple[int, float, int]:
    """Read a JSON number; return (whether sure, value, first byte after it)."""
    negative = False
    if at < end and text[at] == 45:
        negative = True
        at += 1
    digits = 0
    mantissa = np.uint64(0)
    begin = at
    while at < end and 48 <= text[at] <= 57:
        mantissa = mantissa * np.uint64(10) + np.uint64(text[at] - 48)
        digits += 1
        at += 1
    if digits == 0 or (digits > 1 and text[begin] == 48):
        return UNSURE, 0.0, at
    power = 0
    if at < end and text[at] == 46:
        at += 1
        before = digits
        while at < end and 48 <= text[at] <= 57:
            mantissa = mantissa * np.uint64(10) + np.uint64(text[at] - 48)
            digits += 1
            at += 1
        power = before - digits
        if power == 0:
            return UNSURE, 0.0, at
    if digits > 18:
        return UNSURE, 0.0, at
    if at < end and (text[at] == 101 or text[at] == 69):
        at += 1
        below = False
        if at < end and (text[at] == 43 or text[at] == 45):
            below = text[at] == 45
            at += 1
        exponent = 0
        begin = at
        while at < end and 48 <= text[at] <= 57 and at - begin < 4:
            exponent = exponent * 10 + int(text[at] - 48)
            at += 1
        if at == begin or at - begin > 3:
            return UNSURE, 0.0, at
        power += -exponent if below else exponent
    if mantissa > _EXACT or power > 22 or power < -22:
        return UNSURE, 0.0, at
    value = float(mantissa)
    value = value * _TENS[power] if power >= 0 else value / _TENS[-power]
    return SURE, -value if negative else value, at


@njit(cache=True, nogil=True)
def _two(text: U8, at: int) -> int:
    tens, ones = int(text[at]) - 48, int(text[at + 1]) - 48
    return tens * 10 + ones if 0 <= tens <= 9 and 0 <= ones <= 9 else -1


@njit(cache=True, nogil=True)
def scan_instant(text: U8, at: int, end: int) -> tuple[int, int, int]:
    """Read an instant such as 2026-01-31T08:00:00.250Z or with +01:00; return (whether sure, ms, byte after)."""
    if end - at < 20:
        return UNSURE, NO_INSTANT_I64, at
    if text[at + 4] != 45 or text[at + 7] != 45 or text[at + 10] != 84 or text[at + 13] != 58 or text[at + 16] != 58:
        return UNSURE, NO_INSTANT_I64, at
    century, year = _two(text, at), _two(text, at + 2)
    month, day, hour = _two(text, at + 5), _two(text, at + 8), _two(text, at + 11)
    minute, second = _two(text, at + 14), _two(text, at + 17)
    # A leap second and a day past the month's 28th are rare enough to be left to the strict decoder where they matter.
    if century < 0 or year < 0 or month < 1 or month > 12 or hour < 0 or hour > 23 or minute < 0 or minute > 59:
        return UNSURE, NO_INSTANT_I64, at
    if second < 0 or second > 59 or day < 1 or day > 31:
        return UNSURE, NO_INSTANT_I64, at
    year += century * 100
    if year < 1970 or (day > 28 and day > _month_days(year, month)):
        return UNSURE, NO_INSTANT_I64, at
    at += 19
    ms = 0
    if text[at] == 46:
        at += 1
        scale = 100
        begin = at
        while at < end and 48 <= text[at] <= 57:
            ms += (int(text[at]) - 48) * scale
            scale //= 10
            at += 1
        if at == begin or at - begin > 9:
            return UNSURE, NO_INSTANT_I64, at
    offset_min = 0
    if at < end and text[at] == 90:
        at += 1
    elif at + 6 <= end and (text[at] == 43 or text[at] == 45) and text[at + 3] == 58:
        hours, minutes = _two(text, at + 1), _two(text, at + 4)
        if hours < 0 or hours > 15 or minutes < 0 or minutes > 59:
            return UNSURE, NO_INSTANT_I64, at
        offset_min = hours * 60 + minutes
        if text[at] == 45:
            offset_min = -offset_min
        at += 6
    else:
        return UNSURE, NO_INSTANT_I64, at
    # Days since 1970 of a proleptic Gregorian date, with March as the first month of its year.
    shifted = year - (1 if month <= 2 else 0)
    era = shifted // 400
    of_era = shifted - era * 400
    of_year = (153 * (month + (-3 if month > 2 else 9)) + 2) // 5 + day - 1
    days = era * 146097 + of_era * 365 + of_era // 4 - of_era // 100 + of_year - 719468
    seconds = days * 86400 + hour * 3600 + (minute - offset_min) * 60 + second
    return SURE, seconds * 1000 + ms, at


@njit(cache=True, nogil=True)
def _month_days(year: int, month: int) -> int:
    if month == 2:
        return 29 if year % 4 == 0 and (year % 100 != 0 or year % 400 == 0) else 28
    return 30 if month == 4 or month == 6 or month == 9 or month == 11 else 31


@njit(cache=True, nogil=True)
def _skip_space(text: U8, at: int, end: int) -> int:
    while at < end and (text[at] == 32 or text[at] == 10 or text[at] == 13 or text[at] == 9):
        at += 1
    return at


@njit(cache=True, nogil=True)
def _is(text: U8, at: int, end: int, word: U8) -> bool:
    if end - at != len(word):
        return False
    same = True
    for place in range(len(word)):
        same = same and text[at + place] == word[place]
    return same


_VALUE = np.frombuffer(b"value", np.uint8)
_RESULT = np.frombuffer(b"result", np.uint8)
_OBSERVED = np.frombuffer(b"observed_at_ms", np.uint8)
_PHENOMENON = np.frombuffer(b"phenomenonTime", np.uint8)


@njit(cache=True, nogil=True)
def scan_reading(text: U8, at: int, end: int) -> tuple[int, float, int]:
    """Read a bare number, or {"value" or "result": number, "observed_at_ms": integer or "phenomenonTime": instant}.

    Returns (whether sure, value, instant or ``NO_INSTANT_I64``).
    """
    at = _skip_space(text, at, end)
    if at < end and text[at] != 123:
        sure, value, at = scan_number(text, at, end)
        if sure != SURE or _skip_space(text, at, end) != end:
            return UNSURE, 0.0, NO_INSTANT_I64
        return SURE, value, NO_INSTANT_I64
    at += 1
    value, instant = 0.0, NO_INSTANT_I64
    has_value = has_instant = False
    while True:
        at = _skip_space(text, at, end)
        if at >= end or text[at] != 34:
            return UNSURE, 0.0, NO_INSTANT_I64
        at += 1
        begin = at
        while at < end and text[at] != 34 and text[at] != 92:
            at += 1
        if at >= end or text[at] != 34:
            return UNSURE, 0.0, NO_INSTANT_I64
        close = at
        at = _skip_space(text, at + 1, end)
        if at >= end or text[at] != 58:
            return UNSURE, 0.0, NO_INSTANT_I64
        at = _skip_space(text, at + 1, end)
        if at >= end:
            return UNSURE, 0.0, NO_INSTANT_I64
        if not has_value and (_is(text, begin, close, _VALUE) or _is(text, begin, close, _RESULT)):
            sure, value, at = scan_number(text, at, end)
            has_value = True
        elif not has_instant and _is(text, begin, close, _OBSERVED):
            sure, number, at = scan_number(text, at, end)
            if number != np.floor(number) or abs(number) > 1e15:
                return UNSURE, 0.0, NO_INSTANT_I64
            instant = int(number)
            has_instant = True
        elif not has_instant and _is(text, begin, close, _PHENOMENON) and text[at] == 34:
            sure, instant, at = scan_instant(text, at + 1, end)
            if at >= end or text[at] != 34:
                return UNSURE, 0.0, NO_INSTANT_I64
            at += 1
            has_instant = True
        else:
            return UNSURE, 0.0, NO_INSTANT_I64
        if sure != SURE:
            return UNSURE, 0.0, NO_INSTANT_I64
        at = _skip_space(text, at, end)
        if at >= end:
            return UNSURE, 0.0, NO_INSTANT_I64
        if text[at] == 44:
            at += 1
        elif text[at] == 125:
            if has_value and _skip_space(text, at + 1, end) == end:
                return SURE, value, instant
            return UNSURE, 0.0, NO_INSTANT_I64
        else:
            return UNSURE, 0.0, NO_INSTANT_I64
