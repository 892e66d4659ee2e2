"""How fast containers fill: a gamma rate per container under a common calendar, learned from what was found in them.

The rate of container c is gamma with shape ``amount`` and inverse scale ``exposure``, both forgotten at a half-life and
drawn towards its group, so that a new or seldom seen container starts as its group does and drifts are followed. The
calendar (weekday times a common level that follows the season) is shared; the variance of a deposit is proportional
to its mean, plus what is not known of the rate and how it wanders.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from cityloop.kernel.columns import F64, I64

__all__ = [
    "RateParams",
    "Rates",
    "dispersion_of",
    "expected",
    "learn",
    "learned_best",
    "start_rates",
    "weekday_factors",
]


@dataclass(frozen=True, slots=True, kw_only=True)
class RateParams:
    """How rates are learned."""

    prior_days: float = 4.0
    """The group counts as much as so many days of a container's own history. [d]"""
    half_life_days: float = 60.0
    """After so many days a finding counts half. [d]"""
    swing: float = 0.2
    """Relative standard deviation by which a container's rate wanders over some days."""
    level_gain: float = 0.03
    """Share of a day's surprise, over all containers emptied, by which the common level moves."""
    dispersion_gain: float = 0.05
    """Share by which a container's scatter is learned anew from each finding."""

    def __post_init__(self) -> None:
        if self.prior_days <= 0 or self.half_life_days <= 0 or not 0 <= self.level_gain < 1:
            raise ValueError(f"Prior and half-life must be positive and the gain in [0, 1): {self}.")


@dataclass(frozen=True, slots=True)
class Rates:
    """What is known of every container's rate."""

    amount: F64
    """Found so far, discounted, shape (n,). [1]"""
    exposure: F64
    """In so many days of the common calendar, discounted, shape (n,). [d]"""
    group_rate: F64
    """Where the container is drawn to, shape (n,). [1/d]"""
    weekday: F64
    """Factor by weekday, Monday first, of mean 1, shape (7,)."""
    level: float
    """Common level: 1 is as learned at the start."""
    dispersion: F64
    """Variance of a deposit over its mean, shape (n,). [1]"""
    params: RateParams

    def rate(self) -> F64:
        """Return the expected deposit on a day of calendar 1, shape (n,). [1/d]"""
        prior = self.params.prior_days
        mean: F64 = (self.amount + prior * self.group_rate) / (self.exposure + prior)
        return mean


def start_rates(group_rate: F64, dispersion: F64, weekday: F64, params: RateParams) -> Rates:
    """Return rates before anything was found."""
    n = len(group_rate)
    return Rates(np.zeros(n), np.zeros(n), group_rate, weekday / weekday.mean(), 1.0, dispersion, params)


def expected(rates: Rates, exposure: F64 | float, found: F64, since: F64) -> tuple[F64, F64]:
    """Return mean and variance of what is thrown in over ``exposure`` days of the calendar.

    Parameters
    ----------
    found, since
        What is believed to lie in the container, and the calendar days it took: evidence that is not yet learned.
    """
    prior = rates.params.prior_days
    amount = rates.amount + prior * rates.group_rate + found
    seen = rates.exposure + prior + since
    mean = amount / seen * exposure * rates.level
    unsure = rates.dispersion / np.maximum(amount, 1e-9) + rates.params.swing**2
    return mean, rates.dispersion * mean + unsure * np.square(mean)


def learn(rates: Rates, rows: I64, found: F64, since: F64) -> Rates:
    """Learn from containers that were emptied: what was found, and the calendar days it took to gather.

    ``since`` is counted at level 1 (weekday factors only); the common level is learned from all rows together.
    """
    usable = (since > 0.25) & ~np.isnan(found)
    rows, found, since = rows[usable], found[usable], since[usable]
    if not len(rows):
        return rates
    awaited = float((rates.rate()[rows] * since).sum()) * rates.level
    surprise = float(found.sum()) / max(awaited, 1e-9)
    # One day's round weighs by how many were emptied: a single container must not move the whole city.
    gain = rates.params.level_gain * len(rows) / (len(rows) + 20.0)
    level = float(np.clip(rates.level * (1.0 + gain * (surprise - 1.0)), 0.3, 3.0))
    kept = 0.5 ** (since / rates.params.half_life_days)
    amount, exposure, dispersion = rates.amount.copy(), rates.exposure.copy(), rates.dispersion.copy()
    mean = np.maximum(rates.rate()[rows] * since * rates.level, 1e-9)
    # One wild finding must not set the scatter alone.
    scatter = np.minimum(np.square(found - mean) / mean, 10.0 * dispersion[rows])
    dispersion[rows] += rates.params.dispersion_gain * (scatter - dispersion[rows])
    amount[rows] = kept * amount[rows] + found / rates.level
    exposure[rows] = kept * exposure[rows] + since
    return replace(rates, amount=amount, exposure=exposure, level=level, dispersion=dispersion)


def learned_best(start: Rates, rounds: Sequence[tuple[I64, F64, F64]], candidates: Sequence[RateParams]) -> Rates:
    """Learn from a history under each of some settings; return the rates of the one that foretold it best.

    Parameters
    ----------
    rounds
        In the order of days: containers emptied, what was found, and the calendar days it took, as ``learn`` takes
        them. The first quarter is learned from and not scored.
    """
    best, least = start, np.inf
    nothing = np.zeros(len(start.group_rate))
    for params in candidates:
        rates, surprise = replace(start, params=params), 0.0
        for k, (rows, found, since) in enumerate(rounds):
            known = (since > 0.25) & ~np.isnan(found)
            if 4 * k >= len(rounds) and known.any():
                exposure = nothing.copy()
                exposure[rows] = since
                mean, variance = expected(rates, exposure, nothing, nothing)
                off = np.square(found - mean[rows])[known]
                surprise += float((off / variance[rows][known] + np.log(variance[rows][known])).sum())
            rates = learn(rates, rows, found, since)
        if surprise < least:
            best, least = rates, surprise
    return best


def weekday_factors(container: I64, found: F64, days: F64) -> F64:
    """Fit common weekday factors to findings whose spans cover weekdays unequally.

    Parameters
    ----------
    container
        Row of the container of each finding.
    days
        Days of each weekday in each finding's span, shape (findings, 7).
    """
    from scipy.optimize import nnls

    total = np.bincount(container, found)
    span = np.bincount(container, days.sum(axis=1))
    rate = np.maximum(total / np.maximum(span, 1e-9), 1e-9)[container]
    # Variance grows with the amount awaited: rows are weighted by one over its root.
    weight = 1.0 / np.sqrt(np.maximum(rate * days.sum(axis=1), 1e-9))
    factors, _ = nnls(days * (rate * weight)[:, None], found * weight)
    factors = np.maximum(factors, 0.05)
    return np.asarray(factors / factors.mean())


def dispersion_of(container: I64, found: F64, awaited: F64, pull: float = 20.0) -> F64:
    """Return variance over mean of deposits by container, drawn to the common value as ``pull`` findings would.

    Parameters
    ----------
    awaited
        What was expected to be found, from the container's own mean rate and the calendar.
    """
    ratio = np.square(found - awaited) / np.maximum(awaited, 1e-9)
    common = float(np.mean(ratio))
    n = np.bincount(container)
    return np.asarray((np.bincount(container, ratio) + pull * common) / (n + pull))
