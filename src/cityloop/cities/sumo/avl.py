"""What units' radios report of a simulated second, and whether somebody is on a crossing; read in the twin's child."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import libsumo
import numpy as np

from cityloop.cities.sumo.faults import Readings
from cityloop.cities.sumo.network import Network
from cityloop.cities.sumo.sensors import StreamRows
from cityloop.cities.sumo.units import AVL_KINDS, Avl
from cityloop.kernel.columns import F64, I32
from cityloop.kernel.layout import StreamKind

__all__ = ["CrossingReader", "Standing", "UnitReader", "joined"]


@dataclass(frozen=True, slots=True)
class Standing:
    """Where a unit without a vehicle in the simulation stands, as its radio would tell."""

    x_m: float
    y_m: float
    edge: int = -1
    edge_m: float = 0.0
    heading_deg: float = 0.0


class UnitReader:
    """Reads the reports of all units; owns those that are under way."""

    def __init__(self, network: Network, avl: Avl, seed: int, step_ms: int) -> None:
        layout = network.layout
        rows = StreamRows(layout.streams)
        self.names = layout.names["units"]
        self._edge_row = {name: row for row, name in enumerate(layout.names["edges"])}
        self._edge_m = layout.edges.length_m
        self._streams = np.stack([rows.rows(kind, range(len(self.names))) for kind in AVL_KINDS], axis=1)
        self._avl = avl
        self._rng = np.random.default_rng(np.random.SeedSequence([seed, 0x61766C]))
        self._period_ms = max(round(avl.period_s * 1000), step_ms)
        self._delay_ms = round(avl.delay_s * 1000)
        self._due_ms = -(2**62)
        self._late: list[Readings] = []
        self.standing: dict[int, Standing] = {}
        """By unit row, where those stand that have no vehicle; whoever takes a vehicle out says so here."""

    def read(self, now_ms: int, running: Sequence[str]) -> Readings:
        """Return what is received in the step that ended just now."""
        if now_ms >= self._due_ms:
            self._due_ms = now_ms + self._period_ms
            taken = self._take(now_ms, frozenset(running))
            if taken is not None:
                self._late.append(taken)
        here = [report for report in self._late if report[2][0] <= now_ms]
        if not here:
            return _NOTHING
        self._late = [report for report in self._late if report[2][0] > now_ms]
        return joined(*here)

    def _take(self, now_ms: int, running: frozenset[str]) -> Readings | None:
        """Measure every unit that is somewhere; a lost report is drawn, and lost whole."""
        units, values = [], []
        for unit, name in enumerate(self.names):
            if name in running:
                place = self._place_of(name)
            elif unit in self.standing:
                at = self.standing[unit]
                place = (at.x_m, at.y_m, 0.0, at.heading_deg, float(at.edge), at.edge_m)
            else:
                continue
            if place is not None:
                units.append(unit)
                values.append(place)
        if not units:
            return None
        heard = self._noisy(np.array(values))
        kept = self._rng.random(len(units)) >= self._avl.dropout
        if not kept.any():
            return None
        streams = self._streams[np.array(units)[kept]].ravel()
        observed = np.full(len(streams), now_ms, np.int64)
        return streams, observed, observed + self._delay_ms, heard[kept].ravel()

    def _place_of(self, name: str) -> tuple[float, float, float, float, float, float] | None:
        x_m, y_m = libsumo.vehicle.getPosition(name)
        if abs(x_m) > 1e8:
            return None
        road, along_m = libsumo.vehicle.getRoadID(name), libsumo.vehicle.getLanePosition(name)
        edge = self._edge_row.get(road, -1)
        if edge < 0:
            # Inside a junction: the navigation still has it at the end of the edge that it came from.
            route = libsumo.vehicle.getRoute(name)
            edge = self._edge_row.get(route[max(libsumo.vehicle.getRouteIndex(name), 0)], -1)
            along_m += float(self._edge_m[edge]) if edge >= 0 else 0.0
        speed_mps, heading_deg = libsumo.vehicle.getSpeed(name), libsumo.vehicle.getAngle(name)
        return x_m, y_m, speed_mps, heading_deg, float(edge), along_m

    def _noisy(self, values: F64) -> F64:
        avl, draw = self._avl, self._rng.normal(0.0, 1.0, values.shape)
        values[:, 0] += avl.noise_m * draw[:, 0]
        values[:, 1] += avl.noise_m * draw[:, 1]
        values[:, 2] = np.maximum(values[:, 2] + avl.speed_noise_mps * draw[:, 2], 0.0)
        values[:, 3] = (values[:, 3] + avl.heading_noise_deg * draw[:, 3]) % 360.0
        values[:, 5] = np.maximum(values[:, 5] + avl.noise_m * draw[:, 5], 0.0)
        return values


class CrossingReader:
    """Detectors over the crossings: told while somebody is on one, and once when the last has left."""

    def __init__(self, network: Network) -> None:
        self._links = sorted(network.crossing_edges)
        self._stream = StreamRows(network.layout.streams).rows(StreamKind.CROSSING_OCCUPIED, self._links)
        self._junction = network.assets.links.junction[self._links] if self._links else np.zeros(0, np.int32)
        self._begin = network.assets.controllers.link_begin
        self._edges = [network.crossing_edges[link] for link in self._links]
        self._occupied = np.zeros(len(self._links), np.bool_)

    def read(self) -> tuple[I32, F64, dict[int, frozenset[int]]]:
        """Return streams and values, and by junction the local links of the crossings with somebody on them."""
        if not self._links:
            return np.zeros(0, np.int32), np.zeros(0), {}
        now = np.array([libsumo.edge.getLastStepPersonIDs(edge) != () for edge in self._edges], np.bool_)
        told = now | self._occupied
        self._occupied = now
        on: dict[int, set[int]] = {}
        for at in np.flatnonzero(now).tolist():
            row = int(self._junction[at])
            on.setdefault(row, set()).add(self._links[at] - int(self._begin[row]))
        return self._stream[told], now[told].astype(np.float64), {row: frozenset(links) for row, links in on.items()}


def joined(*parts: Readings) -> Readings:
    """Return readings one after another."""
    stream, observed, received, value = zip(*parts, strict=True)
    return np.concatenate(stream), np.concatenate(observed), np.concatenate(received), np.concatenate(value)


_NOTHING: Readings = (np.zeros(0, np.int32), np.zeros(0, np.int64), np.zeros(0, np.int64), np.zeros(0))
