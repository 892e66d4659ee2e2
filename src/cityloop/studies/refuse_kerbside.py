"""Kerbside benchmark: every instance of the classic arc routing sets and of the turn-penalty set, with bounds.

``python -m cityloop.studies.refuse_kerbside FOLDER --seconds 10 --sets gdb,kshs,val,egl --out kerbside.jsonl``
"""

from __future__ import annotations

import json
import re
import statistics
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click
import numpy as np

from cityloop.methods.arc_bound import bound_streets
from cityloop.methods.arc_routing import bound
from cityloop.methods.vrp_search import SearchParams, improve, warm_up
from cityloop.studies.processor_budget import processor_budget
from cityloop.studies.refuse_street_check import rounds_of, walk
from cityloop.studies.refuse_streets import BEST_KNOWN, SPARE_TRUCKS, StreetCase, carp_case, round_case

__all__ = ["STREET_PARAMS", "Walked", "main", "solve_streets"]

STREET_PARAMS = SearchParams(n_near=25, block=200)


@dataclass(frozen=True, slots=True)
class Walked:
    """Rounds along streets as the separate walk found them."""

    cost: float
    bound: float
    """Proven; the better of two."""
    faults: list[str]
    iterations: int
    trucks: int


def solve_streets(case: StreetCase, trucks: int, seconds: float, seed: int) -> Walked:
    """Search over so many seconds of the processor, and walk the rounds again."""
    problem = case.problem(trucks)
    plan = improve(
        problem,
        (),
        processor_budget(seconds),
        np.random.default_rng(seed),
        STREET_PARAMS,
    )
    rounds = rounds_of(problem, plan.routes)
    cost, faults = walk(case, rounds)
    proven = max(
        bound(problem) / case.scale,
        bound_streets(case.network, case.tasks, case.depot, case.sites, case.site_cost, case.capacity),
    )
    return Walked(cost, proven, faults, plan.iterations, len(rounds))


def _files(folder: Path, sets: list[str]) -> Iterator[tuple[str, Path]]:
    for path in sorted(folder.rglob("*.dat"), key=_by_number):
        kind = next((name for name in sets if path.stem.startswith(name)), None)
        if kind is not None:
            yield kind, path


def _by_number(path: Path) -> tuple[str, int, str]:
    match = re.match(r"(\D+)(\d+)(.*)", path.stem)
    return (match[1], int(match[2]), match[3]) if match else (path.stem, 0, "")


@click.command()
@click.argument("folder", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.option("--seconds", type=float, default=10.0, show_default=True, help="Of the processor, for each instance.")
@click.option("--sets", default="gdb,kshs,val,egl", show_default=True, help="How the names of the files begin.")
@click.option("--round", "rounds", type=click.Path(exists=True, path_type=Path), multiple=True, help="Turn-cost file.")
@click.option("--trucks", type=int, default=1, show_default=True, help="Trucks of the turn-cost files.")
@click.option("--seed", type=int, default=1, show_default=True)
@click.option("--out", type=click.Path(dir_okay=False, path_type=Path), help="One line of JSON an instance.")
def main(
    folder: Path, seconds: float, sets: str, rounds: tuple[Path, ...], trucks: int, seed: int, out: Path | None
) -> None:
    """Plan kerbside rounds for every instance of FOLDER and compare with best known values and bounds."""
    warm_up(np.random.default_rng(1))
    gaps: dict[str, list[float]] = {}
    lines = []
    for kind, path in _files(folder, [name for name in sets.split(",") if name]):
        case = carp_case(path)
        best = BEST_KNOWN.get(path.stem)
        line = _line(path.stem, solve_streets(case, case.trucks_needed() + SPARE_TRUCKS, seconds, seed), best)
        gaps.setdefault(kind, []).append(line["gap_pct"] if best else line["bound_gap_pct"])
        lines.append(line)
        click.echo(json.dumps(line))
    for path in rounds:
        line = _line(path.stem, solve_streets(round_case(path), trucks, seconds, seed), None)
        lines.append(line)
        click.echo(json.dumps(line))
    for kind, each in gaps.items():
        click.echo(f"{kind}: {len(each)} instances, mean gap {statistics.mean(each):.3f} %, worst {max(each):.2f} %")
    if out is not None:
        out.write_text("".join(json.dumps(line) + "\n" for line in lines), encoding="utf-8")


def _line(name: str, found: Walked, best: float | None) -> dict[str, Any]:
    return {
        "instance": name, "cost": round(found.cost, 3), "trucks": found.trucks,
        "bound": round(found.bound, 3), "bound_gap_pct": round(100 * (found.cost / found.bound - 1), 3),
        "best_known": best, "gap_pct": None if best is None else round(100 * (found.cost / best - 1), 3),
        "legal": not found.faults, "faults": found.faults[:3], "iterations": found.iterations,
    }  # fmt: skip


if __name__ == "__main__":
    main()
