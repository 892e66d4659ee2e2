"""Where free units should stand: one move at a time, the one that lessens the expected response most."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from cityloop.domains.emergency.crew import Duty
from cityloop.domains.emergency.forecast import Coverage
from cityloop.domains.emergency.owed import Owed, allowed_sites
from cityloop.domains.emergency.placing import Plan, best, plan_of
from cityloop.domains.emergency.schema import Move, Reason, SiteKind, UnitStatus
from cityloop.domains.emergency.state import EmergencyState, free_units
from cityloop.kernel.columns import BOOL, F64, I64
from cityloop.kernel.messages import Alternative, Proposal

__all__ = ["Picture", "RelocateParams", "picture", "relocations", "rested_units"]

_STANDING, _MOVING = int(UnitStatus.STANDING), int(UnitStatus.MOVING)
_FREE_ON_SCENE, _AT_HOSPITAL = int(UnitStatus.FREE_ON_SCENE), int(UnitStatus.AT_HOSPITAL)
_ON_BREAK = int(UnitStatus.ON_BREAK)


@dataclass(frozen=True, slots=True)
class RelocateParams:
    """When a move is worth its drive."""

    horizon_min: float = 25.0
    """How long a placing lasts, in the mean. [min]"""
    least_gain_min: float = 0.03
    """By how much a move of a standing unit must lessen the expected response over the horizon. [min]"""
    redirect_gain_min: float = 0.06
    """The same for a unit that is on its way to another site. [min]"""
    on_break_soon_min: float = 6.0
    """A unit whose meal ends within so long counts, with the wait. [min]"""
    most_moves: int = 3
    """Moves of standing or moving units in one round; who has just come free is placed besides."""
    use_posts: bool = True
    live: bool = True
    """Whether standing and moving units are moved at all."""


DEFAULT_PARAMS = RelocateParams()


@dataclass(slots=True)
class Picture:
    """Which units count for the next call, and how far they are from every zone."""

    row: I64
    """Unit of each row."""
    eta: F64
    """To every zone with lights and siren, shape (n, n_zones). [min]"""
    there: F64
    """Chance to be free when needed."""


def picture(
    state: EmergencyState,
    coverage: Coverage,
    now_ms: int,
    params: RelocateParams = DEFAULT_PARAMS,
    kept: Picture | None = None,
    changed: I64 | None = None,
) -> Picture:
    """Return the free units, those at hospitals and those about to end their meal, with their times to every zone.

    With ``kept``, the picture of a moment ago, only units in ``changed`` are asked for their ways anew, provided that
    the same units count: in a large fleet most have not passed a node since.
    """
    units, times = state.units, state.times
    free = free_units(units)
    handing = units.status == _AT_HOSPITAL
    eating_ms = state.rules.meal_min * 60_000 - (now_ms - units.since_ms)
    eaten = (units.status == _ON_BREAK) & (eating_ms <= params.on_break_soon_min * 60_000)
    able = (units.capability & coverage.first_needs) == coverage.first_needs
    row = np.flatnonzero((free | handing | eaten) & able)
    again = kept is not None and changed is not None and np.array_equal(kept.row, row)
    eta = kept.eta.copy() if kept is not None and again else np.empty((len(row), len(coverage.zone_node)))
    at_site = (units.status[row] == _STANDING) | handing[row] | eaten[row]
    eta[at_site] = coverage.site_zone_min[units.site[row[at_site]]]
    away = np.flatnonzero(~at_site)
    if again and changed is not None:
        away = away[np.isin(row[away], changed)]
    if len(away):
        who = row[away]
        road = times.siren.matrix_ms(units.node[who], coverage.zone_node)
        lead = units.node_in_ms[who] + units.offroad_m[who] * (1000.0 / times.siren_offroad_mps)
        eta[away] = (road + lead[:, None]) / 60_000.0 + coverage.zone_off_min
    there = np.full(len(row), 1.0)
    late = handing[row]
    share, rest = coverage.handover.at(now_ms - units.since_ms[row[late]])
    there[late] = share
    eta[late] += rest[:, None]
    ending = eaten[row]
    eta[ending] += (np.maximum(eating_ms[row[ending]], 0) / 60_000.0)[:, None]
    return Picture(row, eta, there)


def relocations(
    state: EmergencyState,
    coverage: Coverage,
    view: Picture,
    due: Owed,
    busy: BOOL,
    released: I64,
    now_ms: int,
    params: RelocateParams,
) -> list[Proposal]:
    """Return a move for every unit that has nowhere to stand or must leave a kerb, and the best few of the others.

    Parameters
    ----------
    state, coverage, view
        What is known, and who counts.
    due
        What crews are owed: bound units stay out, save that whoever must leave a kerb goes to the best rest facility.
    busy
        Units sent to calls in this round.
    released
        Units taken off calls in this round; they need a place.
    now_ms
        The instant.
    params
        When a move is worth it.

    """
    units = state.units
    keep = ~busy[view.row]
    row, here, there = view.row[keep], view.eta[keep], view.there[keep]
    if len(released):
        extra = np.stack([_eta_of(state, coverage, int(u)) for u in released])
        row, here = np.concatenate((row, released)), np.concatenate((here, extra))
        there = np.concatenate((there, np.ones(len(released))))
    homeless = units.status[row] == _FREE_ON_SCENE
    homeless[len(row) - len(released) :] = True
    resting = due.duty[row] == Duty.REST
    forced = homeless | resting
    able = (free_units(units)[row] | homeless) & (~due.bound[row] | resting)
    if not able.any() or not (forced[able].any() or busy.any() or _news(state, now_ms)):
        return []
    plan = plan_of(state, coverage, row, here, there, homeless, params.horizon_min)
    may, price = _choices(state, row, plan, forced, resting, now_ms, params)
    # Who may not be moved has no choice: so all tables keep the rows of the plan.
    may[~able] = False
    proposals: list[Proposal] = []
    left = params.most_moves if params.live else 0
    while True:
        waiting = forced & may.any(axis=1)
        if not waiting.any() and left <= 0:
            break
        values = plan.values()
        gain = np.where(may, plan.now(values)[:, None] - values - price, -np.inf)
        u, site = best(np.where(waiting[:, None], gain, -np.inf) if waiting.any() else gain)
        if not waiting[u] and gain[u, site] <= 0.0:
            break
        left -= not waiting[u]
        why = Reason.KERB_OVER if resting[u] else Reason.BEST_COVER
        won = 0.0 if waiting[u] else float(gain[u, site])
        proposals.append(_proposal(int(row[u]), site, values[u], won, why))
        plan.send(u, site)
        may[u] = False
    return proposals


def _choices(
    state: EmergencyState, row: I64, plan: Plan, forced: BOOL, resting: BOOL, now_ms: int, params: RelocateParams
) -> tuple[BOOL, F64]:
    """Return where each unit may go, and by how much a move must better the expected response."""
    units, sites = state.units, state.sites
    open_sites = allowed_sites(state, now_ms)
    kerb = sites.kind == int(SiteKind.KERB)
    if not params.use_posts:
        open_sites &= ~kerb
    fresh = rested_units(state, now_ms)[row] & ~resting
    may = open_sites[None, :] & (fresh[:, None] | ~kerb[None, :])
    at = units.site[row]
    status = units.status[row]
    there = np.flatnonzero((at >= 0) & ((status == _STANDING) | (status == _MOVING)))
    may[there, at[there]] = False
    may &= forced[:, None] | (plan.drive < params.horizon_min)
    price = np.full(plan.drive.shape, params.least_gain_min)
    price[forced] = 0.001 * plan.drive[forced]
    price[(plan.bound >= 0) & ~forced] = params.redirect_gain_min
    return may, price


def _news(state: EmergencyState, now_ms: int) -> bool:
    """Tell whether anything has happened but that somebody reached the kerb that he was sent to."""
    units = state.units
    changed = units.since_ms == now_ms
    if not changed.any():
        return True
    at_kerb = (units.status == _STANDING) & (state.sites.kind[np.maximum(units.site, 0)] == int(SiteKind.KERB))
    return bool((changed & ~at_kerb).any())


def _proposal(u: int, site: int, values: F64, gain: float, reason: Reason) -> Proposal:
    others = np.argsort(values, kind="stable")[:4].tolist()
    return Proposal(
        target=u,
        action=Move(site),
        reason=reason,
        cost=float(values[site]),
        gain=gain,
        alternatives=tuple(Alternative(s, float(values[s])) for s in others if s != site),
    )


def rested_units(state: EmergencyState, now_ms: int) -> BOOL:
    """Tell which units may still stand at a kerb by their own clock: a good quarter of an hour must be left."""
    units, rules = state.units, state.rules
    standing = units.status == int(UnitStatus.STANDING)
    stood_ms = np.where(standing, now_ms - units.since_ms, 0)
    at_kerb = state.sites.kind[np.maximum(units.site, 0)] == int(SiteKind.KERB)
    used_ms = units.kerb_used_ms + np.where(at_kerb, stood_ms, 0)
    used_ms = np.where(~at_kerb & (stood_ms >= rules.rest_least_min * 60_000), 0, used_ms)
    return np.asarray(used_ms <= (rules.kerb_most_min - 20) * 60_000)


def _eta_of(state: EmergencyState, coverage: Coverage, u: int) -> F64:
    units, times = state.units, state.times
    road = times.siren.matrix_ms(units.node[u : u + 1], coverage.zone_node)[0]
    lead_ms = float(units.node_in_ms[u]) + float(units.offroad_m[u]) * 1000.0 / times.siren_offroad_mps
    return np.asarray((road + lead_ms) / 60_000.0 + coverage.zone_off_min)
