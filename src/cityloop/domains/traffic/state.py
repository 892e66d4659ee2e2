"""Sense -> state: vehicles per approach lane, and what is learned from them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

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


@dataclass(frozen=True, slots=True)
class TrafficState:
    """Everything traffic knows; arrays are never changed once the state is handed out."""

    layout: Layout
    now_ms: int
    distance_m: F64
    speed_mps: F64
    count_veh: I32
    seen_at_ms: I64
    share: F64
    head_odds: F64
    green_s: F64
    standing_s: F64
    flow_vps: F64
    left_veh: I64
    headway_s: F64
    last_left_ms: I64
    queue_run: I32
    coming_veh: F64
    released: I32
    seen_m: F64
    room_s: F64
    queued_s: F64
    queued_veh: F64
    demand_vps: F64
    hidden_veh: F64
    missed_veh: F64


def start(layout: Layout, now_ms: int) -> TrafficState:
    """Return the state before any reading: empty lanes, even turn shares."""
    n = len(layout.approaches.lane)
    n_groups = int(layout.approaches.group.max(initial=-1)) + 1
    ways = (layout.approaches.movement_end - layout.approaches.movement_begin).astype(np.float64)
    n_movements = len(layout.movements.link)
    share = 1.0 / np.maximum(ways, 1.0)[layout.movements.approach] if n_movements else np.zeros(0)
    return TrafficState(
        layout=layout,
        now_ms=now_ms,
        distance_m=np.full((n, MAX_OBJECTS), np.nan),
        speed_mps=np.full((n, MAX_OBJECTS), np.nan),
        count_veh=np.zeros(n, np.int32),
        seen_at_ms=np.full(n, np.iinfo(np.int64).min // 2, np.int64),
        share=share,
        head_odds=np.ones(n_movements),
        green_s=np.zeros(n_movements),
        standing_s=np.zeros(n),
        flow_vps=np.zeros(n),
        left_veh=np.zeros(n, np.int64),
        headway_s=np.full(n, FIRST_HEADWAY_S),
        last_left_ms=np.zeros(n, np.int64),
        queue_run=np.zeros(n, np.int32),
        coming_veh=np.zeros((n_groups, PIPELINE_S)),
        released=np.zeros(n, np.int32),
        seen_m=np.zeros(n),
        room_s=np.zeros(n),
        queued_s=np.zeros(n),
        queued_veh=np.zeros(n),
        demand_vps=np.zeros(n),
        hidden_veh=np.zeros(n),
        missed_veh=np.zeros(n),
    )


def update(state: TrafficState, batch: Batch, views: Views, now_ms: int) -> TrafficState:
    """Return the state after the readings."""
    layout = state.layout
    distance_m, speed_mps = state.distance_m.copy(), state.speed_mps.copy()
    count_veh, seen_at_ms = state.count_veh.copy(), state.seen_at_ms.copy()
    read_scans(
        batch.stream,
        batch.observed_at_ms,
        batch.value,
        batch.quality,
        layout.streams.kind,
        layout.streams.asset,
        distance_m,
        speed_mps,
        count_veh,
        seen_at_ms,
    )
    missed_veh = state.missed_veh.copy()
    released = _released(state, distance_m, speed_mps, count_veh, seen_at_ms, missed_veh)
    signals = views.get("signals")
    lamp: U8 = (
        signals.lamp if signals is not None else np.zeros(int(layout.movements.link.max(initial=-1)) + 1, np.uint8)
    )
    share, head_odds = state.share.copy(), state.head_odds.copy()
    green_s, standing_s, flow_vps = state.green_s.copy(), state.standing_s.copy(), state.flow_vps.copy()
    left_veh, headway_s = state.left_veh.copy(), state.headway_s.copy()
    last_left_ms, queue_run, coming_veh = (
        state.last_left_ms.copy(),
        state.queue_run.copy(),
        state.coming_veh.copy(),
    )
    seen_m, hidden_veh = state.seen_m.copy(), state.hidden_veh.copy()
    room_s, queued_s = state.room_s.copy(), state.queued_s.copy()
    queued_veh, demand_vps = state.queued_veh.copy(), state.demand_vps.copy()
    approaches, movements = layout.approaches, layout.movements
    learn(
        now_ms,
        max((now_ms - state.now_ms) / 1000.0, 0.1),
        released,
        distance_m,
        speed_mps,
        count_veh,
        state.count_veh,
        approaches.movement_begin,
        approaches.movement_end,
        movements.link,
        movements.next_group,
        movements.next_distance_m,
        approaches.speed_limit_mps,
        approaches.blind_m,
        lamp,
        share,
        head_odds,
        green_s,
        standing_s,
        flow_vps,
        left_veh,
        headway_s,
        last_left_ms,
        queue_run,
        coming_veh,
        seen_m,
        room_s,
        queued_s,
        queued_veh,
        demand_vps,
        hidden_veh,
    )
    return TrafficState(
        layout=layout,
        now_ms=now_ms,
        distance_m=distance_m,
        speed_mps=speed_mps,
        count_veh=count_veh,
        seen_at_ms=seen_at_ms,
        share=share,
        head_odds=head_odds,
        green_s=green_s,
        standing_s=standing_s,
        flow_vps=flow_vps,
        left_veh=left_veh,
        headway_s=headway_s,
        last_left_ms=last_left_ms,
        queue_run=queue_run,
        coming_veh=coming_veh,
        released=released,
        seen_m=seen_m,
        room_s=room_s,
        queued_s=queued_s,
        queued_veh=queued_veh,
        demand_vps=demand_vps,
        hidden_veh=hidden_veh,
        missed_veh=missed_veh,
    )


def _released(
    state: TrafficState, distance_m: F64, speed_mps: F64, count_veh: I32, seen_at_ms: I64, missed_veh: F64
) -> I32:
    """Count who crossed each stop line between the last two scans; unknown counts as nobody."""
    released = np.zeros(len(count_veh), np.int32)
    released_between(
        state.distance_m,
        state.speed_mps,
        state.count_veh,
        state.seen_at_ms,
        distance_m,
        speed_mps,
        count_veh,
        seen_at_ms,
        state.layout.approaches.zone_m,
        missed_veh,
        released,
    )
    return released


def view(state: TrafficState) -> TrafficView:
    """Publish what others may use."""
    return TrafficView(
        distance_m=state.distance_m,
        speed_mps=state.speed_mps,
        count_veh=state.count_veh,
        seen_at_ms=state.seen_at_ms,
        left_veh=state.left_veh,
        flow_vps=state.flow_vps,
        share=state.share,
        head_odds=state.head_odds,
        coming_veh=state.coming_veh,
        headway_s=state.headway_s,
        released=state.released,
        hidden_veh=state.hidden_veh,
    )
