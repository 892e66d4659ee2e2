"""Is everything there that the manifest names, unaltered, in order, and do the roll-ups agree with the readings?"""

from __future__ import annotations

import zlib
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from cityloop.kernel.errors import StoreError
from cityloop.storage.readings.bins import Bins, bins_of, concat_bins, join_bins
from cityloop.storage.readings.disk import RealDisk, write_whole
from cityloop.storage.readings.frames import file_head, frame, read_live_log, read_log
from cityloop.storage.readings.manifest import Segment, check_format, read_manifest
from cityloop.storage.readings.merging import DAY_MS, merged
from cityloop.storage.readings.order import is_sorted
from cityloop.storage.readings.segments import SegmentReader
from cityloop.storage.readings.tiles import TileReader

__all__ = ["Integrity", "check_integrity", "salvage"]

_SLICE_ROWS = 2_000_000


@dataclass(slots=True)
class Integrity:
    """What a check found."""

    segments: int = 0
    sealed_readings: int = 0
    logged_readings: int = 0
    bins: int = 0
    faults: list[str] = field(default_factory=list)
    """One line a fault, naming the file."""


def check_integrity(root: Path, say: Callable[[str], None] = lambda _: None) -> Integrity:
    """Check a store, its server running or not: checksums, order, counts, days, roll-ups against readings, the log."""
    check_format(root)
    found = Integrity()
    manifest = read_manifest(root)
    for ordinal, segment in enumerate(manifest.segments):
        say(f"{ordinal + 1} of {len(manifest.segments)} segments")
        faults = _segment_faults(root / "sealed", segment, found)
        if faults and segment not in read_manifest(root).segments:
            # A server has merged it away meanwhile; what took its place is as good as any that this check began with.
            continue
        found.faults += faults
        found.segments += 1
    for path in sorted((root / "log").glob("*.log")):
        if int(path.stem) > manifest.sealed_through:
            _check_log(path, found)
    return found


def salvage(root: Path) -> int:
    """Put what can be read of damaged log files in their place; return how many files were damaged.

    The damaged ones stay beside them, as ``NUMBER.log.damaged``. No server may run meanwhile.
    """
    files = 0
    disk = RealDisk()
    for path in sorted((root / "log").glob("*.log")):
        held = read_log(path)
        if held.damaged_byte is None:
            continue
        disk.rename(path, path.with_name(f"{path.name}.damaged"))
        frames = [frame(ordinal, batch) for ordinal, batch in enumerate(held.batches)]
        write_whole(disk, path, b"".join([file_head(held.number), *frames]))
        files += 1
    return files


def _segment_faults(folder: Path, segment: Segment, found: Integrity) -> list[str]:
    faults = []
    for name, size, check in zip(
        segment.file_names[::-1],
        (segment.rollup_bytes, segment.bytes),
        (segment.rollup_check, segment.check),
        strict=False,
    ):
        path = folder / name
        if not path.exists():
            return [f"{path}: is missing"]
        if path.stat().st_size != size or _check_of(path) != check:
            faults.append(f"{path}: size or checksum is not what was sealed")
    if faults:
        return faults
    try:
        tiles = TileReader(folder / f"{segment.stem}.rollups").read_all()
        found.bins += len(tiles)
        if segment.bytes:
            faults = _content_faults(folder / f"{segment.stem}.parquet", segment, tiles)
            found.sealed_readings += segment.rows
    except (StoreError, OSError, ValueError) as error:
        faults = [f"{folder / segment.stem}: cannot be read: {error}"]
    return faults


def _content_faults(path: Path, segment: Segment, tiles: Bins) -> list[str]:
    faults = []
    rows, streams, parts = 0, [-1, -1], []
    for batch in merged([SegmentReader(path)], _SLICE_ROWS):
        if not is_sorted(batch) or int(batch.stream[0]) <= streams[1]:
            faults.append(f"{path}: readings are not in order behind row {rows}")
        days = batch.observed_at_ms // DAY_MS
        if segment.day is not None and ((days != segment.day).any()):
            faults.append(f"{path}: holds readings of another day than {segment.day}")
        rows += len(batch)
        streams = [streams[0] if streams[0] >= 0 else int(batch.stream[0]), int(batch.stream[-1])]
        parts.append(bins_of(batch))
    if rows != segment.rows:
        faults.append(f"{path}: {rows} readings, {segment.rows} were sealed")
    if streams != [segment.stream_low, segment.stream_high]:
        faults.append(f"{path}: streams {streams[0]} to {streams[1]}, sealed were other ones")
    if not _agree(concat_bins(parts), tiles):
        faults.append(f"{path}: its roll-ups differ from its readings")
    return faults


def _agree(made: Bins, kept: Bins) -> bool:
    made, kept = join_bins([made]), join_bins([kept])
    if len(made) != len(kept):
        return False
    exact = all(np.array_equal(getattr(made, name), getattr(kept, name)) for name in Bins.__slots__ if name != "total")
    return exact and np.allclose(made.total, kept.total, rtol=1e-9, atol=1e-9)


def _check_log(path: Path, found: Integrity) -> None:
    try:
        held = read_live_log(path)
    except FileNotFoundError:
        return
    except StoreError as error:
        found.faults.append(str(error))
        return
    found.logged_readings += sum(len(batch) for batch in held.batches)
    if held.damaged_byte is not None:
        found.faults.append(f"{path}: acknowledged readings at byte {held.damaged_byte} are damaged")


def _check_of(path: Path) -> int:
    check = 0
    with path.open("rb") as file:
        while piece := file.read(1 << 20):
            check = zlib.crc32(piece, check)
    return check
