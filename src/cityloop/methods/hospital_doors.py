"""Who is at hospitals' doors: bays, a queue served in order of arrival, and what departments declare of themselves.

Every city that has hospitals keeps its doors here, so that a queue is the same thing in each of them.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

import numpy as np

from cityloop.kernel.columns import I32, I64
from cityloop.kernel.errors import ConfigError
from cityloop.methods.hospital_choice import Advice, Departments, advise

__all__ = ["Doors", "HospitalPlan", "Notice"]


@dataclass(frozen=True, slots=True)
class Notice:
    """A hospital declares something."""

    at_ms: int
    hospital: int
    is_open: bool
    diverting: bool


@dataclass(frozen=True, slots=True)
class HospitalPlan:
    """What hospitals can do, and what they will declare; one entry a hospital."""

    capability: tuple[int, ...]
    bays: tuple[int, ...]
    """Handovers at once; 0 for no bound."""
    handover_ms: float
    """What a handover is expected to take. [ms]"""
    notices: tuple[Notice, ...] = ()

    def __post_init__(self) -> None:
        """Refuse a plan that does not fit together."""
        n = len(self.capability)
        if len(self.bays) != n or min(self.bays, default=0) < 0:
            raise ConfigError(
                f"Hospital plan: {len(self.bays)} numbers of bays for {n} hospitals, none may be below 0."
            )
        for notice in self.notices:
            if not 0 <= notice.hospital < n:
                raise ConfigError(f"Hospital plan: notice of hospital {notice.hospital}, there are {n}.")


class Doors:
    """Who is at each hospital's doors. Owns bays and queues."""

    def __init__(self, plan: HospitalPlan) -> None:
        n = len(plan.capability)
        self.plan = plan
        self.is_open = np.ones(n, np.bool_)
        self.diverting = np.zeros(n, np.bool_)
        self._busy = [0] * n
        self._queue: list[deque[int]] = [deque() for _ in range(n)]

    def advise(self, needs: int, drive_ms: I64, coming: I32) -> Advice:
        """Return where a patient should go now."""
        here = [busy + len(queue) for busy, queue in zip(self._busy, self._queue, strict=True)]
        departments = Departments(
            capability=np.array(self.plan.capability, np.int32),
            is_open=self.is_open,
            diverting=self.diverting,
            bays=np.array(self.plan.bays, np.int32),
            here=np.array(here, np.int32),
            coming=coming,
            handover_ms=self.plan.handover_ms,
        )
        return advise(departments, needs, drive_ms)

    def declare(self, notice: Notice) -> bool:
        """Take in what a hospital declares; tell whether it closed just now."""
        closed = bool(self.is_open[notice.hospital]) and not notice.is_open
        self.is_open[notice.hospital], self.diverting[notice.hospital] = notice.is_open, notice.diverting
        return closed

    def arrive(self, hospital: int, unit: int) -> bool:
        """Let a unit come to the door; tell whether a bay is free for it."""
        if self.plan.bays[hospital] == 0 or self._busy[hospital] < self.plan.bays[hospital]:
            self._busy[hospital] += 1
            return True
        self._queue[hospital].append(unit)
        return False

    def leave(self, hospital: int) -> int:
        """Let a unit leave its bay; return who takes it, or -1."""
        if self._queue[hospital]:
            return self._queue[hospital].popleft()
        self._busy[hospital] -= 1
        return -1

    def waiting(self, hospital: int) -> int:
        """Return how many wait for a bay."""
        return len(self._queue[hospital])
