"""The manifest: which sealed files make up the store, replaced whole with every change.

A file that the manifest does not name does not count; it is left over from a change that was cut short.
"""

from __future__ import annotations

import zlib
from pathlib import Path

import msgspec

from cityloop.kernel.errors import StoreError
from cityloop.storage.readings.disk import Disk, write_whole

__all__ = ["FORMAT", "Manifest", "Segment", "check_format", "read_manifest", "write_format", "write_manifest"]

FORMAT = 2
"""Version of the whole data directory; a newer one is refused untouched."""
_READ_TOO = ("1",)
"""Older formats that are read: the first kept each instant in one column. A store that is opened for writing becomes
one of the present format, so that an older release refuses it."""

_FORMAT_LINE = "cityloop readings, format "


class Segment(msgspec.Struct, frozen=True, kw_only=True):
    """A sealed file: readings of one kind, sorted by stream and time, or roll-ups alone once the readings expired."""

    number: int
    """Names the file; never given out again."""
    run: int
    """Files of one run were written by one merge and share no stream."""
    level: int
    """0 as sealed from the log, 1 and more after so many merges."""
    kind: int
    """A ``DataKind``."""
    day: int | None
    """UTC day of every reading, counted from the epoch; None where days are still mixed."""
    rows: int
    stream_low: int
    stream_high: int
    observed_low_ms: int
    observed_high_ms: int
    bytes: int
    """Size of the Parquet file; 0 once its readings expired."""
    check: int
    """CRC-32 of the Parquet file."""
    rollup_bytes: int
    """Size of the roll-ups."""
    rollup_check: int
    """CRC-32 of the roll-ups."""

    @property
    def stem(self) -> str:
        """The file's name without its ending."""
        return f"{self.number:08d}-k{self.kind}-l{self.level}"

    @property
    def file_names(self) -> tuple[str, ...]:
        """The files there are: readings, roll-ups."""
        names = (f"{self.stem}.parquet",) if self.bytes else ()
        return (*names, f"{self.stem}.rollups")


class Manifest(msgspec.Struct, frozen=True, kw_only=True):
    """The store's sealed part."""

    sealed_through: int = 0
    """Log files up to this number are sealed: a log file that is still there counts only behind it."""
    next_number: int = 1
    """Number of the next sealed file."""
    latest_number: int = 0
    """Number of the file with the latest reading of every stream, 0 when there is none."""
    segments: tuple[Segment, ...] = ()


def write_format(disk: Disk, folder: Path) -> None:
    """Mark a directory with the version of its format."""
    write_whole(disk, folder / "FORMAT", f"{_FORMAT_LINE}{FORMAT}\n".encode())


def check_format(folder: Path) -> bool:
    """Refuse a directory of a format that is not known, untouched; return whether it is of the present one.

    Raises
    ------
    StoreError
        Naming the format found and what to do.
    """
    path = folder / "FORMAT"
    line = path.read_text(encoding="utf-8", errors="replace").strip()
    if not line.startswith(_FORMAT_LINE):
        raise StoreError(f"{path}: {line[:60]!r}, must be '{_FORMAT_LINE}{FORMAT}'; this is no store of readings.")
    found = line.removeprefix(_FORMAT_LINE)
    if found not in (str(FORMAT), *_READ_TOO):
        raise StoreError(
            f"{path}: format {found[:20]}, must be {FORMAT}; nothing was touched. Open it with its own release."
        )
    return found == str(FORMAT)


def write_manifest(disk: Disk, folder: Path, manifest: Manifest) -> None:
    """Replace the manifest; after a power cut the old or the new one is there."""
    body = msgspec.json.encode(manifest)
    write_whole(disk, folder / "MANIFEST", b"%08x\n%s\n" % (zlib.crc32(body), body))


def read_manifest(folder: Path) -> Manifest:
    """Return the manifest; an empty one when none was written yet.

    Raises
    ------
    StoreError
        When it is damaged.
    """
    path = folder / "MANIFEST"
    if not path.exists():
        return Manifest()
    check, _, body = path.read_bytes().partition(b"\n")
    body = body.rstrip(b"\n")
    if check != b"%08x" % zlib.crc32(body):
        raise StoreError(f"{path}: its checksum does not match; restore the directory from a backup.")
    try:
        return msgspec.json.decode(body, type=Manifest)
    except msgspec.MsgspecError as error:
        raise StoreError(f"{path}: cannot be read ({error}); open it with the release that wrote it.") from error
