"""Hospitals of the event-driven city: what they can treat, bays and queues at their doors, diversions and closures."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

import numpy as np

from cityloop.kernel.columns import I32, I64
from cityloop.kernel.errors import ConfigError
from cityloop.methods.hospital_choice import Advice, Capability, Departments, advise

__all__ = ["Doors", "HospitalPlan", "Notice", "draw_needs", "made_up_plan"]

HOUR_MS, DAY_MS = 3_600_000, 86_400_000
NEEDS = (
    (int(Capability.STROKE), 0.05),
    (int(Capability.CATH_LAB), 0.04),
    (int(Capability.TRAUMA), 0.05),
    (int(Capability.PAEDIATRIC), 0.06),
)
"""Made up: shares of patients who need more than an ordinary department."""


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


def draw_needs(n_calls: int, seed: int) -> I32:
    """Draw what each patient needs; made up, and never seen before a crew is there."""
    drawn = np.random.default_rng([seed, 11]).random(n_calls)
    needs = np.zeros(n_calls, np.int32)
    low = 0.0
    for bits, share in NEEDS:
        needs[(drawn >= low) & (drawn < low + share)] = bits
        low += share
    return needs


def made_up_plan(n_hospitals: int, days: float, begin_ms: int, handover_ms: float, bays: int = 2) -> HospitalPlan:
    """Return a plan for cities that ship none: every other hospital can do more, one diverts and one closes a day.

    Each day one hospital declares a diversion from 14:00 to 18:00 and the next one closes from 16:00 to 18:00, in turn.
    """
    every = int(Capability.STROKE | Capability.CATH_LAB | Capability.TRAUMA | Capability.PAEDIATRIC)
    some = (every, int(Capability.STROKE), int(Capability.CATH_LAB | Capability.TRAUMA), 0, int(Capability.PAEDIATRIC))
    notices: list[Notice] = []
    for day in range(int(np.ceil(days)) if n_hospitals > 1 else 0):
        from_ms = begin_ms + day * DAY_MS
        diverts, closes = day % n_hospitals, (day + 1) % n_hospitals
        notices += [
            Notice(from_ms + 14 * HOUR_MS, diverts, is_open=True, diverting=True),
            Notice(from_ms + 16 * HOUR_MS, closes, is_open=False, diverting=False),
            Notice(from_ms + 18 * HOUR_MS, diverts, is_open=True, diverting=False),
            Notice(from_ms + 18 * HOUR_MS, closes, is_open=True, diverting=False),
        ]
    return HospitalPlan(
        capability=tuple(some[k % len(some)] for k in range(n_hospitals)),
        bays=(bays,) * n_hospitals,
        handover_ms=handover_ms,
        notices=tuple(notices),
    )
