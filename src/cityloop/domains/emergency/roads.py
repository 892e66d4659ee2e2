"""The road graph of a running city: a node an edge of the layout, standing for its end, an arc a turn into the next.

Times are those of an ordinary day until detectors say otherwise: a road that detectors see crawl takes longer, with
lights and siren less so than without.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from cityloop.domains.emergency.schema import TravelTimes
from cityloop.kernel.columns import F64, I32, I64
from cityloop.kernel.layout import Layout
from cityloop.methods.routing import RoadGraph, build_router

__all__ = ["SIREN_FACTOR", "Roads", "live_times", "road_shares", "roads_of"]

SIREN_FACTOR = 1.15
"""Speed with lights and siren, of the limit. Assumed; a run of the twin shows what it really is."""
ORDINARY_FACTOR = 0.8
_SIREN_SIGNAL_S, _ORDINARY_SIGNAL_S, _TURN_S = 5.0, 18.0, 2.0
"""At a signal, and at any other junction. [s]"""
_OFFROAD_MPS = 2.0
_LEAST_SHARE = 0.15
"""Nothing is taken to crawl slower than this share of the limit: queues move on."""


@dataclass(frozen=True, slots=True)
class Roads:
    """The graph, and the times of an ordinary day."""

    graph: RoadGraph
    drive_s: F64
    """To drive the edge that each arc leads into, at its limit. [s]"""
    wait_s: tuple[F64, F64]
    """At the junction of each arc, with lights and siren and without. [s]"""
    mps: F64
    """Speed limit of each edge. [m/s]"""
    length_m: F64


def roads_of(layout: Layout) -> Roads:
    """Return the graph of a layout that has passages."""
    passages, edges = layout.tables["passages"], layout.edges
    pairs, first = np.unique(np.column_stack([passages.from_edge, passages.to_edge]), axis=0, return_index=True)
    tail, head = pairs[:, 0].astype(np.int32), pairs[:, 1].astype(np.int32)
    graph, given = RoadGraph.from_arcs(edges.x1_m, edges.y1_m, tail, head, edges.length_m[head])
    signal = (passages.link[first] >= 0)[given]
    mps = np.maximum(edges.speed_limit_mps, 1.0)
    siren_s = np.where(signal, _SIREN_SIGNAL_S, _TURN_S)
    ordinary_s = np.where(signal, _ORDINARY_SIGNAL_S, _TURN_S)
    return Roads(graph, edges.length_m[graph.head] / mps[graph.head], (siren_s, ordinary_s), mps, edges.length_m)


def live_times(roads: Roads, share: F64, response_mode: I32) -> TravelTimes:
    """Return travel times on roads that are driven at a share of their limit, one entry an edge."""
    slow = 1.0 / np.clip(share[roads.graph.head], _LEAST_SHARE, 1.0)
    siren_s = roads.drive_s / SIREN_FACTOR * np.sqrt(slow) + roads.wait_s[0]
    ordinary_s = roads.drive_s / ORDINARY_FACTOR * slow + roads.wait_s[1]
    return TravelTimes(
        siren=build_router(roads.graph, _ms(siren_s)),
        ordinary=build_router(roads.graph, _ms(ordinary_s)),
        siren_offroad_mps=_OFFROAD_MPS,
        ordinary_offroad_mps=_OFFROAD_MPS,
        response_mode=response_mode,
    )


def road_shares(layout: Layout, before: F64, speed_mps: F64, count_veh: I32, gain: float) -> F64:
    """Return each edge's speed as a share of its limit after another look of the detectors, smoothed.

    Parameters
    ----------
    before
        What was known, one entry an edge.
    speed_mps, count_veh
        Of the objects on each approach lane, NaN where there are fewer than columns, and how many they are.
    gain
        Weight of this look.
    """
    approaches = layout.approaches
    limit = np.maximum(approaches.speed_limit_mps, 0.1)[:, None]
    share = np.nansum(np.minimum(speed_mps / limit, 1.0), axis=1)
    edge = layout.lanes.edge[approaches.lane]
    n = len(before)
    seen = np.bincount(edge, weights=count_veh, minlength=n)
    total = np.bincount(edge, weights=share, minlength=n)
    # An empty road is driven freely; two vehicles' worth of that is mixed in, so that one who waits is no queue.
    now = (total + 2.0) / (np.minimum(seen, speed_mps.shape[1] * 4.0) + 2.0)
    after = before.copy()
    watched = np.zeros(n, np.bool_)
    watched[edge] = True
    after[watched] += gain * (np.minimum(now, 1.0)[watched] - after[watched])
    return after


def _ms(seconds: F64) -> I32:
    whole: I64 = np.maximum(np.rint(seconds * 1000.0), 1).astype(np.int64)
    return whole.astype(np.int32)
