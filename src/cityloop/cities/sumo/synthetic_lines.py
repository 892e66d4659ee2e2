"""Tram lines along a network's tracks, with stops."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

__all__ = ["TramLine", "TramStop", "tram_lines"]

_LINE_MIN_NEW_M = 300.0
"""A further line is drawn only for at least this much track that no line uses yet."""
_STOP_SPACING_M = 400.0
_STOP_LENGTH_M = 40.0
_STOP_MARGIN_M = 15.0
"""Between a stop and the stop line behind which it ends."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TramStop:
    """A stop on a track lane."""

    name: str
    lane: str
    begin_m: float
    end_m: float


@dataclass(frozen=True, slots=True, kw_only=True)
class TramLine:
    """Where a line runs, and where it stops."""

    edges: tuple[str, ...]
    stops: tuple[TramStop, ...]


def tram_lines(net: Any) -> list[TramLine]:
    """Draw lines from where tracks enter to where they leave, until all but short pieces are used.

    Each line is the shortest way through one edge, longest first. The way back is a line of its own or, at a
    terminal loop, part of the same one.
    """
    tracks = [e for e in net.getEdges(withInternal=False) if _is_track(e)]
    entries = [e for e in tracks if not any(_is_track(n) for n in e.getIncoming())]
    exits = [e for e in tracks if not any(_is_track(n) for n in e.getOutgoing())]
    used: set[str] = set()
    lines: list[TramLine] = []
    ways = sorted(
        (way for edge in tracks if (way := _way_through(net, edge, entries, exits))),
        key=lambda way: -sum(edge.getLength() for edge in way),
    )
    for way in ways:
        new_m = sum(edge.getLength() for edge in way if edge.getID() not in used)
        if new_m >= _LINE_MIN_NEW_M:
            used.update(edge.getID() for edge in way)
            lines.append(TramLine(edges=tuple(edge.getID() for edge in way), stops=_stops(way)))
    return lines


def _is_track(edge: Any) -> bool:
    return bool(edge.allows("tram")) and not edge.allows("passenger")


def _way_through(net: Any, edge: Any, entries: Sequence[Any], exits: Sequence[Any]) -> tuple[Any, ...] | None:
    """Return the shortest way from any entry over the edge to any exit, or None where there is none."""
    to_edge = _shortest(net, [(entry, edge) for entry in entries])
    from_edge = _shortest(net, [(edge, leave) for leave in exits])
    if to_edge is None or from_edge is None:
        return None
    return (*to_edge, *from_edge[1:])


def _shortest(net: Any, pairs: Sequence[tuple[Any, Any]]) -> tuple[Any, ...] | None:
    found = [net.getShortestPath(origin, target, vClass="tram") for origin, target in pairs]
    ways = [(cost, way) for way, cost in found if way]
    return min(ways, key=lambda entry: entry[0])[1] if ways else None


def _stops(way: Sequence[Any]) -> tuple[TramStop, ...]:
    """Place a stop on the first track that is long enough after every spacing."""
    stops: list[TramStop] = []
    since_m = _STOP_SPACING_M / 2
    for edge in way:
        length_m = edge.getLength()
        since_m += length_m
        if since_m >= _STOP_SPACING_M and length_m >= _STOP_LENGTH_M + 2 * _STOP_MARGIN_M:
            lane = next(lane for lane in edge.getLanes() if lane.allows("tram"))
            end_m = length_m - _STOP_MARGIN_M
            stops.append(
                TramStop(
                    name=f"stop_{lane.getID().replace('#', '_')}",
                    lane=lane.getID(),
                    begin_m=end_m - _STOP_LENGTH_M,
                    end_m=end_m,
                )
            )
            since_m = 0.0
    return tuple(stops)
