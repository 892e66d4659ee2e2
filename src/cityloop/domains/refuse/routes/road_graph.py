"""Ways on a real road graph: places on their streets, one-way streets, and the side on which a container stands.

A place lies at the nearest point of a road. A stop that is served from its own kerb is come to and left in the
direction in which it stands on the truck's side; every other place in the direction that suits.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from scipy.sparse import csr_matrix
from scipy.sparse.csgraph import dijkstra

from cityloop.domains.refuse.routes.case_rows import Row
from cityloop.kernel.columns import BOOL, F64, I64
from cityloop.kernel.errors import InputError

__all__ = ["Roads", "read_roads"]

_OFF_ROAD_M = 500.0
"""From the nearest road: what lies beyond is outside the graph."""
_SIDE_M = 1.0
"""Nearer to the middle of the street than this, a place stands on neither side."""
_CHUNK = 256


@dataclass(frozen=True, slots=True)
class Roads:
    """Directed arcs between nodes; both directions of a street are arcs of their own."""

    where: str
    x_m: F64
    y_m: F64
    tail: I64
    head: I64
    metres: F64
    seconds: F64
    other: I64
    """Arc of the same street in the other direction, or -1."""
    right: bool
    """Whether traffic keeps right."""

    def reach(self, spot: tuple[float, float]) -> tuple[BOOL, BOOL]:
        """Return which nodes can be got to from a place, and from which it can be got to."""
        near = self._nearest(spot)[0]
        arcs = [near, int(self.other[near])] if self.other[near] >= 0 else [near]
        graph = self._graph()
        there = np.isfinite(dijkstra(graph, indices=self.head[arcs])).any(axis=0)
        back = np.isfinite(dijkstra(graph.T.tocsr(), indices=self.tail[arcs])).any(axis=0)
        return there, back

    def check(self, where: str, spot: tuple[float, float], reach: tuple[BOOL, BOOL]) -> None:
        """Refuse a place that lies off every road, or that the first depot has no way to and back."""
        near, away_m, _, _ = self._nearest(spot)
        if away_m > _OFF_ROAD_M:
            raise InputError(
                f"{where}: lies {away_m:,.0f} m from the nearest road of {self.where}, must be {_OFF_ROAD_M:.0f} m or "
                "less; add its road or look at its coordinates."
            )
        arcs = [near, int(self.other[near])] if self.other[near] >= 0 else [near]
        for nodes, ends, told in ((self.tail, reach[0], "to it from"), (self.head, reach[1], "from it to")):
            if not ends[nodes[arcs]].any():
                raise InputError(
                    f"{where}: no way on {self.where} leads {told} the first depot; add a road, or look at one-way "
                    "streets."
                )

    def _graph(self) -> csr_matrix:
        at, _ = self._fastest()
        return csr_matrix((self.seconds[at], (self.tail[at], self.head[at])), shape=(len(self.x_m),) * 2)

    def _fastest(self) -> tuple[I64, I64]:
        """Return the fastest arc of every pair of nodes that has one, and the pairs' numbers, ascending."""
        at = np.lexsort((self.seconds, self.head, self.tail))
        key = self.tail[at] * len(self.x_m) + self.head[at]
        first = np.concatenate([[True], key[1:] != key[:-1]])
        return at[first], key[first]

    def ways(self, spots: Sequence[tuple[float, float]], kerb: Sequence[bool]) -> tuple[F64, F64]:
        """Return metres and seconds of the fastest ways between places."""
        n = len(spots)
        # A place stands on both arcs of its street; where it is one arc, that stands in both columns.
        arc, offset = np.zeros((n, 2), np.int64), np.zeros((n, 2))
        for row, (spot, own_side) in enumerate(zip(spots, kerb, strict=True)):
            near, _, share, side_m = self._nearest(spot)
            back = int(self.other[near])
            both = [(near, share), (back, 1.0 - share)] if back >= 0 else [(near, share)] * 2
            if own_side and back >= 0 and abs(side_m) > _SIDE_M:
                # Left of the arc is positive.
                own = both[0] if (side_m < 0) == self.right else both[1]
                both = [own, own]
            arc[row], offset[row] = [a for a, _ in both], [p for _, p in both]
        graph = self._graph()
        metres, seconds = np.full((n, n), np.inf), np.full((n, n), np.inf)
        leaves, comes = self.head[arc], self.tail[arc]
        starts, row_of = np.unique(leaves, return_inverse=True)
        row_of = row_of.reshape(n, 2)
        for begin in range(0, len(starts), _CHUNK):
            part = starts[begin : begin + _CHUNK]
            time, before = dijkstra(graph, indices=part, return_predecessors=True)
            length = self._lengths(part, before)
            for out in range(2):
                rows = np.flatnonzero((row_of[:, out] >= begin) & (row_of[:, out] < begin + len(part)))
                here = row_of[rows, out] - begin
                rest = 1.0 - offset[rows, out]
                for into in range(2):
                    target = comes[:, into]
                    s = time[np.ix_(here, target)] + (rest * self.seconds[arc[rows, out]])[:, None]
                    m = length[np.ix_(here, target)] + (rest * self.metres[arc[rows, out]])[:, None]
                    s += offset[:, into] * self.seconds[arc[:, into]]
                    m += offset[:, into] * self.metres[arc[:, into]]
                    ahead = (arc[rows, out][:, None] == arc[:, into]) & (offset[:, into] >= offset[rows, out][:, None])
                    along = offset[:, into] - offset[rows, out][:, None]
                    s = np.where(ahead, along * self.seconds[arc[:, into]], s)
                    m = np.where(ahead, along * self.metres[arc[:, into]], m)
                    better = s < seconds[rows]
                    seconds[rows] = np.where(better, s, seconds[rows])
                    metres[rows] = np.where(better, m, metres[rows])
        np.fill_diagonal(metres, 0.0)
        np.fill_diagonal(seconds, 0.0)
        return metres, seconds

    def _lengths(self, sources: I64, before: I64) -> F64:
        """Return the metres of the fastest ways found, by going back along them in strides that double."""
        n = len(self.x_m)
        at, key = self._fastest()
        step = before.astype(np.int64)
        known = step >= 0
        length = np.zeros(step.shape)
        nodes = np.broadcast_to(np.arange(n), step.shape)
        length[known] = self.metres[at][np.searchsorted(key, step[known] * n + nodes[known])]
        step = np.where(known, step, nodes)
        rows = np.arange(len(sources))[:, None]
        while True:
            more = length[rows, step]
            if not more.any():
                break
            length = length + more
            step = step[rows, step]
        return length

    def _nearest(self, spot: tuple[float, float]) -> tuple[int, float, float, float]:
        """Return the nearest arc, how far it is, the part of it before the place, and metres to its left."""
        x0, y0 = self.x_m[self.tail], self.y_m[self.tail]
        dx, dy = self.x_m[self.head] - x0, self.y_m[self.head] - y0
        square = np.maximum(dx * dx + dy * dy, 1e-9)
        part = np.clip(((spot[0] - x0) * dx + (spot[1] - y0) * dy) / square, 0.0, 1.0)
        gap = np.hypot(x0 + part * dx - spot[0], y0 + part * dy - spot[1])
        near = int(np.argmin(gap))
        left = (dx[near] * (spot[1] - y0[near]) - dy[near] * (spot[0] - x0[near])) / np.sqrt(square[near])
        return near, float(gap[near]), float(part[near]), float(left)


