"""Other solvers on the same published instances, with the same budget and under the same checker.

PyVRP comes with the project; OR-Tools and VROOM take part where they are installed. What a peer does not model is put
right afterwards in the same way for all: visits to tips are placed exactly for its order of stops, and what then fits
nowhere is left out.

``python -m cityloop.studies.refuse_peers FILE ... --arms cityloop,pyvrp,ortools,vroom --seconds 300 --out peers.jsonl``
"""

from __future__ import annotations

import importlib
import importlib.util
import json
import time
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import click
import numpy as np

from cityloop.domains.refuse.checker import check_plan
from cityloop.domains.refuse.plan_file import METRES_PER_UNIT
from cityloop.domains.refuse.routes.problem import problem_of
from cityloop.domains.refuse.routes.timing import plan_of
from cityloop.methods.vrp import MUST, Plan, Problem
from cityloop.methods.vrp_pyvrp import solve_with_pyvrp
from cityloop.methods.vrp_search import improve, warm_up
from cityloop.studies.processor_budget import processor_budget
from cityloop.studies.refuse_bench import starts_of
from cityloop.studies.refuse_instances import PUBLISHED, read_kim

__all__ = ["ARMS", "available", "main", "solve_arm"]

Routes = list[list[int]]
_MS_PER_S = 1000
_DAY_MS = 24 * 3600 * _MS_PER_S
_WALL_FACTOR = 20


def _cityloop(problem: Problem, seconds: float, seed: int) -> Routes:
    spent = processor_budget(seconds)
    plan = improve(problem, starts_of(problem)[0], spent, np.random.default_rng(seed))
    return [list(route) for route in plan.routes]


def _pyvrp(problem: Problem, seconds: float, seed: int) -> Routes:
    spent = processor_budget(seconds)
    plan = solve_with_pyvrp(problem, lambda iteration: spent(iteration) >= 1, seed)
    return [list(route) for route in plan.routes]


def _ortools(problem: Problem, seconds: float, seed: int) -> Routes:
    """Tips are optional nodes that take the load off, several copies of each; breaks are intervals of the clock."""
    cp = importlib.import_module("ortools.constraint_solver.pywrapcp")
    enums = importlib.import_module("ortools.constraint_solver.routing_enums_pb2")
    fleet, first = problem.fleet, problem.first_client
    vehicles = len(fleet)
    capacity = int(fleet.capacity[0, 0])
    visits = int(np.ceil(problem.demand[:, 0].sum() / capacity)) + vehicles
    sites = [site for site in range(problem.n_depots, first) for _ in range(visits)]
    nodes = [0, *sites, *range(first, problem.n_nodes)]
    index = np.array(nodes)
    manager = cp.RoutingIndexManager(len(nodes), vehicles, 0)
    model = cp.RoutingModel(manager)
    home = np.arange(problem.n_depots, first)
    distance = problem.distance.astype(np.int64)[np.ix_(index, index)]
    duration = (problem.duration.astype(np.int64) + problem.service[:, None])[np.ix_(index, index)]
    clients = index >= first
    # The way home leads over the nearest tip.
    over = problem.distance[np.ix_(index[clients], home)].astype(np.int64) + problem.distance[home, 0]
    best = home[np.argmin(over, axis=1)]
    distance[clients, 0] = over.min(axis=1)
    duration[clients, 0] = problem.service[index[clients]] + problem.service[best]
    duration[clients, 0] += problem.duration[index[clients], best] + problem.duration[best, 0]
    model.SetArcCostEvaluatorOfAllVehicles(model.RegisterTransitMatrix(distance.tolist()))
    load = [0, *(-capacity for _ in sites), *problem.demand[first:, 0].tolist()]
    model.AddDimension(model.RegisterUnaryTransitVector(load), capacity, capacity, True, "load")
    day = [0, *(0 for _ in sites), *problem.demand[first:, 0].tolist()]
    model.AddDimension(model.RegisterUnaryTransitVector(day), 0, int(fleet.daily[0, 0]), True, "day")
    model.AddDimension(model.RegisterTransitMatrix(duration.tolist()), _DAY_MS, _DAY_MS, False, "clock")
    onboard, clock = model.GetDimensionOrDie("load"), model.GetDimensionOrDie("clock")
    for row in range(1, len(nodes)):
        at, node = manager.NodeToIndex(row), nodes[row]
        clock.CumulVar(at).SetRange(int(problem.early[node]), int(min(problem.late[node], _DAY_MS)))
        if node < first:
            model.AddDisjunction([at], 0)
        else:
            onboard.SlackVar(at).SetValue(0)
            model.AddDisjunction([at], MUST)
    solver = model.solver()
    for v in range(vehicles):
        clock.CumulVar(model.Start(v)).SetRange(int(fleet.open[v]), int(fleet.close[v]))
        clock.CumulVar(model.End(v)).SetRange(int(fleet.open[v]), int(fleet.close[v]))
        rests = [
            solver.FixedDurationIntervalVar(int(low), int(high), int(length), False, "break")
            for low, high, length in fleet.breaks[v]
        ]
        clock.SetBreakIntervalsOfVehicle(rests, v, problem.service[index].tolist())
    params = cp.DefaultRoutingSearchParameters()
    params.first_solution_strategy = enums.FirstSolutionStrategy.PARALLEL_CHEAPEST_INSERTION
    params.local_search_metaheuristic = enums.LocalSearchMetaheuristic.GUIDED_LOCAL_SEARCH
    # Its own limit is of the wall, which on a busy machine gives it less than the others.
    params.time_limit.FromMilliseconds(int(_WALL_FACTOR * seconds * _MS_PER_S))
    spent = processor_budget(seconds)
    model.AddSearchMonitor(solver.CustomLimit(lambda: spent(0) >= 1))
    found = model.SolveWithParameters(params)
    routes: Routes = [[] for _ in range(vehicles)]
    for v in range(vehicles if found else 0):
        at = found.Value(model.NextVar(model.Start(v)))
        while not model.IsEnd(at):
            routes[v].append(nodes[manager.IndexToNode(at)])
            at = found.Value(model.NextVar(at))
    return routes


