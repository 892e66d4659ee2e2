"""The demo: two arms side by side on the same seeds, the plug pulled halfway, and a scorecard at the end."""

from __future__ import annotations

import multiprocessing
import queue
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Protocol

import msgspec

from cityloop.engine.inline import Blackout
from cityloop.kernel.errors import CityError, CityloopError, ConfigError
from cityloop.kernel.layout import Layout
from cityloop.studies.compare import group_results
from cityloop.studies.demo_run import DemoTick, HandBack, run_watched
from cityloop.studies.demo_stage import InStep, Stage, Stepped, trace_folder
from cityloop.studies.matrix import Cell, CellResult
from cityloop.studies.round_story import round_lines
from cityloop.studies.scorecard import SCORECARD_FILE, RunScore, write_json, write_scorecard
from cityloop.studies.services import ServicesScore
from cityloop.studies.summary import Summary

__all__ = ["DEMO_FILE", "DemoOutcome", "DemoPage", "DemoSpec", "hand_back_lines", "run_demo"]

DEMO_FILE = "demo.json"
_MOST_WAITING = 200
_PAGE_EVERY_S = 5.0
_SILENCE_S = 900.0
"""An arm that says nothing for so long has hung; compiling on a busy machine takes minutes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DemoSpec:
    """What the demo runs."""

    out: Path
    city: str = "adlershof"
    baseline: str = "fixed-tuned"
    ours: str = "brain"
    seeds: tuple[int, ...] = (1,)
    minutes: float = 30.0
    """Of the city's time, each run."""
    unplugged_s: float = 60.0
    every_s: float = 30.0
    """Of the city's time, between two reports of an arm."""

    def __post_init__(self) -> None:
        if self.minutes * 60.0 < 4 * self.unplugged_s:
            least = 4 * self.unplugged_s / 60.0
            raise ConfigError(f"--minutes {self.minutes:g}: too short to pull the plug in; give {least:g} or more")
        if not self.seeds:
            raise ConfigError("the demo needs at least one seed")

    @property
    def arms(self) -> tuple[str, str]:
        """The arm to beat, and ours."""
        return self.baseline, self.ours

    @property
    def blackout(self) -> Blackout:
        """Halfway, for a minute."""
        halfway_s = float(round(self.minutes * 30.0))
        return Blackout(halfway_s, halfway_s + self.unplugged_s)


class DemoOutcome(msgspec.Struct, frozen=True, kw_only=True):
    """What the demo found."""

    summary: Summary
    hand_backs: dict[int, HandBack]
    """By seed."""
    services: dict[str, tuple[ServicesScore | None, ...]] = {}
    """Ambulances and refuse by arm, in the order of the seeds."""
    events: tuple[str, ...] = ()
    """What happened to the rounds, in words."""


class _Finished(msgspec.Struct, frozen=True, kw_only=True):
    """One run of one arm is done and scored."""

    arm: str
    seed: int
    score: RunScore
    hand_back: HandBack | None


class _Failed(msgspec.Struct, frozen=True, kw_only=True):
    """An arm cannot go on."""

    arm: str
    reason: str


class DemoPage(Protocol):
    """Who shows both arms step by step."""

    folder: Path
    """Where the arms leave their steps for it."""

    def step(self, stepped: Stepped) -> None:
        """Take one step of one arm."""

    def tick(self, tick: DemoTick) -> None:
        """Take in how an arm does."""


def run_demo(spec: DemoSpec, show: Callable[[DemoTick], None], page: DemoPage | None = None) -> DemoOutcome:
    """Run both arms, each in a process of its own, and write the comparison into the demo's folder.

    With a page the arms wait for one another, so that it shows the same second of both; what they do is the same.
    """
    spec.out.mkdir(parents=True, exist_ok=True)
    # Spawned, not forked: a worker inherits neither threads nor an open simulation.
    context = multiprocessing.get_context("spawn")
    # Bounded, so that arms that are faster than the page do not fill the memory with what it has yet to show.
    said: Any = context.Queue(_MOST_WAITING)
    staged = None if page is None else (page.folder, context.Array("d", len(spec.arms), lock=False))
    workers = {arm: context.Process(target=_work, args=(spec, arm, said, staged), name=arm) for arm in spec.arms}
    try:
        for worker in workers.values():
            worker.start()
        reached = None if staged is None else staged[1]
        finished = _listen(said, workers, len(spec.arms) * len(spec.seeds), show, page, reached)
        for worker in workers.values():
            worker.join()
    finally:
        for worker in workers.values():
            if worker.is_alive():
                worker.terminate()
    results = [_result(spec, one) for one in sorted(finished, key=lambda one: spec.seeds.index(one.seed))]
    summary = group_results(results, spec.arms)
    hand_backs = {one.seed: one.hand_back for one in finished if one.hand_back is not None}
    by_seed = sorted(finished, key=lambda one: spec.seeds.index(one.seed))
    services = {arm: tuple(one.score.services for one in by_seed if one.arm == arm) for arm in spec.arms}
    events = tuple(
        f"{arm}, seed {seed}: {line}"
        for arm in spec.arms
        for seed in spec.seeds
        for line in round_lines(_folder(spec, arm, seed))
    )
    outcome = DemoOutcome(summary=summary, hand_backs=hand_backs, services=services, events=events)
    write_json(spec.out / SCORECARD_FILE, summary)
    write_json(spec.out / DEMO_FILE, hand_backs)
    return outcome


