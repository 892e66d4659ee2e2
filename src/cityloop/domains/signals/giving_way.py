"""Greens that must give way: how long until the other stream leaves a gap, and which stage stops that stream.

A unit that turns through oncoming traffic is not helped by a green that lets this traffic through as well: the longer
it is held, the longer the stream. It is helped by a green early enough for the standing part of the stream to be gone,
and where no gap is to be had, by the end of that green: who waits inside the junction then clears it.

References
----------
.. [1] Adams, W. F. (1936). Road traffic considered as a random series. J. Inst. Civil Eng., 4, 121-130: the mean wait
   for a gap in a stream without memory.
.. [2] Transportation Research Board (2000). Highway Capacity Manual, chapter 16, appendix C: permitted left turns,
   critical gap 4.5 s and follow-up 2.5 s; capacity by the formula of Harders and Siegloch.

"""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

import numpy as np

from cityloop.domains.signals.tables import SignalTables

__all__ = ["FAR_S", "opposed_s", "release_stage", "rivals_of"]

CRITICAL_GAP_S = 4.5
FOLLOW_UP_S = 2.5
FAR_S = 300.0
"""Longer than anybody plans for. [s]"""
_START_LOSS_S = 2.0
_LEAST_MPS = 5.0
_SLOW_MPS = 4.0


def rivals_of(tables: SignalTables, junction: int, links: Iterable[int], stage: int) -> tuple[int, ...]:
    """Return the links to which some of these must give way while a stage is shown; none for a protected green."""
    assets = tables.assets
    begin, end = int(assets.controllers.link_begin[junction]), int(assets.controllers.link_end[junction])
    n, at = end - begin, int(assets.controllers.matrix_begin[junction])
    yields = assets.matrices.yields[at : at + n * n].reshape(n, n)
    lamps = tables.lamps[begin:end, stage]
    turning = [link - begin for link in links if lamps[link - begin] == 1]
    if not turning:
        return ()
    green = (lamps == 1) | (lamps == 2)
    found = yields[turning].any(axis=0) & green
    found[turning] = False
    return tuple((begin + np.flatnonzero(found)).tolist())


def opposed_s(tables: SignalTables, rivals: Iterable[int], traffic: Any, ahead_veh: int) -> float:
    """Return how long after its green begins a unit finds its gap, those before it included. [s]

    Parameters
    ----------
    rivals
        Links to give way to.
    traffic
        The traffic domain's view.
    ahead_veh
        Vehicles that must find a gap of their own before it.

    """
    movements = tables.assets.movements
    flow_vps, passing_s = 0.0, list[float]()
    lanes: dict[int, float] = {}
    for row in np.flatnonzero(np.isin(movements.link, list(rivals))).tolist():
        lane = int(movements.approach[row])
        lanes[lane] = min(lanes.get(lane, 0.0) + float(traffic.share[row]), 1.0)
    for lane, share in lanes.items():
        flow_vps += share * float(traffic.flow_vps[lane])
        passing_s += _passing_s(traffic, lane)
    stream_s = 0.0
    for at_s in sorted(passing_s):
        if at_s - stream_s > CRITICAL_GAP_S:
            break
        stream_s = at_s
    own_s = ahead_veh / max(_capacity_vps(flow_vps), 1.0 / FAR_S)
    return min(stream_s + _wait_s(flow_vps) + own_s, FAR_S)


def _passing_s(traffic: Any, lane: int) -> list[float]:
    """Return when each vehicle seen on a lane passes its stop line if the light is green from now on. [s]"""
    headway_s, last_s = float(traffic.headway_s[lane]), _START_LOSS_S - float(traffic.headway_s[lane])
    found: list[float] = []
    for k in range(int(traffic.count_veh[lane])):
        distance_m, speed_mps = float(traffic.distance_m[lane, k]), float(traffic.speed_mps[lane, k])
        if math.isnan(distance_m) or math.isnan(speed_mps):
            continue
        free_s = distance_m / max(speed_mps, _LEAST_MPS)
        last_s = last_s + headway_s if speed_mps < _SLOW_MPS else max(last_s + headway_s, free_s)
        found.append(last_s)
    return found


def _wait_s(flow_vps: float) -> float:
    """Return the mean wait for a gap in a stream without memory (Adams). [s]"""
    load = flow_vps * CRITICAL_GAP_S
    return 0.0 if flow_vps <= 0.0 else (math.exp(min(load, 20.0)) - load - 1.0) / flow_vps


def _capacity_vps(flow_vps: float) -> float:
    """Return how many may turn through a stream (Harders, Siegloch). [veh/s]"""
    if flow_vps <= 1e-6:
        return 1.0 / FOLLOW_UP_S
    return flow_vps * math.exp(-flow_vps * CRITICAL_GAP_S) / (1.0 - math.exp(-flow_vps * FOLLOW_UP_S))


def release_stage(tables: SignalTables, junction: int, links: Iterable[int], held: int, waits: dict[int, float]) -> int:
    """Return the stage that stops whom some links give way to and lets them be green again soonest, -1 for none.

    Parameters
    ----------
    links
        All that the unit's lanes lead to: whoever stands before it may want another way than it does.
    held
        The stage shown.
    waits
        By stage, how much its users have waited, all together: decides between stages that are as short.

    """
    rivals = rivals_of(tables, junction, links, held)
    service = tables.service[junction] & ~tables.conflict[junction]
    best, least = -1, (math.inf, 0.0)
    for stage in range(int(tables.n_stages[junction])):
        if not service[stage] or stage == held:
            continue
        if any(int(tables.lamps[link, stage]) in (1, 2) for link in rivals):
            continue
        away_s = float(tables.intergreen_s[junction, held, stage] + tables.intergreen_s[junction, stage, held])
        away_s += float(tables.min_green_s[junction, stage])
        cost = (round(away_s / 5.0), -waits.get(stage, 0.0))
        if cost < least:
            best, least = stage, cost
    return best
