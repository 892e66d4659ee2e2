"""Fit a city's demand to detector counts, and say honestly how well it holds where nothing was fitted.

A seeded share of the counted links is kept away from the fit. The verdict on them comes from the twin: the
fitted vehicles are driven once more, with another seed than the fit used, and counted link by link. Journey
times never enter the fit, so all of them are data that was not used.
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import numpy as np

from cityloop.cities.sumo.case_facts import NetFacts, read_net_facts
from cityloop.cities.sumo.city_toml import CITY_FILE, CalibrationRecord, new_folder, write_calibration
from cityloop.cities.sumo.counting import Journey, Measured, measure_demand
from cityloop.cities.sumo.demand import CandidateRoutes, candidate_routes, sample_with_sumo, write_demand
from cityloop.cities.sumo.folder import (
    CityCase,
    builtin_cities,
    copy_case,
    files_digest,
    observed_routes,
    original_demand,
    resolve_city,
)
from cityloop.cities.sumo.other_traffic import keep_other_traffic
from cityloop.cities.sumo.sumo_tools import sumo_version
from cityloop.kernel.errors import ConfigError, InputError
from cityloop.methods.count_fit import held_out_rows
from cityloop.studies.count_table import CountRow, JourneyRow, read_counts, read_journeys
from cityloop.studies.demand_fit import departure_bins, departures, fit_to_counts, hourly_geh

__all__ = [
    "DEMAND_FILE",
    "Agreement",
    "Calibration",
    "CalibrationParams",
    "JourneyAgreement",
    "calibrate",
    "calibrate_case",
]

DEMAND_FILE = "calibrated.rou.xml"
OTHER_STEM = "other-traffic"
Method = Literal["flow-fit", "route-sampler"]
Progress = Callable[[str], None]

_LEAST_LINKS = 4
_GEH_LIMIT = 5.0
_JOURNEY_FRAC, _JOURNEY_S = 0.15, 60.0
_FREE_FLOW_FRAC = 0.6
"""Mean speed in a town as a share of the limit, until the twin has been asked."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CalibrationParams:
    """How a calibration is done."""

    seed: int = 1
    method: Method = "flow-fit"
    held_out_frac: float = 0.22
    """Share of the counted links that is kept away from the fit."""

    passes: int = 2
    """Fits before the verdict, each after the first with link times measured in the twin."""

    def __post_init__(self) -> None:
        """Reject values that have no meaning."""
        if self.seed < 0:
            raise ConfigError(f"seed is {self.seed}; give 0 or more")
        if not 0.2 <= self.held_out_frac <= 0.25:
            raise ConfigError(f"held_out_frac is {self.held_out_frac}; give 0.20 to 0.25")
        if self.passes < 1:
            raise ConfigError(f"passes is {self.passes}; give at least 1")


@dataclass(frozen=True, slots=True, kw_only=True)
class Agreement:
    """How the twin's hourly flows agree with counts on a set of links."""

    links: int
    link_hours: int
    share_geh_below_5: float
    median_geh: float
    worst_link: str
    worst_geh: float


@dataclass(frozen=True, slots=True, kw_only=True)
class JourneyAgreement:
    """How the twin's journey times agree with observed ones, none of which was fitted."""

    journeys: int
    share_within: float
    """Share within 15 % or one minute (TAG M3.1, table 3); a journey that nobody made counts as outside."""

    median_error_frac: float
    """Median of model over observed, less one; NaN when nobody made any."""

    worst_journey: str
    not_made: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Calibration:
    """What a calibration did."""

    folder: Path
    label: str
    vehicles: int
    fitted: Agreement
    held_out: Agreement
    journeys: JourneyAgreement | None
    record: CalibrationRecord


