"""The trace: what the running city saw, decided and was answered, step by step, kept by time and never by count.

Segments of an hour, named by the instant they begin at. A frame is a header (stored bytes, CRC-32, instant) and a zstd
frame. ``append`` returns after ``write``: a killed process loses nothing; ``sync`` returns once a power cut loses
nothing. A torn tail is left where it lies, and the next start begins another segment.
"""

from __future__ import annotations

import os
import struct
import threading
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pyarrow as pa

from cityloop.kernel.errors import StoreError
from cityloop.storage.journal_log import sync_folder

__all__ = ["HOUR_MS", "TraceReader", "TraceWriter"]

HOUR_MS = 3_600_000
_MAGIC = b"cityloop trace 1\n"
_HEAD = struct.Struct("<IIqI")
_LARGEST = 64 << 20


class TraceWriter:
    """Writes the trace; owns the open segment."""

    def __init__(self, folder: Path, *, keep_ms: int, segment_ms: int = HOUR_MS) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._folder, self._keep_ms, self._segment_ms = folder, keep_ms, segment_ms
        self._file = -1
        self._begin_ms = 0
        self._codec = pa.Codec("zstd")

    def append(self, at_ms: int, payload: bytes) -> None:
        """Write one step; when this returns it survives the death of the process."""
        if self._file < 0 or at_ms - self._begin_ms >= self._segment_ms or at_ms < self._begin_ms:
            self._next(at_ms)
        stored = self._codec.compress(payload, asbytes=True)
        check = zlib.crc32(stored)
        left = memoryview(_HEAD.pack(len(stored), check, at_ms, len(payload)) + stored)
        while left:
            left = left[os.write(self._file, left) :]

    def sync(self) -> None:
        """Return once everything appended survives a power cut."""
        if self._file >= 0:
            os.fdatasync(self._file)

    def close(self) -> None:
        """Sync and close. Safe to call twice."""
        if self._file >= 0:
            self.sync()
            os.close(self._file)
            self._file = -1

    def _next(self, at_ms: int) -> None:
        self.close()
        path = self._folder / f"{at_ms:015d}.trace"
        self._file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o640)
        if path.stat().st_size == 0:
            os.write(self._file, _MAGIC)
        sync_folder(self._folder)
        self._begin_ms = at_ms
        for old in sorted(self._folder.glob("*.trace")):
            # Whole segments go, the oldest first, and only when all of them is past its time.
            if old != path and int(old.stem) + self._segment_ms < at_ms - self._keep_ms:
                old.unlink()


@dataclass(slots=True)
class _Segment:
    path: Path
    begin_ms: int
    read_to: int = len(_MAGIC)
    at_ms: list[int] = field(default_factory=list)
    offset: list[int] = field(default_factory=list)


class TraceReader:
    """Reads a trace, also while another process writes it; thread-safe."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._segments: dict[str, _Segment] = {}
        self._lock = threading.Lock()
        self._codec = pa.Codec("zstd")

    def span(self) -> tuple[int, int] | None:
        """Return the first and the last instant, or None while there is nothing."""
        with self._lock:
            segments = [s for s in self._listed() if self._indexed(s).at_ms]
            return (segments[0].at_ms[0], segments[-1].at_ms[-1]) if segments else None

    def between(self, begin_ms: int, end_ms: int, *, stride_ms: int = 0, limit: int = 0) -> Iterator[bytes]:
        """Yield the payloads of steps from begin to end (both inside), at most one a stride."""
        next_ms, given = begin_ms, 0
        for path, offsets, instants in self._wanted(begin_ms, end_ms):
            try:
                stream = path.open("rb")
            except FileNotFoundError:
                continue
            with stream:
                for at_ms, offset in zip(instants, offsets, strict=True):
                    if at_ms < next_ms and stride_ms:
                        continue
                    next_ms = at_ms + stride_ms
                    yield self._payload(stream.fileno(), path, offset)
                    given += 1
                    if limit and given >= limit:
                        return

    def _wanted(self, begin_ms: int, end_ms: int) -> list[tuple[Path, list[int], list[int]]]:
        found = []
        with self._lock:
            for segment in self._listed():
                if segment.begin_ms > end_ms:
                    continue
                if segment.at_ms and segment.at_ms[-1] < begin_ms and not self._may_grow(segment):
                    continue
                self._indexed(segment)
                instants = np.array(segment.at_ms, np.int64)
                lo, hi = np.searchsorted(instants, begin_ms, "left"), np.searchsorted(instants, end_ms, "right")
                if hi > lo:
                    found.append((segment.path, segment.offset[lo:hi], segment.at_ms[lo:hi]))
        return found

    def _listed(self) -> list[_Segment]:
        names = sorted(path.name for path in self._folder.glob("*.trace")) if self._folder.is_dir() else []
        for name in set(self._segments) - set(names):
            del self._segments[name]
        for name in names:
            if name not in self._segments:
                path = self._folder / name
                self._segments[name] = _Segment(path, int(path.stem))
        return [self._segments[name] for name in names]

    def _may_grow(self, segment: _Segment) -> bool:
        return segment.path.stat().st_size > segment.read_to

    def _indexed(self, segment: _Segment) -> _Segment:
        """Take in the heads of frames written since the last look; stop at one that is not whole."""
        try:
            size = segment.path.stat().st_size
            if size <= segment.read_to:
                return segment
            with segment.path.open("rb") as stream:
                if segment.read_to == len(_MAGIC) and stream.read(len(_MAGIC)) != _MAGIC:
                    raise StoreError(f"{segment.path}: not a cityloop trace of format 1; move it away")
                fd = stream.fileno()
                while segment.read_to + _HEAD.size <= size:
                    head = os.pread(fd, _HEAD.size, segment.read_to)
                    stored, _, at_ms, plain = _HEAD.unpack(head)
                    end = segment.read_to + _HEAD.size + stored
                    if end > size or max(stored, plain) > _LARGEST:
                        break
                    if not segment.at_ms or at_ms >= segment.at_ms[-1]:
                        segment.at_ms.append(at_ms)
                        segment.offset.append(segment.read_to)
                    segment.read_to = end
        except FileNotFoundError:
            pass
        return segment

    def _payload(self, fd: int, path: Path, offset: int) -> bytes:
        stored, check, _, plain = _HEAD.unpack(os.pread(fd, _HEAD.size, offset))
        data = os.pread(fd, stored, offset + _HEAD.size)
        if zlib.crc32(data) != check:
            raise StoreError(f"{path}: damaged frame at byte {offset}; its checksum differs")
        payload: bytes = self._codec.decompress(data, plain, asbytes=True)
        return payload
