"""What a controller's events say: greens of each phase, stages, and how each detector behaves."""

from __future__ import annotations

import msgspec
import numpy as np

from cityloop.kernel.columns import F64, I64
from cityloop.studies.month.records import Events

__all__ = ["DetectorHealth", "SignalPlan", "detector_health", "greens_of", "plan_of"]

_GREEN, _YELLOW, _CLEAR, _END = 1, 8, 10, 11
_ON, _OFF = 82, 81
_DAY_MS = 86_400_000
_STUCK_S = 900.0
_CHATTER_PER_MIN = 60
_SILENT_H = 24.0
_LEAST_SHARE = 0.02


class SignalPlan(msgspec.Struct, frozen=True, kw_only=True):
    """A signal as its own events show it."""

    phases: tuple[int, ...]
    stages: tuple[tuple[int, ...], ...]
    """Sets of phases that were green together, those that cover the most time first."""
    min_green_s: tuple[float, ...]
    """By stage: the shortest greens that the controller gave (5th percentile), at least 5 s."""
    yellow_s: float
    all_red_s: float


class DetectorHealth(msgspec.Struct, frozen=True, kw_only=True):
    """How one detector behaved."""

    detector: int
    per_day: float
    stuck_h: float
    """Time within actuations longer than a quarter of an hour."""
    chatter_min: int
    """Minutes with more than 60 actuations."""
    longest_silence_h: float
    fit: bool
    """Whether it may be built on."""
    why: str


def greens_of(events: Events, signal: int) -> dict[int, F64]:
    """Return each phase's greens: begin and end [ms], shape (greens, 2). A green without an end is left out."""
    mine = events.signal == signal
    at_ms, code, param = events.at_ms[mine], events.code[mine], events.param[mine]
    greens: dict[int, F64] = {}
    for phase in np.unique(param[code == _GREEN]).tolist():
        begins = at_ms[(code == _GREEN) & (param == phase)]
        ends = at_ms[(code == _YELLOW) & (param == phase)]
        at = np.searchsorted(ends, begins, "right")
        known = at < len(ends)
        spans = np.stack([begins[known], ends[at[known]]], axis=1).astype(np.float64)
        # A begin that the next begin precedes its end by lost its own end.
        later = np.append(spans[1:, 0], np.inf)
        greens[phase] = spans[(spans[:, 1] <= later) & (spans[:, 1] - spans[:, 0] < 1_800_000)]
    return {phase: spans for phase, spans in greens.items() if len(spans)}


def plan_of(events: Events, signal: int, greens: dict[int, F64]) -> SignalPlan:
    """Return stages, least greens and changes as the events show them."""
    phases = tuple(sorted(greens))
    marks = sorted(
        (float(at), phase, begins)
        for phase, spans in greens.items()
        for span in spans
        for at, begins in ((span[0], True), (span[1], False))
    )
    together: dict[tuple[int, ...], float] = {}
    now: set[int] = set()
    last = marks[0][0] if marks else 0.0
    for at, phase, begins in marks:
        if now:
            key = tuple(sorted(now))
            together[key] = together.get(key, 0.0) + at - last
        (now.add if begins else now.discard)(phase)
        last = at
    total = sum(together.values()) or 1.0
    ranked = sorted(together, key=lambda key: (-together[key], key))
    stages = [key for key in ranked if together[key] / total >= _LEAST_SHARE]
    for phase in phases:
        if not any(phase in stage for stage in stages):
            stages.append(next(key for key in ranked if phase in key))
    shortest = {
        phase: max(float(np.quantile(np.diff(spans)[:, 0], 0.05)) / 1000, 5.0) for phase, spans in greens.items()
    }
    return SignalPlan(
        phases=phases,
        stages=tuple(stages),
        min_green_s=tuple(round(min(max(shortest[phase] for phase in stage), 15.0), 1) for stage in stages),
        yellow_s=_gap(events, signal, _YELLOW, (_CLEAR, _END), 3.0),
        all_red_s=_gap(events, signal, _CLEAR, (_END,), 2.0),
    )


def _gap(events: Events, signal: int, first: int, then: tuple[int, ...], usual_s: float) -> float:
    """Return the median time from one event of a phase to the next of others [s]."""
    mine = events.signal == signal
    at_ms, code, param = events.at_ms[mine], events.code[mine], events.param[mine]
    gaps: list[float] = []
    for phase in np.unique(param[code == first]).tolist():
        begins = at_ms[(code == first) & (param == phase)]
        ends = at_ms[np.isin(code, then) & (param == phase)]
        at = np.searchsorted(ends, begins, "right")
        known = at < len(ends)
        gaps += ((ends[at[known]] - begins[known]) / 1000).tolist()
    near = [gap for gap in gaps if 0.5 <= gap <= 12.0]
    return round(float(np.median(near)), 1) if len(near) >= 5 else usual_s


def detector_health(events: Events, signal: int, begin_ms: int, end_ms: int) -> tuple[DetectorHealth, ...]:
    """Judge every detector of a signal over the span of the records."""
    mine = events.signal == signal
    at_ms, code, param = events.at_ms[mine], events.code[mine], events.param[mine]
    numbers = np.unique(param[np.isin(code, (_ON, _OFF))]).tolist()
    return tuple(_health(number, *_of(at_ms, code, param, number), begin_ms, end_ms) for number in numbers)


def _of(at_ms: I64, code: I64, param: I64, number: int) -> tuple[I64, I64]:
    chosen = param == number
    return at_ms[chosen & (code == _ON)], at_ms[chosen & (code == _OFF)]


def _health(number: int, on_ms: I64, off_ms: I64, begin_ms: int, end_ms: int) -> DetectorHealth:
    days = max((end_ms - begin_ms) / _DAY_MS, 1e-6)
    at = np.searchsorted(off_ms, on_ms, "right")
    until = np.where(at < len(off_ms), off_ms[np.minimum(at, max(len(off_ms) - 1, 0))] if len(off_ms) else 0, on_ms)
    held_s = np.maximum(until - on_ms, 0) / 1000
    stuck_h = float(held_s[held_s > _STUCK_S].sum() / 3600)
    minutes = np.unique(on_ms // 60_000, return_counts=True)[1] if len(on_ms) else np.zeros(0)
    chatter = int((minutes > _CHATTER_PER_MIN).sum())
    gaps_h = np.diff(np.concatenate([[begin_ms], on_ms, [end_ms]])) / 3_600_000
    silence_h = float(gaps_h.max(initial=0.0))
    why = [
        text
        for wrong, text in (
            (stuck_h > 0.02 * days * 24, f"stuck on for {stuck_h:.1f} h"),
            (chatter > 5 * days, f"chatters in {chatter} minutes"),
            (silence_h > _SILENT_H, f"silent for {silence_h:.0f} h on end"),
            (len(on_ms) < 10 * days, "hardly ever actuated"),
        )
        if wrong
    ]
    return DetectorHealth(
        detector=number, per_day=round(len(on_ms) / days, 1), stuck_h=round(stuck_h, 2), chatter_min=chatter,
        longest_silence_h=round(silence_h, 1), fit=not why, why="; ".join(why),
    )  # fmt: skip
