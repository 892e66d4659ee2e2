"""The measures of one run, computed from what the twin's vehicles and people went through.

Delay is RESCO's: the mean over all vehicles of time loss plus departure delay, vehicles that had not arrived
included, those that never departed counted as end minus planned departure. Percentiles are nearest-rank:
always a value that occurred.

References
----------
.. [1] Ault, J. and Sharon, G. (2021). Reinforcement learning benchmarks for traffic signal control. NeurIPS
Datasets and
   Benchmarks.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

import msgspec
import numpy as np

from cityloop.cities.sumo.outputs import Summary, Trips, Walks
from cityloop.kernel.errors import ConfigError
from cityloop.methods.statistics import nearest_rank

__all__ = [
    "BIN_S",
    "PERSONS_SOURCE",
    "Occupancy",
    "PedestrianScore",
    "PersonScore",
    "TimeBin",
    "VehicleScore",
    "parse_occupancy",
    "pedestrian_score",
    "person_score",
    "time_bins",
    "vehicle_score",
]

BIN_S = 300.0
_P95 = 0.95

PERSONS_BY_CLASS: Mapping[str, float] = MappingProxyType(
    {
        "passenger": 1.5,
        "private": 1.5,
        "taxi": 1.5,
        "evehicle": 1.5,
        "motorcycle": 1.0,
        "moped": 1.0,
        "bicycle": 1.0,
        "scooter": 1.0,
        "delivery": 1.0,
        "truck": 1.0,
        "trailer": 1.0,
        "bus": 10.0,
        "coach": 10.0,
        "tram": 30.0,
    }
)
"""Persons in a vehicle by SUMO's vehicle class."""

PERSONS_SOURCE = (
    "Cars: 1.5 on weekdays (US Bureau of Transportation Statistics, 2001 National Household Travel Survey, "
    "table A-15). "
    "The rest are round assumptions, not observations: one in a goods vehicle or on two wheels, 10 in a bus, "
    "30 in a tram."
)
"""Where the occupancies come from; give the city's own where they are known."""


@dataclass(frozen=True, slots=True)
class Occupancy:
    """How many people a vehicle of a class carries."""

    persons_by_class: Mapping[str, float] = field(default_factory=lambda: PERSONS_BY_CLASS)
    other: float = 1.5
    """Of classes that are not named."""

    def of(self, vehicle_class: str) -> float:
        """Return the persons in a vehicle of a class."""
        return self.persons_by_class.get(vehicle_class, self.other)


class VehicleScore(msgspec.Struct, frozen=True, kw_only=True):
    """What vehicles went through."""

    delay_s: float | None
    """RESCO's delay; None when there was no vehicle."""
    n: int
    finished: int
    unfinished: int
    """Under way at the end."""
    undeparted: int
    """Due, but never departed."""
    time_loss_s: float | None
    """Mean of those that departed."""
    depart_delay_s: float | None
    """Mean of all."""
    waiting_s: float | None
    """Mean standing time of those that departed."""
    stops: float | None
    """Mean number of stops of those that departed."""
    delay_p95_s: float | None
    waiting_p95_s: float | None
    longest_waiting_s: float | None


class PersonScore(msgspec.Struct, frozen=True, kw_only=True):
    """The same delay, weighed by the people in each vehicle."""

    delay_s: float | None
    """Mean delay of a person in a vehicle."""
    persons: float
    everybody_delay_s: float | None
    """With the people who walk, whose delay is their standing time."""
    occupancy: dict[str, float]
    """Persons in a vehicle, for the classes that were on the road."""


class PedestrianScore(msgspec.Struct, frozen=True, kw_only=True):
    """What people who walk went through; a person's waits are added up over the whole walk."""

    n: int
    arrived: int
    waiting_s: float
    """Mean standing time."""
    waiting_p95_s: float
    longest_waiting_s: float
    time_loss_s: float | None
    """Mean, of those who arrived: SUMO does not tell it of the others."""


class TimeBin(msgspec.Struct, frozen=True, kw_only=True):
    """A stretch of the run."""

    begin_s: float
    delay_s: float | None
    """Mean delay of the vehicles due to depart in it."""
    vehicles: int
    halting_veh: float | None
    """Mean number of vehicles standing."""
    backlog_veh: float | None
    """Mean number of vehicles without room to depart."""


