"""One city made ready for the emergency bench: travel times, sites, zones, forecast and roster."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from cityloop.cities.events.calls import Calls, draw_calls
from cityloop.cities.events.case import EmergencyCase
from cityloop.cities.events.fleet import Roster
from cityloop.cities.events.jemss import is_jemss, read_jemss
from cityloop.cities.events.zones import Zones, make_zones, zone_of
from cityloop.domains.emergency.crew import CrewRules, shift_changes_ms
from cityloop.domains.emergency.forecast import Coverage, blended_share, coverage_of, learn_handover
from cityloop.domains.emergency.schema import SiteKind, SiteTable, TravelTimes
from cityloop.kernel.columns import I32
from cityloop.kernel.errors import LayoutError
from cityloop.methods.location import greedy_median
from cityloop.methods.routing import build_router

__all__ = ["BEGIN_MS", "HISTORY_SEED", "World", "make_world", "open_case", "roster_of"]

BEGIN_MS = 1_767_571_200_000
"""Monday 5 January 2026, 00:00 UTC: the first of the simulated days."""

HISTORY_SEED = 900_001
"""Calls that the forecast may learn from; no scored seed is as large."""

HISTORY_DAYS = 60
KERB_POSTS = 60
DAY_MS = 86_400_000
MINUTE_MS = 60_000


@dataclass(frozen=True, slots=True)
class World:
    """What all arms of a city share."""

    case: EmergencyCase
    times: TravelTimes
    sites: SiteTable
    """Stations, then hospitals, then kerb posts."""
    zones: Zones
    coverage: Coverage
    rules: CrewRules


def open_case(folder: Path) -> EmergencyCase:
    """Read a city folder of either kind."""
    if not folder.is_dir():
        raise LayoutError(f"{folder}: no such folder; give a city folder or a JEMSS city folder.")
    if is_jemss(folder):
        return read_jemss(folder)
    raise LayoutError(f"{folder}: neither stations*.csv nor ambulances*.csv is there; a JEMSS city has both.")


def make_world(case: EmergencyCase, kerb_posts: int = KERB_POSTS) -> World:
    """Build the travel times, choose the posts, and learn the forecast from calls of the past."""
    roads = case.roads
    times = TravelTimes(
        siren=build_router(roads.graph, roads.arc_ms[0]),
        ordinary=build_router(roads.graph, roads.arc_ms[1]),
        siren_offroad_mps=roads.offroad_mps[0],
        ordinary_offroad_mps=roads.offroad_mps[1],
        response_mode=case.response_mode,
    )
    zones = make_zones(case)
    history = draw_calls(case, HISTORY_SEED, HISTORY_DAYS)
    high = history.priority <= case.high_until
    at = zone_of(zones, history.x_m[high], history.y_m[high])
    counts = np.bincount(at[at >= 0], minlength=len(zones.node))
    weight = blended_share(counts, zones.share, prior_calls=20.0 * len(zones.node))
    posts = choose_posts(times, zones.node, weight, kerb_posts)
    sites = sites_of(case, posts)
    busy_min = (history.on_scene_ms + history.transport * history.handover_ms).mean() / MINUTE_MS + 20.0
    busy_share = busy_min * case.calls.per_day / (1440.0 * len(case.unit_name))
    coverage = coverage_of(
        sites,
        times,
        zones.node,
        weight,
        zones.off_m,
        high_per_min=int(high.sum()) / (HISTORY_DAYS * 1440.0),
        busy_share=float(busy_share),
        handover=learn_handover(history.handover_ms[history.transport]),
    )
    return World(case, times, sites, zones, coverage, CrewRules())


def choose_posts(times: TravelTimes, zone_node: I32, weight: np.ndarray, count: int) -> I32:
    """Return the nodes of kerb posts: the greedy median of the zones, so that the first of them matter most."""
    matrix = times.siren.matrix_ms(zone_node, zone_node) / MINUTE_MS
    chosen = greedy_median(matrix, weight, min(count, len(zone_node)))
    return zone_node[chosen]


def sites_of(case: EmergencyCase, posts: I32) -> SiteTable:
    """Return stations, hospitals and posts as one table."""
    stations, hospitals = case.stations, case.hospitals
    kinds = np.repeat(
        np.array([SiteKind.STATION, SiteKind.HOSPITAL, SiteKind.KERB], np.int32),
        [len(stations.node), len(hospitals.node), len(posts)],
    )
    return SiteTable(
        kind=kinds,
        node=np.concatenate((stations.node, hospitals.node, posts)).astype(np.int32),
        offroad_m=np.concatenate((stations.offroad_m, hospitals.offroad_m, np.zeros(len(posts)))),
        is_open=np.ones(len(kinds), np.bool_),
    )


def roster_of(rules: CrewRules, n_units: int, begin_ms: int, end_ms: int) -> Roster:
    """Return changes of crews, half an hour apart over four hours of the morning and the evening."""
    changes = tuple(
        shift_changes_ms(rules, begin_ms, end_ms + DAY_MS, offset_min=5 * 60 + 30 * (u % 8)) for u in range(n_units)
    )
    return Roster(
        changes_ms=changes,
        meal_ms=rules.meal_min * MINUTE_MS,
        meal_from_ms=round(rules.meal_from_h * 60 * MINUTE_MS),
        meal_until_ms=round(rules.meal_until_h * 60 * MINUTE_MS),
        shift_ms=rules.shift_h * 60 * MINUTE_MS,
    )


def calls_of(world: World, seed: int, days: float, demand: float = 1.0) -> Calls:
    """Return a seed's calls."""
    return draw_calls(world.case, seed, days, BEGIN_MS, demand)
