"""Traffic: what is known of vehicles on the approaches, and what others may see of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from cityloop.kernel.columns import F64, I32, I64, Column

__all__ = ["DOMAIN", "MAX_OBJECTS", "PIPELINE_S", "TrafficView"]

DOMAIN = "traffic"

MAX_OBJECTS = 48
"""Vehicles kept of one scan of one approach lane: a 300 m queue."""

PIPELINE_S = 64
"""How far ahead arrivals from upstream signals are kept. [s]"""


@dataclass(slots=True)
class TrafficView:
    """What the traffic domain publishes, never changed thereafter. One row an approach lane unless said otherwise."""

    distance_m: Annotated[F64, Column("m", low=0, per="object", missing=True)]
    """Objects of the last scan, nearest first, shape (n_approaches, MAX_OBJECTS); NaN beyond ``count_veh``."""
    speed_mps: Annotated[F64, Column("m/s", low=0, per="object", missing=True)]
    count_veh: Annotated[I32, Column("veh", low=0)]
    seen_at_ms: Annotated[I64, Column("ms")]
    """When the lane's detector last reported."""
    left_veh: Annotated[I64, Column("veh", low=0)]
    """Vehicles that have crossed the stop line since the start."""
    flow_vps: Annotated[F64, Column("veh/s", low=0)]
    """Arrival rate."""
    share: Annotated[F64, Column("1", low=0, high=1, per="movement")]
    """Share of the lane's vehicles that take a movement, one a movement row."""
    head_odds: Annotated[F64, Column("1", low=0, high=1, per="movement")]
    """Whether the vehicle standing first still seems to want the movement: 1 when nothing speaks against it, near 0
    when it has stood through the movement's green."""
    coming_veh: Annotated[F64, Column("veh", low=0, per="group second")]
    """Expected arrivals at the stop lines of an approach group by second ahead, shape (n_groups, PIPELINE_S)."""
    headway_s: Annotated[F64, Column("s", low=0)]
    """Learned saturation headway of the lane."""
    released: Annotated[I32, Column("veh", low=0)]
    """Vehicles that crossed the stop line in the last step."""
    hidden_veh: Annotated[F64, Column("veh", low=0)]
    """Expected vehicles standing beyond a zone that the queue has filled."""
