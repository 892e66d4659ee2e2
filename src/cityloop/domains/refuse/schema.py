"""Refuse: depots, tips, stops and trucks as typed tables, a day's case, and what a plan of it is.

Clock values inside a day are seconds since local midnight of the day's zone; a plan is replayed on that clock.
Waste is counted by volume and by mass at once, and a truck is full when either bound is reached.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Annotated

import numpy as np

from cityloop.kernel.columns import BOOL, F64, I32, Column

__all__ = [
    "DOMAIN",
    "Breaks",
    "Depots",
    "Metric",
    "RoundCase",
    "RoundPlan",
    "Route",
    "Stops",
    "Tips",
    "Travel",
    "Trucks",
    "Visit",
    "VisitKind",
]

DOMAIN = "refuse"


class VisitKind(StrEnum):
    """What a truck does at a place of its route."""

    DEPOT = "depot"
    STOP = "stop"
    TIP = "tip"
    BREAK = "break"


class Metric(StrEnum):
    """How a distance follows from two positions, where no road matrix is given."""

    MANHATTAN = "manhattan"
    STRAIGHT = "straight"


@dataclass(frozen=True, slots=True)
class Depots:
    """Yards where trucks begin and end."""

    x_m: Annotated[F64, Column("m")]
    y_m: Annotated[F64, Column("m")]
    open_s: Annotated[F64, Column("s", low=0)]
    close_s: Annotated[F64, Column("s", low=0)]


@dataclass(frozen=True, slots=True)
class Tips:
    """Where a truck empties itself: landfill, incinerator, transfer station."""

    x_m: Annotated[F64, Column("m")]
    y_m: Annotated[F64, Column("m")]
    open_s: Annotated[F64, Column("s", low=0)]
    close_s: Annotated[F64, Column("s", low=0)]
    """Last arrival that is still weighed in."""
    service_s: Annotated[F64, Column("s", low=0)]
    """From the weighbridge in to the weighbridge out, without the queue."""


@dataclass(frozen=True, slots=True)
class Stops:
    """Where containers are emptied; one row a stop, containers of one site together."""

    x_m: Annotated[F64, Column("m")]
    y_m: Annotated[F64, Column("m")]
    open_s: Annotated[F64, Column("s", low=0)]
    close_s: Annotated[F64, Column("s", low=0)]
    """Service begins by then at the latest."""
    service_s: Annotated[F64, Column("s", low=0)]
    volume_m3: Annotated[F64, Column("m3", low=0)]
    mass_kg: Annotated[F64, Column("kg", low=0)]
    prize_m: Annotated[F64, Column("m", low=0, missing=True)]
    """Metres of driving worth sparing by leaving it for another day; missing when it must be served."""


@dataclass(frozen=True, slots=True)
class Trucks:
    """Vehicles with their shift and what they may carry."""

    depot: Annotated[I32, Column("1", low=0)]
    shift_begin_s: Annotated[F64, Column("s", low=0)]
    shift_end_s: Annotated[F64, Column("s", low=0)]
    volume_m3: Annotated[F64, Column("m3", low=0)]
    """Compacted volume between two tips."""
    payload_kg: Annotated[F64, Column("kg", low=0)]
    """Mass between two tips; the least of legal gross mass and axle masses decides it."""
    daily_volume_m3: Annotated[F64, Column("m3", low=0)]
    daily_mass_kg: Annotated[F64, Column("kg", low=0)]
    stops_most: Annotated[I32, Column("1", low=0)]
    """Stops a day at the most."""
    fixed_m: Annotated[F64, Column("m", low=0)]
    """Metres of driving that taking the truck out at all is worth."""
    loaded_m3: Annotated[F64, Column("m3", low=0)]
    """On board when the shift, or the rest of it, begins."""
    loaded_kg: Annotated[F64, Column("kg", low=0)]


@dataclass(frozen=True, slots=True)
class Breaks:
    """Legal breaks, in the order they are taken, one row a truck and break; the same number for every truck."""

    truck: Annotated[I32, Column("1", low=0)]
    earliest_s: Annotated[F64, Column("s", low=0)]
    latest_s: Annotated[F64, Column("s", low=0)]
    """The break begins by then at the latest; a truck home by then need not take it."""
    length_s: Annotated[F64, Column("s", low=0)]
    taken: Annotated[BOOL, Column("1")]
    """Whether it lies behind the crew already."""


@dataclass(frozen=True, slots=True)
class Travel:
    """Distance and time between places: rows are depots, tips, stops, then places on the way."""

    metric: Metric
    speed_mps: float
    metres: F64 | None = None
    """Shape (n_places, n_places); None where the metric tells it."""
    seconds: F64 | None = None
    extra_x_m: F64 = field(default_factory=lambda: np.zeros(0))
    """Places on the way where trucks stand when a plan is made anew."""
    extra_y_m: F64 = field(default_factory=lambda: np.zeros(0))


@dataclass(frozen=True, slots=True)
class RoundCase:
    """One day to plan."""

    name: str
    depots: Depots
    tips: Tips
    stops: Stops
    trucks: Trucks
    breaks: Breaks
    travel: Travel
    depot_ids: tuple[str, ...]
    tip_ids: tuple[str, ...]
    stop_ids: tuple[str, ...]
    truck_ids: tuple[str, ...]
    queue_s: F64 = field(default_factory=lambda: np.zeros((0, 1)))
    """Wait at each tip by the hour of arrival, shape (n_tips, 24)."""
    may_stop: BOOL | None = None
    """Whether a truck may serve a stop (stream, access, width), shape (n_trucks, n_stops); None: all may."""
    may_tip: BOOL | None = None
    """Whether a truck may use a tip (stream), shape (n_trucks, n_tips); None: all may."""
    ends_at_tip: bool = True
    """Whether a truck comes home empty."""
    start_place: I32 | None = None
    """Place where each truck begins, where that is not its depot."""
    half_hours: bool = False
    """Whether trucks leave their depot on the half hour only."""
    origin: tuple[float, float] | None = None
    """Latitude and longitude of x = y = 0, where places were given in degrees."""
    unit: str = "km"
    """Unit in which distances are reported: ``km`` or ``mi``."""


@dataclass(frozen=True, slots=True)
class Visit:
    """One line of a truck's day."""

    kind: VisitKind
    id: str
    arrive_s: float
    leave_s: float


@dataclass(frozen=True, slots=True)
class Route:
    """One truck's day, from depot to depot."""

    truck: str
    visits: tuple[Visit, ...]


@dataclass(frozen=True, slots=True)
class RoundPlan:
    """A day's plan."""

    case: str
    routes: tuple[Route, ...]
    left_out: tuple[str, ...] = ()
    reasons: Sequence[str] = ()
    """For stops left out: which constraint cannot hold, and what would make it hold."""
    metres: float = 0.0
