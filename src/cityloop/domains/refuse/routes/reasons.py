"""Say which constraint cannot hold for a stop, and what would make it hold."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from cityloop.domains.refuse.routes.problem import TICKS_PER_S
from cityloop.domains.refuse.routes.timing import drives
from cityloop.domains.refuse.schema import RoundCase
from cityloop.methods.vrp import Problem

__all__ = ["reasons_for"]


def reasons_for(case: RoundCase, problem: Problem, left_out: Sequence[int]) -> list[str]:
    """Return a line for every stop left out, and one for the fleet where it is short as a whole."""
    lines = [_reason(case, problem, client) for client in left_out]
    return [*_fleet_short(case), *lines] if left_out else []


def _fleet_short(case: RoundCase) -> list[str]:
    must = np.isnan(case.stops.prize_m)
    lines = []
    for name, need, have in (
        ("volume", case.stops.volume_m3[must].sum(), case.trucks.daily_volume_m3.sum()),
        ("mass", case.stops.mass_kg[must].sum(), case.trucks.daily_mass_kg.sum()),
    ):
        if need > have:
            unit = "m3" if name == "volume" else "kg"
            lines.append(f"daily {name}: {need:.1f} {unit} must be collected, all trucks may take {have:.1f} a day.")
    if (most := int(case.trucks.stops_most.sum())) < int(must.sum()):
        lines.append(f"stops a day: {int(must.sum())} must be served, all trucks may serve {most}; add a truck.")
    return [*lines, *_hours_short(case)]


def _hours_short(case: RoundCase) -> list[str]:
    """Say where standing still alone takes longer than all shifts: at stops, and at tips for the loads there are."""
    must = np.isnan(case.stops.prize_m)
    stand_s = float(case.stops.service_s[must].sum())
    if case.tip_ids and case.ends_at_tip:
        largest = max(float(case.trucks.volume_m3.max()), 1e-9)
        loads = np.ceil(case.stops.volume_m3[must].sum() / largest - 1e-9)
        stand_s += float(loads) * float(case.tips.service_s.min())
    begin, end = case.trucks.shift_begin_s, case.trucks.shift_end_s
    breaks_s = case.breaks.length_s[~case.breaks.taken].sum()
    have_s = float(np.maximum(end - begin, 0.0).sum() - breaks_s)
    if stand_s <= have_s:
        return []
    short = f"{stand_s / 3600:.1f} h, all shifts have {have_s / 3600:.1f} h without breaks"
    more = f"add trucks or {(stand_s - have_s) / 3600:.1f} h and what driving takes"
    return [f"shifts: stops and tips alone take {short}; {more}."]


def _reason(case: RoundCase, problem: Problem, client: int) -> str:
    stop = client - problem.first_client
    name = f"stop {case.stop_ids[stop]}"
    volume, mass = float(case.stops.volume_m3[stop]), float(case.stops.mass_kg[stop])
    trucks = np.arange(len(case.truck_ids))
    if case.may_stop is not None:
        trucks = trucks[case.may_stop[:, stop]]
    if len(trucks) == 0:
        return f"{name}, access: no truck may serve it (stream, width or access); add a truck that may."
    largest, strongest = float(case.trucks.volume_m3[trucks].max()), float(case.trucks.payload_kg[trucks].max())
    if volume > largest:
        return f"{name}, volume: {volume:.2f} m3, the largest truck holds {largest:.2f}; split the stop or add a truck."
    body = -1 if case.bodies is None else int(case.bodies.of_stop[stop])
    if case.bodies is not None and body >= 0 and volume > float(case.bodies.holds_m3[trucks, body].max()):
        most = float(case.bodies.holds_m3[trucks, body].max())
        return f"{name}, body: {volume:.2f} m3, the largest body for its stream holds {most:.2f}; split the stop."
    if mass > strongest:
        return f"{name}, payload: {mass:.0f} kg, the strongest truck carries {strongest:.0f}; split the stop."
    if problem.n_reloads and case.may_tip is not None and not case.may_tip[trucks].any():
        return f"{name}, tip: no tip takes what its trucks carry; add a tip for the stream."
    if not any(drives(problem, int(v), trip) for v in trucks for trip in _trips(case, problem, int(v), client)):
        arrive = min(_earliest_s(problem, int(v), client) for v in trucks)
        close = float(case.stops.close_s[stop])
        if arrive > close:
            late = (arrive - close) / 60
            return (
                f"{name}, window: closes at {_hm(close)}, no truck can be there before {_hm(arrive)}; "
                f"open it {late:.0f} min longer or begin the shift earlier."
            )
        return f"{name}, shift: a truck that goes there and to a tip is not home in time; lengthen shift or tip hours."
    if not np.isnan(case.stops.prize_m[stop]):
        return f"{name}, prize: the way there costs more than the {case.stops.prize_m[stop] / 1000:.1f} km it is worth."
    return f"{name}, fleet: alone it can be served, but not beside the others; add a truck, a tip visit or shift time."


def _trips(case: RoundCase, problem: Problem, v: int, client: int) -> list[tuple[int, ...]]:
    if not problem.n_reloads:
        return [(client,)]
    sites = range(problem.n_depots, problem.first_client)
    return [(client, site) for site in sites if case.may_tip is None or case.may_tip[v, site - problem.n_depots]]


def _earliest_s(problem: Problem, v: int, client: int) -> float:
    return float(problem.fleet.open[v] + problem.duration[problem.fleet.start[v], client]) / TICKS_PER_S


def _hm(seconds: float) -> str:
    return f"{int(seconds // 3600):02d}:{int(seconds // 60 % 60):02d}"
