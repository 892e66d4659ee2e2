"""How a round goes: where its trucks are, what they have on board, which plan is in force and how far it has come.

Everything here is heard: the depot opens a round, crews key in what they do, scales weigh, the planner hands over
plans. A brain that begins in the middle of a round hears within a minute which plan is in force.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from cityloop.domains.refuse.schema import DEPOT, NOTHING, TIP, PlanReason, PlanRound, RoundsTable, TruckStatus
from cityloop.kernel.batch import Batch, Quality
from cityloop.kernel.columns import F64, I8, I32, I64
from cityloop.kernel.layout import Layout, StreamKind, UnitKind

__all__ = ["LISTEN_MS", "PlanNote", "Progress", "follow", "question", "start_progress"]

LISTEN_MS = 70_000
"""So long a brain listens whether a plan is in force before it asks for one: plans are told again every minute."""
_ASK_AGAIN_MS = 120_000
_FIRST, _LAST = int(StreamKind.ROUND_OPEN), int(StreamKind.PLAN_LEFT_OUT)
_AVL = {
    int(StreamKind.UNIT_X_M): "x_m",
    int(StreamKind.UNIT_Y_M): "y_m",
    int(StreamKind.UNIT_SPEED_MPS): "speed_mps",
    int(StreamKind.UNIT_HEADING_DEG): "heading_deg",
}


@dataclass(frozen=True, slots=True)
class PlanNote:
    """A plan that was handed over."""

    version: int
    made_at_ms: int
    reason: int
    stops: int
    moved: int
    taken: int
    left_out: int


@dataclass(frozen=True, slots=True)
class Progress:
    """The round as far as it was heard."""

    kind: I32
    """Of every stream, 0 where it is another domain's."""
    asset: I32
    began_ms: int
    round: int
    """-1 before one was opened."""
    status: I32
    load_kg: F64
    next: I32
    x_m: F64
    y_m: F64
    speed_mps: F64
    heading_deg: F64
    seen_at_ms: I64
    version: int
    """Of the plan in force, 0 for none."""
    visits: tuple[tuple[int, ...], ...]
    planned_ms: tuple[tuple[int, ...], ...]
    told: I32
    """Version that each truck was last sent."""
    asked: int
    """Version that the planner was last asked for."""
    asked_ms: int
    asked_for: int
    """Why, a ``PlanReason``."""
    broken: frozenset[int]
    """Trucks that the plan in force knows to drive no further."""
    moved: I8
    """By container: 1 moved by the last plan from a truck that drives on, 2 from one that does not."""
    left_out: frozenset[int]
    served_at_ms: I64
    """By container, -1 when not in this round."""
    plans: tuple[PlanNote, ...]

    def open_visits(self, truck: int) -> tuple[int, ...]:
        """Return what a truck has still before it, without what it is bound for or at."""
        own, bound = self.visits[truck], int(self.next[truck])
        if self.status[truck] == TruckStatus.HOME:
            return ()
        left = [k for k, visit in enumerate(own) if visit == bound and not self._done(visit)]
        if bound != NOTHING and self.status[truck] != TruckStatus.AT_DEPOT and left:
            own = own[left[0] + 1 :]
        return tuple(visit for visit in own if visit < 0 or not self._done(visit))

    def _done(self, visit: int) -> bool:
        return visit >= 0 and self.served_at_ms[visit] >= 0


