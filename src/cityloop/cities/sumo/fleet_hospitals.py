"""Where an ambulance of the twin takes its patient: the hospital that can treat what the crew says is needed, soonest.

Drives are told as the crow flies, on streets that are a third longer. Crews know what hospitals declare, and who stands
at their doors; what is declared later nobody knows before.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from cityloop.cities.sumo.fleet_assets import Kerb
from cityloop.cities.sumo.fleet_case import TREATS, EmergencyFile
from cityloop.kernel.layout import StreamKind
from cityloop.methods.hospital_choice import Door
from cityloop.methods.hospital_doors import Doors, HospitalPlan, Notice

__all__ = ["Hospitals", "Turn", "hospital_plan"]

_MS_PER_M = 1000.0 * 1.3 / 8.0
"""Of ordinary driving in town, along streets. [ms/m]"""


@dataclass(frozen=True, slots=True)
class Turn:
    """A unit with a patient aboard that went to another hospital, since its own had closed."""

    at_ms: int
    call: int
    unit: int
    from_site: int
    to_site: int
    door: int
    """A ``Door``: why the new one."""
    by_brain: bool
    """Whether the brain advised it, and the crew did not look itself."""


def hospital_plan(file: EmergencyFile, begin_ms: int) -> HospitalPlan:
    """Return what the hospitals of a city's file can do and will declare, in the order of their sites."""
    hospitals = [site for site in file.sites if site.kind == "hospital"]
    row = {site.name: k for k, site in enumerate(hospitals)}
    return HospitalPlan(
        capability=tuple(sum(TREATS[word] for word in site.treats) for site in hospitals),
        bays=tuple(site.bays or 0 for site in hospitals),
        handover_ms=file.calls.handover_min[0] * 60_000.0,
        notices=tuple(
            Notice(begin_ms + round(one.after_s * 1000), row[one.hospital], one.is_open, one.diverting)
            for one in sorted(file.notices, key=lambda one: one.after_s)
        ),
    )


class Hospitals:
    """The hospitals among a city's sites, and who is at their doors; rows outside are those of sites."""

    def __init__(self, file: EmergencyFile, kerbs: Sequence[Kerb], begin_ms: int) -> None:
        self._rows = [row for row, site in enumerate(file.sites) if site.kind == "hospital"]
        self._kerbs = [kerbs[row] for row in self._rows]
        self._doors = Doors(hospital_plan(file, begin_ms))
        self._notices = self._doors.plan.notices
        self._tell = file.hospitals_tell

    def step(self, now_ms: int) -> tuple[list[int], bool]:
        """Let hospitals declare what is due; return the sites of those that closed just now, and whether any spoke."""
        closed, spoke = [], False
        while self._notices and self._notices[0].at_ms <= now_ms:
            notice, *later = self._notices
            self._notices, spoke = tuple(later), True
            if self._doors.declare(notice):
                closed.append(self._rows[notice.hospital])
        return closed, spoke

    def resume(self, declared: Sequence[tuple[int, bool, bool]], now_ms: int) -> None:
        """Begin with what has been declared by then: site, open, diverting; what will be declared is not known."""
        self._notices = ()
        for site, is_open, diverting in declared:
            if site in self._rows:
                self._doors.declare(Notice(now_ms, self._rows.index(site), is_open, diverting))

    def advised(self, kerb: Kerb, needs: int, coming: Sequence[int] = ()) -> tuple[int, Door]:
        """Return the site of the hospital for a patient, and why that one; others are on the way to sites already."""
        drive_ms = np.array([math.hypot(one.x_m - kerb.x_m, one.y_m - kerb.y_m) * _MS_PER_M for one in self._kerbs])
        to = np.array([coming.count(row) for row in self._rows], np.int32)
        advice = self._doors.advise(needs, np.rint(drive_ms).astype(np.int64), to)
        return self._rows[advice.hospital], advice.door

    def is_hospital(self, site: int) -> bool:
        """Tell whether a site is one."""
        return site in self._rows

    def is_open(self, site: int) -> bool:
        """Tell whether a hospital takes new patients."""
        return bool(self._doors.is_open[self._rows.index(site)])

    def arrive(self, site: int, unit: int) -> bool:
        """Let a unit come to the door; tell whether a bay is free for it."""
        return self._doors.arrive(self._rows.index(site), unit)

    def leave(self, site: int) -> int:
        """Let a unit leave its bay; return who takes it, or -1."""
        return self._doors.leave(self._rows.index(site))

    def told(self) -> list[tuple[StreamKind, int, float]]:
        """Return the hospitals' own words; none in a city whose hospitals tell nothing."""
        if not self._tell:
            return []
        doors = zip(self._rows, self._doors.is_open.tolist(), self._doors.diverting.tolist(), strict=True)
        return [
            (kind, site, float(value))
            for site, is_open, diverting in doors
            for kind, value in ((StreamKind.HOSPITAL_OPEN, is_open), (StreamKind.HOSPITAL_DIVERTING, diverting))
        ]
