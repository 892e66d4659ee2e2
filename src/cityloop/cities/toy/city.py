"""The toy city: the City port without a simulator, for tests and for learning.

Time runs in steps of one second. Vehicles are points, exact to the millisecond; a stage serves its links
from the end of the intergreen to its own end, and nobody starts on yellow.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from cityloop.cities.toy.assets import VEHICLE_LINKS, ToyParams, toy_layout
from cityloop.cities.toy.controller import ToyController
from cityloop.cities.toy.queues import PointQueue
from cityloop.kernel.batch import Batch, Quality
from cityloop.kernel.clock import MS_PER_S, ms_from_s
from cityloop.kernel.errors import CityError
from cityloop.kernel.layout import Layout, StreamKind
from cityloop.kernel.messages import Command, Receipt

__all__ = ["ToyCity", "ToyObservation"]

_STEP_MS = MS_PER_S
_CROSSING_STAGE = 1


@dataclass(frozen=True, slots=True)
class ToyObservation:
    """What one ``observe`` brings back."""

    now_ms: int
    batch: Batch
    receipts: tuple[Receipt, ...]
    ended: bool


class ToyCity:
    """One junction, two approaches and a crossing."""

    def __init__(self, params: ToyParams | None = None) -> None:
        self.params = params if params is not None else ToyParams()
        self._layout = toy_layout(self.params)
        self._now_ms = ms_from_s(self.params.begin_s)
        self._end_ms = ms_from_s(self.params.end_s)
        self._controller = ToyController(self.params)
        saturation_s = self.params.saturation_headway_s
        self.queues = tuple(PointQueue(self._now_ms, h, saturation_s) for h in self.params.headway_s)
        """By approach: who arrived, who left, and when."""
        self.people = PointQueue(self._now_ms, self.params.person_headway_s, 0.001)
        """At the crossing; a Walk serves everybody who waits."""
        self._receipts: list[Receipt] = []
        self._closed = False
        kinds, rows = self._layout.streams.kind.tolist(), self._layout.streams.asset.tolist()
        self._stream = {(kind, row): stream for stream, (kind, row) in enumerate(zip(kinds, rows, strict=True))}

    def layout(self) -> Layout:
        """Return the city's assets."""
        return self._layout

    def observe(self, until_ms: int) -> ToyObservation:
        """Let whole seconds pass up to ``until_ms`` and return what was sensed."""
        self._refuse_when_closed()
        sensed: list[tuple[int, int, float]] = []
        while self._now_ms + _STEP_MS <= min(until_ms, self._end_ms):
            served = self._step()
            sensed += [(self._now_ms, stream, value) for stream, value in self._sensed(served)]
        receipts, self._receipts = tuple(self._receipts), []
        return ToyObservation(self._now_ms, _batch(sensed), receipts, self._now_ms >= self._end_ms)

    def apply(self, commands: Sequence[Command]) -> None:
        """Hand leases to the field controller."""
        self._refuse_when_closed()
        self._receipts += [self._controller.command(command, self._now_ms) for command in commands]

    def close(self) -> None:
        """Hold nothing, release nothing; refuse further use."""
        self._closed = True

    def total_delay_s(self) -> float:
        """Return the delay of all vehicles that have left. [s]."""
        return sum(sum(queue.delays_s()) for queue in self.queues)

    def _refuse_when_closed(self) -> None:
        if self._closed:
            raise CityError("the toy city is closed; open a new one")

    def _step(self) -> tuple[int, ...]:
        """Let one second pass; return how many vehicles left each approach."""
        from_ms, to_ms = self._now_ms, self._now_ms + _STEP_MS
        self._controller.step(from_ms)
        shown = self._controller.shown()
        served = [0] * len(VEHICLE_LINKS)
        if shown >= 0:
            served[shown] = self.queues[shown].serve(from_ms, to_ms)
        if shown == _CROSSING_STAGE:
            self.people.serve(from_ms, to_ms)
        self._now_ms = to_ms
        return tuple(served)

    def _sensed(self, served: tuple[int, ...]) -> list[tuple[int, float]]:
        readings: list[tuple[int, float]] = []
        for approach in VEHICLE_LINKS:
            readings += self._loops(approach, served[approach]) if self.params.loops() else self._area(approach)
        # What the field shows from this instant on: the controller steps again before the next second passes.
        readings.append((self._stream[StreamKind.STAGE_SHOWN, 0], float(self._controller.shown())))
        readings.append((self._stream[StreamKind.CONTROL_MODE, 0], float(self._controller.mode)))
        waiting = self.people.queued(self._now_ms) > 0
        readings.append((self._stream[StreamKind.CROSSING_CALL, 2], float(waiting)))
        return readings

    def _area(self, approach: int) -> list[tuple[int, float]]:
        params = self.params
        zone_m = min(params.zone_m, float(params.sensing.removeprefix("area:")))
        distances_m = self.queues[approach].distances_m(self._now_ms, params.speed_mps, zone_m, params.spacing_m)
        readings = [(self._stream[StreamKind.OBJECT_COUNT, approach], float(len(distances_m)))]
        for rank, distance_m in enumerate(distances_m):
            standing = distance_m <= rank * params.spacing_m
            readings.append((self._stream[StreamKind.OBJECT_DISTANCE_M, approach], distance_m))
            speed = (
                self._stream[StreamKind.OBJECT_SPEED_MPS, approach],
                0.0 if standing else params.speed_mps,
            )
            readings.append(speed)
        return readings

    def _loops(self, approach: int, served: int) -> list[tuple[int, float]]:
        queue, params = self.queues[approach], self.params
        travel_ms = ms_from_s(params.zone_m / params.speed_mps)
        passed = queue.passed(self._now_ms - _STEP_MS + travel_ms, self._now_ms + travel_ms)
        standing_m = queue.queued(self._now_ms) * params.spacing_m
        return [
            (self._stream[StreamKind.STOP_LINE_COUNT, approach], float(served)),
            (self._stream[StreamKind.STOP_LINE_OCCUPANCY, approach], float(standing_m > 0)),
            (self._stream[StreamKind.ADVANCE_COUNT, approach], float(passed)),
            (self._stream[StreamKind.ADVANCE_OCCUPANCY, approach], float(standing_m > params.zone_m)),
        ]


def _batch(sensed: list[tuple[int, int, float]]) -> Batch:
    at_ms = np.array([row[0] for row in sensed], np.int64)
    return Batch(
        stream=np.array([row[1] for row in sensed], np.int32),
        observed_at_ms=at_ms,
        received_at_ms=at_ms.copy(),
        value=np.array([row[2] for row in sensed], np.float64),
        quality=np.full(len(sensed), Quality.GOOD, np.uint8),
    )
