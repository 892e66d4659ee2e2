"""The signals benchmark: cities by arms, seeds, scales and sensing levels, paired, with nothing left out."""

from __future__ import annotations

import hashlib
import re
import tempfile
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import msgspec

from cityloop.cities.sumo.folder import CityCase, resolve_city
from cityloop.kernel.errors import ConfigError
from cityloop.studies.compare import group_results, plans_for
from cityloop.studies.matrix import Cell, CellResult, run_cells
from cityloop.studies.summary import Summary

__all__ = ["BenchResult", "BenchSpec", "CellRecord", "bench_signals"]

FORMAT = 1
_WALK_SEED = 1
"""Of the people in walkable variants; they are the same for every arm and seed."""

Progress = Callable[[str], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class BenchSpec:
    """What to measure."""

    cities: tuple[str, ...]
    arms: tuple[str, ...]
    sensing: tuple[str, ...] = ("area:150",)
    seeds: tuple[int, ...] = (1, 2, 3, 4, 5)
    scales: tuple[float, ...] = (1.0,)
    jobs: int = 1
    walkable: bool = False
    """Give each city sidewalks, crossings and people first."""
    keep: Path | None = None
    """Where runs are kept, and found again; None keeps none."""
    tune_budget: int | None = None
    begin_s: float | None = None
    end_s: float | None = None

    def __post_init__(self) -> None:
        """Refuse a matrix with repeated or unknown rows before anything runs."""
        from cityloop.app import ARMS

        for name, given in (("--control", self.arms), ("--city", self.cities), ("--sensing", self.sensing)):
            if not given or len(set(given)) < len(given):
                raise ConfigError(f"{name} {','.join(given)}: give at least one, none of them twice")
        unknown = [arm for arm in self.arms if arm not in ARMS]
        if unknown:
            raise ConfigError(f"--control {unknown[0]!r} is not one of {', '.join(ARMS)}")
        if min(self.scales, default=0.0) <= 0:
            raise ConfigError("--scale must be above 0; give for example 1.0,0.8")


class CellRecord(msgspec.Struct, frozen=True, kw_only=True):
    """One run, in a line."""

    city: str
    arm: str
    sensing: str
    scale: float
    seed: int
    delay_s: float | None
    unsafe: int | None
    tripinfo_sha256: str
    failure: str
    reused: bool


class BenchResult(msgspec.Struct, frozen=True, kw_only=True):
    """What a benchmark found."""

    format: int = FORMAT
    simulated: bool = True
    walkable: bool
    groups: tuple[Summary, ...]
    """One a city, scale and sensing level."""
    cells: tuple[CellRecord, ...]
    failed: int


@dataclass(frozen=True, slots=True)
class _Group:
    city: str
    scale: float
    sensing: str


def bench_signals(spec: BenchSpec, progress: Progress) -> BenchResult:
    """Run the matrix. A group in which every run failed has no summary; its failures are among the cells."""
    with ExitStack() as closing:
        folder = spec.keep or Path(closing.enter_context(tempfile.TemporaryDirectory(prefix="cityloop-bench-")))
        folder = folder.resolve()
        cities = [_prepared(city, spec, folder, progress) for city in spec.cities]
        plans = {
            city: plans_for(city, spec.arms, jobs=spec.jobs, budget=spec.tune_budget, progress=progress)
            for city in cities
        }
        groups = _cells(spec, cities, plans, folder)
        every = list({cell.folder: cell for cells in groups.values() for cell in cells}.values())
        results = run_cells(every, jobs=spec.jobs, keep=spec.keep is not None, progress=progress)
    by_folder = {result.cell.folder: result for result in results}
    summaries = []
    for cells in groups.values():
        found = [by_folder[cell.folder] for cell in cells]
        if any(result.score for result in found):
            summaries.append(group_results(found, spec.arms))
    return BenchResult(
        walkable=spec.walkable,
        groups=tuple(summaries),
        cells=tuple(_record(result) for result in results),
        failed=sum(result.score is None for result in results),
    )


def _cells(
    spec: BenchSpec, cities: Sequence[str], plans: dict[str, Path | None], folder: Path
) -> dict[_Group, list[Cell]]:
    from cityloop.app import LEASED_ARMS

    groups: dict[_Group, list[Cell]] = {}
    for city in cities:
        name = _folder_name(resolve_city(city))
        for scale in spec.scales:
            for sensing in spec.sensing:
                cells = groups.setdefault(_Group(city, scale, sensing), [])
                for seed in spec.seeds:
                    for arm in spec.arms:
                        # What runs its own program is not given the level: it is run once and stands for
                        # every level.
                        level = sensing if arm in LEASED_ARMS else spec.sensing[0]
                        place = folder / name / f"scale-{scale:g}" / level.replace(":", "-") / arm / str(seed)
                        cells.append(
                            Cell(
                                city=city,
                                arm=arm,
                                sensing=level,
                                seed=seed,
                                scale=scale,
                                folder=place,
                                plans=plans[city],
                                begin_s=spec.begin_s,
                                end_s=spec.end_s,
                            )
                        )
    return groups


def _prepared(city: str, spec: BenchSpec, folder: Path, progress: Progress) -> str:
    """Return the city to run: itself, or its walkable variant, built once a work folder."""
    if not spec.walkable:
        resolve_city(city)
        return city
    from cityloop.cities.sumo.walkable import make_walkable

    case = resolve_city(city)
    if case.sumocfg is None:
        raise ConfigError(f"--walkable {city}: only a .sumocfg can be made walkable; give one, or leave it out")
    out = folder / "walkable" / _folder_name(case)
    config = out / case.sumocfg.name
    if not out.is_dir():
        progress(f"{case.name}: making the walkable variant")
        config = make_walkable(case.sumocfg, out, seed=_WALK_SEED, walking_speed_mps=case.walking_speed_mps).sumocfg
    else:
        config = next(iter(sorted(out.glob("*.sumocfg"))), config)
    resolve_city(str(config))
    return str(config)


def _folder_name(case: CityCase) -> str:
    """Return a folder name that tells cities of one name apart."""
    plain = re.sub(r"[^A-Za-z0-9._-]+", "_", case.name)
    return f"{plain}-{hashlib.sha256(case.digest.encode()).hexdigest()[:8]}"


def _record(result: CellResult) -> CellRecord:
    score, cell = result.score, result.cell
    return CellRecord(
        city=cell.city if score is None else score.city,
        arm=cell.arm,
        sensing=cell.sensing,
        scale=cell.scale,
        seed=cell.seed,
        delay_s=score.vehicles.delay_s if score else None,
        unsafe=score.safety.unsafe if score else None,
        tripinfo_sha256=score.digests.get("sumo/tripinfo.xml", "") if score else "",
        failure=result.failure,
        reused=result.reused,
    )
