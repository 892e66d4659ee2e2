"""City-scale shortest ways: whole milliseconds, contraction hierarchies, hub labels, many-to-many.

Built once for a set of travel times; a query is a merge of two lists of some forty entries. When travel times change
(live traffic, a closure), ``retimed`` contracts again in the order found before, off the decision path; decisions go on
with the last whole table meanwhile.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from cityloop.kernel.columns import F64, I32, I64
from cityloop.kernel.errors import LayoutError
from cityloop.methods.routing_contract import SETTLE_MOST, contract, empty_order
from cityloop.methods.routing_labels import FAR_MS, Labels, build_labels, descend, distance, many_to_one, one_to_many

__all__ = ["FAR_MS", "LEAST_ARC_MS", "RoadGraph", "Router", "Way", "build_router"]

LEAST_ARC_MS = 1
"""No arc is free: ways could go round in circles. [ms]"""


@dataclass(frozen=True, slots=True)
class RoadGraph:
    """A directed road graph: nodes with places, arcs sorted by their tails."""

    x_m: F64
    y_m: F64
    out_start: I32
    """First arc of every node, shape (n_nodes + 1,)."""
    tail: I32
    head: I32
    length_m: F64

    @classmethod
    def from_arcs(cls, x_m: F64, y_m: F64, tail: I32, head: I32, length_m: F64) -> tuple[RoadGraph, I64]:
        """Return the graph, and the given arc of each of its arcs.

        Raises
        ------
        LayoutError
            When an arc leads from or to a node that is not there.

        """
        n = len(x_m)
        for name, nodes in (("from", tail), ("to", head)):
            bad = np.flatnonzero((nodes < 0) | (nodes >= n))
            if len(bad):
                raise LayoutError(f"Arc {bad[0]}: leads {name} node {int(nodes[bad[0]])}, must be 0 to {n - 1}.")
        given = np.argsort(tail, kind="stable")
        start = np.zeros(n + 1, np.int32)
        start[1:] = np.cumsum(np.bincount(tail, minlength=n))
        return cls(x_m, y_m, start, tail[given], head[given], length_m[given]), given

    def main_part(self) -> npt.NDArray[np.bool_]:
        """Tell which nodes lie in the largest part within which every node reaches every other."""
        # Imported here: scipy's graph routines cost a fifth of a second that most callers never need.
        from scipy.sparse import csr_array
        from scipy.sparse.csgraph import connected_components

        n = len(self.x_m)
        arcs = csr_array((np.ones(len(self.head), np.int8), (self.tail, self.head)), shape=(n, n))
        _, label = connected_components(arcs, directed=True, connection="strong")
        return np.asarray(label == np.bincount(label).argmax())


@dataclass(frozen=True, slots=True)
class Way:
    """A least-time way, node by node."""

    nodes: I32
    arcs: I32
    """The arc that led to each node, -1 for the first."""
    passed_ms: I64
    """Time from the start at which each node is passed."""


@dataclass(frozen=True, slots=True)
class Router:
    """Least travel times on one graph with one set of arc times."""

    graph: RoadGraph
    arc_ms: I32
    order: I32
    """Nodes in the order they were contracted."""
    labels: Labels
    _room: I32 = field(init=False, repr=False, compare=False)
    """To work in: taken anew for every question it would cost more than the answer."""

    def __post_init__(self) -> None:
        """Make the room."""
        object.__setattr__(self, "_room", np.full(len(self.order), FAR_MS, np.int32))

    def time_ms(self, source: int, target: int) -> int:
        """Return the least time between two nodes; ``FAR_MS`` where there is no way. [ms]"""
        return int(distance(self.labels, source, target))

    def matrix_ms(self, sources: npt.ArrayLike, targets: npt.ArrayLike) -> I32:
        """Return the least times from each source to each target, shape (n_sources, n_targets). [ms]"""
        froms, tos = np.asarray(sources, np.int32), np.asarray(targets, np.int32)
        found: I32 = one_to_many(self.labels, froms, tos, self._room)
        return found

    def to_one_ms(self, sources: npt.ArrayLike, target: int) -> I32:
        """Return the least times from each source to one target. [ms]"""
        found: I32 = many_to_one(self.labels, np.asarray(sources, np.int32), target)
        return found

    def way(self, source: int, target: int) -> Way:
        """Return a least-time way; without nodes where there is none."""
        graph = self.graph
        nodes, arcs = descend(self.labels, graph.out_start, graph.head, self.arc_ms, source, target, self._room)
        steps = np.zeros(len(nodes), np.int64)
        if len(nodes) > 1:
            np.cumsum(self.arc_ms[arcs[1:]], out=steps[1:])
        return Way(nodes, arcs, steps)

    def retimed(self, arc_ms: I32) -> Router:
        """Return the router for other travel times on the same graph, keeping the order of contraction."""
        return _built(self.graph, arc_ms, self.order)

    @property
    def size_bytes(self) -> int:
        """Memory of the labels. [bytes]"""
        return sum(int(array.nbytes) for array in self.labels)

    @property
    def label_entries(self) -> float:
        """Mean number of hubs of a label, both directions."""
        _, _, hub_f, _, hub_b, _ = self.labels
        return (len(hub_f) + len(hub_b)) / (2 * len(self.graph.x_m))


def build_router(graph: RoadGraph, arc_ms: I32) -> Router:
    """Order the nodes, contract the graph and label every node.

    Parameters
    ----------
    graph
        The roads.
    arc_ms
        Travel time of every arc of ``graph``; at least ``LEAST_ARC_MS``, and ``FAR_MS`` for a closed one. [ms]

    """
    return _built(graph, arc_ms, empty_order())


def _built(graph: RoadGraph, arc_ms: I32, order: I32) -> Router:
    if len(arc_ms) != len(graph.head):
        raise LayoutError(f"Travel times: {len(arc_ms)} given, must be {len(graph.head)}, one an arc.")
    least = int(arc_ms.min(initial=LEAST_ARC_MS))
    if least < LEAST_ARC_MS:
        raise LayoutError(f"Arc {int(arc_ms.argmin())}: {least} ms, must be at least {LEAST_ARC_MS} ms.")
    n = len(graph.x_m)
    open_arcs = arc_ms < FAR_MS
    rank, tails, heads, costs = contract(
        n, graph.tail[open_arcs], graph.head[open_arcs], arc_ms[open_arcs], order, SETTLE_MOST
    )
    rises = rank[heads] > rank[tails]
    up = _adjacency(n, tails[rises], heads[rises], costs[rises])
    down = _adjacency(n, heads[~rises], tails[~rises], costs[~rises])
    contracted = np.argsort(rank).astype(np.int32)
    labels = build_labels(contracted[::-1].copy(), *up, *down)
    return Router(graph, arc_ms, contracted, labels)


def _adjacency(n: int, own: I32, other: I32, cost: I32) -> tuple[I64, I32, I32]:
    order = np.argsort(own, kind="stable")
    start = np.zeros(n + 1, np.int64)
    start[1:] = np.cumsum(np.bincount(own, minlength=n))
    return start, other[order], cost[order]
