"""Where free units should stand: one move at a time, the one that lessens the expected response most."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from cityloop.domains.emergency.cover import best_move
from cityloop.domains.emergency.crew import Duty
from cityloop.domains.emergency.forecast import Coverage
from cityloop.domains.emergency.owed import Owed, allowed_sites
from cityloop.domains.emergency.schema import Move, Reason, SiteKind, UnitStatus
from cityloop.domains.emergency.state import EmergencyState, drive_to_sites_ms, free_units
from cityloop.kernel.columns import BOOL, F64, I64
from cityloop.kernel.messages import Alternative, Proposal

__all__ = ["Picture", "RelocateParams", "picture", "relocations", "rested_units"]

_STANDING, _MOVING = int(UnitStatus.STANDING), int(UnitStatus.MOVING)
_FREE_ON_SCENE, _AT_HOSPITAL = int(UnitStatus.FREE_ON_SCENE), int(UnitStatus.AT_HOSPITAL)
_ON_BREAK = int(UnitStatus.ON_BREAK)


@dataclass(frozen=True, slots=True)
class RelocateParams:
    """When a move is worth its drive."""

    horizon_min: float = 45.0
    """How long a placing lasts, in the mean. [min]"""
    least_gain_min: float = 0.03
    """By how much a move of a standing unit must lessen the expected response over the horizon. [min]"""
    redirect_gain_min: float = 0.06
    """The same for a unit that is on its way to another site. [min]"""
    kerb_price_min: float = 0.0
    """What a kerb costs more than a site with a rest facility: it has to be left again. [min]"""
    drive_price: float = 0.0
    """Minutes of expected response that a minute of driving must win besides."""
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
    units, sites = state.units, state.sites
    keep = ~busy[view.row]
    row, here, there = view.row[keep], view.eta[keep], view.there[keep]
    if len(released):
        extra = np.stack([_eta_of(state, coverage, int(u)) for u in released])
        row, here = np.concatenate((row, released)), np.concatenate((here, extra))
        there = np.concatenate((there, np.ones(len(released))))
    homeless = units.status[row] == _FREE_ON_SCENE
    homeless[len(row) - len(released) :] = True
    resting = due.duty[row] == Duty.REST
    can = (free_units(units)[row] | homeless) & (~due.bound[row] | resting)
    drive = _drives(state, coverage, row)
    eta, mix = _over_the_horizon(state, coverage, row, here, drive, homeless, params)
    who = np.flatnonzero(can)
    if not len(who):
        return []
    open_sites = allowed_sites(state, now_ms)
    kerb = sites.kind == int(SiteKind.KERB)
    if not params.use_posts:
        open_sites &= ~kerb
    fresh = rested_units(state, now_ms)[row[who]] & ~resting[who]
    may = open_sites[None, :] & (fresh[:, None] | ~kerb[None, :])
    forced = homeless[who] | resting[who]
    at = units.site[row[who]]
    may[np.flatnonzero(at >= 0), at[at >= 0]] = False
    may &= forced[:, None] | (drive[who] < params.horizon_min)
    price = params.drive_price * drive[who] + params.kerb_price_min * kerb[None, :]
    price[forced] += 0.001 * drive[who[forced]]
    # Leaving a kerb for a site with a rest facility wins the price back.
    price[(at >= 0) & kerb[np.maximum(at, 0)] & ~forced] -= params.kerb_price_min
    price[~forced] += params.least_gain_min
    under_way = (units.status[row[who]] == _MOVING) & ~forced
    price[under_way] += params.redirect_gain_min - params.least_gain_min
    proposals: list[Proposal] = []
    left = params.most_moves if params.live else 0
    while len(who) and (forced.any() or left > 0):
        k, site, gain, values = best_move(
            eta,
            there,
            coverage.weight,
            who,
            forced,
            here[who],
            coverage.zone_site_min,
            may,
            mix[who],
            price,
        )
        if k < 0 or (not forced[k] and gain <= 0.0):
            break
        left -= not forced[k]
        others = np.argsort(values, kind="stable")[:4].tolist()
        share = mix[who[k], site]
        eta[who[k]] = share * here[who[k]] + (1.0 - share) * coverage.site_zone_min[site]
        proposals.append(
            Proposal(
                target=int(row[who[k]]),
                action=Move(int(site)),
                reason=Reason.KERB_OVER if resting[who[k]] else Reason.BEST_COVER,
                cost=float(values[site]),
                gain=0.0 if forced[k] else float(gain),
                alternatives=tuple(Alternative(s, float(values[s])) for s in others if s != site),
            )
        )
        keep = np.arange(len(who)) != k
        who, forced, may, price = who[keep], forced[keep], may[keep], price[keep]
    return proposals


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


def _over_the_horizon(
    state: EmergencyState,
    coverage: Coverage,
    row: I64,
    here: F64,
    drive: F64,
    homeless: BOOL,
    params: RelocateParams,
) -> tuple[F64, F64]:
    """Return each unit's mean time to every zone under the present plan, and the share of where it is in such a mean.

    On its way a unit is taken to be half here and half there; the drive's share of the horizon is that of a placing
    that ends at a constant rate.
    """
    mix = 0.5 * (1.0 - np.exp(-drive / params.horizon_min))
    eta = here.copy()
    moving = np.flatnonzero((state.units.status[row] == _MOVING) & ~homeless)
    if len(moving):
        to = state.units.site[row[moving]]
        share = mix[moving, to][:, None]
        eta[moving] = share * here[moving] + (1.0 - share) * coverage.site_zone_min[to]
    return eta, mix


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
