"""Merging sealed segments: fewer, larger files, each of one UTC day, with every reading in its place."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import numpy as np
import numpy.typing as npt

from cityloop.kernel.batch import Batch, concat, empty_batch
from cityloop.storage.readings.manifest import Segment
from cityloop.storage.readings.order import pick, sorted_batch
from cityloop.storage.readings.params import StoreParams
from cityloop.storage.readings.segments import SegmentReader, SegmentWriter

__all__ = ["DAY_MS", "Stopped", "merged", "next_merge", "write_segments"]

DAY_MS = 86_400_000

_OPEN_DAYS = 64
"""Days written side by side; a merge that holds more goes over its inputs again."""

_WORTH = 16
"""A closed day is merged once more when what came late is at least this part of it."""


class Stopped(Exception):  # noqa: N818 - an outcome that was asked for, not an error
    """A merge was asked to stop; what it had written is to be removed."""


def next_merge(segments: Sequence[Segment], now_ms: int, fan_in: int) -> list[Segment]:
    """Return the segments to merge next, none when all is well.

    Runs of one kind, day and level are merged when there are ``fan_in``; those whose days are still mixed likewise, and
    as soon as their days are over. A day that is over is merged whole, unless little came late.
    """
    groups: dict[tuple[int, int, int], list[Segment]] = {}
    days: dict[tuple[int, int], list[Segment]] = {}
    for segment in segments:
        if segment.bytes:
            day = -1 if segment.day is None else segment.day
            groups.setdefault((segment.kind, segment.level, day), []).append(segment)
            if segment.day is not None:
                days.setdefault((segment.kind, segment.day), []).append(segment)
    for _, members in sorted(groups.items()):
        runs = sorted({segment.run for segment in members})
        if len(runs) >= fan_in:
            chosen = set(runs[: 2 * fan_in])
            return [segment for segment in members if segment.run in chosen]
    for (_, level, _), members in sorted(groups.items()):
        mixed = [segment for segment in members if level == 0 and _over(segment.observed_high_ms // DAY_MS, now_ms)]
        if mixed:
            return mixed[: 2 * fan_in]
    for (_, day), members in sorted(days.items()):
        rows = _run_rows(members)
        if _over(day, now_ms) and len(rows) > 1 and (sum(rows) - max(rows)) * _WORTH >= max(rows):
            return members
    return []


def _over(day: int, now_ms: int) -> bool:
    """Tell whether a day is past, with an hour for what comes late."""
    return (day + 1) * DAY_MS + DAY_MS // 24 < now_ms


def _run_rows(members: Sequence[Segment]) -> list[int]:
    rows: dict[int, int] = {}
    for segment in members:
        rows[segment.run] = rows.get(segment.run, 0) + segment.rows
    return list(rows.values())


def merged(readers: Sequence[SegmentReader], slice_rows: int) -> Iterator[Batch]:
    """Yield the readings of all segments in stored order, in slices of whole streams."""
    cursors = [_Cursor(reader) for reader in readers]
    for bound in [*_bounds(readers, slice_rows), np.iinfo(np.int64).max]:
        parts = [part for cursor in cursors if len(part := cursor.below(bound))]
        if parts:
            yield parts[0] if len(parts) == 1 else sorted_batch(concat(parts))


class _Cursor:
    """Reads a segment from front to back."""

    def __init__(self, reader: SegmentReader) -> None:
        self._reader = reader
        self._next_group = 0
        self._held = empty_batch()

    def below(self, bound: int) -> Batch:
        """Return what is left of the streams below ``bound``."""
        low = self._reader.stream_low
        end = self._next_group
        while end < len(low) and low[end] < bound:
            end += 1
        parts = [self._held, *self._reader.groups(range(self._next_group, end))]
        self._next_group = end
        whole = concat([part for part in parts if len(part)])
        split = int(np.searchsorted(whole.stream, bound))
        self._held = pick(whole, slice(split, None))
        return pick(whole, slice(0, split))


def _bounds(readers: Sequence[SegmentReader], slice_rows: int) -> list[int]:
    """Return streams at which to cut, so that each slice holds about as many readings."""
    high = np.concatenate([reader.stream_high for reader in readers]) if readers else np.empty(0, np.int64)
    if not len(high):
        return []
    order = np.argsort(high)
    rows = np.cumsum(np.concatenate([reader.group_rows for reader in readers])[order])
    cuts = np.searchsorted(rows, np.arange(slice_rows, int(rows[-1]), slice_rows))
    return [int(stream) + 1 for stream in np.unique(high[order][cuts])]


def write_segments(
    readers: Sequence[SegmentReader],
    open_writer: Callable[[int | None], SegmentWriter],
    discard: Callable[[Segment], None],
    params: StoreParams,
    *,
    by_day: bool,
    keep: Callable[[Batch], npt.NDArray[np.bool_]] | None = None,
    should_stop: Callable[[], bool] = lambda: False,
) -> list[Segment]:
    """Merge segments into new ones and return these, synced.

    Parameters
    ----------
    open_writer
        Begins a new file for a day, or for mixed days.
    discard
        Removes a file that was finished, when a later one cannot be.
    by_day
        Whether each file is to hold one UTC day.
    keep
        Which readings go into the new files; all when None.

    Raises
    ------
    Stopped
        When ``should_stop`` says so between two slices; nothing is left behind.
    """
    written: list[Segment] = []
    writers: dict[int | None, SegmentWriter] = {}
    try:
        for chosen in _day_sets(readers, by_day):
            for batch in merged(readers, params.slice_rows):
                if should_stop():
                    raise Stopped
                kept = batch if keep is None else pick(batch, keep(batch))
                for day, part in _split(kept, by_day, chosen):
                    writer = writers.get(day)
                    if writer is not None and writer.rows >= params.file_rows:
                        written.append(writers.pop(day).finish())
                        writer = None
                    if writer is None:
                        writer = writers[day] = open_writer(day)
                    writer.add(part)
            written.extend(writers.pop(day).finish() for day in list(writers))
    except BaseException:
        for writer in writers.values():
            writer.abandon()
        for segment in written:
            discard(segment)
        raise
    return written


def _day_sets(readers: Sequence[SegmentReader], by_day: bool) -> list[frozenset[int] | None]:
    """Return the sets of days to write one after the other; None stands for all there are."""
    if not by_day:
        return [None]
    low = min((int(reader.observed_low.min()) for reader in readers if len(reader.observed_low)), default=0)
    high = max((int(reader.observed_high.max()) for reader in readers if len(reader.observed_high)), default=0)
    if high // DAY_MS - low // DAY_MS < _OPEN_DAYS:
        return [None]
    days = sorted({int(day) for reader in readers for day in reader.days(DAY_MS)})
    return [frozenset(days[at : at + _OPEN_DAYS]) for at in range(0, len(days), _OPEN_DAYS)]


def _split(batch: Batch, by_day: bool, chosen: frozenset[int] | None) -> Iterator[tuple[int | None, Batch]]:
    if not len(batch):
        return
    if not by_day:
        yield None, batch
        return
    days = batch.observed_at_ms // DAY_MS
    for day in np.unique(days).tolist():
        if chosen is None or day in chosen:
            mask = days == day
            yield day, batch if mask.all() else pick(batch, mask)
