"""Sense -> state: what each junction shows, since when, and who has called."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import msgspec
import numpy as np
from numba import njit

from cityloop.domains.signals.corridors import NO_CORRIDORS, Corridors
from cityloop.domains.signals.schema import Reason, ShowStage, SignalView
from cityloop.domains.signals.tables import SignalTables, build_tables
from cityloop.domains.signals.unit_places import UnitPlaces, no_places, read_places
from cityloop.domains.signals.waits import await_green, compare_waits, keep_waits
from cityloop.kernel.batch import Batch
from cityloop.kernel.columns import BOOL, F64, I32, I64, U8
from cityloop.kernel.domain import Views
from cityloop.kernel.layout import Layout
from cityloop.kernel.messages import Allowed, Proposal, Refused, Trimmed, Verdict

__all__ = ["LEAD_MS", "SENSING_DEAD_S", "UNKNOWN_RED_S", "SignalState", "accept", "start", "update", "view"]

SENSING_DEAD_S = 3.0
"""A junction whose approaches were all silent for longer is left to its own plan. [s]"""

UNKNOWN_RED_S = 90.0
"""What a link not yet seen is taken to have waited: the longest red that a cycle of up to 120 s leaves. After a
blackout nobody who already waits then waits a whole bound anew. [s]"""

LEAD_MS = 1000
"""A command decided now shows with the city's next second: a stage's green is that much longer than it looks. [ms]"""

LED = frozenset((Reason.CORRIDOR_CLEAR, Reason.CORRIDOR_HOLD, Reason.CORRIDOR_KEEP, Reason.CORRIDOR_RAIL))
"""Reasons of proposals by which a junction is led for a unit."""

_DEAD_MS = round(SENSING_DEAD_S * 1000)
_LONG_AGO = np.iinfo(np.int64).min // 2
_STAGE_SHOWN, _CONTROL_MODE, _CROSSING_CALL = 8, 9, 10


class SignalState(msgspec.Struct, frozen=True):
    """Everything the signals domain knows; arrays are never changed once the state is handed out."""

    layout: Layout
    tables: SignalTables
    now_ms: int
    stage: I32
    """Local stage shown, -1 during an intergreen."""
    last_stage: I32
    """The stage shown now, or before the intergreen under way."""
    target: I32
    """The stage commanded last, -1 for none."""
    green_since_ms: I64
    change_since_ms: I64
    """When the intergreen under way began."""
    mode: I32
    """0 own plan, 1 leased, 2 handing back, as the controller reports."""
    lamp: U8
    """Per link, as in the view."""
    last_green_ms: I64
    """Per link, when it last was green."""
    occupied_ms: I64
    """Per approach, when its zone was last seen with anybody in it, or could not be seen."""
    waits_since_ms: I64
    """Per link, since when somebody may wait for it: when it last was green, or when its zone last was empty."""
    oldest_wait_ms: I64
    """Per junction, the earliest ``waits_since_ms`` of its links that a service stage can serve."""
    longest_red_s: F64
    """Per junction, how long ago that was. [s]"""
    call_since_ms: I64
    """Per link: when the call standing at a crossing was first heard; -1 when nobody waits."""
    foot_wait_s: F64
    """Per link: how long people on foot have waited of late in the mean, by the calls; 0 while too few called. [s]"""
    foot_account: F64
    """Per link, what that mean is made of, as in `cityloop.domains.signals.waits.keep_waits`."""
    foot_ratio: F64
    """Per junction: what people on foot waited of late within a walk of it, over that under own plans; 0 unknown."""
    dead: BOOL
    """No approach of the junction has been heard of for ``SENSING_DEAD_S``."""
    units: UnitPlaces | None = None
    """Where the city's own vehicles are; None where it has none."""
    corridors: Corridors = NO_CORRIDORS
    """Who asked to pass."""


def start(layout: Layout, now_ms: int) -> SignalState:
    """Return the state before any reading: nothing is known to be green, and everybody may have waited for long."""
    tables = build_tables(layout)
    since_ms = now_ms - round(UNKNOWN_RED_S * 1000)
    n, n_links = len(tables.n_stages), len(tables.lamps)
    return SignalState(
        layout=layout,
        tables=tables,
        now_ms=now_ms,
        stage=np.full(n, -1, np.int32),
        last_stage=np.full(n, -1, np.int32),
        target=np.full(n, -1, np.int32),
        green_since_ms=np.full(n, now_ms, np.int64),
        change_since_ms=np.full(n, now_ms, np.int64),
        mode=np.zeros(n, np.int32),
        lamp=np.zeros(n_links, np.uint8),
        last_green_ms=np.full(n_links, since_ms, np.int64),
        occupied_ms=np.full(len(layout.approaches.lane), now_ms, np.int64),
        waits_since_ms=np.full(n_links, since_ms, np.int64),
        oldest_wait_ms=np.full(n, since_ms, np.int64),
        longest_red_s=np.full(n, UNKNOWN_RED_S),
        call_since_ms=np.full(n_links, -1, np.int64),
        foot_wait_s=np.zeros(n_links),
        foot_account=np.zeros((n_links, 5)),
        foot_ratio=np.zeros(n),
        dead=np.ones(n, np.bool_),
        units=no_places(layout),
    )


