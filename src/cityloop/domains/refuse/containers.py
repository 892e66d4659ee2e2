"""Containers on the street: their table, what may be asked of a crew, and what is published."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from typing import Annotated

from cityloop.kernel.columns import F64, I32, I64, Column
from cityloop.kernel.messages import Action

__all__ = ["RULES", "Containers", "ContainersTable", "ContainersView", "EmptyToday", "Reason", "Rule"]


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


class EmptyToday(Action, frozen=True):
    """Ask the crews to empty a container on this local day."""

    day: int
    """Days since 1970-01-01 in local time."""


class Reason(IntEnum):
    """Why a container is to be emptied today."""

    RISK = 1
    """Waiting for a later day would cost more in expected overflow than is saved."""
    NEAR = 2
    """It is on the way, and coming later would cost more driving."""


class Rule(IntEnum):
    """Why the guard refuses to have a container emptied."""

    NO_SUCH_CONTAINER = 1
    NOT_A_WORKED_DAY = 2
    NOT_TODAY = 3
    ALREADY_ASKED = 4


RULES = {
    Rule.NO_SUCH_CONTAINER: "there is no container of this number",
    Rule.NOT_A_WORKED_DAY: "crews do not drive on this weekday",
    Rule.NOT_TODAY: "a container is asked for on the day itself only",
    Rule.ALREADY_ASKED: "the container was asked for today already",
}


@dataclass(frozen=True, slots=True)
class ContainersView:
    """What the domain publishes, one row a container."""

    fill_frac: Annotated[F64, Column("1", low=0, high=2)]
    """Expected fill."""
    full_tomorrow_prob: Annotated[F64, Column("1", low=0, high=1)]
    """Probability of being full within 24 hours."""
    sensor_faulty_prob: Annotated[F64, Column("1", low=0, high=1, missing=True)]
    """Probability that its level sensor does not work; missing where it has none."""
    asked_day: Annotated[I64, Column("d")]
    """Local day for which it was last asked to be emptied, -1 for never."""
