"""A week's plans beside today's practice: the same days, driven both ways by the same clock and checker.

Today's practice is a list a day of trucks and stops in the order they are driven; tips and breaks are put where they
are needed. Containers with ``container_m3`` and ``fill_m3_per_day`` are filled day by day at that rate under both, so
that what is emptied too late shows as overflow and what is emptied too early as fill at collection.
"""

from __future__ import annotations

import csv
import json
import math
import statistics
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from cityloop.domains.refuse.checker import check_plan
from cityloop.domains.refuse.measure import DIESEL_CO2_KG_L, DIESEL_L_KM, DIESEL_L_STOP
from cityloop.domains.refuse.plan_file import plan_from_json
from cityloop.domains.refuse.routes.problem import problem_of
from cityloop.domains.refuse.routes.timing import plan_of
from cityloop.domains.refuse.schema import RoundCase, RoundPlan, VisitKind
from cityloop.kernel.errors import InputError
from cityloop.methods.vrp import Problem
from cityloop.methods.vrp_search import improve
from cityloop.studies.refuse_plan import read_case, read_json

__all__ = ["Week", "compare_week"]


@dataclass(slots=True)
class _Bin:
    """A container as it fills."""

    whole_m3: float
    a_day_m3: float
    level_m3: float


@dataclass(slots=True)
class Week:
    """Figures of a week under one practice."""

    km: float = 0.0
    hours: float = 0.0
    stops: int = 0
    trucks: int = 0
    left_out: int = 0
    fuel_l: float = 0.0
    co2_kg: float = 0.0
    overflow_days: int = 0
    """Containers that are full in the morning, summed over the days."""
    fill_at_stop: float = math.nan
    """Mean share of capacity found. [1]"""
    balance: float = math.nan
    """Standard deviation over mean of the trucks' hours a day: how unlike they are. [1]"""
    faults: list[str] = field(default_factory=list)


def compare_week(path: Path, json_out: Path | None) -> list[str]:
    """Compare a week's plans with today's practice; write the figures if wanted, and return a table's lines."""
    raw = read_json(path)
    days = raw.get("days") if isinstance(raw, dict) else None
    if not isinstance(days, list) or not days:
        raise InputError(f"{path}, days: must be a list with one day at least, each with case, plan and today.")
    cases, plans, todays = [], [], []
    bins: dict[str, _Bin] = {}
    for number, day in enumerate(days):
        where = f"{path}, days[{number}]"
        files = {key: _file(path, day, key, where) for key in ("case", "plan", "today")}
        case = read_case(files["case"], [])
        _note_bins(read_json(files["case"]), files["case"], number, bins)
        cases.append(case)
        plans.append(plan_from_json(read_json(files["plan"]), str(files["plan"])))
        todays.append(_as_driven(case, files["today"]))
    both = {"planned": _score(cases, plans, bins), "today": _score(cases, todays, bins)}
    if both["planned"].faults:
        raise InputError(f"{path}: the checker refuses a plan: {both['planned'].faults[0]}")
    if json_out is not None:
        json_out.write_text(json.dumps({name: asdict(week) for name, week in both.items()}, indent=1) + "\n")
    return _table(both["planned"], both["today"])


def _file(path: Path, day: object, key: str, where: str) -> Path:
    name = day.get(key) if isinstance(day, dict) else None
    if not isinstance(name, str):
        raise InputError(f"{where}.{key}: {name!r}, must be the name of a file.")
    return path.parent / name


def _note_bins(raw: Any, path: Path, number: int, bins: dict[str, _Bin]) -> None:
    for stop in raw.get("stops", ()) if isinstance(raw, dict) else ():
        name = str(stop.get("id"))
        if name in bins or "container_m3" not in stop:
            continue
        values = {}
        for key in ("container_m3", "fill_m3_per_day", "volume_m3"):
            value = stop.get(key, 0.0)
            if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < math.inf:
                raise InputError(f"{path}, stop {name}.{key}: {value!r}, must be a number, 0 or more.")
            values[key] = float(value)
        if values["container_m3"] <= 0:
            raise InputError(f"{path}, stop {name}.container_m3: 0, must be more.")
        a_day = values["fill_m3_per_day"]
        bins[name] = _Bin(values["container_m3"], a_day, max(0.0, values["volume_m3"] - a_day * number))


