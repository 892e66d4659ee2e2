"""What a what-if found: measures paired over seeds, and where on the map the lost time went."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec
import numpy as np

from cityloop.kernel.columns import F64
from cityloop.kernel.errors import StoreError
from cityloop.methods.statistics import compare_paired

if TYPE_CHECKING:
    from cityloop.cities.sumo.start_file import Started

__all__ = ["AS_IS", "WOULD_BE", "RunFigures", "ghost_of", "paired", "read_run"]

AS_IS, WOULD_BE = "as it is", "as it would be"
_GHOST_EDGES = 400
_LEAST_CHANGE_VEH_S = 30.0
_SERVICES_FILE = "services.json"
MEASURES = ("delay_s", "travel_time_s", "waiting_s", "stops", "response_s")
"""Means a vehicle; the last a call: from its begin until an ambulance is there."""


class RunFigures(msgspec.Struct, frozen=True, kw_only=True):
    """What one run of a world gave."""

    measures: dict[str, float]
    """Means a vehicle; a measure that the run has no value for is not there."""
    vehicles: int
    unfinished: int
    unsafe: int | None
    """Unsafe lamp states that the separate checker saw."""
    lost_veh_s: dict[str, float]
    """By edge."""
    calls: int = 0
    """To the emergency service, of those that count."""
    begun: Started | None = None
    """How near its begin came to what it was to begin from; None where it began empty."""


def read_run(folder: Path) -> RunFigures:
    """Read a finished run's own scorecard, trips and edges, and how it began."""
    from cityloop.cities.sumo.outputs import EDGES_FILE, read_edge_loss, read_trips
    from cityloop.cities.sumo.start_file import STARTED_FILE, Started, read_struct

    try:
        score = json.loads((folder / "scorecard.json").read_bytes())
    except (OSError, ValueError) as error:
        raise StoreError(f"{folder}: the run left no scorecard ({error})") from error
    trips, _ = read_trips(folder / "sumo" / "tripinfo.xml")
    departed = np.isfinite(trips.depart_s)
    means = {
        "delay_s": trips.time_loss_s + trips.depart_delay_s,
        "waiting_s": trips.waiting_s[departed],
        "stops": trips.stops[departed],
        "travel_time_s": np.nan_to_num(trips.duration_s) + trips.depart_delay_s,
    }
    means["response_s"] = _responses_s(folder / "sumo" / _SERVICES_FILE)
    loss = read_edge_loss(folder / "sumo" / EDGES_FILE)
    begun = folder / "sumo" / STARTED_FILE
    return RunFigures(
        measures={name: float(values.mean()) for name, values in means.items() if len(values)},
        calls=len(means["response_s"]),
        vehicles=len(trips.depart_s),
        unfinished=int((~np.isfinite(trips.arrival_s)).sum()),
        unsafe=score["safety"].get("unsafe"),
        lost_veh_s={} if loss is None else {edge: float(row.sum()) for edge, row in loss.loss_s.items()},
        begun=read_struct(begun, Started) if begun.is_file() else None,
    )


def _responses_s(path: Path) -> F64:
    """Return how long each call waited for an ambulance; one that nobody reached, as long as the run saw it wait.

    A call that was open when the run began waits since it was received; one that was attended then is over.
    """
    if not path.is_file():
        return np.zeros(0)
    found = json.loads(path.read_bytes())
    waits_ms = [
        (call["arrived_ms"] if call["arrived_ms"] >= 0 else found["end_ms"]) - call["received_ms"]
        for call in found.get("emergency", {}).get("calls", ())
        if (call["arrived_ms"] > found["begin_ms"]) or (call["arrived_ms"] < 0 and not call["called_off"])
    ]
    return np.array(waits_ms, np.float64) / 1000.0


def paired(runs: Mapping[str, Sequence[RunFigures]]) -> dict[str, dict[str, Any]]:
    """Return each measure's difference, as it would be less as it is, with its interval and verdict."""
    found: dict[str, dict[str, Any]] = {}
    for name in MEASURES:
        ours = [run.measures.get(name, math.nan) for run in runs[WOULD_BE]]
        theirs = [run.measures.get(name, math.nan) for run in runs[AS_IS]]
        if any(map(math.isnan, (*ours, *theirs))):
            continue
        compared = compare_paired(ours, theirs)
        interval = compared.difference.interval
        found[name] = {
            "mean": compared.difference.mean,
            "low": None if interval is None else interval.low,
            "high": None if interval is None else interval.high,
            "n": compared.n,
            "verdict": compared.verdict.value,
        }
    return found


def ghost_of(runs: Mapping[str, Sequence[RunFigures]], edges: Mapping[str, int], closed: str | None) -> dict[str, Any]:
    """Return by how much each edge's lost time would change, the largest changes first: the ghost on the map."""
    mean: dict[str, dict[str, float]] = {}
    for world, figures in runs.items():
        total: dict[str, float] = {}
        for one in figures:
            for edge, lost in one.lost_veh_s.items():
                total[edge] = total.get(edge, 0.0) + lost / len(figures)
        mean[world] = total
    change = {
        edge: mean[WOULD_BE].get(edge, 0.0) - mean[AS_IS].get(edge, 0.0)
        for edge in mean[WOULD_BE].keys() | mean[AS_IS].keys()
        if edge in edges
    }
    largest = sorted(change.items(), key=lambda one: (-abs(one[1]), one[0]))[:_GHOST_EDGES]
    return {
        "what": "change of the time lost on each edge, as it would be less as it is, mean over the seeds",
        "unit": "veh·s",
        "edges": [[edges[edge], round(value, 1)] for edge, value in largest if abs(value) >= _LEAST_CHANGE_VEH_S],
        "closed": None if closed is None else edges.get(closed),
    }
