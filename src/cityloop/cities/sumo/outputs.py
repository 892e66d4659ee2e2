"""What SUMO leaves behind after a run: trips, walks, the summary, the statistics and the edges' lost time.

Nothing is concluded here. Every reader takes the file that SUMO itself wrote, and refuses one that ends in
the middle.
"""

from __future__ import annotations

import gzip
import re
import xml.etree.ElementTree as ET
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from cityloop.kernel.errors import StoreError

__all__ = [
    "EDGES_FILE",
    "STATISTIC_FILE",
    "EdgeLoss",
    "Statistic",
    "Summary",
    "Trips",
    "Walks",
    "elements",
    "measure_arguments",
    "measure_elements",
    "read_edge_loss",
    "read_statistic",
    "read_summary",
    "read_trips",
    "read_vehicle_classes",
    "written_by",
]

F64 = npt.NDArray[np.float64]

STATISTIC_FILE = "statistic.xml"
EDGES_FILE = "edges.xml"
_EDGE_PERIOD_S = 300
_END_OF_RUN = "end"
_KEPT = 256
"""Elements read that are kept in memory before they are forgotten."""


@dataclass(frozen=True, slots=True)
class Trips:
    """One row a vehicle, in the file's order: finished, under way at the end, or never departed."""

    type_id: tuple[str, ...]
    depart_lane: tuple[str, ...]
    """Empty for a vehicle that never departed."""
    depart_s: F64
    """NaN for a vehicle that never departed."""
    depart_delay_s: F64
    """Waiting for room to depart; up to the end for a vehicle that never did."""
    arrival_s: F64
    """NaN for a vehicle that has not arrived."""
    time_loss_s: F64
    waiting_s: F64
    """Standing, planned stops not counted."""
    stops: F64
    """How many times it stood."""
    duration_s: F64
    removed: npt.NDArray[np.bool_]
    """Whether it was taken out before its destination, and not because the run ended."""


@dataclass(frozen=True, slots=True)
class Walks:
    """One row a person who walks, in the file's order: arrived, or under way at the end.

    The standing time is whole for everybody. The time lost is not: SUMO tells it of a walk only when it has
    ended.
    """

    waiting_s: F64
    """Standing, added up over the person's walks."""
    time_loss_s: F64
    """Against walking freely at one's own speed; NaN for a person under way."""
    arrived: npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Summary:
    """One row a step."""

    time_s: F64
    running_veh: F64
    halting_veh: F64
    """Slower than 0.1 m/s."""
    waiting_veh: F64
    """Due, but without room to depart."""
    teleports: int
    """By the last step."""
    collisions: int


@dataclass(frozen=True, slots=True)
class Statistic:
    """SUMO's own count of what must not happen."""

    teleports: int
    collisions: int
    emergency_stops: int
    emergency_brakings: int
    sumo_version: str


@dataclass(frozen=True, slots=True)
class EdgeLoss:
    """Time lost on edges, by interval."""

    begin_s: F64
    """Start of each interval."""
    end_s: F64
    loss_s: Mapping[str, F64]
    """Vehicle seconds lost an interval, by edge; internal edges included."""
    left_veh: Mapping[str, F64]
    """Vehicles that left the edge at its end."""


def measure_arguments(folder: Path) -> tuple[str, ...]:
    """Return the SUMO options for what `measure_elements` cannot ask for."""
    return ("--statistic-output", str(folder / STATISTIC_FILE))


def measure_elements(folder: Path) -> str:
    """Return the element of an additional file that has SUMO write the edges' lost time into ``folder``."""
    name = str(folder / EDGES_FILE).replace("&", "&amp;").replace('"', "&quot;").replace("<", "&lt;")
    return (
        f'<edgeData id="cityloop-loss" file="{name}" freq="{_EDGE_PERIOD_S}" excludeEmpty="true" '
        'withInternal="true" writeAttributes="timeLoss left"/>'
    )


def elements(path: Path, *tags: str) -> Iterator[tuple[ET.Element, bool]]:
    """Yield every element of these tags, and whether it has just begun; what is behind is forgotten."""
    if not path.is_file():
        raise StoreError(f"{path}: no such file; the run did not write it, run it again")
    try:
        with gzip.open(path) if path.suffix == ".gz" else path.open("rb") as stream:
            root: ET.Element | None = None
            for event, element in ET.iterparse(stream, events=("start", "end")):
                if root is None:
                    root = element
                if element.tag in tags:
                    yield element, event == "start"
                if event == "end" and len(root) > _KEPT:
                    root.clear()
    except (ET.ParseError, OSError, EOFError) as error:
        raise StoreError(f"{path}: ends early or is damaged ({error}); run it again") from error


