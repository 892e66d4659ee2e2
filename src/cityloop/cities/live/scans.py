"""What a link may do to scans, undone: packs that come twice, late, or out of order."""

from __future__ import annotations

from collections import Counter

import numpy as np

from cityloop.kernel.batch import Batch
from cityloop.kernel.columns import I32, I64
from cityloop.kernel.layout import StreamKind, Streams

__all__ = ["ScanFilter"]

_LONG_AGO = np.iinfo(np.int64).min
_PER_OBJECT = (StreamKind.OBJECT_DISTANCE_M, StreamKind.OBJECT_SPEED_MPS)
"""Kinds of which a scan reports one reading an object."""
_ONE_A_SCAN = (
    StreamKind.OBJECT_COUNT,
    StreamKind.STOP_LINE_COUNT,
    StreamKind.STOP_LINE_OCCUPANCY,
    StreamKind.ADVANCE_COUNT,
    StreamKind.ADVANCE_OCCUPANCY,
    StreamKind.STAGE_SHOWN,
    StreamKind.CONTROL_MODE,
    StreamKind.CROSSING_CALL,
    StreamKind.CROSSING_OCCUPIED,
    *(kind for kind in StreamKind if StreamKind.UNIT_X_M <= kind <= StreamKind.UNIT_EDGE_M),
    *(kind for kind in StreamKind if StreamKind.UNIT_STATUS <= kind <= StreamKind.TRUCK_NEXT),
    StreamKind.CALL_COUNT,
)
"""Kinds of which an instant has one reading. Others may have several, and are only held to come in order."""
_PER_CALL = tuple(kind for kind in StreamKind if StreamKind.CALL_NUMBER <= kind <= StreamKind.CALL_STATUS)
"""Kinds of which the dispatch centre's list reports one reading an open call."""


class ScanFilter:
    """Lets each reading of the field through once, and none that is older than what its stream said before.

    A sender repeats what was not acknowledged, so a scan may come twice; the history keeps both, a decision must count
    its vehicles once. An old scan is history's alone: it must not stand for what is there now.
    """

    def __init__(self, streams: Streams) -> None:
        self.repeated = 0
        """Readings that came twice."""
        self.late = 0
        """Readings older than what their stream had said already."""
        kind = streams.kind
        self._scans = np.isin(kind, [int(one) for one in (*_PER_OBJECT, *_PER_CALL)])
        self._single = np.isin(kind, [int(one) for one in _ONE_A_SCAN])
        self._count_stream = _count_streams(streams)
        self._counts = np.flatnonzero(np.isin(kind, (int(StreamKind.OBJECT_COUNT), int(StreamKind.CALL_COUNT))))
        self._newest: I64 = np.full(len(kind), _LONG_AGO, np.int64)

    def take(self, batch: Batch) -> Batch:
        """Return what may be decided on, in order of arrival."""
        if not len(batch):
            return batch
        stream, observed = batch.stream, batch.observed_at_ms
        fresh = observed > self._newest[stream]
        self.late += int(np.count_nonzero(~fresh))
        # By stream and instant, in order of arrival within: the rank of each reading among its like.
        order = np.lexsort((np.arange(len(batch)), observed, stream))
        s, at = stream[order], observed[order]
        new = np.ones(len(order), np.bool_)
        new[1:] = (s[1:] != s[:-1]) | (at[1:] != at[:-1])
        group = np.cumsum(new) - 1
        rank, size = np.empty(len(order), np.int64), np.empty(len(order), np.int64)
        rank[order] = np.arange(len(order)) - np.flatnonzero(new)[group]
        size[order] = np.bincount(group)[group]
        repeated = rank >= self._once(batch, size)
        self.repeated += int(np.count_nonzero(repeated & fresh))
        np.maximum.at(self._newest, stream, observed)
        kept = fresh & ~repeated
        if kept.all():
            return batch
        rows = np.flatnonzero(kept)
        return Batch(stream[rows], observed[rows], batch.received_at_ms[rows], batch.value[rows], batch.quality[rows])

    def _once(self, batch: Batch, size: I64) -> I64:
        """Return how many of the readings of a stream and instant came the first time."""
        once = np.where(self._single[batch.stream], 1, size)
        rows = np.flatnonzero(self._scans[batch.stream])
        if not len(rows):
            return once
        # A scan brings its count once: as often as that came, so often did the scan.
        counts = np.flatnonzero(np.isin(batch.stream, self._counts))
        times = Counter(zip(batch.stream[counts].tolist(), batch.observed_at_ms[counts].tolist(), strict=True))
        of = self._count_stream[batch.stream[rows]].tolist()
        came = [max(times[key], 1) for key in zip(of, batch.observed_at_ms[rows].tolist(), strict=True)]
        once[rows] = size[rows] // np.array(came)
        return once


def _count_streams(streams: Streams) -> I32:
    """Return for each stream the one that counts its scan's objects or its list's calls, -1 where there is none."""
    pairs = list(zip(streams.kind.tolist(), streams.asset.tolist(), strict=True))
    counted = {asset: row for row, (kind, asset) in enumerate(pairs) if kind == StreamKind.OBJECT_COUNT}
    listed = next((row for row, (kind, _) in enumerate(pairs) if kind == StreamKind.CALL_COUNT), -1)
    return np.array([listed if kind in _PER_CALL else counted.get(asset, -1) for kind, asset in pairs], np.int32)
