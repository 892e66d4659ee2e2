"""The file of a segment's 5-minute bins: small compressed blocks, so that any streams' bins are found in milliseconds.

A Parquet file is read by the row group. For a thousand streams scattered over a city that meant to decode most of the
day: measured over 30,000 streams it took 310 to 1,100 ms, at the size that this format has.

A block holds the bins of one stream, or of several with few bins; ``tile_rows`` tells how they are laid out. Its
columns stand one behind the other, compressed with LZ4, which is decoded seven times faster than zstd and leaves as
little once the columns are narrow. Behind the blocks stands an index, its CRC-32, its length and the magic again.
"""

from __future__ import annotations

import mmap
import zlib
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from cityloop.kernel.errors import StoreError
from cityloop.kernel.readings import ROLLUP_MS
from cityloop.storage.readings.bins import Bins, empty_bins, pick_bins
from cityloop.storage.readings.order import span_mask
from cityloop.storage.readings.recent import StreamSet
from cityloop.storage.readings.tile_rows import LAYOUTS, SIGNED, WIDTHS, as_numbers, from_numbers, layouts_of
from cityloop.wire.blocks import unpack_blocks

__all__ = ["TileReader", "TileWriter"]

_MAGIC = b"CITYROL1"
_BLOCK_BINS = 128
_INDEX_ROW = np.dtype(
    [
        ("begin_byte", "<u8"),
        ("bytes", "<u4"),
        ("bins", "<u4"),
        ("layout", "u1"),
        ("digits", "u1"),
        ("check", "<u4"),
        ("stream_low", "<i4"),
        ("stream_high", "<i4"),
        ("base", "<i8"),
    ]
)


@cache
def _codec() -> Any:
    import pyarrow as pa

    return pa.Codec("lz4_raw")


class TileWriter:
    """Writes bins that come sorted by stream and time, whole streams at a time."""

    def __init__(self, write: Callable[[bytes], object]) -> None:
        self._write = write
        self._at_byte = len(_MAGIC)
        self._index: list[tuple[int, ...]] = []
        write(_MAGIC)

    def add(self, bins: Bins) -> None:
        """Write further bins; their streams come behind those written before."""
        if not len(bins):
            return
        starts = _block_starts(bins)
        ends = np.append(starts[1:], len(bins))
        layouts, digits = layouts_of(bins, starts)
        numbers = as_numbers(bins, np.repeat(digits, ends - starts), starts)
        doubles = {name: getattr(bins, name) for name in ("total", "low", "high", "last")}
        bases = np.minimum.reduceat(bins.begin_ms // ROLLUP_MS, starts)
        pieces = []
        for layout in np.unique(layouts).tolist():
            names = LAYOUTS[layout].names or ()
            sources = numbers if "offset" in names else {**numbers, **doubles}
            # Wrong for other blocks, which are not written from these.
            pieces.append((layout, [sources[name].astype(LAYOUTS[layout][name]) for name in names]))
        of_layout = dict(pieces)
        heads = zip(starts.tolist(), ends.tolist(), layouts.tolist(), digits.tolist(), bases.tolist(), strict=True)
        blocks = []
        for begin, end, layout, places, base in heads:
            data = _codec().compress(b"".join(c[begin:end].tobytes() for c in of_layout[layout]), asbytes=True)
            low, high = int(bins.stream[begin]), int(bins.stream[end - 1])
            head = (self._at_byte, len(data), end - begin, layout, places, zlib.crc32(data), low, high, base)
            self._index.append(head)
            self._at_byte += len(data)
            blocks.append(data)
        self._write(b"".join(blocks))

    def close(self) -> None:
        """Write the index."""
        index = np.array(self._index, _INDEX_ROW).tobytes()
        self._write(index + zlib.crc32(index).to_bytes(4, "little") + len(index).to_bytes(8, "little") + _MAGIC)


class TileReader:
    """Reads the bins of some streams; holds the index, not the file."""

    def __init__(self, path: Path) -> None:
        self._path = path
        with path.open("rb") as file:
            size = file.seek(0, 2)
            tail_bytes = 12 + len(_MAGIC)
            file.seek(max(size - tail_bytes, 0))
            tail = file.read(tail_bytes)
            length = int.from_bytes(tail[4:12], "little")
            if len(tail) < tail_bytes or tail[12:] != _MAGIC or length > size:
                raise StoreError(f"{path}: these are no roll-ups, or their end is damaged.")
            file.seek(size - tail_bytes - length)
            index = file.read(length)
        if zlib.crc32(index) != int.from_bytes(tail[:4], "little"):
            raise StoreError(f"{path}: the index of these roll-ups is damaged.")
        self._index = np.frombuffer(index, _INDEX_ROW)
        self._stream_low = np.ascontiguousarray(self._index["stream_low"])
        self._stream_high = np.ascontiguousarray(self._index["stream_high"])

    def read(self, streams: StreamSet, begin_ms: int, end_ms: int) -> Bins:
        """Return the bins of some streams that begin in a span, in order."""
        if not len(self._index):
            return empty_bins()
        # A stream's bins lie in one block, and blocks lie in the order of their streams.
        block = np.minimum(np.searchsorted(self._stream_high, streams.rows), len(self._index) - 1)
        inside = (self._stream_low[block] <= streams.rows) & (self._stream_high[block] >= streams.rows)
        found = self._decode(self._index[np.unique(block[inside])])
        mask = streams.among(found.stream) & span_mask(found.begin_ms, begin_ms, end_ms)
        return found if mask.all() else pick_bins(found, mask)

    def read_all(self) -> Bins:
        """Return every bin, in order."""
        return self._decode(self._index)

    def _decode(self, blocks: npt.NDArray[np.void]) -> Bins:
        if not len(blocks):
            return empty_bins()
        columns = {name: blocks[name].astype(np.int64) for name in _INDEX_ROW.names or ()}
        with self._path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as mapped:
            numbers, damaged = unpack_blocks(
                np.frombuffer(mapped, np.uint8),
                columns["begin_byte"],
                columns["bytes"],
                columns["check"],
                columns["bins"],
                columns["layout"],
                WIDTHS,
                SIGNED,
            )
        if damaged >= 0:
            at_byte = int(columns["begin_byte"][damaged])
            raise StoreError(f"{self._path}: the block of roll-ups at byte {at_byte} is damaged.")
        heads = {name: np.repeat(columns[name], columns["bins"]) for name in ("layout", "digits", "base", "stream_low")}
        return from_numbers(numbers, heads)


def _block_starts(bins: Bins) -> npt.NDArray[np.int64]:
    """Return where blocks begin: at the first stream that begins in each stretch of ``_BLOCK_BINS`` bins."""
    stream_starts = np.concatenate(([0], np.flatnonzero(bins.stream[1:] != bins.stream[:-1]) + 1))
    stretch = stream_starts // _BLOCK_BINS
    starts: npt.NDArray[np.int64] = stream_starts[np.concatenate(([True], stretch[1:] != stretch[:-1]))]
    return starts
