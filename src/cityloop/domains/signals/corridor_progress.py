"""How a unit comes forward under its green, and what is done when it does not."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from cityloop.domains.signals.corridors import Claim, CorridorParams, serving_stage
from cityloop.domains.signals.forecast import PEDESTRIAN_WEIGHT
from cityloop.domains.signals.giving_way import release_stage, rivals_of
from cityloop.domains.signals.state import SignalState

__all__ = ["come_forward", "distance_m", "exit_stage", "freed", "stage_waits_s", "without_a_gap"]

_STEP_M = 6.0
"""Less than this is the error of a fix. [m]"""
_START_WAVE_MPS = 5.0
"""Vehicles of a queue start one after another, as fast as this along it. [m/s]"""


def distance_m(state: SignalState, claim: Claim) -> float:
    """Return the unit's way to the stop line while it is on the street that leads there, else infinity. [m]"""
    units = state.units
    if units is None or int(units.edge[claim.unit]) != claim.action.from_edge:
        return float("inf")
    length_m = float(state.layout.edges.length_m[claim.action.from_edge])
    return max(length_m - float(units.edge_m[claim.unit]), 0.0)


def come_forward(state: SignalState, claim: Claim, now_ms: int) -> Claim:
    """Return the claim with how far along its street the unit has been seen, and when it last came on."""
    if state.units is None or np.isinf(distance_m(state, claim)):
        return replace(claim, best_m=-1.0, best_ms=-1)
    at_m = float(state.units.edge_m[claim.unit])
    if claim.best_ms >= 0 and at_m <= claim.best_m + _STEP_M:
        return claim
    return replace(claim, best_m=at_m, best_ms=now_ms)


def without_a_gap(state: SignalState, claim: Claim, params: CorridorParams) -> bool:
    """Tell whether a green would not help the unit: too long until a gap, and it is not at the line yet.

    Nor is it led for ever where ending its green again and again did not bring it through.
    """
    if claim.opposed_s <= 0.0:
        return False
    if claim.released >= params.releases:
        return True
    return claim.opposed_s > params.no_gap_s and distance_m(state, claim) > params.at_line_m


def freed(state: SignalState, claim: Claim, waits_s: dict[int, float], now_ms: int, params: CorridorParams) -> Claim:
    """Return the claim; where the unit is stuck, with another stage for it, or one that ends a green that yields."""
    if claim.release >= 0 and now_ms >= claim.locked_ms:
        claim = replace(claim, release=-1)
    j, tables = claim.junction, state.tables
    left_m = distance_m(state, claim)
    if claim.served_ms < 0 or int(state.stage[j]) != claim.stage or np.isinf(left_m) or claim.best_ms < 0:
        return claim
    green_s = (now_ms - int(state.green_since_ms[j])) / 1000.0
    patience_s = params.stuck_s + left_m / _START_WAVE_MPS
    least_s = max(patience_s, float(tables.min_green_s[j, claim.stage]))
    if green_s < least_s or now_ms - claim.best_ms < params.stuck_s * 1000 or claim.released >= params.releases:
        return claim
    better = serving_stage(tables, claim.way, j, claim.stage, (), claim.before)
    if better not in (-1, claim.stage):
        # Whoever stands before the unit waits for another light than its own.
        return replace(claim, stage=better, best_ms=now_ms)
    movements = tables.assets.movements
    beside = movements.link[np.isin(movements.approach, claim.way.approaches)].tolist()
    if not rivals_of(tables, j, beside, claim.stage):
        return claim
    stage = release_stage(tables, j, beside, claim.stage, waits_s)
    if stage < 0:
        return claim
    gone_s = float(tables.intergreen_s[j, claim.stage, stage] + tables.min_green_s[j, stage]) + 1.0
    return replace(
        claim,
        served_ms=-1,
        locked_ms=now_ms + round(gone_s * 1000),
        best_ms=now_ms,
        release=stage,
        released=claim.released + 1,
    )


def stage_waits_s(state: SignalState, junction: int, held: int, traffic: Any, now_ms: int) -> dict[int, float]:
    """Return how much the users of every stage have waited for it, all together, while another is held. [s]"""
    tables = state.tables
    begin, end = int(tables.assets.controllers.link_begin[junction]), int(tables.assets.controllers.link_end[junction])
    service = tables.service[junction] & ~tables.conflict[junction]
    found: dict[int, float] = {}
    for stage in range(int(tables.n_stages[junction])):
        if not service[stage] or stage == held:
            continue
        waits_s: dict[int, float] = {}
        for link in range(begin, end):
            green, kept = tables.lamps[link, stage], tables.lamps[link, held]
            if green not in (1, 2) or kept in (1, 2):
                continue
            lane = int(tables.assets.links.approach[link])
            users = float(traffic.count_veh[lane])
            if lane < 0:
                users = PEDESTRIAN_WEIGHT if state.call_since_ms[link] >= 0 else 0.0
            key = lane if lane >= 0 else -1 - link
            waits_s[key] = max(waits_s.get(key, 0.0), users * (now_ms - int(state.last_green_ms[link])) / 1000.0)
        found[stage] = sum(waits_s.values())
    return found


def exit_stage(state: SignalState, claim: Claim, waits_s: dict[int, float]) -> int:
    """Return the stage whose users have waited most meanwhile, all together; -1 where nobody waits.

    A unit that must give way may stand inside the junction by then: stages that stop whom it gives way to come first.
    """
    waited = {stage: wait_s for stage, wait_s in waits_s.items() if wait_s > 0.0}
    rivals = rivals_of(state.tables, claim.junction, claim.way.links, claim.stage)
    lamps = state.tables.lamps
    stopping = {
        stage: wait_s
        for stage, wait_s in waited.items()
        if rivals and not any(int(lamps[link, stage]) in (1, 2) for link in rivals)
    }
    chosen = stopping or waited
    return max(chosen, key=lambda stage: (chosen[stage], -stage), default=-1)