def _as_driven(case: RoundCase, path: Path) -> RoundPlan:
    """Return today's rounds on the clock; what is not legal of them is put elsewhere or left out."""
    orders: list[list[int]] = [[] for _ in case.truck_ids]
    problem = problem_of(case)
    rows = {name: problem.first_client + row for row, name in enumerate(case.stop_ids)}
    try:
        lines = list(csv.DictReader(path.read_text(encoding="utf-8").splitlines()))
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror}).") from error
    for number, line in enumerate(lines, 2):
        for key, known in (("truck", case.truck_ids), ("stop", case.stop_ids)):
            if line.get(key) not in known:
                raise InputError(f"{path}, line {number}, {key}: {line.get(key)!r}, is not one of the case.")
        orders[case.truck_ids.index(line["truck"])].append(rows[line["stop"]])
    wanted = {node for order in orders for node in order}
    found = improve(_only(problem, wanted), orders, lambda iteration: 1.0, np.random.default_rng(1))
    return plan_of(case, problem, found)


def _only(problem: Problem, wanted: set[int]) -> Problem:
    """Return the problem in which no vehicle may serve what is not wanted."""
    allowed = problem.fleet.allowed.copy()
    others = [node for node in range(problem.first_client, problem.n_nodes) if node not in wanted]
    allowed[:, others] = False
    return replace(problem, fleet=replace(problem.fleet, allowed=allowed))


def _score(cases: Sequence[RoundCase], plans: Sequence[RoundPlan], bins: dict[str, _Bin]) -> Week:
    week = Week()
    level = {name: one.level_m3 for name, one in bins.items()}
    fills, spreads = [], []
    for case, plan in zip(cases, plans, strict=True):
        report = check_plan(case, plan)
        week.faults += [str(fault) for fault in report.faults]
        week.km += report.metres / 1000
        week.hours += report.hours
        week.stops += report.stops
        week.trucks += report.trucks
        week.left_out += len(plan.left_out)
        hours = [route.visits[-1].arrive_s - route.visits[0].leave_s for route in plan.routes if route.visits]
        if len(hours) > 1:
            spreads.append(statistics.pstdev(hours) / statistics.mean(hours))
        served = {v.id for route in plan.routes for v in route.visits if v.kind is VisitKind.STOP}
        for name, one in bins.items():
            week.overflow_days += level[name] > one.whole_m3
            if name in served:
                fills.append(level[name] / one.whole_m3)
                level[name] = 0.0
            level[name] += one.a_day_m3
    week.fuel_l = DIESEL_L_KM * week.km + DIESEL_L_STOP * week.stops
    week.co2_kg = DIESEL_CO2_KG_L * week.fuel_l
    week.fill_at_stop = statistics.mean(fills) if fills else math.nan
    week.balance = statistics.mean(spreads) if spreads else math.nan
    return week


_ROWS = (
    ("km", "kilometres", 1), ("hours", "hours", 1), ("stops", "stops", 0), ("trucks", "truck days", 0),
    ("left_out", "left out", 0), ("fuel_l", "fuel, l", 0), ("co2_kg", "CO2, kg", 0),
    ("overflow_days", "container-days full", 0), ("fill_at_stop", "fill at collection", 2),
    ("balance", "spread of trucks' hours", 2),
)  # fmt: skip


def _table(planned: Week, today: Week) -> list[str]:
    lines = [f"{'':24}{'planned':>12}{'today':>12}{'change':>10}"]
    for key, told, digits in _ROWS:
        ours, theirs = float(getattr(planned, key)), float(getattr(today, key))
        change = f"{100 * (ours / theirs - 1):+.0f} %" if theirs and math.isfinite(ours / theirs) else ""
        lines.append(f"{told:24}{ours:12.{digits}f}{theirs:12.{digits}f}{change:>10}")
    return lines