def calibrate(
    city: str,
    counts_file: Path,
    journeys_file: Path | None,
    params: CalibrationParams,
    out: Path | None = None,
    on_progress: Progress = lambda line: None,
) -> Calibration:
    """Calibrate a city in its own folder, or into the new folder `out`."""
    case = resolve_city(city)
    if out is None:
        if case.folder is None or city in builtin_cities():
            raise ConfigError(f"{city}: not a city folder, so its calibration has no place; give --out DIR")
        return calibrate_case(case, counts_file, journeys_file, params, on_progress)
    with new_folder(out) as part:
        copy_case(case, part)
        done = calibrate_case(resolve_city(str(part)), counts_file, journeys_file, params, on_progress)
    return replace(done, folder=out)


def calibrate_case(
    case: CityCase,
    counts_file: Path,
    journeys_file: Path | None,
    params: CalibrationParams,
    on_progress: Progress,
) -> Calibration:
    """Calibrate a city that has a folder, and record the outcome in its `city.toml`."""
    if case.folder is None:
        raise ConfigError(f"{case.name}: not a city folder, so its calibration has no place; give --out DIR")
    net = read_net_facts(case.net_file)
    cars = {name for name, edge in net.edges.items() if edge.lanes}
    rows = read_counts(counts_file, cars, case.net_file)
    _check_hours(case, counts_file, rows)
    asked = read_journeys(journeys_file, cars, case.net_file) if journeys_file else ()
    rng = np.random.default_rng(params.seed)
    held = held_out_rows([row.edge for row in rows], params.held_out_frac, rng)
    fit_rows = [row for row in rows if row.edge not in held]
    held_rows = [row for row in rows if row.edge in held]
    with tempfile.TemporaryDirectory(prefix="cityloop-") as scratch:
        work_dir = Path(scratch)
        demand = work_dir / DEMAND_FILE
        on_progress(f"drawing candidate routes for {len({row.edge for row in fit_rows})} counted links")
        candidates = candidate_routes(
            case.net_file, net, [row.edge for row in fit_rows], observed_routes(case), rng, work_dir
        )
        others = keep_other_traffic(original_demand(case)[0], case.additional_files, work_dir, OTHER_STEM)
        _fit(case, net, candidates, fit_rows, params, rng, demand, others, on_progress)
        on_progress(f"measuring {len(held)} held-out links in the twin")
        journeys = {_journey(row): row for row in asked}
        intervals = {(row.begin_s, row.end_s) for row in rows}
        # Another seed than the fit's own runs had: the verdict must not rest on one draw of chance.
        seed = params.seed + params.passes
        measured = measure_demand(case, [demand, *others], intervals, journeys, seed, work_dir)
        vehicles = demand.read_text(encoding="utf-8").count("<vehicle ")
        made = tuple(_put(file, case.folder) for file in (demand, *others))
    fitted, held_out = _agreement(fit_rows, measured), _agreement(held_rows, measured)
    record = CalibrationRecord(
        demand=tuple(file.name for file in made),
        method=params.method,
        seed=params.seed,
        share_geh_below_5=held_out.share_geh_below_5,
        median_geh=held_out.median_geh,
        share_geh_below_5_fitted=fitted.share_geh_below_5,
        held_out_links=tuple(sorted(held)),
        sumo_version=sumo_version(),
        counts_digest=files_digest((counts_file,)),
        inputs_digest=files_digest((case.net_file, *made, *case.additional_files)),
    )
    write_calibration(case.folder / CITY_FILE, record)
    return Calibration(
        folder=case.folder,
        label=resolve_city(str(case.folder)).calibration_label(),
        vehicles=vehicles,
        fitted=fitted,
        held_out=held_out,
        journeys=_journey_agreement(journeys, measured) if asked else None,
        record=record,
    )


