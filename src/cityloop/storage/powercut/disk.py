"""The readings store's disk with a memory of what was not synced."""

from __future__ import annotations

import errno
from pathlib import Path

from cityloop.storage.powercut.model import Volatile
from cityloop.storage.readings.disk import DiskFile, RealDisk

__all__ = ["CutDisk"]


class CutDisk:
    """Writes to real files and tells a ``Volatile`` of it; may also be told that it is full."""

    def __init__(self, volatile: Volatile) -> None:
        self._volatile = volatile
        self._real = RealDisk()
        self.full = False
        """While set, nothing can be written."""

    def create(self, path: Path, reserve_bytes: int = 0) -> DiskFile:
        """Make a new file."""
        self.refuse_if_full(path)
        file = self._real.create(path, reserve_bytes)
        self._volatile.put(path)
        if reserve_bytes:
            self._volatile.truncate(path, reserve_bytes)
        return _CutFile(self, self._volatile, path, file)

    def open(self, path: Path) -> DiskFile:
        """Open a file that is there."""
        return _CutFile(self, self._volatile, path, self._real.open(path))

    def rename(self, old: Path, new: Path) -> None:
        """Put a file under another name."""
        self._real.rename(old, new)
        self._volatile.move(old, new)

    def unlink(self, path: Path) -> None:
        """Remove a file."""
        self._real.unlink(path)
        self._volatile.drop(path)

    def sync_folder(self, folder: Path) -> None:
        """Sync the names in a folder."""
        self._volatile.sync_folder(folder)

    def refuse_if_full(self, path: Path) -> None:
        """Fail as a full disk does."""
        if self.full:
            raise OSError(errno.ENOSPC, "No space left on device", str(path))


class _CutFile:
    def __init__(self, disk: CutDisk, volatile: Volatile, path: Path, real: DiskFile) -> None:
        self._disk, self._volatile, self._path, self._real = disk, volatile, path, real

    def write_at(self, data: bytes | memoryview, offset: int) -> None:
        self._disk.refuse_if_full(self._path)
        self._real.write_at(data, offset)
        self._volatile.write(self._path, offset, bytes(data))

    def sync(self) -> None:
        self._disk.refuse_if_full(self._path)
        self._volatile.sync(self._path)

    def truncate(self, size: int) -> None:
        self._real.truncate(size)
        self._volatile.truncate(self._path, size)

    def close(self) -> None:
        self._real.close()
