"""Sense -> state: vehicles per approach lane, and what is learned from them.

Columns of one type and length are rows of one block: a tick copies each block once and hands it to the compiled pass
as one argument, where columns by themselves would cost both a column.
"""

from __future__ import annotations

from typing import Any

import msgspec
import numpy as np
import numpy.typing as npt
from numba import njit

from cityloop.domains.traffic.learn import learn
from cityloop.domains.traffic.scan import read_scans, released_between
from cityloop.domains.traffic.schema import MAX_OBJECTS, PIPELINE_S, TrafficView
from cityloop.kernel.batch import Batch
from cityloop.kernel.columns import F64, I32, I64, U8
from cityloop.kernel.domain import Views
from cityloop.kernel.layout import Layout

__all__ = ["TrafficState", "start", "update", "view"]

FIRST_HEADWAY_S = 2.0
"""Saturation headway before anything is learned: 1,800 veh/h and lane (HCM 7, ch. 19, base 1,900)."""

DISTANCE_M, SPEED_MPS = range(2)
"""Rows of ``objects``."""
(
    STANDING_S,
    FLOW_VPS,
    HEADWAY_S,
    SEEN_M,
    ROOM_S,
    QUEUED_S,
    QUEUED_VEH,
    DEMAND_VPS,
    HIDDEN_VEH,
    MISSED_VEH,
    FAR_SHARE,
    NEAR_M,
    NEAR_OFF_M,
) = range(13)
"""Rows of ``lanes``."""
SEEN_AT_MS, LEFT_VEH, LAST_LEFT_MS = range(3)
"""Rows of ``totals``."""
COUNT_VEH, QUEUE_RUN, RELEASED = range(3)
"""Rows of ``counts``."""
SHARE, HEAD_ODDS, GREEN_S = range(3)
"""Rows of ``turns``."""


class _Row:
    """A column by name: one row of a block of the state."""

    __slots__ = ("_block", "_row")

    def __init__(self, block: str, row: int) -> None:
        self._block, self._row = block, row

    def __get__(self, state: TrafficState, kind: type[TrafficState]) -> npt.NDArray[Any]:
        """Return the column, as it is in the block."""
        block: npt.NDArray[Any] = getattr(state, self._block)
        column: npt.NDArray[Any] = block[self._row]
        return column


class TrafficState(msgspec.Struct, frozen=True):
    """Everything traffic knows; blocks are never changed once the state is handed out."""

    layout: Layout
    now_ms: int
    objects: F64
    """Of the last scan of each approach lane, shape (2, n_approaches, MAX_OBJECTS)."""
    lanes: F64
    """Per approach lane, what is learned of it."""
    totals: I64
    """Per approach lane, instants and what has been counted since the start."""
    counts: I32
    """Per approach lane, vehicles of the last step."""
    turns: F64
    """Per movement."""
    coming_veh: F64
    """As in the view."""

    distance_m = _Row("objects", DISTANCE_M)
    speed_mps = _Row("objects", SPEED_MPS)
    standing_s = _Row("lanes", STANDING_S)
    flow_vps = _Row("lanes", FLOW_VPS)
    headway_s = _Row("lanes", HEADWAY_S)
    seen_m = _Row("lanes", SEEN_M)
    room_s = _Row("lanes", ROOM_S)
    queued_s = _Row("lanes", QUEUED_S)
    queued_veh = _Row("lanes", QUEUED_VEH)
    demand_vps = _Row("lanes", DEMAND_VPS)
    hidden_veh = _Row("lanes", HIDDEN_VEH)
    missed_veh = _Row("lanes", MISSED_VEH)
    seen_at_ms = _Row("totals", SEEN_AT_MS)
    left_veh = _Row("totals", LEFT_VEH)
    last_left_ms = _Row("totals", LAST_LEFT_MS)
    count_veh = _Row("counts", COUNT_VEH)
    queue_run = _Row("counts", QUEUE_RUN)
    released = _Row("counts", RELEASED)
    share = _Row("turns", SHARE)
    head_odds = _Row("turns", HEAD_ODDS)
    green_s = _Row("turns", GREEN_S)


def start(layout: Layout, now_ms: int) -> TrafficState:
    """Return the state before any reading: empty lanes, even turn shares."""
    n, n_movements = len(layout.approaches.lane), len(layout.movements.link)
    n_groups = int(layout.approaches.group.max(initial=-1)) + 1
    ways = (layout.approaches.movement_end - layout.approaches.movement_begin).astype(np.float64)
    state = TrafficState(
        layout=layout,
        now_ms=now_ms,
        objects=np.full((2, n, MAX_OBJECTS), np.nan),
        lanes=np.zeros((13, n)),
        totals=np.zeros((3, n), np.int64),
        counts=np.zeros((3, n), np.int32),
        turns=np.zeros((3, n_movements)),
        coming_veh=np.zeros((n_groups, PIPELINE_S)),
    )
    state.lanes[HEADWAY_S] = FIRST_HEADWAY_S
    state.lanes[FAR_SHARE] = 1.0
    state.totals[SEEN_AT_MS] = np.iinfo(np.int64).min // 2
    state.turns[SHARE] = 1.0 / np.maximum(ways, 1.0)[layout.movements.approach] if n_movements else 0.0
    state.turns[HEAD_ODDS] = 1.0
    return state


