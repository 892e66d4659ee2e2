"""A recorded signal as a city of its own: its stages, and queues fed by the arrivals that its detectors saw.

The same queues are served twice, by the greens that were really given and by those that the brain gives; so the two
differ by the greens alone. The brain sees a vehicle when the detector saw it, and not before.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from cityloop.domains.signals.schema import (
    DOMAIN,
    Controllers,
    Lamp,
    LinkKind,
    Links,
    Matrices,
    SignalAssets,
    Stages,
    Turn,
)
from cityloop.kernel.batch import Batch, Quality
from cityloop.kernel.columns import F64, I32
from cityloop.kernel.layout import Approaches, Edges, Junctions, Lanes, Layout, Movements, StreamKind, Streams
from cityloop.kernel.messages import Command
from cityloop.studies.month.phases import SignalPlan

__all__ = ["Queues", "RecordedSignal", "recorded_layout"]

_SPEED_MPS = 13.4
_SPACING_M = 7.5
_HEADWAY_S = 2.0
_START_LOSS_S = 2.0
_KINDS = (StreamKind.OBJECT_COUNT, StreamKind.OBJECT_DISTANCE_M, StreamKind.OBJECT_SPEED_MPS)


def recorded_layout(name: str, plan: SignalPlan, setback_m: Mapping[int, float]) -> Layout:
    """Return a layout of one junction: an approach a phase, stages as recorded."""
    n, stages = len(plan.phases), plan.stages
    row = {phase: i for i, phase in enumerate(plan.phases)}
    lamps = np.full((len(stages), n), Lamp.RED, np.uint8)
    for k, stage in enumerate(stages):
        for phase in stage:
            lamps[k, row[phase]] = Lamp.PROTECTED
    green = lamps == Lamp.PROTECTED
    together = (green.T.astype(np.int64) @ green.astype(np.int64)) > 0
    foe = ~together & ~np.eye(n, dtype=np.bool_)
    change_s = plan.yellow_s + plan.all_red_s
    between = np.full((len(stages), len(stages)), change_s)
    np.fill_diagonal(between, 0.0)
    zone = np.array([max(setback_m.get(phase, 0.0), _SPACING_M * 2) for phase in plan.phases])
    rows, one = np.arange(n, dtype=np.int32), np.ones(n, np.int32)
    zeros = np.zeros(n, np.int32)
    approaches = Approaches(
        junction=zeros, lane=rows, group=rows, speed_limit_mps=np.full(n, _SPEED_MPS), zone_m=zone, blind_m=np.zeros(n),
        own_m=zone,
        owner=rows, feeders=zeros, movement_begin=rows, movement_end=rows + one,
    )  # fmt: skip
    movements = Movements(
        approach=rows, link=rows, turn=np.full(n, int(Turn.STRAIGHT), np.int32), next_group=zeros - 1,
        next_distance_m=np.zeros(n), speed_mps=np.full(n, _SPEED_MPS),
    )  # fmt: skip
    assets = SignalAssets(
        controllers=Controllers(
            link_begin=_i32(0), link_end=_i32(n), stage_begin=_i32(0), stage_end=_i32(len(stages)),
            approach_begin=_i32(0), approach_end=_i32(n), matrix_begin=_i32(0), lamps_begin=_i32(0),
            intergreen_begin=_i32(0), all_red_s=np.array([plan.all_red_s]),
        ),
        links=Links(
            junction=zeros, kind=np.full(n, int(LinkKind.VEHICLE), np.int32), approach=rows,
            turn=np.full(n, int(Turn.STRAIGHT), np.int32), yellow_s=np.full(n, plan.yellow_s),
            length_m=np.full(n, 20.0), clearance_s=np.zeros(n), own_red_s=np.zeros(n), own_wait_s=np.zeros(n),
            next_group=zeros - 1, next_distance_m=np.zeros(n),
        ),
        stages=Stages(
            junction=np.zeros(len(stages), np.int32), service=np.ones(len(stages), np.bool_),
            min_green_s=np.array(plan.min_green_s),
        ),
        approaches=approaches,
        movements=movements,
        matrices=Matrices(
            foe=foe.ravel(), yields=np.zeros(n * n, np.bool_),
            shipped_together=(together & ~np.eye(n, dtype=np.bool_)).ravel(),
        ),
        lamps=lamps.ravel(),
        intergreen_s=between.ravel(),
        sensing=f"area:{zone.max():g}",
    )  # fmt: skip
    kinds = [int(kind) for _ in plan.phases for kind in _KINDS]
    assets_of = [i for i in range(n) for _ in _KINDS]
    still = np.zeros(n)
    return Layout(
        version=f"recorded {name}",
        junctions=Junctions(np.zeros(1), np.zeros(1)),
        edges=Edges(np.full(n, 300.0), np.full(n, _SPEED_MPS), still, still, still, still),
        lanes=Lanes(rows, np.full(n, 300.0), np.full(n, _SPEED_MPS)),
        approaches=approaches,
        movements=movements,
        streams=Streams(
            _i32(*kinds, int(StreamKind.STAGE_SHOWN), int(StreamKind.CONTROL_MODE)), _i32(*assets_of, 0, 0)
        ),
        tables={DOMAIN: assets},
        names={
            "junctions": (name,), "lanes": tuple(f"phase {p}" for p in plan.phases),
            "edges": tuple(f"phase {p}" for p in plan.phases),
        },
    )  # fmt: skip


@dataclass(slots=True)
class Queues:
    """A point queue a phase: vehicles in order, each served one saturation headway after the other in green."""

    due_ms: list[F64]
    """By phase: when each vehicle would reach the stop line unhindered."""
    seen_ms: list[F64]
    """By phase: when the detector saw it."""
    left: list[int]
    ready_ms: list[float]
    waited_s: F64

    @classmethod
    def fed(cls, due_ms: list[F64], seen_ms: list[F64]) -> Queues:
        """Return empty queues that these arrivals will fill."""
        return cls(due_ms, seen_ms, [0] * len(due_ms), [0.0] * len(due_ms), np.zeros(len(due_ms)))

    def serve(self, now_ms: float, green: Mapping[int, float]) -> None:
        """Let the second up to ``now_ms`` pass; ``green`` gives the begin of each phase's green [ms]."""
        for phase, due in enumerate(self.due_ms):
            at = self.left[phase]
            since_ms = green.get(phase)
            while since_ms is not None and at < len(due):
                queued = due[at] < since_ms + _START_LOSS_S * 1000
                first_ms = max(due[at], self.ready_ms[phase], since_ms + (_START_LOSS_S * 1000 if queued else 0.0))
                if first_ms >= now_ms:
                    break
                self.ready_ms[phase] = first_ms + _HEADWAY_S * 1000
                self.waited_s[phase] += (first_ms - due[at]) / 1000
                at += 1
            self.left[phase] = at

    def total_s(self, end_ms: float) -> float:
        """Return the delay of everybody up to an instant, those still waiting included. [s]"""
        still = sum(
            float(np.maximum(end_ms - due[left:], 0.0).sum()) for due, left in zip(self.due_ms, self.left, strict=True)
        )
        return float(self.waited_s.sum()) + still / 1000

    def sights(self, now_ms: float, phase: int, zone_m: float) -> list[tuple[float, float]]:
        """Return distance [m] and speed [m/s] of the vehicles that the detector has seen and that have not left."""
        due, seen = self.due_ms[phase], self.seen_ms[phase]
        found: list[tuple[float, float]] = []
        for at in range(self.left[phase], len(due)):
            if seen[at] > now_ms or len(found) >= 30:
                break
            stands_m = _SPACING_M * len(found)
            free_m = (due[at] - now_ms) / 1000 * _SPEED_MPS
            distance_m = max(free_m, stands_m)
            if distance_m > zone_m and stands_m <= zone_m:
                distance_m = zone_m
            found.append((distance_m, 0.0 if free_m <= stands_m else _SPEED_MPS))
        return found


