"""Signals: assets, columns, units, ranges, actions and views.

A junction's links, stages and approaches are rows of shared tables; a junction's own rows are contiguous
(``*_begin`` to ``*_end``). A link is one signal index of the field controller: a vehicle movement or a crossing.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import IntEnum
from typing import Annotated

import msgspec
import numpy as np

from cityloop.kernel.columns import BOOL, F64, I32, I64, U8, Column
from cityloop.kernel.layout import Approaches, Movements, Turn
from cityloop.kernel.messages import Action

__all__ = [
    "DOMAIN",
    "Approaches",
    "Controllers",
    "FollowPlan",
    "Lamp",
    "LinkKind",
    "Links",
    "Matrices",
    "Movements",
    "Plan",
    "PlanStage",
    "Reason",
    "Rule",
    "ShowStage",
    "SignalAssets",
    "SignalView",
    "Stages",
    "Turn",
]

DOMAIN = "signals"


class LinkKind(IntEnum):
    """Who uses a link."""

    VEHICLE = 0
    CROSSING = 1
    RAIL = 2
    """A tram or train movement: has vehicle aspects, carries many people."""


class Lamp(IntEnum):
    """What a link is shown in a stage."""

    RED = 0
    PERMISSIVE = 1
    """Green, but yields to conflicting streams (SUMO's ``g``)."""
    PROTECTED = 2
    """Green with right of way (``G``)."""
    STOP = 3
    """Red, may turn after a full stop (``s``)."""


class ShowStage(Action, frozen=True, array_like=True, gc=False):
    """Ask a field controller for one of its own stages; it keeps its minimums and intergreens."""

    stage: int
    """Local number in the junction's stage table."""


class FollowPlan(Action, frozen=True, array_like=True, gc=False):
    """Ask for stages in turn: an operator's manual plan."""

    stages: tuple[tuple[int, float], ...]
    """Local stage and its green [s], shown in this order over and over; intergreens are the controller's."""


class Reason(IntEnum):
    """Why a policy proposes what it proposes."""

    KEEP_LEAST_DELAY = 1
    """Keeping the stage has the least expected delay."""
    CHANGE_LEAST_DELAY = 2
    """Changing now has the least expected delay."""
    KEEP_MINIMUM_GREEN = 3
    """The stage has not yet shown its minimum green."""
    CHANGE_WAIT_BOUND = 4
    """Somebody would wait past the longest red allowed."""
    KEEP_NO_DEMAND = 5
    """Nobody waits for another stage."""
    CHANGE_PRESSURE = 6
    """Another stage has the greater pressure."""
    KEEP_PRESSURE = 7
    """The stage shown has the greatest pressure."""
    CHANGE_IN_PROGRESS = 8
    """A change is under way; its target is confirmed."""
    CORRIDOR_CLEAR = 20
    """A unit with priority comes: its stage goes first, so that the queue before it is gone when it is there."""
    CORRIDOR_HOLD = 21
    """The stage shown is held for a unit with priority."""
    CORRIDOR_KEEP = 22
    """A change that could not be undone before a unit with priority arrives is not begun."""
    CORRIDOR_RAIL = 23
    """A tram or train goes before the unit with priority."""
    CORRIDOR_RECOVER = 24
    """The unit with priority is through: the exit stage that was stated goes next."""
    CORRIDOR_RELEASE = 25
    """The unit with priority stands in a green that must give way: it is ended, so that those before it can clear."""
    REQUEST_ADMITTED = 30
    """A request was found to be of a unit on its way to a call, on a route over this junction."""
    REQUEST_GRANTED = 31
    """The stage asked for is shown; drivers keep their duty of care."""
    REQUEST_WAITS = 32
    """A request is not served now, for the rule named."""
    REQUEST_REFUSED = 33
    """A request was refused, for the rule named."""
    REQUEST_ENDED = 34
    """A request was withdrawn or not renewed: the unit is through, or no longer comes this way."""
    OPERATOR_HOLD = 100
    """A person asked for the stage."""
    OPERATOR_PLAN = 101
    """A person's manual plan is due to show the stage."""


class Rule(IntEnum):
    """Rules of the guard."""

    UNKNOWN_STAGE = 1
    """The junction has no such stage."""
    NOT_SERVICE = 2
    """The stage is a clearance stage: it is passed through, never served."""
    CONFLICT = 3
    """The stage would show two protected greens to conflicting streams."""
    MINIMUM_GREEN = 4
    """The stage shown has not had its minimum green (or its Walk)."""
    INTERGREEN = 5
    """A change is under way and is finished first."""
    MAXIMUM_RED = 6
    """A movement would stay red past the bound; its stage goes first."""
    SENSING_DEAD = 7
    """Nothing trustworthy was heard from the junction's detectors; its own plan runs."""
    NO_REQUEST = 20
    """No admitted request asks for the stage: nobody gets a corridor that was not asked for."""
    HOLD_CAP = 21
    """The junction was held for one unit for as long as it may be; others go first for a while."""
    EXIT_FULL = 22
    """The street that the unit would leave by is full of standing vehicles: green would not move anybody."""
    NETWORK_FULL = 23
    """Too many of the approaches around are full: holds there would lock the network up."""
    OTHER_FIRST = 24
    """Another request at this junction has the greater priority, or came first."""
    FORGED_REQUEST = 25
    """The sender may not ask for priority, or gave another's name."""
    NO_INCIDENT = 26
    """The dispatcher has no unit on its way here to a call that the request names."""
    OFF_ROUTE = 27
    """The way asked for does not lead over this junction, or the unit is not on a way to it."""
    UNKNOWN_UNIT = 28
    """There is no such unit, or it is none of an emergency service."""
    POSITION_LOST = 29
    """The unit has not been located lately."""
    RATE_LIMIT = 30
    """The sender was refused too often, or asks for too much at once."""
    NOT_SERVED = 31
    """No stage of the junction gives the way asked for a green."""
    OUT_OF_SERVICE = 32
    """The junction is under repair or its detectors are silent: it runs its own plan."""
    NO_GAP = 33
    """The way asked for must give way to a stream that leaves no gap: holding its green would hold the unit up."""


@dataclass(frozen=True, slots=True)
class Controllers:
    """One row a signal-controlled junction, the same row as ``layout.junctions``."""

    link_begin: Annotated[I32, Column("1", low=0)]
    link_end: Annotated[I32, Column("1", low=0)]
    stage_begin: Annotated[I32, Column("1", low=0)]
    stage_end: Annotated[I32, Column("1", low=0)]
    approach_begin: Annotated[I32, Column("1", low=0)]
    approach_end: Annotated[I32, Column("1", low=0)]
    matrix_begin: Annotated[I32, Column("1", low=0)]
    """First entry of the junction's link-by-link matrices in ``Matrices`` (row-major)."""
    lamps_begin: Annotated[I32, Column("1", low=0)]
    """First entry of the junction's stage-by-link lamps in ``SignalAssets.lamps`` (row-major)."""
    intergreen_begin: Annotated[I32, Column("1", low=0)]
    """First entry of the junction's stage-by-stage intergreens in ``SignalAssets.intergreen_s`` (row-major)."""
    all_red_s: Annotated[F64, Column("s", low=0, high=10)]
    """Time between a yellow's end and the next green, as shipped (0 where none is shipped)."""


@dataclass(frozen=True, slots=True)
class Links:
    """One row a signal index of a controller, in the controller's order."""

    junction: Annotated[I32, Column("1", low=0)]
    kind: Annotated[I32, Column("1", low=0, high=2)]
    """A ``LinkKind``."""
    approach: Annotated[I32, Column("1", low=-1)]
    """Row of the approach lane it leaves, -1 for a crossing."""
    turn: Annotated[I32, Column("1", low=0, high=4)]
    """A ``Turn``."""
    yellow_s: Annotated[F64, Column("s", low=0, high=10)]
    """Yellow after the link's green, as shipped; 0 for a crossing."""
    length_m: Annotated[F64, Column("m", low=0)]
    """Path inside the junction, or length of the crossing."""
    clearance_s: Annotated[F64, Column("s", low=0, high=120)]
    """Crossings: time to walk the whole length after the Walk ends; 0 for vehicles."""
    own_red_s: Annotated[F64, Column("s", low=0)]
    """Crossings: longest red in the junction's own plan; 0 for vehicles and where the plan is not known."""
    own_wait_s: Annotated[F64, Column("s", low=0)]
    """Crossings: mean wait, in the own plan, of whoever comes at any time: its squared reds over twice its round."""
    next_group: Annotated[I32, Column("1", low=-1)]
    """Approach group (``Approaches.group``) of the next signal reached without another real junction, or -1."""
    next_distance_m: Annotated[F64, Column("m", low=0)]
    """From this stop line to the stop line of ``next_group``; 0 where there is none."""


@dataclass(frozen=True, slots=True)
class Stages:
    """One row a green stage of the shipped program, in shipped order, each distinct lamp image once."""

    junction: Annotated[I32, Column("1", low=0)]
    service: Annotated[BOOL, Column("1")]
    """Whether the stage may be served; a clearance stage is only ever passed through."""
    min_green_s: Annotated[F64, Column("s", low=1, high=120)]
    """Least green: 5 s, or the Walk where a crossing walks."""


@dataclass(frozen=True, slots=True)
class Matrices:
    """Junction after junction, link by link, row-major."""

    foe: Annotated[BOOL, Column("1", per="pair")]
    """The two links' paths cross (symmetric), from the network's right-of-way data."""
    yields: Annotated[BOOL, Column("1", per="pair")]
    """The row's link must give way to the column's when both may go."""
    shipped_together: Annotated[BOOL, Column("1", per="pair")]
    """A shipped green stage itself shows both as protected green: listed, not assumed."""


@dataclass(frozen=True, slots=True)
class SignalAssets:
    """Everything about signals that does not change while the city runs: ``layout.tables["signals"]``."""

    controllers: Controllers
    links: Links
    stages: Stages
    approaches: Approaches
    movements: Movements
    matrices: Matrices
    lamps: Annotated[U8, Column("1", low=0, high=3, per="lamp")]
    """A ``Lamp`` for each stage and link of a junction, row-major, junction after junction."""
    intergreen_s: Annotated[F64, Column("s", low=0, high=120, per="change")]
    """From leaving the row's stage to the first green of the column's: yellow, all-red, crossing clearance."""

    sensing: str
    """The sensing level that the city offers (``area:150``, ``loops``, ...)."""


class PlanStage(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One stage of a fixed plan."""

    stage: int
    """Local stage number."""
    green_s: float
    """Fixed plans: the green shown. Actuated: the longest green."""
    min_green_s: float = 5.0
    gap_s: float = 0.0
    """Actuated plans: the gap that ends the green. 0 for fixed."""


class Plan(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """A junction's program in stage terms; intergreens are the controller's and not part of it."""

    junction: str
    """External name: plans are files, and files outlive row numbers."""
    stages: tuple[PlanStage, ...]
    offset_s: float = 0.0
    actuated: bool = False


_NOBODY, _NO_STATUS = np.zeros(0, np.int32), np.zeros(0, np.uint8)


def _nobody() -> I32:
    return _NOBODY


def _no_status() -> U8:
    return _NO_STATUS


@dataclass(slots=True)
class SignalView:
    """What the signals domain publishes, never changed thereafter. One row a junction unless said otherwise."""

    stage: Annotated[I32, Column("1", low=-1)]
    """Local stage shown, -1 during an intergreen."""
    green_since_ms: Annotated[I64, Column("ms")]
    longest_red_s: Annotated[F64, Column("s", low=0)]
    """Longest current red of any link."""
    sensing_dead: Annotated[BOOL, Column("1")]
    lamp: Annotated[U8, Column("1", low=0, high=3, per="link")]
    """A ``Lamp`` for each link: what it is shown, a yellow still counted as its green for the first 2 s."""
    corridor_unit: Annotated[I32, Column("1", low=-1)] = field(default_factory=_nobody)
    """Row of the unit whose request goes first at the junction, -1 for none; empty where the city has no units."""
    corridor_status: Annotated[U8, Column("1", low=0, high=7)] = field(default_factory=_no_status)
    """A ``RequestStatus`` of that request."""
    corridor_exit: Annotated[I32, Column("1", low=-1)] = field(default_factory=_nobody)
    """Local stage that goes next once the unit is through, -1 for none."""