def read_trips(path: Path) -> tuple[Trips, Walks]:
    """Read `tripinfo.xml`, written with unfinished and undeparted vehicles."""
    types: list[str] = []
    lanes: list[str] = []
    rows: list[tuple[float, ...]] = []
    walks: list[tuple[float, float, bool]] = []
    removed: list[bool] = []
    for element, begun in elements(path, "tripinfo", "personinfo"):
        if begun:
            continue
        if element.tag == "personinfo":
            walks.extend(_walk(element))
            continue
        get = element.get
        departed = float(get("depart", "-1")) >= 0
        types.append(get("vType", ""))
        lanes.append(get("departLane", ""))
        arrival_s = float(get("arrival", "-1"))
        rows.append(
            (
                float(get("depart", "-1")) if departed else np.nan,
                max(float(get("departDelay", "0")), 0.0),
                arrival_s if arrival_s >= 0 else np.nan,
                float(get("timeLoss", "0")) if departed else 0.0,
                float(get("waitingTime", "0")),
                float(get("waitingCount", "0")),
                float(get("duration", "0")),
            )
        )
        removed.append(get("vaporized", "") not in {"", _END_OF_RUN})
    columns = np.array(rows, dtype=np.float64).reshape(-1, 7).T
    trips = Trips(
        type_id=tuple(types),
        depart_lane=tuple(lanes),
        depart_s=columns[0],
        depart_delay_s=columns[1],
        arrival_s=columns[2],
        time_loss_s=columns[3],
        waiting_s=columns[4],
        stops=columns[5],
        duration_s=columns[6],
        removed=np.array(removed, np.bool_),
    )
    waiting, lost, arrived = zip(*walks, strict=True) if walks else ((), (), ())
    return trips, Walks(np.array(waiting, np.float64), np.array(lost, np.float64), np.array(arrived, np.bool_))


def _walk(person: ET.Element) -> Iterator[tuple[float, float, bool]]:
    walks = person.findall("walk")
    if walks:
        waiting_s = sum(float(walk.get("waitingTime", "0")) for walk in walks)
        # A person who rides or stops after the walk has arrived nowhere yet, but every walk begun may have
        # ended.
        arrived = all(float(walk.get("arrival", "-1")) >= 0 for walk in walks)
        lost_s = sum(float(walk.get("timeLoss", "0")) for walk in walks) if arrived else np.nan
        yield waiting_s, lost_s, arrived


def read_summary(path: Path) -> Summary:
    """Read `summary.xml`."""
    rows: list[tuple[float, float, float, float]] = []
    teleports = collisions = 0
    for element, begun in elements(path, "step"):
        if not begun:
            get = element.get
            rows.append(
                (
                    float(get("time", "nan")),
                    float(get("running", "nan")),
                    float(get("halting", "nan")),
                    float(get("waiting", "nan")),
                )
            )
            teleports = int(get("teleports", "0"))
            collisions = int(get("collisions", "0"))
    columns = np.array(rows, dtype=np.float64).reshape(-1, 4).T
    return Summary(columns[0], columns[1], columns[2], columns[3], teleports, collisions)


def read_statistic(path: Path) -> Statistic | None:
    """Read SUMO's statistics, or None where the run wrote none."""
    if not path.is_file():
        return None
    counts: dict[str, int] = {}
    for element, begun in elements(path, "teleports", "safety"):
        if not begun:
            counts.update({key: int(value) for key, value in element.attrib.items()})
    return Statistic(
        teleports=counts.get("total", 0),
        collisions=counts.get("collisions", 0),
        emergency_stops=counts.get("emergencyStops", 0),
        emergency_brakings=counts.get("emergencyBraking", 0),
        sumo_version=written_by(path),
    )


def written_by(path: Path) -> str:
    """Return the version of SUMO that a file's opening comment names, or an empty string."""
    with path.open(encoding="utf-8", errors="replace") as stream:
        head = stream.read(600)
    named = re.search(r"Eclipse SUMO \w+ (?:Version )?(\d[\w.+-]*)", head)
    return named[1] if named else ""


def read_edge_loss(path: Path) -> EdgeLoss | None:
    """Read the edges' lost time, or None where the run wrote none."""
    if not path.is_file():
        return None
    begins: list[float] = []
    ends: list[float] = []
    loss: dict[str, dict[int, float]] = {}
    left: dict[str, dict[int, float]] = {}
    for element, begun in elements(path, "interval", "edge"):
        if element.tag == "interval":
            if begun:
                begins.append(float(element.get("begin", "nan")))
                ends.append(float(element.get("end", "nan")))
        elif not begun:
            row, edge = len(begins) - 1, element.get("id", "")
            loss.setdefault(edge, {})[row] = float(element.get("timeLoss", "0"))
            left.setdefault(edge, {})[row] = float(element.get("left", "0"))
    n = len(begins)
    return EdgeLoss(
        np.array(begins),
        np.array(ends),
        {e: _spread(v, n) for e, v in loss.items()},
        {e: _spread(v, n) for e, v in left.items()},
    )


def _spread(values: Mapping[int, float], n: int) -> F64:
    row = np.zeros(n)
    for index, value in values.items():
        row[index] = value
    return row


def read_vehicle_classes(files: Iterable[Path]) -> dict[str, str]:
    """Return the vehicle class of every vehicle type that route or additional files declare."""
    classes: dict[str, str] = {}
    for path in files:
        for element, begun in elements(path, "vType"):
            if begun:
                classes[element.get("id", "")] = element.get("vClass", "passenger")
    return classes
