"""The city's assets: one table a kind, a row number is the asset's identity.

External names live beside the tables for adapters and reports; nothing that decides reads them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import IntEnum
from typing import Annotated, Any

from cityloop.kernel.columns import BOOL, F64, I32, Column

__all__ = [
    "Approaches",
    "Edges",
    "Junctions",
    "Lanes",
    "Layout",
    "Movements",
    "Passages",
    "StreamKind",
    "Streams",
    "Turn",
    "UnitKind",
    "Units",
]


class StreamKind(IntEnum):
    """What a stream measures, and of which table its ``asset`` is a row."""

    OBJECT_DISTANCE_M = 1
    """Area detector on a signal approach lane: an object's distance to the stop line [m], one reading an object."""
    OBJECT_SPEED_MPS = 2
    """The same scan's speeds [m/s], in the same order."""
    OBJECT_COUNT = 3
    """Objects in the scan [veh]; 0 is an empty lane, silence is a dead detector."""
    STOP_LINE_COUNT = 4
    """Vehicles that left the stop-line loop since the last reading [veh]."""
    STOP_LINE_OCCUPANCY = 5
    """Share of the interval the stop-line loop was covered [1]."""
    ADVANCE_COUNT = 6
    """Vehicles that left the advance loop since the last reading [veh]."""
    ADVANCE_OCCUPANCY = 7
    """Share of the interval the advance loop was covered [1]."""
    STAGE_SHOWN = 8
    """Field controller of a junction: local number of the stage it shows, -1 during an intergreen."""
    CONTROL_MODE = 9
    """Field controller of a junction: 0 own plan, 1 leased, 2 handing back."""
    CROSSING_CALL = 10
    """Push button or kerb detector of a crossing link: 1 while somebody waits."""
    FILL_FRAC = 11
    """Level sensor of a refuse container: share of its capacity that is filled [1]."""
    COLLECTED_FRAC = 12
    """A refuse container was emptied: what the truck's scale found, as a share of capacity [1]; NaN without a scale."""
    UNIT_X_M = 20
    """Automatic vehicle location of a unit: where it is, east [m]. The six readings of one report share an instant."""
    UNIT_Y_M = 21
    """The same report: where it is, north [m]."""
    UNIT_SPEED_MPS = 22
    """The same report: how fast it drives [m/s]."""
    UNIT_HEADING_DEG = 23
    """The same report: where it heads, clockwise from north [deg]."""
    UNIT_EDGE = 24
    """The same report: row of the edge that its own navigation has it on, the last one while it crosses a junction; -1
    off every edge."""
    UNIT_EDGE_M = 25
    """The same report: how far it is from the edge's beginning [m], past its end while it crosses a junction."""
    CROSSING_OCCUPIED = 26
    """Detector over a crossing link: 1 while somebody on foot is on it."""
    CALL_COUNT = 30
    """Dispatch centre: how many calls it has open; the calls themselves follow in the kinds below, in one order [1]."""
    CALL_NUMBER = 31
    """The dispatch centre's own number of a call [1]."""
    CALL_PRIORITY = 32
    """As triaged outside, 1 the highest [1]."""
    CALL_DETERMINANT = 33
    """What was triaged: a row of the layout's names of determinants [1]."""
    CALL_X_M = 34
    """Where the call is [m]."""
    CALL_Y_M = 35
    CALL_WAITED_S = 36
    """How long ago the call was answered [s]."""
    CALL_UNIT = 37
    """Unit that the dispatch centre has written down for the call, -1 for none [1]."""
    CALL_EDGE = 38
    """Row of the edge that the dispatch centre's gazetteer has the call on, -1 when it knows none [1]."""
    CALL_EDGE_M = 39
    """How far along that edge [m]."""
    CALL_STATUS = 41
    """How far the call has come by the dispatch centre's clocks, as the emergency domain numbers it [1]."""
    UNIT_STATUS = 42
    """What an emergency unit's crew has keyed in, as the emergency domain numbers it [1]."""
    UNIT_CALL = 43
    """Number of the call that a unit serves, -1 for none [1]."""
    UNIT_SITE = 44
    """Site at which a unit stands or to which it drives, -1 for none [1]."""
    ROUND_OPEN = 45
    """Depot: number of the round whose crews have checked in, -1 when none has [1]."""
    TRUCK_STATUS = 46
    """What a refuse truck's crew has keyed in, as the refuse domain numbers it [1]."""
    TRUCK_LOAD_KG = 47
    """What a refuse truck's scale has on board [kg]."""
    TRUCK_NEXT = 48
    """Container that a truck drives to or empties; -1 the tip, -2 the depot, -3 nothing [1]."""
    PLAN_VERSION = 49
    """Planner: a plan that it hands over, a hundred times the round plus its number; its visits follow below [1]."""
    PLAN_VISIT = 50
    """A visit of a truck's plan, in order: a container, -1 the tip, -2 the depot [1]."""
    PLAN_IN_S = 51
    """How long after this reading that visit is planned [s]."""
    PLAN_MOVED = 52
    """A container that the plan moves to another truck: 1 from one that drives on, 2 from one that does not [1]."""
    PLAN_LEFT_OUT = 53
    """A container asked for that no truck can serve in this round [1]."""
    HOSPITAL_OPEN = 54
    """A hospital's own declaration, by row of the sites: 1 while it takes patients, 0 while it is closed to new."""
    HOSPITAL_DIVERTING = 55
    """Likewise: 1 while it asks to be passed by where another can treat the patient as well."""
    UNIT_NEEDS = 56
    """What the patient aboard needs of a hospital, by the crew's word: bits of what hospitals treat, 0 the ordinary."""


