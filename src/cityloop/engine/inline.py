"""The loop in one process: observe, tick, journal, act, a step a second.

The loop reads clocks (for cost alone); the tick does not. Journal first: a crash between the two must not
lose the decision.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from cityloop.engine.cpu import CpuCost, Meter, metered
from cityloop.kernel.clock import ms_from_s
from cityloop.kernel.errors import CityError, ConfigError
from cityloop.kernel.layout import Layout
from cityloop.kernel.messages import Decision, Request
from cityloop.kernel.ports import City, Observation, Store
from cityloop.kernel.tick import Brain, BrainState, start, tick

__all__ = ["Begun", "Blackout", "InlineEngine", "LoopParams", "LoopReport", "Onlooker", "Progress"]

Progress = Callable[[int, int, int], None]
"""``progress(now_ms, end_ms, decisions)``, once a step."""

Onlooker = Callable[[Observation, BrainState | None, Sequence[Decision]], None]
"""Sees each step when it is done; no state where nothing is ticked. What it costs is not the loop's."""


@dataclass(frozen=True, slots=True)
class Blackout:
    """A span, in seconds since the begin of the run, in which the brain is unplugged."""

    begin_s: float
    end_s: float

    def __post_init__(self) -> None:
        if not self.begin_s < self.end_s:
            raise ConfigError(f"Blackout {self.begin_s:g}-{self.end_s:g} s: the end must come after the begin.")

    def covers(self, since_begin_ms: int) -> bool:
        """Tell whether the brain is unplugged at an instant; the begin is inside, the end is not."""
        return ms_from_s(self.begin_s) <= since_begin_ms < ms_from_s(self.end_s)


@dataclass(frozen=True, slots=True, kw_only=True)
class LoopParams:
    """How the loop is driven."""

    begin_ms: int
    """The city's time when the loop starts."""

    end_ms: int
    """The loop ends here, or where the city does."""

    period_s: float = 1.0
    """Between two ticks. [s]"""

    stride_s: float = 10.0
    """Between two observations of a loop that only observes. [s]"""

    blackouts: tuple[Blackout, ...] = ()

    warm_up_ticks: int = 60
    """Ticks left out of the cost figures, in which code is compiled."""

    def __post_init__(self) -> None:
        if self.end_ms <= self.begin_ms:
            raise ConfigError(f"The loop's end {self.end_ms} ms is not after its begin {self.begin_ms} ms.")
        for name in ("period_s", "stride_s"):
            if not getattr(self, name) > 0:
                raise ConfigError(f"{name} is {getattr(self, name):g}; give a value above 0.")


@dataclass(frozen=True, slots=True, kw_only=True)
class Begun:
    """What a loop has at once that begins in the middle of things."""

    layout: Layout
    """Tables that its brain keeps to, where they are stricter than the city's own."""
    requests: Sequence[Request] = ()
    """What people ask for in each tick, until it expires."""
    remembered: Callable[[BrainState], BrainState] = lambda state: state
    """Gives a brain that begins what one before it had learned."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LoopReport:
    """What a loop did."""

    steps: int
    ticks: int
    decisions: int
    commands: int
    epoch: int
    """Of the brain at the end; one more than at the begin for each blackout that ended."""

    ended_ms: int
    cost: CpuCost


class InlineEngine:
    """One city, one brain, one store, one thread.

    Parameters
    ----------
    city, store
        Not closed here: whoever opened them does.
    brain
        A brain without arms observes only, with the longer stride.
    """

    def __init__(
        self,
        city: City,
        brain: Brain,
        store: Store,
        params: LoopParams,
        onlooker: Onlooker | None = None,
        begun: Begun | None = None,
    ) -> None:
        self._city = city
        self._params = params
        self._onlooker = onlooker
        self._begun = begun or Begun(layout=city.layout())
        self._meter = meter = Meter(params.warm_up_ticks)
        self._brain = metered(brain, meter)
        self._observe = meter.counted("observe", city.observe)
        self._append_readings = meter.counted("readings", store.append_readings)
        self._append_receipts = meter.counted("receipts", store.append_receipts)
        self._think = meter.counted("tick", tick)
        self._journal = meter.counted("journal", store.append_decisions)
        self._act = meter.counted("act", city.apply)
        self._steps = self._ticks = self._decisions = self._commands = 0

    def run(self, progress: Progress | None = None) -> LoopReport:
        """Run until the city or the span ends."""
        params = self._params
        layout = self._begun.layout
        state = self._begun.remembered(start(self._brain, layout, params.begin_ms))
        stride_ms = ms_from_s(params.period_s if self._brain.arms else params.stride_s)
        now_ms = params.begin_ms
        unplugged = False
        while now_ms < params.end_ms:
            self._meter.begin()
            observed = self._observe(min(now_ms + stride_ms, params.end_ms))
            if observed.now_ms <= now_ms:
                if observed.ended:
                    break
                raise CityError(f"The city's time stands still at {now_ms / 1000:g} s.")
            now_ms = observed.now_ms
            self._steps += 1
            self._append_readings(now_ms, observed.batch)
            self._append_receipts(observed.receipts)
            decisions: Sequence[Decision] = ()
            if params.blackouts and any(blackout.covers(now_ms - params.begin_ms) for blackout in params.blackouts):
                unplugged = True
            elif self._brain.arms:
                if unplugged:
                    # Back after a blackout: a greater epoch, and nothing remembered.
                    self._brain = dataclasses.replace(self._brain, epoch=self._brain.epoch + 1)
                    state = start(self._brain, layout, now_ms)
                    unplugged = False
                state, decisions = self._tick(state, observed)
            if self._onlooker is not None:
                self._onlooker(observed, state if self._brain.arms and not unplugged else None, decisions)
            if progress is not None:
                progress(now_ms, params.end_ms, self._decisions)
            if observed.ended:
                break
        return LoopReport(
            steps=self._steps,
            ticks=self._ticks,
            decisions=self._decisions,
            commands=self._commands,
            epoch=self._brain.epoch,
            ended_ms=now_ms,
            cost=self._meter.cost(),
        )

    def _tick(self, state: BrainState, observed: Observation) -> tuple[BrainState, Sequence[Decision]]:
        ticked = self._think(self._brain, state, observed.batch, self._begun.requests, observed.now_ms)
        self._journal(ticked.decisions)
        self._act(ticked.commands)
        self._ticks += 1
        self._decisions += len(ticked.decisions)
        self._commands += len(ticked.commands)
        self._meter.ticked(len(ticked.decisions))
        return ticked.state, ticked.decisions
