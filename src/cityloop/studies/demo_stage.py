"""What one arm of the demo puts on the page: each step as the operations room takes it, in step with the other arm.

The run itself is the one that is scored: the page only looks on. Both arms wait for one another, so that the halves of
the map show the same second; nothing that is decided knows of it, as time in the twin passes only when it is observed.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from cityloop.kernel.journal import decision_bytes
from cityloop.kernel.ladder import Rung
from cityloop.wire.live import Steering, Tick, encode

if TYPE_CHECKING:
    from cityloop.kernel.layout import Layout
    from cityloop.kernel.messages import Decision
    from cityloop.kernel.ports import Observation
    from cityloop.kernel.tick import BrainState

__all__ = ["InStep", "Stage", "Stepped", "trace_folder"]

_AHEAD_S = 1.0
_NAP_S = 0.004
_SEED_S = 1e7
"""More than a run has seconds: what one seed's end lies before the next one's begin."""
_KEEP_MS = 10**12


class Stepped(msgspec.Struct, frozen=True, kw_only=True):
    """One step of one arm, for the page."""

    arm: str
    seed: int
    reached_s: float
    """How far the arm is, over all seeds; see `InStep`."""
    payload: bytes


def trace_folder(room: Path, arm: str, seed: int) -> Path:
    """Return where an arm's steps are kept while the page is open."""
    return room / f"trace-{arm}-{seed}"


@dataclass(slots=True)
class InStep:
    """Keeps arms in separate processes within a second of each other, as the page shows them.

    Not as they run: what an arm says may lie in its process for long while the other's is let through first.
    """

    reached: Any
    """A shared array of seconds, one an arm: how much of it the page has taken in; infinite once an arm is over."""
    mine: int

    @staticmethod
    def place(seed_number: int, since_s: float) -> float:
        """Return how far an arm is, over all seeds. [s]."""
        return seed_number * _SEED_S + since_s

    @staticmethod
    def take_in(reached: Any, arm: int, reached_s: float) -> None:
        """Note that the page shows an arm's step; what comes after the arm's end changes nothing."""
        reached[arm] = max(reached[arm], reached_s)

    def wait(self, here_s: float) -> None:
        """Wait while this arm is ahead of what the page shows of any."""
        while here_s > min(self.reached) + _AHEAD_S:
            time.sleep(_NAP_S)

    def over(self) -> None:
        """Let the others go on without this one."""
        self.reached[self.mine] = float("inf")


@dataclass(slots=True)
class Stage:
    """Looks on at a run and tells the page."""

    layout: Layout
    begin_ms: int
    unplugged: Callable[[int], bool]
    """Whether the brain is, so long after the begin. [ms]"""
    arm: str
    seed: int
    seed_number: int
    leased: bool
    folder: Path
    put: Callable[[Stepped], None]
    in_step: InStep
    _number: int = 0
    _picture: Any = field(init=False)
    _trace: Any = field(init=False)

    def __post_init__(self) -> None:
        from cityloop.app.live_picture import LivePicture
        from cityloop.storage.trace_log import TraceWriter

        self._picture = LivePicture(self.layout, self.begin_ms)
        self._trace = TraceWriter(self.folder, keep_ms=_KEEP_MS)
        if self.leased:
            rungs = dict.fromkeys(range(len(self.layout.junctions.x_m)), int(Rung.LIVE))
            self._picture.steer(Steering(token=0, rungs={"signals": rungs}), self.begin_ms)

    def __call__(self, observed: Observation, state: BrainState | None, decisions: Sequence[Decision]) -> None:
        """Take one step in."""
        from cityloop.app.live_forecasts import forecasts_of
        from cityloop.app.live_views import packed_views

        now_ms = observed.now_ms
        self._number += 1
        arrays, shown = self._picture.step(observed, state)
        told = Tick(
            at_ms=now_ms,
            wall_ms=time.time_ns() // 1_000_000,
            sim_s=now_ms / 1000,
            number=self._number,
            lap=self.seed_number + 1,
            unplugged=self.unplugged(now_ms - self.begin_ms),
            arrays=arrays,
            decisions=[decision_bytes(decision) for decision in decisions],
            forecasts=forecasts_of(state, decisions, now_ms),
            receipts=[(r.domain, r.target, r.sequence, int(r.status), r.at_ms, r.detail) for r in observed.receipts],
        )
        self._trace.append(now_ms, encode(told))
        whole = msgspec.structs.replace(told, shown=shown, views=packed_views(state))
        here_s = InStep.place(self.seed_number, (now_ms - self.begin_ms) / 1000)
        self.put(Stepped(arm=self.arm, seed=self.seed, reached_s=here_s, payload=encode(whole)))
        self.in_step.wait(here_s)

    def close(self) -> None:
        """Keep what was told. Safe to call twice."""
        self._trace.close()
