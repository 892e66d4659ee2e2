"""The loop paced by the wall clock, in a process of its own: no page that somebody opens can make a tick late.

Between two ticks it listens: what a person asks is guarded, journalled and handed over at once, and the controller's
receipt goes back without waiting for the next second.
"""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

import msgspec

from cityloop.engine.pipe import Pipe
from cityloop.kernel.errors import ConfigError
from cityloop.kernel.journal import decision_bytes
from cityloop.kernel.layout import Layout
from cityloop.kernel.messages import Decision, Proposal, Receipt, Request
from cityloop.kernel.ports import City, Observation
from cityloop.kernel.tick import Brain, BrainState, act_at_once, start, tick
from cityloop.wire.live import Steering, Stop, Tick, decode_down, encode

__all__ = ["PaceParams", "PacedEngine", "Picture", "Steered", "Stopped"]


Expected = tuple[int, float, float, float]
_MADE_UP_STEPS = 10
_WARM_STEPS = 5


class Stopped(Exception):  # noqa: N818  an outcome, no fault
    """The server asked the running city to end."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PaceParams:
    """How the loop is paced."""

    begin_ms: int
    pace: float = 1.0
    """Seconds of the city a second of the wall."""
    period_ms: int = 1000
    epoch: int = 1
    """Of the brain at the start; greater after every restart."""

    def __post_init__(self) -> None:
        """Refuse nonsense."""
        if not self.pace > 0:
            raise ConfigError(f"pace is {self.pace:g}; give a value above 0")


@dataclass(frozen=True, slots=True, kw_only=True)
class Steered:
    """What a steering makes of the loop."""

    brain: Brain
    layout: Layout
    """The city's, or a stricter one that two people agreed on."""
    requests: tuple[Request, ...]
    at_once: Callable[[BrainState, int], Sequence[Proposal]]
    """``at_once(state, now_ms)``: what people ask for now, in the domain that is steered."""
    domain: str
    unplugged_until_ms: int
    token: int


class Picture(Protocol):
    """What of each step is recorded and shown."""

    def step(self, observed: Observation, state: BrainState | None) -> tuple[dict[str, bytes], dict[str, bytes]]:
        """Return the columns that are recorded, and those that are only shown."""


