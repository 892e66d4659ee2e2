"""Refuse: depots, tips, stops and trucks as typed tables, a day's case, and what a plan of it is.

Clock values inside a day are seconds since local midnight of the day's zone; a plan is replayed on that clock.
Waste is counted by volume and by mass at once, and a truck is full when either bound is reached.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import IntEnum, StrEnum
from typing import Annotated

import numpy as np

from cityloop.kernel.columns import BOOL, F64, I32, Column
from cityloop.kernel.messages import Action

__all__ = [
    "DEPOT",
    "DOMAIN",
    "NOTHING",
    "TIP",
    "Bodies",
    "Breaks",
    "Containers",
    "ContainersTable",
    "Depots",
    "DriveRoute",
    "DrivingRule",
    "EmptyToday",
    "FleetTable",
    "Metric",
    "PlanReason",
    "PlanRound",
    "Reason",
    "RoundCase",
    "RoundPlan",
    "RoundsTable",
    "Route",
    "Rule",
    "Stops",
    "Tips",
    "Travel",
    "TruckStatus",
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


class Reason(IntEnum):
    """Why a container is to be emptied today."""

    RISK = 1
    """Waiting for a later day would cost more in expected overflow than is saved."""
    NEAR = 2
    """It is on the way, and coming later would cost more driving."""
    FIXED_DAY = 3
    """It is its day."""
    MORNING = 4
    """The round's containers are chosen: routes are asked for."""
    BREAKDOWN = 5
    """A truck drives no further: routes are asked for anew."""
    NEW_PLAN = 6
    """A plan has been handed over: the truck is told its part."""


class Rule(IntEnum):
    """Which rule of the guard refused."""

    NO_SUCH_CONTAINER = 1
    """There is no container of this number."""
    NOT_A_WORKED_DAY = 2
    """Crews do not drive on this weekday."""
    NOT_TODAY = 3
    """A container is asked for on the day itself only."""
    ALREADY_ASKED = 4
    """The container was asked for today already."""
    NO_SUCH_ROUND = 5
    """The depot has not opened this round."""
    OLD_PLAN = 6
    """Another plan is in force."""
    NO_SUCH_TRUCK = 7
    """There is no truck of this number."""
    BROKEN_DOWN = 8
    """The truck has broken down."""
    ALREADY_EMPTIED = 9
    """A container on the way was emptied already."""


class TruckStatus(IntEnum):
    """What a truck's crew has keyed in."""

    AT_DEPOT = 0
    """Checked in, not yet sent."""
    DRIVING = 1
    EMPTYING = 2
    AT_TIP = 3
    BROKEN_DOWN = 4
    HOME = 5
    """Back from its round."""


class PlanReason(IntEnum):
    """Why the planner is asked."""

    MORNING = 1
    BREAKDOWN = 2


TIP, DEPOT, NOTHING = -1, -2, -3
"""What stands for them where a container's row would."""


@dataclass(frozen=True, slots=True)
class Containers:
    """Containers of one stream; a row number is the container's identity."""

    x_m: Annotated[F64, Column("m")]
    y_m: Annotated[F64, Column("m")]
    capacity_kg: Annotated[F64, Column("kg", low=1)]
    """What it holds when it is full."""
    sensed: Annotated[I32, Column("1", low=0, high=1)]
    """Whether it has a level sensor."""
    rate_per_day: Annotated[F64, Column("1/d", low=0)]
    """Share of capacity thrown in a day, as its history has it or its kind lets expect."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ContainersTable:
    """What the layout holds for refuse: ``layout.tables["refuse"]``."""

    containers: Containers
    tip_x_m: float
    tip_y_m: float
    payload_kg: float
    """Of one truck."""
    utc_offset_s: int = 0
    """Of local time, in which days, shifts and weekdays are counted."""
    decide_at_s: int = 5 * 3600
    """Local time of day at which the day's containers are chosen."""
    works: tuple[bool, ...] = (True, True, True, True, True, True, False)


@dataclass(frozen=True, slots=True)
class FleetTable:
    """Trucks of the containers' stream, one row a truck."""

    payload_kg: Annotated[F64, Column("kg", low=1)]


@dataclass(frozen=True, slots=True, kw_only=True)
class RoundsTable(ContainersTable):
    """Containers together with the trucks that empty them and the ways between; rounds are opened by the depot."""

    trucks: FleetTable
    depot_x_m: float
    depot_y_m: float
    metres: Annotated[F64, Column("m", low=0, per="pair of places")]
    """Road distance from place to place: the depot, the tip, then the containers."""
    seconds: Annotated[F64, Column("s", low=0, per="pair of places")]
    """Time of ordinary driving between them."""
    stop_s: float
    """To empty a container. [s]"""
    tip_s: float
    """From weighbridge to weighbridge. [s]"""
    shift_s: float = 8 * 3600.0
    """Length of a round at most. [s]"""


class EmptyToday(Action, frozen=True):
    """Ask the crews to empty a container on this local day."""

    day: int
    """Days since 1970-01-01 in local time."""


class PlanRound(Action, frozen=True):
    """Ask the planner for routes; everything that it needs beside the table of the layout."""

    round: int
    version: int
    reason: int
    """A ``PlanReason``."""
    containers: tuple[int, ...]
    """Still to be emptied in this round."""
    load_kg: tuple[float, ...]
    """What each is expected to put on a truck."""
    truck_at: tuple[int, ...]
    """Where each truck stands or is bound for first: a container, the tip or the depot."""
    truck_load_kg: tuple[float, ...]
    truck_out: tuple[bool, ...]
    """Whether a truck drives no further."""
    orders: tuple[tuple[int, ...], ...]
    """Visits still open of each truck in the plan in force, without its present one."""


class DriveRoute(Action, frozen=True):
    """Tell a truck its visits from now on; what it is bound for or empties at present comes first and is not named."""

    round: int
    version: int
    visits: tuple[int, ...]


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


@dataclass(frozen=True, slots=True, kw_only=True)
class DrivingRule:
    """Legal driving hours of a case's drivers."""

    unbroken_s: float
    """Driven without a break at the most. [s]"""
    break_s: float
    day_s: float
    """Driven on a day at the most. [s]"""


@dataclass(frozen=True, slots=True)
class Bodies:
    """Bodies of trucks that keep streams apart: what each holds, each stop's (or -1), and what is loaded."""

    holds_m3: F64
    """Shape (n_trucks, n_bodies); 0 where a truck has no such body."""
    of_stop: I32
    loaded_m3: F64


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
    bodies: Bodies | None = None
    """Split bodies; None where no truck has any."""
    driving: DrivingRule | None = None
    """Legal driving hours that the checker counts; None: breaks alone are looked at."""
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
