"""Plan, re-plan and check a user's own day of collection."""

from __future__ import annotations

import json
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from cityloop.domains.refuse.checker import Report, check_plan
from cityloop.domains.refuse.plan_file import plan_from_json, plan_to_json
from cityloop.domains.refuse.routes.case_file import case_from_json
from cityloop.domains.refuse.routes.day_log import Code, Entry, proof_csv, read_log, served_counts
from cityloop.domains.refuse.routes.fiware import entities_of, stops_of_entities
from cityloop.domains.refuse.routes.handover import csv_of, geojson_of, gpx_of, spots_of
from cityloop.domains.refuse.routes.replan import Disruption, Replanned, replan
from cityloop.domains.refuse.routes.run_sheet import run_sheets
from cityloop.domains.refuse.schema import RoundCase, RoundPlan
from cityloop.kernel.errors import CityloopError, InputError
from cityloop.methods.vrp_search import warm_up
from cityloop.studies.refuse_bench import Budget, Solved, solve_case
from cityloop.studies.refuse_instances import PUBLISHED, read_kim
from cityloop.studies.refuse_large import LARGE, solve_large

__all__ = [
    "Budgeted",
    "check_file",
    "plan_file",
    "proof_file",
    "read_case",
    "read_json",
    "replan_file",
    "until_interrupted",
]


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


def read_case(path: Path, set_aside: list[str] | None = None) -> RoundCase:
    """Read a day's case: a JSON file of one's own, or a published instance.

    Parameters
    ----------
    set_aside
        Given a list, entries that are wrong are left out and told there.
    """
    if path.suffix == ".txt":
        published = PUBLISHED.get(path.name)
        if published is None:
            raise InputError(f"{path}: not a published instance; a case of one's own is a .json file.")
        return read_kim(path, published.trucks)
    raw = read_json(path)
    travel = raw.get("travel") if isinstance(raw, dict) else None
    if isinstance(travel, dict) and isinstance(travel.get("graph"), str):
        raw = raw | {"travel": travel | {"graph": read_json(path.parent / travel["graph"])}}
    if isinstance(raw, dict) and "containers" in raw:
        given = raw["containers"]
        source = str(path.parent / given) if isinstance(given, str) else f"{path}, containers"
        entities = read_json(path.parent / given) if isinstance(given, str) else given
        rows = stops_of_entities(entities, raw.get("capacity_m3"), source)
        raw = raw | {"stops": [*raw.get("stops", []), *rows]}
    return case_from_json(raw, str(path), set_aside)


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
    keyboard ends that with the best plan so far. Tips, stops and trucks with a wrong entry are left out, and told.
    """
    set_aside: list[str] = []
    case = read_case(case_path, set_aside)
    if len(case.stop_ids) > LARGE and budget.iterations is None:
        with until_interrupted() as should_stop:
            solved = solve_large(case, Budget(budget.seconds, 2, budget.seed), told, should_stop)
    else:
        solved = solve_case(case, Budget(budget.seconds, 1, budget.seed), progress=budget.progress)
    if set_aside:
        told_first = tuple(f"{line} Left out of the plan." for line in set_aside)
        solved = replace(solved, plan=replace(solved.plan, reasons=(*told_first, *solved.plan.reasons)))
    write_plan(case, solved.plan, out)
    return solved


def replan_file(
    case_path: Path, plan_path: Path, event: Disruption, budget: Budgeted, out: Path, log: Path | None = None
) -> tuple[Replanned, float]:
    """Plan the rest of a day anew, have it checked and write it; return it and the seconds it took.

    Parameters
    ----------
    log
        What crews keyed in; without, all went as planned until now.
    """
    case = read_case(case_path, [])
    stops = (*event.blocked, *event.rejected, *event.missed, *event.overfull)
    for kind, names, known in (
        ("truck", (*event.broken, *event.diverted), case.truck_ids),
        ("tip", (*event.closed_tips, *event.diverted.values()), case.tip_ids),
        ("stop", stops, case.stop_ids),
    ):
        for name in names:
            if name not in known:
                raise InputError(f"{case_path}: no {kind} {name!r} in this case.")
    plan = plan_from_json(read_json(plan_path), str(plan_path))
    if log is not None:
        event = with_log(event, read_log(_lines(log), case, str(log)))
    warm_up(np.random.default_rng(1))
    begun = time.monotonic()
    result = replan(case, plan, event, budget.progress(), np.random.default_rng(budget.seed))
    report = check_plan(result.case, result.plan)
    took_s = time.monotonic() - begun
    if report.faults:
        raise CityloopError(f"{case_path}: the checker refuses the new plan: {report.faults[0]}")
    write_plan(case, result.plan, out)
    return result, took_s


def with_log(event: Disruption, entries: list[Entry]) -> Disruption:
    """Return what has happened with what crews keyed in by then, the last word on every stop."""
    until = [entry for entry in entries if entry.at_s <= event.now_s]
    last = {entry.stop: entry for entry in until}

    def coded(code: Code) -> tuple[str, ...]:
        return tuple(stop for stop, entry in last.items() if entry.code is code)

    return replace(
        event,
        logged=until,
        blocked=(*event.blocked, *coded(Code.BLOCKED)),
        rejected=(*event.rejected, *coded(Code.CONTAMINATED)),
        missed=(*event.missed, *coded(Code.MISSED)),
        refused=(*event.refused, *((last[stop].truck, stop) for stop in coded(Code.OVERLOADED))),
    )


def proof_file(case_path: Path, plan_path: Path, log: Path, out: Path) -> dict[str, int]:
    """Write what became of every stop of a plan; return how many ended with each code."""
    case = read_case(case_path, [])
    entries = read_log(_lines(log), case, str(log))
    out.write_text(
        proof_csv(case, plan_from_json(read_json(plan_path), str(plan_path)), entries), encoding="utf-8"
    )  # fmt: skip
    return served_counts(entries)


def _lines(path: Path) -> list[Any]:
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror}).") from error
    found = []
    for number, line in enumerate(text.splitlines(), 1):
        if line.strip():
            try:
                found.append(json.loads(line))
            except ValueError as error:
                raise InputError(f"{path}, line {number}: not JSON ({error}).") from error
    return found


def check_file(case_path: Path, plan_path: Path) -> Report:
    """Replay a plan on the clock."""
    return check_plan(read_case(case_path, []), plan_from_json(read_json(plan_path), str(plan_path)))


def write_plan(case: RoundCase, plan: RoundPlan, out: Path) -> None:
    """Write a plan as JSON; beside it run sheets to print, GeoJSON, CSV, containers under FIWARE's names, and GPX."""
    out.write_text(json.dumps(plan_to_json(case, plan)) + "\n", encoding="utf-8")
    out.with_suffix(".html").write_text(run_sheets(case, plan), encoding="utf-8")
    out.with_suffix(".geojson").write_text(json.dumps(geojson_of(case, plan)) + "\n", encoding="utf-8")
    out.with_suffix(".csv").write_text(csv_of(plan), encoding="utf-8")
    if case.origin is not None:
        out.with_suffix(".gpx").write_text(gpx_of(case, plan), encoding="utf-8")
    entities = entities_of(case, plan, spots_of(case))
    out.with_suffix(".fiware.json").write_text(json.dumps(entities) + "\n", encoding="utf-8")


def read_json(path: Path) -> Any:
    """Read a JSON file, or say what is wrong with it."""
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror}).") from error
    except ValueError as error:
        raise InputError(f"{path}: not JSON ({error}).") from error
