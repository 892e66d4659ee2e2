"""A live city under a brain, without a page: the loop in this process, the field in another, a run folder of it all."""

from __future__ import annotations

import dataclasses
import os
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from cityloop.app import LEASED_ARMS, RunResult, brain_of
from cityloop.app.live_sensing import Edges, SensingThread
from cityloop.app.planner import planned
from cityloop.app.rehearsal import rehearse
from cityloop.cities.live.city import LiveCity, LiveParams
from cityloop.cities.live.clock import PacedClock
from cityloop.cities.live.folder import CITY_FILE, LiveCase, read_live_case
from cityloop.domains.signals.schema import DOMAIN
from cityloop.engine.inline import InlineEngine, LoopParams, Progress
from cityloop.kernel.batch import empty_batch
from cityloop.kernel.errors import CityError, ConfigError
from cityloop.kernel.tick import Brain, start, tick
from cityloop.storage.run_folder import RunFolder, claim_folder, file_sha256
from cityloop.storage.run_toml import InputFile, RunToml, versions_here

__all__ = ["LiveSpec", "aligned_ms", "run_live", "warm_up"]

_LONGEST_S = 366 * 86_400.0


@dataclass(frozen=True, slots=True, kw_only=True)
class LiveSpec:
    """One live run."""

    city: str
    """Folder of a live city."""
    out: Path
    control: str = "brain"
    edges: Edges = dataclasses.field(default_factory=Edges)
    data: Path | None = None
    """Where readings are stored; None: inside the run folder."""
    for_s: float | None = None
    """How long to run, by the city's clock; None: until the field says that it is over. [s]"""
    patience_s: float = 600.0
    """How long the field may take to report. [s]"""

    def __post_init__(self) -> None:
        """Refuse what cannot be."""
        if self.control not in LEASED_ARMS:
            raise ConfigError(f"control {self.control!r}: a live city takes leases; give {' or '.join(LEASED_ARMS)}")
        if self.for_s is not None and not self.for_s > 0:
            raise ConfigError(f"--end is {self.for_s:g} s; a live city's is counted from its begin, give more than 0")


def run_live(spec: LiveSpec, say: Callable[[str], None], progress: Progress | None = None) -> RunResult:
    """Lead a field until it is over, and seal the run folder."""
    case = read_live_case(spec.city)
    claim_folder(spec.out)
    clock = case.clock()
    layout = case.document.layout
    brain = brain_of(spec.control, layout)
    warm_up(brain, case)
    with ExitStack() as closing:
        data = spec.data or spec.out / "sensing"
        edges = closing.enter_context(SensingThread(case, data, spec.edges, os.environ.get("CITYLOOP_TOKEN", "")))
        host = spec.edges.host
        say(f"{case.name} waits for its field at mqtt://{host}:{edges.mqtt_port} and http://{host}:{edges.port}")
        say(f"  the field is device {case.toml.device!r}; its token lies in {edges.token_file}")
        begin_ms = _await_field(edges, clock, case.toml.settle_ms, spec.patience_s)
        end_s = begin_ms / 1000 + (_LONGEST_S if spec.for_s is None else spec.for_s)
        store = RunFolder(spec.out, _run_toml(spec, case, begin_ms / 1000, end_s), layout)
        closing.callback(store.close)
        params = LiveParams(answer_ms=case.toml.answer_ms)
        city = planned(LiveCity(layout, edges.link, clock, begin_ms, params), live=True)
        closing.callback(city.close)
        # Greater after every restart: a field that was led before takes no older brain's word.
        led = dataclasses.replace(brain, epoch=time.time_ns() // 1_000_000_000)
        span = LoopParams(begin_ms=begin_ms, end_ms=round(end_s * 1000))
        report = InlineEngine(city, led, store, span).run(progress)
        sealed = store.complete()
    assert sealed.result is not None
    return RunResult(
        run_dir=spec.out,
        decisions_digest=sealed.result.decisions_digest,
        decisions=report.decisions,
        steps=report.steps,
        ended_s=report.ended_ms / 1000,
        cost=report.cost,
    )


def warm_up(brain: Brain, case: LiveCase) -> None:
    """Compile before the clock runs: neither the first tick nor the first call must be the one that compiles."""
    layout = case.document.layout
    tick(brain, start(brain, layout, 0), empty_batch(), (), 1000)
    rehearse(brain, layout)


def aligned_ms(now_ms: int, settle_ms: int) -> int:
    """Return the next instant that lies so long after a whole second. [ms]"""
    return (now_ms - settle_ms + 999) // 1000 * 1000 + settle_ms


def _await_field(edges: SensingThread, clock: PacedClock, settle_ms: int, patience_s: float) -> int:
    """Wait until the field says that it runs; return the instant to begin at."""
    until_s = time.monotonic() + patience_s
    link = edges.link
    while link.state is None or link.over_ms is not None:
        link.news.clear()
        if not link.news.wait(min(1.0, max(0.0, until_s - time.monotonic()))) and time.monotonic() >= until_s:
            raise CityError(f"the field did not report within {patience_s:g} s; start its gateway, such as twin serve")
    # The field's own begin, where it has just begun: the first readings are then decided on as the twin's would be.
    told_ms = link.state.at_ms
    now_ms = clock.now_ms()
    return aligned_ms(told_ms if 0 <= now_ms - told_ms < 1000 or told_ms > now_ms else now_ms, settle_ms)


def _run_toml(spec: LiveSpec, case: LiveCase, begin_s: float, end_s: float) -> RunToml:
    files = (("city", case.folder / CITY_FILE), ("document", case.document_file))
    return RunToml(
        city=spec.city,
        case=case.name,
        control=spec.control,
        sensing=str(case.document.layout.tables[DOMAIN].sensing),
        seed=0,
        scale=1.0,
        begin_s=begin_s,
        end_s=end_s,
        leased=True,
        own_plan="field",
        case_digest=file_sha256(case.document_file),
        layout_digest="",
        versions=versions_here(),
        calibration=case.toml.label or "LIVE",
        inputs=tuple(InputFile(role=role, path=str(path), sha256=file_sha256(path)) for role, path in files),
    )
