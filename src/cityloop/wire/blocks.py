"""Blocks of fixed-width columns, each compressed with LZ4 (raw block format), unpacked many at a time.

A block holds its columns one behind the other, little-endian. One compiled pass over thousands of small blocks takes
as long as a library call takes for a dozen of them.
"""

from __future__ import annotations

import zlib

import numpy as np
from numba import njit

from cityloop.kernel.columns import I64, U8

__all__ = ["unpack_blocks"]


def unpack_blocks(
    data: U8, begin: I64, size: I64, check: I64, rows: I64, layout: I64, widths: I64, signed: I64
) -> tuple[I64, int]:
    """Return the columns of all blocks, one behind the other, as 64-bit integers; and the first damaged block or -1.

    Parameters
    ----------
    data
        The file.
    begin, size, check, rows, layout
        Of each block: where it begins, its packed bytes, their CRC-32, its rows, and its row in ``widths``.
    widths, signed
        Bytes of each column by layout (1, 2, 4 or 8), shape (layouts, columns), and whether it has a sign; eight bytes
        come as they are, so that doubles may be viewed as such afterwards.
    """
    out = np.empty((widths.shape[1], int(rows.sum())), np.int64)
    most = int((rows * widths.sum(axis=1)[layout]).max(initial=0))
    whole = data.data
    # The library's checksum is three times as fast as a compiled loop over bytes.
    for block, (first, length, wanted) in enumerate(zip(begin.tolist(), size.tolist(), check.tolist(), strict=True)):
        inside = 0 <= first <= first + length <= len(whole)
        if not inside or zlib.crc32(whole[first : first + length]) != wanted:
            return out, block
    return out, int(_unpack(data, begin, size, rows, layout, widths, signed, np.empty(most, np.uint8), out))


@njit(cache=True, nogil=True)
def _unpack(
    data: U8,
    begin: I64,
    size: I64,
    rows: I64,
    layout: I64,
    widths: I64,
    signed: I64,
    room: U8,
    out: I64,
) -> int:
    first = 0
    for block in range(len(begin)):
        end = begin[block] + size[block]
        kind, count = layout[block], rows[block]
        wanted = 0
        for column in range(widths.shape[1]):
            wanted += widths[kind, column] * count
        if _lz4(data, begin[block], end, room, wanted) != wanted:
            return block
        at = 0
        for column in range(widths.shape[1]):
            width = widths[kind, column]
            half = np.int64(1) << np.int64(8 * width - 1) if signed[kind, column] and width < 8 else np.int64(0)
            for row in range(count):
                # One load a width: a loop over bytes takes three times as long.
                if width == 1:
                    number = np.int64(room[at])
                elif width == 2:
                    number = np.int64(room[at]) | np.int64(room[at + 1]) << 8
                elif width == 4:
                    number = _four(room, at)
                else:
                    number = _four(room, at) | _four(room, at + 4) << 32
                out[column, first + row] = number - 2 * half if half and number >= half else number
                at += width
        first += count
    return -1


@njit(cache=True, nogil=True, inline="always")
def _four(room: U8, at: int) -> np.int64:
    low = np.int64(room[at]) | np.int64(room[at + 1]) << 8
    return low | np.int64(room[at + 2]) << 16 | np.int64(room[at + 3]) << 24


@njit(cache=True, nogil=True)
def _lz4(data: U8, start: int, stop: int, room: U8, wanted: int) -> np.int64:
    """Decode one raw LZ4 block into ``room``; return its length, -1 where it is none.

    All places are unsigned: compiled code then need not ask of each whether it counts from the end, which takes a third
    of the time.
    """
    one, two, four, eight = np.uint64(1), np.uint64(2), np.uint64(4), np.uint64(8)
    fifteen, full = np.uint64(15), np.uint64(255)
    at, end, filled, most = np.uint64(start), np.uint64(stop), np.uint64(0), np.uint64(wanted)
    while at < end:
        token = np.uint64(data[at])
        at += one
        length = token >> four
        if length == fifteen:
            more = full
            while more == full:
                if at >= end:
                    return np.int64(-1)
                more = np.uint64(data[at])
                at += one
                length += more
        if at + length > end or filled + length > most:
            return np.int64(-1)
        for _ in range(length):
            room[filled] = data[at]
            filled += one
            at += one
        if at == end:
            return np.int64(filled)
        if at + two > end:
            return np.int64(-1)
        back = np.uint64(data[at]) | np.uint64(data[at + one]) << eight
        at += two
        length = token & fifteen
        if length == fifteen:
            more = full
            while more == full:
                if at >= end:
                    return np.int64(-1)
                more = np.uint64(data[at])
                at += one
                length += more
        length += four
        if back == np.uint64(0) or back > filled or filled + length > most:
            return np.int64(-1)
        source = filled - back
        for _ in range(length):
            room[filled] = room[source]
            filled += one
            source += one
    return np.int64(filled)
