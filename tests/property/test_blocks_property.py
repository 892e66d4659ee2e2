"""Blocks of columns come back as they were packed by another program's LZ4, and damage is named, whatever it is."""

from __future__ import annotations

import zlib

import numpy as np
import pyarrow as pa
from hypothesis import given, settings
from hypothesis import strategies as st

from cityloop.wire.blocks import unpack_blocks

WIDTHS = np.array([[1, 2, 4], [8, 2, 1]], np.int64)
SIGNED = np.array([[1, 0, 1], [1, 1, 0]], np.int64)


def packed(blocks):
    """Return a file and the heads of its blocks, packed by Arrow's codec."""
    data, heads = b"", []
    for layout, columns in blocks:
        types = [f"<{'i' if s else 'u'}{w}" for w, s in zip(WIDTHS[layout], SIGNED[layout], strict=True)]
        raw = b"".join(np.array(column).astype(kind).tobytes() for column, kind in zip(columns, types, strict=True))
        block = pa.Codec("lz4_raw").compress(raw, asbytes=True)
        heads.append((len(data), len(block), zlib.crc32(block), len(columns[0]), layout))
        data += block
    begin, size, check, rows, layout = np.array(heads, np.int64).reshape(-1, 5).T.copy()
    return np.frombuffer(data, np.uint8), begin, size, check, rows, layout


@st.composite
def blocks(draw):
    """Blocks of either layout; values repeat now and then, so that matches of every length occur."""
    made = []
    for _ in range(draw(st.integers(1, 4))):
        layout = draw(st.sampled_from([0, 1]))
        rows = draw(st.integers(1, 300))
        rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
        columns = []
        for width, signed in zip(WIDTHS[layout], SIGNED[layout], strict=True):
            bounds = np.iinfo(f"{'i' if signed else 'u'}{width}")
            most = draw(st.sampled_from([0, 3, None]))
            low, high = (bounds.min, bounds.max) if most is None else (0, most)
            columns.append(rng.integers(low, high, rows, endpoint=True, dtype=np.dtype(bounds.dtype)).astype(np.int64))
        made.append((layout, columns))
    return made


@settings(max_examples=40, deadline=None)
@given(blocks())
def test_blocks_come_back_as_they_were(made):
    """Every width, with and without a sign, in every order."""
    columns, damaged = unpack_blocks(*packed(made), WIDTHS, SIGNED)
    assert damaged == -1
    for place in range(3):
        assert columns[place].tolist() == [value for _, block in made for value in block[place].tolist()]


@settings(max_examples=60, deadline=None)
@given(blocks(), st.data())
def test_damage_is_named_and_never_read_past(made, data):
    """A flipped bit fails its check; bytes that pass the check and are no LZ4 are refused too."""
    file, begin, size, check, rows, layout = packed(made)
    file = file.copy()
    hit = data.draw(st.integers(0, len(made) - 1))
    at = int(begin[hit]) + data.draw(st.integers(0, int(size[hit]) - 1))
    file[at] ^= data.draw(st.integers(1, 255))
    assert unpack_blocks(file, begin, size, check, rows, layout, WIDTHS, SIGNED)[1] == hit
    check[hit] = zlib.crc32(file[begin[hit] : begin[hit] + size[hit]].tobytes())
    assert unpack_blocks(file, begin, size, check, rows, layout, WIDTHS, SIGNED)[1] in (-1, hit)
    size[hit] = 2**40
    assert unpack_blocks(file, begin, size, check, rows, layout, WIDTHS, SIGNED)[1] == hit
