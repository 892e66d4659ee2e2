"""Kerbside benchmark: every instance of the classic arc routing sets and of the turn-penalty set, with bounds.

``python -m cityloop.studies.refuse_kerbside FOLDER --seconds 10 --sets gdb,kshs,val,egl --out kerbside.jsonl``
"""

from __future__ import annotations

import json
import re
import statistics
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click
import numpy as np

from cityloop.methods.arc_routing import bound, plan_cost
from cityloop.methods.vrp import Problem
from cityloop.methods.vrp_search import SearchParams, improve, warm_up
from cityloop.studies.refuse_streets import BEST_KNOWN, ROUND_SCALE, read_carp, read_round

__all__ = ["faults_of", "main", "solve_streets"]


def faults_of(problem: Problem, routes: tuple[tuple[int, ...], ...]) -> list[str]:
    """Return what is wrong with rounds along streets, counted anew: each street once, no load above the capacity."""
    faults = []
    served: dict[int, int] = {}
    for v, route in enumerate(routes):
        load = np.zeros(problem.demand.shape[1], np.int64)
        for node in route:
            if node < problem.first_client:
                load[:] = 0
                continue
            client = node if node < problem.end_primary or problem.twin is None else int(problem.twin[node])
            served[client] = served.get(client, 0) + 1
            load += problem.demand[node]
            if (load > problem.fleet.capacity[v]).any():
                faults.append(f"round {v}: load {load.tolist()} above {problem.fleet.capacity[v].tolist()}")
        if route and problem.n_reloads and route[-1] >= problem.first_client:
            faults.append(f"round {v}: does not end at a tip")
    faults += [
        f"street {client}: served {served.get(client, 0)} times"
        for client in range(problem.first_client, problem.end_primary)
        if served.get(client, 0) != 1
    ]
    return faults


def solve_streets(problem: Problem, seconds: float, seed: int) -> tuple[int, list[str], int]:
    """Return cost, faults and iterations of a search over so many seconds of the processor."""
    begun = time.process_time()
    plan = improve(
        problem,
        (),
        lambda iteration: (time.process_time() - begun) / seconds,
        np.random.default_rng(seed),
        SearchParams(n_near=25, block=200),
    )
    return plan_cost(problem, plan), faults_of(problem, plan.routes), plan.iterations


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
@click.option("--seed", type=int, default=1, show_default=True)
@click.option("--out", type=click.Path(dir_okay=False, path_type=Path), help="One line of JSON an instance.")
def main(folder: Path, seconds: float, sets: str, rounds: tuple[Path, ...], seed: int, out: Path | None) -> None:
    """Plan kerbside rounds for every instance of FOLDER and compare with best known values and bounds."""
    warm_up(np.random.default_rng(1))
    gaps: dict[str, list[float]] = {}
    lines = []
    for kind, path in _files(folder, [name for name in sets.split(",") if name]):
        problem = read_carp(path)
        cost, faults, iterations = solve_streets(problem, seconds, seed)
        best = BEST_KNOWN.get(path.stem)
        line = _line(path.stem, cost, bound(problem), best, faults, iterations)
        gaps.setdefault(kind, []).append(line["gap_pct"] if best else line["bound_gap_pct"])
        lines.append(line)
        click.echo(json.dumps(line))
    for path in rounds:
        problem = read_round(path)
        cost, faults, iterations = solve_streets(problem, seconds, seed)
        low = bound(problem)
        line = _line(path.stem, cost / ROUND_SCALE, low / ROUND_SCALE, None, faults, iterations)
        lines.append(line)
        click.echo(json.dumps(line))
    for kind, each in gaps.items():
        click.echo(f"{kind}: {len(each)} instances, mean gap {statistics.mean(each):.3f} %, worst {max(each):.2f} %")
    if out is not None:
        out.write_text("".join(json.dumps(line) + "\n" for line in lines), encoding="utf-8")


def _line(name: str, cost: float, low: float, best: float | None, faults: list[str], iterations: int) -> dict[str, Any]:
    return {
        "instance": name, "cost": cost, "bound": low, "bound_gap_pct": round(100 * (cost / low - 1), 3),
        "best_known": best, "gap_pct": None if best is None else round(100 * (cost / best - 1), 3),
        "legal": not faults, "faults": faults[:3], "iterations": iterations,
    }  # fmt: skip


if __name__ == "__main__":
    main()
