"""What the demo's page says of its two halves: how each does, and what may be said of the difference while it runs.

A single pair of runs has no interval, so nothing here is called a gain. The page says which half lost less time so far,
and says even that only when ten minutes have passed and one half was ahead throughout the last five.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from cityloop.studies.demo import DemoOutcome, DemoSpec
from cityloop.studies.demo_run import MARK_EVERY_S, DemoTick

__all__ = ["HalvesTold", "difference_so_far"]

_LEAST_S = 600.0
_STEADY_S = 300.0


def difference_so_far(left_s: Sequence[float], right_s: Sequence[float]) -> dict[str, Any]:
    """Return what may be said of the mean delays at common half minutes: right less left.

    Parameters
    ----------
    left_s, right_s
        Mean delay so far at the end of each half minute; the shorter one says how far both have come. [s]
    """
    n = min(len(left_s), len(right_s))
    told: dict[str, Any] = {"verdict": "too early", "why": "young", "after_s": n * MARK_EVERY_S, "least_s": _LEAST_S}
    if n == 0:
        return {**told, "left_s": None, "right_s": None, "delay_s": None, "share": None}
    left, right = left_s[n - 1], right_s[n - 1]
    told |= {"left_s": left, "right_s": right, "delay_s": round(right - left, 2)}
    told["share"] = round((right - left) / left, 4) if left > 0 else None
    if n * MARK_EVERY_S < _LEAST_S:
        return told
    lately = [b - a for a, b in zip(left_s[:n], right_s[:n], strict=True)][-round(_STEADY_S / MARK_EVERY_S) :]
    if not (all(one < 0 for one in lately) or all(one > 0 for one in lately)):
        return {**told, "why": "changing"}
    return {**told, "verdict": "less" if lately[-1] < 0 else "more", "why": ""}


class HalvesTold:
    """Gathers what both arms say; asked by the page every other second."""

    def __init__(self, spec: DemoSpec) -> None:
        self._spec = spec
        self._latest: dict[str, DemoTick] = {}
        self._seed = spec.seeds[0]
        self._outcome: DemoOutcome | None = None
        self.report: Path | None = None

    def tick(self, tick: DemoTick) -> bool:
        """Take in what an arm says; return whether a new seed has begun."""
        new = tick.seed != self._seed
        if new:
            self._seed = tick.seed
            self._latest.clear()
        self._latest[tick.arm] = tick
        return new

    def finish(self, outcome: DemoOutcome, report: Path) -> None:
        """Every run is over and scored."""
        self._outcome, self.report = outcome, report

    def told(self) -> dict[str, Any]:
        """Return everything for the page."""
        spec = self._spec
        latest = {half: self._latest.get(arm) for half, arm in zip(("left", "right"), spec.arms, strict=True)}
        left, right = latest["left"], latest["right"]
        begun = left is not None and right is not None
        marks = [() if one is None else one.marks_s for one in (left, right)]
        n = min(map(len, marks))
        return {
            "state": "done" if self._outcome else "running" if begun else "starting",
            "seed": self._seed,
            "seeds": list(spec.seeds),
            "unplugged": {"begin_s": spec.blackout.begin_s, "end_s": spec.blackout.end_s},
            "minutes": spec.minutes,
            "halves": {half: self._half(arm, latest[half]) for half, arm in _sides(spec)},
            "difference": difference_so_far(*marks),
            "marks": {
                "every_s": MARK_EVERY_S,
                "left_s": list(marks[0][:n]),
                "right_s": list(marks[1][:n]),
            },
            "result": None if self._outcome is None else _result(self._outcome),
            "report": str(self.report) if self.report else None,
        }

    @staticmethod
    def _half(arm: str, tick: DemoTick | None) -> dict[str, Any]:
        if tick is None:
            return {"arm": arm, "now_s": None}
        own, led, back = tick.modes
        # SUMO writes its summary in blocks: before the first one nothing is known, which is not none.
        heard = bool(tick.vehicles or tick.marks_s)
        return {
            "arm": arm, "now_s": tick.now_s, "end_s": tick.end_s, "vehicles": tick.vehicles if heard else None,
            "standing": tick.standing if heard else None, "own": own, "led": led, "back": back,
            "unplugged": tick.unplugged, "decisions": tick.decisions,
        }  # fmt: skip


def _sides(spec: DemoSpec) -> tuple[tuple[str, str], tuple[str, str]]:
    return ("left", spec.baseline), ("right", spec.ours)


def _result(outcome: DemoOutcome) -> dict[str, Any]:
    """Return the scored comparison, measure by measure, in the summary's own words."""
    summary = outcome.summary
    return {
        "seeds": list(summary.seeds),
        "pairs": [
            {
                "measure": pair.measure,
                "label": pair.label,
                "unit": pair.unit,
                "left": pair.theirs_mean,
                "right": pair.ours_mean,
                "difference": pair.difference.mean,
                "low": pair.difference.low,
                "high": pair.difference.high,
                "verdict": pair.verdict,
            }
            for pair in summary.pairs
        ],
        "unsafe": {arm.arm: [arm.unsafe, arm.opportunities] for arm in summary.arms},
    }
