"""Multi-trip rounds with release times and prize-collecting rounds: published instances in VRPLIB's format.

``python -m cityloop.studies.refuse_vrplib FOLDER --seconds 20 --out vrplib.jsonl``

Each ``NAME.vrp`` below FOLDER has its best known value in ``NAME.sol``. Distances, times and prizes count tenths,
distances cut off after the first digit, as those values do. Three solvers can take part: ours (``cityloop``), PyVRP on
the problem as ours has it (``pyvrp``), and PyVRP as it reads and solves the file by itself (``plain``).

References
----------
.. [1] Wouda, N. A., Lan, L. and Kool, W. (2024). PyVRP: a high-performance VRP solver package. INFORMS Journal on
   Computing, 36(4), 943-955. doi:10.1287/ijoc.2023.0055. Instances: github.com/PyVRP/Instances.
"""

from __future__ import annotations

import json
import math
import re
import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click
import numpy as np
import pyvrp

from cityloop.kernel.columns import F64, I64
from cityloop.kernel.errors import InputError
from cityloop.methods.vrp import FOREVER, MUST, Fleet, Problem
from cityloop.methods.vrp_pyvrp import solve_with_pyvrp
from cityloop.methods.vrp_search import improve, warm_up
from cityloop.studies.processor_budget import processor_budget

__all__ = ["Instance", "best_known", "main", "problem_of_instance", "read_instance", "replay", "solve_instance"]

TENTHS = 10
ARMS = ("cityloop", "pyvrp", "plain")


@dataclass(frozen=True, slots=True)
class Instance:
    """Customers with windows; a depot at row 0. Units are those of the file."""

    name: str
    vehicles: int
    capacity: int
    service: float
    spot: F64
    demand: F64
    early: F64
    late: F64
    release: F64
    """When a customer's load is at the depot: a trip that serves it leaves no sooner."""
    prize: F64 | None
    """What is lost where a customer is left out; None where all have to be served."""
    reloads: bool
    """Whether a vehicle may come back to the depot and leave again."""


def read_instance(path: Path) -> Instance:
    """Read an instance."""
    head: dict[str, str] = {}
    tables: dict[str, list[list[float]]] = {}
    rows: list[list[float]] = []
    try:
        for line in path.read_text(encoding="utf-8").splitlines():
            words = line.strip()
            if ":" in words:
                key, _, value = words.partition(":")
                head[key.strip()] = value.strip()
            elif words.endswith("_SECTION"):
                rows = tables.setdefault(words, [])
            elif words and words != "EOF":
                rows.append([float(word) for word in words.split()])
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror}).") from error
    except ValueError as error:
        raise InputError(f"{path}: {error}; numbers are expected in every section.") from error

    def column(section: str, at: int) -> F64:
        table = tables.get(section)
        values: F64 = np.array([row[at] for row in table]) if table else np.zeros(count)
        if len(values) != count:
            raise InputError(f"{path}: {len(values)} rows in {section}, {count} are expected.")
        return values

    try:
        count = int(head["DIMENSION"])
        vehicles, capacity, service = int(head["VEHICLES"]), int(head["CAPACITY"]), float(head["SERVICE_TIME"])
        return Instance(
            name=head["NAME"],
            vehicles=vehicles,
            capacity=capacity,
            service=service,
            spot=np.column_stack([column("NODE_COORD_SECTION", 1), column("NODE_COORD_SECTION", 2)]),
            demand=column("DEMAND_SECTION", 1),
            early=column("TIME_WINDOW_SECTION", 1),
            late=column("TIME_WINDOW_SECTION", 2),
            release=column("RELEASE_TIME_SECTION", 1),
            prize=column("PRIZE_SECTION", 1) if "PRIZE_SECTION" in tables else None,
            reloads="VEHICLES_RELOAD_DEPOT_SECTION" in tables,
        )
    except (KeyError, ValueError) as error:
        raise InputError(f"{path}: header incomplete or not numeric ({error}).") from error


