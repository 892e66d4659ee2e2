"""Signals: how well it went, from what the domain published.

What the brain knew, not what was: a scorecard of a twin is computed from the simulator's own outputs instead
(``docs/scorecard.md``). This is what a street has, where nobody writes a ``tripinfo.xml``.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from cityloop.domains.signals.schema import Lamp, SignalAssets, SignalView
from cityloop.kernel.columns import BOOL

__all__ = ["Scorecard", "score"]


@dataclass(frozen=True, slots=True)
class Scorecard:
    """Figures of all junctions over a window; NaN where nothing was known."""

    longest_red_s: float
    """Longest red of any link that some stage gives green, inside the window. [s]"""
    intergreen_frac: float
    """Share of the junctions' time in which no stage was shown. [1]"""
    changes_per_h: float
    """Greens begun, a junction. [1/h]"""
    sensing_dead_frac: float
    """Share of the junctions' time without trustworthy sensing. [1]"""


def score(assets: SignalAssets, window: Sequence[SignalView], period_s: float) -> Scorecard:
    """Score the views of a window, taken every ``period_s``.

    A red that began before the window counts from the window's begin, and a stage that came and went between
    two views is not seen.
    """
    if not window or len(window[0].stage) == 0:
        return Scorecard(math.nan, math.nan, math.nan, math.nan)
    stage = np.stack([view.stage for view in window])
    green_since_ms = np.stack([view.green_since_ms for view in window])
    dead = np.stack([view.sensing_dead for view in window])
    lamp = np.stack([view.lamp for view in window])
    red = (lamp != Lamp.PERMISSIVE) & (lamp != Lamp.PROTECTED)
    hours = (len(window) - 1) * period_s / 3600.0
    begun = int((np.diff(green_since_ms, axis=0) != 0).sum())
    return Scorecard(
        longest_red_s=_longest_run(red[:, _may_be_green(assets)]) * period_s,
        intergreen_frac=float((stage < 0).mean()),
        changes_per_h=begun / stage.shape[1] / hours if hours > 0 else math.nan,
        sensing_dead_frac=float(dead.mean()),
    )


def _may_be_green(assets: SignalAssets) -> BOOL:
    """Tell which links some stage gives green; the rest are red for ever, and that is no wait."""
    controllers = assets.controllers
    served = np.zeros(len(assets.links.junction), np.bool_)
    for j in range(len(controllers.link_begin)):
        links = slice(int(controllers.link_begin[j]), int(controllers.link_end[j]))
        n_links = links.stop - links.start
        n_stages = int(controllers.stage_end[j] - controllers.stage_begin[j])
        begin = int(controllers.lamps_begin[j])
        shown = assets.lamps[begin : begin + n_stages * n_links].reshape(n_stages, n_links)
        served[links] = ((shown == Lamp.PERMISSIVE) | (shown == Lamp.PROTECTED)).any(axis=0)
    return served


def _longest_run(held: BOOL) -> int:
    """Return the greatest number of rows in succession that hold, over all columns of shape (n_views, n)."""
    run = np.zeros(held.shape[1], np.int64)
    longest = 0
    for row in held:
        run = np.where(row, run + 1, 0)
        longest = max(longest, int(run.max(initial=0)))
    return longest
