"""An append-only log of checksummed frames, in numbered segments.

A segment begins with a line that names format and version. A frame is: stored length, plain length, CRC-32
of both lengths and the stored bytes (each a little-endian uint32), then the stored bytes, a zstd frame.
``append`` returns after ``write``, so a killed process loses nothing it was told is kept; ``sync`` returns
once a power cut loses nothing either.
"""

from __future__ import annotations

import os
import struct
import zlib
from collections.abc import Generator, Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from cityloop.kernel.errors import StoreError

__all__ = ["SEGMENT_BYTES", "LogReader", "LogWriter", "Torn", "sync_folder"]

SEGMENT_BYTES = 64 << 20
"""A segment that has grown past this is followed by the next."""

_MAGIC = b"cityloop log 1\n"
_LENGTHS = struct.Struct("<II")
_CHECK = struct.Struct("<I")
_HEAD_BYTES = _LENGTHS.size + _CHECK.size
_LARGEST_FRAME_BYTES = 1 << 30

_SMALLEST_PACKED_BYTES = 512
"""A shorter payload is stored as it is: setting the compressor up would cost more than all else that a step writes."""
_PLAIN_ZSTD = struct.Struct("<IBIHB")
"""Before a payload stored as it is: magic number, descriptor (one segment, its size in 4 bytes), size, and a block's
head of 3 bytes (RFC 8878, 3.1.1)."""
_ZSTD_MAGIC, _ONE_SEGMENT, _LAST_RAW_BLOCK = 0xFD2FB528, 0xA0, 1


@dataclass(frozen=True, slots=True)
class Torn:
    """Where a log stops being readable."""

    path: Path
    at_byte: int
    left_bytes: int
    """Bytes from there to the end of the file, none of which are read."""

    reason: str

    def __str__(self) -> str:
        return f"{self.path}: {self.reason} at byte {self.at_byte}; {self.left_bytes} bytes are not read"


class LogWriter:
    """Writes one log; owns the open segment."""

    def __init__(self, folder: Path, stem: str, *, segment_bytes: int = SEGMENT_BYTES) -> None:
        self._folder = folder
        self._stem = stem
        self._segment_bytes = segment_bytes
        self._number = 0
        self._written = 0
        self._unsynced = False
        self._file = self._open_segment()

    def append(self, *payloads: bytes) -> None:
        """Write a frame a payload, in one piece; when this returns they survive the death of the process."""
        if self._written >= self._segment_bytes:
            self._next_segment()
        self._write(b"".join(map(_frame, payloads)))

    def sync(self) -> None:
        """Return once everything appended survives a power cut."""
        if self._unsynced:
            os.fdatasync(self._file)
            self._unsynced = False

    def close(self) -> None:
        """Sync and close. Safe to call twice."""
        if self._file >= 0:
            self.sync()
            os.close(self._file)
            self._file = -1

    def _next_segment(self) -> None:
        self.close()
        self._number += 1
        self._file = self._open_segment()

    def _open_segment(self) -> int:
        path = self._folder / f"{self._stem}-{self._number:06d}.mp"
        self._written = 0
        self._file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND, 0o644)
        self._write(_MAGIC)
        sync_folder(self._folder)
        return self._file

    def _write(self, data: bytes) -> None:
        left = memoryview(data)
        while left:
            left = left[os.write(self._file, left) :]
        self._written += len(data)
        self._unsynced = True


class LogReader:
    """Reads the intact frames of a log, in order; ``torn`` then tells what was left unread."""

    def __init__(self, folder: Path, stem: str) -> None:
        self._paths = sorted(folder.glob(f"{stem}-*.mp"))
        self.torn: Torn | None = None

    def __iter__(self) -> Iterator[bytes]:
        """Yield payloads until the end, or until the first frame that is not whole."""
        self.torn = None
        for path in self._paths:
            self.torn = yield from _segment(path)
            if self.torn is not None:
                return


def _segment(path: Path) -> Generator[bytes, None, Torn | None]:
    size = path.stat().st_size
    with path.open("rb") as stream:
        magic = stream.read(len(_MAGIC))
        if magic != _MAGIC:
            if _MAGIC.startswith(magic):
                return Torn(path, 0, size, "torn frame")
            raise StoreError(f"{path}: not a cityloop log of format 1; it begins with {magic[:16]!r}")
        at_byte = len(_MAGIC)
        while at_byte < size:
            frame = _read_frame(stream)
            if isinstance(frame, str):
                return Torn(path, at_byte, size - at_byte, frame)
            payload, frame_bytes = frame
            at_byte += frame_bytes
            yield payload
    return None


def _read_frame(stream: Any) -> tuple[bytes, int] | str:
    """Return a frame's payload and its size in the file, or what is wrong with it."""
    head = stream.read(_HEAD_BYTES)
    if len(head) < _HEAD_BYTES:
        return "torn frame"
    stored_bytes, plain_bytes = _LENGTHS.unpack_from(head)
    if max(stored_bytes, plain_bytes) > _LARGEST_FRAME_BYTES:
        return "damaged frame"
    stored = stream.read(stored_bytes)
    if len(stored) < stored_bytes:
        return "torn frame"
    (check,) = _CHECK.unpack_from(head, _LENGTHS.size)
    if zlib.crc32(stored, zlib.crc32(head[: _LENGTHS.size])) != check:
        return "damaged frame"
    payload: bytes = _zstd().decompress(stored, plain_bytes, asbytes=True)
    return payload, _HEAD_BYTES + stored_bytes


def sync_folder(folder: Path) -> None:
    """Return once the folder's entries (files made, renamed) survive a power cut."""
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _frame(payload: bytes) -> bytes:
    stored = _zstd_frame(payload)
    lengths = _LENGTHS.pack(len(stored), len(payload))
    check = zlib.crc32(stored, zlib.crc32(lengths))
    return b"".join((lengths, _CHECK.pack(check), stored))


def _zstd_frame(payload: bytes) -> bytes:
    """Return a zstd frame of a payload: compressed, or of one raw block where that would gain little."""
    size = len(payload)
    if size >= _SMALLEST_PACKED_BYTES:
        packed: bytes = _zstd().compress(payload, asbytes=True)
        return packed
    block = size << 3 | _LAST_RAW_BLOCK
    return _PLAIN_ZSTD.pack(_ZSTD_MAGIC, _ONE_SEGMENT, size, block & 0xFFFF, block >> 16) + payload


@cache
def _zstd() -> Any:
    # Arrow brings the codec; it is imported on first use because it takes a tenth of a second.
    import pyarrow as pa

    return pa.Codec("zstd", compression_level=1)
