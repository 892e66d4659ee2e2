"""Traffic: how much moved and how much stood, from what the domain published.

What the brain knew, not what was: only vehicles that detectors saw are counted. A scorecard of a twin is computed
from the simulator's own outputs instead (``docs/scorecard.md``).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from cityloop.domains.traffic.schema import TrafficView

__all__ = ["STANDING_MPS", "Scorecard", "score"]

STANDING_MPS = 0.1
"""A slower vehicle stands, as in SUMO's waiting time. [m/s]"""


@dataclass(frozen=True, slots=True)
class Scorecard:
    """Figures of all approach lanes over a window; NaN where nothing was known."""

    flow_vph: float
    """Vehicles over all stop lines. [veh/h]"""
    standing_veh: float
    """Vehicles standing in the detection zones, mean over the window. [veh]"""
    heard_frac: float
    """Share of lanes and steps in which the lane's detector reported. [1]"""


def score(window: Sequence[TrafficView], period_s: float) -> Scorecard:
    """Score the views of a window, taken every ``period_s``.

    A lane whose detector is silent keeps its last scan, so read ``standing_veh`` beside ``heard_frac``.
    """
    if not window or len(window[0].count_veh) == 0:
        return Scorecard(math.nan, math.nan, math.nan)
    # NaN, where a lane has fewer objects than columns, is not slower than anything.
    standing = [int((view.speed_mps < STANDING_MPS).sum()) for view in window]
    hours = (len(window) - 1) * period_s / 3600.0
    if hours <= 0:
        return Scorecard(math.nan, float(np.mean(standing)), math.nan)
    left_veh = int((window[-1].left_veh - window[0].left_veh).sum())
    heard = np.diff(np.stack([view.seen_at_ms for view in window]), axis=0) > 0
    return Scorecard(left_veh / hours, float(np.mean(standing)), float(heard.mean()))
