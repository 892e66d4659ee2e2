"""Measure routing on published instances: solve, check with the separate checker, write plan and figures."""

from __future__ import annotations

import json
import multiprocessing
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from cityloop.domains.refuse.checker import Report, check_plan
from cityloop.domains.refuse.plan_file import METRES_PER_UNIT, plan_to_json
from cityloop.domains.refuse.routes.problem import problem_of
from cityloop.domains.refuse.routes.reasons import reasons_for
from cityloop.domains.refuse.routes.timing import plan_of
from cityloop.domains.refuse.schema import RoundCase, RoundPlan
from cityloop.kernel.errors import CityloopError
from cityloop.methods.vrp import Plan, Problem
from cityloop.methods.vrp_search import SearchParams, improve, warm_up
from cityloop.methods.vrp_start import start_by_savings
from cityloop.studies.refuse_instances import PUBLISHED, read_kim

__all__ = ["Budget", "Solved", "bench_instance", "fewest_trucks", "solve_case", "starts_of", "write_result"]

_ALONE_SHARE = 0.6
"""Part of the time that the searches run apart, before both go on from the better plan."""


@dataclass(frozen=True, slots=True)
class Budget:
    """How long to search, and on how many cores."""

    seconds: float
    workers: int = 2
    seed: int = 1
    cpu: bool = False
    """Whether ``seconds`` are of each search's processor rather than of the wall: for a machine shared with others."""


@dataclass(frozen=True, slots=True)
class Solved:
    """A checked plan and what it took."""

    plan: RoundPlan
    report: Report
    iterations: int
    wall_s: float
    cpu_s: float
    """Processor time of all searches: on a busy machine less than the wall's."""


def solve_case(
    case: RoundCase,
    budget: Budget,
    told: Callable[[str], None] = lambda text: None,
    *,
    progress: Callable[[], Callable[[int], float]] | None = None,
) -> Solved:
    """Plan a case within a budget and have the plan checked.

    Parameters
    ----------
    progress
        Makes the measure of a budget other than seconds, for one search in this process.

    Raises
    ------
    CityloopError
        When the checker finds fault: such a plan is not handed out.
    """
    warm_up(np.random.default_rng(1))
    begun = time.monotonic()
    problem = problem_of(case)
    if progress is None:
        best, cpu_s = _search(problem, budget, begun, told)
    else:
        spent = time.process_time()
        best = improve(problem, starts_of(problem)[0], progress(), np.random.default_rng(budget.seed))
        cpu_s = time.process_time() - spent
    plan = plan_of(case, problem, best, reasons_for(case, problem, best.left_out))
    report = check_plan(case, plan)
    if report.faults:
        raise CityloopError(f"{case.name}: the checker refuses the plan: {report.faults[0]}")
    return Solved(plan, report, best.iterations, time.monotonic() - begun, cpu_s)


def starts_of(problem: Problem) -> list[tuple[tuple[int, ...], ...]]:
    """Return starts for the search, the cheapest first: farthest clients first, and compact rounds by savings."""
    rng = np.random.default_rng(1)
    plans = [improve(problem, start, lambda iteration: 1.0, rng) for start in ((), start_by_savings(problem))]
    plans.sort(key=lambda plan: plan.cost)
    return [plan.routes for plan in plans]


def _search(problem: Problem, budget: Budget, begun: float, told: Callable[[str], None]) -> tuple[Plan, float]:
    starts = starts_of(problem)
    starts = [starts[row % len(starts)] for row in range(budget.workers)]
    if budget.workers == 1:
        return _work((problem, starts[0], budget, budget.seed, 0.0, 1.0, begun))
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(budget.workers, mp_context=context) as pool:
        best: Plan | None = None
        iterations, cpu_s = 0, 0.0
        for low, high in ((0.0, _ALONE_SHARE), (_ALONE_SHARE, 1.0)):
            jobs = [
                (problem, start, budget, budget.seed + 1000 * row, low, high, begun) for row, start in enumerate(starts)
            ]
            answers = list(pool.map(_work, jobs))
            plans = [plan for plan, _ in answers]
            cpu_s += sum(seconds for _, seconds in answers)
            iterations += sum(plan.iterations for plan in plans)
            best = min([*plans, *([best] if best else [])], key=lambda plan: plan.cost)
            told(f"{100 * high:.0f} % of the time: cost {best.cost}, {len(best.left_out)} stops left out")
            starts = [best.routes] * budget.workers
    assert best is not None
    return Plan(best.routes, best.left_out, best.cost, iterations), cpu_s


def _work(
    job: tuple[Problem, tuple[tuple[int, ...], ...], Budget, int, float, float, float],
) -> tuple[Plan, float]:
    spent = time.process_time()
    problem, start, budget, seed, low, high, begun = job

    def progress(iteration: int) -> float:
        # The search cools over the whole budget; this job ends at its own part of it.
        if budget.cpu:
            share = low + (time.process_time() - spent) / budget.seconds
        else:
            share = (time.monotonic() - begun) / budget.seconds
        return 1.0 if share >= high else min(max(share, low), 0.999)

    plan = improve(problem, start, progress, np.random.default_rng(seed), SearchParams())
    return plan, time.process_time() - spent


def write_result(
    case: RoundCase, solved: Solved, best_known: float | None, out: Path | None, plan: Path | None
) -> dict[str, Any]:
    """Write the figures and the plan, and return the figures."""
    distance = solved.report.metres / METRES_PER_UNIT[case.unit]
    figures: dict[str, Any] = {
        "instance": case.name,
        "distance": round(distance, 4),
        "unit": case.unit,
        "trucks": solved.report.trucks,
        "stops": solved.report.stops,
        "left_out": len(solved.plan.left_out),
        "legal": solved.report.legal,
        "best_known": best_known,
        "gap_pct": None if best_known is None else round(100 * (distance / best_known - 1), 3),
        "iterations": solved.iterations,
        "wall_s": round(solved.wall_s, 1),
        "cpu_s": round(solved.cpu_s, 1),
    }
    if out is not None:
        out.write_text(json.dumps(figures, indent=1) + "\n", encoding="utf-8")
    if plan is not None:
        plan.write_text(json.dumps(plan_to_json(case, solved.plan)) + "\n", encoding="utf-8")
    return figures


def bench_instance(
    path: Path,
    trucks: int | None,
    budget: Budget,
    out: Path | None,
    plan: Path | None,
    told: Callable[[str], None],
) -> dict[str, Any]:
    """Read a published instance, plan it, check it and write what was found."""
    published = PUBLISHED.get(path.name)
    fleet = trucks or (published.trucks if published else fewest_trucks(path, budget, told))
    case = read_kim(path, fleet)
    solved = solve_case(case, budget, told)
    return write_result(case, solved, published.distance if published else None, out, plan)


def fewest_trucks(path: Path, budget: Budget, told: Callable[[str], None]) -> int:
    """Return the smallest fleet for which a short search serves every stop, from the volume's bound upwards."""
    probe = read_kim(path, 1)
    low = int(np.ceil(probe.stops.volume_m3.sum() / probe.trucks.daily_volume_m3[0] - 1e-9))
    for fleet in range(max(low, 1), len(probe.stop_ids) + 1):
        problem = problem_of(read_kim(path, fleet))
        begun = time.monotonic()
        seconds = max(1.0, 0.05 * budget.seconds)
        plan, _ = _work((problem, (), Budget(seconds, 1, budget.seed), budget.seed, 0.0, 1.0, begun))
        told(f"{fleet} trucks: {len(plan.left_out)} stops left out")
        if not plan.left_out:
            return fleet
    return len(probe.stop_ids)
