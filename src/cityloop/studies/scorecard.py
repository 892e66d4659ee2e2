"""The scorecard of one run: what it was, what it measured, and how safe its lamps were.

The schema is `docs/scorecard.md`. A scorecard is computed from SUMO's own outputs and the network file,
never from what the brain believed.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable
from pathlib import Path

import msgspec

from cityloop.cities.sumo.monitoring import MONITOR_FILE, latched_in
from cityloop.cities.sumo.netfile import read_netfile
from cityloop.cities.sumo.outputs import (
    EDGES_FILE,
    STATISTIC_FILE,
    Statistic,
    Summary,
    read_edge_loss,
    read_statistic,
    read_summary,
    read_trips,
    read_vehicle_classes,
    written_by,
)
from cityloop.kernel.errors import StoreError
from cityloop.storage.run_toml import RunToml, read_run_toml
from cityloop.studies.junction_delay import JunctionScore, junction_scores
from cityloop.studies.lamps import LampReport, check_lamps
from cityloop.studies.measures import (
    Occupancy,
    PedestrianScore,
    PersonScore,
    TimeBin,
    VehicleScore,
    pedestrian_score,
    person_score,
    time_bins,
    vehicle_score,
)
from cityloop.studies.services import ServicesScore, services_of, without_services

__all__ = [
    "FORMAT",
    "SCORECARD_FILE",
    "RunScore",
    "SimulatorCounts",
    "read_scorecard",
    "score_run",
    "write_scorecard",
]

FORMAT = 1
SCORECARD_FILE = "scorecard.json"
_DIGESTED = ("tripinfo.xml", "summary.xml", "tls_states.xml", STATISTIC_FILE, EDGES_FILE)


class SimulatorCounts(msgspec.Struct, frozen=True, kw_only=True):
    """What must not happen in the simulator, by its own count; None where it was not recorded."""

    teleports: int
    removed: int
    """Vehicles taken out before their destination."""
    collisions: int
    emergency_stops: int | None
    emergency_brakings: int | None


class RunScore(msgspec.Struct, frozen=True, kw_only=True):
    """The scorecard of one run."""

    format: int = FORMAT
    simulated: bool = True
    complete: bool
    """Whether the run came to its end and is sealed."""
    calibration: str
    """CALIBRATED, UNCALIBRATED or SYNTHETIC DEMAND, UNCALIBRATED."""
    warnings: tuple[str, ...]
    """What a reader must know before using a figure."""

    city: str
    arm: str
    own_plan: str
    sensing: str
    """What the brain saw; ``none`` for a control that was given nothing by it."""
    seed: int
    scale: float
    begin_s: float
    end_s: float
    faults: str
    blackouts: int
    sumo_version: str
    cityloop_version: str
    digests: dict[str, str]

    vehicles: VehicleScore
    persons: PersonScore
    pedestrians: PedestrianScore | None
    safety: LampReport
    simulator: SimulatorCounts
    junctions: tuple[JunctionScore, ...]
    elsewhere_veh_h: float | None
    """Vehicle hours lost before no signal."""
    over_time: tuple[TimeBin, ...]
    services: ServicesScore | None = None
    """Ambulances and refuse, where the city has them; they are part of no other figure."""

    @property
    def longest_red_s(self) -> float | None:
        """The longest red of any vehicle link of any junction."""
        return max((red.red_s for red in self.safety.longest_red.values()), default=None)

    @property
    def longest_crossing_red_s(self) -> float | None:
        """The longest red of any crossing."""
        return max((red.red_s for red in self.safety.longest_crossing_red.values()), default=None)


def score_run(run_dir: Path, *, occupancy: Occupancy | None = None) -> RunScore:
    """Compute the scorecard of a twin's run folder, complete or not."""
    run = read_run_toml(run_dir)
    sumo = run_dir / "sumo"
    if not sumo.is_dir():
        raise StoreError(f"{run_dir}: no sumo/ folder, so this was not a run of the twin; score a twin's run")
    net_file = _network(run, run_dir)
    everybody, walks = read_trips(sumo / "tripinfo.xml")
    trips, service_vehicles = without_services(everybody)
    summary = read_summary(sumo / "summary.xml")
    statistic = read_statistic(sumo / STATISTIC_FILE)
    additional = _inputs(run, "additional")
    lamps = check_lamps(net_file, sumo / "tls_states.xml", program_files=additional)
    junctions, elsewhere_h = junction_scores(read_netfile(net_file), read_edge_loss(sumo / EDGES_FILE), trips, lamps)
    counts = _counts(summary, statistic, int(trips.removed.sum()))
    classes = read_vehicle_classes([*_inputs(run, "routes"), *additional])
    vehicles = vehicle_score(trips)
    sumo_version = written_by(sumo / "tripinfo.xml")
    return RunScore(
        complete=run.complete,
        calibration=run.calibration or "UNCALIBRATED",
        warnings=(
            *_warnings(run, summary, vehicles, counts, lamps, sumo_version, service_vehicles),
            *_latched(sumo / MONITOR_FILE),
        ),
        city=run.case,
        arm=run.control,
        own_plan=run.own_plan,
        sensing=run.sensing,
        seed=run.seed,
        scale=run.scale,
        begin_s=run.begin_s,
        end_s=run.end_s,
        faults=run.faults,
        blackouts=len(run.blackouts),
        sumo_version=sumo_version,
        cityloop_version=run.versions.get("cityloop", ""),
        digests=_digests(run, sumo),
        vehicles=vehicles,
        persons=person_score(trips, walks, classes, occupancy),
        pedestrians=pedestrian_score(walks),
        safety=lamps,
        simulator=counts,
        junctions=junctions,
        elsewhere_veh_h=elsewhere_h,
        over_time=time_bins(trips, summary, run.begin_s, run.end_s),
        services=services_of(sumo),
    )


