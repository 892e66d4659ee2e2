"""Periodic rounds with tips: the published set of real districts of Milan, Turin and Rome, planned and replayed.

``python -m cityloop.studies.refuse_periodic FOLDER --seconds 10 --out periodic.jsonl``

FOLDER holds the instances (``*.geojson``) and, in its ``README.md``, the table of best known values.

References
----------
.. [1] Taverna, F. and Tilk, C.: Instances for the periodic vehicle routing problem with intermediate facilities,
   github.com/iolab-uniud/pvrpif-instances.
"""

from __future__ import annotations

import json
import re
import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import click
import numpy as np

from cityloop.kernel.columns import I64
from cityloop.kernel.errors import InputError
from cityloop.methods.vrp import FOREVER, MUST, Fleet, Problem
from cityloop.methods.vrp_periodic import Options, PeriodicPlan, improve_periodic
from cityloop.methods.vrp_search import SearchParams
from cityloop.studies.processor_budget import processor_budget

__all__ = ["District", "best_known", "main", "problem_of_district", "read_district", "replay", "solve_district"]

HOT = SearchParams(hot_frac=1.0, cold_frac=0.03, block=100)
"""Changing days takes several dear steps at once; set on drawn districts, none of them published."""
_ROW = re.compile(r"<th>(\w+)</th>\s*((?:<td>[^<]*</td>\s*){6})")


@dataclass(frozen=True, slots=True)
class District:
    """An instance: a depot, tips, and customers to be visited on evenly spaced days."""

    name: str
    days: int
    vehicles: int
    """For each day."""
    capacity: int
    longest: int
    """Driving and service of one vehicle's day at the most."""
    depot: int
    tips: tuple[int, ...]
    customers: tuple[int, ...]
    frequency: tuple[int, ...]
    """Visits of each customer over all days."""
    demand: tuple[int, ...]
    service: tuple[int, ...]
    way: I64
    """Driving time between all places."""

    def schemes(self, row: int) -> list[tuple[int, ...]]:
        """Return the sets of days on which a customer may be visited: evenly spaced."""
        times = self.frequency[row]
        step = self.days // times
        return [tuple(range(first, self.days, step))[:times] for first in range(step)]


def read_district(path: Path) -> District:
    """Read an instance."""
    try:
        given: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        head, kinds = given["info"], [place["properties"]["type"] for place in given["features"]]
        rows = [place["properties"] for place in given["features"]]
        customers = [row for row, kind in enumerate(kinds) if kind == "customer"]
        days = int(head["planningHorizon"])
        frequency = tuple(int(rows[row]["frequency"]) for row in customers)
        uneven = [row for row, times in zip(customers, frequency, strict=True) if times < 1 or days % times]
        if uneven:
            raise InputError(f"{path}: customer {uneven[0]}: its visits do not divide {days} days evenly.")
        return District(
            name=path.stem,
            days=days,
            vehicles=int(head["numVehicles"]),
            capacity=int(head["maxCapacity"]),
            longest=int(head["maxDuration"]),
            depot=kinds.index("depot"),
            tips=tuple(row for row, kind in enumerate(kinds) if kind == "intermediateFacility"),
            customers=tuple(customers),
            frequency=frequency,
            demand=tuple(int(rows[row]["demand"]) for row in customers),
            service=tuple(int(rows[row]["service"]) for row in customers),
            way=np.array(given["duration"], np.int64),
        )
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror}).") from error
    except (KeyError, ValueError, TypeError) as error:
        raise InputError(f"{path}: not an instance of the periodic set ({error!r}).") from error


def problem_of_district(district: District) -> tuple[Problem, Options]:
    """Return all days as one routing problem: a node for every customer and day, a vehicle for every day and truck."""
    days, tips, count = district.days, len(district.tips), len(district.customers)
    first = 1 + tips
    place = np.array([district.depot, *district.tips, *np.repeat(district.customers, days)], np.int64)
    n = len(place)
    node_day = np.concatenate([np.full(first, -1), np.tile(np.arange(days), count)]).astype(np.int32)
    vehicle_day = np.repeat(np.arange(days), district.vehicles).astype(np.int32)
    ways = district.way[np.ix_(place, place)].astype(np.int32)
    vehicles = len(vehicle_day)
    zeros = np.zeros(vehicles, np.int64)
    none = np.zeros(first, np.int64)
    problem = Problem(
        n_depots=1,
        n_reloads=tips,
        distance=ways,
        duration=ways,
        early=np.zeros(n, np.int64),
        late=np.full(n, FOREVER, np.int64),
        service=np.concatenate([none, np.repeat(district.service, days)]).astype(np.int64),
        demand=np.concatenate([none, np.repeat(district.demand, days)]).astype(np.int64)[:, None],
        prize=np.concatenate([none, np.full(n - first, MUST)]).astype(np.int64),
        fleet=Fleet(
            start=zeros.astype(np.int32), end=zeros.astype(np.int32), open=zeros, close=zeros + district.longest,
            capacity=(zeros + district.capacity)[:, None], daily=(zeros + FOREVER)[:, None], max_stops=zeros + n,
            fixed_cost=zeros, load=zeros[:, None], breaks=np.zeros((vehicles, 0, 3), np.int64), breaks_taken=zeros,
            allowed=(node_day < 0) | (vehicle_day[:, None] == node_day),
        ),
        queue=np.zeros((tips, 1), np.int32),
        slot=FOREVER,
    )  # fmt: skip
    visits = [
        [[first + row * days + day for day in scheme] for scheme in district.schemes(row)] for row in range(count)
    ]
    options = Options(
        visits=visits,
        cost=[[0] * len(each) for each in visits],
        unserved=[MUST] * count,
        node_day=node_day,
        vehicle_day=vehicle_day,
    )
    return problem, options