def _listen(
    said: Any,
    workers: dict[str, Any],
    runs: int,
    show: Callable[[DemoTick], None],
    page: DemoPage | None,
    reached: Any,
) -> list[_Finished]:
    """Take what the workers say until every run is finished, or one has failed."""
    finished: list[_Finished] = []
    silent_s = 0.0
    while len(finished) < runs:
        try:
            message = said.get(timeout=1.0)
        except queue.Empty:
            silent_s += 1.0
            dead = [arm for arm, worker in workers.items() if worker.exitcode not in (None, 0)]
            if dead:
                raise CityError(f"{dead[0]}: its process died; run it alone with cityloop run") from None
            if silent_s > _SILENCE_S:
                raise CityError(f"nothing was heard from any run for {_SILENCE_S:g} s") from None
            continue
        silent_s = 0.0
        if isinstance(message, _Failed):
            raise CityError(f"{message.arm}: {message.reason}")
        if isinstance(message, _Finished):
            finished.append(message)
        elif isinstance(message, Stepped):
            assert page is not None
            page.step(message)
            InStep.take_in(reached, list(workers).index(message.arm), message.reached_s)
        else:
            show(message)
            if page is not None:
                page.tick(message)
    return finished


def _work(spec: DemoSpec, arm: str, said: Any, staged: tuple[Path, Any] | None) -> None:
    """Run one arm on every seed; in a worker process."""
    from cityloop.app import RunSpec
    from cityloop.app.dying import die_with_parent

    die_with_parent()
    in_step = None if staged is None else InStep(staged[1], spec.arms.index(arm))
    try:
        for number, seed in enumerate(spec.seeds):
            run = RunSpec(
                city=spec.city,
                out=_folder(spec, arm, seed),
                control=arm,
                seed=seed,
                end_s=_end_s(spec),
                blackouts=(spec.blackout,) if arm == spec.ours else (),
                picture=staged is not None,
            )
            run.out.parent.mkdir(parents=True, exist_ok=True)
            stage_of: Callable[[Layout, int, Callable[[int], bool]], Stage] | None = None
            if staged is not None and in_step is not None:
                stage_of = partial(
                    Stage,
                    folder=trace_folder(staged[0], arm, seed),
                    arm=arm,
                    seed=seed,
                    seed_number=number,
                    leased=run.leased,
                    put=said.put,
                    in_step=in_step,
                )
            every_s = spec.every_s if staged is None else _PAGE_EVERY_S
            hand_back = run_watched(run, said.put, every_s, stage_of)
            said.put(_Finished(arm=arm, seed=seed, score=write_scorecard(run.out), hand_back=hand_back))
    except CityloopError as error:
        said.put(_Failed(arm=arm, reason=" ".join(str(error).split())))
    except Exception as error:  # whatever happens in a worker, the listener must hear of it
        said.put(_Failed(arm=arm, reason=f"{type(error).__name__}: {error}"))
    finally:
        if in_step is not None:
            in_step.over()


def _end_s(spec: DemoSpec) -> float:
    from cityloop.cities.sumo.folder import resolve_city

    return resolve_city(spec.city).begin_s + spec.minutes * 60.0


def _folder(spec: DemoSpec, arm: str, seed: int) -> Path:
    return spec.out / arm / str(seed)


def _result(spec: DemoSpec, one: _Finished) -> CellResult:
    folder = _folder(spec, one.arm, one.seed)
    cell = Cell(city=spec.city, arm=one.arm, sensing=one.score.sensing, seed=one.seed, scale=1.0, folder=folder)
    return CellResult(cell=cell, score=one.score)


def hand_back_lines(hand_backs: dict[int, HandBack]) -> Sequence[str]:
    """Say in words how the junctions took the brain's absence."""
    lines = []
    for seed, one in sorted(hand_backs.items()):
        slowest = max(one.own_plan_after_s, key=lambda name: one.own_plan_after_s[name], default="")
        lines.append(
            f"seed {seed}: brain unplugged at {one.begin_s:g} s for {one.end_s - one.begin_s:g} s; "
            f"{len(one.own_plan_after_s)} of {one.junctions} junctions returned to their own plan"
            + (f", the last after {one.own_plan_after_s[slowest]:g} s ({slowest[:24]})" if slowest else "")
        )
        if one.leased_again_after_s:
            last_s = max(one.leased_again_after_s.values())
            lines.append(
                f"seed {seed}: plugged in again, {len(one.leased_again_after_s)} of {one.junctions} "
                f"junctions took leases, the last after {last_s:g} s"
            )
    return lines
