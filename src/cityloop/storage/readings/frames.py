"""The log's bytes: frames of readings, each with its length, number and checksums.

A log file begins with its head: magic, format, file number, CRC-32 of these. A frame is a head (magic, rows, payload
bytes, CRC-32 of the payload, frame number, CRC-32 of these) and its payload: an Arrow IPC stream of one record batch,
compressed with zstd where it is small. Frames are numbered from 0 within a file. After the last one come zeros: the
room set aside.

One group commit writes one frame and the next is written only after it was synced, so a power cut can spoil nothing
but the last frame. A frame that cannot be read with a whole one behind it is damage, not a torn end.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from cityloop.kernel.batch import Batch
from cityloop.kernel.columns import columns_of
from cityloop.kernel.errors import StoreError

__all__ = ["FILE_HEAD_BYTES", "FRAME_HEAD_BYTES", "LogFile", "file_head", "frame", "read_live_log", "read_log"]

_FILE_MAGIC = b"CITYLOG1"
_FRAME_MAGIC = b"\xc1LF1"
_FORMAT = 1
_FILE_HEAD = struct.Struct("<8sIQI")
_FRAME_HEAD = struct.Struct("<4sIIIQI")
# Compressed, a frame takes a quarter of the room and six times the CPU time. The log is short-lived: where many
# readings come at once, the CPU time is worth more than the room.
_COMPRESS_ROWS = 8_192

FILE_HEAD_BYTES = _FILE_HEAD.size
FRAME_HEAD_BYTES = _FRAME_HEAD.size


def file_head(number: int) -> bytes:
    """Return the head of the log file with this number."""
    fields = _FILE_HEAD.pack(_FILE_MAGIC, _FORMAT, number, 0)[:-4]
    return fields + zlib.crc32(fields).to_bytes(4, "little")


def frame(number: int, batch: Batch) -> bytes:
    """Return the frame with this number that holds a batch."""
    payload = _pack(batch, "zstd" if len(batch) <= _COMPRESS_ROWS else None)
    fields = _FRAME_HEAD.pack(_FRAME_MAGIC, len(batch), len(payload), zlib.crc32(payload), number, 0)[:-4]
    return b"".join((fields, zlib.crc32(fields).to_bytes(4, "little"), payload))


@dataclass(frozen=True, slots=True)
class LogFile:
    """What a log file holds."""

    number: int
    """The file's own number."""

    batches: tuple[Batch, ...]
    """Readings of its whole frames, in order."""

    end_byte: int
    """Where its last whole frame ends."""

    torn_bytes: int
    """Bytes behind that end which are the start of a frame that was never acknowledged."""

    damaged_byte: int | None
    """Where an acknowledged frame can no longer be read; the frames behind it are among the batches."""


def read_log(path: Path) -> LogFile:
    """Read a log file, as far as a power cut or a kill has left it.

    Raises
    ------
    StoreError
        When it is no log file, or of another format.
    """
    data = path.read_bytes()
    if len(data) < FILE_HEAD_BYTES or not data[:FILE_HEAD_BYTES].strip(b"\0"):
        return LogFile(0, (), 0, len(data), None)
    magic, form, number, check = _FILE_HEAD.unpack_from(data)
    if magic != _FILE_MAGIC or zlib.crc32(data[: FILE_HEAD_BYTES - 4]) != check:
        raise StoreError(f"{path}: this is no log of readings, or its first {FILE_HEAD_BYTES} bytes are damaged.")
    if form != _FORMAT:
        raise StoreError(f"{path}: format {form}, must be {_FORMAT}; open it with the release that wrote it.")
    whole = list(_whole_frames(data, FILE_HEAD_BYTES, 0))
    end_byte = whole[-1][1] if whole else FILE_HEAD_BYTES
    batches = [_unpack(data[begin:end]) for begin, end in whole]
    damaged = None
    behind = _next_whole(data, end_byte, len(whole))
    while behind is not None:
        damaged = end_byte if damaged is None else damaged
        first, ordinal = behind
        more = list(_whole_frames(data, first, ordinal))
        batches += [_unpack(data[begin:end]) for begin, end in more]
        end_byte = more[-1][1]
        behind = _next_whole(data, end_byte, ordinal + len(more))
    return LogFile(number, tuple(batches), end_byte, len(data[end_byte:].rstrip(b"\0")), damaged)


def read_live_log(path: Path) -> LogFile:
    """Read a log file that a server may be writing to.

    While a file is read two frames may come to it, of which the first is seen in part: what looks like damage is then
    gone with the next look.
    """
    held = read_log(path)
    for _ in range(3):
        if held.damaged_byte is None:
            break
        held = read_log(path)
    return held


def _whole_frames(data: bytes, at: int, ordinal: int) -> Iterator[tuple[int, int]]:
    """Yield begin and end of the payloads of whole frames in a row."""
    while (end := _frame_end(data, at, ordinal)) is not None:
        yield at + FRAME_HEAD_BYTES, end
        at, ordinal = end, ordinal + 1


def _frame_end(data: bytes, at: int, ordinal: int | None) -> int | None:
    if len(data) < at + FRAME_HEAD_BYTES:
        return None
    magic, _, size, payload_check, number, check = _FRAME_HEAD.unpack_from(data, at)
    begin = at + FRAME_HEAD_BYTES
    sound = (
        magic == _FRAME_MAGIC
        and zlib.crc32(data[at : begin - 4]) == check
        and (ordinal is None or number == ordinal)
        and len(data) >= begin + size
        and zlib.crc32(memoryview(data)[begin : begin + size]) == payload_check
    )
    return begin + size if sound else None


def _next_whole(data: bytes, at: int, least_ordinal: int) -> tuple[int, int] | None:
    """Return where the next whole frame begins, and its number."""
    while (at := data.find(_FRAME_MAGIC, at)) >= 0:
        if _frame_end(data, at, None) is not None:
            ordinal = int(_FRAME_HEAD.unpack_from(data, at)[4])
            if ordinal >= least_ordinal:
                return at, ordinal
        at += 1
    return None


@cache
def _schema() -> Any:
    import pyarrow as pa

    return pa.schema([pa.field(n.name, pa.from_numpy_dtype(n.dtype), nullable=False) for n in columns_of(Batch)])


def _pack(batch: Batch, compression: str | None) -> bytes:
    import pyarrow as pa

    sink = pa.BufferOutputStream()
    options = pa.ipc.IpcWriteOptions(compression=compression, use_threads=False)
    record = pa.record_batch([pa.array(getattr(batch, name)) for name in _schema().names], schema=_schema())
    with pa.ipc.new_stream(sink, record.schema, options=options) as stream:
        stream.write_batch(record)
    return bytes(sink.getvalue())


def _unpack(payload: bytes) -> Batch:
    import pyarrow as pa

    with pa.ipc.open_stream(payload, options=pa.ipc.IpcReadOptions(use_threads=False)) as stream:
        record = stream.read_next_batch()
    columns = {n.name: np.asarray(record.column(n.name), dtype=n.dtype) for n in columns_of(Batch)}
    return Batch(**columns)
