"""Health of every stream, with reasons: from its newest reading, its faults of late, its silence and its neighbours."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

import numpy as np
import numpy.typing as npt
from scipy.spatial import cKDTree

from cityloop.kernel.columns import BOOL, F64, I32, I64, Column
from cityloop.kernel.quarantine import Fault
from cityloop.kernel.readings import StreamColumns
from cityloop.sensing.live import LiveState
from cityloop.sensing.quality import FAULTS, Watch

__all__ = ["Health", "Neighbours", "health_of", "reasons"]

U16 = npt.NDArray[np.uint16]

_EARTH_M = 6_371_000.0


@dataclass(frozen=True, slots=True)
class Health:
    """Health of some streams, one a row."""

    stream: Annotated[I32, Column("1", low=0)]
    """Row of the stream table."""

    fault: Annotated[U16, Column("1", low=0, high=65535)]
    """``Fault`` bits that hold now; 0 is a healthy stream."""

    age_s: Annotated[F64, Column("s", missing=True)]
    """Time since the newest reading was measured, NaN when there is none."""

    bad_share: Annotated[F64, Column("1", low=0, high=1)]
    """Share of its recent readings that were set aside."""

    def __len__(self) -> int:
        """Return the number of streams."""
        return len(self.stream)


def health_of(streams: I32, watch: Watch, live: LiveState, now_ms: int) -> Health:
    """Return the health of streams now."""
    params = watch.params
    latest = live.latest(streams)
    heard = np.isfinite(latest.value)
    age_ms = np.where(heard, now_ms - np.where(heard, latest.observed_at_ms, 0), np.nan)
    interval_ms = watch.interval_ms[streams]
    patience_ms = np.where(np.isnan(interval_ms), params.silent_ms, params.silent_intervals * interval_ms)
    fault = latest.fault & np.uint16(~np.uint16(Fault.LATE))
    fault[~heard | (age_ms > patience_ms)] |= np.uint16(Fault.SILENT)
    bad_share = watch.bad_mean[streams].astype(np.float64)
    faulty = bad_share >= params.bad_share
    fault[faulty] |= watch.last_bad[streams][faulty]
    fault[watch.disagrees[streams]] |= np.uint16(Fault.DISAGREES)
    return Health(np.asarray(streams, np.int32), fault, age_ms / 1000, bad_share)


def reasons(fault: int) -> list[str]:
    """Return the names of faults, in lower case."""
    return [str(each.name).lower().replace("_", " ") for each in FAULTS if fault & each]


class Neighbours:
    """Which streams measure the same near one another, and which of them disagrees with the rest.

    A stream disagrees when its value is further from the median of its neighbours than ``spread_ratio`` times their own
    median deviation, and further than ``least_share`` of the median. It needs at least four neighbours heard of late.
    """

    def __init__(
        self,
        columns: StreamColumns,
        *,
        within_m: float = 2000.0,
        most: int = 8,
        spread_ratio: float = 8.0,
        least_share: float = 0.25,
    ) -> None:
        self._spread_ratio = spread_ratio
        self._least_share = least_share
        placed = np.flatnonzero(np.isfinite(columns.lon_deg) & np.isfinite(columns.lat_deg)).astype(np.int32)
        streams: list[I32] = []
        near: list[I64] = []
        for unit in np.unique(columns.unit_code[placed]).tolist():
            same = placed[columns.unit_code[placed] == unit]
            if len(same) < 5:
                continue
            lat, lon = np.radians(columns.lat_deg[same]), np.radians(columns.lon_deg[same])
            sphere = _EARTH_M * np.column_stack([np.cos(lat) * np.cos(lon), np.cos(lat) * np.sin(lon), np.sin(lat)])
            count = min(most + 1, len(same))
            _, found = cKDTree(sphere).query(sphere, k=count, distance_upper_bound=within_m)
            rows = np.append(same.astype(np.int64), -1)[found]
            # A stream is no neighbour of its own.
            rows[rows == same[:, None]] = -1
            streams.append(same)
            near.append(np.pad(rows, ((0, 0), (0, most + 1 - count)), constant_values=-1))
        self._stream: I32 = np.concatenate(streams) if streams else np.empty(0, np.int32)
        self._near: I64 = np.concatenate(near) if near else np.empty((0, most + 1), np.int64)

    def disagreeing(self, live: LiveState, now_ms: int, *, fresh_ms: int = 900_000) -> BOOL:
        """Return which of all streams disagree with their neighbours now."""
        latest = live.latest()
        found = np.zeros(len(latest), np.bool_)
        keep = self._stream < len(latest)
        stream, near = self._stream[keep], self._near[keep]
        if not len(stream):
            return found
        fresh = np.isfinite(latest.value) & (now_ms - latest.observed_at_ms < fresh_ms)
        inside = (near >= 0) & (near < len(latest))
        at = np.where(inside, near, 0)
        inside &= fresh[at]
        told = np.where(inside, latest.value[at], np.nan)
        enough = inside.sum(axis=1) >= 4
        told, stream = told[enough], stream[enough]
        if not len(stream):
            return found
        middle = np.nanmedian(told, axis=1)
        spread = np.nanmedian(np.abs(told - middle[:, None]), axis=1)
        off = np.abs(latest.value[stream] - middle)
        wrong = fresh[stream] & (off > self._spread_ratio * spread) & (off > self._least_share * np.abs(middle))
        found[stream[wrong]] = True
        return found
