"""Answers from everything that was acknowledged: sealed segments and what is still in memory."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TypeVar

import numpy as np

from cityloop.kernel.batch import Batch, concat, empty_batch
from cityloop.kernel.columns import I32
from cityloop.kernel.errors import StoreError
from cityloop.kernel.readings import ROLLUP_MS, RollUps
from cityloop.storage.readings.bins import bins_of, pick_bins, rollups_of
from cityloop.storage.readings.catalogue import Catalogue, View
from cityloop.storage.readings.grid import join_on_grid
from cityloop.storage.readings.manifest import Segment
from cityloop.storage.readings.order import clip_instants, pick, sorted_batch, span_mask
from cityloop.storage.readings.recent import StreamSet

__all__ = ["history", "rollups"]

_RETRIES = 20

T = TypeVar("T")


def history(
    catalogue: Catalogue, streams: I32, begin_ms: int, end_ms: int, *, limit: int | None, newest_first: bool
) -> Batch:
    """Return stored readings; see ``Readings.history``."""
    wanted = StreamSet(streams)
    begin_ms, end_ms = clip_instants(begin_ms, end_ms)
    if not len(wanted) or begin_ms >= end_ms or limit == 0:
        return empty_batch()
    if limit is None:
        found = _steady(catalogue, lambda view: _all(catalogue, view, wanted, begin_ms, end_ms))
        return _backwards(found) if newest_first else found
    parts, have = [], 0
    for row in wanted.rows:
        one = StreamSet(np.array([row], np.int32))
        look = partial(_some, catalogue, one, (begin_ms, end_ms), limit - have, newest_first)
        part = _steady(catalogue, look)
        parts.append(part)
        have += len(part)
        if have >= limit:
            break
    return concat(parts)


def rollups(catalogue: Catalogue, streams: I32, begin_ms: int, end_ms: int) -> RollUps:
    """Return 5-minute bins; see ``Readings.rollups``."""
    wanted = StreamSet(streams)
    begin_ms, end_ms = clip_instants(begin_ms, end_ms)

    def bins(view: View) -> RollUps:
        parts = [
            catalogue.readers.rollups(segment).read(wanted, begin_ms, end_ms)
            for segment in view.segments
            if _overlaps(segment, wanted, begin_ms, end_ms, ROLLUP_MS)
        ]
        for recent in view.recents:
            # A bin that begins in the span may hold readings up to its own end.
            made = bins_of(recent.select(wanted, begin_ms, clip_instants(end_ms + ROLLUP_MS)[0]))
            parts.append(pick_bins(made, span_mask(made.begin_ms, begin_ms, end_ms)))
        return rollups_of(join_on_grid(parts, wanted.rows))

    return _steady(catalogue, bins)


def _steady(catalogue: Catalogue, answer: Callable[[View], T]) -> T:
    """Answer from one view; once more when a merge took its files away meanwhile."""
    for _ in range(_RETRIES):
        view = catalogue.view
        try:
            return answer(view)
        except FileNotFoundError as error:
            if catalogue.view is view:
                raise StoreError(f"{error.filename}: a sealed file is gone; run 'cityloop data check'.") from error
    raise StoreError("The store changed too often while it was read; ask again.")


def _all(catalogue: Catalogue, view: View, wanted: StreamSet, begin_ms: int, end_ms: int) -> Batch:
    parts = [
        catalogue.readers.readings(segment).read(wanted, begin_ms, end_ms)
        for segment in view.segments
        if segment.bytes and _overlaps(segment, wanted, begin_ms, end_ms, 0)
    ]
    parts += [recent.select(wanted, begin_ms, end_ms) for recent in view.recents]
    parts = [part for part in parts if len(part)]
    return parts[0] if len(parts) == 1 else sorted_batch(concat(parts))


def _some(
    catalogue: Catalogue, one: StreamSet, span: tuple[int, int], most: int, newest_first: bool, view: View
) -> Batch:
    """Return the first readings of one stream, without reading days that cannot hold them."""
    begin_ms, end_ms = span
    segments = [s for s in view.segments if s.bytes and _overlaps(s, one, begin_ms, end_ms, 0)]
    if newest_first:
        segments.sort(key=lambda s: -s.observed_high_ms)
    else:
        segments.sort(key=lambda s: s.observed_low_ms)
    found = sorted_batch(concat([recent.select(one, begin_ms, end_ms) for recent in view.recents]))
    for segment in segments:
        if len(found) >= most:
            edge = found.observed_at_ms[-most] if newest_first else found.observed_at_ms[most - 1]
            if (segment.observed_high_ms < edge) if newest_first else (segment.observed_low_ms > edge):
                break
        more = catalogue.readers.readings(segment).read(one, begin_ms, end_ms)
        found = sorted_batch(concat([found, more]))
        found = pick(found, slice(-most, None) if newest_first else slice(0, most))
    found = _backwards(found) if newest_first else found
    return pick(found, slice(0, most))


def _overlaps(segment: Segment, wanted: StreamSet, begin_ms: int, end_ms: int, before_ms: int) -> bool:
    """Tell whether a segment may hold what is wanted; ``before_ms`` is how long before a reading its bin may begin."""
    in_span = segment.observed_high_ms >= begin_ms and segment.observed_low_ms - before_ms < end_ms
    return in_span and len(wanted) > 0 and wanted.touches(segment.stream_low, segment.stream_high)


def _backwards(found: Batch) -> Batch:
    """Return readings in stored order with the newest of each stream first."""
    if not len(found):
        return found
    starts = np.concatenate(([0], np.flatnonzero(found.stream[1:] != found.stream[:-1]) + 1))
    counts = np.diff(np.append(starts, len(found)))
    at = np.arange(len(found))
    return pick(found, np.repeat(2 * starts + counts - 1, counts) - at)