def read_roads(top: Row, place: Callable[[Row], tuple[float, float]], speed_mps: float, side: str) -> Roads:
    """Read ``nodes`` and ``edges`` of a graph.

    Parameters
    ----------
    place
        Tells where a node lies.
    speed_mps
        Where an edge names no speed.
    side
        On which side traffic keeps, ``right`` or ``left``.
    """
    if side not in ("right", "left"):
        raise InputError(f"{top.where.removesuffix('.graph')}.side: {side!r}, must be right or left.")
    given = {}
    for key in ("nodes", "edges"):
        rows = top.raw.get(key)
        if not isinstance(rows, list) or not rows:
            raise InputError(f"{top.where}.{key}: must be a list with one entry at least.")
        given[key] = [Row(raw, f"{top.where}.{key}[{number}]") for number, raw in enumerate(rows)]
    number_of: dict[str, int] = {}
    for number, row in enumerate(given["nodes"]):
        if str(row.raw.get("id")) in number_of or "id" not in row.raw:
            raise InputError(f"{row.where}: needs an id of its own.")
        number_of[str(row.raw["id"])] = number
    spots = np.array([place(row) for row in given["nodes"]], float)
    arcs: list[tuple[int, int, float, float, int]] = []
    for row in given["edges"]:
        ends = []
        for key in ("from", "to"):
            name = str(row.raw.get(key))
            if name not in number_of:
                raise InputError(f"{row.where}.{key}: {name!r}, must be the id of a node.")
            ends.append(number_of[name])
        straight = float(np.hypot(*(spots[ends[0]] - spots[ends[1]])))
        metres = row.number("length_m", straight)
        seconds = row.number("seconds", metres / (row.number("speed_kmh", speed_mps * 3.6, low=1.0) / 3.6))
        one_way = row.raw.get("one_way", False)
        if not isinstance(one_way, bool):
            raise InputError(f"{row.where}.one_way: {one_way!r}, must be true or false.")
        arcs.append((ends[0], ends[1], metres, max(seconds, 1e-3), -1 if one_way else len(arcs) + 1))
        if not one_way:
            arcs.append((ends[1], ends[0], metres, max(seconds, 1e-3), len(arcs) - 1))
    tail, head, length, time, other = (np.array(column) for column in zip(*arcs, strict=True))
    return Roads(
        top.where, spots[:, 0], spots[:, 1], tail.astype(np.int64), head.astype(np.int64), length, time,
        other.astype(np.int64), side == "right",
    )  # fmt: skip
