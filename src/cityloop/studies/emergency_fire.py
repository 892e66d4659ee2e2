"""A fire service with several units an incident: when the first, the second and all of them were there, by policy."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np
import orjson

from cityloop.cities.events.case import EmergencyCase
from cityloop.cities.events.conditions import Conditions, Turnout
from cityloop.cities.events.fire import FireSpec, draw_incidents, fire_case
from cityloop.domains.emergency.crew import CrewRules
from cityloop.domains.emergency.responses import FullAssignment, full_assignment
from cityloop.domains.emergency.schema import Fire
from cityloop.kernel.errors import ConfigError, StoreError
from cityloop.studies.emergency_run import ARMS, run_arm
from cityloop.studies.emergency_world import BEGIN_MS, World, make_world

__all__ = ["FireRow", "bench_fire", "fire_lines", "fire_world", "write_fire"]

FIRE_RULES = CrewRules(shift_h=24, meals_at_once=0)
"""Crews change once a day and eat at their stations, ready to go."""


@dataclass(frozen=True, slots=True)
class FireRow:
    """One policy on one seed."""

    city: str
    arm: str
    seed: int
    found: FullAssignment
    moves: int
    swaps: int
    cpu_s_per_day: float


def fire_world(case: EmergencyCase, spec: FireSpec) -> World:
    """Return the city with its fire service: units stand at stations, and only engines count as cover."""
    world = make_world(fire_case(case, spec), kerb_posts=0)
    return replace(world, rules=FIRE_RULES, coverage=replace(world.coverage, first_needs=int(Fire.ENGINE)))


def bench_fire(
    world: World,
    spec: FireSpec,
    arms: Sequence[str],
    seeds: Sequence[int],
    days: float,
    turnout_s: float,
    say: Callable[[str], None],
) -> list[FireRow]:
    """Run every policy on every seed's incidents."""
    for name in arms:
        if name not in ARMS:
            raise ConfigError(f"--policy {name}: no such policy here; there are {', '.join(ARMS)}.")
    turnout_ms = round(turnout_s * 1000)
    conditions = Conditions(Turnout(turnout_ms, turnout_ms))
    rows = []
    for seed in seeds:
        asked = draw_incidents(world.case, spec, seed, days, BEGIN_MS)
        places, incident = asked.calls, asked.incident
        for name in arms:
            begun = time.process_time()
            city = run_arm(world, ARMS[name], places, days, conditions)
            cpu_s = (time.process_time() - begun) / days
            ledger = city.ledger
            high = np.flatnonzero(places.priority <= world.case.high_until)
            # Incidents are numbered anew among those of high priority.
            _, number = np.unique(incident[high], return_inverse=True)
            found = full_assignment(
                number.astype(np.int64),
                places.needs[high],
                places.received_ms[high],
                ledger.mobile_ms[high],
                ledger.arrived_ms[high],
                asked.alarm[high],
            )
            rows.append(FireRow(world.case.name, name, seed, found, ledger.moves, ledger.swaps, cpu_s))
            say(f"{world.case.name} seed {seed} {name}: first {found.first.mean_min:.2f} min")
    return rows


def fire_lines(rows: Sequence[FireRow], days: float) -> list[str]:
    """Return the table as lines for a terminal, means over seeds."""
    seeds = sorted({row.seed for row in rows})
    told = f"{rows[0].city}: {len(seeds)} seeds of {days:g} days, high priority, simulated; a made-up service."
    heading = (
        f"  {'policy':<13}{'first':>7}{'p90':>7}{'240 s':>7}{'second':>8}{'p90':>7}{'360 s':>7}{'full':>7}{'p90':>7}"
        f"{'480 s':>7}{'unserved':>10}{'moves/day':>11}"
    )
    lines = [told, heading]
    for arm in dict.fromkeys(row.arm for row in rows):
        mine = [row for row in rows if row.arm == arm]
        cells = []
        for part in ("first", "second", "full"):
            figures = [getattr(row.found, part) for row in mine]
            mean, p90 = _mean([f.mean_min for f in figures]), _mean([f.p90_min for f in figures])
            cells.append((mean, p90, 100 * _mean([f.drive_within for f in figures])))
        (a, b, c), (d, e, f), (g, h, i) = cells
        lines.append(
            f"  {arm:<13}{a:>7.2f}{b:>7.2f}{c:>6.0f}%{d:>8.2f}{e:>7.2f}{f:>6.0f}%{g:>7.2f}{h:>7.2f}{i:>6.0f}%"
            f"{sum(row.found.unserved for row in mine):>10}{sum(row.moves for row in mine) / days / len(mine):>11.0f}"
        )
        alarms = [row.found.second_alarm for row in mine if row.found.second_alarm is not None]
        if any(one.incidents for one in alarms):
            known = [one for one in alarms if one.incidents]
            lines.append(
                f"    second alarms, last unit: {_mean([one.mean_min for one in known]):.2f} min after it was asked "
                f"for, 90th percentile {_mean([one.p90_min for one in known]):.2f}; "
                f"{sum(one.incidents for one in known)} in all"
            )
    return lines


def write_fire(path: Path, rows: Sequence[FireRow]) -> None:
    """Write the results file."""
    content = orjson.dumps({"fire": [asdict(row) for row in rows]}, option=orjson.OPT_INDENT_2)
    try:
        path.write_bytes(content + b"\n")
    except OSError as error:
        raise StoreError(f"{path}: cannot be written ({error}).") from error


def _mean(values: Sequence[float]) -> float:
    return math.fsum(values) / len(values)
