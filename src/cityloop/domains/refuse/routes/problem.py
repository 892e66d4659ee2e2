"""Turn a day's case into the integers a routing method works on, and a routing answer back into places."""

from __future__ import annotations

import numpy as np

from cityloop.domains.refuse.schema import Metric, RoundCase
from cityloop.kernel.columns import BOOL, F64, I32, I64
from cityloop.methods.vrp import FOREVER, MUST, Fleet, Problem

__all__ = ["TICKS_PER_S", "UNITS_PER_M", "metres_between", "problem_of"]

TICKS_PER_S = 1000
UNITS_PER_M = 10
_ML_PER_M3 = 1e6
_G_PER_KG = 1e3


def metres_between(case: RoundCase) -> F64:
    """Return road distances between all places of a case."""
    if case.travel.metres is not None:
        return case.travel.metres
    x_m = np.concatenate([case.depots.x_m, case.tips.x_m, case.stops.x_m, case.travel.extra_x_m])
    y_m = np.concatenate([case.depots.y_m, case.tips.y_m, case.stops.y_m, case.travel.extra_y_m])
    dx, dy = np.abs(x_m[:, None] - x_m), np.abs(y_m[:, None] - y_m)
    metres: F64 = dx + dy if case.travel.metric is Metric.MANHATTAN else np.hypot(dx, dy)
    return metres


def problem_of(case: RoundCase) -> Problem:
    """Return the routing problem of a case.

    Times are rounded up and windows inwards, so that a plan legal here is legal on the real clock; nodes are depots
    and places on the way, then tips, then stops.
    """
    depots, tips, stops = len(case.depot_ids), len(case.tip_ids), len(case.stop_ids)
    extra = len(case.travel.extra_x_m)
    places = depots + tips + stops
    order = np.concatenate([np.arange(depots), np.arange(places, places + extra), np.arange(depots, places)])
    metres = metres_between(case)[np.ix_(order, order)]
    if case.travel.seconds is None:
        seconds = metres / case.travel.speed_mps
    else:
        seconds = case.travel.seconds[np.ix_(order, order)]
    ahead = np.zeros(depots + extra)
    early = np.concatenate([ahead, case.tips.open_s, case.stops.open_s])
    late = np.concatenate([ahead + FOREVER / TICKS_PER_S, case.tips.close_s, case.stops.close_s])
    service = np.concatenate([ahead, case.tips.service_s, case.stops.service_s])
    none = np.zeros(depots + extra + tips)
    demand = np.column_stack(
        [
            np.rint(np.concatenate([none, case.stops.volume_m3]) * _ML_PER_M3),
            np.rint(np.concatenate([none, case.stops.mass_kg]) * _G_PER_KG),
        ]
    )
    if case.bodies is not None:
        parts = np.arange(case.bodies.holds_m3.shape[1]) == case.bodies.of_stop[:, None]
        each = np.rint(parts * case.stops.volume_m3[:, None] * _ML_PER_M3)
        demand = np.hstack([demand, np.vstack([np.zeros((len(none), each.shape[1])), each])])
    must = np.isnan(case.stops.prize_m)
    prize = np.where(must, MUST, np.rint(np.nan_to_num(case.stops.prize_m) * UNITS_PER_M))
    queue_s = case.queue_s if case.queue_s.size else np.zeros((tips, 1))
    return Problem(
        n_depots=depots + extra,
        n_reloads=tips,
        distance=np.rint(metres * UNITS_PER_M).astype(np.int32),
        duration=np.ceil(seconds * TICKS_PER_S - 1e-6).astype(np.int32),
        early=_ticks_up(early),
        late=np.floor(late * TICKS_PER_S).astype(np.int64),
        service=_ticks_up(service),
        demand=demand.astype(np.int64),
        prize=np.concatenate([none, prize]).astype(np.int64),
        fleet=_fleet(case, depots, extra),
        queue=np.ceil(queue_s * TICKS_PER_S).astype(np.int32),
        slot=3600 * TICKS_PER_S,
    )


