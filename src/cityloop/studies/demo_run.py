"""One arm of the demo: it runs, watches itself, and says how it goes."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec
import numpy as np

from cityloop.kernel.errors import CityloopError
from cityloop.kernel.layout import Layout, StreamKind

if TYPE_CHECKING:
    from cityloop.app import RunSpec
    from cityloop.kernel.batch import Batch
    from cityloop.kernel.messages import Decision, Receipt
    from cityloop.kernel.ports import Store
    from cityloop.studies.demo_stage import Stage

__all__ = ["MARK_EVERY_S", "OWN_PLAN", "DemoTick", "HandBack", "SummaryTail", "Watch", "run_watched"]

OWN_PLAN, LEASED = 0, 1
"""Values of the CONTROL_MODE stream; 2 is handing back."""

MARK_EVERY_S = 30.0
_UNPLUGGED_EVERY_S = 5.0
"""Between two reports while the brain is unplugged, of the city's time."""

_STEP = re.compile(
    rb'<step time="([\d.]+)" loaded="(\d+)" inserted="\d+" running="(\d+)" waiting="(-?\d+)"'
    rb'[^>]* halting="(\d+)"[^>]* meanSpeedRelative="(-?[\d.]+)"'
)


class HandBack(msgspec.Struct, frozen=True, kw_only=True):
    """What the junctions did when the brain was unplugged."""

    begin_s: float
    end_s: float
    own_plan_after_s: dict[str, float]
    """By junction: from the pull of the plug to its own plan; absent where it never got there."""
    leased_again_after_s: dict[str, float]
    """By junction: from the plug's return to the first lease."""
    junctions: int


class DemoTick(msgspec.Struct, frozen=True, kw_only=True):
    """What one arm shows of itself, about once a second of the viewer's time."""

    arm: str
    seed: int
    now_s: float
    end_s: float
    vehicles: int
    standing: int
    delay_s: float
    """Mean so far over all vehicles due, by SUMO's own summary."""
    marks_s: tuple[float, ...] = ()
    """The same mean at each whole half minute so far, so that two arms are compared at the same instants."""
    modes: tuple[int, int, int]
    """Junctions on their own plan, leased, handing back."""
    unplugged: bool
    decisions: int


@dataclass(slots=True)
class SummaryTail:
    """Reads SUMO's summary while SUMO still writes it."""

    path: Path
    begin_s: float = 0.0
    marks_s: list[float] = field(default_factory=list)
    """Mean delay at the end of each half minute since the begin."""
    vehicles: int = 0
    standing: int = 0
    delay_s: float = 0.0
    _at: int = 0
    _lost_s: float = 0.0

    def read(self) -> None:
        """Take in the steps written since the last call.

        A vehicle at a share v of its free speed loses 1 - v of every second; one that waits to depart, all.
        """
        if not self.path.is_file():
            return
        with self.path.open("rb") as stream:
            stream.seek(self._at)
            text = stream.read()
        whole = text.rfind(b"\n") + 1
        self._at += whole
        for step in _STEP.finditer(text[:whole]):
            due, running, waiting = int(step[2]), int(step[3]), max(int(step[4]), 0)
            self._lost_s += running * (1.0 - min(max(float(step[6]), 0.0), 1.0)) + waiting
            self.vehicles, self.standing = running, int(step[5])
            self.delay_s = self._lost_s / due if due else 0.0
            if float(step[1]) - self.begin_s + 1.0 >= (len(self.marks_s) + 1) * MARK_EVERY_S:
                self.marks_s.append(round(self.delay_s, 2))