Rounds = list[list[list[int]]]
"""For every day and vehicle the places visited, the depot at both ends."""


def rounds_of(district: District, problem: Problem, plan: PeriodicPlan) -> Rounds:
    """Return a plan as places of the instance."""
    days, first = district.days, problem.first_client
    rounds: Rounds = [[] for _ in range(days)]
    for vehicle, route in enumerate(plan.routes):
        if route:
            places = [
                district.tips[node - 1] if node < first else district.customers[(node - first) // days]
                for node in route
            ]
            rounds[vehicle // district.vehicles].append([district.depot, *places, district.depot])
    return rounds


def replay(district: District, rounds: Rounds) -> tuple[int, list[str]]:
    """Drive rounds again, place by place; return the driving time and every rule that is broken."""
    faults: list[str] = []
    total = 0
    row_of = {place: row for row, place in enumerate(district.customers)}
    days_of: dict[int, list[int]] = {row: [] for row in range(len(district.customers))}
    for day, routes in enumerate(rounds):
        if len(routes) > district.vehicles:
            faults.append(f"day {day}: {len(routes)} rounds, {district.vehicles} vehicles")
        for route in routes:
            clock = load = 0
            if route[0] != district.depot or route[-1] != district.depot or route[-2] not in district.tips:
                faults.append(f"day {day}: a round does not begin at the depot, or not end tip, depot")
            for here, there in pairwise(route):
                total += int(district.way[here, there])
                clock += int(district.way[here, there])
                if there in row_of:
                    row = row_of[there]
                    clock += district.service[row]
                    load += district.demand[row]
                    days_of[row].append(day)
                elif there in district.tips:
                    load = 0
                if load > district.capacity:
                    faults.append(f"day {day}: load {load} at {there}, {district.capacity} at the most")
            if clock > district.longest:
                faults.append(f"day {day}: a round of {clock}, {district.longest} at the most")
    for row, days in days_of.items():
        gaps = [(b - a) % district.days or district.days for a, b in zip(days, days[1:] + days[:1], strict=True)]
        if len(days) != district.frequency[row] or len(set(gaps)) > 1:
            faults.append(f"customer {district.customers[row]}: visited on days {days}")
    return total, faults


def best_known(readme: Path) -> dict[str, tuple[float, float]]:
    """Return best known value and bound by instance, from the set's own table.

    Where the table's value lies below its own proved bound, the bound stands for both.
    """
    if not readme.is_file():
        return {}
    known = {}
    for name, cells in _ROW.findall(readme.read_text(encoding="utf-8")):
        *_, best, low = (float(cell.rstrip("*")) for cell in re.findall(r"<td>([^<]*)</td>", cells))
        known[name] = (max(best, low), low)
    return known


def solve_district(district: District, seconds: float, seed: int) -> tuple[Rounds, int]:
    """Return rounds found in so many seconds of the processor, and the iterations done."""
    problem, options = problem_of_district(district)
    plan = improve_periodic(
        problem,
        options,
        processor_budget(seconds),
        np.random.default_rng(seed),
        HOT,
    )
    return rounds_of(district, problem, plan), plan.iterations


@click.command()
@click.argument("folder", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.option("--seconds", type=float, default=10.0, show_default=True, help="Of the processor, for each instance.")
@click.option("--seed", type=int, default=1, show_default=True)
@click.option("--only", default="", help="Begin of the names of the instances.")
@click.option("--out", type=click.Path(dir_okay=False, path_type=Path), help="One line of JSON an instance.")
def main(folder: Path, seconds: float, seed: int, only: str, out: Path | None) -> None:
    """Plan every instance below FOLDER, replay the plan and compare it with the best known value."""
    known = best_known(folder / "README.md")
    paths = sorted(path for path in folder.rglob("*.geojson") if path.stem.startswith(only))
    if not paths:
        raise InputError(f"{folder}: no *.geojson of the periodic set below it.")
    solve_district(read_district(paths[0]), 0.01, seed)
    lines: list[dict[str, Any]] = []
    for path in paths:
        district = read_district(path)
        rounds, iterations = solve_district(district, seconds, seed)
        cost, faults = replay(district, rounds)
        best, low = known.get(path.stem, (None, None))
        line = {
            "instance": path.stem, "cost": cost, "best_known": best, "bound": low,
            "gap_pct": None if best is None else round(100 * (cost / best - 1), 3),
            "legal": not faults, "faults": faults[:3], "iterations": iterations,
        }  # fmt: skip
        lines.append(line)
        click.echo(json.dumps(line))
    if out is not None:
        out.write_text("".join(json.dumps(line) + "\n" for line in lines), encoding="utf-8")
    click.echo(summary(lines))


def summary(lines: Sequence[dict[str, Any]]) -> str:
    """Return one line over all instances that are legal and have a best known value."""
    gaps = [line["gap_pct"] for line in lines if line["legal"] and line["gap_pct"] is not None]
    told = f", mean gap {statistics.mean(gaps):.3f} %, worst {max(gaps):.2f} %" if gaps else ""
    return f"{len(lines)} instances, {sum(line['legal'] for line in lines)} legal{told}"


if __name__ == "__main__":
    main()
