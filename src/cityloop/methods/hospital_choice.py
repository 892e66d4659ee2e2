"""Where a patient is taken: the hospital that can treat what is the matter, soonest, queues at its doors included.

With a patient aboard the system only advises. What a patient needs comes with the crew's own word, never from here.

1. A hospital that is open, has what is needed and has not declared a diversion; of these the one where the handover can
   begin soonest: the drive, and the wait for a bay behind those who are there or will be.
2. Nothing of that kind within ``bypass_most_ms`` of the nearest that would take anybody: then that one, to stabilise.
3. Every capable one diverts: a diversion yields to a need that nobody else can meet.
4. None is open: the nearest all the same. Nobody is turned away from the last door.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum, IntFlag

import numpy as np

from cityloop.kernel.columns import BOOL, F64, I32, I64

__all__ = ["Advice", "Capability", "Departments", "Door", "advise", "door_waits_ms"]


class Capability(IntFlag):
    """What an emergency department can treat besides the ordinary."""

    STROKE = 1
    CATH_LAB = 2
    TRAUMA = 4
    PAEDIATRIC = 8


class Door(IntEnum):
    """Why a hospital is advised."""

    SOONEST = 1
    """Capable, open, and the handover begins soonest."""
    DIVERTING = 2
    """It has declared a diversion, but nobody else has what is needed."""
    TOO_FAR = 3
    """The capable one is too far for this patient: the nearest stabilises."""
    NONE_CAPABLE = 4
    """No open hospital has what is needed."""
    LAST_DOOR = 5
    """None is open."""


@dataclass(frozen=True, slots=True)
class Departments:
    """Emergency departments as they stand now, one row a hospital."""

    capability: I32
    """Bits of ``Capability``."""
    is_open: BOOL
    diverting: BOOL
    """By its own declaration."""
    bays: I32
    """Handovers at once; 0 where there is no bound."""
    here: I32
    """Units that hand over or wait."""
    coming: I32
    """Units under way with a patient."""
    handover_ms: float
    """What a handover takes in the mean. [ms]"""


@dataclass(frozen=True, slots=True)
class Advice:
    """Where to take a patient, and why."""

    hospital: int
    door: Door
    drive_ms: int
    wait_ms: int
    """Expected at the door, before a bay is free. [ms]"""
    others: tuple[tuple[int, int], ...]
    """The next best: hospital, and time until the handover could begin [ms]."""


def door_waits_ms(departments: Departments) -> F64:
    """Return how long a unit that comes now would wait for a bay: those ahead, at the bays' rate. [ms]"""
    ahead = departments.here + 0.5 * departments.coming
    bays = np.maximum(departments.bays, 1)
    waits: F64 = np.maximum(ahead - bays + 1.0, 0.0) * departments.handover_ms / bays
    return np.where(departments.bays > 0, waits, 0.0)


def advise(departments: Departments, needs: int, drive_ms: I64, bypass_most_ms: int = 30 * 60_000) -> Advice:
    """Return the hospital for a patient.

    Parameters
    ----------
    departments
        As they are now.
    needs
        Bits that the patient needs, by the crew's word; 0 for the ordinary.
    drive_ms
        To each hospital. [ms]
    bypass_most_ms
        So much longer than to the nearest open one may the drive to a capable one take. [ms]

    """
    waits = door_waits_ms(departments)
    soon = drive_ms + waits
    able = (departments.capability & needs) == needs
    open_here = departments.is_open
    if not open_here.any():
        return _at(int(drive_ms.argmin()), Door.LAST_DOOR, drive_ms, waits, np.ones(len(able), np.bool_))
    welcome = open_here & ~departments.diverting
    near_enough = drive_ms <= int(drive_ms[welcome if welcome.any() else open_here].min()) + bypass_most_ms
    for who, door in (
        (welcome & able & near_enough, Door.SOONEST),
        (open_here & able & near_enough, Door.DIVERTING),
    ):
        if who.any():
            return _at(_least(soon, who), door, drive_ms, waits, who)
    door = Door.TOO_FAR if (open_here & able).any() else Door.NONE_CAPABLE
    who = welcome if welcome.any() else open_here
    return _at(_least(soon, who), door, drive_ms, waits, who)


def _least(soon: F64, who: BOOL) -> int:
    return int(np.where(who, soon, np.inf).argmin())


def _at(hospital: int, door: Door, drive_ms: I64, waits: F64, who: BOOL) -> Advice:
    soon = drive_ms + waits
    order = [int(k) for k in np.argsort(soon, kind="stable") if who[k] and k != hospital]
    others = tuple((k, round(float(soon[k]))) for k in order[:3])
    return Advice(hospital, door, int(drive_ms[hospital]), round(float(waits[hospital])), others)
