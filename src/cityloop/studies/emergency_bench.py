"""The emergency bench: every arm on the same calls, paired over seeds, with the price beside the gain."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np

from cityloop.cities.events.calls import Calls, draw_calls
from cityloop.cities.events.chance import Chance
from cityloop.cities.events.city import EventCity
from cityloop.cities.events.conditions import Conditions, Turnout
from cityloop.cities.events.corridors import Equipped, with_corridors
from cityloop.domains.emergency.measure import Clocks, Norms, Phases, Response, norms, offload_shares, phases, response
from cityloop.kernel.columns import F64
from cityloop.kernel.errors import ConfigError
from cityloop.studies.emergency_eta import EtaWatch
from cityloop.studies.emergency_log import write_run
from cityloop.studies.emergency_reference import reference_response_min
from cityloop.studies.emergency_run import ARMS, Arm, run_arm
from cityloop.studies.emergency_summary import CitySummary, summarise
from cityloop.studies.emergency_world import BEGIN_MS, World, make_world, open_case

__all__ = ["EmergencySpec", "Run", "arm_of", "bench_emergency", "figures_of"]

CORRIDOR_SEED = 77
"""Draws which junctions are equipped; the same for all seeds of calls."""

DISTRICT_M = 3000.0
DAY_MS = 86_400_000


@dataclass(frozen=True, slots=True)
class EmergencySpec:
    """What to run."""

    cities: tuple[Path, ...]
    arms: tuple[str, ...]
    seeds: tuple[int, ...]
    days: float
    log: Path | None = None
    demand: float = 1.0
    priority_share: tuple[float, ...] | None = None
    turnout_s: tuple[float, float] = (0.0, 0.0)
    """Standing and driving. [s]"""
    travel_noise: float = 0.0
    """Standard deviation of the log of a drive of five minutes; 0: every drive takes its expected time."""
    turnout_noise: float = 0.0
    corridor_saving_s: float | None = None
    corridor_share: float = 0.0
    """Share of equipped junctions for the arm ``brain``; ``brain@0.5`` names another."""


@dataclass(frozen=True, slots=True)
class Run:
    """The figures of one arm on one seed."""

    arm: str
    seed: int
    high: Response
    low: Response
    """Calls of every lower priority."""
    by_priority: dict[int, Response]
    phases: Phases
    norms: Norms
    offload: tuple[float, float, float]
    moves: int
    repositioned_km: float
    late_finishes: int
    shifts: int
    breaks_taken: int
    breaks_missed: int
    diversions: int
    swaps: int
    kerb_h: float
    kerb_longest_min: float
    cpu_s_per_day: float
    log_bytes: int = 0
    fastest: float = 1.0
    """Greatest factor by which chance made a drive faster than its roads' own time."""
    etas_taken_off: int = 0
    etas: F64 = field(default_factory=lambda: np.empty((0, 8)), repr=False)
    """Completed runs with what was expected of them, one a row."""
    district_sum: F64 = field(default_factory=lambda: np.empty(0), repr=False)
    district_calls: F64 = field(default_factory=lambda: np.empty(0), repr=False)


def bench_emergency(spec: EmergencySpec, say: Callable[[str], None]) -> list[CitySummary]:
    """Run every arm on every seed of every city."""
    summaries = []
    for folder in spec.cities:
        begun = time.process_time()
        world = make_world(open_case(folder))
        build_s = time.process_time() - begun
        arms = {name: arm_of(name, spec) for name in spec.arms}
        worlds, equipped = _worlds(world, spec)
        say(
            f"{folder.name}: {len(world.case.roads.graph.x_m)} nodes, {len(world.case.unit_name)} units, "
            f"{len(world.sites.kind)} sites, ready in {build_s:.1f} s of CPU"
        )
        runs: list[Run] = []
        reference: dict[int, F64] = {}
        for seed in spec.seeds:
            share = None if spec.priority_share is None else np.array(spec.priority_share)
            calls = draw_calls(world.case, seed, spec.days, BEGIN_MS, spec.demand, share)
            reference[seed] = reference_response_min(world, calls)[calls.priority <= world.case.high_until]
            for name, arm in arms.items():
                where = None
                if spec.log is not None:
                    where = (
                        spec.log / name / str(seed)
                        if len(spec.cities) == 1
                        else (spec.log / folder.name / name / str(seed))
                    )
                run = _one(worlds[name], name, arm, calls, seed, spec, where)
                runs.append(run)
                say(
                    f"{folder.name} seed {seed} {name}: high {run.high.mean_min:.2f} min, p90 {run.high.p90_min:.2f}; "
                    f"low p90 {run.low.p90_min:.2f}; {run.cpu_s_per_day:.2f} s CPU a day"
                )
        summaries.append(summarise(folder.name, world, spec, runs, reference, equipped, build_s))
    return summaries


