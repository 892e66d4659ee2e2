"""Calls of a run, drawn once from its seed: the same for every control; nobody knows what is still to come."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from cityloop.cities.sumo.fleet_assets import Kerb
from cityloop.cities.sumo.fleet_case import TREATS, CallsCase
from cityloop.domains.emergency.schema import TakeCall
from cityloop.kernel.columns import F64

__all__ = ["Call", "call_from_outside", "draw_calls"]

_MINUTE_MS = 60_000
_NEVER_MS = 2**62
_NUMBERS_A_SEED = 10_000
_OFF_ROADS_M = 500.0
"""A call from outside that is farther from any road is for a person to place."""


@dataclass(slots=True, kw_only=True)
class Call:
    """A call: what the dispatch centre knows of it, what will happen at it, and its clocks."""

    number: int
    priority: int
    determinant: int
    kerb: Kerb
    received_ms: int
    ready_ms: int
    """When the dispatch centre has taken it down."""
    on_scene_ms: int
    transport: bool
    handover_ms: int
    needs: int = 0
    """What the patient needs of a hospital, by the crew's word once it is there: bits of ``Capability``."""
    upgraded_ms: int = _NEVER_MS
    """When it is triaged again, one higher, if nobody is there yet."""
    cancelled_ms: int = _NEVER_MS
    """When it is called off, if nobody is there yet."""
    unit: int = -1
    first_priority: int = field(init=False)
    dispatched_ms: int = -1
    mobile_ms: int = -1
    arrived_ms: int = -1
    left_scene_ms: int = -1
    at_hospital_ms: int = -1
    bay_ms: int = -1
    """When the handover began; between arriving and this its unit waits for a bay."""
    hospital: int = -1
    """Site to which the patient was taken."""
    door: int = 0
    """A ``Door``: why that hospital."""
    free_ms: int = -1
    by_brain: bool = False
    """Whether the unit that came was sent by the brain, and not by the dispatch centre's own plan."""
    called_off: bool = False

    def __post_init__(self) -> None:
        """Keep what it was taken down as."""
        self.first_priority = self.priority

    @property
    def waiting(self) -> bool:
        """Whether nobody has arrived and nobody has called it off."""
        return self.arrived_ms < 0 and not self.called_off


def draw_calls(model: CallsCase, kerbs: Sequence[Kerb], seed: int, span_ms: tuple[int, int]) -> list[Call]:
    """Draw a seed's calls; each quantity has a generator of its own, so that another rate leaves the others alone."""
    gaps, ranks, places, along, scene, carry, handing, later, finding = (
        np.random.default_rng(child) for child in np.random.SeedSequence([seed, 0x63616C6C]).spawn(9)
    )
    if model.per_h <= 0:
        return []
    span_h = (span_ms[1] - span_ms[0]) / 3_600_000
    most = int(model.per_h * span_h * 2 + 60)
    arrivals_h = np.cumsum(gaps.exponential(1.0 / model.per_h, most))
    count = int((arrivals_h < span_h).sum())
    weight: F64 = np.array([kerb.edge_m for kerb in kerbs])
    at = places.choice(len(kerbs), most, p=weight / weight.sum())
    share = along.uniform(0.2, 0.8, most)
    priority = 1 + np.searchsorted(np.cumsum(model.priority_share)[:-1], ranks.random(most), side="right")
    on_scene = _minutes(scene, model.on_scene_min, most)
    handover = _minutes(handing, model.handover_min, most)
    transport = carry.random(most) < model.transport_share
    upgraded, cancelled, when = later.random(most), later.random(most), later.uniform(30.0, 150.0, most)
    names = tuple(model.needs_share)
    found = np.searchsorted(np.cumsum([model.needs_share[name] for name in names]), finding.random(most), side="right")
    calls = []
    for k in range(count):
        kerb = kerbs[at[k]]
        received_ms = span_ms[0] + round(float(arrivals_h[k]) * 3600) * 1000
        calls.append(
            Call(
                number=seed * _NUMBERS_A_SEED + k + 1,
                priority=int(priority[k]),
                determinant=int(priority[k]) - 1,
                kerb=_moved(kerb, float(share[k])),
                received_ms=received_ms,
                ready_ms=received_ms + round(model.call_taking_s) * 1000,
                on_scene_ms=int(on_scene[k]),
                transport=bool(transport[k]),
                handover_ms=int(handover[k]),
                needs=TREATS[names[found[k]]] if transport[k] and found[k] < len(names) else 0,
                upgraded_ms=_later(received_ms, when[k], priority[k] > 1 and upgraded[k] < model.upgraded_share),
                cancelled_ms=_later(received_ms, when[k], cancelled[k] < model.cancelled_share),
            )
        )
    return calls


def call_from_outside(told: TakeCall, model: CallsCase, kerbs: Sequence[Kerb], now_ms: int) -> Call:
    """Return a call that was taken down outside; what happens at it is the mean of what happens at others.

    It stands at the nearest road; at no road where it is far from all, or its place is not known.
    """
    kerb = Kerb("", 0, 0.0, math.nan, math.nan, -1, 0.0)
    if told.x_m is not None and told.y_m is not None:
        x_m, y_m = told.x_m, told.y_m
        kerb = Kerb("", 0, 0.0, x_m, y_m, -1, 0.0)
        nearest = min(kerbs, key=lambda one: math.hypot(one.x_m - x_m, one.y_m - y_m))
        if math.hypot(nearest.x_m - x_m, nearest.y_m - y_m) <= _OFF_ROADS_M:
            kerb = nearest
    return Call(
        number=told.call,
        priority=told.priority,
        determinant=told.determinant,
        kerb=kerb,
        received_ms=now_ms - round(told.waited_s * 1000),
        ready_ms=now_ms,
        on_scene_ms=round(model.on_scene_min[0] * _MINUTE_MS),
        transport=model.transport_share >= 0.5,
        handover_ms=round(model.handover_min[0] * _MINUTE_MS),
    )


def _moved(kerb: Kerb, share: float) -> Kerb:
    """Return another place on the same lane; its point on the map stays that of the middle."""
    room_m = min(8.0, kerb.edge_m / 3)
    at_m = min(max(share * kerb.edge_m, room_m), kerb.edge_m - room_m)
    return Kerb(kerb.edge, kerb.lane, at_m, kerb.x_m, kerb.y_m, kerb.row, kerb.edge_m)


def _later(received_ms: int, after_s: float, happens: bool) -> int:
    return received_ms + round(float(after_s)) * 1000 if happens else _NEVER_MS


def _minutes(rng: np.random.Generator, mean_and_spread: tuple[float, float], count: int) -> F64:
    """Return durations, none under half a minute. [ms]"""
    drawn: F64 = np.rint(np.maximum(rng.normal(*mean_and_spread, count), 0.5) * _MINUTE_MS)
    return drawn
