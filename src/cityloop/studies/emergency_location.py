"""Where stations should be and units should start, offline, each answer with its proof.

The same demand, roads and drive times as the dispatch bench; sites are the shipped stations and every demand zone's
node. Nothing here is live: it is what a planner asks before anything is built.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import orjson

from cityloop.kernel.columns import F64, I64
from cityloop.kernel.errors import LayoutError, StoreError
from cityloop.methods.location import greedy_median, median_cost
from cityloop.methods.location_mip import (
    Proof,
    SearchLimits,
    best_cover,
    best_expected_cover,
    best_median,
    covered,
    expected_cover,
)
from cityloop.studies.emergency_world import MINUTE_MS, World

__all__ = ["Answer", "Question", "locate", "location_lines", "write_location"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """What is to be placed."""

    stations: int | None = None
    """How many in all; as many as shipped where nothing is said."""
    units: int | None = None
    keep: bool = False
    """Whether the shipped stations and units stay where they are, so that only what is added is chosen."""
    within_min: float | None = None
    """Drive within which a zone counts as covered; the forecast's own where nothing is said. [min]"""
    nodes: int = 500
    """Most nodes of each search."""


@dataclass(frozen=True, slots=True)
class Answer:
    """One model's choice beside what is there, all weighed in the same way."""

    city: str
    model: str
    count: int
    value: float
    """Of the choice; mean drive in minutes of the median, share of high-priority calls of the others."""
    bound: float
    """No choice is better than this."""
    shipped: float
    greedy: float | None
    """Of the sites that greed picks one after the other, where the dispatch bench does so."""
    places: tuple[dict[str, object], ...]
    """Name (empty where no station is yet), ``x_m``, ``y_m`` and how many units, one a site chosen."""

    @property
    def gap(self) -> float:
        """Return the distance to the bound, relative to the value."""
        return abs(self.value - self.bound) / max(abs(self.value), 1e-12)


def locate(world: World, question: Question) -> tuple[Answer, ...]:
    """Answer by p-median, maximal covering and maximal expected covering.

    Raises
    ------
    LayoutError
        If more is kept than is asked for, or more asked for than there are sites.

    """
    case, coverage = world.case, world.coverage
    n_shipped = len(case.stations.node)
    stations = question.stations or n_shipped
    units = question.units or len(case.unit_name)
    within_min = question.within_min or coverage.target_min
    node = np.concatenate((case.stations.node, coverage.zone_node))
    off_m = np.concatenate((case.stations.offroad_m, np.zeros(len(coverage.zone_node))))
    if not 1 <= stations <= len(node):
        raise LayoutError(f"{case.name}: --stations {stations}: must be 1 to {len(node)}, the sites there are.")
    for name, asked, there in (("stations", stations, n_shipped), ("units", units, len(case.unit_name))):
        if question.keep and asked < there:
            raise LayoutError(f"{case.name}: --{name} {asked} with --keep: must be at least the {there} that stay.")
    off_min = off_m / world.times.siren_offroad_mps / 60.0 + coverage.zone_off_min
    drive_min: F64 = world.times.siren.matrix_ms(node, coverage.zone_node) / MINUTE_MS + off_min[:, None]
    reach = drive_min <= within_min
    weight, limits = coverage.weight, SearchLimits(nodes=question.nodes)
    shipped = np.arange(n_shipped)
    homes = np.asarray(case.unit_station, np.int64)
    held, held_units = (shipped, homes) if question.keep else (None, None)

    def answer(model: str, count: int, proof: Proof, before: float, greedy: float | None = None) -> Answer:
        return Answer(
            case.name, model, count, proof.value, proof.bound, before, greedy, _places(world, node, proof.chosen)
        )

    greedy = None if question.keep else median_cost(drive_min, weight, greedy_median(drive_min, weight, stations))
    return (
        answer(
            "p-median", stations, best_median(drive_min, weight, stations, limits, held),
            median_cost(drive_min, weight, shipped), greedy,
        ),
        answer(
            "maximal covering", stations, best_cover(reach, weight, stations, limits, held),
            covered(reach, weight, shipped),
        ),
        answer(
            "maximal expected covering", units,
            best_expected_cover(reach, weight, units, coverage.busy_share, limits, held_units),
            expected_cover(reach, weight, homes, coverage.busy_share),
        ),
    )  # fmt: skip


def _places(world: World, node: np.ndarray, chosen: I64) -> tuple[dict[str, object], ...]:
    graph, stations = world.case.roads.graph, world.case.stations
    sites, units = np.unique(chosen, return_counts=True)
    return tuple(
        {
            "station": stations.name[s] if s < len(stations.node) else "",
            "x_m": round(float(graph.x_m[node[s]]), 1),
            "y_m": round(float(graph.y_m[node[s]]), 1),
            "count": int(n),
        }
        for s, n in zip(sites, units, strict=True)
    )


def location_lines(answers: Sequence[Answer]) -> list[str]:
    """Return the answers as lines for a terminal."""
    lines = []
    for one in answers:
        what = "stations" if one.model != "maximal expected covering" else "units"
        kept = sum(bool(place["station"]) for place in one.places)
        unit, scale = ("min", 1.0) if one.model == "p-median" else ("% of calls", 100.0)
        greedy = "" if one.greedy is None else f", greedy {one.greedy * scale:.2f}"
        lines.append(
            f"{one.city} {one.model}, {one.count} {what}: {one.value * scale:.2f} {unit}, proven within "
            f"{100 * one.gap:.2f} % of the best; as shipped {one.shipped * scale:.2f}{greedy}; "
            f"{kept} of {len(one.places)} places are stations already"
        )
    return lines


def write_location(path: Path, answers: Sequence[Answer]) -> None:
    """Write the answers of all cities, places and all."""
    content = {"location": [{**asdict(one), "gap": one.gap} for one in answers]}
    try:
        path.write_bytes(orjson.dumps(content, option=orjson.OPT_INDENT_2) + b"\n")
    except OSError as error:
        raise StoreError(f"{path}: cannot be written ({error}).") from error
