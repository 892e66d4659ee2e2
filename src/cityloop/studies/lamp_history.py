"""The lamps of a stretch of a run, and the corridor along which they are best looked at."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from cityloop.cities.sumo.netfile import NetFile
from cityloop.cities.sumo.outputs import EdgeLoss, elements

__all__ = ["Corridor", "Span", "Stop", "busiest_corridor", "read_window"]

_MAX_GAP_M = 900.0
"""Junctions further apart than this are not one corridor."""
_LONGEST = 8


@dataclass(frozen=True, slots=True)
class Span:
    """One aspect of one link, from when to when."""

    begin_s: float
    end_s: float
    lamp: str


@dataclass(frozen=True, slots=True)
class Stop:
    """A stop line on a corridor."""

    junction: str
    at_m: float
    """From the first stop line."""
    links: tuple[int, ...]
    """Signal indices that lead on along the corridor."""


@dataclass(frozen=True, slots=True)
class Corridor:
    """Signals one after another, in the direction of travel."""

    stops: tuple[Stop, ...]
    speed_mps: float
    """Speed limit along it."""


def read_window(
    states_file: Path, junctions: Collection[str], begin_s: float, end_s: float
) -> dict[str, list[tuple[Span, ...]]]:
    """Return for each junction the spans of each link between two instants."""
    spans: dict[str, list[list[Span]]] = {}
    since: dict[str, list[float]] = {}
    last: dict[str, str] = {}
    for record, begun in elements(states_file, "tlsState"):
        if not begun or record.get("id") not in junctions:
            continue
        at_s, name, state = float(record.get("time", "nan")), record.get("id", ""), record.get("state", "")
        if at_s < begin_s:
            continue
        if at_s > end_s:
            break
        if name not in last:
            spans[name] = [[] for _ in state]
            since[name] = [at_s] * len(state)
        else:
            for link, (was, now) in enumerate(zip(last[name], state, strict=True)):
                if was != now:
                    spans[name][link].append(Span(since[name][link], at_s, was))
                    since[name][link] = at_s
        last[name] = state
    for name, state in last.items():
        for link, lamp in enumerate(state):
            spans[name][link].append(Span(since[name][link], end_s, lamp))
    return {name: [tuple(link) for link in links] for name, links in spans.items()}


def busiest_corridor(net: NetFile, loss: EdgeLoss | None) -> Corridor | None:
    """Return the chain of signals that most vehicles follow, or None where no two are near each other."""
    ways = _signal_ways(net)
    flow = {edge: float(left.sum()) for edge, left in loss.left_veh.items()} if loss is not None else {}
    between = _hops(net, ways)
    if not between:
        return None
    start = max(sorted(between), key=lambda edge: flow.get(between[edge][0], 0.0))
    chain = [start, between[start][0]]
    while len(chain) < _LONGEST and chain[-1] in between and between[chain[-1]][0] not in chain:
        chain.append(between[chain[-1]][0])
    before = {after: edge for edge, (after, _) in between.items()}
    while len(chain) < _LONGEST and chain[0] in before and before[chain[0]] not in chain:
        chain.insert(0, before[chain[0]])
    stops: list[Stop] = []
    at_m = 0.0
    for row, edge in enumerate(chain):
        signal, links = ways[edge]
        if any(stop.junction == signal for stop in stops):
            break
        stops.append(Stop(signal, at_m, links))
        if row + 1 < len(chain):
            at_m += between[edge][1]
    speed_mps = net.edges[chain[-1]].lanes[-1].speed_mps
    return Corridor(tuple(stops), speed_mps) if len(stops) > 1 else None


def _signal_ways(net: NetFile) -> dict[str, tuple[str, tuple[int, ...]]]:
    """Return for each edge that ends at a signal: the signal, and its indices that lead straight on."""
    found: dict[str, tuple[str, set[int]]] = {}
    for way in net.connections:
        if way.tls and way.direction == "s" and not way.from_edge.startswith(":"):
            found.setdefault(way.from_edge, (way.tls, set()))[1].add(way.link_index)
    return {edge: (signal, tuple(sorted(links))) for edge, (signal, links) in found.items()}


def _hops(net: NetFile, ways: Mapping[str, tuple[str, Sequence[int]]]) -> dict[str, tuple[str, float]]:
    """Return for each signal edge the next signal edge straight ahead, and how far on its stop line is."""
    straight: dict[str, str] = {}
    for way in net.connections:
        if way.direction == "s" and not way.from_edge.startswith(":"):
            straight.setdefault(way.from_edge, way.to_edge)
    hops = {}
    for edge, (signal, _) in ways.items():
        gone_m, here, seen = 0.0, edge, {edge}
        while here in straight and straight[here] not in seen and gone_m < _MAX_GAP_M:
            here = straight[here]
            seen.add(here)
            gone_m += net.edges[here].lanes[0].length_m
            if here in ways:
                if ways[here][0] != signal:
                    hops[edge] = (here, gone_m)
                break
    return hops
