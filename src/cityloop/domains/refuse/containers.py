"""Containers on the street: what is published of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from cityloop.domains.refuse.schema import Containers, ContainersTable, EmptyToday, Reason, Rule
from cityloop.kernel.columns import F64, I64, Column

__all__ = ["Containers", "ContainersTable", "ContainersView", "EmptyToday", "Reason", "Rule"]


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