def arm_of(name: str, spec: EmergencySpec) -> Arm:
    """Return the arm of a name; ``brain@0.5`` is the brain with half of the junctions equipped."""
    base, _, share = name.partition("@")
    if base not in ARMS:
        raise ConfigError(f"--policy {name}: no such policy; there are {', '.join(ARMS)}.")
    if share and spec.corridor_saving_s is None:
        raise ConfigError(f"--policy {name}: corridors need --corridor-saving-s, as measured in the twin.")
    return ARMS[base]


def _worlds(world: World, spec: EmergencySpec) -> tuple[dict[str, World], dict[str, Equipped]]:
    worlds: dict[str, World] = {}
    equipped: dict[str, Equipped] = {}
    by_share: dict[float, tuple[World, Equipped]] = {}
    for name in spec.arms:
        base, _, told = name.partition("@")
        share = float(told) if told else spec.corridor_share if base == "brain" else 0.0
        if spec.corridor_saving_s is None or share <= 0.0:
            worlds[name] = world
            continue
        if share not in by_share:
            rng = np.random.default_rng(CORRIDOR_SEED)
            made = with_corridors(world.case.roads, spec.corridor_saving_s, share, rng)
            by_share[share] = (make_world(replace(world.case, roads=made.roads)), made)
        worlds[name], equipped[name] = by_share[share]
    return worlds, equipped


def _one(world: World, name: str, arm: Arm, calls: Calls, seed: int, spec: EmergencySpec, where: Path | None) -> Run:
    turnout = Turnout(round(spec.turnout_s[0] * 1000), round(spec.turnout_s[1] * 1000))
    conditions = Conditions(turnout, Chance(spec.travel_noise, spec.turnout_noise, seed))
    watch = EtaWatch(BEGIN_MS + round(DAY_MS * min(1.0, spec.days / 2)))
    begun = time.process_time()
    city = run_arm(world, arm, calls, spec.days, conditions, record=where is not None, watch=watch)
    cpu_s = time.process_time() - begun
    size = 0
    if where is not None:
        size = write_run(where, world, city) + watch.write(where / "etas.parquet", world.case.unit_name)
    return replace(
        figures_of(world, name, seed, city, calls, cpu_s / spec.days, size),
        fastest=city.ledger.fastest,
        etas=watch.rows(),
        etas_taken_off=watch.taken_off,
    )


def figures_of(world: World, name: str, seed: int, city: EventCity, calls: Calls, cpu_s: float, size: int = 0) -> Run:
    """Return the figures of a finished run."""
    ledger = city.ledger
    clocks = Clocks(
        calls.received_ms,
        calls.ready_ms,
        ledger.dispatched_ms,
        ledger.mobile_ms,
        ledger.arrived_ms,
        ledger.at_hospital_ms,
        ledger.free_ms,
    )
    # A call is of the priority that it had last; who was called off before anybody came awaits nobody.
    priority, kept = city.priority, ledger.cancelled_ms < 0
    high, low = kept & (priority <= world.case.high_until), kept & (priority > world.case.high_until)
    district, minutes = _districts(calls, high), (ledger.arrived_ms - calls.received_ms)[high] / 60_000.0
    count = int(district.max(initial=0)) + 1
    return Run(
        arm=name,
        seed=seed,
        high=response(clocks, high),
        low=response(clocks, low),
        by_priority={int(p): response(clocks, kept & (priority == p)) for p in np.unique(priority)},
        phases=phases(clocks, high),
        norms=norms(clocks, high),
        offload=offload_shares(clocks),
        moves=ledger.moves,
        repositioned_km=ledger.repositioned_m / 1000.0,
        late_finishes=ledger.late_finishes,
        shifts=ledger.shifts,
        breaks_taken=ledger.breaks_taken,
        breaks_missed=ledger.breaks_missed,
        diversions=ledger.diversions,
        swaps=ledger.swaps,
        kerb_h=ledger.kerb_ms / 3.6e6,
        kerb_longest_min=ledger.kerb_longest_ms / 60_000.0,
        cpu_s_per_day=cpu_s,
        log_bytes=size,
        district_sum=np.bincount(district, weights=minutes, minlength=count).astype(np.float64),
        district_calls=np.bincount(district, minlength=count).astype(np.float64),
    )


def _districts(calls: Calls, high: np.ndarray) -> np.ndarray:
    """Return the district of every call of high priority, the same numbers for every seed."""
    column = np.floor(calls.x_m[high] / DISTRICT_M).astype(np.int64) + 50
    row = np.floor(calls.y_m[high] / DISTRICT_M).astype(np.int64) + 50
    return np.asarray(np.clip(column, 0, 99) * 100 + np.clip(row, 0, 99))