def _fit(
    case: CityCase,
    net: NetFacts,
    candidates: CandidateRoutes,
    rows: Sequence[CountRow],
    params: CalibrationParams,
    rng: np.random.Generator,
    demand: Path,
    others: Sequence[Path],
    on_progress: Progress,
) -> None:
    note = f"Fitted to counts by cityloop calibrate, {params.method}, seed {params.seed}."
    if params.method == "route-sampler":
        on_progress("sampling routes with SUMO's routeSampler")
        counts: dict[tuple[float, float], dict[str, float]] = {}
        for row in rows:
            counts.setdefault((row.begin_s, row.end_s), {})[row.edge] = row.count_veh
        route_of, depart_s = sample_with_sumo(candidates, counts, case.begin_s, params.seed, demand.parent)
        write_demand(demand, candidates.edges, route_of, depart_s, note)
        return
    edge_time_s = {name: edge.length_m / edge.speed_mps / _FREE_FLOW_FRAC for name, edge in net.edges.items()}
    bins = departure_bins(case.begin_s, case.end_s, rows)
    for number in range(params.passes):
        on_progress(f"fitting {len(candidates.edges)} routes, pass {number + 1} of {params.passes}")
        flow_veh = fit_to_counts(candidates, bins, rows, edge_time_s, rng)
        route_of, depart_s = departures(flow_veh, bins, len(candidates.edges), rng)
        write_demand(demand, candidates.edges, route_of, depart_s, note)
        if number + 1 < params.passes:
            run = measure_demand(case, [demand, *others], (), (), params.seed + number, demand.parent)
            edge_time_s |= run.edge_time_s


def _put(file: Path, folder: Path) -> Path:
    """Copy a finished file into a folder in one step."""
    part = folder / f".{file.name}.part"
    shutil.copyfile(file, part)
    return part.replace(folder / file.name)


def _check_hours(case: CityCase, counts_file: Path, rows: Sequence[CountRow]) -> None:
    for row in rows:
        if row.begin_s < case.begin_s or row.end_s > case.end_s:
            raise InputError(
                f"{counts_file}: link {row.edge!r} is counted in {row.begin_s:g}-{row.end_s:g} s, outside "
                f"the city's hours {case.begin_s:g}-{case.end_s:g} s; widen begin_s and end_s or drop the row"
            )
    links = len({row.edge for row in rows})
    if links < _LEAST_LINKS:
        raise InputError(
            f"{counts_file}: {links} counted link{'s' if links > 1 else ''}; give at least {_LEAST_LINKS}, "
            "so that one can be held out"
        )


def _agreement(rows: Sequence[CountRow], measured: Measured) -> Agreement:
    model_veh = [measured.count_veh.get((row.edge, row.begin_s, row.end_s), 0.0) for row in rows]
    by_hour = hourly_geh(rows, model_veh)
    values = np.array(list(by_hour.values()))
    worst = max(by_hour, key=lambda key: by_hour[key])
    return Agreement(
        links=len({row.edge for row in rows}),
        link_hours=values.size,
        share_geh_below_5=float(np.mean(values < _GEH_LIMIT)),
        median_geh=float(np.median(values)),
        worst_link=worst[0],
        worst_geh=float(by_hour[worst]),
    )


def _journey(row: JourneyRow) -> Journey:
    return Journey(from_edge=row.from_edge, to_edge=row.to_edge, begin_s=row.begin_s, end_s=row.end_s)


def _journey_agreement(journeys: dict[Journey, JourneyRow], measured: Measured) -> JourneyAgreement:
    error_s: dict[Journey, float] = {}
    error_frac: list[float] = []
    within = 0
    for journey, row in journeys.items():
        model_s = measured.journey_time_s.get(journey)
        if model_s is None:
            continue
        error_s[journey] = abs(model_s - row.travel_time_s)
        error_frac.append(model_s / row.travel_time_s - 1.0)
        within += error_s[journey] <= max(_JOURNEY_FRAC * row.travel_time_s, _JOURNEY_S)
    worst = max(error_s, key=lambda journey: error_s[journey]) if error_s else next(iter(journeys))
    return JourneyAgreement(
        journeys=len(journeys),
        share_within=within / len(journeys),
        median_error_frac=float(np.median(error_frac)) if error_frac else float("nan"),
        worst_journey=f"{worst.from_edge} -> {worst.to_edge}",
        not_made=len(journeys) - len(error_s),
    )
