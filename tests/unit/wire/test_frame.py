"""Frames of the live feed: places, nibbles, padding, size."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from cityloop.wire.frame import (
    Kind,
    Section,
    encode_frame,
    frame_sections,
    pack_nibbles,
    places,
    quantised,
    vehicle_rows,
)

BOX = (-50.0, 0.0, 2600.0, 3300.0)


def test_two_thousand_vehicles_fit_in_twelve_kilobytes() -> None:
    """Six bytes a vehicle and a head."""
    n = 2000
    rows = vehicle_rows(np.zeros(n), np.zeros(n), np.zeros(n), np.zeros(n, np.uint8), np.zeros(n), BOX)
    assert len(encode_frame(1, 0, 1.0, [Section(Kind.VEHICLES, 6, n, rows, 1)])) == 24 + 8 + 12_000


@given(st.floats(-50, 2600), st.floats(0, 3300))
def test_a_place_comes_back_within_four_centimetres(x_m: float, y_m: float) -> None:
    """The box is cut in 65,534 parts."""
    back = places(quantised(np.array([x_m]), np.array([y_m]), BOX), 1, BOX)
    assert abs(back[0][0] - x_m) < 0.04
    assert abs(back[1][0] - y_m) < 0.04


def test_nowhere_is_an_empty_slot_and_outside_is_the_rim() -> None:
    """NaN stays NaN; what lies outside is drawn on the edge."""
    x_m, y_m = places(quantised(np.array([np.nan, 9999.0]), np.array([1.0, -5.0]), BOX), 2, BOX)
    assert np.isnan(x_m[0])
    assert (x_m[1], y_m[1]) == (2600.0, 0.0)


@given(st.lists(st.integers(0, 15), max_size=40))
def test_nibbles_keep_their_rows(values: list[int]) -> None:
    """The even row lies in the low half."""
    packed = pack_nibbles(np.array(values, np.uint8))
    unpacked = [half for byte in packed for half in (byte & 15, byte >> 4)]
    assert unpacked[: len(values)] == values
    assert len(packed) == (len(values) + 1) // 2


def test_sections_begin_on_eight_bytes_and_come_back() -> None:
    """A browser lays typed arrays over them without copying."""
    sections = [
        Section(Kind.LAMPS, 1, 5, b"\x21\x43\x05"),
        Section(Kind.JUNCTIONS, 4, 1, b"\x01\x02\x03\x04"),
        Section(Kind.EDGES, 1, 9, bytes(9), 1),
    ]
    frame = encode_frame(7, 123, 2.0, sections, full=True, unplugged=True)
    assert len(frame) % 8 == 0
    assert frame[:4] == b"CL\x01\x03"
    assert frame_sections(frame) == sections