@dataclass(frozen=True, slots=True)
class Junctions:
    """Signal-controlled junctions."""

    x_m: Annotated[F64, Column("m")]
    y_m: Annotated[F64, Column("m")]


@dataclass(frozen=True, slots=True)
class Edges:
    """Directed road sections between two nodes."""

    length_m: Annotated[F64, Column("m", low=0)]
    speed_limit_mps: Annotated[F64, Column("m/s", low=0)]
    x0_m: Annotated[F64, Column("m")]
    y0_m: Annotated[F64, Column("m")]
    x1_m: Annotated[F64, Column("m")]
    y1_m: Annotated[F64, Column("m")]


@dataclass(frozen=True, slots=True)
class Lanes:
    """Lanes of edges."""

    edge: Annotated[I32, Column("1", low=0)]
    length_m: Annotated[F64, Column("m", low=0)]
    speed_limit_mps: Annotated[F64, Column("m/s", low=0)]


class Turn(IntEnum):
    """Direction of a movement, seen by its driver."""

    STRAIGHT = 0
    LEFT = 1
    RIGHT = 2
    TURNAROUND = 3
    NONE = 4


@dataclass(frozen=True, slots=True)
class Approaches:
    """One row a lane that ends at a signal, with the reach of its detection zone."""

    junction: Annotated[I32, Column("1", low=0)]
    lane: Annotated[I32, Column("1", low=0)]
    """Row of ``layout.lanes`` at the stop line."""
    group: Annotated[I32, Column("1", low=0)]
    """Lanes of one incoming edge share a group; numbered over the whole city."""
    speed_limit_mps: Annotated[F64, Column("m/s", low=0)]
    zone_m: Annotated[F64, Column("m", low=0)]
    """How far upstream the lane can be followed through joints where no other traffic enters, up to the next real
    junction. A detection zone reaches no farther, whatever its nominal length."""
    blind_m: Annotated[F64, Column("m", low=0)]
    """Way across the real junction at which the zone ends: whoever queues beyond it is seen only after that way."""
    own_m: Annotated[F64, Column("m", low=0)]
    """Up to here the zone is the lane's alone; beyond, its upstream lane also leads to other approach lanes."""
    owner: Annotated[I32, Column("1", low=0)]
    """Approach row in whose zone traffic for this lane is seen beyond ``own_m`` (its own row unless another's)."""
    feeders: Annotated[I32, Column("1", low=0)]
    """Number of signal links upstream that lead into the lane's group."""
    movement_begin: Annotated[I32, Column("1", low=0)]
    movement_end: Annotated[I32, Column("1", low=0)]


@dataclass(frozen=True, slots=True)
class Movements:
    """One row a way over the stop line: an approach lane and the signal link it takes. Contiguous by approach."""

    approach: Annotated[I32, Column("1", low=0)]
    link: Annotated[I32, Column("1", low=0)]
    """Signal link taken: a row of the signals domain's links."""
    turn: Annotated[I32, Column("1", low=0, high=4)]
    """A ``Turn``."""
    next_group: Annotated[I32, Column("1", low=-1)]
    """Approach group of the next signal reached without another real junction, or -1."""
    next_distance_m: Annotated[F64, Column("m", low=0)]
    speed_mps: Annotated[F64, Column("m/s", low=0)]
    """Speed at which the path inside the junction is driven freely."""


class UnitKind(IntEnum):
    """What a unit is for."""

    AMBULANCE = 0
    FIRE_ENGINE = 1
    REFUSE_TRUCK = 2


@dataclass(frozen=True, slots=True)
class Units:
    """Vehicles of the city's own services, by the names in ``names["units"]``: ``layout.tables["units"]``."""

    kind: Annotated[I32, Column("1", low=0, high=2)]
    """A ``UnitKind``."""


@dataclass(frozen=True, slots=True)
class Passages:
    """One row a way from an edge into the next, as the city's services may drive: ``layout.tables["passages"]``."""

    from_edge: Annotated[I32, Column("1", low=0)]
    to_edge: Annotated[I32, Column("1", low=0)]
    link: Annotated[I32, Column("1", low=-1)]
    """Signal link passed, a row of the signals domain's links; -1 where there is no signal. Ways from several lanes
    that have links of their own are several rows."""
    length_m: Annotated[F64, Column("m", low=0)]
    """Path inside the junction."""
    lorry: Annotated[BOOL, Column("1")]
    """Whether a lorry may drive it too; an emergency vehicle may drive every row."""


@dataclass(frozen=True, slots=True)
class Streams:
    """Every stream the city may report."""

    kind: Annotated[I32, Column("1", low=1)]
    """A ``StreamKind``."""

    asset: Annotated[I32, Column("1", low=0)]
    """Row in the table that the kind names."""


@dataclass(frozen=True, slots=True)
class Layout:
    """A version of the city's assets."""

    version: str
    """Digest of what the layout was read from."""

    junctions: Junctions
    edges: Edges
    lanes: Lanes
    approaches: Approaches
    movements: Movements
    streams: Streams

    tables: Mapping[str, Any] = field(default_factory=dict)
    """A domain's own asset tables, by domain name; typed by the domain's ``schema``."""

    names: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """External names by table (``junctions``, ``edges``, ``lanes``): for adapters and reports only."""
