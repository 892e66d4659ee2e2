"""A matrix of runs: cities by arms by seeds, run in worker processes, scored, and resumable.

A cell that fails is reported with its reason and never dropped. A cell that lies finished in a kept folder
is not run again, unless it was made by other code or from other files.
"""

from __future__ import annotations

import hashlib
import multiprocessing
import shutil
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Future, ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from functools import cache
from pathlib import Path

import msgspec

import cityloop
from cityloop.kernel.errors import CityloopError, ConfigError, StoreError
from cityloop.storage.run_toml import read_run_toml
from cityloop.studies.scorecard import RunScore, read_scorecard, write_json, write_scorecard

__all__ = ["Cell", "CellResult", "parse_seeds", "run_cells"]

_CELL_FILE = "cell.json"
_CODE = ("kernel", "methods", "domains", "wire", "cities", "storage", "engine", "app/__init__.py")
"""What a run's outcome depends on; studies, pages and the command line do not change it."""

Progress = Callable[[str], None]


class Cell(msgspec.Struct, frozen=True, kw_only=True):
    """One run of the matrix."""

    city: str
    arm: str
    sensing: str
    seed: int
    scale: float
    folder: Path
    plans: Path | None = None
    begin_s: float | None = None
    end_s: float | None = None


class CellResult(msgspec.Struct, frozen=True, kw_only=True):
    """What became of a cell: a score, or the reason there is none."""

    cell: Cell
    score: RunScore | None = None
    failure: str = ""
    reused: bool = False
    """Whether it was found finished."""


class _Made(msgspec.Struct, frozen=True, kw_only=True):
    """What a kept cell was made of."""

    cell: str
    code: str
    inputs: str


def parse_seeds(text: str) -> tuple[int, ...]:
    """Read ``5`` as the seeds 1 to 5, and ``3,8`` as just those."""
    try:
        numbers = [int(part) for part in text.split(",")]
    except ValueError:
        raise ConfigError(f"seeds {text!r}: give a number of seeds, or seeds apart by commas: 3,8") from None
    if min(numbers) < (1 if len(numbers) == 1 else 0) or len(set(numbers)) < len(numbers):
        raise ConfigError(f"seeds {text!r}: give at least one seed, none of them twice")
    return tuple(range(1, numbers[0] + 1)) if len(numbers) == 1 and "," not in text else tuple(numbers)


def run_cells(cells: Sequence[Cell], *, jobs: int, keep: bool, progress: Progress) -> list[CellResult]:
    """Run and score every cell; the results are in the cells' order, whatever order they finished in."""
    results: dict[Path, CellResult] = {}
    waiting = []
    for cell in cells:
        found = _finished(cell)
        if found is None:
            waiting.append(cell)
        else:
            results[cell.folder] = CellResult(cell=cell, score=found, reused=True)
    if results:
        progress(f"{len(results)} of {len(cells)} cells were already finished")
    for workers in (jobs, 1):
        # A worker that dies takes its pool along: who was lost to that is run once more, alone.
        waiting = _run_pool(waiting, workers, keep, progress, results, len(cells))
    for cell in waiting:
        results[cell.folder] = CellResult(cell=cell, failure="the worker process died twice; see the system's log")
    return [results[cell.folder] for cell in cells]


def _run_pool(
    cells: Sequence[Cell],
    jobs: int,
    keep: bool,
    progress: Progress,
    results: dict[Path, CellResult],
    total: int,
) -> list[Cell]:
    """Run cells in worker processes, and return those lost to a worker's death."""
    lost: list[Cell] = []
    if not cells:
        return lost
    # Spawned, not forked: a worker inherits neither threads nor an open simulation.
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(min(jobs, len(cells)), mp_context=context) as pool:
        futures: dict[Future[CellResult], Cell] = {pool.submit(_run_cell, cell, keep): cell for cell in cells}
        for future in as_completed(futures):
            cell = futures[future]
            try:
                result = future.result()
            except BrokenProcessPool:
                lost.append(cell)
                continue
            results[cell.folder] = result
            said = f"delay {_delay(result.score)} s" if result.score else f"FAILED: {result.failure}"
            progress(f"{len(results)}/{total} {cell.city} {cell.arm} {cell.sensing} seed {cell.seed}: {said}")
    return lost


def _run_cell(cell: Cell, keep: bool) -> CellResult:
    """Run and score one cell; in a worker process."""
    from cityloop import app

    try:
        _clear(cell.folder)
        app.run(
            app.RunSpec(
                city=cell.city,
                out=cell.folder,
                control=cell.arm,
                sensing=cell.sensing,
                seed=cell.seed,
                scale=cell.scale,
                plans=cell.plans,
                begin_s=cell.begin_s,
                end_s=cell.end_s,
            )
        )
        score = write_scorecard(cell.folder)
        made = _Made(cell=repr(cell), code=_code_digest(), inputs=_inputs_digest(cell.folder))
        write_json(cell.folder / _CELL_FILE, made)
    except CityloopError as error:
        return CellResult(cell=cell, failure=" ".join(str(error).split()))
    except Exception as error:  # a cell that fails in whatever way is a result, and must not end the matrix
        return CellResult(cell=cell, failure=f"{type(error).__name__}: {error}")
    if not keep:
        shutil.rmtree(cell.folder, ignore_errors=True)
    return CellResult(cell=cell, score=score)


def _finished(cell: Cell) -> RunScore | None:
    """Return the score of a cell that lies finished, made by this code from these files; else None."""
    path = cell.folder / _CELL_FILE
    if not path.is_file():
        return None
    try:
        made = msgspec.json.decode(path.read_bytes(), type=_Made)
        same = made.cell == repr(cell) and made.code == _code_digest() and made.inputs == _inputs_digest(cell.folder)
        return read_scorecard(cell.folder) if same else None
    except (msgspec.DecodeError, StoreError, OSError):
        return None


def _clear(folder: Path) -> None:
    """Remove what an earlier attempt left in a cell's folder; refuse anything that is not a run."""
    if not folder.is_dir() or not any(folder.iterdir()):
        return
    if not (folder / "run.toml").is_file():
        raise StoreError(f"{folder}: not empty and not a run folder; move it, or give another --keep or --out")
    shutil.rmtree(folder)


def _inputs_digest(folder: Path) -> str:
    """Return a digest of the bytes that the run's inputs have now."""
    digest = hashlib.sha256()
    for one in read_run_toml(folder).inputs:
        digest.update(one.role.encode())
        with Path(one.path).open("rb") as stream:
            digest.update(hashlib.file_digest(stream, "sha256").digest())
    return digest.hexdigest()


@cache
def _code_digest() -> str:
    """Return a digest of the code that a run's outcome depends on."""
    root = Path(cityloop.__file__).parent
    digest = hashlib.sha256()
    for path in sorted(_sources(root)):
        digest.update(path.relative_to(root).as_posix().encode())
        digest.update(path.read_bytes())
    return digest.hexdigest()


def _sources(root: Path) -> Iterable[Path]:
    for name in _CODE:
        path = root / name
        yield from path.rglob("*.py") if path.is_dir() else [path]


def _delay(score: RunScore) -> str:
    return "-" if score.vehicles.delay_s is None else f"{score.vehicles.delay_s:.1f}"
