"""Calls of a seed: drawn once, the same for every arm."""

from __future__ import annotations

from dataclasses import dataclass, fields

import numpy as np

from cityloop.cities.events.case import EmergencyCase, snap
from cityloop.kernel.columns import BOOL, F64, I32, I64

__all__ = ["Calls", "draw_calls", "take_calls"]

DAY_MS = 86_400_000


@dataclass(frozen=True, slots=True)
class Calls:
    """Calls in order of arrival, with what will happen at them; a policy never sees what is still to come."""

    received_ms: I64
    """When the call was answered."""
    ready_ms: I64
    """Earliest dispatch."""
    priority: I32
    x_m: F64
    y_m: F64
    node: I32
    offroad_m: F64
    on_scene_ms: I64
    transport: BOOL
    handover_ms: I64
    needs: I32
    """Bits of capability that the unit must have."""
    patient_needs: I32
    """Bits of what the patient needs of a hospital, known once a crew is there; 0 for the ordinary."""

    def __len__(self) -> int:
        """Return the number of calls."""
        return len(self.received_ms)


def draw_calls(
    case: EmergencyCase,
    seed: int,
    days: float,
    begin_ms: int = 0,
    demand: float = 1.0,
    priority_share: F64 | None = None,
) -> Calls:
    """Draw a seed's calls.

    Each quantity has a generator of its own, so that another demand or priority mix leaves the other draws alone.

    Parameters
    ----------
    case
        The city and its call model.
    seed
        Any whole number; the same seed gives the same calls to every arm.
    days
        How long calls arrive.
    begin_ms
        When the first day begins. [ms]
    demand
        Factor on the arrival rate.
    priority_share
        Another priority mix than the model's own.

    """
    model = case.calls
    gaps, ranks, cells, within, taking, scene, carry, handing = (
        np.random.default_rng(child) for child in np.random.SeedSequence(seed).spawn(8)
    )
    rate = model.per_day * demand
    arrivals = np.cumsum(gaps.exponential(1.0 / rate, int(rate * days * 1.2 + 60 + 10 * (rate * days) ** 0.5)))
    received_ms = begin_ms + np.rint(arrivals[arrivals < days] * DAY_MS).astype(np.int64)
    count = len(received_ms)
    share = model.priority_share if priority_share is None else priority_share
    cell = np.searchsorted(np.cumsum(model.cell_weight / model.cell_weight.sum())[:-1], cells.random(count))
    x_m = model.cell_x_m[cell] + within.random(count) * model.cell_width_m[cell]
    y_m = model.cell_y_m[cell] + within.random(count) * model.cell_height_m
    node, offroad_m = snap(case.roads, x_m, y_m)
    return Calls(
        received_ms=received_ms,
        ready_ms=received_ms + _ms(model.call_taking.draw_s(taking, count)),
        priority=(1 + np.searchsorted(np.cumsum(share)[:-1], ranks.random(count), side="right")).astype(np.int32),
        x_m=x_m,
        y_m=y_m,
        node=node,
        offroad_m=offroad_m,
        on_scene_ms=_ms(model.on_scene.draw_s(scene, count)),
        transport=carry.random(count) < model.transport_share,
        handover_ms=_ms(model.handover.draw_s(handing, count)),
        needs=np.zeros(count, np.int32),
        patient_needs=np.zeros(count, np.int32),
    )


def take_calls(calls: Calls, rows: I64) -> Calls:
    """Return some of the calls, in the order given."""
    return Calls(**{field.name: getattr(calls, field.name)[rows] for field in fields(Calls)})


def _ms(durations_s: F64) -> I64:
    return np.rint(durations_s * 1000.0).astype(np.int64)
