"""A fire service on a city's roads and stations: engines, ladders and chiefs, and incidents that ask for several units.

Units, incidents and their shares are made up; roads, stations and where people are, are the city's.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from cityloop.cities.events.calls import Calls, draw_calls, take_calls
from cityloop.cities.events.case import Distribution, EmergencyCase, Family, Sites
from cityloop.domains.emergency.schema import Fire, ResponsePlan
from cityloop.kernel.columns import I32, I64

__all__ = ["USUAL_PLAN", "FireSpec", "Places", "draw_incidents", "fire_case"]

USUAL_PLAN = ResponsePlan(
    {
        "first response": ((int(Fire.ENGINE), 1),),
        "alarm": ((int(Fire.ENGINE), 2), (int(Fire.LADDER), 1)),
        "structure fire": ((int(Fire.ENGINE), 3), (int(Fire.LADDER), 1), (int(Fire.CHIEF), 1)),
        "outside fire": ((int(Fire.ENGINE), 1),),
        "small incident": ((int(Fire.ENGINE), 1),),
    },
    second={"structure fire": ((int(Fire.ENGINE), 2), (int(Fire.LADDER), 1), (int(Fire.CHIEF), 1))},
)
"""A plan of usual size; a service has its own."""


@dataclass(frozen=True, slots=True)
class Places:
    """What incidents ask for, one row a place to fill."""

    calls: Calls
    incident: I64
    kind: I32
    """Row of the spec's shares: the determinant."""
    alarm: I32
    """1 for the first alarm, 2 for the second."""


@dataclass(frozen=True, slots=True)
class FireSpec:
    """A made-up fire service."""

    incidents_per_day: float = 90.0
    share: tuple[tuple[str, int, float, float], ...] = (
        ("first response", 1, 0.55, 20.0),
        ("alarm", 1, 0.18, 25.0),
        ("structure fire", 1, 0.04, 90.0),
        ("outside fire", 1, 0.08, 30.0),
        ("small incident", 2, 0.15, 30.0),
    )
    """Determinant, priority, share of incidents, and how long a unit stays in the mean [min]."""
    engines_per_station: int = 1
    ladder_every: int = 3
    chief_every: int = 6
    """A ladder at every third station, a chief at every sixth."""
    plan: ResponsePlan = USUAL_PLAN
    second_share: float = 0.2
    """Of incidents whose plan has a second alarm: how many ask for it."""
    second_after_min: tuple[float, float] = (8.0, 20.0)
    """From the call answered: between these, whoever came first by then. The same for every policy. [min]"""


def fire_case(case: EmergencyCase, spec: FireSpec) -> EmergencyCase:
    """Return a city with the fire service in place of its ambulances: same roads, stations and people."""
    kinds = (("E", Fire.ENGINE, 1), ("L", Fire.LADDER, spec.ladder_every), ("C", Fire.CHIEF, spec.chief_every))
    names: list[str] = []
    home: list[int] = []
    bits: list[int] = []
    for station in range(len(case.stations.node)):
        for word, flag, every in kinds:
            if station % every:
                continue
            for k in range(spec.engines_per_station if flag is Fire.ENGINE else 1):
                names.append(f"{word}{station + 1}" + ("" if k == 0 else chr(ord("a") + k)))
                home.append(station)
                bits.append(int(flag))
    priorities = max(priority for _, priority, _, _ in spec.share)
    share = np.array([sum(s for _, p, s, _ in spec.share if p == k + 1) for k in range(priorities)])
    nowhere = Sites((), np.empty(0), np.empty(0), np.empty(0, np.int32), np.empty(0))
    mode = np.concatenate((case.response_mode, np.repeat(case.response_mode[-1:], priorities)))[:priorities]
    return replace(
        case,
        name=f"{case.name}, fire",
        hospitals=nowhere,
        unit_name=tuple(names),
        unit_station=np.array(home, np.int32),
        unit_capability=np.array(bits, np.int32),
        response_mode=mode.astype(np.int32),
        calls=replace(
            case.calls,
            per_day=spec.incidents_per_day,
            priority_share=share / share.sum(),
            on_scene=Distribution(Family.EXPONENTIAL, 1500.0),
            transport_share=0.0,
        ),
    )


def draw_incidents(case: EmergencyCase, spec: FireSpec, seed: int, days: float, begin_ms: int) -> Places:
    """Draw a seed's incidents and the places each asks to be filled, in the order in which they are asked for."""
    calls = draw_calls(case, seed, days, begin_ms)
    rng = np.random.default_rng([seed, 31])
    shares = np.array([share for _, _, share, _ in spec.share])
    kind = np.searchsorted(np.cumsum(shares / shares.sum())[:-1], rng.random(len(calls)), side="right")
    names = [determinant for determinant, _, _, _ in spec.share]
    asked = [(n, bits, 1) for n, k in enumerate(kind.tolist()) for bits, _ in spec.plan.places(names[k])]
    # Drawn apart, so that a plan without second alarms has the same incidents.
    later = np.random.default_rng([seed, 37])
    grows = later.random(len(calls)) < spec.second_share
    after_ms = np.rint(later.uniform(*spec.second_after_min, len(calls)) * 60_000.0).astype(np.int64)
    for n in np.flatnonzero(grows).tolist():
        asked += [(n, bits, 2) for bits in spec.plan.second_places(names[kind[n]])]
    incident, needs, alarm = (np.array(column) for column in zip(*asked, strict=True))
    delay_ms = np.where(alarm == 2, after_ms[incident], 0)
    order = np.argsort(calls.ready_ms[incident] + delay_ms, kind="stable")
    incident, needs, alarm, delay_ms = incident[order], needs[order], alarm[order], delay_ms[order]
    rows = take_calls(calls, incident)
    # All units of an incident stay as long: until it is dealt with.
    stay_min = rng.exponential(1.0, len(calls)) * np.array([minutes for _, _, _, minutes in spec.share])[kind]
    rows = replace(
        rows,
        received_ms=rows.received_ms + delay_ms,
        ready_ms=rows.ready_ms + delay_ms,
        priority=np.array([priority for _, priority, _, _ in spec.share], np.int32)[kind][incident],
        on_scene_ms=np.rint(np.maximum(stay_min, 2.0)[incident] * 60_000.0).astype(np.int64),
        transport=np.zeros(len(incident), np.bool_),
        needs=needs.astype(np.int32),
    )
    return Places(rows, incident.astype(np.int64), kind[incident].astype(np.int32), alarm.astype(np.int32))
