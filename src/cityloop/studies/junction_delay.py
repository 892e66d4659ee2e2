"""Delay by junction: before whose signal the vehicles lost their time.

Time lost on an edge belongs to the signal at its end. Where an edge ends at no signal, it belongs to the
signal that its only way on leads to, if that is near (turning round is no way on); all else is lost
elsewhere. Lanes inside a junction belong to the junction, or to the signal they lead to.
"""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from cityloop.cities.sumo.netfile import Connection, NetFile
from cityloop.cities.sumo.outputs import EdgeLoss, Trips
from cityloop.studies.lamps import LampReport

__all__ = ["JunctionScore", "edge_signals", "junction_scores"]

_TURNAROUND = "t"
REACH_M = 500.0
"""An edge further upstream than this is not told to wait for the signal."""


class JunctionScore(msgspec.Struct, frozen=True, kw_only=True):
    """One signal-controlled junction in one run."""

    junction: str
    x_m: float
    y_m: float
    delay_veh_h: float | None
    """Vehicle hours lost before it and in it; None where the run did not record edges."""
    vehicles: float | None
    """Vehicles that passed its stop lines."""
    delay_per_vehicle_s: float | None
    longest_red_s: float | None
    longest_crossing_red_s: float | None


def edge_signals(net: NetFile) -> dict[str, str]:
    """Return the signal that each edge's lost time belongs to; edges that belong to none are left out."""
    ways: dict[str, list[Connection]] = {}
    of_node: dict[str, str] = {}
    found: dict[str, str] = {}
    for way in net.connections:
        if way.from_edge.startswith(":"):
            continue
        if way.direction != _TURNAROUND:
            ways.setdefault(way.from_edge, []).append(way)
        if way.tls:
            # An edge under two signals goes to the first by name, so that the file's order does not matter.
            found[way.from_edge] = min(way.tls, found.get(way.from_edge, way.tls))
            of_node[net.edges[way.from_edge].to_node] = found[way.from_edge]
    ahead = {edge_id: _downstream(net, ways, found, edge_id) for edge_id in ways}
    found.update({edge_id: signal for edge_id, signal in ahead.items() if signal is not None})
    for edge_id in net.edges:
        node = edge_id[1:].rsplit("_", 1)[0]
        if edge_id.startswith(":") and node in of_node:
            found[edge_id] = of_node[node]
    for way in net.connections:
        if way.from_edge.startswith(":") and way.to_edge in found:
            found.setdefault(way.from_edge, found[way.to_edge])
    return found


def _downstream(
    net: NetFile, ways: Mapping[str, list[Connection]], found: Mapping[str, str], edge_id: str
) -> str | None:
    gone_m, here, seen = 0.0, edge_id, {edge_id}
    while here not in found:
        onward = {way.to_edge for way in ways.get(here, ())}
        if len(onward) != 1:
            return None
        here = onward.pop()
        lanes = net.edges[here].lanes
        gone_m += lanes[0].length_m if lanes else 0.0
        if here in seen or gone_m > REACH_M:
            return None
        seen.add(here)
    return found[here]


def junction_scores(
    net: NetFile, loss: EdgeLoss | None, trips: Trips, lamps: LampReport
) -> tuple[tuple[JunctionScore, ...], float | None]:
    """Return every junction's score, and the vehicle hours lost elsewhere (waiting to depart included)."""
    belongs = edge_signals(net)
    hours: dict[str, float] = {}
    vehicles: dict[str, float] = {}
    if loss is not None:
        for edge_id, lost_s in loss.loss_s.items():
            signal = belongs.get(edge_id, "")
            hours[signal] = hours.get(signal, 0.0) + float(lost_s.sum()) / 3600
        for edge_id in {way.from_edge for way in net.connections if way.tls}:
            left = loss.left_veh.get(edge_id)
            if left is not None:
                signal = belongs[edge_id]
                vehicles[signal] = vehicles.get(signal, 0.0) + float(left.sum())
        for lane, delay_s in zip(trips.depart_lane, trips.depart_delay_s.tolist(), strict=True):
            # A vehicle without room to depart waits behind the queue of the signal it would drive to.
            signal = belongs.get(lane.rpartition("_")[0], "")
            hours[signal] = hours.get(signal, 0.0) + delay_s / 3600
    scores = []
    for name, (x_m, y_m) in sorted(_places(net).items()):
        passed, lost_h = vehicles.get(name, 0.0), hours.get(name, 0.0)
        red, walk_red = lamps.longest_red.get(name), lamps.longest_crossing_red.get(name)
        scores.append(
            JunctionScore(
                junction=name,
                x_m=x_m,
                y_m=y_m,
                delay_veh_h=None if loss is None else lost_h,
                vehicles=None if loss is None else passed,
                delay_per_vehicle_s=lost_h * 3600 / passed if passed else None,
                longest_red_s=red.red_s if red else None,
                longest_crossing_red_s=walk_red.red_s if walk_red else None,
            )
        )
    return tuple(scores), None if loss is None else hours.get("", 0.0)


def _places(net: NetFile) -> dict[str, tuple[float, float]]:
    """Return each signal's place: the middle of the nodes whose links it controls."""
    nodes: dict[str, set[str]] = {}
    for way in net.connections:
        if way.tls and way.from_edge in net.edges:
            edge = net.edges[way.from_edge]
            node = edge.to_node or edge.id[1:].rsplit("_", 1)[0]
            if node in net.nodes:
                nodes.setdefault(way.tls, set()).add(node)
    return {
        name: (
            sum(net.nodes[node].x_m for node in sorted(of)) / len(of),
            sum(net.nodes[node].y_m for node in sorted(of)) / len(of),
        )
        for name, of in nodes.items()
    }
