"""Demand in space and time, and how soon units at hospitals come free: what the policies look ahead with.

Learned from calls of the past and the density of people; no trait of anybody enters.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from cityloop.domains.emergency.schema import SiteKind, SiteTable, TravelTimes
from cityloop.kernel.columns import F64, I32, I64
from cityloop.methods.location import greedy_median

__all__ = ["Coverage", "HandoverTable", "blended_share", "coverage_of", "learn_handover", "plans_of"]

MINUTE_MS = 60_000.0
PLAN_LEVELS = 64


@dataclass(frozen=True, slots=True)
class HandoverTable:
    """By whole minutes already spent at the hospital: what may be hoped of the unit."""

    soon_share: F64
    """Share of handovers that end within ``horizon_min`` more."""
    soon_min: F64
    """And how long those still take, in the mean. [min]"""
    horizon_min: float

    def at(self, spent_ms: I64) -> tuple[F64, F64]:
        """Return share and minutes for units that have spent so long."""
        row = np.minimum(spent_ms // 60_000, len(self.soon_share) - 1)
        return self.soon_share[row], self.soon_min[row]


@dataclass(frozen=True, slots=True)
class Coverage:
    """Expected calls by zone, and the times that matter for them."""

    zone_node: I32
    zone_off_min: float
    """Mean time from a zone's node to a call. [min]"""
    weight: F64
    """Share of expected calls of high priority, by zone; sums to 1."""
    site_zone_min: F64
    """From each site to each zone with lights and siren, shape (n_sites, n_zones). [min]"""
    zone_site_min: F64
    """The same the other way round, shape (n_zones, n_sites). [min]"""
    site_drive_min: F64
    """From each site to each other by ordinary driving, shape (n_sites, n_sites). [min]"""
    high_per_min: float
    """Expected calls of high priority. [1/min]"""
    busy_share: float
    """Long-run share of units that are busy."""
    handover: HandoverTable
    plan_day: I64
    """Sites in the order in which a status plan holds them, by day."""
    plan_night: I64
    """The same without kerbs."""
    target_min: float = 8.0
    """Response within which a call counts as covered. [min]"""
    first_needs: int = 0
    """Bits that the first unit of a call must have: only units that have them count as cover."""


def blended_share(counts: I64, density_share: F64, prior_calls: float) -> F64:
    """Return each zone's share of calls: the past, smoothed by the density of people.

    A Dirichlet posterior mean: ``prior_calls`` is how many calls the density is worth.
    """
    share: F64 = (counts + prior_calls * density_share) / (counts.sum() + prior_calls)
    return share


def learn_handover(handover_ms: I64, horizon_min: float = 6.0, most_min: int = 120) -> HandoverTable:
    """Learn from past handovers how likely one that has lasted so long ends soon."""
    minutes = np.sort(handover_ms / MINUTE_MS)
    share, remaining = np.zeros(most_min), np.full(most_min, horizon_min)
    for spent in range(most_min):
        still = minutes[minutes >= spent]
        if len(still) < 20:
            share[spent:], remaining[spent:] = share[spent - 1], remaining[spent - 1]
            break
        soon = still[still < spent + horizon_min]
        share[spent] = len(soon) / len(still)
        if len(soon):
            remaining[spent] = float((soon - spent).mean())
    return HandoverTable(share, remaining, horizon_min)


def coverage_of(
    sites: SiteTable,
    times: TravelTimes,
    zone_node: I32,
    weight: F64,
    zone_off_m: float,
    high_per_min: float,
    busy_share: float,
    handover: HandoverTable,
) -> Coverage:
    """Gather what the policies need, with the times between sites and zones worked out once."""
    siren_ms = times.siren.matrix_ms(sites.node, zone_node)
    drive_ms = times.ordinary.matrix_ms(sites.node, sites.node)
    off_ms = sites.offroad_m * (1000.0 / times.siren_offroad_mps)
    slow_ms = sites.offroad_m * (1000.0 / times.ordinary_offroad_mps)
    site_zone_min = (siren_ms + off_ms[:, None]) / MINUTE_MS + zone_off_m / times.siren_offroad_mps / 60.0
    share = weight / weight.sum()
    plan_day, plan_night = plans_of(sites, site_zone_min, share)
    zone_off_min = zone_off_m / times.siren_offroad_mps / 60.0
    return Coverage(
        zone_node=zone_node,
        zone_off_min=zone_off_min,
        weight=share,
        site_zone_min=site_zone_min,
        zone_site_min=np.ascontiguousarray(site_zone_min.T),
        site_drive_min=(drive_ms + slow_ms[:, None] + slow_ms[None, :]) / MINUTE_MS,
        high_per_min=high_per_min,
        busy_share=busy_share,
        handover=handover,
        plan_day=plan_day,
        plan_night=plan_night,
    )


def plans_of(sites: SiteTable, site_zone_min: F64, share: F64) -> tuple[I64, I64]:
    """Return the open sites in the order in which a status plan holds them, by day and, without kerbs, by night."""
    day = np.flatnonzero(sites.is_open)
    night = np.flatnonzero(sites.is_open & (sites.kind != int(SiteKind.KERB)))
    return (
        day[greedy_median(site_zone_min[day], share, min(PLAN_LEVELS, len(day)))],
        night[greedy_median(site_zone_min[night], share, min(PLAN_LEVELS, len(night)))],
    )
