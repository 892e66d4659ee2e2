"""What of a folder's files would be left after a power cut.

A write is safe once its file was synced, a name once its folder was. What is not safe may be there or not: of each
file's pending writes any may have reached the disk, the last of them torn at a sector's border; of a folder's pending
names the first few, or any. ``cut`` draws one of these outcomes and writes it into a folder of its own. The process
that writes is not disturbed, so that one run is cut as often as one likes.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

__all__ = ["Volatile"]

SECTOR_BYTES = 512


@dataclass(slots=True)
class _File:
    """One file, whatever its name."""

    safe: bytearray = field(default_factory=bytearray)
    pending: list[tuple[int, bytes | None]] = field(default_factory=list)
    """Writes (offset, data) and cuts (size, None) since the last sync, in order."""


_Name = tuple[str, Path, Path | None]
"""What happened to a name: ``put`` (name, None), ``move`` (old, new), ``drop`` (name, None)."""


class Volatile:
    """Follows every change below a folder, and draws what a power cut would leave.

    Parameters
    ----------
    root
        The folder followed; paths outside it are not.
    before
        Called before each change, with the number of changes so far: the moment to cut.
    """

    def __init__(self, root: Path, before: Callable[[int], None] | None = None) -> None:
        self.root = root
        self.before = before
        self.changes = 0
        self._lock = threading.RLock()
        self._files: dict[Path, _File] = {}
        self._safe_names: dict[Path, _File] = {}
        self._pending_names: list[tuple[_Name, _File]] = []

    def put(self, path: Path) -> None:
        """Take note of a file that was made."""
        with self._step():
            file = self._files[path] = _File()
            self._pending_names.append((("put", path, None), file))

    def known(self, path: Path) -> bool:
        """Tell whether there is such a file."""
        return path in self._files

    def write(self, path: Path, offset: int, data: bytes) -> None:
        """Take note of bytes that were written."""
        with self._step():
            self._files[path].pending.append((offset, data))

    def truncate(self, path: Path, size: int) -> None:
        """Take note of a file that was cut, or grew by zeros."""
        with self._step():
            self._files[path].pending.append((size, None))

    def sync(self, path: Path) -> None:
        """Take note of a file that was synced."""
        with self._step():
            file = self._files[path]
            for offset, data in file.pending:
                _apply(file.safe, offset, data)
            file.pending.clear()

    def move(self, old: Path, new: Path) -> None:
        """Take note of a file with a new name."""
        with self._step():
            file = self._files[new] = self._files.pop(old)
            self._pending_names.append((("move", old, new), file))

    def drop(self, path: Path) -> None:
        """Take note of a name that was removed."""
        with self._step():
            file = self._files.pop(path, None)
            if file is not None:
                self._pending_names.append((("drop", path, None), file))

    def sync_folder(self, folder: Path) -> None:
        """Take note of a folder that was synced."""
        with self._step():
            still = []
            for change in self._pending_names:
                if any(part.parent == folder for part in change[0][1:] if part is not None):
                    _rename(self._safe_names, *change)
                else:
                    still.append(change)
            self._pending_names = still

    def cut(self, into: Path, rng: np.random.Generator) -> None:
        """Write what one power cut, now, would leave."""
        with self._lock:
            names = dict(self._safe_names)
            any_of_them = rng.random() < 0.3
            first = int(rng.integers(0, len(self._pending_names) + 1))
            for ordinal, change in enumerate(self._pending_names):
                if (rng.random() < 0.5) if any_of_them else ordinal < first:
                    _rename(names, *change)
            into.mkdir(parents=True, exist_ok=True)
            for path, file in names.items():
                target = into / path.relative_to(self.root)
                target.parent.mkdir(parents=True, exist_ok=True)
                target.write_bytes(_left(file, rng))

    def _step(self) -> threading.RLock:
        """Count a change, and let the moment before it be looked at."""
        with self._lock:
            if self.before is not None:
                self.before(self.changes)
            self.changes += 1
        return self._lock


def _rename(names: dict[Path, _File], change: _Name, file: _File) -> None:
    what, path, other = change
    if what == "put":
        names[path] = file
    elif what == "drop":
        names.pop(path, None)
    elif other is not None:
        names.pop(path, None)
        names[other] = file


def _apply(content: bytearray, offset: int, data: bytes | None) -> None:
    if data is None:
        del content[offset:]
        content.extend(bytes(offset - len(content)))
        return
    if offset > len(content):
        content.extend(bytes(offset - len(content)))
    content[offset : offset + len(data)] = data


def _left(file: _File, rng: np.random.Generator) -> bytes:
    """Draw what of a file is on the disk."""
    content = bytearray(file.safe)
    manner = rng.integers(0, 4)
    first = int(rng.integers(0, len(file.pending) + 1))
    for ordinal, (offset, data) in enumerate(file.pending):
        if manner == 0 or (manner == 1 and ordinal >= first) or (manner == 2 and rng.random() < 0.5):
            continue
        if data is not None and manner == 3 and len(data) > SECTOR_BYTES:
            # Sectors of one write reach the disk in any order.
            for begin in range(0, len(data), SECTOR_BYTES):
                if rng.random() < 0.5:
                    _apply(content, offset + begin, data[begin : begin + SECTOR_BYTES])
            continue
        if data is not None and manner == 1 and ordinal == first - 1:
            data = data[: int(rng.integers(0, len(data) + 1))]
        _apply(content, offset, data)
    return bytes(content)
