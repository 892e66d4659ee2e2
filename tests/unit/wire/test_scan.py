"""The compiled scanners take what is common, exactly, and are unsure of everything else."""

from __future__ import annotations

import json
import math
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cityloop.wire.named import NO_INSTANT
from cityloop.wire.scan import SURE, scan_reading

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def scan(text: bytes) -> tuple[int, float, int]:
    return scan_reading(np.frombuffer(b"#" + text, np.uint8), 1, len(text) + 1)


@pytest.mark.parametrize(
    ("text", "value", "instant"),
    [
        (b"21.5", 21.5, NO_INSTANT),
        (b" -0.125e2 ", -12.5, NO_INSTANT),
        (b'{"value": 3}', 3.0, NO_INSTANT),
        (b'{"observed_at_ms":1767225600123 , "value":1e-3}', 0.001, 1767225600123),
        (b'{"result":7,"phenomenonTime":"2026-01-01T01:00:00.5+01:00"}', 7.0, 1767225600500),
        (b'{"result":7,"phenomenonTime":"2024-02-29T00:00:00Z"}', 7.0, 1709164800000),
    ],
)
def test_common_forms_are_read(text, value, instant):
    """Bare numbers and small flat objects become a value and an instant."""
    assert scan(text) == (SURE, value, instant)


@pytest.mark.parametrize(
    "text",
    [
        b"", b"-", b"1.", b".5", b"01", b"+1", b"1e", b"1e999", b"NaN", b"Infinity", b"1 2", b"0x10", b"9" * 5000,
        b"{}", b"{", b'{"value"', b'{"value":1', b'{"value":1,}', b'{"value":1}}', b'{"value":1,"value":2}',
        b'{"value":"1"}', b'{"value":1,"other":2}', b'{"valu\\u0065":1}', b'{"observed_at_ms":5}', b"[" * 200_000,
        b'{"value":1,"observed_at_ms":1.5}', b'{"value":1,"phenomenonTime":"2026-02-30T00:00:00Z"}',
        b'{"value":1,"phenomenonTime":"2026-01-01T00:00:00"}', b'{"value":1,"phenomenonTime":"1969-12-31T23:59:59Z"}',
    ],
)  # fmt: skip
def test_everything_else_is_left_to_the_strict_decoder(text):
    """What is not in the common form is not guessed at."""
    assert scan(text)[0] != SURE


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_a_number_is_read_to_the_last_bit_or_not_at_all(value):
    """Whatever is taken equals what the language itself reads."""
    sure, found, _ = scan(repr(value).encode())
    assert sure != SURE or (found == value and math.copysign(1, found) == math.copysign(1, value))


@given(
    st.datetimes(EPOCH.replace(tzinfo=None), EPOCH.replace(year=2262, tzinfo=None)),
    st.integers(-14 * 60, 14 * 60),
)
def test_an_instant_is_the_calendars(moment, offset_min):
    """Instants agree with the standard library for every date, leap years and zones included."""
    at_ms = (moment.replace(tzinfo=UTC) - EPOCH) // timedelta(milliseconds=1)
    sign = "-" if offset_min < 0 else "+"
    text = f"{moment.strftime('%Y').zfill(4)}-{moment:%m-%dT%H:%M:%S}.{moment.microsecond // 1000:03d}"
    text += f"{sign}{abs(offset_min) // 60:02d}:{abs(offset_min) % 60:02d}"
    sure, _, found = scan(json.dumps({"result": 1, "phenomenonTime": text}).encode())
    assert sure == SURE
    assert found == at_ms - offset_min * 60_000
