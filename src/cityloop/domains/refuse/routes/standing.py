"""Where trucks stand when a plan is made anew: as the plan's clock has it, or as their crews keyed it in."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from cityloop.domains.refuse.routes.day_log import CLOSED, Code, Entry
from cityloop.domains.refuse.routes.problem import metres_between
from cityloop.domains.refuse.schema import Bodies, RoundCase, Route, Visit, VisitKind
from cityloop.kernel.columns import I64

__all__ = ["Standing", "bodies_of", "divert", "give_back", "stand"]


@dataclass(slots=True)
class Standing:
    """Where a truck is committed to go or stand, and with what."""

    place: int
    ready_s: float
    volume_m3: float = 0.0
    mass_kg: float = 0.0
    day_m3: float = 0.0
    day_kg: float = 0.0
    stops: int = 0
    breaks: int = 0
    rest: list[tuple[VisitKind, str]] = field(default_factory=list)
    on_board: dict[str, tuple[float, float]] = field(default_factory=dict)
    """Volume and mass of every stop that was taken up, tipped or not."""
    tipped: set[str] = field(default_factory=set)
    was_emptied: bool = False


def stand(
    case: RoundCase, route: Route | None, v: int, now_s: float, logged: Sequence[Entry] | None, *, committed: bool
) -> Standing:
    """Return where a truck stands, with what, and which of its visits are open.

    Parameters
    ----------
    logged
        What crews keyed in; None: all went as planned.
    committed
        Whether the truck drives on: what it is on or drives to is then its own.
    """
    if logged is None:
        return _as_planned(case, route, v, now_s, committed=committed)
    return _as_heard(case, route, v, now_s, [entry for entry in logged if entry.truck == case.truck_ids[v]])


def _as_heard(case: RoundCase, route: Route | None, v: int, now_s: float, own: Sequence[Entry]) -> Standing:
    """Follow what a crew keyed in; visits to tips and breaks are taken as planned before the last stop keyed in."""
    depot = int(case.trucks.depot[v])
    at = Standing(depot, max(now_s, float(case.trucks.shift_begin_s[v])))
    at.volume_m3, at.mass_kg = float(case.trucks.loaded_m3[v]), float(case.trucks.loaded_kg[v])
    at.day_m3, at.day_kg = at.volume_m3, at.mass_kg
    visits = route.visits if route is not None else ()
    rows = {name: row for row, name in enumerate(case.stop_ids)}
    yards = len(case.depot_ids) + len(case.tip_ids)
    keyed = {entry.stop for entry in own}
    last = max((n for n, visit in enumerate(visits) if visit.kind is VisitKind.STOP and visit.id in keyed), default=-1)
    passed = [visit for visit in visits[: last + 1] if visit.kind in (VisitKind.TIP, VisitKind.BREAK)]
    at.breaks = sum(visit.kind is VisitKind.BREAK for visit in passed)
    order = {visit.id: n for n, visit in enumerate(visits) if visit.kind is VisitKind.STOP}
    tips = [n for n, visit in enumerate(visits[: last + 1]) if visit.kind is VisitKind.TIP]
    for entry in own:
        row = rows[entry.stop]
        at.place = yards + row
        while tips and order.get(entry.stop, -1) > tips[0]:
            tips.pop(0)
            _tip(at)
        if entry.code is Code.SERVED:
            mass_kg = float(case.stops.mass_kg[row]) if math.isnan(entry.kg) else entry.kg
            _take(at, entry.stop, float(case.stops.volume_m3[row]), mass_kg)
    closed = {entry.stop for entry in own if entry.code in CLOSED or entry.code in (Code.BLOCKED, Code.CONTAMINATED)}
    passed_ids = {visit.id for visit in visits[: last + 1] if visit.kind is VisitKind.TIP}
    at.rest = [
        (visit.kind, visit.id)
        for n, visit in enumerate(visits)
        if (visit.kind is VisitKind.STOP and visit.id not in closed)
        or (visit.kind is VisitKind.TIP and (n > last or visit.id not in passed_ids))
    ]
    return at


def _take(at: Standing, stop: str, volume_m3: float, mass_kg: float) -> None:
    at.volume_m3 += volume_m3
    at.mass_kg += mass_kg
    at.day_m3 += volume_m3
    at.day_kg += mass_kg
    at.stops += 1
    at.on_board[stop] = volume_m3, mass_kg


def _tip(at: Standing) -> None:
    at.volume_m3 = at.mass_kg = 0.0
    at.tipped |= set(at.on_board)
    at.was_emptied = True


def bodies_of(case: RoundCase, standing: Sequence[Standing], keep: I64) -> Bodies | None:
    """Return the bodies of the rest of a day: what is on board of each, and the stops that are left."""
    if case.bodies is None:
        return None
    rows = {name: row for row, name in enumerate(case.stop_ids)}
    loaded = np.zeros_like(case.bodies.loaded_m3)
    for v, at in enumerate(standing):
        if not at.was_emptied:
            loaded[v] = case.bodies.loaded_m3[v]
        for name, (volume_m3, _) in at.on_board.items():
            body = int(case.bodies.of_stop[rows[name]])
            if body >= 0 and name not in at.tipped:
                loaded[v, body] += volume_m3
    return Bodies(case.bodies.holds_m3, case.bodies.of_stop[keep], loaded)


def divert(case: RoundCase, at: Standing, tip: str) -> None:
    """Send a truck to a tip next, and let it stand there empty."""
    row = case.tip_ids.index(tip)
    place = len(case.depot_ids) + row
    metres = float(metres_between(case)[at.place, place])
    seconds = metres / case.travel.speed_mps
    if case.travel.seconds is not None:
        seconds = float(case.travel.seconds[at.place, place])
    at.ready_s = max(at.ready_s + seconds, float(case.tips.open_s[row]))
    if case.queue_s.size:
        at.ready_s += float(case.queue_s[row, min(int(at.ready_s // 3600), case.queue_s.shape[1] - 1)])
    at.ready_s += float(case.tips.service_s[row])
    at.place = place
    _tip(at)


def give_back(case: RoundCase, standing: Sequence[Standing], stop: str) -> None:
    """Take what a missed stop was thought to hold off the truck that was thought to have it."""
    for at in standing:
        held = at.on_board.pop(stop, None)
        if held is None:
            continue
        at.day_m3 -= held[0]
        at.day_kg -= held[1]
        at.stops -= 1
        if stop not in at.tipped:
            at.volume_m3 = max(0.0, at.volume_m3 - held[0])
            at.mass_kg = max(0.0, at.mass_kg - held[1])


def _as_planned(case: RoundCase, route: Route | None, v: int, now_s: float, *, committed: bool) -> Standing:
    """Follow a truck up to now, and to the end of the visit that it is on or driving to."""
    depot = int(case.trucks.depot[v])
    at = Standing(depot, max(now_s, float(case.trucks.shift_begin_s[v])))
    at.volume_m3, at.mass_kg = float(case.trucks.loaded_m3[v]), float(case.trucks.loaded_kg[v])
    at.day_m3, at.day_kg = at.volume_m3, at.mass_kg
    if route is None or now_s < route.visits[0].leave_s:
        if route is not None:
            at.rest = _open(route.visits)
        return at
    tips = {name: len(case.depot_ids) + row for row, name in enumerate(case.tip_ids)}
    stops = {name: row for row, name in enumerate(case.stop_ids)}
    begun = True
    for visit in route.visits[1:]:
        if begun and visit.leave_s > now_s:
            begun = False
            if not committed:
                at.rest.append((visit.kind, visit.id))
                continue
        elif not begun:
            at.rest.append((visit.kind, visit.id))
            continue
        at.ready_s = max(now_s, visit.leave_s)
        if visit.kind is VisitKind.BREAK:
            at.breaks += 1
        elif visit.kind is VisitKind.TIP:
            at.place = tips[visit.id]
            _tip(at)
        elif visit.kind is VisitKind.DEPOT:
            at.place = depot
        else:
            row = stops[visit.id]
            at.place = len(case.depot_ids) + len(case.tip_ids) + row
            _take(at, visit.id, float(case.stops.volume_m3[row]), float(case.stops.mass_kg[row]))
    at.rest = [(kind, name) for kind, name in at.rest if kind in (VisitKind.STOP, VisitKind.TIP)]
    return at


def _open(visits: Sequence[Visit]) -> list[tuple[VisitKind, str]]:
    return [(visit.kind, visit.id) for visit in visits if visit.kind in (VisitKind.STOP, VisitKind.TIP)]
