"""A run that is led as a city is led now: holds, manual plans and releases in force, and how far the ladder trusts.

People's acts go with every control, a plan included: then the brain decides in shadow, and only they act.
"""

from __future__ import annotations

import dataclasses
from functools import partial
from pathlib import Path

import msgspec
import numpy as np

from cityloop.app import LEASED_ARMS, RunSpec, brain_of
from cityloop.app.twin_child import Steers
from cityloop.app.what_if_now import LEARNED
from cityloop.cities.sumo.start_file import read_struct
from cityloop.domains.signals.schema import DOMAIN
from cityloop.domains.traffic.schema import DOMAIN as TRAFFIC
from cityloop.engine.inline import Begun
from cityloop.kernel.ladder import Rung
from cityloop.kernel.layout import Layout
from cityloop.kernel.tick import Brain, BrainState
from cityloop.wire.live import Order, Steering

__all__ = ["MEMORY_FILE", "begun_as", "of_run"]

MEMORY_FILE = "memory.npz"
"""In the folder of a start."""


def of_run(steering: Steering, control: str, live_ms: int, begin_ms: int, *, rungs: bool) -> Steering:
    """Return what people have set on the clock of a run that begins now.

    Parameters
    ----------
    rungs
        Whether the ladder stands as it stands now; otherwise the run's own control leads everywhere.
    """
    kept = tuple(_moved(order, begin_ms - live_ms) for order in steering.orders if order.kind != "replan")
    return msgspec.structs.replace(
        steering,
        orders=kept,
        calls=(),
        unplugged_until_ms=0,
        rungs=steering.rungs if rungs else _all(steering, control in LEASED_ARMS),
    )


def _all(steering: Steering, led: bool) -> dict[str, dict[int, int]]:
    """Return the ladder of a control that leads everywhere; services always act by it."""
    found = {domain: dict.fromkeys(own, int(Rung.LIVE)) for domain, own in steering.rungs.items()}
    if not led:
        found[DOMAIN] = dict.fromkeys(found.get(DOMAIN, {}), int(Rung.SHADOW))
    return found


def _moved(order: Order, by_ms: int) -> Order:
    return msgspec.structs.replace(
        order, placed_at_ms=order.placed_at_ms + by_ms, expires_at_ms=order.expires_at_ms + by_ms
    )


def begun_as(spec: RunSpec, layout: Layout) -> tuple[Brain, Begun]:
    """Return the brain that leads a run, the tables it keeps to, what people ask of it and what it remembers."""
    memory = None if spec.start is None else spec.start / MEMORY_FILE
    remembered = _same if memory is None or not memory.is_file() else partial(_with_memory, memory)
    brain = brain_of(spec.control, layout)
    if spec.acts is None:
        return brain, Begun(layout=layout, remembered=remembered)
    if DOMAIN not in brain.arms:
        # It only watches: its rung is shadow, and people's acts pass the gate on every rung.
        brain = dataclasses.replace(brain, arms={**brain.arms, DOMAIN: "brain"})
    steered = Steers(spec.control, layout, brain)(read_struct(spec.acts, Steering), brain.epoch)
    return steered.brain, Begun(layout=steered.layout, requests=steered.requests, remembered=remembered)


def _with_memory(file: Path, state: BrainState) -> BrainState:
    """Return a state that begins with what was learned, where it is of the same tables."""
    traffic = state.domains[TRAFFIC]
    with np.load(file) as kept:
        blocks = {name: kept[name] for name in LEARNED}
    if any(getattr(traffic, name).shape != block.shape for name, block in blocks.items()):
        return state
    learned = msgspec.structs.replace(traffic, **blocks)
    return msgspec.structs.replace(state, domains={**state.domains, TRAFFIC: learned})


def _same(state: BrainState) -> BrainState:
    return state
