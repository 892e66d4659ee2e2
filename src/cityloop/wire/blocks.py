"""Blocks of fixed-width columns, each compressed with LZ4 (raw block format), unpacked many at a time.

A block holds its columns one behind the other, little-endian. One compiled pass over thousands of small blocks takes
as long as a library call takes for a dozen of them.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from numba import njit

from cityloop.kernel.columns import I64, U8

__all__ = ["unpack_blocks"]

U32 = npt.NDArray[np.uint32]


def _crc_table() -> U32:
    """Return the table of CRC-32: of each byte what it makes of an empty register."""
    table = np.arange(256, dtype=np.uint32)
    for _ in range(8):
        table = np.where(table & 1, (table >> 1) ^ np.uint32(0xEDB88320), table >> 1).astype(np.uint32)
    return table


_TABLE = _crc_table()


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
    bad = _unpack(data, begin, size, check, rows, layout, widths, signed, np.empty(most, np.uint8), _TABLE, out)
    return out, int(bad)


@njit(cache=True, nogil=True)
def _unpack(
    data: U8,
    begin: I64,
    size: I64,
    check: I64,
    rows: I64,
    layout: I64,
    widths: I64,
    signed: I64,
    room: U8,
    table: U32,
    out: I64,
) -> int:
    first = 0
    for block in range(len(begin)):
        end = begin[block] + size[block]
        if begin[block] < 0 or size[block] < 0 or end > len(data):
            return block
        crc = np.uint32(0xFFFFFFFF)
        for at in range(begin[block], end):
            crc = (crc >> np.uint32(8)) ^ table[(crc ^ np.uint32(data[at])) & np.uint32(255)]
        if np.int64(crc ^ np.uint32(0xFFFFFFFF)) != check[block]:
            return block
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
def _lz4(data: U8, start: int, end: int, room: U8, wanted: int) -> int:
    """Decode one raw LZ4 block into ``room``; return its length, -1 where it is none."""
    at = np.int64(start)
    filled = np.int64(0)
    while at < end:
        token = data[at]
        at += 1
        literals = np.int64(token >> 4)
        if literals == 15:
            more = np.int64(255)
            while more == 255:
                if at >= end:
                    return -1
                more = np.int64(data[at])
                at += 1
                literals += more
        if at + literals > end or filled + literals > wanted:
            return -1
        for place in range(literals):
            room[filled + place] = data[at + place]
        at += literals
        filled += literals
        if at == end:
            return int(filled)
        if at + 2 > end:
            return -1
        back = np.int64(data[at]) | np.int64(data[at + 1]) << 8
        at += 2
        length = np.int64(token & 15)
        if length == 15:
            more = np.int64(255)
            while more == 255:
                if at >= end:
                    return -1
                more = np.int64(data[at])
                at += 1
                length += more
        length += 4
        if back == 0 or back > filled or filled + length > wanted:
            return -1
        for place in range(length):
            room[filled + place] = room[filled + place - back]
        filled += length
    return int(filled)
