"""What an emergency city is made of: roads with two travel modes, sites, units, and how its calls come about."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum

import numpy as np

from cityloop.kernel.columns import BOOL, F64, I32
from cityloop.methods.routing import RoadGraph

__all__ = ["CallModel", "Distribution", "EmergencyCase", "Family", "Roads", "Sites", "snap"]


class Family(IntEnum):
    """Families of duration distributions that a call model may name."""

    CONSTANT = 0
    EXPONENTIAL = 1
    NORMAL = 2
    WEIBULL = 3


@dataclass(frozen=True, slots=True)
class Distribution:
    """A distribution of a duration."""

    family: Family
    first_s: float
    """Mean of a constant, exponential or normal, scale of a Weibull. [s]"""
    second: float = 0.0
    """Standard deviation of a normal [s], shape of a Weibull [1]."""

    def draw_s(self, rng: np.random.Generator, count: int) -> F64:
        """Return ``count`` durations, none below zero. [s]"""
        match self.family:
            case Family.CONSTANT:
                return np.full(count, self.first_s)
            case Family.EXPONENTIAL:
                return rng.exponential(self.first_s, count)
            case Family.NORMAL:
                return np.maximum(rng.normal(self.first_s, self.second, count), 0.0)
            case Family.WEIBULL:
                return self.first_s * rng.weibull(self.second, count)


@dataclass(frozen=True, slots=True)
class CallModel:
    """How calls come about: Poisson in time, by density in space."""

    per_day: float
    priority_share: F64
    """Share of priorities 1, 2, 3, ...; sums to 1."""
    call_taking: Distribution
    """From the call's arrival to the earliest dispatch: the city's dispatch delay."""
    on_scene: Distribution
    transport_share: float
    handover: Distribution
    cell_x_m: F64
    cell_y_m: F64
    """South-west corner of every cell that may hold calls."""
    cell_weight: F64
    cell_width_m: F64
    cell_height_m: float


@dataclass(frozen=True, slots=True)
class Roads:
    """A road graph with the times of each travel mode."""

    graph: RoadGraph
    arc_ms: tuple[I32, I32]
    """Of lights and siren, and of ordinary driving. [ms]"""
    offroad_mps: tuple[float, float]
    """Speed between a place and its node, by mode. [m/s]"""
    access: BOOL
    """Nodes at which a place may join the roads; all in the part that every node reaches."""


@dataclass(frozen=True, slots=True)
class Sites:
    """Stations or hospitals."""

    name: tuple[str, ...]
    x_m: F64
    y_m: F64
    node: I32
    offroad_m: F64


@dataclass(frozen=True, slots=True)
class EmergencyCase:
    """A city that calls ambulances, as shipped."""

    name: str
    roads: Roads
    stations: Sites
    hospitals: Sites
    unit_name: tuple[str, ...]
    unit_station: I32
    """Home station of every unit, as shipped."""
    calls: CallModel
    response_mode: I32
    """Travel mode of the response to priorities 1, 2, 3, ...: 0 lights and siren, 1 ordinary."""
    high_until: int = 1
    """Priorities up to this one are high. """
    unit_capability: I32 | None = None
    """Bits of what each unit can do; nothing where all can do what calls ask."""


def snap(roads: Roads, x_m: F64, y_m: F64) -> tuple[I32, F64]:
    """Return the nearest node of access of every place, and the distance to it [m]."""
    # Imported here: it costs a quarter of a second, and a reader of arguments needs it not.
    from scipy.spatial import cKDTree

    nodes = np.flatnonzero(roads.access)
    tree = cKDTree(np.column_stack((roads.graph.x_m[nodes], roads.graph.y_m[nodes])))
    distance_m, at = tree.query(np.column_stack((x_m, y_m)))
    return nodes[at].astype(np.int32), np.asarray(distance_m, np.float64)
