"""What it is worth to send units to sites: the mean over the horizon for which a placing lasts, drives included."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from cityloop.domains.emergency.cover import place_values
from cityloop.domains.emergency.forecast import Coverage
from cityloop.domains.emergency.schema import UnitStatus
from cityloop.domains.emergency.state import EmergencyState, drive_to_sites_ms
from cityloop.kernel.columns import BOOL, F64, I64

__all__ = ["Plan", "best", "plan_of"]

_STANDING, _MOVING = int(UnitStatus.STANDING), int(UnitStatus.MOVING)
_AT_HOSPITAL, _ON_BREAK = int(UnitStatus.AT_HOSPITAL), int(UnitStatus.ON_BREAK)


@dataclass(slots=True)
class Plan:
    """Where units are and where they go, with what that is worth over the horizon for which a placing lasts.

    On its way a unit is taken to be where it was: between two good places is seldom a good place. The drive's share of
    the horizon is that of a placing that ends at a constant rate.
    """

    weight: F64
    zone_site: F64
    """From each site to each zone, shape (n_zones, n_sites). [min]"""
    there: F64
    here: F64
    """From where each unit is, shape (n, n_zones). [min]"""
    eta: F64
    """The mean over the horizon under the present plan."""
    drive: F64
    """To every site, shape (n, n_sites). [min]"""
    mix: F64
    """Share of where a unit is in its mean over the horizon, by site."""
    bound: I64
    """Site to which each unit is on its way, -1 for who stands."""
    stay: F64
    """The expected response with each unit left where it is; of the last look. [min]"""

    def values(self) -> F64:
        """Return the expected response with each unit sent to each site, shape (n, n_sites). [min]"""
        _, stay, at_site = place_values(self.eta, self.there, self.weight, self.here, self.zone_site)
        self.stay = stay
        at_site += self.mix * (stay[:, None] - at_site)
        return at_site

    def now(self, values: F64) -> F64:
        """Return the same with each unit going where it goes."""
        at = np.arange(len(self.bound))
        return np.where(self.bound >= 0, values[at, self.bound], self.stay)

    def send(self, u: int, site: int) -> None:
        """Send one unit to a site."""
        share = self.mix[u, site]
        self.eta[u] = share * self.here[u] + (1.0 - share) * self.zone_site[:, site]
        self.bound[u] = site


def plan_of(
    state: EmergencyState,
    coverage: Coverage,
    row: I64,
    here: F64,
    there: F64,
    homeless: BOOL,
    horizon_min: float,
) -> Plan:
    """Return the present plan of some units.

    Parameters
    ----------
    state, coverage
        What is known.
    row
        The units.
    here, there
        Where they are, and their chances to be there when needed.
    homeless
        Who has nowhere to go yet.
    horizon_min
        How long a placing lasts, in the mean. [min]

    """
    drive = _drives(state, coverage, row)
    mix = 1.0 - np.exp(-drive / horizon_min)
    bound = np.where((state.units.status[row] == _MOVING) & ~homeless, state.units.site[row], -1).astype(np.int64)
    still = np.zeros(len(row))
    plan = Plan(coverage.weight, coverage.zone_site_min, there, here, here.copy(), drive, mix, bound, still)
    for u in np.flatnonzero(bound >= 0):
        plan.send(int(u), int(bound[u]))
    return plan


def best(gain: F64) -> tuple[int, int]:
    """Return the row and the column of the greatest gain."""
    u, site = divmod(int(gain.argmax()), gain.shape[1])
    return u, site


def _drives(state: EmergencyState, coverage: Coverage, row: I64) -> F64:
    """Return the time of ordinary driving from each unit to each site, looked up for those that stand at one. [min]"""
    units = state.units
    at = units.site[row]
    # Who drives has left its site, though it still names it: what is looked up holds only for who stands.
    status = units.status[row]
    placed = (at >= 0) & ((status == _STANDING) | (status == _AT_HOSPITAL) | (status == _ON_BREAK))
    drive = coverage.site_drive_min[np.maximum(at, 0)]
    away = np.flatnonzero(~placed)
    if len(away):
        sites = np.arange(len(state.sites.kind), dtype=np.int32)
        drive[away] = drive_to_sites_ms(state, row[away], sites) / 60_000.0
    return drive
