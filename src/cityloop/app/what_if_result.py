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
    from cityloop.cities.sumo.outputs import EdgeLoss

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


def read_run(folder: Path, counts_s: tuple[float, float] | None = None) -> RunFigures:
    """Read a finished run's own scorecard, trips and edges.

    ``counts_s``: from when to when vehicles count that were due to depart, where what comes before is to fill the
    streets; the ghost's lost time then is that of the minutes that begin in it.
    """
    from cityloop.cities.sumo.outputs import EDGES_FILE, read_edge_loss, read_trips

    try:
        score = json.loads((folder / "scorecard.json").read_bytes())
    except (OSError, ValueError) as error:
        raise StoreError(f"{folder}: the run left no scorecard ({error})") from error
    trips, _ = read_trips(folder / "sumo" / "tripinfo.xml")
    due_s = np.where(np.isfinite(trips.depart_s), trips.depart_s, np.inf) - trips.depart_delay_s
    counted = np.ones(len(due_s), np.bool_)
    if counts_s is not None:
        # Who never departed was due so long before the end as he has waited.
        due_s = np.where(np.isfinite(due_s), due_s, counts_s[1] - trips.depart_delay_s)
        counted = due_s >= counts_s[0]
    departed = counted & np.isfinite(trips.depart_s)
    means = {
        "delay_s": (trips.time_loss_s + trips.depart_delay_s)[counted],
        "waiting_s": trips.waiting_s[departed],
        "stops": trips.stops[departed],
        "travel_time_s": (np.nan_to_num(trips.duration_s) + trips.depart_delay_s)[counted],
    }
    means["response_s"] = _responses_s(folder / "sumo" / _SERVICES_FILE, counts_s)
    loss = read_edge_loss(folder / "sumo" / EDGES_FILE)
    return RunFigures(
        measures={name: float(values.mean()) for name, values in means.items() if len(values)},
        calls=len(means["response_s"]),
        vehicles=int(counted.sum()),
        unfinished=int((counted & ~np.isfinite(trips.arrival_s)).sum()),
        unsafe=score["safety"].get("unsafe"),
        lost_veh_s={} if loss is None else _lost(loss, counts_s),
    )


def _responses_s(path: Path, counts_s: tuple[float, float] | None) -> F64:
    """Return how long each call waited for an ambulance; one that nobody reached, as long as the run saw it wait."""
    if not path.is_file():
        return np.zeros(0)
    found = json.loads(path.read_bytes())
    begin_ms = found["begin_ms"] if counts_s is None else counts_s[0] * 1000.0
    waits_ms = [
        (call["arrived_ms"] if call["arrived_ms"] >= 0 else found["end_ms"]) - call["received_ms"]
        for call in found.get("emergency", {}).get("calls", ())
        if call["received_ms"] >= begin_ms and (call["arrived_ms"] >= 0 or not call["called_off"])
    ]
    return np.array(waits_ms, np.float64) / 1000.0


def _lost(loss: EdgeLoss, counts_s: tuple[float, float] | None) -> dict[str, float]:
    rows = slice(None) if counts_s is None else slice(int(np.searchsorted(loss.begin_s, counts_s[0])), None)
    return {edge: float(row[rows].sum()) for edge, row in loss.loss_s.items()}


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
