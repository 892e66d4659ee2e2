"""Policies on bad days: each stress on its own beside the plain case, the same calls for every policy.

Two things are asked of a policy: that high priority suffers least, and that nobody would have done better by sending
the closest.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np
import orjson

from cityloop.cities.events.stress import STRESSES, Stress, drawn_under
from cityloop.domains.emergency.forecast import plans_of
from cityloop.kernel.errors import ConfigError, StoreError
from cityloop.studies.emergency_bench import Run, figures_of
from cityloop.studies.emergency_run import ARMS, run_arm
from cityloop.studies.emergency_world import BEGIN_MS, World

__all__ = ["StressRow", "bench_stress", "stress_lines", "stresses_of", "world_under", "write_stress"]


@dataclass(frozen=True, slots=True)
class StressRow:
    """One policy under one stress, means over seeds."""

    city: str
    stress: str
    arm: str
    seeds: tuple[int, ...]
    days: float
    high_mean_min: float
    high_p90_min: float
    low_mean_min: float
    low_p90_min: float
    unserved: int
    late_finishes: int
    breaks_missed: int
    high_ratio: float
    """Mean of high priority, of the same policy's in the plain case."""
    low_ratio: float
    high_degrades_last: bool
    """Whether lower priorities lost a greater share than high priority."""
    against_as_is: float | None
    """Gain in the mean of high priority over the closest free unit, as a share."""
    seeds_worse: int | None
    """Seeds on which it was worse than that."""


def stresses_of(text: str) -> tuple[Stress, ...]:
    """Return the stresses of a list by comma, the plain case first; ``all`` names every one."""
    names = list(STRESSES) if text == "all" else [name.strip() for name in text.split(",")]
    for name in names:
        if name not in STRESSES:
            raise ConfigError(f"--stress {name}: no such stress; there are all, {', '.join(STRESSES)}.")
    return tuple(STRESSES[name] for name in dict.fromkeys(["plain", *names]))


def bench_stress(
    world: World,
    arms: Sequence[str],
    stresses: Sequence[Stress],
    seeds: Sequence[int],
    days: float,
    say: Callable[[str], None],
) -> list[StressRow]:
    """Run every policy under every stress."""
    for name in arms:
        if name not in ARMS:
            raise ConfigError(f"--policy {name}: no such policy here; there are {', '.join(ARMS)}.")
    city_name = world.case.name
    found: dict[tuple[str, str], list[Run]] = {}
    for stress in stresses:
        here = world_under(world, stress)
        for seed in seeds:
            calls, conditions = drawn_under(here.case, seed, days, BEGIN_MS, stress)
            for name in arms:
                city = run_arm(here, ARMS[name], calls, days, conditions)
                run = figures_of(here, name, seed, city, calls, cpu_s=float("nan"))
                found.setdefault((stress.name, name), []).append(run)
                say(
                    f"{city_name} {stress.name} seed {seed} {name}: high {run.high.mean_min:.2f} min, "
                    f"p90 {run.high.p90_min:.2f}; low {run.low.mean_min:.2f}, p90 {run.low.p90_min:.2f}"
                )
    return [_row(city_name, stress, name, found, days) for stress in stresses for name in arms]


def world_under(world: World, stress: Stress) -> World:
    """Return the city under a stress: with a mode for every priority, and without the closed station."""
    wanted = 0 if stress.priority_share is None else len(stress.priority_share)
    mode = world.case.response_mode
    if wanted > len(mode):
        mode = np.concatenate((mode, np.repeat(mode[-1:], wanted - len(mode)))).astype(np.int32)
        world = replace(
            world,
            case=replace(world.case, response_mode=mode),
            times=replace(world.times, response_mode=mode),
        )
    if not stress.station_closed:
        return world
    coverage, sites = world.coverage, world.sites
    first = next(int(site) for site in coverage.plan_day if site < len(world.case.stations.node))
    is_open = sites.is_open.copy()
    is_open[first] = False
    sites = replace(sites, is_open=is_open)
    plan_day, plan_night = plans_of(sites, coverage.site_zone_min, coverage.weight)
    return replace(world, sites=sites, coverage=replace(coverage, plan_day=plan_day, plan_night=plan_night))


