"""Bad days: what a service is tried with besides the calls it was planned for. Each is one change to a plain run."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace

import numpy as np

from cityloop.cities.events.calls import Calls, draw_calls, take_calls
from cityloop.cities.events.case import EmergencyCase
from cityloop.cities.events.changes import draw_changes
from cityloop.cities.events.conditions import PLAIN, Conditions, Radio
from cityloop.cities.events.wards import draw_needs, made_up_plan

__all__ = ["STRESSES", "Stress", "drawn_under"]

HOUR_MS, DAY_MS = 3_600_000, 86_400_000
BURST_SEED = 7_000_000
"""Calls of a burst are drawn from the seed so far on, so that the day's own calls stay what they are."""
BURST_FROM_MS, BURST_MS = 12 * HOUR_MS, HOUR_MS // 4


@dataclass(frozen=True, slots=True)
class Stress:
    """One kind of bad day."""

    name: str
    words: str
    demand: float = 1.0
    """Factor on the arrival rate."""
    priority_share: tuple[float, ...] | None = None
    late_share: float = 0.0
    """Share of positions that are a minute old."""
    station_closed: bool = False
    """The station that the plan holds first; its units are at home at the nearest other."""
    handover: float = 1.0
    """Factor on every handover at a hospital; nobody has told the forecast."""
    burst: int = 0
    """So many more calls within a quarter of an hour, every day at noon."""
    departments: bool = False
    """Hospitals of different capability, two bays each, a diversion and a closure every day."""
    changing: bool = False
    """Calls are upgraded, downgraded, called off and told twice."""


STRESSES: dict[str, Stress] = {
    stress.name: stress
    for stress in (
        Stress("plain", "as drawn"),
        Stress("mix", "priorities 10/50/30/10", priority_share=(0.1, 0.5, 0.3, 0.1)),
        Stress("demand", "half as many calls again", demand=1.5),
        Stress("stale", "a fifth of positions a minute old", late_share=0.2),
        Stress("station", "the first station of the plan closed", station_closed=True),
        Stress("hospitals", "handovers twice as long", handover=2.0),
        Stress("burst", "40 more calls within 15 min every noon", burst=40),
        Stress("departments", "hospitals differ, two bays each, a diversion and a closure every day", departments=True),
        Stress("changes", "calls upgraded, downgraded, called off and told twice", changing=True),
    )
}


def drawn_under(
    case: EmergencyCase, seed: int, days: float, begin_ms: int, stress: Stress, plain: Conditions = PLAIN
) -> tuple[Calls, Conditions]:
    """Draw a seed's calls under a stress, and the conditions of its run."""
    share = None if stress.priority_share is None else np.array(stress.priority_share)
    calls = draw_calls(case, seed, days, begin_ms, stress.demand, share)
    conditions = plain
    if stress.burst:
        calls = _merged(calls, _bursts(case, seed, days, begin_ms, stress.burst, share))
    if stress.handover != 1.0:
        calls = replace(calls, handover_ms=np.rint(calls.handover_ms * stress.handover).astype(np.int64))
    if stress.late_share:
        conditions = replace(conditions, radio=Radio(stress.late_share, seed=seed))
    if stress.departments:
        calls = replace(calls, patient_needs=draw_needs(len(calls), seed))
        usual_ms = float(calls.handover_ms.mean()) if len(calls) else 0.0
        plan = made_up_plan(len(case.hospitals.node), days, begin_ms, usual_ms)
        conditions = replace(conditions, hospitals=plan)
    if stress.changing:
        calls, changes = draw_changes(case, calls, seed)
        conditions = replace(conditions, changes=changes)
    return calls, conditions


def _bursts(case: EmergencyCase, seed: int, days: float, begin_ms: int, count: int, share: np.ndarray | None) -> Calls:
    whole_days = int(days)
    needed = count * whole_days
    drawn = draw_calls(case, BURST_SEED + seed, 1.5 * needed / case.calls.per_day + 2.0, begin_ms, 1.0, share)
    some = take_calls(drawn, np.arange(needed))
    at = np.random.default_rng([BURST_SEED, seed]).integers(0, BURST_MS, (whole_days, count))
    noon_ms = begin_ms + BURST_FROM_MS + DAY_MS * np.arange(whole_days)[:, None]
    received_ms = np.sort(at + noon_ms, axis=1).ravel().astype(np.int64)
    taking_ms = some.ready_ms - some.received_ms
    return replace(some, received_ms=received_ms, ready_ms=received_ms + taking_ms)


def _merged(one: Calls, other: Calls) -> Calls:
    order = np.argsort(np.concatenate((one.received_ms, other.received_ms)), kind="stable")
    columns = [field.name for field in fields(Calls)]
    both = Calls(**{name: np.concatenate((getattr(one, name), getattr(other, name))) for name in columns})
    return take_calls(both, order)
