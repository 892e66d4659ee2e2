"""What-if runs: the city as it is and as it would be, paired over seeds, in child processes that can be cancelled."""

from __future__ import annotations

import contextlib
import os
import secrets
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec

from cityloop.app.dying import die_with_parent
from cityloop.app.what_if_begin import Begin, begun_told, clear_of
from cityloop.app.what_if_now import LiveNow
from cityloop.app.what_if_result import AS_IS, WOULD_BE, RunFigures, ghost_of, paired, read_run
from cityloop.app.what_if_start import DRIVEN
from cityloop.app.what_if_world import ARMS, LED_NOW, Change, Choices, changed_world
from cityloop.kernel.errors import CityloopError, InputError

__all__ = ["Running", "WhatIf", "WhatIfSpec"]

_MOST_KEPT = 50
_WARM_S = 900.0
"""So long the city is driven up to now, for what nobody sees."""
_LEAST_WARM_S = 120.0
_LEAST_LEFT_S = 120.0


class WhatIfSpec(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A what-if run."""

    kind: str = "what-if"
    change: Change = Change()
    minutes: float = 10.0
    seeds: tuple[int, ...] = (11, 12)
    begin: str = "now"
    """``now``: the city as its brain believes it to stand; ``start``: the configured begin, empty."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Running:
    """What a what-if asks of the city that runs."""

    sim_s: Callable[[], float | None] = lambda: None
    """The twin's own time of day; None where the city has not begun."""
    live: Callable[[], LiveNow | None] = lambda: None
    """What is believed of it now."""
    control: str = "brain"
    scale: float = 1.0
    """Share of the demand that it is run with."""
    any_hour: bool = False
    """Whether another hour's demand may stand in: a city of real sensors goes by the clock, its twin by its files."""


class WhatIf:
    """Runs one job after the other; owns their processes, which die with this one."""

    def __init__(
        self,
        city: str,
        folder: Path,
        edges: tuple[str, ...],
        tell: Callable[[dict[str, Any]], None],
        running: Running | None = None,
    ) -> None:
        self._city, self._folder, self._tell, self._running = city, folder, tell, running or Running()
        self._edges = {name: row for row, name in enumerate(edges)}
        self._choices = Choices(city)
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        self._jobs: dict[str, dict[str, Any]] = {}
        self._process: subprocess.Popen[str] | None = None
        self._lock = threading.Lock()
        self._turn = threading.Lock()
        self._closed = False

    def start(self, spec: Mapping[str, Any], by: str) -> dict[str, Any]:
        """Check a job and put it in the queue."""
        try:
            asked = msgspec.convert(dict(spec), WhatIfSpec)
        except msgspec.ValidationError as error:
            raise InputError(f"what-if: {error}") from error
        self._check(asked)
        begin = self._begin(asked)
        job: dict[str, Any] = {
            "id": secrets.token_hex(6), "kind": asked.kind, "by": by, "spec": msgspec.to_builtins(asked),
            "status": "queued", "progress": 0.0, "text": "waiting for its turn", "result": None,
        }  # fmt: skip
        with self._lock:
            waiting = sum(one["status"] in ("queued", "running") for one in self._jobs.values())
            if waiting >= 5:
                raise InputError("what-if: five runs are waiting already; cancel one, or wait")
            self._jobs[job["id"]] = job
            for old in list(self._jobs)[:-_MOST_KEPT]:
                del self._jobs[old]
        threading.Thread(target=self._work, args=(job, asked, begin), name="what-if", daemon=True).start()
        return dict(job)

    def choices(self) -> dict[str, Any]:
        """Return what may be changed: controls, stations, plans."""
        return self._choices.as_dict()

    def listed(self) -> list[dict[str, Any]]:
        """Return every job, the newest first."""
        return [dict(job) for job in reversed(self._jobs.values())]

    def get(self, job_id: str) -> dict[str, Any] | None:
        """Return one job."""
        job = self._jobs.get(job_id)
        return None if job is None else dict(job)

    def cancel(self, job_id: str) -> bool:
        """Cancel a job; tell whether it still could be."""
        job = self._jobs[job_id]
        # Under the lock, so that no next run of the job begins between the word and its end.
        with self._lock:
            if job["status"] not in ("queued", "running"):
                return False
            running = job["status"] == "running"
            job.update(status="cancelled", text="cancelled")
            if running:
                self._end_process()
        self._tell(dict(job))
        return True

    def close(self) -> None:
        """End whatever runs."""
        self._closed = True
        for job in self._jobs.values():
            if job["status"] in ("queued", "running"):
                job.update(status="cancelled", text="the server ended")
        self._end_process()

    def _end_process(self) -> None:
        process = self._process
        if process is not None and process.poll() is None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGTERM)

    def _check(self, asked: WhatIfSpec) -> None:
        change = asked.change
        if asked.kind != "what-if":
            raise InputError(f"kind: {asked.kind!r} is not what-if")
        for name, arm in (("control", change.control), ("baseline", change.baseline)):
            if arm not in ARMS:
                raise InputError(f"change.{name}: {arm!r} is not one of {', '.join(ARMS)}")
        if not 0.1 <= change.demand <= 3.0:
            raise InputError(f"change.demand: {change.demand:g}; give 0.1 to 3")
        if asked.begin != "now" and LED_NOW in (change.control, change.baseline):
            raise InputError("change.control: led as now goes with begin 'now' alone; name a control, or begin now")
        if change.close_edge is not None and change.close_edge not in self._edges:
            raise InputError(f"change.close_edge: the network has no edge {change.close_edge!r}")
        if asked.begin not in ("now", "start"):
            raise InputError(f"begin: {asked.begin!r} is not now or start")
        if not 2 <= asked.minutes <= 60:
            raise InputError(f"minutes: {asked.minutes:g}; give 2 to 60")
        if not 2 <= len(asked.seeds) <= 10 or len(set(asked.seeds)) < len(asked.seeds) or min(asked.seeds) < 0:
            raise InputError("seeds: give 2 to 10 different seeds of 0 or more; an interval needs two")
        self._choices.check(change)

    def _begin(self, asked: WhatIfSpec) -> Begin:
        """Return where the runs begin; refuse an hour for which there is no demand."""
        from cityloop.cities.sumo.folder import resolve_city

        case, running = resolve_city(self._city), self._running
        now_s, live = running.sim_s(), running.live()
        stands_in = ""
        if running.any_hour and now_s is not None and not case.begin_s <= now_s <= case.end_s - _LEAST_LEFT_S:
            stands_in = (
                f"the twin has demand from {_clock(case.begin_s)} to {_clock(case.end_s)} and none for {_clock(now_s)}"
            )
            now_s = max(min(case.begin_s + _WARM_S, case.end_s - asked.minutes * 60), case.begin_s)
        if asked.begin == "start" or now_s is None or live is None or now_s - case.begin_s < _LEAST_WARM_S:
            if LED_NOW in (asked.change.control, asked.change.baseline):
                raise InputError(
                    "begin: the city has not run for two minutes yet; ask again then, or name a control to begin empty"
                )
            end_s = case.begin_s + asked.minutes * 60
            return Begin(begin_s=case.begin_s, now_s=case.begin_s, end_s=end_s, live=None)
        now_s = float(int(now_s))
        end_s = min(now_s + asked.minutes * 60, case.end_s)
        if end_s - now_s < _LEAST_LEFT_S:
            raise InputError(
                f"begin: the demand ends {case.end_s - now_s:.0f} s from now; wait for the next lap, or give 'start'"
            )
        return Begin(
            begin_s=max(case.begin_s, now_s - _WARM_S),
            now_s=now_s,
            end_s=end_s,
            live=live,
            control=running.control,
            stands_in=stands_in,
        )

    def _work(self, job: dict[str, Any], asked: WhatIfSpec, begin: Begin) -> None:
        with self._turn:
            if job["status"] != "queued" or self._closed:
                return
            job.update(status="running", text="preparing")
            self._tell(dict(job))
            try:
                result = self._run(job, asked, begin)
                if job["status"] == "running":
                    job.update(status="done", progress=1.0, text="done", result=result)
            except (CityloopError, OSError, ValueError, KeyError) as error:
                if job["status"] == "running":
                    job.update(status="failed", text=" ".join(str(error).split())[:500])
            shutil.rmtree(self._folder / job["id"], ignore_errors=True)
            self._tell(dict(job))

    def _run(self, job: dict[str, Any], asked: WhatIfSpec, begin: Begin) -> dict[str, Any]:
        folder = self._folder / job["id"]
        folder.mkdir()
        change = asked.change
        begin.write(folder)
        as_is, would_be = changed_world(self._city, change, folder, self._choices)
        closure = would_be.closure
        worlds = {AS_IS: (as_is, change.baseline, 1.0), WOULD_BE: (would_be, change.control, change.demand)}
        runs: dict[str, list[RunFigures]] = {name: [] for name in worlds}
        starts: list[Path] = []
        each = len(worlds) + (begin.live is not None)
        for number, seed in enumerate(asked.seeds):
            start = None
            if begin.live is not None:
                self._say(job, number / len(asked.seeds), f"driving up to now, seed {seed}")
                start = self._start(job, begin, folder, seed)
                starts.append(start)
            for k, (name, (world, arm, scale)) in enumerate(worlds.items()):
                done = number + (each - len(worlds) + k) / each
                self._say(job, done / len(asked.seeds), f"{name}: {arm}, seed {seed}")
                own = start
                if start is not None and world.closure is not None and change.close_edge is not None:
                    own = clear_of(start, change.close_edge, folder / f"clear-{seed}")
                more = [] if own is None else ["--start", str(own)]
                acts = begin.acts(folder, arm)
                more += [] if acts is None else ["--acts", str(acts)]
                arguments = [
                    "cityloop", "run", world.city, "--control", begin.run_control(arm), "--seed", str(seed),
                    "--scale", f"{scale * self._running.scale:g}", "--begin", f"{begin.now_s:g}",
                    "--end", f"{begin.end_s:g}", "--out", str(folder / "run"), "--json", *more,
                ]  # fmt: skip
                arguments += [] if world.plans is None else ["--plans", str(world.plans)]
                self._child(job, arguments)
                runs[name].append(read_run(folder / "run"))
                shutil.rmtree(folder / "run", ignore_errors=True)
        begun = [[one.begun for one in of_seed] for of_seed in zip(*runs.values(), strict=True)]
        return {
            "arms": {
                name: {
                    "control": arm,
                    "demand": scale,
                    "delay_s": [run.measures.get("delay_s") for run in runs[name]],
                    "vehicles": [run.vehicles for run in runs[name]],
                    "unfinished": [run.unfinished for run in runs[name]],
                    "unsafe": [run.unsafe for run in runs[name]],
                    "calls": [run.calls for run in runs[name]],
                }
                for name, (_, arm, scale) in worlds.items()
            },
            "paired": paired(runs),
            "ghost": {**ghost_of(runs, self._edges, change.close_edge), "at": self._choices.places(change)},
            "closure": None
            if closure is None
            else {
                "edge": change.close_edge,
                "rerouted_veh": closure.rerouted_veh,
                "cannot_veh": closure.cannot_veh,
                "total_veh": closure.total_veh,
                "note": "of the whole demand as planned; those that cannot depart, end, stop or pass elsewhere are "
                "taken out of the changed world, so that its means are over fewer vehicles",
            },
            "span": {"begin_s": begin.begin_s, "now_s": begin.now_s, "end_s": begin.end_s},
            "start": None if begin.live is None else begun_told(begin, starts, begun),
        }

    def _say(self, job: dict[str, Any], progress: float, text: str) -> None:
        job.update(progress=progress, text=text)
        self._tell(dict(job))

    def _start(self, job: dict[str, Any], begin: Begin, folder: Path, seed: int) -> Path:
        """Make what both worlds of a seed begin from."""
        spec = begin.start_spec(folder, self._city, seed, self._running.scale)
        self._child(job, ["cityloop.app.what_if_start", str(spec)])
        start = folder / f"start-{seed}"
        shutil.rmtree(start / DRIVEN, ignore_errors=True)
        return start

    def _child(self, job: dict[str, Any], module: Sequence[str]) -> None:
        """Run a module to its end; what it complained of last is the error."""
        with self._lock:
            if self._closed or job["status"] != "running":
                raise CityloopError("the run was cancelled")
            self._process = subprocess.Popen(
                ["nice", "-n", "10", sys.executable, "-P", "-m", *module],
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                text=True,
                stdin=subprocess.DEVNULL,
                start_new_session=True,
                preexec_fn=die_with_parent,
            )
        _, complained = self._process.communicate()
        if self._process.returncode != 0:
            last = (complained.strip().splitlines() or ["no word"])[-1]
            raise CityloopError(last.removeprefix("cityloop: error: "))


def _clock(of_day_s: float) -> str:
    minutes = round(of_day_s / 60)
    return f"{minutes // 60:02d}:{minutes % 60:02d}"