def _fleet(case: RoundCase, depots: int, extra: int) -> Fleet:
    trucks = case.trucks
    count = len(case.truck_ids)
    start = trucks.depot.copy()
    if case.start_place is not None:
        places = depots + len(case.tip_ids) + len(case.stop_ids)
        away = case.start_place >= places
        start = np.where(away, case.start_place - places + depots, case.start_place).astype(np.int32)
    open_s = np.maximum(trucks.shift_begin_s, case.depots.open_s[trucks.depot])
    if case.half_hours:
        open_s = np.ceil(open_s / 1800) * 1800
    return Fleet(
        start=start,
        end=trucks.depot,
        open=_ticks_up(open_s),
        close=np.floor(np.minimum(trucks.shift_end_s, case.depots.close_s[trucks.depot]) * TICKS_PER_S).astype(
            np.int64
        ),
        capacity=_with_bodies(case, _loads(trucks.volume_m3, trucks.payload_kg, 500), "holds_m3", 500),
        daily=_with_bodies(case, _loads(trucks.daily_volume_m3, trucks.daily_mass_kg, 500), None, 0),
        max_stops=trucks.stops_most.astype(np.int64),
        fixed_cost=np.rint(trucks.fixed_m * UNITS_PER_M).astype(np.int64),
        load=_with_bodies(case, _loads(trucks.loaded_m3, trucks.loaded_kg, 0), "loaded_m3", 0),
        allowed=_allowed(case, count, depots + extra),
        breaks=_breaks(case, count),
        breaks_taken=_taken(case, count),
    )


def _ticks_up(seconds: F64) -> I64:
    return np.ceil(seconds * TICKS_PER_S - 1e-6).astype(np.int64)


def _loads(volume_m3: F64, mass_kg: F64, slack: int) -> I64:
    # The slack of 0.5 l and 0.5 kg takes up the rounding of many small loads, no more.
    bound = float(1 << 50)
    return np.column_stack(
        [
            np.minimum(np.rint(volume_m3 * _ML_PER_M3), bound) + slack,
            np.minimum(np.rint(mass_kg * _G_PER_KG), bound) + slack,
        ]
    ).astype(np.int64)


def _with_bodies(case: RoundCase, loads: I64, column: str | None, slack: int) -> I64:
    """Add a column a body; what a body takes in a day is bounded by its truck's day alone."""
    if case.bodies is None:
        return loads
    own = np.full(case.bodies.holds_m3.shape, FOREVER)
    if column is not None:
        own = np.rint(getattr(case.bodies, column) * _ML_PER_M3).astype(np.int64) + slack
    return np.hstack([loads, own])


def _allowed(case: RoundCase, count: int, yards: int) -> BOOL:
    tips = np.ones((count, len(case.tip_ids)), bool) if case.may_tip is None else case.may_tip
    stops = np.ones((count, len(case.stop_ids)), bool) if case.may_stop is None else case.may_stop
    return np.hstack([np.ones((count, yards), bool), tips, stops])


def _breaks(case: RoundCase, count: int) -> I64:
    each = len(case.breaks.truck) // count if count else 0
    order = np.argsort(case.breaks.truck, kind="stable")
    table = np.column_stack([case.breaks.earliest_s, case.breaks.latest_s, case.breaks.length_s])[order]
    return np.rint(table * TICKS_PER_S).astype(np.int64).reshape(count, each, 3)


def _taken(case: RoundCase, count: int) -> I64:
    taken: I64 = np.bincount(case.breaks.truck[case.breaks.taken], minlength=count).astype(np.int64)
    return taken


def node_of_place(case: RoundCase) -> I32:
    """Return the problem's node for every place of a case."""
    depots, extra = len(case.depot_ids), len(case.travel.extra_x_m)
    rest = len(case.tip_ids) + len(case.stop_ids)
    return np.concatenate([np.arange(depots), depots + extra + np.arange(rest), depots + np.arange(extra)]).astype(
        np.int32
    )
