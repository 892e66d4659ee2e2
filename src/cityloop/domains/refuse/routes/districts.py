"""Cut a day that is too large for one search into districts, and take neighbouring rounds out of a plan together.

Stops are halved along the longer side of their area until a part is small enough; each half gets its share of every
kind of truck. What the cuts spoil is put right afterwards by planning groups of neighbouring rounds anew.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from cityloop.domains.refuse.schema import Bodies, Breaks, RoundCase, RoundPlan, Stops, Travel, Trucks, VisitKind
from cityloop.kernel.columns import I64

__all__ = ["District", "around", "merge", "orders_of", "part_of", "split"]


@dataclass(frozen=True, slots=True)
class District:
    """Rows of stops and trucks of a case that are planned together."""

    stops: I64
    trucks: I64


def split(case: RoundCase, most: int) -> list[District]:
    """Return districts of so many stops at the most, where there are trucks enough to halve.

    Parameters
    ----------
    most
        Stops of a district; one with a single truck may have more.
    """
    work = _work(case)
    kinds = _kinds(case)
    whole = District(np.arange(len(case.stop_ids)), np.arange(len(case.truck_ids)))
    open_, done = [whole], []
    while open_:
        part = open_.pop()
        if len(part.stops) <= most or len(part.trucks) < 2:
            done.append(part)
            continue
        open_ += _halve(case, part, work, kinds)
    return done


def _work(case: RoundCase) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    """Return each stop's part of the day's work, by count, by volume and by mass."""
    shares = [np.full(len(case.stop_ids), 1 / max(1, len(case.stop_ids)))]
    shares += [load / load.sum() for load in (case.stops.volume_m3, case.stops.mass_kg) if load.sum() > 0]
    total: np.ndarray[tuple[int], np.dtype[np.float64]] = np.mean(shares, axis=0)
    return total


def _kinds(case: RoundCase) -> I64:
    """Return a number for every truck, the same for those that may do the same from the same depot."""
    rows = [case.trucks.depot[:, None].astype(float), case.trucks.volume_m3[:, None], case.trucks.payload_kg[:, None]]
    rows += [table.astype(float) for table in (case.may_stop, case.may_tip) if table is not None]
    _, kind = np.unique(np.hstack(rows), axis=0, return_inverse=True)
    return kind.reshape(-1).astype(np.int64)


def _halve(case: RoundCase, part: District, work: np.ndarray, kinds: I64) -> tuple[District, District]:
    x, y = case.stops.x_m[part.stops], case.stops.y_m[part.stops]
    order = part.stops[np.argsort(x if np.ptp(x) >= np.ptp(y) else y, kind="stable")]
    low: list[int] = []
    for kind in np.unique(kinds[part.trucks]):
        rows = part.trucks[kinds[part.trucks] == kind]
        # Of an odd number the half that has had fewer so far gets one more.
        spare = len(rows) % 2 and len(low) * 2 <= len(part.trucks) // 2
        low += rows[: len(rows) // 2 + int(spare)].tolist()
    low = low[: len(part.trucks) - 1] or part.trucks[:1].tolist()
    share = np.cumsum(work[order]) / work[order].sum()
    cut = int(np.clip(np.searchsorted(share, len(low) / len(part.trucks)), 1, len(order) - 1))
    return (
        District(np.sort(order[:cut]), np.array(sorted(low), np.int64)),
        District(np.sort(order[cut:]), np.setdiff1d(part.trucks, low)),
    )


def part_of(case: RoundCase, part: District) -> RoundCase:
    """Return the case of some stops and trucks; depots and tips are all there."""
    yards = len(case.depot_ids) + len(case.tip_ids)
    n = len(case.stop_ids)
    travel = case.travel
    if travel.metres is not None or travel.seconds is not None:
        extra = np.arange(yards + n, yards + n + len(travel.extra_x_m))
        keep = np.ix_(*2 * [np.concatenate([np.arange(yards), yards + part.stops, extra]).astype(np.int64)])
        metres, seconds = travel.metres, travel.seconds
        travel = Travel(
            travel.metric, travel.speed_mps, None if metres is None else metres[keep],
            None if seconds is None else seconds[keep], travel.extra_x_m, travel.extra_y_m,
        )  # fmt: skip
    number = {int(truck): row for row, truck in enumerate(part.trucks)}
    breaks = np.isin(case.breaks.truck, part.trucks)
    rest = {name: getattr(case.breaks, name)[breaks] for name in Breaks.__slots__}
    rest["truck"] = np.array([number[int(truck)] for truck in rest["truck"]], np.int32)
    start = case.start_place
    if start is not None:
        # Places on the way come after the stops, of which there are fewer now.
        start = np.where(start >= yards + n, start - n + len(part.stops), start)[part.trucks].astype(np.int32)
    bodies = case.bodies
    if bodies is not None:
        bodies = Bodies(bodies.holds_m3[part.trucks], bodies.of_stop[part.stops], bodies.loaded_m3[part.trucks])
    return replace(
        case,
        bodies=bodies,
        stops=Stops(*(getattr(case.stops, name)[part.stops] for name in Stops.__slots__)),
        trucks=Trucks(*(getattr(case.trucks, name)[part.trucks] for name in Trucks.__slots__)),
        breaks=Breaks(**rest),
        travel=travel,
        stop_ids=tuple(case.stop_ids[row] for row in part.stops),
        truck_ids=tuple(case.truck_ids[row] for row in part.trucks),
        may_stop=None if case.may_stop is None else case.may_stop[np.ix_(part.trucks, part.stops)],
        may_tip=None if case.may_tip is None else case.may_tip[part.trucks],
        start_place=start,
    )


def orders_of(plan: RoundPlan) -> dict[str, tuple[tuple[VisitKind, str], ...]]:
    """Return every truck's stops and tips in order."""
    return {
        route.truck: tuple(
            (visit.kind, visit.id) for visit in route.visits if visit.kind in (VisitKind.STOP, VisitKind.TIP)
        )
        for route in plan.routes
    }


