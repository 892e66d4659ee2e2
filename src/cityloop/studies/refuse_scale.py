"""Size and speed on days that are drawn: a breakdown with 1,500 open stops, and a day of 20,000 containers.

``cityloop bench refuse --row breakdown`` and ``--row containers`` run these.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from cityloop.domains.refuse.checker import check_plan
from cityloop.domains.refuse.routes.replan import Disruption, Replanned, replan
from cityloop.domains.refuse.schema import Breaks, Depots, Metric, RoundCase, RoundPlan, Stops, Tips, Travel, Trucks
from cityloop.domains.refuse.schema import VisitKind as Kind
from cityloop.kernel.errors import CityloopError
from cityloop.methods.vrp_search import warm_up
from cityloop.studies.refuse_bench import Budget, Solved, solve_case, write_result
from cityloop.studies.refuse_large import solve_large

__all__ = ["ROWS", "bench_row", "breakdowns", "drawn_day"]

ROWS = ("breakdown", "containers")
_STOPS_A_TRUCK = 165
_OPEN_STOPS = 1500
_REPLAN_S = 1.0
"""Time for the search of a re-plan; reading the day before it and the checker after it come on top."""


def drawn_day(stops: int, seed: int) -> RoundCase:
    """Return a day of a made-up city: quarters of unlike density, two depots, three tips with queues, breaks.

    Distances are rectangular at 25 km/h, as on a grid of streets.
    """
    rng = np.random.default_rng(seed)
    side_m = 180.0 * np.sqrt(stops)
    quarters = rng.uniform(0.1, 0.9, (max(3, stops // 400), 2)) * side_m
    of = rng.integers(len(quarters), size=stops)
    spread = rng.uniform(0.02, 0.12, len(quarters)) * side_m
    spot = np.clip(quarters[of] + rng.normal(size=(stops, 2)) * spread[of, None], 0, side_m)
    trucks = -(-stops // _STOPS_A_TRUCK)
    hour = 3600.0
    queue_s = np.zeros((3, 24))
    queue_s[:, 10:15] = rng.uniform(120, 600, (3, 5))
    at = np.array([[0.3, 0.45], [0.7, 0.6]]) * side_m
    tips = np.array([[0.5, 0.5], [0.05, 0.9], [0.95, 0.2]]) * side_m
    rows = np.arange(trucks, dtype=np.int32)
    many = np.ones(trucks)
    return RoundCase(
        name=f"drawn day of {stops} stops, seed {seed}",
        depots=Depots(at[:, 0], at[:, 1], np.full(2, 5 * hour), np.full(2, 17 * hour)),
        tips=Tips(tips[:, 0], tips[:, 1], np.full(3, 6 * hour), np.full(3, 16 * hour), np.full(3, 600.0)),
        stops=Stops(
            spot[:, 0], spot[:, 1], np.full(stops, 6 * hour), np.full(stops, 15 * hour),
            rng.uniform(40, 90, stops), rng.uniform(0.05, 0.35, stops), rng.uniform(10, 90, stops),
            np.full(stops, np.nan),
        ),
        trucks=Trucks(
            (rows % 2).astype(np.int32), 6 * hour * many, 15 * hour * many, 20.0 * many, 9000.0 * many,
            60.0 * many, 27000.0 * many, np.full(trucks, 400, np.int32), 0 * many, 0 * many, 0 * many,
        ),
        breaks=Breaks(rows, 9.5 * hour * many, 11.5 * hour * many, 1800.0 * many, np.zeros(trucks, bool)),
        travel=Travel(Metric.MANHATTAN, 25 / 3.6),
        depot_ids=("west", "east"),
        tip_ids=("works", "north", "south"),
        stop_ids=tuple(f"s{row}" for row in range(stops)),
        truck_ids=tuple(f"t{row}" for row in range(trucks)),
        queue_s=queue_s,
    )  # fmt: skip


@dataclass(frozen=True, slots=True)
class Breakdown:
    """What came of one truck's breakdown."""

    truck: str
    now_s: float
    open_stops: int
    taken_over: int
    moved: int
    other_stops: int
    left_out: int
    legal: bool
    wall_s: float
    cpu_s: float

    @property
    def moved_frac(self) -> float:
        """Share of the other trucks' stops that change trucks."""
        return self.moved / max(1, self.other_stops)


