"""Where free units should stand: one move at a time, the one that lessens the expected response most."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from cityloop.domains.emergency.cover import best_move
from cityloop.domains.emergency.forecast import Coverage
from cityloop.domains.emergency.owed import Owed, allowed_sites
from cityloop.domains.emergency.schema import Move, Reason, SiteKind, UnitStatus
from cityloop.domains.emergency.state import EmergencyState, drive_to_sites_ms, free_units
from cityloop.kernel.columns import BOOL, F64, I64
from cityloop.kernel.messages import Alternative, Proposal

__all__ = ["Picture", "RelocateParams", "picture", "relocations", "rested_units"]


@dataclass(frozen=True, slots=True)
class RelocateParams:
    """When a move is worth its drive."""

    horizon_min: float = 25.0
    """How long a placing is expected to last. [min]"""
    drive_share: float = 1.0
    """Share of a drive during which the unit counts for nothing more than before."""
    least_gain: float = 2.0
    """Minutes of expected response times minutes of horizon that a move of a standing unit must win."""
    most_moves: int = 3
    """Moves of standing or moving units in one round; who has just come free is placed besides."""
    use_posts: bool = True
    live: bool = True
    """Whether standing and moving units are moved at all."""


@dataclass(slots=True)
class Picture:
    """Which units count for the next call, and how far they are from every zone."""

    row: I64
    """Unit of each row."""
    eta: F64
    """To every zone with lights and siren, shape (n, n_zones). [min]"""
    there: F64
    """Chance to be free when needed."""


def picture(state: EmergencyState, coverage: Coverage, now_ms: int) -> Picture:
    """Return the free units and those at hospitals, with their times to every zone."""
    units, times = state.units, state.times
    free = free_units(units)
    handing = units.status == UnitStatus.AT_HOSPITAL
    row = np.flatnonzero(free | handing)
    eta = np.empty((len(row), len(coverage.zone_node)))
    at_site = (units.status[row] == UnitStatus.STANDING) | handing[row]
    eta[at_site] = coverage.site_zone_min[units.site[row[at_site]]]
    away = np.flatnonzero(~at_site)
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
    """Return a move for every unit that has nowhere to stand, and the best few of the others.

    Parameters
    ----------
    state, coverage, view
        What is known, and who counts.
    due
        What crews are owed: bound units stay out.
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
    row, eta, there = view.row[keep], view.eta[keep].copy(), view.there[keep].copy()
    if len(released):
        extra = np.stack([_eta_of(state, coverage, int(u)) for u in released])
        row, eta = np.concatenate((row, released)), np.concatenate((eta, extra))
        there = np.concatenate((there, np.ones(len(released))))
    homeless = (units.status[row] == UnitStatus.FREE_ON_SCENE) | np.isin(row, released)
    can = (free_units(units)[row] | homeless) & ~due.bound[row]
    open_sites = allowed_sites(state, now_ms)
    if not params.use_posts:
        open_sites &= state.sites.kind != SiteKind.KERB
    rested = rested_units(state, now_ms)
    # Who is bound somewhere counts where he will be.
    for moving in np.flatnonzero((units.status[row] == UnitStatus.MOVING) & ~homeless):
        eta[moving] = 0.5 * (eta[moving] + coverage.site_zone_min[units.site[row[moving]]])
    proposals: list[Proposal] = []
    who = np.flatnonzero(can)
    if not len(who):
        return proposals
    sites = np.arange(len(state.sites.kind), dtype=np.int32)
    drive = drive_to_sites_ms(state, row[who], sites) / 60_000.0
    kerb = state.sites.kind == int(SiteKind.KERB)
    may = open_sites[None, :] & (rested[row[who]][:, None] | ~kerb[None, :])
    forced = homeless[who]
    at = units.site[row[who]]
    may[np.flatnonzero(at >= 0), at[at >= 0]] = False
    may &= forced[:, None] | (drive < params.horizon_min)
    left = params.most_moves if params.live else 0
    while len(who) and (forced.any() or left > 0):
        k, site, gain, values = best_move(
            eta,
            there,
            coverage.weight,
            who,
            forced,
            coverage.site_zone_min,
            may,
            drive,
            params.horizon_min,
            params.drive_share,
        )
        if k < 0 or (not forced[k] and gain <= params.least_gain):
            break
        left -= not forced[k]
        others = np.argsort(values, kind="stable")[:4].tolist()
        eta[who[k]] = coverage.site_zone_min[site]
        proposals.append(
            Proposal(
                target=int(row[who[k]]),
                action=Move(int(site)),
                reason=Reason.BEST_COVER,
                cost=float(values[site]),
                gain=0.0 if forced[k] else float(gain),
                alternatives=tuple(Alternative(s, float(values[s])) for s in others if s != site),
            )
        )
        keep = np.arange(len(who)) != k
        who, forced, may, drive = who[keep], forced[keep], may[keep], drive[keep]
    return proposals


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