def problem_of_instance(instance: Instance) -> Problem:
    """Return the routing problem; where there are reloads, the depot is a reload site too."""
    sites = 1 if instance.reloads else 0
    row = np.array([0] * (1 + sites) + list(range(1, len(instance.spot))))
    spot = instance.spot[row]
    gap = spot[:, None] - spot
    ways = np.floor(np.hypot(gap[..., 0], gap[..., 1]) * TENTHS + 1e-9).astype(np.int32)
    first, n, vehicles = 1 + sites, len(row), instance.vehicles

    def tenths(values: F64) -> I64:
        whole: I64 = np.rint(values[row] * TENTHS).astype(np.int64)
        return whole

    zeros = np.zeros(vehicles, np.int64)
    service = np.full(n, round(instance.service * TENTHS), np.int64)
    service[:first] = 0
    demand = np.rint(instance.demand[row]).astype(np.int64)
    demand[:first] = 0
    return Problem(
        n_depots=1,
        n_reloads=sites,
        distance=ways,
        duration=ways,
        early=tenths(instance.early),
        late=tenths(instance.late),
        service=service,
        demand=demand[:, None],
        prize=np.where(np.arange(n) < first, 0, MUST if instance.prize is None else tenths(instance.prize)),
        fleet=Fleet(
            start=zeros.astype(np.int32), end=zeros.astype(np.int32), open=zeros,
            close=zeros + round(float(instance.late[0]) * TENTHS), capacity=(zeros + instance.capacity)[:, None],
            daily=(zeros + FOREVER)[:, None], max_stops=zeros + n, fixed_cost=zeros, load=zeros[:, None],
            allowed=np.ones((vehicles, n), bool), breaks=np.zeros((vehicles, 0, 3), np.int64), breaks_taken=zeros,
        ),
        queue=np.zeros((sites, 1), np.int32),
        slot=FOREVER,
        release=tenths(instance.release),
    )  # fmt: skip


Trips = list[list[list[int]]]
"""For every vehicle its trips, each the customers in order."""


def replay(instance: Instance, vehicles: Trips) -> tuple[int, list[str]]:
    """Drive trips again; return distance and prizes left behind in tenths, and every rule that is broken."""
    faults: list[str] = []
    cost = 0
    seen: set[int] = set()

    def way(a: int, b: int) -> int:
        return int(math.dist(instance.spot[a], instance.spot[b]) * TENTHS + 1e-9)

    if len(vehicles) > instance.vehicles:
        faults.append(f"{len(vehicles)} vehicles, {instance.vehicles} at the most")
    for number, trips in enumerate(vehicles):
        clock = 0.0
        if len(trips) > 1 and not instance.reloads:
            faults.append(f"vehicle {number}: {len(trips)} trips, one is allowed")
        for trip in trips:
            clock = max(clock, TENTHS * max((float(instance.release[c]) for c in trip), default=0.0))
            load, here = 0.0, 0
            for there in [*trip, 0]:
                cost += way(here, there)
                clock = max(clock + way(here, there), TENTHS * float(instance.early[there]))
                if clock > TENTHS * float(instance.late[there]):
                    faults.append(f"vehicle {number}: at {there} at {clock}, after {TENTHS * instance.late[there]}")
                if there:
                    if there in seen:
                        faults.append(f"customer {there}: served twice")
                    seen.add(there)
                    clock += TENTHS * instance.service
                    load += float(instance.demand[there])
                here = there
            if load > instance.capacity:
                faults.append(f"vehicle {number}: load {load}, {instance.capacity} at the most")
    missed = [c for c in range(1, len(instance.spot)) if c not in seen]
    if instance.prize is not None:
        cost += round(TENTHS * sum(float(instance.prize[c]) for c in missed))
    else:
        faults += [f"customer {c}: not served" for c in missed]
    return cost, faults


