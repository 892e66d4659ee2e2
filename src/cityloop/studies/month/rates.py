"""Rates by day and hour: what can be expected, how sure that is, and whether days held back agree.

The mean of each slot of the day, weekdays and weekends apart, is learned on the first days; how far off it is on the
next days gives the width of the interval (split conformal prediction); the last days tell whether both hold. On
exchangeable days the interval covers at least its nominal share, whatever the counts are distributed like.

References
----------
.. [1] Lei, J., G'Sell, M., Rinaldo, A., Tibshirani, R. J. and Wasserman, L. (2018). Distribution-free predictive
   inference for regression. JASA, 113(523), 1094-1111. doi:10.1080/01621459.2017.1307116
"""

from __future__ import annotations

import math

import msgspec
import numpy as np

from cityloop.kernel.columns import BOOL, F64

__all__ = ["NOMINAL", "RateCertificate", "certify_rates", "expected_rates"]

NOMINAL = 0.90
"""Share of held-out values that an interval shall cover."""
_LEAST_DAYS = 9


class RateCertificate(msgspec.Struct, frozen=True, kw_only=True):
    """How well rates are known; None where days are too few to say."""

    days: int
    learned_days: int
    checked_days: int
    n: int
    """Held-out values."""
    mean: float | None
    bias: float | None
    mae: float | None
    mase: float | None
    """Mean absolute error against repeating the same slot of the last like day; below 1 is better than that."""
    coverage: float | None
    nominal: float = NOMINAL
    half_width: float | None = None
    """Of the interval, at the mean rate."""
    calibrated: bool = False
    """Whether the interval covers what it says, by the exact binomial bound at 1 in 1,000."""


def certify_rates(values: F64, weekend: BOOL) -> RateCertificate:
    """Certify the rates of streams.

    Parameters
    ----------
    values
        Counts, shape (streams, days, slots); NaN where nothing was recorded.
    weekend
        Per day.
    """
    _, days, _ = values.shape
    if days < _LEAST_DAYS:
        return RateCertificate(
            days=days, learned_days=0, checked_days=0, n=0, mean=None, bias=None, mae=None, mase=None, coverage=None
        )
    learned, until = days // 2, days - max(days // 4, 2)
    mean = expected_rates(values[:, :learned], weekend[:learned])[:, weekend.astype(np.intp)]
    scale = np.sqrt(mean + 1.0)
    score = np.abs(values - mean) / scale
    width = _quantile(score[:, learned:until])
    held, foreseen = values[:, until:], mean[:, until:]
    known = np.isfinite(held) & np.isfinite(foreseen)
    n = int(known.sum())
    if n == 0 or not math.isfinite(width):
        return RateCertificate(
            days=days, learned_days=learned, checked_days=days - until, n=n, mean=None, bias=None, mae=None, mase=None,
            coverage=None,
        )  # fmt: skip
    error = held - foreseen
    naive = np.abs(held - _last_like_day(values, weekend)[:, until:])
    covered = (score[:, until:] <= width)[known]
    mae, mae_naive = float(np.abs(error)[known].mean()), float(np.nanmean(naive)) if np.isfinite(naive).any() else 0.0
    coverage = float(covered.mean())
    middle = float(foreseen[known].mean())
    return RateCertificate(
        days=days,
        learned_days=learned,
        checked_days=days - until,
        n=n,
        mean=round(middle, 3),
        bias=round(float(error[known].mean()), 3),
        mae=round(mae, 3),
        mase=round(mae / mae_naive, 3) if mae_naive > 0 else None,
        coverage=round(coverage, 4),
        half_width=round(width * math.sqrt(middle + 1.0), 3),
        calibrated=_covers(int(covered.sum()), n),
    )


def expected_rates(values: F64, weekend: BOOL) -> F64:
    """Return the mean of each slot, shape (streams, 2, slots): weekdays, then weekends; one stands in for the other."""
    streams, _, slots = values.shape
    means = np.full((streams, 2, slots), np.nan)
    for which in (0, 1):
        part = values[:, weekend == bool(which)]
        known = np.isfinite(part).sum(axis=1)
        means[:, which] = np.where(known > 0, np.nansum(part, axis=1) / np.maximum(known, 1), np.nan)
    return np.where(np.isfinite(means), means, means[:, ::-1])


def _quantile(scores: F64) -> float:
    """Return the conformal quantile: the ceil((n + 1) * nominal)-th smallest."""
    known = np.sort(scores[np.isfinite(scores)])
    rank = math.ceil((len(known) + 1) * NOMINAL)
    return math.nan if len(known) == 0 else float(known[min(rank, len(known)) - 1])


def _last_like_day(values: F64, weekend: BOOL) -> F64:
    last = np.full_like(values, np.nan)
    for day in range(values.shape[1]):
        before = [one for one in range(day) if weekend[one] == weekend[day]]
        if before:
            last[:, day] = values[:, before[-1]]
    return last


def _covers(hits: int, n: int) -> bool:
    """Tell whether so few hits could still come from an interval that covers its nominal share."""
    from scipy.special import bdtr

    # Days are not independent of one another: one in 1,000 leaves room for that, and is still a test that can fail.
    return bool(bdtr(hits, n, NOMINAL) > 0.001)
