"""Where the processor's time goes, part by part.

CPU time of this process (all its threads), not wall time: a wait for a twin or a disk costs nothing. A
twin's own process is not counted.

Reading that clock is a system call. Around every part of every step it would cost a city of one junction a tenth of
all there is to measure, so each step is measured as a whole, and in one of some steps its parts are told apart.
"""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, ParamSpec, TypeVar

from cityloop.kernel.domain import Domain
from cityloop.kernel.tick import Brain

__all__ = ["PARTS", "CpuCost", "Meter", "metered"]

PARTS = ("observe", "readings", "update", "predict", "propose", "guard", "tick", "journal", "act", "receipts")
"""In the order of a step. ``tick`` is what the tick spends outside the four parts before it."""

APART_EVERY_TICKS = 11
"""Ticks from one whose parts are told apart to the next: prime, so that what happens every so many steps, such as the
writing of a chunk of readings, is met in its turn."""

_INSIDE_TICK = ("update", "predict", "propose", "guard")
_NS_PER_US = 1000

P = ParamSpec("P")
R = TypeVar("R")


@dataclass(frozen=True, slots=True, kw_only=True)
class CpuCost:
    """What a run cost, its warm-up left out."""

    us_per_decision: float
    """CPU microseconds a junction and decision, all parts together; NaN without decisions."""

    parts_us_per_decision: Mapping[str, float]
    """The same by part: the whole, shared as by the steps whose parts were told apart."""

    decisions: int
    """Decisions that the figures are taken over."""

    ticks: int
    warm_up_ticks: int
    """Ticks left out at the beginning, in which code is compiled."""

    warm_up_s: float
    """CPU time of those ticks. [s]"""

    total_s: float
    """CPU time of the ticks counted. [s]"""

    @property
    def sense_update_decide_us(self) -> float:
        """CPU microseconds a decision for readings, update, predict, propose, guard and the tick itself."""
        return sum(self.parts_us_per_decision[part] for part in ("readings", *_INSIDE_TICK, "tick"))


class Meter:
    """Adds up the CPU time of steps, and by part that of some; a part inside another is taken out of the outer one."""

    def __init__(
        self,
        warm_up_ticks: int,
        clock_ns: Callable[[], int] = time.process_time_ns,
        apart_every_ticks: int = APART_EVERY_TICKS,
    ) -> None:
        self._clock_ns = clock_ns
        self._warm_up_ticks = warm_up_ticks
        self._apart_every_ticks = apart_every_ticks
        self._apart = False
        """Whether the parts of the step under way are told apart."""
        self._begin_ns = 0
        self._step_ns = dict.fromkeys(PARTS, 0)
        self._parts_ns = dict.fromkeys(PARTS, 0)
        self._inner_ns = [0]
        self._spent_ns = 0
        self._warm_up_ns = 0
        self._ticks = 0
        self._decisions = 0

    def counted(self, part: str, function: Callable[P, R]) -> Callable[P, R]:
        """Return the same function, counted as one part."""
        # Called for every proposal, so it is kept lean: a context manager would cost twice as much.
        clock_ns, inner_ns = self._clock_ns, self._inner_ns

        def run(*args: P.args, **kwargs: P.kwargs) -> R:
            if not self._apart:
                return function(*args, **kwargs)
            inner_ns.append(0)
            begin_ns = clock_ns()
            try:
                return function(*args, **kwargs)
            finally:
                whole_ns = clock_ns() - begin_ns
                self._step_ns[part] += whole_ns - inner_ns.pop()
                inner_ns[-1] += whole_ns

        return run

    def begin(self) -> None:
        """Begin a step; one that ends without a tick is just not ended, and what it cost belongs to no decision."""
        counted = self._ticks - self._warm_up_ticks
        self._apart = counted >= 0 and counted % self._apart_every_ticks == 0
        if self._apart:
            self._step_ns = dict.fromkeys(PARTS, 0)
        self._begin_ns = self._clock_ns()

    def ticked(self, decisions: int) -> None:
        """End the step of a tick: count it, as warm-up or not."""
        whole_ns = self._clock_ns() - self._begin_ns
        self._ticks += 1
        if self._ticks <= self._warm_up_ticks:
            self._warm_up_ns += whole_ns
            return
        self._decisions += decisions
        self._spent_ns += whole_ns
        if self._apart:
            for part, ns in self._step_ns.items():
                self._parts_ns[part] += ns

    def cost(self) -> CpuCost:
        """Return what was counted so far."""
        whole_us = self._spent_ns / _NS_PER_US / self._decisions if self._decisions else float("nan")
        told_apart_ns = sum(self._parts_ns.values())
        return CpuCost(
            us_per_decision=whole_us,
            parts_us_per_decision={
                part: whole_us * ns / told_apart_ns if told_apart_ns else float("nan")
                for part, ns in self._parts_ns.items()
            },
            decisions=self._decisions,
            ticks=max(0, self._ticks - self._warm_up_ticks),
            warm_up_ticks=min(self._ticks, self._warm_up_ticks),
            warm_up_s=self._warm_up_ns / 1e9,
            total_s=self._spent_ns / 1e9,
        )


def metered(brain: Brain, meter: Meter) -> Brain:
    """Return the same brain, with the parts of its domains counted."""
    return dataclasses.replace(brain, domains=tuple(_metered_domain(domain, meter) for domain in brain.domains))


def _metered_domain(domain: Domain[Any, Any], meter: Meter) -> Domain[Any, Any]:
    return dataclasses.replace(
        domain,
        update=meter.counted("update", domain.update),
        predict=meter.counted("predict", domain.predict),
        policies={arm: meter.counted("propose", policy) for arm, policy in domain.policies.items()},
        check=meter.counted("guard", domain.check),
        accept=meter.counted("guard", domain.accept),
    )