def _vroom(problem: Problem, seconds: float, seed: int) -> Routes:
    """VROOM has no reloads: a vehicle's capacity is its day's, and tips are put in afterwards."""
    vroom: Any = importlib.import_module("vroom")
    fleet, first = problem.fleet, problem.first_client
    given = vroom.Input()
    given.set_durations_matrix("car", np.rint(problem.duration / _MS_PER_S).astype(np.uint32))
    given.set_costs_matrix("car", problem.distance.astype(np.uint32))
    for v in range(len(fleet)):
        seconds_of = (fleet.breaks[v] // _MS_PER_S).tolist()
        rests = [
            vroom.Break(row, [vroom.TimeWindow(low, high)], length)
            for row, (low, high, length) in enumerate(seconds_of)
        ]
        given.add_vehicle(
            vroom.Vehicle(
                v + 1,
                start=int(fleet.start[v]),
                end=int(fleet.end[v]),
                capacity=[int(fleet.daily[v, 0]) // 1000],
                time_window=vroom.TimeWindow(int(fleet.open[v]) // _MS_PER_S, int(fleet.close[v]) // _MS_PER_S),
                breaks=rests,
            )
        )
    for node in range(first, problem.n_nodes):
        early, late = (int(min(x[node], _DAY_MS)) // _MS_PER_S for x in (problem.early, problem.late))
        given.add_job(
            vroom.Job(
                node,
                location=node,
                delivery=[-(-int(problem.demand[node, 0]) // 1000)],
                time_windows=[vroom.TimeWindow(early, late)],
                default_service=int(problem.service[node]) // _MS_PER_S,
            )
        )
    # Its limit is of the wall and asked between its steps, so what it used of the processor is told beside its plan.
    answer = given.solve(exploration_level=5, nb_threads=1, timeout=timedelta(seconds=seconds))
    routes: Routes = [[] for _ in range(len(fleet))]
    frame = answer.routes
    for vehicle, kind, name in zip(frame["vehicle_id"], frame["type"], frame["id"], strict=True):
        if kind == "job":
            routes[int(vehicle) - 1].append(int(name))
    return routes


ARMS: dict[str, tuple[str, Callable[[Problem, float, int], Routes]]] = {
    "cityloop": ("cityloop", _cityloop),
    "pyvrp": ("pyvrp", _pyvrp),
    "ortools": ("ortools", _ortools),
    "vroom": ("vroom", _vroom),
}
"""By name: the package it needs and how it plans."""


def available(arm: str) -> bool:
    """Say whether an arm's package is installed."""
    return importlib.util.find_spec(ARMS[arm][0]) is not None


def solve_arm(arm: str, path: Path, seconds: float, seed: int) -> dict[str, object]:
    """Let one solver plan one instance; mend, check and measure its plan."""
    published = PUBLISHED[path.name]
    case = read_kim(path, published.trucks)
    problem = problem_of(case)
    spent, begun = time.process_time(), time.monotonic()
    routes = ARMS[arm][1](problem, seconds, seed)
    cpu_s, wall_s = time.process_time() - spent, time.monotonic() - begun
    mended: Plan = improve(problem, routes, lambda iteration: 1.0, np.random.default_rng(seed))
    plan = plan_of(case, problem, mended)
    report = check_plan(case, plan)
    miles = report.metres / METRES_PER_UNIT[case.unit]
    whole = not plan.left_out
    return {
        "instance": path.name, "arm": arm, "miles": round(miles, 2), "left_out": len(plan.left_out),
        "legal": report.legal, "gap_pct": round(100 * (miles / published.distance - 1), 2) if whole else None,
        "cpu_s": round(cpu_s, 1), "wall_s": round(wall_s, 1),
    }  # fmt: skip


@click.command()
@click.argument("files", nargs=-1, required=True, type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--arms", default="cityloop,pyvrp,ortools,vroom", show_default=True)
@click.option("--seconds", type=float, default=300.0, show_default=True, help="Of the processor, for each plan.")
@click.option("--seed", type=int, default=1, show_default=True)
@click.option("--out", type=click.Path(dir_okay=False, path_type=Path), help="One line of JSON a plan.")
def main(files: tuple[Path, ...], arms: str, seconds: float, seed: int, out: Path | None) -> None:
    """Plan every FILE with every solver that is installed, one process and one core each."""
    warm_up(np.random.default_rng(1))
    lines = []
    for arm in arms.split(","):
        if arm not in ARMS:
            raise click.BadParameter(f"{arm!r}: must be one of {', '.join(ARMS)}", param_hint="--arms")
        if not available(arm):
            click.echo(f"{arm}: not installed, left out", err=True)
            continue
        for path in files:
            line = solve_arm(arm, path, seconds, seed)
            lines.append(line)
            click.echo(json.dumps(line))
    if out is not None:
        out.write_text("".join(json.dumps(line) + "\n" for line in lines), encoding="utf-8")


if __name__ == "__main__":
    main()
