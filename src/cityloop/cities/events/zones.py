"""Demand zones: the call density gathered on a square grid, each zone at a node of the roads."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from cityloop.cities.events.case import EmergencyCase, snap
from cityloop.kernel.columns import F64, I32

__all__ = ["Zones", "make_zones", "zone_of"]


@dataclass(frozen=True, slots=True)
class Zones:
    """Zones with people in them, one row a zone."""

    size_m: float
    column: I32
    row: I32
    node: I32
    """Node of access nearest to where its people are."""
    share: F64
    """Of all density; sums to 1."""
    off_m: float
    """Mean way from a call to its node. [m]"""


def make_zones(case: EmergencyCase, size_m: float = 1500.0) -> Zones:
    """Gather the density of calls on a grid."""
    model = case.calls
    x_m = model.cell_x_m + model.cell_width_m / 2
    y_m = model.cell_y_m + model.cell_height_m / 2
    column, row = np.floor(x_m / size_m).astype(np.int64), np.floor(y_m / size_m).astype(np.int64)
    _, at = np.unique(column * 100_000 + row, return_inverse=True)
    weight = np.bincount(at, weights=model.cell_weight)
    centre_x = np.bincount(at, weights=model.cell_weight * x_m) / weight
    centre_y = np.bincount(at, weights=model.cell_weight * y_m) / weight
    node, _ = snap(case.roads, centre_x, centre_y)
    _, off_m = snap(case.roads, x_m, y_m)
    return Zones(
        size_m=size_m,
        column=np.floor(centre_x / size_m).astype(np.int32),
        row=np.floor(centre_y / size_m).astype(np.int32),
        node=node,
        share=weight / weight.sum(),
        off_m=float(np.average(off_m, weights=model.cell_weight)),
    )


def zone_of(zones: Zones, x_m: F64, y_m: F64) -> I32:
    """Return the zone of each place, -1 for a place in none."""
    keys = zones.column.astype(np.int64) * 100_000 + zones.row
    order = np.argsort(keys)
    wanted = np.floor(x_m / zones.size_m).astype(np.int64) * 100_000 + np.floor(y_m / zones.size_m).astype(np.int64)
    at = np.minimum(np.searchsorted(keys[order], wanted), len(keys) - 1)
    return np.where(keys[order][at] == wanted, order[at], -1).astype(np.int32)
