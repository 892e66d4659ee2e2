"""Emergency response: its assets, what is known live, what may be asked, and what it publishes.

Priorities arrive with the call from the service's own triage (MPDS, NHS Pathways or another) as whole numbers, 1 the
highest. Nothing here triages.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from typing import TYPE_CHECKING, Annotated, Any

from cityloop.domains.emergency.response_plan import Due, Fire, ResponsePlan
from cityloop.kernel.columns import BOOL, F64, I32, I64, Column
from cityloop.kernel.messages import Action

if TYPE_CHECKING:
    from cityloop.methods.routing import Router
else:
    # Who only names actions need not load compiled code.
    Router = Any

__all__ = [
    "DOMAIN",
    "HOSPITALS",
    "Advise",
    "CallChange",
    "CallStatus",
    "CallTable",
    "Due",
    "EmergencyTable",
    "Fire",
    "HospitalTable",
    "Lead",
    "Move",
    "PlaceTable",
    "Reason",
    "ResponsePlan",
    "RosterTable",
    "Rule",
    "Send",
    "SiteKind",
    "SiteTable",
    "TakeBreak",
    "TakeCall",
    "TravelTimes",
    "UnitStatus",
    "UnitTable",
    "ZoneTable",
]

DOMAIN = "emergency"

HOSPITALS = "hospitals"
"""Name of the layout's table of hospitals that tell of their doors; a city whose hospitals tell nothing has none."""


class UnitStatus(IntEnum):
    """What a unit is doing."""

    STANDING = 0
    """Free, at a site."""
    MOVING = 1
    """Free, driving to a site."""
    TURNING_OUT = 2
    """Sent to a call, not yet under way."""
    EN_ROUTE = 3
    ON_SCENE = 4
    TRANSPORTING = 5
    AT_HOSPITAL = 6
    ON_BREAK = 7
    FREE_ON_SCENE = 8
    """Free at the place of its last call, not yet told where to go."""


class CallStatus(IntEnum):
    """How far a call has come."""

    TAKING = 0
    """Being taken; not yet to be dispatched."""
    OPEN = 1
    """Without a unit."""
    ASSIGNED = 2
    """A unit is on its way."""
    ATTENDED = 3
    """A capable unit is on scene."""
    CLOSED = 4


class CallChange(IntEnum):
    """What may become of a call after it was taken; always by the word of the dispatch centre or a crew."""

    UPGRADED = 1
    DOWNGRADED = 2
    CANCELLED = 3
    DUPLICATE = 4
    """Found to be one with another call, which goes on."""


class SiteKind(IntEnum):
    """Where a free unit may stand."""

    STATION = 0
    HOSPITAL = 1
    KERB = 2
    """No rest facility: bounded in time, and not at night."""


class Send(Action, frozen=True):
    """Go to a call."""

    call: int
    """Number of the call."""
    route: tuple[int, ...] = ()
    """Edges of the way that its expected time was reckoned on, in order; empty leaves the way to the crew."""


class Move(Action, frozen=True):
    """Go and stand at a site."""

    site: int


class TakeBreak(Action, frozen=True):
    """Take the meal break where the unit stands."""


class Advise(Action, frozen=True):
    """Take the patient to this hospital instead: advice, for the crew decides."""

    site: int
    door: int
    """A ``Door``: why that one."""


class Lead(Action, frozen=True):
    """Leave it to the brain who is sent while the lease lasts; without one the dispatch centre minds itself."""


class TakeCall(Action, frozen=True):
    """Put a call on the dispatch centre's list, or change one that is there: what another system or a person took down.

    It is no decision, so it passes no policy; it comes in beside the brain, which hears of it on the centre's list.
    """

    call: int
    priority: int
    """0 where nobody has triaged it: then a person has to."""
    determinant: int
    """Row of the names of determinants, -1 for another."""
    x_m: float | None
    """None where the place is known in words alone, or not at all."""
    y_m: float | None
    waited_s: float = 0.0
    """How long ago it was answered."""
    over: bool = False
    """Whether it is called off, or was found to be another call."""


class Reason(IntEnum):
    """Why a policy proposes."""

    CLOSEST = 1
    """Least expected time to the call."""
    RUN_CARD = 2
    """Next on the zone's run card."""
    UPGRADE = 3
    """Taken from a call of lesser priority."""
    ROLLING = 4
    """Best for all open and under-way calls together."""
    SHORTER = 5
    """Replaces a unit under way that would take longer."""
    COVERAGE_KEPT = 6
    """Not the closest: the closest would leave more uncovered than the wait is worth."""
    GO_HOME = 7
    BEST_COVER = 8
    """The site that lessens the expected response most."""
    COMPLIANCE = 9
    """The plan's post for this number of free units."""
    SHIFT_END = 10
    MEAL = 11
    KERB_OVER = 12
    """The time at a kerb is used up, or night begins."""
    LEADING = 13
    """Renews the lease over dispatch."""
    HOSPITAL_CLOSED = 14
    """The hospital that a patient is taken to has closed on the way."""


class Rule(IntEnum):
    """Which rule of the guard refused."""

    UNKNOWN_TARGET = 1
    PATIENT_ABOARD = 2
    """With a patient aboard the system only advises."""
    ON_BREAK = 3
    DIVERTED_ALREADY = 4
    LOWER_PRIORITY = 5
    """No unit is taken from a call of higher priority."""
    CALL_TAKEN = 6
    """Another unit of the same round serves the call, or it is over."""
    NOT_CAPABLE = 7
    KERB_AT_NIGHT = 8
    KERB_TOO_LONG = 9
    SITE_CLOSED = 10
    END_OF_SHIFT = 11
    POSITION_LOST = 12
    """The unit has been silent too long to be sent on its last position alone."""
    NO_REST_FACILITY = 13
    NO_PATIENT = 14
    """Where to take a patient is advised to nobody who carries none, and no place but a hospital."""


