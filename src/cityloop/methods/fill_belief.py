"""What is believed of fill levels: a histogram per container, from deposits that add up and readings that may lie.

Deposits of a span are gamma distributed with a given mean and variance; a level sensor either works (reading = level
plus noise, rounded) or does not (any reading is as likely as any other). The filter carries both hypotheses, so a
sensor that contradicts what is known of its container loses its voice by Bayes' rule and wins it back the same way.

References
----------
.. [1] Abdel-Hameed, M. (1975). A gamma wear process. IEEE Trans. Reliability 24, 152-153.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
from numba import njit
from scipy.special import gammainc, ndtr

from cityloop.kernel.columns import BOOL, F64, I64

__all__ = [
    "CELLS",
    "FULL_CELL",
    "WIDTH",
    "Belief",
    "SensorParams",
    "chance_full",
    "deposit",
    "emptied",
    "fresh",
    "sense",
]

FULL_CELL = 32
"""Cells below this one are less than full."""
CELLS = 49
"""The last cell takes all that is beyond 1.5 times full."""
WIDTH = 1.0 / FULL_CELL
_CENTRES = (np.arange(CELLS) + 0.5) * WIDTH
_EDGES = np.arange(CELLS) * WIDTH

Histogram = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True)
class SensorParams:
    """How level sensors err."""

    noise_frac: float = 0.04
    """Standard deviation of a working sensor. [1]"""
    step_frac: float = 0.0
    """Readings are multiples of this; 0 for a sensor that does not round. [1]"""
    fault_prior: float = 0.02
    """Share of sensors that do not work."""
    break_per_day: float = 0.002
    """Chance that a working sensor stops working within a day."""
    mend_per_day: float = 0.005
    """Chance that a broken one works again."""
    weight_noise: float = 0.10
    """Relative standard deviation between what a truck's scale says and the fill: density differs from load to load."""

    def __post_init__(self) -> None:
        if not 0 < self.noise_frac < 1 or not 0 <= self.fault_prior < 1:
            raise ValueError(f"A sensor's noise must lie in (0, 1) and its fault prior in [0, 1): {self}.")


@dataclass(frozen=True, slots=True)
class Belief:
    """What is believed of every container at one instant."""

    level: Histogram
    """Probability by cell of fill, shape (n, CELLS)."""
    faulty: F64
    """Probability that the container's sensor does not work, shape (n,)."""
    last: F64
    """The sensor's last words, NaN before the first, shape (n,). [1]"""
    silent_days: F64
    """Since the sensor was heard, shape (n,). [d]"""

    def mean(self) -> F64:
        """Return the expected fill, shape (n,). [1]"""
        expected: F64 = self.level @ _CENTRES
        return expected

    def voice(self) -> F64:
        """Return how far the sensor is to be heeded: not when it is silent for a day and a half, nor when it lies."""
        return np.asarray(np.where(self.silent_days > 1.5, 0.0, 1.0 - self.faulty))

    def full(self) -> F64:
        """Return the probability of being full already, shape (n,)."""
        share: F64 = self.level[:, FULL_CELL:].sum(axis=1)
        return share


def fresh(containers: int, params: SensorParams) -> Belief:
    """Return the belief of containers just emptied."""
    level = np.zeros((containers, CELLS))
    level[:, 0] = 1.0
    return Belief(level, np.full(containers, params.fault_prior), np.full(containers, np.nan), np.zeros(containers))


def _below(mean: F64, variance: F64, cells: int) -> Histogram:
    """Return the chance that a deposit moves a level by so many cells or fewer: shape (n, cells)."""
    mean = np.maximum(mean, 1e-9)
    scale = np.maximum(variance, 1e-9) / mean
    shape = mean / scale
    # Half a cell is taken off: a deposit of less than half a cell leaves a level where it is.
    return np.asarray(gammainc(shape[:, None], (_EDGES[:cells] + 0.5 * WIDTH)[None, :] / scale[:, None]))


def _steps(mean: F64, variance: F64) -> Histogram:
    """Return the chance that a deposit moves a level by so many cells: shape (n, CELLS)."""
    below = _below(mean, variance, CELLS)
    steps = np.diff(below, axis=1, prepend=0.0)
    steps[:, -1] = 1.0 - below[:, -2]
    return np.asarray(steps)


