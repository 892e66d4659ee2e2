"""Hospitals of the event-driven city: what patients need, and a made-up plan where a city ships none."""

from __future__ import annotations

import numpy as np

from cityloop.kernel.columns import I32
from cityloop.methods.hospital_choice import Capability
from cityloop.methods.hospital_doors import HospitalPlan, Notice

__all__ = ["draw_needs", "made_up_plan"]

HOUR_MS, DAY_MS = 3_600_000, 86_400_000
NEEDS = (
    (int(Capability.STROKE), 0.05),
    (int(Capability.CATH_LAB), 0.04),
    (int(Capability.TRAUMA), 0.05),
    (int(Capability.PAEDIATRIC), 0.06),
)
"""Made up: shares of patients who need more than an ordinary department."""


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
