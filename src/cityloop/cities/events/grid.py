"""A made-up city on a square grid: for tests, and to try the emergency policies without data of anybody."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from cityloop.cities.events.case import CallModel, Distribution, EmergencyCase, Family, Roads, Sites, snap
from cityloop.kernel.columns import F64
from cityloop.methods.routing import RoadGraph

__all__ = ["GridSpec", "grid_case"]


@dataclass(frozen=True, slots=True)
class GridSpec:
    """A grid of two-way streets with the people in its middle."""

    columns: int = 15
    rows: int = 15
    spacing_m: float = 500.0
    stations: int = 4
    units: int = 6
    calls_per_day: float = 60.0
    siren_mps: float = 12.5
    ordinary_mps: float = 8.5

    def __post_init__(self) -> None:
        """Refuse a grid that is none."""
        if min(self.columns, self.rows) < 2 or min(self.stations, self.units) < 1:
            raise ValueError(f"A grid needs 2 x 2 nodes, a station and a unit, not {self}.")


def grid_case(spec: GridSpec) -> EmergencyCase:
    """Return the city of a grid: stations on a diagonal, one hospital off the middle, calls dense in the middle."""
    at = np.arange(spec.columns * spec.rows)
    x_m, y_m = (at % spec.columns) * spec.spacing_m, (at // spec.columns) * spec.spacing_m
    east, north = at[at % spec.columns < spec.columns - 1], at[at // spec.columns < spec.rows - 1]
    one = np.concatenate((east, north))
    other = np.concatenate((east + 1, north + spec.columns))
    tail, head = np.concatenate((one, other)), np.concatenate((other, one))
    length_m = np.full(len(tail), spec.spacing_m)
    graph, _ = RoadGraph.from_arcs(
        x_m.astype(np.float64), y_m.astype(np.float64), tail.astype(np.int32), head.astype(np.int32), length_m
    )
    times = tuple(np.rint(graph.length_m / v * 1000).astype(np.int32) for v in (spec.siren_mps, spec.ordinary_mps))
    roads = Roads(graph, (times[0], times[1]), (spec.siren_mps, spec.ordinary_mps), np.ones(len(at), np.bool_))
    width_m, height_m = (spec.columns - 1) * spec.spacing_m, (spec.rows - 1) * spec.spacing_m
    along = (np.arange(spec.stations) + 0.5) / spec.stations
    cell_x, cell_y = (axis.ravel() for axis in np.meshgrid(*(np.arange(n - 1.0) for n in (spec.columns, spec.rows))))
    from_middle = np.hypot(cell_x - spec.columns / 2, cell_y - spec.rows / 2) / max(spec.columns, spec.rows)
    calls = CallModel(
        per_day=spec.calls_per_day,
        priority_share=np.array([0.6, 0.4]),
        call_taking=Distribution(Family.CONSTANT, 40.0),
        on_scene=Distribution(Family.EXPONENTIAL, 720.0),
        transport_share=0.75,
        handover=Distribution(Family.WEIBULL, 1500.0, 2.5),
        cell_x_m=cell_x * spec.spacing_m,
        cell_y_m=cell_y * spec.spacing_m,
        cell_weight=np.exp(-3.0 * from_middle),
        cell_width_m=np.full(len(cell_x), spec.spacing_m),
        cell_height_m=spec.spacing_m,
    )
    return EmergencyCase(
        name="grid",
        roads=roads,
        stations=_sites(roads, "Station", along * width_m, along * height_m),
        hospitals=_sites(roads, "Hospital", np.array([0.4 * width_m]), np.array([0.6 * height_m])),
        unit_name=tuple(f"A{u + 1}" for u in range(spec.units)),
        unit_station=(np.arange(spec.units) % spec.stations).astype(np.int32),
        calls=calls,
        response_mode=np.array([0, 1], np.int32),
    )


def _sites(roads: Roads, word: str, x_m: F64, y_m: F64) -> Sites:
    node, offroad_m = snap(roads, x_m, y_m)
    return Sites(tuple(f"{word} {k + 1}" for k in range(len(node))), x_m, y_m, node, offroad_m)