@dataclass(slots=True)
class Watch:
    """A store that passes everything on, and looks at who decides at each junction as it goes by."""

    store: Store
    layout: Layout
    blackout_s: tuple[float, float] | None
    """Since the begin of the run."""
    begin_s: float
    mode: np.ndarray[tuple[int], np.dtype[np.int64]] = field(init=False)
    own_plan_after_s: dict[str, float] = field(default_factory=dict)
    leased_again_after_s: dict[str, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.mode = np.zeros(len(self.layout.junctions.x_m), np.int64)

    def append_decisions(self, decisions: Sequence[Decision]) -> None:
        """Pass on."""
        self.store.append_decisions(decisions)

    def append_receipts(self, receipts: Sequence[Receipt]) -> None:
        """Pass on."""
        self.store.append_receipts(receipts)

    def append_readings(self, now_ms: int, batch: Batch) -> None:
        """Pass on, and note the control modes."""
        self.store.append_readings(now_ms, batch)
        of_mode = np.flatnonzero(self.layout.streams.kind[batch.stream] == StreamKind.CONTROL_MODE)
        self.mode[self.layout.streams.asset[batch.stream[of_mode]]] = batch.value[of_mode]
        if self.blackout_s is None:
            return
        since_s = now_ms / 1000 - self.begin_s
        pulled_s, back_s = self.blackout_s
        if pulled_s <= since_s < back_s:
            self._note(self.own_plan_after_s, OWN_PLAN, since_s - pulled_s)
        elif since_s >= back_s:
            self._note(self.leased_again_after_s, LEASED, since_s - back_s)

    def close(self) -> None:
        """Pass on."""
        self.store.close()

    def counts(self) -> tuple[int, int, int]:
        """Return how many junctions are on their own plan, leased, and handing back."""
        counted = np.bincount(self.mode, minlength=3)
        return int(counted[0]), int(counted[1]), int(counted[2])

    def hand_back(self) -> HandBack | None:
        """Return what the junctions did, or None where nothing was unplugged."""
        if self.blackout_s is None:
            return None
        return HandBack(
            begin_s=self.blackout_s[0],
            end_s=self.blackout_s[1],
            own_plan_after_s=self.own_plan_after_s,
            leased_again_after_s=self.leased_again_after_s,
            junctions=len(self.mode),
        )

    def _note(self, seen: dict[str, float], mode: int, after_s: float) -> None:
        names = self.layout.names["junctions"]
        for row in np.flatnonzero(self.mode == mode):
            seen.setdefault(names[row], after_s)


def run_watched(
    spec: RunSpec,
    say: Callable[[DemoTick], None],
    every_s: float,
    stage_of: Callable[[Layout, int, Callable[[int], bool]], Stage] | None = None,
) -> HandBack | None:
    """Run one spec to its end, and say how it goes every few seconds of the city's time.

    ``stage_of(layout, begin_ms, unplugged)`` makes who looks on at every step, where somebody does.
    """
    from cityloop.app import open_run
    from cityloop.engine.inline import InlineEngine

    with open_run(spec) as opened, ExitStack() as closing:
        begin_s = opened.params.begin_ms / 1000
        blackout = spec.blackouts[0] if spec.blackouts else None
        span_s = (blackout.begin_s, blackout.end_s) if blackout is not None else None
        watch = Watch(opened.store, opened.city.layout(), span_s, begin_s)
        tail = SummaryTail(spec.out / "sumo" / "summary.xml", begin_s)
        next_s = begin_s

        def is_unplugged(since_ms: int) -> bool:
            return blackout is not None and blackout.covers(since_ms)

        def progress(now_ms: int, end_ms: int, decisions: int) -> None:
            nonlocal next_s
            if now_ms / 1000 < next_s and now_ms < end_ms:
                return
            unplugged = is_unplugged(now_ms - opened.params.begin_ms)
            next_s = now_ms / 1000 + (_UNPLUGGED_EVERY_S if unplugged else every_s)
            tail.read()
            say(
                DemoTick(
                    arm=spec.control,
                    seed=spec.seed,
                    now_s=now_ms / 1000,
                    end_s=end_ms / 1000,
                    vehicles=tail.vehicles,
                    standing=tail.standing,
                    delay_s=tail.delay_s,
                    marks_s=tuple(tail.marks_s),
                    modes=watch.counts(),
                    unplugged=unplugged,
                    decisions=decisions,
                )
            )

        stage = None
        if stage_of is not None:
            stage = stage_of(opened.city.layout(), opened.params.begin_ms, is_unplugged)
            closing.callback(stage.close)
        InlineEngine(opened.city, opened.brain, watch, opened.params, stage).run(progress)
        opened.city.close()
        opened.store.complete()
    if span_s is not None and not watch.own_plan_after_s:
        raise CityloopError("No junction returned to its own plan while the brain was unplugged.")
    return watch.hand_back()
