"""What every policy proposes for its crews before anything else: rest, meals, and the way home at the shift's end."""

from __future__ import annotations

import numpy as np

from cityloop.domains.emergency.crew import Duty, duties, is_night
from cityloop.domains.emergency.schema import Move, Reason, SiteKind, TakeBreak, UnitStatus
from cityloop.domains.emergency.state import EmergencyState, drive_to_sites_ms, free_units
from cityloop.kernel.columns import BOOL, I64
from cityloop.kernel.messages import Proposal

__all__ = ["Owed", "allowed_sites", "owed"]


class Owed:
    """The proposals that crews are owed, and which units they bind."""

    __slots__ = ("bound", "duty", "proposals")

    def __init__(self, duty: I64, bound: BOOL, proposals: list[Proposal]) -> None:
        self.duty, self.bound, self.proposals = duty, bound, proposals


def owed(state: EmergencyState, now_ms: int, later: BOOL | None = None) -> Owed:
    """Return what is owed now. Bound units may still be sent to calls; nobody moves them elsewhere.

    ``later`` names units whose meal a policy puts off within its window.
    """
    units, sites = state.units, state.sites
    home_ms = np.zeros(len(units.status), np.int64)
    soon = np.flatnonzero((units.shift_end_ms - now_ms <= 3_600_000) & free_units(units))
    if len(soon):
        homes, of = np.unique(units.home[soon], return_inverse=True)
        home_ms[soon] = drive_to_sites_ms(state, soon, homes)[np.arange(len(soon)), of].astype(np.int64)
    duty = duties(units, sites, state.rules, home_ms, now_ms, later)
    bound = duty != Duty.NONE
    proposals = []
    for u in np.flatnonzero(bound):
        proposal = _one(state, int(u), int(duty[u]))
        if proposal is not None:
            proposals.append(proposal)
    return Owed(duty, bound, proposals)


def _one(state: EmergencyState, u: int, duty: int) -> Proposal | None:
    units, sites = state.units, state.sites
    site, standing = int(units.site[u]), units.status[u] == UnitStatus.STANDING
    if duty == Duty.HOME:
        home = int(units.home[u])
        return None if site == home else _move(u, home, Reason.SHIFT_END)
    at_rest = site >= 0 and sites.kind[site] != SiteKind.KERB
    if duty == Duty.MEAL and at_rest:
        return _proposal(u, TakeBreak(), Reason.MEAL) if standing else None
    if at_rest and units.status[u] == UnitStatus.MOVING:
        return None
    rest = np.flatnonzero((sites.kind != SiteKind.KERB) & sites.is_open).astype(np.int32)
    nearest = rest[int(drive_to_sites_ms(state, np.array([u]), rest)[0].argmin())]
    return _move(u, int(nearest), Reason.MEAL if duty == Duty.MEAL else Reason.KERB_OVER)


def allowed_sites(state: EmergencyState, now_ms: int) -> BOOL:
    """Tell at which sites a unit may be told to stand now; a unit's own kerb time is looked at besides."""
    sites = state.sites
    if is_night(state.rules, now_ms) or is_night(state.rules, now_ms + 30 * 60_000):
        return np.asarray(sites.is_open & (sites.kind != int(SiteKind.KERB)))
    return np.array(sites.is_open)


def _move(u: int, site: int, reason: Reason) -> Proposal:
    return _proposal(u, Move(site), reason)


def _proposal(u: int, action: Move | TakeBreak, reason: Reason) -> Proposal:
    return Proposal(target=u, action=action, reason=reason, cost=0.0, gain=0.0)
