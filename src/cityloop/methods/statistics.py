"""Means, percentiles and paired comparisons with their intervals.

Runs of two controls on the same seed share their demand, so they are compared seed by seed: the difference
within a pair is far steadier than the two means. Intervals are Student's t, which asks that the differences
be roughly normal; with the 5 to 30 seeds of a study that is the sound choice. A bootstrap is better where
there are 30 pairs or more and the differences are plainly skewed (a gridlocked seed among calm ones); with
fewer pairs it gives intervals that are too narrow.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum

__all__ = [
    "Comparison",
    "Interval",
    "MeanInterval",
    "Verdict",
    "compare_paired",
    "fieller_ratio",
    "mean_interval",
    "nearest_rank",
    "t_quantile",
    "verdict_words",
]

LEVEL = 0.95
"""Confidence of every interval unless another is asked for."""


@dataclass(frozen=True, slots=True)
class Interval:
    """A two-sided confidence interval."""

    low: float
    high: float

    def excludes(self, value: float) -> bool:
        """Tell whether ``value`` lies outside."""
        return value < self.low or value > self.high


@dataclass(frozen=True, slots=True)
class MeanInterval:
    """A mean and how well it is known."""

    n: int
    mean: float
    interval: Interval | None
    """None for a single value: one run says nothing of the spread."""


class Verdict(Enum):
    """What a paired comparison allows to be said."""

    BETTER = "better"
    WORSE = "worse"
    NO_CLEAR_DIFFERENCE = "no clear difference"
    UNDECIDED = "undecided"
    """One pair only: no interval, so no verdict."""


@dataclass(frozen=True, slots=True)
class Comparison:
    """Two arms over the same seeds; of the measure, less is better."""

    n: int
    ours: float
    theirs: float
    difference: MeanInterval
    """Ours less theirs: below zero is better."""

    gain_frac: float | None
    """1 - ours / theirs (ratio of the means); None where theirs is zero."""

    gain_interval: Interval | None
    """By Fieller; None for one pair, or where theirs is too near zero for a bounded interval."""

    worst: int
    """Index of the pair in which ours does worst against theirs."""

    verdict: Verdict


def nearest_rank(values: Sequence[float], share: float) -> float:
    """Return the nearest-rank percentile: the least value with at least ``share`` of all at or below it.

    Parameters
    ----------
    values
        In any order, at least one.
    share
        Above 0, at most 1; 0.95 for the 95th percentile.
    """
    if not values or not 0.0 < share <= 1.0:
        raise ValueError(f"A percentile needs values and a share in (0, 1], not {len(values)} and {share}.")
    # The subtraction undoes the rounding of products such as 0.95 * 20, which must be rank 19 and not 20.
    rank = math.ceil(share * len(values) - 1e-9)
    return sorted(values)[max(rank, 1) - 1]


def t_quantile(share: float, degrees: int) -> float:
    """Return Student's t quantile."""
    # Imported here: it costs a third of a second, and most callers never compare.
    from scipy.special import stdtrit

    return float(stdtrit(degrees, share))


def mean_interval(values: Sequence[float], level: float = LEVEL) -> MeanInterval:
    """Return the mean with its Student's t interval."""
    n = len(values)
    if n == 0:
        raise ValueError("A mean needs at least one value.")
    mean = math.fsum(values) / n
    if n == 1:
        return MeanInterval(1, mean, None)
    half = t_quantile(0.5 + level / 2, n - 1) * math.sqrt(_variance(values, mean) / n)
    return MeanInterval(n, mean, Interval(mean - half, mean + half))


