"""The sealed part of the store: which segments there are, changed as a whole and safe against a power cut."""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import msgspec

from cityloop.kernel.batch import Batch
from cityloop.storage.readings.bins import Bins
from cityloop.storage.readings.disk import Disk
from cityloop.storage.readings.frames import FILE_HEAD_BYTES, file_head, frame, read_log
from cityloop.storage.readings.manifest import Manifest, Segment, read_manifest, write_manifest
from cityloop.storage.readings.params import StoreParams
from cityloop.storage.readings.recent import Recent
from cityloop.storage.readings.segments import Readers, SegmentWriter, write_rollups

__all__ = ["Catalogue", "View"]

_LOGGER = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class View:
    """What a look-up sees: every acknowledged reading is in exactly one of these."""

    segments: tuple[Segment, ...]
    recents: tuple[Recent, ...]
    """In order of arrival; the last one grows."""


class Catalogue:
    """Owns the manifest, the folder of sealed files and the view that look-ups take."""

    def __init__(self, root: Path, disk: Disk, params: StoreParams) -> None:
        self.folder = root / "sealed"
        self._root, self._disk, self._params = root, disk, params
        self._lock = threading.RLock()
        self._manifest = read_manifest(root)
        self._view = View(self._manifest.segments, ())
        self._next_number = self._manifest.next_number
        self.readers = Readers(self.folder)

    @property
    def view(self) -> View:
        """What there is now."""
        return self._view

    @property
    def manifest(self) -> Manifest:
        """What is on disk now."""
        return self._manifest

    @property
    def lock(self) -> threading.RLock:
        """Held while the manifest changes: who holds it sees files that stay."""
        return self._lock

    def unsealed_rows(self) -> int:
        """Return the number of readings in memory that are not sealed."""
        return sum(len(recent) for recent in self._view.recents)

    def begin_recent(self, recent: Recent) -> None:
        """Let look-ups see a further part of the log."""
        with self._lock:
            self._view = View(self._view.segments, (*self._view.recents, recent))

    def new_number(self) -> int:
        """Return a number for a sealed file."""
        with self._lock:
            self._next_number += 1
            return self._next_number - 1

    def open_writer(self, *, run: int, level: int, kind: int, day: int | None) -> SegmentWriter:
        """Begin a sealed file; it does not count until it is committed."""
        head = Segment(
            number=self.new_number(),
            run=run,
            level=level,
            kind=kind,
            day=day,
            rows=0,
            stream_low=0,
            stream_high=0,
            observed_low_ms=0,
            observed_high_ms=0,
            bytes=1,
            check=0,
            rollup_bytes=0,
            rollup_check=0,
        )
        return SegmentWriter(self._disk, self.folder, head, self._params.row_group_rows)

    def write_rollups(self, segment: Segment, bins: Bins) -> Segment:
        """Write some of the bins of a segment without readings as another that does not count yet."""
        return write_rollups(self._disk, self.folder, segment, self.new_number(), bins)

    def discard(self, segment: Segment) -> None:
        """Remove the files of a segment that does not count."""
        for name in segment.file_names:
            self._disk.unlink(self.folder / name)

    def commit(
        self,
        remove: Sequence[Segment],
        add: Sequence[Segment],
        *,
        sealed: Recent | None = None,
        latest: int | None = None,
    ) -> bool:
        """Replace segments by others, at once and for good.

        Parameters
        ----------
        sealed
            The part of the log that the new segments hold.
        latest
            Number of the new file with the latest readings.

        Returns
        -------
        bool
            False, with nothing changed, when a segment to remove is no longer there.
        """
        with self._lock:
            known = {segment.number: segment for segment in self._manifest.segments}
            if any(known.get(segment.number) != segment for segment in remove):
                return False
            gone = {segment.number for segment in remove}
            segments = (*(s for s in self._manifest.segments if s.number not in gone), *add)
            changed = msgspec.structs.replace(self._manifest, segments=segments, next_number=self._next_number)
            recents = self._view.recents
            if sealed is not None:
                changed = msgspec.structs.replace(changed, sealed_through=sealed.log_number)
                recents = tuple(recent for recent in recents if recent is not sealed)
            previous_latest = self._manifest.latest_number
            if latest is not None:
                changed = msgspec.structs.replace(changed, latest_number=latest)
            self._disk.sync_folder(self.folder)
            write_manifest(self._disk, self._root, changed)
            self._manifest = changed
            self._view = View(segments, recents)
            stay = {name for segment in segments for name in segment.file_names}
            self._remove([self.folder / n for s in remove for n in s.file_names if n not in stay])
            if latest is not None and previous_latest:
                self._remove([self._latest_path(previous_latest)])
            for segment in remove:
                self.readers.drop(segment)
        return True

    def write_latest(self, batch: Batch) -> int:
        """Write the latest reading of every stream, synced; return the file's number."""
        number = self.new_number()
        file = self._disk.create(self._latest_path(number))
        try:
            file.write_at(file_head(number), 0)
            file.write_at(frame(0, batch), FILE_HEAD_BYTES)
            file.sync()
        finally:
            file.close()
        return number

    def read_latest(self) -> Batch | None:
        """Return what ``write_latest`` wrote last; None when there is none, or it is damaged."""
        path = self._latest_path(self._manifest.latest_number)
        if not self._manifest.latest_number or not path.exists():
            return None
        held = read_log(path)
        return held.batches[0] if len(held.batches) == 1 and held.damaged_byte is None else None

    def remove_strays(self) -> None:
        """Remove files that a change which was cut short has left."""
        stay = {name for segment in self._manifest.segments for name in segment.file_names}
        stay.add(self._latest_path(self._manifest.latest_number).name)
        strays = [path for path in sorted(self.folder.iterdir()) if path.name not in stay]
        self._remove([*strays, self._root / "MANIFEST.new"])
        if strays:
            _LOGGER.info("Removed %d sealed files of a change that was cut short", len(strays))

    def _latest_path(self, number: int) -> Path:
        return self.folder / f"{number:08d}.latest"

    def _remove(self, paths: Iterable[Path]) -> None:
        for path in paths:
            self._disk.unlink(path)
