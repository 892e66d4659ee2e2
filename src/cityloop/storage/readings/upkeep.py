"""What the store does beside taking and giving readings: sealing, merging, forgetting, expiring."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Mapping
from pathlib import Path

import msgspec
import numpy as np
import numpy.typing as npt

from cityloop.kernel.batch import Batch
from cityloop.kernel.columns import I32, U8
from cityloop.kernel.readings import DataKind
from cityloop.storage.readings.bins import pick_bins
from cityloop.storage.readings.catalogue import Catalogue
from cityloop.storage.readings.disk import Disk
from cityloop.storage.readings.latest import Latest
from cityloop.storage.readings.log import log_path
from cityloop.storage.readings.manifest import Segment
from cityloop.storage.readings.merging import Stopped, next_merge, write_segments
from cityloop.storage.readings.order import sorted_slices, span_mask
from cityloop.storage.readings.params import StoreParams
from cityloop.storage.readings.recent import Recent, StreamSet
from cityloop.storage.readings.retention import Keep

__all__ = ["Kinds", "Upkeep"]

_LOGGER = logging.getLogger(__name__)

Kinds = Callable[[], U8]
"""Returns the ``DataKind`` of every stream, by row; rows behind the last are measurements."""


class Upkeep:
    """Changes the sealed part of the store. Merging, forgetting and expiring take turns; sealing waits for none."""

    def __init__(
        self, root: Path, disk: Disk, params: StoreParams, catalogue: Catalogue, latest: Latest, kinds: Kinds
    ) -> None:
        self._log_folder = root / "log"
        self._disk, self._params, self._catalogue, self._latest, self._kinds = disk, params, catalogue, latest, kinds
        self._turn = threading.Lock()
        self._wanted = threading.Event()
        """Set while somebody waits for a merge to give way."""
        self.stopping = threading.Event()

    def seal(self, recent: Recent) -> None:
        """Turn a part of the log that nothing more comes to into sealed segments, then remove its log file."""
        held = recent.batch()
        of_row = self.kinds_of(held.stream)
        written: list[Segment] = []
        try:
            for kind in np.unique(of_row).tolist():
                number = self._catalogue.new_number()
                writer = self._catalogue.open_writer(run=number, level=0, kind=kind, day=None)
                try:
                    for part in sorted_slices(held, of_row == kind, self._params.slice_rows):
                        writer.add(part)
                    written.append(writer.finish())
                except BaseException:
                    writer.abandon()
                    raise
            latest = self._catalogue.write_latest(self._latest.batch())
        except BaseException:
            for segment in written:
                self._catalogue.discard(segment)
            raise
        # When the commit itself fails nobody knows whether it counts: its files stay, and the next start sorts it out.
        self._catalogue.commit((), written, sealed=recent, latest=latest)
        self._disk.unlink(log_path(self._log_folder, recent.log_number))

    def merge_once(self, now_ms: int) -> bool:
        """Merge what is due next; return whether anything was."""
        with self._turn:
            chosen = next_merge(self._catalogue.view.segments, now_ms, self._params.fan_in)
            if not chosen:
                return False
            run = self._catalogue.new_number()
            level = 1 + max(segment.level for segment in chosen)
            readers = [self._catalogue.readers.readings(segment) for segment in chosen]
            try:
                written = write_segments(
                    readers,
                    lambda day: self._catalogue.open_writer(run=run, level=level, kind=chosen[0].kind, day=day),
                    self._catalogue.discard,
                    self._params,
                    by_day=True,
                    should_stop=lambda: self._wanted.is_set() or self.stopping.is_set(),
                )
            except Stopped:
                return False
            self._catalogue.commit(chosen, written)
            return True

    def forget(self, streams: StreamSet, begin_ms: int, end_ms: int) -> int:
        """Delete sealed readings and their roll-ups; return how many readings."""
        rows = 0

        def others(batch: Batch) -> npt.NDArray[np.bool_]:
            return np.asarray(~(streams.among(batch.stream) & span_mask(batch.observed_at_ms, begin_ms, end_ms)))

        with self._alone():
            touched = [
                segment
                for segment in self._catalogue.view.segments
                if streams.touches(segment.stream_low, segment.stream_high)
                and segment.observed_high_ms >= begin_ms
                and segment.observed_low_ms < end_ms
            ]
            for segment in touched:
                if segment.bytes:
                    rows += segment.rows - sum(kept.rows for kept in self._rewrite(segment, others))
                else:
                    self._rewrite_bins(segment, streams, begin_ms, end_ms)
        return rows

    def expire(self, policy: Mapping[DataKind, Keep], now_ms: int) -> int:
        """Delete sealed readings and roll-ups that are older than their kind is kept; return how many readings."""
        rows = 0
        with self._alone():
            for segment in self._catalogue.view.segments:
                keep = policy.get(DataKind(segment.kind))
                if keep is not None:
                    rows += self._expire(segment, keep, now_ms)
        return rows

    def _expire(self, segment: Segment, keep: Keep, now_ms: int) -> int:
        readings_from_ms, rollups_from_ms = keep.readings_from_ms(now_ms), keep.rollups_from_ms(now_ms)
        if segment.observed_high_ms < rollups_from_ms:
            self._catalogue.commit([segment], [])
            return segment.rows if segment.bytes else 0
        if not segment.bytes:
            return 0
        if segment.observed_high_ms < readings_from_ms:
            self._catalogue.commit([segment], [msgspec.structs.replace(segment, bytes=0, check=0)])
            return segment.rows
        # Rewriting costs as much as merging: what has expired must be worth it, or a tenth of its time overdue.
        grain_ms = min(keep.readings_s * 100, 86_400_000)
        if segment.observed_low_ms >= readings_from_ms - grain_ms:
            return 0
        return self._expire_part(segment, readings_from_ms, rollups_from_ms)

    def _expire_part(self, segment: Segment, readings_from_ms: int, rollups_from_ms: int) -> int:
        kept = self._some_of(segment, lambda batch: np.asarray(batch.observed_at_ms >= readings_from_ms))
        bins = self._catalogue.readers.rollups(segment).read_all()
        old = pick_bins(bins, span_mask(bins.begin_ms, rollups_from_ms, readings_from_ms))
        added = [*kept, *([self._catalogue.write_rollups(segment, old)] if len(old) else [])]
        self._catalogue.commit([segment], added)
        return segment.rows - sum(s.rows for s in kept)

    def _rewrite(self, segment: Segment, keep: Callable[[Batch], npt.NDArray[np.bool_]]) -> list[Segment]:
        """Put some of a segment's readings in its place."""
        kept = self._some_of(segment, keep)
        self._catalogue.commit([segment], kept)
        return kept

    def _some_of(self, segment: Segment, keep: Callable[[Batch], npt.NDArray[np.bool_]]) -> list[Segment]:
        """Write some of a segment's readings as others that do not count yet."""
        return write_segments(
            [self._catalogue.readers.readings(segment)],
            lambda _: self._catalogue.open_writer(
                run=segment.run, level=segment.level, kind=segment.kind, day=segment.day
            ),
            self._catalogue.discard,
            self._params,
            by_day=False,
            keep=keep,
        )

    def _rewrite_bins(self, segment: Segment, streams: StreamSet, begin_ms: int, end_ms: int) -> None:
        bins = self._catalogue.readers.rollups(segment).read_all()
        # A bin of which a part is to be forgotten goes as a whole: its readings are no longer there to make it again.
        hit = (bins.begin_ms < end_ms) & (bins.last_at_ms >= begin_ms)
        left = pick_bins(bins, ~(streams.among(bins.stream) & hit))
        if len(left) == len(bins):
            return
        kept = [self._catalogue.write_rollups(segment, left)] if len(left) else []
        self._catalogue.commit([segment], kept)

    def kinds_of(self, stream: I32) -> U8:
        """Return what each of these streams tells about."""
        kinds = self._kinds()
        known = stream < len(kinds)
        of_row = np.zeros(len(stream), np.uint8)
        of_row[known] = kinds[stream[known]]
        return of_row

    def _alone(self) -> _Alone:
        """Hold the turn; a merge under way gives way."""
        return _Alone(self._turn, self._wanted)


class _Alone:
    def __init__(self, turn: threading.Lock, wanted: threading.Event) -> None:
        self._turn, self._wanted = turn, wanted

    def __enter__(self) -> None:
        self._wanted.set()
        self._turn.acquire()
        self._wanted.clear()

    def __exit__(self, *_: object) -> None:
        self._turn.release()