def fieller_ratio(ours: Sequence[float], theirs: Sequence[float], level: float = LEVEL) -> Interval | None:
    """Return the interval of mean(ours) / mean(theirs) over pairs, None where it is unbounded.

    It holds exactly those ratios r for which a paired t test does not reject mean(ours - r * theirs) = 0; so
    it excludes 1 exactly when the interval of the differences excludes 0.

    References
    ----------
    .. [1] Fieller, E. C. (1954). Some problems in interval estimation. J. R. Stat. Soc. B, 16, 175-185.
    """
    n = _pairs(ours, theirs)
    if n < 2:
        return None
    mean_a, mean_b = math.fsum(ours) / n, math.fsum(theirs) / n
    var_a, var_b = _variance(ours, mean_a), _variance(theirs, mean_b)
    cov = math.fsum((a - mean_a) * (b - mean_b) for a, b in zip(ours, theirs, strict=True)) / (n - 1)
    t2_n = t_quantile(0.5 + level / 2, n - 1) ** 2 / n
    square = mean_b * mean_b - t2_n * var_b
    if square <= 0.0:
        return None
    half_linear = mean_a * mean_b - t2_n * cov
    constant = mean_a * mean_a - t2_n * var_a
    root = math.sqrt(max(half_linear * half_linear - square * constant, 0.0))
    return Interval((half_linear - root) / square, (half_linear + root) / square)


def compare_paired(ours: Sequence[float], theirs: Sequence[float], level: float = LEVEL) -> Comparison:
    """Compare two arms whose values at the same index come from the same seed; less is better."""
    n = _pairs(ours, theirs)
    differences = [a - b for a, b in zip(ours, theirs, strict=True)]
    difference = mean_interval(differences, level)
    mean_a, mean_b = math.fsum(ours) / n, math.fsum(theirs) / n
    ratio = fieller_ratio(ours, theirs, level)
    return Comparison(
        n=n,
        ours=mean_a,
        theirs=mean_b,
        difference=difference,
        gain_frac=None if mean_b == 0.0 else 1.0 - mean_a / mean_b,
        gain_interval=None if ratio is None else Interval(1.0 - ratio.high, 1.0 - ratio.low),
        worst=max(range(n), key=differences.__getitem__),
        verdict=_verdict(difference),
    )


def verdict_words(comparison: Comparison, ours: str, theirs: str, unit: str = "s") -> str:
    """Say in one sentence what a comparison allows to be said."""
    gain, interval = comparison.gain_frac, comparison.gain_interval
    between = comparison.difference.interval
    if comparison.verdict is Verdict.UNDECIDED or between is None:
        return f"{ours} against {theirs}: one seed only, so no interval and no verdict"
    if comparison.verdict is Verdict.NO_CLEAR_DIFFERENCE:
        span = f"{between.low:+.1f} to {between.high:+.1f} {unit}"
        return f"no clear difference between {ours} and {theirs} (95 % CI of the difference {span})"
    sign = 1.0 if comparison.verdict is Verdict.BETTER else -1.0
    if gain is None or interval is None:
        span = f"{between.low:+.1f} to {between.high:+.1f} {unit}"
        by = f"{abs(comparison.difference.mean):.1f} {unit} (95 % CI of the difference {span})"
    else:
        low, high = sorted((sign * interval.low, sign * interval.high))
        by = f"{_percent(sign * gain)} (95 % CI {_percent(low)} to {_percent(high)})"
    return f"{ours} is {comparison.verdict.value} than {theirs} by {by}"


def _percent(share: float) -> str:
    return f"{100 * share:.1f} %"


def _verdict(difference: MeanInterval) -> Verdict:
    interval = difference.interval
    if interval is None:
        return Verdict.UNDECIDED
    if not interval.excludes(0.0):
        return Verdict.NO_CLEAR_DIFFERENCE
    return Verdict.BETTER if difference.mean < 0.0 else Verdict.WORSE


def _pairs(ours: Sequence[float], theirs: Sequence[float]) -> int:
    if len(ours) != len(theirs) or not ours:
        raise ValueError(f"A paired comparison needs equal numbers of values, not {len(ours)} and {len(theirs)}.")
    return len(ours)


def _variance(values: Sequence[float], mean: float) -> float:
    return math.fsum((value - mean) ** 2 for value in values) / (len(values) - 1)