def _row(city: str, stress: Stress, name: str, found: dict[tuple[str, str], list[Run]], days: float) -> StressRow:
    runs, plain = found[stress.name, name], found["plain", name]
    high, low = _mean([run.high.mean_min for run in runs]), _mean([run.low.mean_min for run in runs])
    high_ratio = high / _mean([run.high.mean_min for run in plain])
    low_ratio = low / _mean([run.low.mean_min for run in plain])
    rival = found.get((stress.name, "as-is"))
    against, worse = None, None
    if rival is not None and name != "as-is":
        against = 1.0 - high / _mean([run.high.mean_min for run in rival])
        pairs = zip(runs, rival, strict=True)
        worse = sum(ours.high.mean_min > theirs.high.mean_min for ours, theirs in pairs)
    return StressRow(
        city=city,
        stress=stress.name,
        arm=name,
        seeds=tuple(run.seed for run in runs),
        days=days,
        high_mean_min=high,
        high_p90_min=_mean([run.high.p90_min for run in runs]),
        low_mean_min=low,
        low_p90_min=_mean([run.low.p90_min for run in runs]),
        unserved=sum(run.high.unserved + run.low.unserved for run in runs),
        late_finishes=sum(run.late_finishes for run in runs),
        breaks_missed=sum(run.breaks_missed for run in runs),
        high_ratio=high_ratio,
        low_ratio=low_ratio,
        high_degrades_last=high_ratio <= max(low_ratio, 1.0),
        against_as_is=against,
        seeds_worse=worse,
    )


def _mean(values: Sequence[float]) -> float:
    return math.fsum(values) / len(values)


def stress_lines(rows: Sequence[StressRow]) -> list[str]:
    """Return the table as lines for a terminal."""
    first = rows[0]
    heading = (
        f"  {'stress':<13}{'policy':<13}{'high':>7}{'p90':>7}{'low':>7}{'p90':>7}{'high x':>8}{'low x':>7}"
        f"{'against as-is':>15}{'unserved':>10}"
    )
    told = f"{first.city}: {len(first.seeds)} seeds of {first.days:g} days, simulated, one stress at a time."
    lines = [told, heading]
    for row in rows:
        gain = "" if row.against_as_is is None else f"{100 * row.against_as_is:+.1f} %"
        lines.append(
            f"  {row.stress:<13}{row.arm:<13}{row.high_mean_min:>7.2f}{row.high_p90_min:>7.2f}{row.low_mean_min:>7.2f}"
            f"{row.low_p90_min:>7.2f}{row.high_ratio:>8.2f}{row.low_ratio:>7.2f}{gain:>15}{row.unserved:>10}"
        )
    for name in dict.fromkeys(row.arm for row in rows if row.against_as_is is not None):
        mine = [row for row in rows if row.arm == name]
        worse = [row.stress for row in mine if row.against_as_is is not None and row.against_as_is < 0]
        sooner = [row.stress for row in mine if not row.high_degrades_last]
        lines.append(
            f"  {name}: worse than as-is under {', '.join(worse) or 'nothing'}; "
            f"high priority lost more than lower under {', '.join(sooner) or 'nothing'}"
        )
    lines.extend(f"  {stress.name}: {stress.words}" for stress in STRESSES.values() if stress.name != "plain")
    return lines


def write_stress(path: Path, rows: Sequence[StressRow]) -> None:
    """Write the results file."""
    content = orjson.dumps({"stress": [asdict(row) for row in rows]}, option=orjson.OPT_INDENT_2)
    try:
        path.write_bytes(content + b"\n")
    except OSError as error:
        raise StoreError(f"{path}: cannot be written ({error}).") from error
