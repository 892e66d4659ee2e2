"""The shadow back-test of a signal: sampled hours of the month served by the recorded greens and by the brain's.

Both serve the same recorded arrivals in the same queue model, hour by hour from empty, so that their difference is the
greens'. What it cannot tell is said with it: hours whose demand its detectors could not see whole are unsure.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import msgspec
import numpy as np

from cityloop.app import brain_of
from cityloop.domains.signals.schema import DOMAIN
from cityloop.kernel.columns import F64
from cityloop.kernel.layout import Layout
from cityloop.kernel.tick import Brain, start, tick
from cityloop.methods.statistics import compare_paired
from cityloop.studies.month.junction import Queues, RecordedSignal, recorded_layout
from cityloop.studies.month.phases import SignalPlan

__all__ = ["HourTest", "ShadowTest", "shadow_test"]

_HOUR_MS = 3_600_000
_SPEED_MPS = 13.4
_LEAST_VEH = 30
_FULL = 0.9


class HourTest(msgspec.Struct, frozen=True, kw_only=True):
    """One hour, served twice."""

    begin_ms: int
    vehicles: int
    recorded_s: float
    """Mean modelled delay of a vehicle under the recorded greens."""
    brain_s: float
    changes: int
    unsure: str
    """Why this hour proves little; empty where it may count."""


class ShadowTest(msgspec.Struct, frozen=True, kw_only=True):
    """What the brain would have done at one signal, over the hours that may count."""

    hours: tuple[HourTest, ...]
    n: int
    recorded_s: float | None
    brain_s: float | None
    difference_s: float | None
    low_s: float | None
    high_s: float | None
    verdict: str


def shadow_test(
    name: str,
    plan: SignalPlan,
    greens: Mapping[int, F64],
    arrivals: Mapping[int, F64],
    setback_m: Mapping[int, float],
    hours_ms: Sequence[int],
    gaps: Mapping[int, str],
) -> ShadowTest:
    """Serve hours twice and compare.

    Parameters
    ----------
    arrivals
        By phase: when its detectors saw a vehicle [ms], sorted.
    setback_m
        By phase: how far before the stop line they lie.
    hours_ms
        The hours' begins.
    gaps
        By hour: why its records are not whole.
    """
    layout = recorded_layout(name, plan, setback_m)
    brain = brain_of("brain")
    tested = tuple(
        _hour(plan, layout, brain, greens, arrivals, setback_m, begin_ms, gaps.get(begin_ms, ""))
        for begin_ms in hours_ms
    )
    sure = [one for one in tested if not one.unsure]
    if len(sure) < 2:
        return ShadowTest(
            hours=tested, n=len(sure), recorded_s=None, brain_s=None, difference_s=None, low_s=None, high_s=None,
            verdict="too few hours that may count",
        )  # fmt: skip
    found = compare_paired([one.brain_s for one in sure], [one.recorded_s for one in sure])
    interval = found.difference.interval
    return ShadowTest(
        hours=tested,
        n=found.n,
        recorded_s=round(found.theirs, 2),
        brain_s=round(found.ours, 2),
        difference_s=round(found.difference.mean, 2),
        low_s=None if interval is None else round(interval.low, 2),
        high_s=None if interval is None else round(interval.high, 2),
        verdict=found.verdict.value,
    )


def _hour(
    plan: SignalPlan,
    layout: Layout,
    brain: Brain,
    greens: Mapping[int, F64],
    arrivals: Mapping[int, F64],
    setback_m: Mapping[int, float],
    begin_ms: int,
    gap: str,
) -> HourTest:
    end_ms = begin_ms + _HOUR_MS
    seen = [_within(arrivals.get(phase, np.zeros(0)), begin_ms, end_ms) for phase in plan.phases]
    due = [
        times + setback_m.get(phase, 0.0) / _SPEED_MPS * 1000 for phase, times in zip(plan.phases, seen, strict=True)
    ]
    vehicles = sum(map(len, due))
    as_it_was = Queues.fed(due, seen)
    spans = [greens.get(phase, np.zeros((0, 2))) for phase in plan.phases]
    for now_ms in range(begin_ms + 1000, end_ms + 1, 1000):
        as_it_was.serve(float(now_ms), _green_at(spans, now_ms))
    by_brain, changes = _closed_loop(plan, layout, brain, due, seen, begin_ms, end_ms)
    capacity = _load(plan, spans, due, begin_ms, end_ms)
    unsure = gap or ("too few vehicles" if vehicles < _LEAST_VEH else "")
    if not unsure and capacity > _FULL:
        unsure = f"at {capacity:.0%} of capacity: queues beyond the detectors are not seen"
    return HourTest(
        begin_ms=begin_ms,
        vehicles=vehicles,
        recorded_s=round(as_it_was.total_s(end_ms) / max(vehicles, 1), 2),
        brain_s=round(by_brain.total_s(end_ms) / max(vehicles, 1), 2),
        changes=changes,
        unsure=unsure,
    )


def _closed_loop(
    plan: SignalPlan, layout: Layout, brain: Brain, due: list[F64], seen: list[F64], begin_ms: int, end_ms: int
) -> tuple[Queues, int]:
    """Let the brain itself, its forecast and its guard included, serve the queues."""
    queues = Queues.fed(due, seen)
    signal = RecordedSignal(layout, plan, queues, 0, begin_ms)
    state = start(brain, layout, begin_ms)
    for now_ms in range(begin_ms + 1000, end_ms + 1, 1000):
        ticked = tick(brain, state, signal.step(now_ms), (), now_ms)
        state = ticked.state
        command = next((one for one in ticked.commands if one.domain == DOMAIN), None)
        signal.apply(command, now_ms)
    return queues, signal.changes


def _green_at(spans: Sequence[F64], now_ms: int) -> dict[int, float]:
    """Return by row the begin of the green that covers the second before ``now_ms``."""
    found: dict[int, float] = {}
    for row, phase in enumerate(spans):
        at = int(np.searchsorted(phase[:, 0], now_ms, "left")) - 1
        if at >= 0 and phase[at, 1] > now_ms - 1000:
            found[row] = float(phase[at, 0])
    return found


def _load(plan: SignalPlan, spans: Sequence[F64], due: list[F64], begin_ms: int, end_ms: int) -> float:
    """Return the greatest share of its capacity that any phase was asked for."""
    most = 0.0
    for phase, times in zip(spans, due, strict=True):
        inside = np.clip(phase, begin_ms, end_ms)
        green_s = float(np.diff(inside)[:, 0].sum()) / 1000 if len(inside) else 0.0
        if len(times):
            most = max(most, len(times) * 2.0 / max(green_s, 1.0))
    return most


def _within(times: F64, begin_ms: int, end_ms: int) -> F64:
    return times[(times >= begin_ms) & (times < end_ms)]