def vehicle_score(trips: Trips) -> VehicleScore:
    """Score all vehicles of a run."""
    n = len(trips.type_id)
    departed = np.isfinite(trips.depart_s)
    gone = int(departed.sum())
    finished = int(np.isfinite(trips.arrival_s).sum())
    delay_s = trips.time_loss_s + trips.depart_delay_s
    waits = trips.waiting_s[departed].tolist()
    return VehicleScore(
        delay_s=float(delay_s.mean()) if n else None,
        n=n,
        finished=finished,
        unfinished=gone - finished,
        undeparted=n - gone,
        time_loss_s=float(trips.time_loss_s[departed].mean()) if gone else None,
        depart_delay_s=float(trips.depart_delay_s.mean()) if n else None,
        waiting_s=float(trips.waiting_s[departed].mean()) if gone else None,
        stops=float(trips.stops[departed].mean()) if gone else None,
        delay_p95_s=nearest_rank(delay_s.tolist(), _P95) if n else None,
        waiting_p95_s=nearest_rank(waits, _P95) if gone else None,
        longest_waiting_s=max(waits, default=None),
    )


def person_score(
    trips: Trips, walks: Walks, classes: Mapping[str, str], occupancy: Occupancy | None = None
) -> PersonScore:
    """Weigh delay by the people in each vehicle."""
    carries = occupancy or Occupancy()
    # SUMO names a vehicle's own copy of a type ``type@vehicle``.
    on_road = [classes.get(name.partition("@")[0], "passenger") for name in trips.type_id]
    weight = np.array([carries.of(one) for one in on_road], dtype=np.float64)
    lost_s = float((weight * (trips.time_loss_s + trips.depart_delay_s)).sum())
    persons, walkers = float(weight.sum()), len(walks.arrived)
    return PersonScore(
        delay_s=lost_s / persons if persons else None,
        persons=persons,
        everybody_delay_s=(lost_s + float(walks.waiting_s.sum())) / (persons + walkers) if persons + walkers else None,
        occupancy={name: carries.of(name) for name in sorted(set(on_road))},
    )


def pedestrian_score(walks: Walks) -> PedestrianScore | None:
    """Score the people who walk, or None where nobody does."""
    n = len(walks.arrived)
    if n == 0:
        return None
    arrived = int(walks.arrived.sum())
    waits = walks.waiting_s.tolist()
    return PedestrianScore(
        n=n,
        arrived=arrived,
        waiting_s=float(walks.waiting_s.mean()),
        waiting_p95_s=nearest_rank(waits, _P95),
        longest_waiting_s=max(waits),
        time_loss_s=float(walks.time_loss_s[walks.arrived].mean()) if arrived else None,
    )


def time_bins(trips: Trips, summary: Summary, begin_s: float, end_s: float) -> tuple[TimeBin, ...]:
    """Cut a run into stretches of `BIN_S`, by planned departure.

    Of vehicles due towards the end only the part of their delay that fell inside the run is known.
    """
    due_s = np.where(np.isfinite(trips.depart_s), trips.depart_s, end_s) - trips.depart_delay_s
    delay_s = trips.time_loss_s + trips.depart_delay_s
    bins = []
    for edge_s in np.arange(begin_s, end_s, BIN_S):
        last = edge_s + BIN_S >= end_s
        mine = (due_s >= edge_s) & ((due_s < edge_s + BIN_S) | last)
        steps = (summary.time_s >= edge_s) & (summary.time_s < edge_s + BIN_S)
        bins.append(
            TimeBin(
                begin_s=float(edge_s),
                delay_s=float(delay_s[mine].mean()) if mine.any() else None,
                vehicles=int(mine.sum()),
                halting_veh=float(summary.halting_veh[steps].mean()) if steps.any() else None,
                backlog_veh=float(summary.waiting_veh[steps].mean()) if steps.any() else None,
            )
        )
    return tuple(bins)


def parse_occupancy(text: str) -> Occupancy:
    """Read ``bus=20,tram=60``: persons by vehicle class, over the defaults."""
    persons = dict(PERSONS_BY_CLASS)
    for part in filter(None, text.split(",")):
        name, _, value = part.partition("=")
        try:
            persons[name.strip()] = float(value)
        except ValueError:
            raise ConfigError(f"occupancy {part!r}: give CLASS=PERSONS, for example bus=20") from None
        if not persons[name.strip()] > 0:
            raise ConfigError(f"occupancy {part!r}: persons must be above 0")
    return Occupancy(MappingProxyType(persons))
