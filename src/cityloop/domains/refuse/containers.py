"""Containers on the street: why and by which rules they are emptied, and what is published of them."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from typing import Annotated

from cityloop.domains.refuse.schema import Containers, ContainersTable, EmptyToday
from cityloop.kernel.columns import F64, I64, Column

__all__ = ["RULES", "Containers", "ContainersTable", "ContainersView", "EmptyToday", "Reason", "Rule"]


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
    """Why the guard refuses to have a container emptied."""

    NO_SUCH_CONTAINER = 1
    NOT_A_WORKED_DAY = 2
    NOT_TODAY = 3
    ALREADY_ASKED = 4
    NO_SUCH_ROUND = 5
    OLD_PLAN = 6
    NO_SUCH_TRUCK = 7
    BROKEN_DOWN = 8
    ALREADY_EMPTIED = 9


RULES = {
    Rule.NO_SUCH_CONTAINER: "there is no container of this number",
    Rule.NOT_A_WORKED_DAY: "crews do not drive on this weekday",
    Rule.NOT_TODAY: "a container is asked for on the day itself only",
    Rule.ALREADY_ASKED: "the container was asked for today already",
    Rule.NO_SUCH_ROUND: "the depot has not opened this round",
    Rule.OLD_PLAN: "another plan is in force",
    Rule.NO_SUCH_TRUCK: "there is no truck of this number",
    Rule.BROKEN_DOWN: "the truck has broken down",
    Rule.ALREADY_EMPTIED: "a container on the way was emptied already",
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
