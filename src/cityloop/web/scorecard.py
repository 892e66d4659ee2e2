"""Figures of a recorded window, from what detectors and controllers said. No gain is claimed: nothing is compared."""

from __future__ import annotations

from typing import Any

import numpy as np

from cityloop.web.ports import CityFacts
from cityloop.web.why import Window

__all__ = ["scorecard_of"]

_INTERGREEN = 255
_NOTE = (
    "Sensed in the detection zones, or reported by controllers. These are levels, not gains: a gain comes only from "
    "paired twin runs (what-if) or a field trial."
)


def scorecard_of(city: CityFacts, window: Window) -> dict[str, Any]:
    """Return the figures of a window's recorded steps."""
    steps = [tick for tick in window.ticks if "stage" in tick.arrays and not tick.at_once]
    if len(steps) < 2:
        return {"window": None, "figures": [], "note": _NOTE}
    hours = (steps[-1].at_ms - steps[0].at_ms) / 3_600_000
    stage = np.stack([np.frombuffer(t.arrays["stage"], np.uint8) for t in steps])
    state = np.stack([np.frombuffer(t.arrays["state"], np.uint8) for t in steps])
    red_s = np.stack([np.frombuffer(t.arrays["red_s"], np.uint8) for t in steps])
    left = np.stack([np.frombuffer(t.arrays["left"], np.uint8) for t in steps]).astype(np.int64)
    standing = np.stack([np.frombuffer(t.arrays["standing"], np.uint8) for t in steps]).astype(np.int64)
    delay_vehs = float((window.delay * 1.0).sum()) if window.delay.size else 0.0
    vehicles = int(left.sum())
    greens = int(((stage[1:] != stage[:-1]) & (stage[1:] != _INTERGREEN)).sum())
    decisions = sum(len(t.decisions) for t in steps)
    late = np.array([t.late_ms for t in steps])
    by_hour = 1.0 / max(hours, 1e-9)
    figures = [
        _figure("flow", "Vehicles over stop lines", vehicles * by_hour, "veh/h", "more"),
        _figure("delay", "Delay sensed, a vehicle", delay_vehs / max(vehicles, 1), "s", "less"),
        _figure("standing", "Vehicles standing, mean", float(standing.sum(axis=1).mean()), "veh", "less"),
        _figure("longest_red", "Longest red of any link", float(red_s.max(initial=0)), "s", "less"),
        _figure("changes", "Greens begun, a junction", greens / max(stage.shape[1], 1) * by_hour, "1/h", ""),
        _figure("intergreen", "Time without a stage", float((stage == _INTERGREEN).mean() * 100), "%", "less"),
        _figure("leased", "Time led by the brain", float(((state & 3) == 1).mean() * 100), "%", ""),
        _figure("dead", "Time without trustworthy sensing", float(((state & 16) > 0).mean() * 100), "%", "less"),
        _figure("decisions", "Decisions", decisions * by_hour, "1/h", ""),
        _figure("late", "Tick late, worst", float(late.max(initial=0.0)), "ms", "less"),
    ]
    span = {"begin_ms": steps[0].at_ms, "end_ms": steps[-1].at_ms, "steps": len(steps)}
    return {"window": span, "figures": figures, "note": _NOTE, "label": city.label}


def _figure(key: str, label: str, value: float, unit: str, better: str) -> dict[str, Any]:
    return {
        "key": key,
        "label": label,
        "value": round(value, 2),
        "low": None,
        "high": None,
        "unit": unit,
        "better": better,
        "source": "sensed",
    }