class PacedEngine:
    """One city, one brain, one journal, and a pipe to the server.

    Parameters
    ----------
    city
        Closed by whoever opened it.
    steered
        Makes a loop's brain and requests of what people have set.
    journal
        ``journal(at_ms, payload)``: keeps a step before anything of it is acted on.
    picture
        What of a step is recorded and shown.
    sim_s
        The twin's own time of day.
    until_s
        ``until_s(instant)``: how long it is until an instant of a city with a clock of its own, negative where it is
        past [s]. None: the loop's own pace is the city's.
    views
        What services publish of a state; told and not recorded.
    forecasts
        ``forecasts(state, decisions, now_ms)``: what decisions lead one to expect, journalled with them.
    """

    def __init__(
        self,
        city: City,
        steered: Callable[[Steering, int], Steered],
        journal: Callable[[int, bytes], None],
        picture: Picture,
        pipe: Pipe,
        params: PaceParams,
        *,
        sim_s: Callable[[int], tuple[float, int]],
        until_s: Callable[[int], float] | None = None,
        views: Callable[[BrainState | None], dict[str, bytes]] | None = None,
        forecasts: Callable[[BrainState | None, Sequence[Decision], int], list[Expected]] | None = None,
    ) -> None:
        self._city, self._steered_by, self._journal, self._picture = city, steered, journal, picture
        self._pipe, self._params, self._sim_s, self._until_s = pipe, params, sim_s, until_s
        self._views, self._forecasts = views, forecasts
        self._epoch = params.epoch
        self._now_ms = params.begin_ms
        self._steered = steered(Steering(token=0), self._epoch)
        self._state: BrainState | None = None
        self._receipts: list[Receipt] = []
        self._number = 0
        self._arrays: dict[str, bytes] = {}

    def run(self, steering: Steering) -> None:
        """Run until the server says stop or is gone."""
        self._take(steering)
        period_s = self._params.period_ms / 1000 / self._params.pace
        due_s = time.monotonic()
        while True:
            if self._until_s is not None:
                due_s = time.monotonic() + self._until_s(self._now_ms + self._params.period_ms)
            self._listen(due_s)
            if self._number < _WARM_STEPS:
                # What the first steps still compile or load is not the city's doing: the pace begins after them.
                due_s = time.monotonic()
            self._step(time.monotonic() - due_s)
            # A few late steps are made up for, so that the clock stays true; after a long halt it goes on from now.
            due_s += period_s
            if time.monotonic() - due_s > _MADE_UP_STEPS * period_s:
                due_s = time.monotonic()

    def _listen(self, until_s: float) -> None:
        """Heed the server until the next step is due."""
        while True:
            message = self._pipe.poll(until_s - time.monotonic())
            if message is None:
                return
            match decode_down(message):
                case Stop():
                    raise Stopped
                case Steering() as steering:
                    self._take(steering)
                    self._act_at_once()

    def _take(self, steering: Steering) -> None:
        before = self._steered
        self._steered = self._steered_by(steering, self._epoch)
        if self._steered.layout is not before.layout:
            # Other tables: what is remembered no longer fits them.
            self._epoch += 1
            self._state = None

    def _step(self, late_s: float) -> None:
        began_s = time.monotonic()
        observed = self._city.observe(self._now_ms + self._params.period_ms)
        self._now_ms = observed.now_ms
        self._receipts += observed.receipts
        unplugged = self._now_ms < self._steered.unplugged_until_ms
        decisions: Sequence[Decision] = ()
        ticked = None
        if unplugged:
            if self._state is not None:
                # Back after it: a greater epoch, and nothing remembered.
                self._epoch += 1
                self._state = None
        else:
            brain = dataclasses.replace(self._steered.brain, epoch=self._epoch)
            if self._state is None:
                self._state = start(brain, self._steered.layout, self._now_ms)
            ticked = tick(brain, self._state, observed.batch, self._steered.requests, self._now_ms)
            self._state, decisions = ticked.state, ticked.decisions
        self._arrays, shown = self._picture.step(observed, self._state)
        told = self._tell(decisions, self._arrays, late_ms=late_s * 1000, unplugged=unplugged)
        # Journal first: a crash between the two must not lose the decision.
        self._journal(self._now_ms, encode(told))
        self._receipts = []
        if ticked is not None and ticked.commands:
            self._city.apply(ticked.commands)
            self._receipts += self._city.observe(self._now_ms).receipts
        took_ms = (time.monotonic() - began_s) * 1000
        views = {} if self._views is None else self._views(self._state)
        self._pipe.send(encode(_with(told, shown=shown, views=views, took_ms=took_ms)))

    def _act_at_once(self) -> None:
        """Let what a person asked reach the street between two steps, and tell what became of it."""
        decisions: Sequence[Decision] = ()
        unplugged = self._now_ms < self._steered.unplugged_until_ms
        receipts: list[Receipt] = []
        if self._state is not None and not unplugged:
            brain = dataclasses.replace(self._steered.brain, epoch=self._epoch)
            proposals = self._steered.at_once(self._state, self._now_ms)
            if proposals:
                ticked = act_at_once(brain, self._state, self._steered.domain, proposals, self._now_ms)
                self._state, decisions = ticked.state, ticked.decisions
                self._journal(self._now_ms, encode(self._tell(decisions, {}, at_once=True)))
                self._city.apply(ticked.commands)
                receipts = list(self._city.observe(self._now_ms).receipts)
                self._receipts += receipts
        told = self._tell(decisions, self._arrays, at_once=True, unplugged=unplugged, receipts=receipts)
        self._pipe.send(encode(told))

    def _tell(
        self,
        decisions: Sequence[Decision],
        arrays: dict[str, bytes],
        *,
        late_ms: float = 0.0,
        unplugged: bool = False,
        at_once: bool = False,
        receipts: Sequence[Receipt] | None = None,
    ) -> Tick:
        self._number += not at_once
        sim_s, lap = self._sim_s(self._now_ms)
        answers = self._receipts if receipts is None and not at_once else receipts or ()
        return Tick(
            at_ms=self._now_ms,
            wall_ms=time.time_ns() // 1_000_000,
            sim_s=sim_s,
            number=self._number,
            lap=lap,
            epoch=self._epoch,
            unplugged=unplugged,
            steered=self._steered.token,
            at_once=at_once,
            late_ms=round(late_ms, 2),
            arrays=arrays,
            decisions=[decision_bytes(decision) for decision in decisions],
            forecasts=[] if self._forecasts is None else self._forecasts(self._state, decisions, self._now_ms),
            receipts=[(r.domain, r.target, r.sequence, int(r.status), r.at_ms, r.detail) for r in answers],
        )


def _with(told: Tick, *, shown: dict[str, bytes], views: dict[str, bytes], took_ms: float) -> Tick:
    return msgspec.structs.replace(told, shown=shown, views=views, took_ms=round(took_ms, 2))
