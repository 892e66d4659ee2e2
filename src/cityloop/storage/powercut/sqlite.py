"""SQLite's files with a memory of what was not synced: a VFS for apsw."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Any

import apsw

from cityloop.storage.powercut.model import Volatile

__all__ = ["CutFiles"]

_ORDINALS = itertools.count()


class CutFiles(apsw.VFS):
    """The system's own VFS, telling a ``Volatile`` of every change below its folder.

    Open a database with ``apsw.Connection(path, vfs=files.name)`` while this object is kept.
    """

    def __init__(self, volatile: Volatile) -> None:
        self.volatile = volatile
        self.name = f"cityloop-powercut-{next(_ORDINALS)}"
        """Name to open databases with."""
        super().__init__(self.name, base="")

    def xOpen(self, name: Any, flags: list[int]) -> apsw.VFSFile:  # noqa: N802 - the name is SQLite's
        """Open a file; temporary ones are not followed."""
        text = name.filename() if isinstance(name, apsw.URIFilename) else name
        path = Path(text) if text else None
        if path is None or self.volatile.root not in path.parents:
            return apsw.VFSFile("", name, flags)
        return _CutFile(self.volatile, path, name, flags)

    def xDelete(self, name: str, syncdir: bool) -> None:  # noqa: N802 - the name is SQLite's
        """Remove a file, and sync its folder where SQLite asks for it."""
        super().xDelete(name, syncdir)
        self.volatile.drop(Path(name))
        if syncdir:
            self.volatile.sync_folder(Path(name).parent)


class _CutFile(apsw.VFSFile):
    def __init__(self, volatile: Volatile, path: Path, name: Any, flags: list[int]) -> None:
        self._volatile, self._path = volatile, path
        there = path.exists()
        journal = flags[0] & (apsw.SQLITE_OPEN_MAIN_JOURNAL | apsw.SQLITE_OPEN_SUPER_JOURNAL | apsw.SQLITE_OPEN_WAL)
        self._name_to_sync = bool(journal and flags[0] & apsw.SQLITE_OPEN_CREATE)
        super().__init__("", name, flags)
        if not volatile.known(path):
            volatile.put(path)
            if there and path.stat().st_size:
                volatile.write(path, 0, path.read_bytes())
                volatile.sync(path)
                volatile.sync_folder(path.parent)

    def xWrite(self, data: bytes, offset: int) -> None:  # noqa: N802 - the name is SQLite's
        super().xWrite(data, offset)
        self._volatile.write(self._path, offset, bytes(data))

    def xTruncate(self, newsize: int) -> None:  # noqa: N802 - the name is SQLite's
        super().xTruncate(newsize)
        self._volatile.truncate(self._path, newsize)

    def xSync(self, flags: int) -> None:  # noqa: N802 - the name is SQLite's
        super().xSync(flags)
        self._volatile.sync(self._path)
        # As the system's VFS does: a new journal's folder is synced along with its first sync.
        if self._name_to_sync:
            self._volatile.sync_folder(self._path.parent)
            self._name_to_sync = False
