"""What the city's detectors report of a simulated second, as readings.

A detector sees lanes, positions and speeds. Names of vehicles, their routes and their blinkers stay in the
simulation; what a scan lists is in order of distance and carries no identity from one scan to the next.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from cityloop.cities.sumo.zones import Zone
from cityloop.kernel.columns import F64, I32
from cityloop.kernel.errors import ConfigError
from cityloop.kernel.layout import StreamKind, Streams

__all__ = ["AreaScanner", "Level", "LoopReader", "StatusReader", "StreamRows", "parse_level"]

_UNLIMITED_M = 100_000.0


@dataclass(frozen=True, slots=True)
class Level:
    """A sensing level, taken apart."""

    loops: bool
    reach_m: float
    share: float
    """Share of vehicles that are seen."""


def parse_level(text: str) -> Level:
    """Read ``loops``, ``area:<metres>``, ``probe:<share>`` or ``truth``."""
    name, _, argument = text.partition(":")
    try:
        number = float(argument) if argument else math.nan
    except ValueError:
        number = math.nan
    if text == "loops":
        return Level(True, 0.0, 1.0)
    if text == "truth":
        return Level(False, _UNLIMITED_M, 1.0)
    if name == "area" and 0 < number < math.inf:
        return Level(False, number, 1.0)
    if name == "probe" and 0 < number <= 1:
        return Level(False, _UNLIMITED_M, number)
    raise ConfigError(f"sensing: {text!r} is no level; give loops, area:<metres>, probe:<share up to 1> or truth")


class StreamRows:
    """Rows of the stream table by kind and asset."""

    def __init__(self, streams: Streams) -> None:
        pairs = zip(streams.kind.tolist(), streams.asset.tolist(), strict=True)
        self._row = {pair: row for row, pair in enumerate(pairs)}

    def rows(self, kind: StreamKind, assets: Sequence[int]) -> I32:
        """Return the stream of each asset."""
        return np.array([self._row[int(kind), int(asset)] for asset in assets], np.int32)


class AreaScanner:
    """Area detectors on every approach lane: how many objects, and of each its distance and speed."""

    def __init__(
        self, rows: StreamRows, zones: Sequence[Zone], lane_length_m: Mapping[str, float], reach_m: float
    ) -> None:
        approaches = range(len(zones))
        self.count_streams = rows.rows(StreamKind.OBJECT_COUNT, approaches)
        self._distance_stream = rows.rows(StreamKind.OBJECT_DISTANCE_M, approaches)
        self._speed_stream = rows.rows(StreamKind.OBJECT_SPEED_MPS, approaches)
        self._reach_m = np.array([min(reach_m, zone.reach_m) for zone in zones])
        slots: dict[str, list[tuple[int, float]]] = {}
        for approach, zone in enumerate(zones):
            for piece in zone.pieces:
                start_m = piece.offset_m + lane_length_m[piece.lane_id]
                if piece.offset_m < self._reach_m[approach]:
                    slots.setdefault(piece.lane_id, []).append((approach, start_m))
        self.lane_number = {lane: number for number, lane in enumerate(slots)}
        """Number of each lane that a detector looks at."""
        flat = [slot for own in slots.values() for slot in own]
        sizes = np.array([len(own) for own in slots.values()], np.int64)
        self._approach = np.array([approach for approach, _ in flat], np.int64)
        self._start_m = np.array([start_m for _, start_m in flat])
        self._slots = sizes
        self._first = np.concatenate([[0], np.cumsum(sizes)[:-1]]).astype(np.int64)
        self._shared = bool((sizes > 1).any())

    def scan(
        self, lanes: Sequence[int], positions_m: Sequence[float], speeds_mps: Sequence[float]
    ) -> tuple[F64, I32, F64]:
        """Return the counts in approach order, and the streams and values of the objects, nearest first."""
        slot = self._first[np.array(lanes, np.int64)]
        position_m = np.array(positions_m, np.float64)
        speed_mps = np.array(speeds_mps, np.float64)
        if self._shared:
            repeats = self._slots[np.array(lanes, np.int64)]
            within = np.arange(int(repeats.sum())) - np.repeat(np.cumsum(repeats) - repeats, repeats)
            slot = np.repeat(slot, repeats) + within
            position_m, speed_mps = np.repeat(position_m, repeats), np.repeat(speed_mps, repeats)
        approach = self._approach[slot]
        distance_m = np.maximum(self._start_m[slot] - position_m, 0.0)
        order = np.lexsort((distance_m, approach))
        order = order[(distance_m <= self._reach_m[approach])[order]]
        approach = approach[order]
        counts = np.bincount(approach, minlength=len(self._reach_m)).astype(np.float64)
        streams = np.concatenate([self._distance_stream[approach], self._speed_stream[approach]])
        return counts, streams, np.concatenate([distance_m[order], speed_mps[order]])


class LoopReader:
    """Stop-line and advance loops on every approach lane: vehicles that left, and share of time covered."""

    def __init__(self, rows: StreamRows, approaches: int) -> None:
        every = range(approaches)
        self.streams = np.concatenate(
            [
                rows.rows(StreamKind.STOP_LINE_COUNT, every),
                rows.rows(StreamKind.STOP_LINE_OCCUPANCY, every),
                rows.rows(StreamKind.ADVANCE_COUNT, every),
                rows.rows(StreamKind.ADVANCE_OCCUPANCY, every),
            ]
        )

    @staticmethod
    def values(stop_line: Sequence[tuple[int, float]], advance: Sequence[tuple[int, float]]) -> F64:
        """Return the values from each loop's vehicles that left and per cent covered, in approach order."""
        parts = []
        for loops in (stop_line, advance):
            parts += [[left for left, _ in loops], [min(percent, 100.0) / 100 for _, percent in loops]]
        return np.array(parts, np.float64).ravel()


class StatusReader:
    """Field controllers' reports every second, and the calls of crossings while somebody waits."""

    def __init__(self, rows: StreamRows, junctions: int, crossings: Sequence[int]) -> None:
        self.streams = np.concatenate(
            [
                rows.rows(StreamKind.STAGE_SHOWN, range(junctions)),
                rows.rows(StreamKind.CONTROL_MODE, range(junctions)),
            ]
        )
        self._call_stream = rows.rows(StreamKind.CROSSING_CALL, crossings)
        self._called = np.zeros(len(crossings), np.bool_)

    def calls(self, waiting: Sequence[bool]) -> tuple[I32, F64]:
        """Return the calls that are on, and those that went off since the last report."""
        now = np.array(waiting, np.bool_)
        told = now | self._called
        self._called = now
        return self._call_stream[told], now[told].astype(np.float64)