def best_known(path: Path) -> float | None:
    """Return the cost that ``NAME.sol`` beside an instance names."""
    beside = path.with_suffix(".sol")
    match = re.search(r"^Cost:?\s+([\d.]+)", beside.read_text(encoding="utf-8"), re.MULTILINE | re.IGNORECASE) \
        if beside.is_file() else None  # fmt: skip
    return float(match[1]) if match else None


def solve_instance(path: Path, arm: str, seconds: float, seed: int) -> tuple[Trips, int]:
    """Return the trips that a solver finds in so many seconds of the processor, and the iterations done."""
    share = processor_budget(seconds)
    if arm == "plain":
        data = pyvrp.read(path, round_func="dimacs")
        found = pyvrp.solve(data, lambda cost: share(0) >= 1, seed=seed, collect_stats=False)
        routes = [[0 if not step.is_client() else step.idx + 1 for step in route] for route in found.best.routes()]
        return [_trips(route, 1) for route in routes], found.num_iterations
    problem = problem_of_instance(read_instance(path))
    if arm == "pyvrp":
        plan = solve_with_pyvrp(problem, lambda iteration: share(iteration) >= 1, seed)
    else:
        plan = improve(problem, (), share, np.random.default_rng(seed))
    first = problem.first_client
    return [_trips(route, first) for route in plan.routes if route], plan.iterations


def _trips(route: Sequence[int], first_client: int) -> list[list[int]]:
    """Part a route at its visits to the depot, customers counted from 1."""
    trips: list[list[int]] = [[]]
    for node in route:
        if node < first_client:
            trips.append([])
        else:
            trips[-1].append(node - first_client + 1)
    return [trip for trip in trips if trip]


@click.command()
@click.argument("folder", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.option("--seconds", type=float, default=20.0, show_default=True, help="Of the processor, for each run.")
@click.option("--seed", type=int, default=1, show_default=True)
@click.option("--arms", default="cityloop,plain", show_default=True, help="Solvers: cityloop, pyvrp, plain.")
@click.option("--only", default="", help="Begin of the names of the instances.")
@click.option("--out", type=click.Path(dir_okay=False, path_type=Path), help="One line of JSON a run.")
def main(folder: Path, seconds: float, seed: int, arms: str, only: str, out: Path | None) -> None:
    """Plan every instance below FOLDER, replay the plan and compare it with the best known value."""
    for arm in arms.split(","):
        if arm not in ARMS:
            raise click.BadParameter(f"{arm!r}: must be one of {', '.join(ARMS)}", param_hint="--arms")
    warm_up(np.random.default_rng(1))
    lines: list[dict[str, Any]] = []
    for path in sorted(path for path in folder.rglob("*.vrp") if path.stem.startswith(only)):
        instance = read_instance(path)
        best = best_known(path)
        for arm in arms.split(","):
            trips, iterations = solve_instance(path, arm, seconds, seed)
            cost, faults = replay(instance, trips)
            line = {
                "set": path.parent.name, "instance": instance.name, "arm": arm, "cost": cost, "best_known": best,
                "gap_pct": None if best is None else round(100 * (cost / best - 1), 3),
                "legal": not faults, "faults": faults[:3], "iterations": iterations,
            }  # fmt: skip
            lines.append(line)
            click.echo(json.dumps(line))
    if out is not None:
        out.write_text("".join(json.dumps(line) + "\n" for line in lines), encoding="utf-8")
    for kind in sorted({(str(line["set"]), str(line["arm"])) for line in lines}):
        rows = [line for line in lines if (line["set"], line["arm"]) == kind]
        gaps = [line["gap_pct"] for line in rows if line["legal"] and line["gap_pct"] is not None]
        told = f", mean gap {statistics.mean(gaps):.3f} %, worst {max(gaps):.2f} %" if gaps else ""
        click.echo(f"{kind[0]} by {kind[1]}: {len(rows)} instances, {sum(x['legal'] for x in rows)} legal{told}")


if __name__ == "__main__":
    main()
