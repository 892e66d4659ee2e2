"""Status plan: a compliance table computed offline says which posts are held for each number of free units.

System status management as services practise it: with eight free, these eight posts; with seven, these seven. The table
is the greedy median over the same sites that the brain may use: each level holds the posts of the one below.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy.optimize import linear_sum_assignment

from cityloop.domains.emergency.decide.as_is import closest_sends
from cityloop.domains.emergency.forecast import Coverage
from cityloop.domains.emergency.owed import allowed_sites, owed
from cityloop.domains.emergency.relocate import rested_units
from cityloop.domains.emergency.schema import Move, Reason, SiteKind
from cityloop.domains.emergency.state import EmergencyState, drive_to_sites_ms, free_units
from cityloop.kernel.columns import I64
from cityloop.kernel.messages import Proposal, Request

__all__ = ["hold_posts", "propose"]

NOT_ALLOWED = 1e4
SWITCH_MIN = 6.0
"""A unit keeps its post unless another saves so much driving. [min]"""


def propose(state: EmergencyState, coverage: Coverage, requests: Sequence[Request], now_ms: int) -> list[Proposal]:
    """Send the closest; hold the plan's posts with the rest."""
    due = owed(state, now_ms)
    sends, taken = closest_sends(state, now_ms)
    rows = np.flatnonzero(free_units(state.units) & ~taken & ~due.bound)
    return [*sends, *due.proposals, *hold_posts(state, coverage, rows, now_ms)]


def hold_posts(state: EmergencyState, coverage: Coverage, rows: I64, now_ms: int) -> list[Proposal]:
    """Return the moves that bring free units to the posts of their level, with the least driving in all."""
    units, sites = state.units, state.sites
    if not len(rows):
        return []
    night = not allowed_sites(state, now_ms)[sites.kind == int(SiteKind.KERB)].any()
    table = coverage.plan_night if night else coverage.plan_day
    posts = table[: len(rows)].astype(np.int32)
    minutes = drive_to_sites_ms(state, rows, posts) / 60_000.0
    minutes += SWITCH_MIN * (units.site[rows][:, None] != posts[None, :])
    tired = ~rested_units(state, now_ms)[rows]
    minutes += NOT_ALLOWED * (tired[:, None] & (sites.kind[posts] == int(SiteKind.KERB))[None, :])
    moves = []
    for k, at in zip(*linear_sum_assignment(minutes), strict=True):
        u, site = int(rows[k]), int(posts[at])
        if minutes[k, at] < NOT_ALLOWED and units.site[u] != site:
            cost = float(minutes[k, at])
            moves.append(Proposal(target=u, action=Move(site), reason=Reason.COMPLIANCE, cost=cost, gain=0.0))
    return moves