def start_progress(layout: Layout, table: RoundsTable, now_ms: int) -> Progress:
    """Return what is known before the first reading."""
    kind, n, trucks = layout.streams.kind, len(table.containers.x_m), len(table.trucks.payload_kg)
    mine = ((kind >= _FIRST) & (kind <= _LAST)) | (kind == StreamKind.COLLECTED_FRAC)
    units = layout.tables.get("units")
    rows = [] if units is None else np.flatnonzero(units.kind == UnitKind.REFUSE_TRUCK).tolist()
    truck_of = {unit: truck for truck, unit in enumerate(rows)}
    radio = np.isin(kind, list(_AVL)) & np.isin(layout.streams.asset, list(truck_of))
    asset = layout.streams.asset.copy()
    asset[radio] = [truck_of[int(unit)] for unit in asset[radio]]
    nowhere = np.full(trucks, np.nan)
    return Progress(
        kind=np.where(mine | radio, kind, 0).astype(np.int32),
        asset=asset,
        began_ms=now_ms,
        round=-1,
        status=np.zeros(trucks, np.int32),
        load_kg=np.zeros(trucks),
        next=np.full(trucks, NOTHING, np.int32),
        x_m=nowhere,
        y_m=nowhere,
        speed_mps=nowhere,
        heading_deg=nowhere,
        seen_at_ms=np.full(trucks, -1, np.int64),
        version=0,
        visits=((),) * trucks,
        planned_ms=((),) * trucks,
        told=np.zeros(trucks, np.int32),
        asked=0,
        asked_ms=now_ms,
        asked_for=int(PlanReason.MORNING),
        broken=frozenset(),
        moved=np.zeros(n, np.int8),
        left_out=frozenset(),
        served_at_ms=np.full(n, -1, np.int64),
        plans=(),
    )


def follow(progress: Progress, batch: Batch, now_ms: int) -> Progress:
    """Return the round after the readings of a step."""
    rows = np.flatnonzero((progress.kind[batch.stream] > 0) & (batch.quality != int(Quality.BAD)))
    if not len(rows):
        return progress
    kind, asset = progress.kind[batch.stream[rows]], progress.asset[batch.stream[rows]]
    value, at_ms = batch.value[rows], batch.observed_at_ms[rows]
    opened = value[kind == StreamKind.ROUND_OPEN]
    if len(opened) and int(opened[-1]) != progress.round:
        progress = _new_round(progress, int(opened[-1]), now_ms)
    changed: dict[str, np.ndarray] = {}
    for one, name in (
        (StreamKind.TRUCK_STATUS, "status"),
        (StreamKind.TRUCK_LOAD_KG, "load_kg"),
        (StreamKind.TRUCK_NEXT, "next"),
        *_AVL.items(),
    ):
        mine = np.flatnonzero((kind == one) & np.isfinite(value))
        if len(mine):
            changed[name] = getattr(progress, name).copy()
            changed[name][asset[mine]] = value[mine]
            if one in _AVL:
                seen = changed.setdefault("seen_at_ms", progress.seen_at_ms.copy())
                seen[asset[mine]] = np.maximum(seen[asset[mine]], at_ms[mine])
    lifted = np.flatnonzero(kind == StreamKind.COLLECTED_FRAC)
    if len(lifted):
        changed["served_at_ms"] = progress.served_at_ms.copy()
        changed["served_at_ms"][asset[lifted]] = at_ms[lifted]
    if changed:
        progress = replace(progress, **changed)  # type: ignore[arg-type]  # names and columns belong together above
    versions = np.flatnonzero(kind == StreamKind.PLAN_VERSION)
    if len(versions):
        number, version = divmod(int(value[versions[-1]]), 100)
        if number == progress.round and version > progress.version:
            progress = _new_plan(progress, version, kind, asset, value, now_ms)
    return progress


def _new_round(progress: Progress, number: int, now_ms: int) -> Progress:
    trucks = len(progress.status)
    return replace(
        progress,
        round=number,
        version=0,
        visits=((),) * trucks,
        planned_ms=((),) * trucks,
        told=np.zeros(trucks, np.int32),
        asked=0,
        asked_ms=now_ms,
        broken=frozenset(),
        moved=np.zeros_like(progress.moved),
        left_out=frozenset(),
        served_at_ms=np.full_like(progress.served_at_ms, -1),
        plans=(),
    )


