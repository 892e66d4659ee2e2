"""Patients on their way to hospital: which one, the queue at its door, and what becomes of them when it closes."""

from __future__ import annotations

import numpy as np

from cityloop.cities.events.fleet import Event, Fleet
from cityloop.cities.events.ledger import Redirect
from cityloop.domains.emergency.schema import SiteKind, UnitStatus
from cityloop.kernel.columns import I32
from cityloop.methods.hospital_choice import Door
from cityloop.methods.hospital_doors import Doors, Notice

__all__ = ["Transport"]


class Transport(Fleet):
    """A fleet that carries patients. Without a plan of the hospitals the nearest open one takes everybody at once."""

    doors: Doors | None = None

    def close_hospital(self, site: int) -> None:
        """Close a hospital to new patients; who is on the way with one goes to the next, and nobody is turned out."""
        self.sites.is_open[site] = False
        if self.doors is not None:
            self.doors.is_open[site - self._first_hospital] = False
        for u in np.flatnonzero((self.units.status == UnitStatus.TRANSPORTING) & (self.units.site == site)):
            self._to_hospital(int(u), int(self.units.call[u]))

    def _noticed(self, notice: Notice) -> None:
        """Take a hospital's declaration in. A diversion holds for who sets out from now, a closure for everybody."""
        doors = self.doors
        if doors is None:
            return
        site = self._first_hospital + notice.hospital
        closed = doors.declare(notice)
        self.sites.is_open[site] = notice.is_open
        if closed:
            self.close_hospital(site)

    def _to_hospital(self, u: int, call: int) -> None:
        turned = self.units.status[u] == UnitStatus.TRANSPORTING
        before = int(self.units.site[u])
        self._cut(u)
        if self.ledger.left_scene_ms[call] < 0:
            self.ledger.left_scene_ms[call] = self.now_ms
        site, door = self._advised(u, call)
        self.ledger.hospital[call], self.ledger.door[call] = site - self._first_hospital, door
        if turned:
            self.ledger.redirects.append(Redirect(self.now_ms, call, u, before, site, door))
        self.units.site[u] = site
        self._drive(u, UnitStatus.TRANSPORTING, site)

    def _advised(self, u: int, call: int) -> tuple[int, int]:
        sites = self.sites
        hospitals = np.flatnonzero(sites.kind == SiteKind.HOSPITAL)
        off_ms = sites.offroad_m[hospitals] * (1000.0 / self.times.ordinary_offroad_mps)
        road_ms = self.times.ordinary.matrix_ms([int(self.units.node[u])], sites.node[hospitals])[0]
        if self.doors is None:
            welcome = sites.is_open[hospitals]
            chosen = int(np.where(welcome | ~welcome.any(), road_ms, np.iinfo(np.int32).max).argmin())
            return int(hospitals[chosen]), int(Door.SOONEST if welcome.any() else Door.LAST_DOOR)
        drive_ms = road_ms.astype(np.int64) + off_ms.astype(np.int64)
        advice = self.doors.advise(int(self.calls.patient_needs[call]), drive_ms, self._coming(u))
        return int(hospitals[advice.hospital]), int(advice.door)

    def _coming(self, besides: int) -> I32:
        """Return how many others are on their way to each hospital."""
        units = self.units
        carrying = (units.status == UnitStatus.TRANSPORTING) & (np.arange(len(units.status)) != besides)
        to = units.site[carrying] - self._first_hospital
        return np.bincount(to, minlength=len(self.case.hospitals.node)).astype(np.int32)

    def _at_door(self, u: int, call: int) -> None:
        """Begin the handover, or wait for a bay."""
        self.ledger.at_hospital_ms[call] = self.now_ms
        self._set(u, UnitStatus.AT_HOSPITAL)
        if self.doors is None or self.doors.arrive(int(self.units.site[u]) - self._first_hospital, u):
            self._hand_over(u)

    def _hand_over(self, u: int) -> None:
        call = int(self.units.call[u])
        self.ledger.bay_ms[call] = self.now_ms
        self._push(self.now_ms + int(self.calls.handover_ms[call]), Event.HANDED_OVER, u, self._version[u])

    def _bay_free(self, site: int) -> None:
        """Let the next in the queue begin."""
        if self.doors is None:
            return
        following = self.doors.leave(site - self._first_hospital)
        if following >= 0:
            self._hand_over(following)
