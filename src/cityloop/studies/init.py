"""Make a city folder from a network, with demand from routes, from counts, or made up."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from cityloop.cities.sumo.audit import refuse_conflicting_greens
from cityloop.cities.sumo.case_facts import NetFacts, check_routes, read_departures_s, read_net_facts
from cityloop.cities.sumo.city_toml import (
    CITY_FILE,
    CityToml,
    check_city_toml,
    encode_city_toml,
    new_folder,
    write_atomically,
)
from cityloop.cities.sumo.demand import synthetic_demand
from cityloop.cities.sumo.folder import builtin_cities, require_signals, resolve_city
from cityloop.kernel.errors import ConfigError, InputError
from cityloop.studies.calibrate import Calibration, CalibrationParams, calibrate_case
from cityloop.studies.count_table import read_counts, read_journeys

__all__ = ["InitRequest", "NewCity", "make_city"]

_MORNING_S = (7 * 3600.0, 8 * 3600.0)
_WARM_UP_S = 900.0
"""Time for the streets to fill before the first count."""

_CLEARING_S = 900.0
"""Time for the last departures to arrive, where only routes say when the city ends."""


@dataclass(frozen=True, slots=True, kw_only=True)
class InitRequest:
    """What a new city is made of."""

    name: str
    net_file: Path
    route_files: tuple[Path, ...] = ()
    counts_file: Path | None = None
    journeys_file: Path | None = None
    begin_s: float | None = None
    end_s: float | None = None
    zone: str = "Europe/Berlin"
    out: Path | None = None
    seed: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class NewCity:
    """The city that was made."""

    folder: Path
    signals: int
    begin_s: float
    end_s: float
    label: str
    vehicles: int | None
    """Vehicles of a demand made here; None where the city's own routes are used as they are."""

    calibration: Calibration | None


def make_city(request: InitRequest, on_progress: Callable[[str], None] = lambda line: None) -> NewCity:
    """Make the whole city folder, or nothing."""
    if request.name in builtin_cities():
        raise ConfigError(f"{request.name}: the name of a built-in city; give another NAME")
    target = request.out or Path(request.name)
    net = read_net_facts(request.net_file)
    require_signals(request.net_file, net)
    refuse_conflicting_greens(request.net_file)
    for route_file in request.route_files:
        check_routes(route_file, net, request.net_file)
    begin_s, end_s = _hours(request, net)
    made_up = not request.route_files and request.counts_file is None
    toml = CityToml(
        name=request.name,
        zone=request.zone,
        network=_network_name(request.net_file),
        routes=("synthetic.rou.xml",) if made_up else _route_names(request.route_files),
        begin_s=begin_s,
        end_s=end_s,
        synthetic=made_up,
    )
    check_city_toml(target / CITY_FILE, toml)
    calibration = None
    vehicles = None
    with new_folder(target) as part:
        shutil.copyfile(request.net_file, part / toml.network)
        for source, name in zip(request.route_files, toml.routes, strict=False):
            shutil.copyfile(source, part / name)
        if made_up:
            on_progress("making up a demand")
            with tempfile.TemporaryDirectory(prefix="cityloop-") as work_dir:
                vehicles = synthetic_demand(
                    part / toml.routes[0],
                    request.net_file,
                    net,
                    (begin_s, end_s),
                    request.seed,
                    Path(work_dir),
                )
        write_atomically(part / CITY_FILE, encode_city_toml(toml))
        if request.counts_file is not None:
            calibration = calibrate_case(
                resolve_city(str(part)),
                request.counts_file,
                request.journeys_file,
                CalibrationParams(seed=request.seed),
                on_progress,
            )
            vehicles = calibration.vehicles
        label = resolve_city(str(part)).calibration_label()
    return NewCity(
        folder=target,
        signals=len(net.signals),
        begin_s=begin_s,
        end_s=end_s,
        label=label,
        vehicles=vehicles,
        calibration=replace(calibration, folder=target) if calibration else None,
    )


def _hours(request: InitRequest, net: NetFacts) -> tuple[float, float]:
    """Return the city's hours: as asked, else those of the counts, else of the routes, else the morning."""
    cars = {name for name, edge in net.edges.items() if edge.lanes}
    begin_s, end_s = _MORNING_S
    if request.counts_file is not None:
        rows = read_counts(request.counts_file, cars, request.net_file)
        if request.journeys_file is not None:
            read_journeys(request.journeys_file, cars, request.net_file)
        begin_s = max(0.0, min(row.begin_s for row in rows) - _WARM_UP_S)
        end_s = max(row.end_s for row in rows)
    elif request.route_files:
        spans = [span for file in request.route_files if (span := read_departures_s(file)) is not None]
        if spans:
            begin_s = float(min(span[0] for span in spans) // 1)
            end_s = float(max(span[1] for span in spans) // 1) + _CLEARING_S
        elif request.begin_s is None or request.end_s is None:
            raise InputError(
                f"{request.route_files[0]}: no departure in seconds, so the city's hours are not known; "
                "give --begin and --end"
            )
    begin_s = begin_s if request.begin_s is None else request.begin_s
    end_s = end_s if request.end_s is None else request.end_s
    if end_s <= begin_s:
        raise ConfigError(f"{request.name}: end {end_s:g} s is not after begin {begin_s:g} s; give a later --end")
    return begin_s, end_s


def _network_name(net_file: Path) -> str:
    return "network.net.xml.gz" if net_file.suffix == ".gz" else "network.net.xml"


def _route_names(route_files: tuple[Path, ...]) -> tuple[str, ...]:
    """Name the copies by number, so that files of one name from two folders stay apart."""
    endings = [".rou.xml.gz" if file.suffix == ".gz" else ".rou.xml" for file in route_files]
    if len(endings) == 1:
        return (f"routes{endings[0]}",)
    return tuple(f"routes{number}{ending}" for number, ending in enumerate(endings, start=1))