def update(state: TrafficState, batch: Batch, views: Views, now_ms: int) -> TrafficState:
    """Return the state after the readings."""
    layout, signals = state.layout, views.get("signals")
    streams, approaches, movements = layout.streams, layout.approaches, layout.movements
    after = TrafficState(
        layout,
        now_ms,
        state.objects.copy(),
        state.lanes.copy(),
        state.totals.copy(),
        state.counts.copy(),
        state.turns.copy(),
        state.coming_veh.copy(),
    )
    _sense(
        now_ms,
        max((now_ms - state.now_ms) / 1000.0, 0.1),
        batch.stream,
        batch.observed_at_ms,
        batch.value,
        batch.quality,
        streams.kind,
        streams.asset,
        approaches.movement_begin,
        approaches.movement_end,
        approaches.speed_limit_mps,
        approaches.blind_m,
        approaches.zone_m,
        movements.link,
        movements.next_group,
        movements.next_distance_m,
        _all_red(layout) if signals is None else signals.lamp,
        state.objects,
        state.totals,
        state.counts,
        after.objects,
        after.lanes,
        after.totals,
        after.counts,
        after.turns,
        after.coming_veh,
    )
    return after


def _all_red(layout: Layout) -> U8:
    """Return the lamps of a city whose signals nobody tells of."""
    return np.zeros(int(layout.movements.link.max(initial=-1)) + 1, np.uint8)


@njit(cache=True)
def _sense(
    now_ms: int,
    step_s: float,
    stream: I32,
    observed_at_ms: I64,
    value: F64,
    quality: U8,
    stream_kind: I32,
    stream_asset: I32,
    movement_begin: I32,
    movement_end: I32,
    speed_limit_mps: F64,
    blind_m: F64,
    zone_m: F64,
    movement_link: I32,
    movement_group: I32,
    movement_distance_m: F64,
    lamp: U8,
    old_objects: F64,
    old_totals: I64,
    old_counts: I32,
    objects: F64,
    lanes: F64,
    totals: I64,
    counts: I32,
    turns: F64,
    coming_veh: F64,
) -> None:
    """Read the scans, count who crossed each stop line between the last two, and learn from it; in place."""
    read_scans(
        stream, observed_at_ms, value, quality, stream_kind, stream_asset,
        objects[DISTANCE_M], objects[SPEED_MPS], counts[COUNT_VEH], totals[SEEN_AT_MS],
    )  # fmt: skip
    # A lane whose scans tell nothing lets nobody go.
    counts[RELEASED] = 0
    released_between(
        old_objects[DISTANCE_M], old_objects[SPEED_MPS], old_counts[COUNT_VEH], old_totals[SEEN_AT_MS],
        objects[DISTANCE_M], objects[SPEED_MPS], counts[COUNT_VEH], totals[SEEN_AT_MS],
        zone_m, lanes[MISSED_VEH], counts[RELEASED],
    )  # fmt: skip
    learn(
        now_ms, step_s, counts[RELEASED], objects[DISTANCE_M], objects[SPEED_MPS], counts[COUNT_VEH],
        old_counts[COUNT_VEH], movement_begin, movement_end, movement_link, movement_group, movement_distance_m,
        speed_limit_mps, blind_m, lamp, turns[SHARE], turns[HEAD_ODDS], turns[GREEN_S], lanes[STANDING_S],
        lanes[FLOW_VPS], totals[LEFT_VEH], lanes[HEADWAY_S], totals[LAST_LEFT_MS], counts[QUEUE_RUN], coming_veh,
        lanes[SEEN_M], lanes[ROOM_S], lanes[QUEUED_S], lanes[QUEUED_VEH], lanes[DEMAND_VPS], lanes[HIDDEN_VEH],
        lanes[FAR_SHARE : NEAR_OFF_M + 1],
    )  # fmt: skip


def view(state: TrafficState) -> TrafficView:
    """Publish what others may use."""
    objects, lanes, totals, counts, turns = state.objects, state.lanes, state.totals, state.counts, state.turns
    return TrafficView(
        distance_m=objects[DISTANCE_M],
        speed_mps=objects[SPEED_MPS],
        count_veh=counts[COUNT_VEH],
        seen_at_ms=totals[SEEN_AT_MS],
        left_veh=totals[LEFT_VEH],
        flow_vps=lanes[FLOW_VPS],
        share=turns[SHARE],
        head_odds=turns[HEAD_ODDS],
        coming_veh=state.coming_veh,
        headway_s=lanes[HEADWAY_S],
        released=counts[RELEASED],
        hidden_veh=lanes[HIDDEN_VEH],
    )
