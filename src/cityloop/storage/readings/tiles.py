"""The file of a segment's 5-minute bins: small compressed blocks, so that any streams' bins are found in milliseconds.

A Parquet file is read by the row group. For a thousand streams scattered over a city that meant to decode most of the
day; measured over 30,000 streams it took 310 to 1,100 ms against 30 ms for this format, at the same size.

A block holds the bins of one stream, or of several with few bins. Where all of a block's values are decimals of few
digits they are kept as integers, else as doubles. The block's columns stand one behind the other, compressed with
zstd. Behind the blocks stands an index, its CRC-32, its length and the magic again.
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
from cityloop.storage.readings.bins import Bins, concat_bins, empty_bins, pick_bins
from cityloop.storage.readings.order import span_mask
from cityloop.storage.readings.recent import StreamSet

__all__ = ["TileReader", "TileWriter"]

_MAGIC = b"CITYROL1"
_BLOCK_BINS = 256
_NO_DIGITS = 99
_DIGITS = (0, 1, 2, 3, 4)

# How a block's bins are kept, by the number that stands in the index. The widest takes any bin there can be.
_ROWS = {
    0: np.dtype(
        [
            ("stream", "<u2"),
            ("bin", "<u2"),
            ("count", "<u2"),
            ("last_after_ms", "<u4"),
            ("total", "<i4"),
            ("low", "<i2"),
            ("high", "<i2"),
            ("last", "<i2"),
        ]
    ),
    1: np.dtype(
        [
            ("stream", "<u4"),
            ("bin", "<i8"),
            ("count", "<u4"),
            ("last_after_ms", "<u4"),
            ("total", "<i8"),
            ("low", "<i4"),
            ("high", "<i4"),
            ("last", "<i4"),
        ]
    ),
    2: np.dtype(
        [
            ("stream", "<u4"),
            ("bin", "<i8"),
            ("count", "<i8"),
            ("last_after_ms", "<u4"),
            ("total", "<f8"),
            ("low", "<f8"),
            ("high", "<f8"),
            ("last", "<f8"),
        ]
    ),
}
_DOUBLES = 2
_INDEX_ROW = np.dtype(
    [
        ("begin_byte", "<u8"),
        ("bytes", "<u4"),
        ("bins", "<u4"),
        ("rows", "u1"),
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

    return pa.Codec("zstd", compression_level=1)


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
        digits = np.maximum.reduceat(_digits(bins), starts).tolist()
        ends = np.append(starts[1:], len(bins)).tolist()
        for begin, end, most in zip(starts.tolist(), ends, digits, strict=True):
            self._add_block(pick_bins(bins, slice(begin, end)), most)

    def close(self) -> None:
        """Write the index."""
        index = np.array(self._index, _INDEX_ROW).tobytes()
        self._write(index + zlib.crc32(index).to_bytes(4, "little") + len(index).to_bytes(8, "little") + _MAGIC)

    def _add_block(self, bins: Bins, digits: int) -> None:
        columns = _as_numbers(bins, digits)
        kind = _narrowest(columns) if digits != _NO_DIGITS else _DOUBLES
        data: bytes = _codec().compress(
            b"".join(columns[name].astype(_ROWS[kind][name]).tobytes() for name in _ROWS[kind].names or ()),
            asbytes=True,
        )
        low, high = int(bins.stream[0]), int(bins.stream[-1])
        base = int(bins.begin_ms.min()) // ROLLUP_MS
        head = (self._at_byte, len(data), len(bins), kind, digits, zlib.crc32(data), low, high, base)
        self._index.append(head)
        self._write(data)
        self._at_byte += len(data)


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

    def read(self, streams: StreamSet, begin_ms: int, end_ms: int) -> Bins:
        """Return the bins of some streams that begin in a span."""
        if not len(streams) or not len(self._index):
            return empty_bins()
        low = np.searchsorted(streams.rows, self._index["stream_low"])
        high = np.searchsorted(streams.rows, self._index["stream_high"], side="right")
        wanted = self._index[high > low]
        if not len(wanted):
            return empty_bins()
        found = self._decode(wanted)
        mask = streams.among(found.stream) & span_mask(found.begin_ms, begin_ms, end_ms)
        return found if mask.all() else pick_bins(found, mask)

    def read_all(self) -> Bins:
        """Return every bin."""
        return self._decode(self._index) if len(self._index) else empty_bins()

    def _decode(self, blocks: npt.NDArray[np.void]) -> Bins:
        alike: dict[tuple[int, int, int], list[int]] = {}
        packed: list[bytes] = []
        codec = _codec()
        with self._path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as mapped:
            for ordinal, (begin, size, bins, rows, digits, check, *_) in enumerate(blocks.tolist()):
                data = mapped[begin : begin + size]
                if zlib.crc32(data) != check:
                    raise StoreError(f"{self._path}: the block of roll-ups at byte {begin} is damaged.")
                packed.append(codec.decompress(data, bins * _ROWS[rows].itemsize, asbytes=True))
                alike.setdefault((bins, rows, digits), []).append(ordinal)
        parts = []
        for (bins, rows, digits), members in alike.items():
            parts.append(_unpack([packed[m] for m in members], blocks[members], bins, rows, digits))
        whole = concat_bins(parts)
        return whole if len(parts) == 1 else pick_bins(whole, np.argsort(whole.stream, kind="stable"))


def _unpack(packed: list[bytes], blocks: npt.NDArray[np.void], bins: int, rows: int, digits: int) -> Bins:
    """Return the bins of blocks that have equally many bins, kept alike."""
    kind = _ROWS[rows]
    data = np.frombuffer(b"".join(packed), np.uint8).reshape(len(packed), kind.itemsize * bins)
    columns, at_byte = {}, 0
    for name in kind.names or ():
        width = kind[name].itemsize * bins
        columns[name] = np.ascontiguousarray(data[:, at_byte : at_byte + width]).view(kind[name])
        at_byte += width
    scale = 1.0 if rows == _DOUBLES else 10.0**digits
    begin_ms = (columns["bin"] + blocks["base"][:, None]) * ROLLUP_MS
    return Bins(
        (columns["stream"] + blocks["stream_low"][:, None].astype(np.int64)).astype(np.int32).reshape(-1),
        begin_ms.reshape(-1),
        columns["count"].astype(np.int64).reshape(-1),
        (columns["total"] / scale).reshape(-1),
        (columns["low"] / scale).reshape(-1),
        (columns["high"] / scale).reshape(-1),
        (columns["last"] / scale).reshape(-1),
        (begin_ms + columns["last_after_ms"]).reshape(-1),
    )


def _digits(bins: Bins) -> npt.NDArray[np.uint8]:
    """Return how many decimals hold each bin exactly; ``_NO_DIGITS`` where none of those tried does."""
    found = np.full(len(bins), _NO_DIGITS, np.uint8)
    todo = np.arange(len(bins))
    for digits in _DIGITS:
        scale = 10.0**digits
        exact = np.ones(len(todo), bool)
        for values in (bins.low[todo], bins.high[todo], bins.last[todo]):
            scaled = np.rint(values * scale)
            exact &= (np.abs(scaled) < 2.0**31) & (scaled / scale == values)
            # An integer has no minus zero.
            exact &= ~(np.signbit(values) & (values == 0))
        total = bins.total[todo]
        # A sum of decimals has a rounding error of its own, far below the last digit kept.
        exact &= np.abs(np.rint(total * scale) / scale - total) <= 1e-12 * np.maximum(np.abs(total), 1.0)
        exact &= np.abs(total * scale) < 2.0**53
        exact &= bins.count[todo] < 2**32
        found[todo[exact]] = digits
        todo = todo[~exact]
        if not len(todo):
            break
    return found


def _block_starts(bins: Bins) -> npt.NDArray[np.int64]:
    """Return where blocks begin: at the first stream that begins in each stretch of ``_BLOCK_BINS`` bins."""
    stream_starts = np.concatenate(([0], np.flatnonzero(bins.stream[1:] != bins.stream[:-1]) + 1))
    stretch = stream_starts // _BLOCK_BINS
    return stream_starts[np.concatenate(([True], stretch[1:] != stretch[:-1]))]


def _as_numbers(bins: Bins, digits: int) -> dict[str, npt.NDArray[np.generic]]:
    """Return a block's columns as they are written, in the widest types they may take."""
    numbers = bins.begin_ms // ROLLUP_MS
    columns: dict[str, npt.NDArray[np.generic]] = {
        "stream": bins.stream - bins.stream[0].astype(np.int64),
        "bin": numbers - numbers.min(),
        "count": bins.count,
        "last_after_ms": bins.last_at_ms - bins.begin_ms,
    }
    for name in ("total", "low", "high", "last"):
        values = getattr(bins, name)
        columns[name] = values if digits == _NO_DIGITS else np.rint(values * 10.0**digits).astype(np.int64)
    return columns


def _narrowest(columns: dict[str, npt.NDArray[np.generic]]) -> int:
    """Return which kind of rows holds a block of integers in the least room."""
    for name in ("stream", "bin", "count", "total", "low", "high", "last"):
        bounds = np.iinfo(_ROWS[0][name])
        if columns[name].min() < bounds.min or columns[name].max() > bounds.max:
            return 1
    return 0