def write_scorecard(run_dir: Path, *, occupancy: Occupancy | None = None) -> RunScore:
    """Compute a run's scorecard and write it into its folder, whole or not at all."""
    score = score_run(run_dir, occupancy=occupancy)
    write_json(run_dir / SCORECARD_FILE, score)
    return score


def read_scorecard(run_dir: Path) -> RunScore:
    """Read a run folder's scorecard."""
    path = run_dir / SCORECARD_FILE
    if not path.is_file():
        raise StoreError(f"{path}: not there; give a run folder, or write it with cityloop report {run_dir}")
    try:
        return msgspec.json.decode(path.read_bytes(), type=RunScore)
    except msgspec.DecodeError as error:
        raise StoreError(
            f"{path}: not a scorecard of format {FORMAT} ({error}); renew it with cityloop report {run_dir}"
        ) from error


def write_json(path: Path, value: object) -> None:
    """Write a value as readable JSON: to a sibling first, synced, then renamed."""
    part = path.with_name(f".{path.name}.part")
    with part.open("wb") as stream:
        stream.write(msgspec.json.format(msgspec.json.encode(value), indent=1) + b"\n")
        stream.flush()
        os.fsync(stream.fileno())
    part.replace(path)


def _network(run: RunToml, run_dir: Path) -> Path:
    files = _inputs(run, "network")
    if not files:
        raise StoreError(f"{run_dir}/run.toml: names no network among its inputs; run it again")
    return files[0]


def _inputs(run: RunToml, role: str) -> list[Path]:
    return [Path(one.path) for one in run.inputs if one.role == role]


def _counts(summary: Summary, statistic: Statistic | None, removed: int) -> SimulatorCounts:
    return SimulatorCounts(
        teleports=max(summary.teleports, statistic.teleports if statistic else 0),
        removed=removed,
        collisions=max(summary.collisions, statistic.collisions if statistic else 0),
        emergency_stops=statistic.emergency_stops if statistic else None,
        emergency_brakings=statistic.emergency_brakings if statistic else None,
    )


def _warnings(
    run: RunToml,
    summary: Summary,
    vehicles: VehicleScore,
    counts: SimulatorCounts,
    lamps: LampReport,
    sumo_version: str,
    service_vehicles: int,
) -> Iterable[str]:
    if not run.complete:
        yield "INCOMPLETE RUN: it did not come to its end, and its figures compare with nothing."
    reached_s = float(summary.time_s[-1]) if len(summary.time_s) else run.begin_s
    if reached_s + 1.5 < run.end_s:
        yield f"SUMO reached {reached_s:g} s of {run.end_s:g} s."
    if counts.teleports:
        yield f"TELEPORTS: SUMO moved {counts.teleports} vehicles by itself; the delay is not valid."
    if counts.removed:
        yield f"SUMO took {counts.removed} vehicles out before their destination; the delay is not valid."
    if counts.collisions:
        yield f"SUMO counted {counts.collisions} collisions."
    known = summary.running_veh.size and int(summary.running_veh[-1] + summary.waiting_veh[-1])
    missing = known - vehicles.unfinished - vehicles.undeparted - service_vehicles
    if missing > 0:
        yield f"tripinfo.xml lacks {missing} vehicles that were still due or under way; the delay is too low."
    if lamps.unsafe:
        yield f"UNSAFE LAMP STATES: {lamps.unsafe} in {lamps.opportunities} opportunities."
    named = run.versions.get("eclipse-sumo", sumo_version)
    if sumo_version and named != sumo_version:
        yield f"run.toml names SUMO {named}, but the outputs were written by {sumo_version}."


def _latched(path: Path) -> Iterable[str]:
    for one in latched_in(path):
        yield f"LAMP MONITOR: {one.junction} flashed from {one.at_ms / 1000:g} s on: {one.fault}."


def _digests(run: RunToml, sumo: Path) -> dict[str, str]:
    found = {"case": run.case_digest, "layout": run.layout_digest}
    if run.result is not None:
        found["decisions"] = run.result.decisions_digest
    for name in _DIGESTED:
        path = sumo / name
        if path.is_file():
            with path.open("rb") as stream:
                found[f"sumo/{name}"] = hashlib.file_digest(stream, "sha256").hexdigest()
    return found
