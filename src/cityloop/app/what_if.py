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
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import msgspec

from cityloop.app.dying import die_with_parent
from cityloop.app.what_if_result import AS_IS, WOULD_BE, RunFigures, ghost_of, paired, read_run
from cityloop.app.what_if_world import ARMS, Change, Choices, World, changed_world
from cityloop.kernel.errors import CityloopError, InputError

__all__ = ["WhatIf", "WhatIfSpec"]

_MOST_KEPT = 50
_WARM_S = 900.0
"""So long streets fill before vehicles count, where the runs begin at the running city's hour."""
_LEAST_WARM_S = 120.0


class WhatIfSpec(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A what-if run."""

    kind: str = "what-if"
    change: Change = Change()
    minutes: float = 10.0
    seeds: tuple[int, ...] = (11, 12)
    begin: str = "now"
    """``now``: the hour of the running city, its streets filled beforehand; ``start``: the configured begin, empty."""


class _Span(msgspec.Struct, frozen=True):
    """Of a job's runs, in the twin's own time of day."""

    begin_s: float
    counts_s: float
    """From here on vehicles count."""
    end_s: float


class WhatIf:
    """Runs one job after the other; owns their processes, which die with this one."""

    def __init__(
        self,
        city: str,
        folder: Path,
        edges: tuple[str, ...],
        tell: Callable[[dict[str, Any]], None],
        sim_s: Callable[[], float | None] = lambda: None,
    ) -> None:
        self._city, self._folder, self._tell, self._sim_s = city, folder, tell, sim_s
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
        span = self._span(asked)
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
        threading.Thread(target=self._work, args=(job, asked, span), name="what-if", daemon=True).start()
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
        if change.close_edge is not None and change.close_edge not in self._edges:
            raise InputError(f"change.close_edge: the network has no edge {change.close_edge!r}")
        if asked.begin not in ("now", "start"):
            raise InputError(f"begin: {asked.begin!r} is not now or start")
        if not 2 <= asked.minutes <= 60:
            raise InputError(f"minutes: {asked.minutes:g}; give 2 to 60")
        if not 2 <= len(asked.seeds) <= 10 or len(set(asked.seeds)) < len(asked.seeds) or min(asked.seeds) < 0:
            raise InputError("seeds: give 2 to 10 different seeds of 0 or more; an interval needs two")
        self._choices.check(change)

    def _span(self, asked: WhatIfSpec) -> _Span:
        """Return when the runs begin, count and end; refuse an hour for which there is no demand."""
        from cityloop.cities.sumo.folder import resolve_city

        case = resolve_city(self._city)
        now_s = self._sim_s()
        if asked.begin == "start" or now_s is None or now_s - case.begin_s < _LEAST_WARM_S:
            return _Span(case.begin_s, case.begin_s, case.begin_s + asked.minutes * 60)
        end_s = min(now_s + asked.minutes * 60, case.end_s)
        if end_s - now_s < 120:
            raise InputError(
                f"begin: the demand ends {case.end_s - now_s:.0f} s from now; wait for the next lap, or give 'start'"
            )
        return _Span(max(case.begin_s, now_s - _WARM_S), now_s, end_s)

    def _work(self, job: dict[str, Any], asked: WhatIfSpec, span: _Span) -> None:
        with self._turn:
            if job["status"] != "queued" or self._closed:
                return
            job.update(status="running", text="preparing")
            self._tell(dict(job))
            try:
                result = self._run(job, asked, span)
                if job["status"] == "running":
                    job.update(status="done", progress=1.0, text="done", result=result)
            except (CityloopError, OSError, ValueError, KeyError) as error:
                if job["status"] == "running":
                    job.update(status="failed", text=" ".join(str(error).split())[:500])
            shutil.rmtree(self._folder / job["id"], ignore_errors=True)
            self._tell(dict(job))

    def _run(self, job: dict[str, Any], asked: WhatIfSpec, span: _Span) -> dict[str, Any]:
        folder = self._folder / job["id"]
        folder.mkdir()
        change = asked.change
        as_is, would_be = changed_world(self._city, change, folder, self._choices)
        closure = would_be.closure
        worlds = {AS_IS: (as_is, change.baseline, 1.0), WOULD_BE: (would_be, change.control, change.demand)}
        runs: dict[str, list[RunFigures]] = {name: [] for name in worlds}
        done, total = 0, len(worlds) * len(asked.seeds)
        for seed in asked.seeds:
            for name, (world, arm, scale) in worlds.items():
                job.update(progress=done / total, text=f"{name}: {arm}, seed {seed}")
                self._tell(dict(job))
                out = folder / f"{done}"
                runs[name].append(self._one(job, world, arm, seed, scale, span, out))
                done += 1
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
            "span": {"begin_s": span.begin_s, "counts_s": span.counts_s, "end_s": span.end_s},
            "note": "means a vehicle by the simulator's own trip output; "
            + (
                "both worlds begin empty at the configuration's begin"
                if span.counts_s == span.begin_s
                else f"both worlds drove {(span.counts_s - span.begin_s) / 60:.0f} min, the change in force, before "
                "vehicles count: the traffic of this hour, not every vehicle of this moment"
            ),
        }

    def _one(
        self, job: dict[str, Any], world: World, arm: str, seed: int, scale: float, span: _Span, out: Path
    ) -> RunFigures:
        arguments = [
            sys.executable, "-P", "-m", "cityloop", "run", world.city, "--control", arm, "--seed", str(seed),
            "--scale", f"{scale:g}", "--begin", f"{span.begin_s:g}", "--end", f"{span.end_s:g}", "--out", str(out),
            "--json",
        ]  # fmt: skip
        arguments += [] if world.plans is None else ["--plans", str(world.plans)]
        with self._lock:
            if self._closed or job["status"] != "running":
                raise CityloopError("the run was cancelled")
            self._process = subprocess.Popen(
                ["nice", "-n", "10", *arguments],
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
        counts_s = (span.counts_s, span.end_s) if span.counts_s > span.begin_s else None
        figures = read_run(out, counts_s)
        shutil.rmtree(out, ignore_errors=True)
        return figures
