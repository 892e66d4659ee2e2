"""Plan, re-plan and check a user's own day of collection."""

from __future__ import annotations

import json
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from cityloop.domains.refuse.checker import Report, check_plan
from cityloop.domains.refuse.plan_file import plan_from_json, plan_to_json
from cityloop.domains.refuse.routes.case_file import case_from_json
from cityloop.domains.refuse.routes.handover import csv_of, geojson_of, gpx_of
from cityloop.domains.refuse.routes.replan import Disruption, Replanned, replan
from cityloop.domains.refuse.schema import RoundCase, RoundPlan
from cityloop.kernel.errors import CityloopError, InputError
from cityloop.methods.vrp_search import warm_up
from cityloop.studies.refuse_bench import Budget, Solved, solve_case
from cityloop.studies.refuse_instances import PUBLISHED, read_kim
from cityloop.studies.refuse_large import LARGE, solve_large

__all__ = ["Budgeted", "check_file", "plan_file", "read_case", "replan_file", "until_interrupted"]


@dataclass(frozen=True, slots=True)
class Budgeted:
    """A budget in seconds, or in iterations where a result has to be the same on every machine."""

    seconds: float
    iterations: int | None
    seed: int

    def progress(self) -> Callable[[int], float]:
        """Return the share of the budget that is spent after so many iterations."""
        if self.iterations is not None:
            most = max(1, self.iterations)
            return lambda iteration: iteration / most
        begun = time.monotonic()
        return lambda iteration: (time.monotonic() - begun) / self.seconds


def read_case(path: Path) -> RoundCase:
    """Read a day's case: a JSON file of one's own, or a published instance."""
    if path.suffix == ".txt":
        published = PUBLISHED.get(path.name)
        if published is None:
            raise InputError(f"{path}: not a published instance; a case of one's own is a .json file.")
        return read_kim(path, published.trucks)
    return case_from_json(_json(path), str(path))


@contextmanager
def until_interrupted() -> Iterator[Callable[[], bool]]:
    """Give a question that is answered yes once the keyboard interrupts; a second interrupt ends the program."""
    asked: list[int] = []

    def note(number: int, frame: object) -> None:
        if asked:
            raise KeyboardInterrupt
        asked.append(number)

    before = signal.signal(signal.SIGINT, note)
    try:
        yield lambda: bool(asked)
    finally:
        signal.signal(signal.SIGINT, before)


def plan_file(case_path: Path, budget: Budgeted, out: Path, told: Callable[[str], None] = lambda text: None) -> Solved:
    """Plan a case and write plan, GeoJSON, GPX and run sheet beside each other.

    A day of thousands of stops is planned in parts on two cores, with its progress told; an interrupt from the
    keyboard ends that with the best plan so far.
    """
    case = read_case(case_path)
    if len(case.stop_ids) > LARGE and budget.iterations is None:
        with until_interrupted() as should_stop:
            solved = solve_large(case, Budget(budget.seconds, 2, budget.seed), told, should_stop)
    else:
        solved = solve_case(case, Budget(budget.seconds, 1, budget.seed), progress=budget.progress)
    write_plan(case, solved.plan, out)
    return solved


def replan_file(
    case_path: Path, plan_path: Path, event: Disruption, budget: Budgeted, out: Path
) -> tuple[Replanned, float]:
    """Plan the rest of a day anew, have it checked and write it; return it and the seconds it took."""
    case = read_case(case_path)
    for kind, names, known in (
        ("truck", event.broken, case.truck_ids),
        ("tip", event.closed_tips, case.tip_ids),
        ("stop", event.blocked, case.stop_ids),
    ):
        for name in names:
            if name not in known:
                raise InputError(f"{case_path}: no {kind} {name!r} in this case.")
    plan = plan_from_json(_json(plan_path), str(plan_path))
    warm_up(np.random.default_rng(1))
    begun = time.monotonic()
    result = replan(case, plan, event, budget.progress(), np.random.default_rng(budget.seed))
    report = check_plan(result.case, result.plan)
    took_s = time.monotonic() - begun
    if report.faults:
        raise CityloopError(f"{case_path}: the checker refuses the new plan: {report.faults[0]}")
    write_plan(case, result.plan, out)
    return result, took_s


def check_file(case_path: Path, plan_path: Path) -> Report:
    """Replay a plan on the clock."""
    return check_plan(read_case(case_path), plan_from_json(_json(plan_path), str(plan_path)))


def write_plan(case: RoundCase, plan: RoundPlan, out: Path) -> None:
    """Write a plan as JSON, and as GeoJSON, CSV and, where places are in degrees, GPX beside it."""
    out.write_text(json.dumps(plan_to_json(case, plan)) + "\n", encoding="utf-8")
    out.with_suffix(".geojson").write_text(json.dumps(geojson_of(case, plan)) + "\n", encoding="utf-8")
    out.with_suffix(".csv").write_text(csv_of(plan), encoding="utf-8")
    if case.origin is not None:
        out.with_suffix(".gpx").write_text(gpx_of(case, plan), encoding="utf-8")


def _json(path: Path) -> Any:
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror}).") from error
    except ValueError as error:
        raise InputError(f"{path}: not JSON ({error}).") from error
