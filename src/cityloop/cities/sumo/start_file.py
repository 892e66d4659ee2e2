"""How a twin begins in the middle of things: vehicles, walkers, stages and services as they stand at one instant.

Two things go in: what a brain believes of the city as it stands (``Estimate``, by names, so that a live city's rows
need not be the twin's), and a twin that was driven up to the same hour (``Snapshot``), which gives what nobody sees.
What comes out is a ``StartFile``, from which any number of runs begin alike.
"""

from __future__ import annotations

from pathlib import Path
from typing import TypeVar

import msgspec

from cityloop.kernel.errors import StoreError

__all__ = [
    "SNAPSHOT_FILE",
    "STARTED_FILE",
    "START_FILE",
    "ApproachSeen",
    "CallNow",
    "Estimate",
    "LaneFacts",
    "PlacedApproach",
    "ServicesNow",
    "Snapshot",
    "StageNow",
    "StartFile",
    "StartVehicle",
    "StartWalker",
    "Started",
    "Stop",
    "TruckNow",
    "UnitNow",
    "read_struct",
    "write_struct",
]  # fmt: skip

START_FILE = "start.json"
"""In the folder of a start."""
SNAPSHOT_FILE, STARTED_FILE = "snapshot.json", "started.json"
"""Beside SUMO's own outputs: what was on the road at a run's end, and how near its begin came."""
_Struct = TypeVar("_Struct", bound=msgspec.Struct)


class ApproachSeen(msgspec.Struct, frozen=True, kw_only=True):
    """What is believed of the vehicles on one approach lane."""

    lane: str
    reach_m: float
    """How far from the stop line its detector looks; 0 where it is not heard. [m]"""
    vehicles: tuple[tuple[float, float], ...] = ()
    """Distance from the stop line and speed of each, nearest first [m, m/s]."""
    hidden_veh: float = 0.0
    """Standing beyond what the detector sees, as the brain reckons."""
    why_not: str = ""
    """``loops``, ``nothing_yet``, ``silent`` or ``no_detector`` where it is not covered; empty where it is."""


class StageNow(msgspec.Struct, frozen=True, kw_only=True):
    """What a junction shows."""

    junction: str
    stage: int
    """-1 while it changes, or where it is not known."""
    since_s: float


class UnitNow(msgspec.Struct, frozen=True, kw_only=True):
    """An ambulance as it was last heard."""

    name: str
    x_m: float | None
    y_m: float | None
    status: int
    site: int
    call: int
    since_s: float


class CallNow(msgspec.Struct, frozen=True, kw_only=True):
    """A call that is not closed."""

    number: int
    priority: int
    determinant: int
    x_m: float | None
    y_m: float | None
    waited_s: float
    unit: int
    attended: bool


class TruckNow(msgspec.Struct, frozen=True, kw_only=True):
    """A refuse truck as it was last heard."""

    name: str
    x_m: float | None
    y_m: float | None
    status: int
    next: int
    load_kg: float
    route: tuple[int, ...]
    """Visits after the next: containers, -1 the tip, -2 the depot."""
    planned: bool
    """Whether it drives by a plan that it was told."""


class ServicesNow(msgspec.Struct, frozen=True, kw_only=True):
    """Ambulances, calls, trucks and containers."""

    units: tuple[UnitNow, ...] = ()
    calls: tuple[CallNow, ...] = ()
    trucks: tuple[TruckNow, ...] = ()
    fill_frac: tuple[float | None, ...] = ()
    declared: tuple[tuple[int, bool, bool], ...] = ()
    """Of hospitals that tell of their doors: site, open, diverting."""


class Estimate(msgspec.Struct, frozen=True, kw_only=True):
    """The state of a city as its brain believes it, at one instant."""

    approaches: tuple[ApproachSeen, ...] = ()
    share: float = 1.0
    """Of vehicles, those that are seen at all."""
    stages: tuple[StageNow, ...] = ()
    services: ServicesNow = ServicesNow()


class Stop(msgspec.Struct, frozen=True, array_like=True):
    """A stop that a vehicle still has to make."""

    lane: str
    at_m: float
    place: str
    duration_s: float
    flags: int


class StartVehicle(msgspec.Struct, frozen=True, kw_only=True):
    """A vehicle on the road."""

    name: str
    kind: str
    lane: str
    at_m: float
    speed_mps: float
    route: tuple[str, ...]
    """Edges from the one it is on."""
    length_m: float
    factor: float = 1.0
    """Of the limit, what the driver likes to drive."""
    stops: tuple[Stop, ...] = ()


class StartWalker(msgspec.Struct, frozen=True, kw_only=True):
    """Somebody on foot."""

    name: str
    kind: str
    edges: tuple[str, ...]
    at_m: float
    arrival_m: float


class LaneFacts(msgspec.Struct, frozen=True, kw_only=True):
    """What has to be known of a lane to place vehicles on it."""

    length_m: float
    next_edges: tuple[str, ...]
    closed_to: tuple[str, ...] = ()
    """Vehicle classes that may not drive on it."""


class Snapshot(msgspec.Struct, frozen=True, kw_only=True):
    """A what-if's own twin at the end of its warm-up. Never that of the running city."""

    vehicles: tuple[StartVehicle, ...]
    walkers: tuple[StartWalker, ...]
    ways: tuple[tuple[str, tuple[str, ...]], ...]
    """Kind and edges of every vehicle that departed in this hour."""
    lanes: dict[str, LaneFacts]
    classes: dict[str, str]
    """Vehicle class of each kind."""
    lengths_m: dict[str, float]


class PlacedApproach(msgspec.Struct, frozen=True, kw_only=True):
    """What became of one approach."""

    lane: str
    estimated_veh: int
    driven_veh: int
    """That the twin had there by itself."""
    placed_veh: int
    within_m: float
    """How far from the stop line is meant."""
    why_fewer: str = ""
    """``no_room`` or ``no_way``; empty where it is as estimated."""


class StartFile(msgspec.Struct, frozen=True, kw_only=True):
    """What a run begins from."""

    vehicles: tuple[StartVehicle, ...]
    walkers: tuple[StartWalker, ...]
    stages: tuple[StageNow, ...] = ()
    services: ServicesNow = ServicesNow()
    approaches: tuple[PlacedApproach, ...] = ()
    not_covered: tuple[tuple[str, str], ...] = ()
    """Approach lane, and why its vehicles are the twin's own."""


class Started(msgspec.Struct, frozen=True, kw_only=True):
    """How near a run's begin came to what it was to begin from."""

    vehicles: int
    walkers: int
    refused: int
    """Vehicles and walkers that the simulation did not take."""
    stages: int
    """Junctions that begin in the stage that was given."""
    approaches: tuple[PlacedApproach, ...]
    """As the twin has them before its first step."""


def read_struct(path: Path, kind: type[_Struct]) -> _Struct:
    """Read one of these files."""
    try:
        return msgspec.json.decode(path.read_bytes(), type=kind)
    except (OSError, msgspec.DecodeError) as error:
        raise StoreError(f"{path}: not a {kind.__name__} of this version ({error}); make it again") from error


def write_struct(path: Path, value: msgspec.Struct) -> None:
    """Write one of these files."""
    path.write_bytes(msgspec.json.encode(value))
