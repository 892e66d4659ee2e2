"""Who conflicts with whom at a junction, and who yields: the network's own right-of-way data."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from cityloop.cities.sumo.netfile import Connection, NetFile
from cityloop.kernel.columns import BOOL

__all__ = ["Ways", "link_matrices"]


class Ways:
    """The paths of connections inside their junctions."""

    def __init__(self, net: NetFile) -> None:
        self._net = net
        self._next = {f"{c.from_edge}_{c.from_lane}": c for c in net.connections if c.from_edge.startswith(":")}
        self._request: dict[str, tuple[str, int]] = {}
        for node in net.nodes.values():
            for index, lane_id in enumerate(node.internal_lanes):
                if index < len(node.foes):
                    self._request[lane_id] = (node.id, index)

    def request_of(self, c: Connection) -> tuple[str, int] | None:
        """Return the node and the request index of a connection, or None where it has no right-of-way data."""
        target = self._net.edges.get(c.to_edge)
        if target is not None and target.function == "crossing":
            return self._request.get(f"{c.to_edge}_{c.to_lane}")
        lane_id, steps = c.via, 0
        while lane_id and steps < 8:
            # A path that waits inside the junction is two lanes; the request belongs to the last.
            if lane_id in self._request:
                return self._request[lane_id]
            following = self._next.get(lane_id)
            lane_id = following.via if following is not None else ""
            steps += 1
        return None

    def path_m(self, c: Connection) -> float:
        """Return the length of a connection's path inside the junction, in m."""
        total_m, lane_id, steps = 0.0, c.via, 0
        while lane_id and lane_id in self._net.lanes and steps < 8:
            total_m += self._net.lanes[lane_id].length_m
            following = self._next.get(lane_id)
            lane_id = following.via if following is not None else ""
            steps += 1
        return total_m

    def node(self, node_id: str) -> tuple[tuple[str, ...], tuple[str, ...]]:
        """Return a node's foes and response strings by request index."""
        node = self._net.nodes[node_id]
        return node.foes, node.response


def link_matrices(ways: Ways, by_index: Mapping[int, Sequence[Connection]], n_links: int) -> tuple[BOOL, BOOL]:
    """Return which links' paths cross, and which yields to which, each of shape (n_links, n_links)."""
    foe = np.zeros((n_links, n_links), np.bool_)
    yields = np.zeros((n_links, n_links), np.bool_)
    placed = [(i, ways.request_of(c)) for i, group in by_index.items() for c in group]
    for i, here in placed:
        if here is None:
            continue
        foes, response = ways.node(here[0])
        for k, there in placed:
            if there is None or there[0] != here[0] or i == k:
                continue
            # Bit strings run from the highest index to the lowest.
            foe[i, k] |= foes[here[1]][-1 - there[1]] == "1"
            yields[i, k] |= response[here[1]][-1 - there[1]] == "1"
    return foe | foe.T, yields