def update(state: SignalState, batch: Batch, views: Views, now_ms: int) -> SignalState:
    """Return the state after the readings."""
    layout, tables, traffic = state.layout, state.tables, views.get("traffic")
    streams, controllers = layout.streams, tables.assets.controllers
    after = SignalState(
        layout=layout,
        tables=tables,
        now_ms=now_ms,
        stage=state.stage.copy(),
        last_stage=state.last_stage.copy(),
        target=state.target,
        green_since_ms=state.green_since_ms.copy(),
        change_since_ms=state.change_since_ms.copy(),
        mode=state.mode.copy(),
        lamp=state.lamp.copy(),
        last_green_ms=state.last_green_ms.copy(),
        occupied_ms=state.occupied_ms.copy(),
        waits_since_ms=state.waits_since_ms.copy(),
        oldest_wait_ms=state.oldest_wait_ms.copy(),
        longest_red_s=state.longest_red_s.copy(),
        call_since_ms=state.call_since_ms.copy(),
        foot_wait_s=state.foot_wait_s.copy(),
        foot_account=state.foot_account.copy(),
        foot_ratio=state.foot_ratio.copy(),
        dead=state.dead.copy(),
        units=None if state.units is None else read_places(state.units, layout, batch),
        corridors=state.corridors,
    )
    _sense(
        now_ms,
        state.now_ms,
        batch.stream,
        batch.observed_at_ms,
        batch.value,
        batch.quality,
        streams.kind,
        streams.asset,
        controllers.link_begin,
        controllers.link_end,
        controllers.approach_begin,
        controllers.approach_end,
        tables.lamps,
        tables.held_s,
        layout.approaches.owner,
        tables.link_approach,
        tables.assets.links.junction,
        tables.servable,
        np.full(len(layout.approaches.lane), _LONG_AGO) if traffic is None else traffic.seen_at_ms,
        np.zeros(len(layout.approaches.lane), np.int32) if traffic is None else traffic.count_veh,
        after.target,
        after.stage,
        after.last_stage,
        after.green_since_ms,
        after.change_since_ms,
        after.mode,
        after.lamp,
        after.last_green_ms,
        after.occupied_ms,
        after.waits_since_ms,
        after.oldest_wait_ms,
        after.longest_red_s,
        after.call_since_ms,
        tables.assets.links.own_red_s,
        tables.assets.links.own_wait_s,
        tables.near_begin,
        tables.near,
        after.foot_account,
        after.foot_wait_s,
        after.foot_ratio,
        after.dead,
    )
    return after


@njit(cache=True)
def _sense(
    now_ms: int,
    before_ms: int,
    stream: I32,
    observed_at_ms: I64,
    value: F64,
    quality: U8,
    stream_kind: I32,
    stream_asset: I32,
    link_begin: I32,
    link_end: I32,
    approach_begin: I32,
    approach_end: I32,
    lamps: U8,
    held_s: F64,
    owner: I32,
    link_approach: I32,
    link_junction: I32,
    servable: BOOL,
    seen_at_ms: I64,
    count_veh: I32,
    target: I32,
    stage: I32,
    last_stage: I32,
    green_since_ms: I64,
    change_since_ms: I64,
    mode: I32,
    lamp: U8,
    last_green_ms: I64,
    occupied_ms: I64,
    waits_since_ms: I64,
    oldest_wait_ms: I64,
    longest_red_s: F64,
    call_since_ms: I64,
    own_red_s: F64,
    own_wait_s: F64,
    near_begin: I32,
    near: I32,
    foot_account: F64,
    foot_wait_s: F64,
    foot_ratio: F64,
    dead: BOOL,
) -> None:
    """Hear the controllers, tell what each link is shown, and count the waits; in place, in one call."""
    lamp[:] = 0
    dead[:] = True
    oldest_wait_ms[:] = now_ms
    called_ms = call_since_ms.copy()
    _read(
        stream, observed_at_ms, value, quality, stream_kind, stream_asset, now_ms, stage, last_stage, green_since_ms,
        change_since_ms, mode, call_since_ms,
    )  # fmt: skip
    _show(
        now_ms, stage, last_stage, target, change_since_ms, link_begin, link_end, approach_begin, approach_end, lamps,
        held_s, seen_at_ms, _DEAD_MS, lamp, last_green_ms, dead,
    )  # fmt: skip
    keep_waits(now_ms, before_ms, own_red_s, called_ms, call_since_ms, last_green_ms, foot_account, foot_wait_s)
    compare_waits(own_wait_s, foot_account, foot_wait_s, link_begin, link_end, near_begin, near, foot_ratio)
    await_green(
        now_ms, owner, seen_at_ms, count_veh, link_approach, link_junction, servable, last_green_ms, occupied_ms,
        waits_since_ms, oldest_wait_ms,
    )  # fmt: skip
    longest_red_s[:] = (now_ms - oldest_wait_ms) / 1000.0


