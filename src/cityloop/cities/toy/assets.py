"""The toy: one junction, a southbound and an eastbound approach, and a crossing of the southbound road.

Two stages: southbound (0), and eastbound with the crossing (1).
"""

from __future__ import annotations

import re
from dataclasses import dataclass

import numpy as np

from cityloop.domains.signals.schema import (
    DOMAIN,
    Approaches,
    Controllers,
    Lamp,
    LinkKind,
    Links,
    Matrices,
    Movements,
    SignalAssets,
    Stages,
    Turn,
)
from cityloop.kernel.errors import ConfigError
from cityloop.kernel.layout import Edges, Junctions, Lanes, Layout, StreamKind, Streams

__all__ = ["CROSSING_LINK", "STAGES", "VEHICLE_LINKS", "ToyParams", "toy_assets", "toy_layout"]

VEHICLE_LINKS = (0, 1)
CROSSING_LINK = 2
STAGES = 2

_LAMPS = (
    (Lamp.PROTECTED, Lamp.RED, Lamp.RED),
    (Lamp.RED, Lamp.PROTECTED, Lamp.PROTECTED),
)
_AREA_KINDS = (StreamKind.OBJECT_COUNT, StreamKind.OBJECT_DISTANCE_M, StreamKind.OBJECT_SPEED_MPS)
_LOOP_KINDS = (
    StreamKind.STOP_LINE_COUNT,
    StreamKind.STOP_LINE_OCCUPANCY,
    StreamKind.ADVANCE_COUNT,
    StreamKind.ADVANCE_OCCUPANCY,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class ToyParams:
    """Demand, plan and sensing of the toy."""

    headway_s: tuple[float, float] = (6.0, 8.0)
    """Between two vehicles that reach the free stop line, by approach. [s]"""

    person_headway_s: float = 45.0
    """Between two people who reach the crossing. [s]"""

    saturation_headway_s: float = 2.0
    """Between two vehicles that leave a queue. [s]"""

    green_s: tuple[float, float] = (25.0, 20.0)
    """Greens of the own plan, by stage. [s]"""

    min_green_s: tuple[float, float] = (5.0, 7.0)
    """Least green of a stage; the second one holds the Walk. [s]"""

    yellow_s: float = 3.0
    all_red_s: float = 1.0
    clearance_s: float = 8.0
    """Time to walk the whole crossing. [s]"""

    speed_mps: float = 13.9
    zone_m: float = 150.0
    spacing_m: float = 7.5
    """Between two fronts in a standing queue. [m]"""

    sensing: str = "area:150"
    """``area:<metres>`` or ``loops``."""

    begin_s: float = 0.0
    end_s: float = 600.0

    def __post_init__(self) -> None:
        for name in ("person_headway_s", "saturation_headway_s", "speed_mps", "zone_m", "spacing_m"):
            _require_positive(name, getattr(self, name))
        for name in ("headway_s", "green_s", "min_green_s"):
            for value in getattr(self, name):
                _require_positive(name, value)
        if self.end_s <= self.begin_s:
            raise ConfigError(f"Toy city: end_s {self.end_s:g} is not after begin_s {self.begin_s:g}.")
        if self.sensing != "loops" and not re.fullmatch(r"area:\d+(\.\d+)?", self.sensing):
            raise ConfigError(f"Toy city: sensing {self.sensing!r}; give 'loops' or 'area:<metres>'.")

    def intergreen_s(self, from_stage: int, to_stage: int) -> float:
        """Return the time from the end of one stage to the green of another."""
        if from_stage == to_stage:
            return 0.0
        change_s = self.yellow_s + self.all_red_s
        return max(change_s, self.clearance_s) if from_stage == 1 else change_s

    def loops(self) -> bool:
        """Tell whether the toy senses with loops."""
        return self.sensing == "loops"


def toy_layout(params: ToyParams) -> Layout:
    """Return the toy's layout."""
    kinds: list[int] = []
    rows: list[int] = []
    for approach in VEHICLE_LINKS:
        for kind in _LOOP_KINDS if params.loops() else _AREA_KINDS:
            kinds.append(kind)
            rows.append(approach)
    kinds += [StreamKind.STAGE_SHOWN, StreamKind.CONTROL_MODE, StreamKind.CROSSING_CALL]
    rows += [0, 0, CROSSING_LINK]
    starts_x, starts_y = np.array([0.0, -500.0, 0.0, 0.0]), np.array([500.0, 0.0, 0.0, 0.0])
    exits_x, exits_y = np.array([0.0, 0.0, 0.0, 500.0]), np.array([0.0, 0.0, -500.0, 0.0])
    length_m, speed_mps = np.full(4, 500.0), np.full(4, params.speed_mps)
    assets = toy_assets(params)
    return Layout(
        version=f"toy 1 {params!r}",
        junctions=Junctions(np.zeros(1), np.zeros(1)),
        edges=Edges(length_m, speed_mps, starts_x, starts_y, exits_x, exits_y),
        lanes=Lanes(np.arange(4, dtype=np.int32), length_m.copy(), speed_mps.copy()),
        approaches=assets.approaches,
        movements=assets.movements,
        streams=Streams(np.array(kinds, np.int32), np.array(rows, np.int32)),
        tables={DOMAIN: assets},
        names={
            "junctions": ("toy",),
            "edges": ("from_north", "from_west", "to_south", "to_east"),
            "lanes": ("from_north_0", "from_west_0", "to_south_0", "to_east_0"),
        },
    )


def toy_assets(params: ToyParams) -> SignalAssets:
    """Return the signal tables of the toy's one junction."""
    foe = np.array([[0, 1, 1], [1, 0, 0], [1, 0, 0]], np.bool_)
    intergreen_s = [params.intergreen_s(a, b) for a in range(STAGES) for b in range(STAGES)]
    return SignalAssets(
        controllers=Controllers(
            link_begin=_i32(0),
            link_end=_i32(3),
            stage_begin=_i32(0),
            stage_end=_i32(STAGES),
            approach_begin=_i32(0),
            approach_end=_i32(2),
            matrix_begin=_i32(0),
            lamps_begin=_i32(0),
            intergreen_begin=_i32(0),
            all_red_s=np.array([params.all_red_s]),
        ),
        links=Links(
            junction=_i32(0, 0, 0),
            kind=_i32(LinkKind.VEHICLE, LinkKind.VEHICLE, LinkKind.CROSSING),
            approach=_i32(0, 1, -1),
            turn=_i32(Turn.STRAIGHT, Turn.STRAIGHT, Turn.NONE),
            yellow_s=np.array([params.yellow_s, params.yellow_s, 0.0]),
            length_m=np.array([15.0, 15.0, params.clearance_s]),
            clearance_s=np.array([0.0, 0.0, params.clearance_s]),
            own_red_s=np.zeros(3),
            own_wait_s=np.zeros(3),
            next_group=_i32(-1, -1, -1),
            next_distance_m=np.zeros(3),
        ),
        stages=Stages(junction=_i32(0, 0), service=np.ones(STAGES, np.bool_), min_green_s=np.array(params.min_green_s)),
        approaches=Approaches(
            junction=_i32(0, 0),
            lane=_i32(0, 1),
            group=_i32(0, 1),
            speed_limit_mps=np.full(2, params.speed_mps),
            zone_m=np.full(2, params.zone_m),
            blind_m=np.zeros(2),
            own_m=np.full(2, params.zone_m),
            owner=_i32(0, 1),
            feeders=_i32(0, 0),
            movement_begin=_i32(0, 1),
            movement_end=_i32(1, 2),
        ),
        movements=Movements(
            approach=_i32(0, 1),
            link=_i32(*VEHICLE_LINKS),
            turn=_i32(Turn.STRAIGHT, Turn.STRAIGHT),
            next_group=_i32(-1, -1),
            next_distance_m=np.zeros(2),
            speed_mps=np.full(2, params.speed_mps),
        ),
        matrices=Matrices(
            foe=foe.ravel(),
            yields=np.zeros(9, np.bool_),
            shipped_together=~foe.ravel() & ~np.eye(3, dtype=np.bool_).ravel(),
        ),
        lamps=np.array(_LAMPS, np.uint8).ravel(),
        intergreen_s=np.array(intergreen_s),
        sensing=params.sensing,
    )


def _i32(*values: int) -> np.ndarray[tuple[int], np.dtype[np.int32]]:
    return np.array(values, np.int32)


def _require_positive(name: str, value: float) -> None:
    if not value > 0:
        raise ConfigError(f"Toy city: {name} is {value:g}; give a value above 0.")