def around(
    case: RoundCase,
    orders: Mapping[str, Sequence[tuple[VisitKind, str]]],
    left_out: Sequence[str],
    row_of: Mapping[str, int],
    seed: int,
    most: int,
    taken: frozenset[int] = frozenset(),
) -> District:
    """Return the rounds nearest to one truck's, with the stops left out among them, up to so many stops.

    Parameters
    ----------
    row_of
        Row of every stop.
    seed
        Row of the truck; one that stays at home is looked at from the first stop left out.
    taken
        Trucks that are being planned elsewhere.
    """
    rows = {
        v: np.array([row_of[name] for kind, name in orders.get(truck, ()) if kind is VisitKind.STOP], np.int64)
        for v, truck in enumerate(case.truck_ids)
        if v not in taken
    }
    missing = np.array([row_of[name] for name in left_out], np.int64)
    here = rows[seed] if len(rows[seed]) else missing[:1]
    if not len(here):
        return District(here, np.array([seed], np.int64))
    x, y = float(case.stops.x_m[here].mean()), float(case.stops.y_m[here].mean())

    def away(v: int) -> float:
        if not len(rows[v]):
            return 0.0 if len(missing) else np.inf
        return float(np.hypot(case.stops.x_m[rows[v]].mean() - x, case.stops.y_m[rows[v]].mean() - y))

    trucks, stops = [seed], list(rows[seed])
    for v in sorted((v for v in rows if v != seed), key=away):
        if len(stops) + len(rows[v]) > most or not np.isfinite(away(v)):
            break
        trucks.append(v)
        stops += list(rows[v])
    if len(missing):
        gap = np.hypot(case.stops.x_m[missing] - x, case.stops.y_m[missing] - y)
        stops += missing[np.argsort(gap, kind="stable")][: max(0, most - len(stops)) + 50].tolist()
    return District(np.array(sorted(stops), np.int64), np.array(sorted(trucks), np.int64))


def merge(case: RoundCase, plan: RoundPlan | None, part: District, new: RoundPlan) -> RoundPlan:
    """Return a plan with the rounds of a part replaced; reasons and metres are left for the end."""
    if plan is None:
        return RoundPlan(case.name, new.routes, new.left_out)
    names = {case.truck_ids[v] for v in part.trucks}
    inside = {case.stop_ids[row] for row in part.stops}
    routes = [route for route in plan.routes if route.truck not in names] + list(new.routes)
    left = [name for name in plan.left_out if name not in inside] + list(new.left_out)
    return RoundPlan(case.name, tuple(routes), tuple(left))
