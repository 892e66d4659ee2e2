"""What a run leaves behind for others to check: every event and every node passed, every unit sent."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from cityloop.cities.events.trips import Trip
from cityloop.kernel.columns import F64, I32, I64

__all__ = ["Assignments", "Recorder", "Tracks"]


@dataclass(frozen=True, slots=True)
class Tracks:
    """Every event and every node passed, in order of time within a unit."""

    unit: I32
    at_ms: I64
    x_m: F64
    y_m: F64
    arc: I32
    """Arc driven to get here, -1 for an event or off the roads."""
    status: I32


@dataclass(frozen=True, slots=True)
class Assignments:
    """Every unit sent to a call, one row a unit and call."""

    call: I64
    unit: I32
    priority: I32
    sent_ms: I64
    mobile_ms: I64
    ended_ms: I64
    """Arrived on scene, or taken off the call."""
    arrived: I32
    """1 when it reached the scene, 0 when it was taken off."""
    reason: I32


@dataclass(slots=True)
class Recorder:
    """Collects rows while a run goes on; with ``enabled`` false it costs nothing."""

    enabled: bool
    _tracks: list[tuple[int, int, Trip | None, int, float, float]] = field(default_factory=list)
    sent: list[tuple[int, int, int, int, int, int, int, int]] = field(default_factory=list)

    def event(self, unit: int, at_ms: int, x_m: float, y_m: float, status: int) -> None:
        """Note that something happened to a unit where it was."""
        if self.enabled:
            self._tracks.append((unit, at_ms, None, status, x_m, y_m))

    def drove(self, unit: int, trip: Trip, until_ms: int, status: int) -> None:
        """Note the nodes that a unit passed on a trip up to an instant."""
        if self.enabled:
            self._tracks.append((unit, until_ms, trip, status, 0.0, 0.0))

    def tracks(self) -> Tracks:
        """Return all rows, by unit and time."""
        unit: list[I32] = []
        at_ms: list[I64] = []
        x_m: list[F64] = []
        y_m: list[F64] = []
        arc: list[I32] = []
        status: list[I32] = []
        for row, until_ms, trip, doing, x, y in self._tracks:
            if trip is None:
                times, arcs = np.array([until_ms], np.int64), np.array([-1], np.int32)
                xs, ys = np.array([x]), np.array([y])
            else:
                times, nodes, arcs = trip.passed(until_ms)
                xs, ys = trip.router.graph.x_m[nodes], trip.router.graph.y_m[nodes]
            unit.append(np.full(len(times), row, np.int32))
            status.append(np.full(len(times), doing, np.int32))
            at_ms.append(times)
            arc.append(arcs)
            x_m.append(xs)
            y_m.append(ys)
        if not unit:
            none = np.empty(0, np.int32)
            return Tracks(none, none.astype(np.int64), np.empty(0), np.empty(0), none, none)
        joined = Tracks(*(np.concatenate(parts) for parts in (unit, at_ms, x_m, y_m, arc, status)))  # type: ignore[arg-type]  # a generator has no column types
        order = np.lexsort((np.arange(len(joined.unit)), joined.at_ms, joined.unit))
        return Tracks(
            joined.unit[order],
            joined.at_ms[order],
            joined.x_m[order],
            joined.y_m[order],
            joined.arc[order],
            joined.status[order],
        )

    def assignments(self) -> Assignments:
        """Return every unit sent."""
        rows = np.array(self.sent, np.int64).reshape(-1, 8)
        whole = [np.ascontiguousarray(rows[:, k]) for k in range(8)]
        return Assignments(
            call=whole[0],
            unit=whole[1].astype(np.int32),
            priority=whole[2].astype(np.int32),
            sent_ms=whole[3],
            mobile_ms=whole[4],
            ended_ms=whole[5],
            arrived=whole[6].astype(np.int32),
            reason=whole[7].astype(np.int32),
        )