def breakdowns(case: RoundCase, plan: RoundPlan, trucks: int, progress: Callable[[], Callable[[int], float]], seed: int,
               open_stops: int = _OPEN_STOPS) -> list[Breakdown]:  # fmt: skip
    """Let some trucks break down, one at a time, when so many stops of the day are open.

    Parameters
    ----------
    progress
        Makes the measure of the search's budget, for one re-plan.
    """
    leaves = np.sort([visit.leave_s for route in plan.routes for visit in route.visits if visit.kind is Kind.STOP])
    now_s = float(leaves[max(0, len(leaves) - open_stops)]) - 1.0
    names = [route.truck for route in plan.routes]
    rng = np.random.default_rng(seed)
    found = []
    for name in rng.permutation(names)[:trucks].tolist():
        begun, spent = time.monotonic(), time.process_time()
        result = replan(case, plan, Disruption(now_s=now_s, broken=(name,)), progress(), np.random.default_rng(seed))
        report = check_plan(result.case, result.plan)
        wall_s, cpu_s = time.monotonic() - begun, time.process_time() - spent
        found.append(_breakdown(name, now_s, result, report.legal, wall_s, cpu_s))
    return found


def _breakdown(name: str, now_s: float, result: Replanned, legal: bool, wall_s: float, cpu_s: float) -> Breakdown:
    return Breakdown(
        name, now_s, len(result.case.stop_ids), len(result.taken_over), len(result.moved), result.other_stops,
        len(result.plan.left_out), legal, wall_s, cpu_s,
    )  # fmt: skip


def bench_row(
    row: str,
    stops: int | None,
    budget: Budget,
    out: Path | None,
    plan_out: Path | None,
    told: Callable[[str], None],
    should_stop: Callable[[], bool] = lambda: False,
) -> dict[str, Any]:
    """Run one row and write its figures."""
    if row == "breakdown":
        figures = _bench_breakdown(stops or 2000, budget, told)
        if out is not None:
            out.write_text(json.dumps(figures, indent=1) + "\n", encoding="utf-8")
        return figures
    case = drawn_day(stops or 20_000, budget.seed)
    solved = solve_large(case, budget, told, should_stop)
    return write_result(case, solved, None, out, plan_out)


def _bench_breakdown(stops: int, budget: Budget, told: Callable[[str], None]) -> dict[str, Any]:
    case = drawn_day(stops, budget.seed)
    warm_up(np.random.default_rng(1))
    solved: Solved = solve_case(case, budget, told)
    if solved.plan.left_out:
        told(f"the morning's plan leaves {len(solved.plan.left_out)} stops out")
    told(f"morning: {solved.report.metres / 1000:.1f} km, {solved.report.trucks} trucks, {solved.report.stops} stops")

    def progress() -> Callable[[int], float]:
        begun = time.process_time() if budget.cpu else time.monotonic()
        clock = time.process_time if budget.cpu else time.monotonic
        return lambda iteration: (clock() - begun) / _REPLAN_S

    # The first call compiles what only a re-plan uses; it is not counted.
    breakdowns(case, solved.plan, 1, lambda: lambda iteration: 1.0, budget.seed)
    found = breakdowns(case, solved.plan, len(solved.plan.routes), progress, budget.seed)
    if not all(one.legal for one in found):
        raise CityloopError(f"{case.name}: the checker refuses a new plan.")
    for one in found:
        told(
            f"truck {one.truck} at {one.now_s / 3600:.2f} h: {one.open_stops} open, {one.taken_over} taken over, "
            f"{one.moved} of {one.other_stops} others moved, {one.left_out} left out, "
            f"{one.wall_s:.2f} s, {one.cpu_s:.2f} s of the processor"
        )
    return {
        "row": "breakdown", "instance": case.name, "breakdowns": len(found), "trucks": solved.report.trucks,
        "open_stops": found[0].open_stops, "legal": True, "wall_s_most": max(one.wall_s for one in found),
        "cpu_s_most": max(one.cpu_s for one in found), "moved_frac_most": max(one.moved_frac for one in found),
        "left_out_most": max(one.left_out for one in found),
    }  # fmt: skip