@njit(cache=True)
def _read(
    stream: I32,
    observed_at_ms: I64,
    value: F64,
    quality: U8,
    stream_kind: I32,
    stream_asset: I32,
    now_ms: int,
    stage: I32,
    last_stage: I32,
    green_since_ms: I64,
    change_since_ms: I64,
    mode: I32,
    call_since_ms: I64,
) -> None:
    for i in range(len(stream)):
        kind = stream_kind[stream[i]]
        if kind < _STAGE_SHOWN or quality[i] == 2 or not np.isfinite(value[i]):
            continue
        asset = stream_asset[stream[i]]
        if kind == _STAGE_SHOWN:
            shown = np.int32(value[i])
            if shown != stage[asset]:
                if shown >= 0:
                    green_since_ms[asset] = observed_at_ms[i]
                    last_stage[asset] = shown
                else:
                    change_since_ms[asset] = observed_at_ms[i]
                stage[asset] = shown
        elif kind == _CONTROL_MODE:
            mode[asset] = np.int32(value[i])
        elif kind == _CROSSING_CALL:
            if value[i] <= 0.0:
                call_since_ms[asset] = -1
            elif call_since_ms[asset] < 0:
                call_since_ms[asset] = now_ms


@njit(cache=True)
def _show(
    now_ms: int,
    stage: I32,
    last_stage: I32,
    target: I32,
    change_since_ms: I64,
    link_begin: I32,
    link_end: I32,
    approach_begin: I32,
    approach_end: I32,
    lamps: U8,
    held_s: F64,
    seen_at_ms: I64,
    dead_ms: int,
    lamp: U8,
    last_green_ms: I64,
    dead: BOOL,
) -> None:
    for j in range(len(stage)):
        for a in range(approach_begin[j], approach_end[j]):
            if now_ms - seen_at_ms[a] <= dead_ms:
                dead[j] = False
        s, before = stage[j], last_stage[j]
        held_ms = 0
        if s < 0 and before >= 0 and target[j] >= 0:
            held_ms = int(held_s[j, before, target[j]] * 1000)
        for i in range(link_begin[j], link_end[j]):
            if s >= 0:
                lamp[i] = lamps[i, s]
            elif before >= 0:
                kept = lamps[i, before]
                if target[j] >= 0 and lamps[i, target[j]] != kept:
                    # Green in both stages stays green; else nothing is, and a turn on red has its lamp changed too.
                    both = kept != 3 and lamps[i, target[j]] != 3
                    kept = min(kept, lamps[i, target[j]]) if both else 0
                lamp[i] = lamps[i, before] if now_ms - change_since_ms[j] <= 2000 + held_ms else kept
                if target[j] < 0:
                    kept = 0
                if kept == 1 or kept == 2:
                    last_green_ms[i] = now_ms
            if s >= 0 and (lamp[i] == 1 or lamp[i] == 2):
                last_green_ms[i] = now_ms


def accept(state: SignalState, verdicts: Sequence[tuple[Proposal, Verdict]], now_ms: int) -> SignalState:
    """Return the state that knows what was commanded in this tick; no command leaves no target."""
    target = state.target.copy()
    target.fill(-1)
    for proposal, verdict in verdicts:
        match verdict:
            case Allowed(action=ShowStage(stage=stage)) | Trimmed(action=ShowStage(stage=stage)):
                target[proposal.target] = stage
            case _:
                pass
    if not state.corridors.claims:
        return msgspec.structs.replace(state, target=target)
    return msgspec.structs.replace(state, target=target, corridors=_served(state.corridors, verdicts, now_ms))


def _served(corridors: Corridors, verdicts: Sequence[tuple[Proposal, Verdict]], now_ms: int) -> Corridors:
    """Note since when each junction is led for a unit: the cap counts from there."""
    led = {
        proposal.target for proposal, verdict in verdicts if proposal.reason in LED and not isinstance(verdict, Refused)
    }
    leaders = {claim.key for claim in corridors.leaders}
    claims = tuple(
        replace(claim, served_ms=now_ms)
        if claim.served_ms < 0 and claim.junction in led and claim.key in leaders
        else claim
        for claim in corridors.claims
    )
    return replace(corridors, claims=claims)


def view(state: SignalState) -> SignalView:
    """Publish what others may use."""
    return SignalView(
        stage=state.stage,
        green_since_ms=state.green_since_ms,
        longest_red_s=state.longest_red_s,
        sensing_dead=state.dead,
        lamp=state.lamp,
        **({} if state.units is None else _corridor_columns(state)),
    )


def _corridor_columns(state: SignalState) -> dict[str, Any]:
    n = len(state.stage)
    unit, status = np.full(n, -1, np.int32), np.zeros(n, np.uint8)
    leaving = np.full(n, -1, np.int32)
    for claim in state.corridors.leaders:
        unit[claim.junction], status[claim.junction] = claim.unit, claim.status
        leaving[claim.junction] = claim.exit_stage
    for recovery in state.corridors.recoveries:
        leaving[recovery.junction] = recovery.stage
    return {"corridor_unit": unit, "corridor_status": status, "corridor_exit": leaving}
