"""Compare arms over the same seeds, keep every run, and say what got better and what got worse."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from cityloop.kernel.errors import ConfigError, StoreError
from cityloop.studies.matrix import Cell, CellResult, run_cells
from cityloop.studies.scorecard import SCORECARD_FILE, RunScore, write_json
from cityloop.studies.summary import Failure, Summary, summarise

__all__ = ["OURS", "compare_arms", "find_runs", "group_results", "plans_for"]

OURS = "brain"
_TUNED = ("fixed-tuned", "actuated-tuned")

Progress = Callable[[str], None]


def compare_arms(
    city: str,
    arms: Sequence[str],
    seeds: Sequence[int],
    out: Path,
    *,
    sensing: str = "area:150",
    scale: float = 1.0,
    jobs: int = 1,
    begin_s: float | None = None,
    end_s: float | None = None,
    tune_budget: int | None = None,
    progress: Progress,
) -> Summary:
    """Run every arm on every seed into ``out/ARM/SEED`` and write `scorecard.json` beside them.

    The arm of interest is the brain where it is among the arms, else the last one.
    """
    plans = plans_for(city, arms, jobs=jobs, budget=tune_budget, progress=progress)
    cells = [
        Cell(
            city=city,
            arm=arm,
            sensing=sensing,
            seed=seed,
            scale=scale,
            folder=out / arm / str(seed),
            plans=plans,
            begin_s=begin_s,
            end_s=end_s,
        )
        for seed in seeds
        for arm in arms
    ]
    results = run_cells(cells, jobs=jobs, keep=True, progress=progress)
    summary = group_results(results, arms)
    write_json(out / SCORECARD_FILE, summary)
    return summary


def plans_for(city: str, arms: Sequence[str], *, jobs: int, budget: int | None, progress: Progress) -> Path | None:
    """Return the tuned plans that the arms need, tuned on seeds of their own; None where no arm needs any."""
    if not any(arm in _TUNED for arm in arms):
        return None
    from cityloop.cities.sumo.folder import resolve_city
    from cityloop.studies.tune import DEFAULT_BUDGET, ensure_plans

    return ensure_plans(
        resolve_city(city), jobs=jobs, budget=DEFAULT_BUDGET if budget is None else budget, progress=progress
    )


def group_results(results: Sequence[CellResult], arms: Sequence[str]) -> Summary:
    """Summarise the cells of one city, scale and sensing level."""
    scores: dict[str, list[RunScore]] = {arm: [] for arm in arms}
    failures = []
    for result in results:
        if result.score is None:
            failures.append(Failure(arm=result.cell.arm, seed=result.cell.seed, reason=result.failure))
        else:
            scores[result.cell.arm].append(result.score)
    if not any(scores.values()):
        reasons = "; ".join(sorted({failure.reason for failure in failures}))
        raise StoreError(f"every run failed: {reasons}")
    return summarise(scores, OURS if OURS in arms else arms[-1], failures)


def find_runs(folders: Sequence[Path]) -> list[Path]:
    """Return the run folders among and under ``folders``, each once, in order."""
    found: list[Path] = []
    for folder in folders:
        if not folder.is_dir():
            raise ConfigError(f"{folder}: no such folder; give a run folder or one that holds some")
        runs = [folder] if (folder / "run.toml").is_file() else sorted(p.parent for p in folder.rglob("run.toml"))
        if not runs:
            raise ConfigError(f"{folder}: holds no run folder (no run.toml); give the DIR of a run or of a compare")
        found += [run for run in runs if run not in found]
    return found