@dataclass(slots=True)
class UnitTable:
    """Live state of every unit, one row a unit. Vehicles are measured, not persons."""

    status: Annotated[I32, Column("1", low=0, high=8)]
    """A ``UnitStatus``."""
    node: Annotated[I32, Column("1", low=0)]
    """Node at which the unit stands or joins the roads, or that it passes next."""
    node_in_ms: Annotated[I64, Column("ms", low=0)]
    """Time until that node is passed, while driving."""
    offroad_m: Annotated[F64, Column("m", low=0)]
    """Way from the unit to that node off the roads."""
    site: Annotated[I32, Column("1", low=-1)]
    """Site at which it stands or to which it drives, or -1."""
    call: Annotated[I64, Column("1", low=-1)]
    """Call it serves, or -1."""
    since_ms: Annotated[I64, Column("ms")]
    """Since when it has had its status."""
    home: Annotated[I32, Column("1", low=0)]
    """Site at which its crews change."""
    kerb_used_ms: Annotated[I64, Column("ms", low=0)]
    """Time at kerbs since the last rest facility or call, up to ``since_ms``."""
    shift_end_ms: Annotated[I64, Column("ms")]
    meal_from_ms: Annotated[I64, Column("ms")]
    """Begin of the meal window; the end of time once the break was had or missed."""
    meal_until_ms: Annotated[I64, Column("ms")]
    """Latest begin of the break."""
    diverted: Annotated[BOOL, Column("1")]
    """Whether it was taken from another call for the one it serves."""
    capability: Annotated[I32, Column("1", low=0)]
    """Bits of what it can do; a call names the bits it needs."""
    seen_at_ms: Annotated[I64, Column("ms")]
    """When it last told its position."""


@dataclass(slots=True)
class CallTable:
    """Calls that have no capable unit on scene yet, one row a call."""

    call: Annotated[I64, Column("1", low=0)]
    """The call's number, over all calls."""
    priority: Annotated[I32, Column("1", low=1)]
    """As known now, 1 the highest."""
    node: Annotated[I32, Column("1", low=0)]
    offroad_m: Annotated[F64, Column("m", low=0)]
    received_ms: Annotated[I64, Column("ms")]
    ready_ms: Annotated[I64, Column("ms")]
    """Earliest dispatch."""
    unit: Annotated[I32, Column("1", low=-1)]
    """Unit on its way, or -1."""
    eta_ms: Annotated[I64, Column("ms")]
    """When that unit is expected on scene."""
    needs: Annotated[I32, Column("1", low=0)]
    """Bits of capability that the first unit must have."""


@dataclass(frozen=True, slots=True)
class SiteTable:
    """Where free units may stand, one row a site."""

    kind: Annotated[I32, Column("1", low=0, high=2)]
    """A ``SiteKind``."""
    node: Annotated[I32, Column("1", low=0)]
    offroad_m: Annotated[F64, Column("m", low=0)]
    is_open: Annotated[BOOL, Column("1")]


@dataclass(frozen=True, slots=True)
class TravelTimes:
    """Travel times of both modes, and the speed between a place and its node."""

    siren: Router
    ordinary: Router
    siren_offroad_mps: float
    ordinary_offroad_mps: float
    response_mode: Annotated[I32, Column("1", low=0, high=1)]
    """By priority less one: 0 with lights and siren, 1 ordinary."""


@dataclass(frozen=True, slots=True)
class RosterTable:
    """Units as they are kept, one row a unit."""

    home: Annotated[I32, Column("1", low=0)]
    """Site at which its crews change."""
    capability: Annotated[I32, Column("1", low=0)]
    """Bits of what it can do."""


@dataclass(frozen=True, slots=True)
class PlaceTable:
    """Sites where units may stand, one row a site."""

    kind: Annotated[I32, Column("1", low=0, high=2)]
    """A ``SiteKind``."""
    x_m: Annotated[F64, Column("m")]
    y_m: Annotated[F64, Column("m")]
    edge: Annotated[I32, Column("1", low=0)]
    """Row of the layout's edges on which it lies."""
    edge_m: Annotated[F64, Column("m", low=0)]
    """How far along."""


@dataclass(frozen=True, slots=True)
class ZoneTable:
    """Demand zones."""

    x_m: Annotated[F64, Column("m")]
    y_m: Annotated[F64, Column("m")]
    edge: Annotated[I32, Column("1", low=0)]
    weight: Annotated[F64, Column("1", low=0, high=1)]
    """Share of expected calls of high priority."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EmergencyTable:
    """What the layout holds for emergency: ``layout.tables["emergency"]``."""

    units: RosterTable
    sites: PlaceTable
    zones: ZoneTable
    zone: str
    """Time zone of the crews' clock."""
    turnout_s: float
    """From dispatch to wheels turning, standing at a site. [s]"""
    calls_per_h: float
    """Expected calls. [1/h]"""
    high_share: float
    """Share of them that is of high priority."""
    busy_share: float
    """Long-run share of units that are busy."""
    handover_min: tuple[float, ...]
    """Handovers of the past, to learn from. [min]"""
    off_graph_m: float = 500.0
    """A call farther from any road than this is for a person to place. [m]"""


@dataclass(frozen=True, slots=True)
class HospitalTable:
    """Hospitals that tell of their doors, one row a hospital: ``layout.tables["hospitals"]``."""

    site: Annotated[I32, Column("1", low=0)]
    """Row of the layout's sites."""
    capability: Annotated[I32, Column("1", low=0)]
    """Bits of what it treats besides the ordinary."""
    bays: Annotated[I32, Column("1", low=0)]
    """Handovers at once; 0 where there is no bound."""
