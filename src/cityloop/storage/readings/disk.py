"""The few things that the readings store asks of a file system, in one place.

Everything that must outlive a power cut is written through a ``Disk``, so that a proof can put another one under the
store which forgets what was not synced (``cityloop.storage.powercut``).
"""

from __future__ import annotations

import errno
import os
from pathlib import Path
from typing import Protocol

from cityloop.kernel.errors import StoreError
from cityloop.kernel.readings import StoreFull

__all__ = ["Disk", "DiskFile", "RealDisk", "failure", "write_whole"]

_NO_ROOM = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})


class DiskFile(Protocol):
    """A file open for writing."""

    def write_at(self, data: bytes | memoryview, offset: int) -> None:
        """Write all of ``data``; it is not yet safe."""

    def sync(self) -> None:
        """Return once what was written survives a power cut."""

    def truncate(self, size: int) -> None:
        """Cut the file to ``size`` bytes."""

    def close(self) -> None:
        """Release the file without syncing it."""


class Disk(Protocol):
    """Where the store's files live."""

    def create(self, path: Path, reserve_bytes: int = 0) -> DiskFile:
        """Make a new file, with room set aside; fails when it is there or when there is no room."""

    def open(self, path: Path) -> DiskFile:
        """Open a file that is there for writing."""

    def rename(self, old: Path, new: Path) -> None:
        """Put a file under another name, over what had it."""

    def unlink(self, path: Path) -> None:
        """Remove a file; nothing happens when it is gone."""

    def sync_folder(self, folder: Path) -> None:
        """Return once the names in a folder survive a power cut."""


class RealDisk:
    """The file system of this machine."""

    def create(self, path: Path, reserve_bytes: int = 0) -> DiskFile:
        """Make a new file, with room set aside."""
        file = _RealFile(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o640))
        if reserve_bytes:
            try:
                os.posix_fallocate(file.descriptor, 0, reserve_bytes)
            except OSError:
                file.close()
                path.unlink()
                raise
        return file

    def open(self, path: Path) -> DiskFile:
        """Open a file that is there for writing."""
        return _RealFile(os.open(path, os.O_WRONLY | os.O_CLOEXEC))

    def rename(self, old: Path, new: Path) -> None:
        """Put a file under another name."""
        old.rename(new)

    def unlink(self, path: Path) -> None:
        """Remove a file."""
        path.unlink(missing_ok=True)

    def sync_folder(self, folder: Path) -> None:
        """Sync the names in a folder."""
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


class _RealFile:
    """Owns a descriptor."""

    def __init__(self, descriptor: int) -> None:
        self.descriptor = descriptor

    def write_at(self, data: bytes | memoryview, offset: int) -> None:
        rest = memoryview(data)
        while rest:
            written = os.pwrite(self.descriptor, rest, offset)
            rest, offset = rest[written:], offset + written

    def sync(self) -> None:
        os.fdatasync(self.descriptor)

    def truncate(self, size: int) -> None:
        os.ftruncate(self.descriptor, size)

    def close(self) -> None:
        if self.descriptor >= 0:
            os.close(self.descriptor)
            self.descriptor = -1


def write_whole(disk: Disk, path: Path, data: bytes) -> None:
    """Replace a small file so that after a power cut either the old or the new one is there, whole."""
    beside = path.with_name(f"{path.name}.new")
    disk.unlink(beside)
    file = disk.create(beside)
    try:
        file.write_at(data, 0)
        file.sync()
    finally:
        file.close()
    disk.rename(beside, path)
    disk.sync_folder(path.parent)


def failure(error: OSError, path: Path) -> StoreError:
    """Return the error of ours for one of the operating system's: ``StoreFull`` when there is no room."""
    if error.errno in _NO_ROOM:
        return StoreFull(f"{path}: no room left on the disk; free some, and readings are taken again.")
    return StoreError(f"{path}: {error.strerror or error}; nothing of this group was kept.")
