"""Sense -> state: where the city's own vehicles were last heard to be."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from cityloop.kernel.batch import Batch, Quality
from cityloop.kernel.columns import F64, I32, I64
from cityloop.kernel.layout import Layout, StreamKind

__all__ = ["UnitPlaces", "no_places", "read_places"]

_EDGE, _EDGE_M = int(StreamKind.UNIT_EDGE), int(StreamKind.UNIT_EDGE_M)
_OCCUPIED = int(StreamKind.CROSSING_OCCUPIED)


@dataclass(frozen=True, slots=True)
class UnitPlaces:
    """One row a unit."""

    edge: I32
    """Edge that its navigation has it on, -1 for none."""
    edge_m: F64
    seen_ms: I64
    """When it was there."""
    occupied: frozenset[int]
    """Crossing links that somebody is on."""
    first: int
    """The first of these streams; readings before it are of others."""


def no_places(layout: Layout) -> UnitPlaces | None:
    """Return the places before any report; None where the city has no units."""
    if "units" not in layout.tables:
        return None
    n = len(layout.tables["units"].kind)
    own = np.flatnonzero((layout.streams.kind >= StreamKind.UNIT_X_M) & (layout.streams.kind <= _OCCUPIED))
    return UnitPlaces(
        np.full(n, -1, np.int32),
        np.zeros(n),
        np.full(n, np.iinfo(np.int64).min // 2, np.int64),
        frozenset(),
        int(own.min(initial=len(layout.streams.kind))),
    )


def read_places(places: UnitPlaces, layout: Layout, batch: Batch) -> UnitPlaces:
    """Return the places after the reports of a batch; an older report than the last changes nothing."""
    told = np.flatnonzero((batch.stream >= places.first) & (batch.quality != int(Quality.BAD)))
    if len(told) == 0:
        return places
    kind = layout.streams.kind[batch.stream[told]]
    edge, edge_m, seen_ms = places.edge.copy(), places.edge_m.copy(), places.seen_ms.copy()
    for code, column in ((_EDGE, edge), (_EDGE_M, edge_m)):
        for at in told[kind == code].tolist():
            unit, value = int(layout.streams.asset[batch.stream[at]]), float(batch.value[at])
            if np.isfinite(value) and batch.observed_at_ms[at] >= seen_ms[unit]:
                column[unit] = value
                if code == _EDGE_M:
                    seen_ms[unit] = batch.observed_at_ms[at]
    occupied = set(places.occupied)
    for at in told[kind == _OCCUPIED].tolist():
        link = int(layout.streams.asset[batch.stream[at]])
        if batch.value[at] > 0:
            occupied.add(link)
        else:
            occupied.discard(link)
    return UnitPlaces(edge, edge_m, seen_ms, frozenset(occupied), places.first)
