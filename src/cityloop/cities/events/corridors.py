"""Green corridors on a road graph: seconds saved at equipped junctions, as measured elsewhere.

The graph does not say where signals are. Taken to be signalised: places where at least four ways meet, nodes within
``CLUSTER_M`` counted as one, unless a road of motorway speed passes. What a run saves there is given by the caller,
who has it from the twin, and is spread over the way there; nothing here assumes it.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from cityloop.cities.events.case import Roads
from cityloop.kernel.columns import BOOL, F64, I32
from cityloop.kernel.errors import ConfigError

__all__ = ["Equipped", "junctions", "with_corridors"]

CLUSTER_M = 40.0
WAYS_LEAST = 4
MOTORWAY_MPS = 22.0
MOST_SHARE = 0.5
"""A way to a junction is never shortened by more than this share of its time."""
APPROACH_M = 300.0
"""A saving is spread over so much of the way to the junction."""


@dataclass(frozen=True, slots=True)
class Equipped:
    """Roads with corridors, and what they rest on."""

    roads: Roads
    junctions: int
    """Junctions taken to be signalised."""
    equipped: int
    speed_factor: float
    """Greatest factor by which any arc is driven faster than without."""


def junctions(roads: Roads) -> I32:
    """Return the junction of every node, -1 for a node at none."""
    from scipy.sparse import csr_array
    from scipy.sparse.csgraph import connected_components
    from scipy.spatial import cKDTree

    graph, n = roads.graph, len(roads.graph.x_m)
    low, high = np.minimum(graph.tail, graph.head), np.maximum(graph.tail, graph.head)
    pairs = np.unique(np.column_stack((low, high)), axis=0)
    ways = np.bincount(pairs.ravel(), minlength=n)
    meets = np.flatnonzero(ways >= 3)
    near = cKDTree(np.column_stack((graph.x_m[meets], graph.y_m[meets]))).query_pairs(CLUSTER_M, output_type="ndarray")
    links = csr_array((np.ones(len(near), np.int8), (near[:, 0], near[:, 1])), shape=(len(meets), len(meets)))
    count, label = connected_components(links, directed=False)
    cluster = np.full(n, -1, np.int64)
    cluster[meets] = label
    # Ways out of a cluster: neighbours that are not in it.
    a, b = pairs[:, 0], pairs[:, 1]
    leaves = cluster[a] != cluster[b]
    out = np.zeros(count, np.int64)
    for one in (a, b):
        inside = leaves & (cluster[one] >= 0)
        np.add.at(out, cluster[one[inside]], 1)
    speed = graph.length_m / (roads.arc_ms[0] / 1000.0)
    fast = np.zeros(count, np.bool_)
    for end in (graph.tail, graph.head):
        quick = (speed > MOTORWAY_MPS) & (cluster[end] >= 0)
        fast[cluster[end[quick]]] = True
    kept = (out >= WAYS_LEAST) & ~fast
    number = np.where(kept, np.cumsum(kept) - 1, -1)
    return np.where(cluster >= 0, number[np.maximum(cluster, 0)], -1).astype(np.int32)


def with_corridors(roads: Roads, saving_s: float, share: float, rng: np.random.Generator) -> Equipped:
    """Shorten the ways to a share of the signalised junctions.

    Parameters
    ----------
    roads
        As shipped.
    saving_s
        Seconds that a run saves at an equipped junction, from the twin. [s]
    share
        Share of junctions that are equipped.
    rng
        Draws which.

    Raises
    ------
    ConfigError
        When the saving or the share is out of bounds.

    """
    if not 0.0 < saving_s <= 60.0:
        raise ConfigError(f"Corridor saving {saving_s} s: must be above 0 and at most 60 s.")
    if not 0.0 < share <= 1.0:
        raise ConfigError(f"Corridor share {share}: must be above 0 and at most 1.")
    at = junctions(roads)
    count = int(at.max(initial=-1)) + 1
    equipped = np.zeros(count, np.bool_)
    equipped[rng.permutation(count)[: round(share * count)]] = True
    is_equipped = (at >= 0) & equipped[np.maximum(at, 0)]
    times = _shortened(roads, at, is_equipped, saving_s)
    factor = float((roads.arc_ms[0] / times).max())
    return Equipped(replace(roads, arc_ms=(times, roads.arc_ms[1])), count, int(equipped.sum()), factor)


def _shortened(roads: Roads, at: I32, is_equipped: BOOL, saving_s: float) -> I32:
    graph = roads.graph
    old_ms = roads.arc_ms[0].astype(np.float64)
    saved_ms: F64 = np.zeros(len(old_ms))
    order = np.argsort(graph.head, kind="stable")
    start = np.searchsorted(graph.head[order], np.arange(len(graph.x_m) + 1))
    entering = np.flatnonzero(is_equipped[graph.head] & (at[graph.tail] != at[graph.head]))
    for first in entering:
        chain, length_m = [int(first)], float(graph.length_m[first])
        while length_m < APPROACH_M:
            tail = int(graph.tail[chain[-1]])
            back = [int(k) for k in order[start[tail] : start[tail + 1]] if graph.tail[k] != graph.head[chain[-1]]]
            if len(back) != 1 or at[tail] >= 0 or back[0] in chain:
                break
            chain.append(back[0])
            length_m += float(graph.length_m[back[0]])
        whole_ms = float(old_ms[chain].sum())
        saved_ms[chain] += min(saving_s * 1000.0, MOST_SHARE * whole_ms) * old_ms[chain] / whole_ms
    return np.asarray(np.maximum(np.rint(np.maximum(old_ms - saved_ms, MOST_SHARE * old_ms)), 1), np.int32)