def _new_plan(progress: Progress, version: int, kind: I32, asset: I32, value: F64, now_ms: int) -> Progress:
    trucks = range(len(progress.status))
    of = {truck: (kind == StreamKind.PLAN_VISIT) & (asset == truck) for truck in trucks}
    when = {truck: (kind == StreamKind.PLAN_IN_S) & (asset == truck) for truck in trucks}
    moved = np.zeros_like(progress.moved)
    told = kind == StreamKind.PLAN_MOVED
    moved[asset[told]] = value[told]
    left_out = frozenset(asset[kind == StreamKind.PLAN_LEFT_OUT].tolist())
    visits = tuple(tuple(value[of[truck]].astype(int).tolist()) for truck in trucks)
    note = PlanNote(
        version=version,
        made_at_ms=now_ms,
        reason=progress.asked_for if version == progress.asked else 0,
        stops=sum(visit >= 0 for own in visits for visit in own),
        moved=int((moved == 1).sum()),
        taken=int((moved == 2).sum()),
        left_out=len(left_out),
    )
    return replace(
        progress,
        version=version,
        visits=visits,
        planned_ms=tuple(tuple((now_ms + value[when[t]] * 1000).astype(int).tolist()) for t in trucks),
        broken=frozenset(np.flatnonzero(progress.status == TruckStatus.BROKEN_DOWN).tolist()),
        moved=moved,
        left_out=left_out,
        plans=(*progress.plans, note),
        asked=max(progress.asked, version),
    )


def question(
    progress: Progress, table: RoundsTable, asked_for: list[int], load_kg: F64, now_ms: int
) -> PlanRound | None:
    """Return what the planner is to be asked now, None when nothing is.

    Parameters
    ----------
    asked_for
        Containers to be emptied in this round.
    load_kg
        What each container is expected to hold.
    """
    if progress.round < 0:
        return None
    waiting = progress.asked > progress.version and now_ms - progress.asked_ms < _ASK_AGAIN_MS
    if waiting:
        return None
    out = progress.status == TruckStatus.BROKEN_DOWN
    if progress.version == 0:
        reason = PlanReason.MORNING
        open_ = [c for c in asked_for if progress.served_at_ms[c] < 0]
    else:
        fresh = [t for t in np.flatnonzero(out).tolist() if t not in progress.broken]
        if not any(progress.open_visits(t) or progress.next[t] >= 0 for t in fresh):
            return None
        reason = PlanReason.BREAKDOWN
        open_ = [v for t in range(len(out)) for v in progress.open_visits(t) if v >= 0]
        # Who breaks down on his way leaves behind what he was bound for.
        bound = [int(progress.next[t]) for t in fresh]
        open_ += [v for v in bound if v >= 0 and progress.served_at_ms[v] < 0 and v not in open_]
    if not open_:
        return None
    orders = [list(progress.open_visits(t)) for t in range(len(out))]
    for t in np.flatnonzero(out).tolist():
        bound_for = int(progress.next[t])
        if bound_for in open_ and bound_for not in orders[t]:
            orders[t].insert(0, bound_for)
    idle = np.isin(progress.status, (int(TruckStatus.AT_DEPOT), int(TruckStatus.HOME)))
    at = [DEPOT if idle[t] else _at(progress, t) for t in range(len(out))]
    on_board = [
        float(progress.load_kg[t]) + (float(load_kg[at[t]]) if at[t] >= 0 and progress.served_at_ms[at[t]] < 0 else 0.0)
        for t in range(len(out))
    ]
    return PlanRound(
        round=progress.round,
        version=max(progress.version, progress.asked) + 1,
        reason=int(reason),
        containers=tuple(open_),
        load_kg=tuple(float(load_kg[c]) for c in open_),
        truck_at=tuple(at),
        truck_load_kg=tuple(
            min(kg, float(most)) for kg, most in zip(on_board, table.trucks.payload_kg.tolist(), strict=True)
        ),
        truck_out=tuple(bool(o) for o in out),
        orders=tuple(tuple(v for v in order if v != DEPOT) for order in orders),
    )


def _at(progress: Progress, truck: int) -> int:
    bound = int(progress.next[truck])
    return DEPOT if bound == NOTHING else bound if bound >= 0 else TIP if bound == TIP else DEPOT
