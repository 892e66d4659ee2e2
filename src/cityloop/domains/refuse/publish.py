"""What is published of refuse: containers as believed, and where trucks drive, trucks, visits and plans as heard."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Annotated

import numpy as np

from cityloop.domains.refuse import live
from cityloop.domains.refuse.containers import ContainersView
from cityloop.domains.refuse.live import LiveState
from cityloop.domains.refuse.progress import Progress
from cityloop.domains.refuse.schema import DEPOT, TIP, RoundsTable, TruckStatus
from cityloop.kernel.columns import F64, I32, I64, Column

__all__ = ["PlacesView", "PlansView", "RoundContainersView", "RoundsView", "TrucksView", "VisitsView", "view"]


@dataclass(frozen=True, slots=True)
class RoundContainersView:
    """Containers with their part in the round, one row a container."""

    x_m: Annotated[F64, Column("m")]
    y_m: Annotated[F64, Column("m")]
    fill_frac: Annotated[F64, Column("1", low=0, high=2)]
    """Expected fill."""
    full_tomorrow_prob: Annotated[F64, Column("1", low=0, high=1)]
    sensor_faulty_prob: Annotated[F64, Column("1", low=0, high=1, missing=True)]
    state: Annotated[I32, Column("1", low=0, high=3)]
    """0 not in this round, 1 planned, 2 emptied, 3 asked for and left out."""
    truck: Annotated[I32, Column("1", low=-1)]
    """Truck of the plan in force, or -1."""
    served_at_ms: Annotated[I64, Column("ms", low=-1)]
    moved: Annotated[I32, Column("1", low=0, high=2)]
    """1 moved by the last plan from a truck that drives on, 2 from one that does not."""
    seen_at_ms: Annotated[I64, Column("ms", low=-1)]
    """When its level was last heard."""


@dataclass(frozen=True, slots=True)
class TrucksView:
    """Trucks, one row a truck. Vehicles are measured, not persons."""

    x_m: Annotated[F64, Column("m", missing=True)]
    y_m: Annotated[F64, Column("m", missing=True)]
    speed_mps: Annotated[F64, Column("m/s", low=0, missing=True)]
    heading_deg: Annotated[F64, Column("deg", low=0, high=360, missing=True)]
    """Clockwise from north."""
    status: Annotated[I32, Column("1", low=0, high=5)]
    """A ``TruckStatus``."""
    load_kg: Annotated[F64, Column("kg", low=0)]
    payload_kg: Annotated[F64, Column("kg", low=0)]
    stops_done: Annotated[I32, Column("1", low=0)]
    stops_left: Annotated[I32, Column("1", low=0)]
    next: Annotated[I32, Column("1", low=-3)]
    """Container that it is bound for or at; -1 the tip, -2 the depot, -3 nothing."""
    seen_at_ms: Annotated[I64, Column("ms", low=-1)]


@dataclass(frozen=True, slots=True)
class VisitsView:
    """The plan in force, truck by truck in order."""

    truck: Annotated[I32, Column("1", low=0)]
    kind: Annotated[I32, Column("1", low=0, high=2)]
    """0 a container, 1 the tip, 2 the depot."""
    container: Annotated[I32, Column("1", low=-1)]
    planned_ms: Annotated[I64, Column("ms")]
    done: Annotated[I32, Column("1", low=0, high=1)]


@dataclass(frozen=True, slots=True)
class PlansView:
    """Plans of this round that were handed over, the newest last."""

    version: Annotated[I32, Column("1", low=1)]
    made_at_ms: Annotated[I64, Column("ms")]
    reason: Annotated[I32, Column("1", low=0, high=2)]
    """A ``PlanReason``; 0 for a plan that was in force before this brain began."""
    stops: Annotated[I32, Column("1", low=0)]
    moved_stops: Annotated[I32, Column("1", low=0)]
    """Moved from one truck that drives on to another."""
    taken_over_stops: Annotated[I32, Column("1", low=0)]
    """Of trucks that drive no further."""
    left_out_stops: Annotated[I32, Column("1", low=0)]


@dataclass(frozen=True, slots=True)
class PlacesView:
    """Depot and tip."""

    x_m: Annotated[F64, Column("m")]
    y_m: Annotated[F64, Column("m")]
    kind: Annotated[I32, Column("1", low=0, high=1)]
    """0 the depot, 1 the tip."""


@dataclass(frozen=True, slots=True)
class RoundsView:
    """What the domain publishes of a city with trucks, a table each."""

    containers: RoundContainersView
    trucks: TrucksView
    visits: VisitsView
    plans: PlansView
    places: PlacesView


def view(state: LiveState) -> ContainersView | RoundsView:
    """Publish what is believed of each container, and the round where there is one."""
    believed, progress, table = live.view(state), state.progress, state.table
    if progress is None or not isinstance(table, RoundsTable):
        return believed
    owner = {visit: truck for truck, own in enumerate(progress.visits) for visit in own if visit >= 0}
    return RoundsView(
        containers=_containers(state, believed, progress, owner),
        trucks=_trucks(progress, table),
        visits=_visits(progress),
        plans=PlansView(
            version=_small(note.version for note in progress.plans),
            made_at_ms=np.array([note.made_at_ms for note in progress.plans], np.int64),
            reason=_small(note.reason for note in progress.plans),
            stops=_small(note.stops for note in progress.plans),
            moved_stops=_small(note.moved for note in progress.plans),
            taken_over_stops=_small(note.taken for note in progress.plans),
            left_out_stops=_small(note.left_out for note in progress.plans),
        ),
        places=PlacesView(
            np.array([table.depot_x_m, table.tip_x_m]),
            np.array([table.depot_y_m, table.tip_y_m]),
            np.array([0, 1], np.int32),
        ),
    )


def _containers(
    state: LiveState, believed: ContainersView, progress: Progress, owner: dict[int, int]
) -> RoundContainersView:
    own = state.table.containers
    n = len(own.x_m)
    truck = np.array([owner.get(c, -1) for c in range(n)], np.int32)
    kind = np.where((state.asked_day == progress.round) | (truck >= 0), 1, 0)
    kind[progress.served_at_ms >= 0] = 2
    kind[sorted(progress.left_out)] = 3
    return RoundContainersView(
        x_m=own.x_m,
        y_m=own.y_m,
        fill_frac=believed.fill_frac,
        full_tomorrow_prob=believed.full_tomorrow_prob,
        sensor_faulty_prob=believed.sensor_faulty_prob,
        state=kind.astype(np.int32),
        truck=truck,
        served_at_ms=progress.served_at_ms,
        moved=progress.moved.astype(np.int32),
        seen_at_ms=state.level_at_ms,
    )


def _trucks(progress: Progress, table: RoundsTable) -> TrucksView:
    trucks = range(len(progress.status))
    left = [sum(visit >= 0 for visit in progress.open_visits(truck)) for truck in trucks]
    done = [sum(visit >= 0 and progress.served_at_ms[visit] >= 0 for visit in progress.visits[t]) for t in trucks]
    bound = [
        int(progress.next[t] >= 0 and progress.served_at_ms[progress.next[t]] < 0 and _drives(progress, t))
        for t in trucks
    ]
    return TrucksView(
        x_m=progress.x_m,
        y_m=progress.y_m,
        speed_mps=progress.speed_mps,
        heading_deg=progress.heading_deg,
        status=progress.status,
        load_kg=progress.load_kg,
        payload_kg=table.trucks.payload_kg,
        stops_done=_small(done),
        stops_left=_small(a + b for a, b in zip(left, bound, strict=True)),
        next=progress.next,
        seen_at_ms=progress.seen_at_ms,
    )


def _drives(progress: Progress, truck: int) -> bool:
    return int(progress.status[truck]) in (TruckStatus.DRIVING, TruckStatus.EMPTYING)


def _visits(progress: Progress) -> VisitsView:
    lines = [
        (truck, visit, at_ms, not _open(progress, truck, visit))
        for truck, own in enumerate(progress.visits)
        for visit, at_ms in zip(own, progress.planned_ms[truck], strict=True)
    ]
    return VisitsView(
        truck=_small(truck for truck, *_ in lines),
        kind=_small({TIP: 1, DEPOT: 2}.get(visit, 0) for _, visit, *_ in lines),
        container=_small(max(visit, -1) for _, visit, *_ in lines),
        planned_ms=np.array([at_ms for *_, at_ms, _ in lines], np.int64),
        done=_small(int(done) for *_, done in lines),
    )


def _open(progress: Progress, truck: int, visit: int) -> bool:
    if visit >= 0:
        return bool(progress.served_at_ms[visit] < 0)
    return progress.status[truck] != TruckStatus.HOME and (visit == DEPOT or int(progress.next[truck]) != DEPOT)


def _small(values: Iterable[int]) -> I32:
    return np.array(list(values), np.int32)