class RecordedSignal:
    """The recorded signal under the brain: takes leases, changes stages with yellow and all-red, and senses."""

    def __init__(self, layout: Layout, plan: SignalPlan, queues: Queues, stage: int, now_ms: int) -> None:
        self._plan, self._queues = plan, queues
        self._assets = layout.tables[DOMAIN]
        self._zone_m = layout.approaches.zone_m
        self.stage, self._next = stage, stage
        self._since_ms = self._change_ms = float(now_ms)
        self._lamps = self._assets.lamps.reshape(len(plan.stages), len(plan.phases)) == Lamp.PROTECTED
        self._green_ms: dict[int, float] = {}
        self.changes = 0

    def apply(self, command: Command | None, now_ms: int) -> None:
        """Heed a lease: begin a change where another stage is asked for and the least green is over."""
        stage = getattr(command.action, "stage", -1) if command is not None else -1
        least_ms = self._plan.min_green_s[self.stage] * 1000 if self.stage >= 0 else 0.0
        if self.stage >= 0 and stage >= 0 and stage != self.stage and now_ms - self._since_ms >= least_ms:
            self._next, self.stage, self._change_ms = stage, -1, float(now_ms)
            self.changes += 1
            kept = {phase for phase in self._green_ms if self._lamps[stage][phase]}
            self._green_ms = {phase: since for phase, since in self._green_ms.items() if phase in kept}

    def step(self, now_ms: int) -> Batch:
        """Let a second pass, and return what is sensed at its end."""
        change_ms = (self._plan.yellow_s + self._plan.all_red_s) * 1000
        if self.stage < 0 and now_ms - 1000 - self._change_ms >= change_ms:
            self.stage, self._since_ms = self._next, float(now_ms - 1000)
        if self.stage >= 0:
            for phase in np.flatnonzero(self._lamps[self.stage]).tolist():
                self._green_ms.setdefault(phase, self._since_ms)
        self._queues.serve(float(now_ms), self._green_ms)
        stream: list[int] = []
        value: list[float] = []
        for phase in range(len(self._plan.phases)):
            seen = self._queues.sights(float(now_ms), phase, float(self._zone_m[phase]))
            stream.append(3 * phase)
            value.append(float(len(seen)))
            for distance_m, speed_mps in seen:
                stream += [3 * phase + 1, 3 * phase + 2]
                value += [distance_m, speed_mps]
        n = 3 * len(self._plan.phases)
        stream += [n, n + 1]
        value += [float(self.stage), 1.0]
        at_ms = np.full(len(stream), now_ms, np.int64)
        quality = np.full(len(stream), Quality.GOOD, np.uint8)
        return Batch(np.array(stream, np.int32), at_ms, at_ms.copy(), np.array(value), quality)


def _i32(*values: int) -> I32:
    return np.array(values, np.int32)