@njit(cache=True)
def _add(level: Histogram, steps: Histogram) -> Histogram:
    n, cells = level.shape
    out = np.zeros((n, cells))
    for c in range(n):
        for g in range(cells):
            share = level[c, g]
            if share < 1e-12:
                continue
            for k in range(cells):
                out[c, min(g + k, cells - 1)] += share * steps[c, k]
    return out


@njit(cache=True)
def _reach(level: Histogram, beyond: Histogram, full: int) -> F64:
    """Chance to be full: level ``g`` needs at least ``full - g`` cells; ``beyond[c, k]`` is the chance of k or more."""
    n, cells = level.shape
    out = np.zeros(n)
    for c in range(n):
        total = 0.0
        for g in range(cells):
            total += level[c, g] * (1.0 if g >= full else beyond[c, full - g])
        out[c] = total
    return out


def deposit(belief: Belief, mean: F64, variance: F64, days: float, params: SensorParams) -> Belief:
    """Let a span pass in which the given amounts are expected to be thrown in. [1]"""
    faulty = belief.faulty
    stays = (1.0 - params.mend_per_day) ** days
    faulty = faulty * stays + (1.0 - faulty) * (1.0 - (1.0 - params.break_per_day) ** days)
    return Belief(_add(belief.level, _steps(mean, variance)), faulty, belief.last, belief.silent_days + days)


def chance_full(belief: Belief, mean: F64, variance: F64) -> F64:
    """Return the probability of being full once the given amounts have been thrown in, shape (n,)."""
    # An empty container is full by as many cells as there are below full; what lies beyond makes no difference.
    beyond = np.concatenate([np.ones((len(mean), 1)), 1.0 - _below(mean, variance, FULL_CELL)], axis=1)
    return _reach(belief.level, np.clip(beyond, 0.0, 1.0), FULL_CELL)


def emptied(belief: Belief, rows: I64 | BOOL) -> Belief:
    """Return the belief after some containers were emptied."""
    level = belief.level.copy()
    level[rows] = 0.0
    level[rows, 0] = 1.0
    return replace(belief, level=level)


def sense(belief: Belief, reading: F64, params: SensorParams) -> Belief:
    """Take one reading a container; NaN where the sensor said nothing.

    Parameters
    ----------
    reading
        Fill by the sensor, shape (n,). [1]
    """
    heard = np.flatnonzero(~np.isnan(reading))
    if not len(heard):
        return belief
    said = np.minimum(reading[heard], (CELLS - 0.5) * WIDTH)[:, None]
    half = max(0.5 * params.step_frac, 0.5 * WIDTH)
    high, low = said + half, said - half
    # A reading at the bottom or the top of the scale stands for everything beyond it.
    high = np.where(said >= _CENTRES[-1] - WIDTH, np.inf, high)
    low = np.where(said <= half, -np.inf, low)
    fits = ndtr((high - _CENTRES) / params.noise_frac) - ndtr((low - _CENTRES) / params.noise_frac)
    prior = belief.level[heard]
    working = (prior * fits).sum(axis=1)
    # Broken sensors either say anything or repeat themselves; a working one seldom says the very same while it fills.
    same = np.abs(reading[heard] - belief.last[heard]) < 1e-9
    anything = 0.5 * min(2.0 * half / (CELLS * WIDTH), 1.0) + 0.5 * same
    broken = belief.faulty[heard]
    weight_working, weight_broken = (1.0 - broken) * working, broken * anything
    total = np.maximum(weight_working + weight_broken, 1e-300)
    after = np.clip(weight_broken / total, 1e-6, 1.0 - 1e-6)
    posterior = prior * fits / np.maximum(working, 1e-300)[:, None]
    # Where no cell fits at all, the reading teaches nothing but that the sensor is broken.
    posterior = np.where((working > 1e-200)[:, None], posterior, prior)
    level, faulty = belief.level.copy(), belief.faulty.copy()
    level[heard] = (1.0 - after)[:, None] * posterior + after[:, None] * prior
    faulty[heard] = after
    last, silent = belief.last.copy(), belief.silent_days.copy()
    last[heard], silent[heard] = reading[heard], 0.0
    return Belief(level, faulty, last, silent)
