"""DMEXCLP: whoever comes free goes where the expected coverage grows most.

References
----------
.. [1] Jagtenberg, C. J., Bhulai, S., van der Mei, R. D. (2015). An efficient heuristic for real-time ambulance
   redeployment. Operations Research for Health Care, 4, 27-35. doi:10.1016/j.orhc.2015.01.001

"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from cityloop.domains.emergency.decide.as_is import closest_sends
from cityloop.domains.emergency.forecast import Coverage
from cityloop.domains.emergency.owed import allowed_sites, owed
from cityloop.domains.emergency.relocate import rested_units
from cityloop.domains.emergency.schema import Move, Reason, SiteKind, UnitStatus
from cityloop.domains.emergency.state import EmergencyState, free_units
from cityloop.kernel.messages import Proposal, Request

__all__ = ["propose"]


def propose(state: EmergencyState, coverage: Coverage, requests: Sequence[Request], now_ms: int) -> list[Proposal]:
    """Send the closest; place each unit that has just come free."""
    units, sites = state.units, state.sites
    due = owed(state, now_ms)
    sends, taken = closest_sends(state, now_ms)
    free = free_units(units) & ~taken
    fresh = (units.status == int(UnitStatus.FREE_ON_SCENE)) | (
        (units.since_ms == now_ms) & (units.site >= 0) & (sites.kind[np.maximum(units.site, 0)] == SiteKind.HOSPITAL)
    )
    reach = coverage.site_zone_min <= coverage.target_min
    placed = np.flatnonzero(free & (units.site >= 0) & ~fresh)
    covering = reach[units.site[placed]].sum(axis=0)
    rested = rested_units(state, now_ms)
    moves = []
    for u in np.flatnonzero(free & fresh & ~due.bound):
        may = allowed_sites(state, now_ms)
        if not rested[u]:
            may &= sites.kind != int(SiteKind.KERB)
        gain = (reach * (coverage.weight * coverage.busy_share**covering)[None, :]).sum(axis=1)
        site = int(np.where(may, gain, -1.0).argmax())
        covering = covering + reach[site]
        if units.site[u] != site:
            moves.append(
                Proposal(target=int(u), action=Move(site), reason=Reason.BEST_COVER, cost=0.0, gain=float(gain[site]))
            )
    return [*sends, *due.proposals, *moves]
