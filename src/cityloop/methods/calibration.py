"""Make forecasts keep their word: recalibration on past cases, and the figures that tell whether they do.

References
----------
.. [1] Kuleshov, V., Fenner, N. & Ermon, S. (2018). Accurate uncertainties for deep learning using calibrated
   regression. ICML.
.. [2] Vovk, V., Gammerman, A. & Shafer, G. (2005). Algorithmic Learning in a Random World. Springer.
.. [3] Brier, G. W. (1950). Verification of forecasts expressed in terms of probability. Monthly Weather Review 78, 1-3.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from cityloop.kernel.columns import BOOL, F64

__all__ = [
    "brier",
    "brier_skill",
    "conformal_level",
    "fit_logistic",
    "fit_monotone",
    "log_odds",
    "logistic",
    "recalibrate",
]


def fit_monotone(forecast: F64, happened: BOOL | F64, pull: float = 4.0) -> tuple[F64, F64]:
    """Fit a rising step function from forecast to frequency (pool adjacent violators), as knots for ``recalibrate``.

    Cases are pooled into at most 40 bins of equal count first, and each bin is drawn to its mean forecast as ``pull``
    cases would, so that no bin claims certainty.
    """
    order = np.argsort(forecast, kind="stable")
    bins = [part for part in np.array_split(order, min(40, max(1, len(order) // 25))) if len(part)]
    x = np.array([float(forecast[part].mean()) for part in bins])
    weight = np.array([float(len(part)) for part in bins])
    y = np.array([(float(happened[p].sum()) + pull * m) / (len(p) + pull) for p, m in zip(bins, x, strict=True)])
    blocks: list[list[float]] = []
    for value, mass, at in zip(y, weight, x, strict=True):
        blocks.append([value * mass, mass, at * mass])
        while len(blocks) > 1 and blocks[-2][0] / blocks[-2][1] >= blocks[-1][0] / blocks[-1][1]:
            last = blocks.pop()
            blocks[-1] = [a + b for a, b in zip(blocks[-1], last, strict=True)]
    knots = np.array([block[2] / block[1] for block in blocks])
    values = np.array([block[0] / block[1] for block in blocks])
    return np.concatenate([[0.0], knots, [1.0]]), np.concatenate([[values[0]], values, [values[-1]]])


def recalibrate(knots: tuple[F64, F64], forecast: F64) -> F64:
    """Return the recalibrated forecast."""
    return np.asarray(np.interp(forecast, knots[0], knots[1]))


def brier(forecast: F64, happened: BOOL | F64) -> float:
    """Return the mean squared error of probabilities."""
    return float(np.mean(np.square(forecast - happened)))


def brier_skill(forecast: F64, reference: F64, happened: BOOL | F64) -> float:
    """Return 1 less the ratio of Brier scores: 0 is no better than the reference, 1 is perfect."""
    return 1.0 - brier(forecast, happened) / brier(reference, happened)


def conformal_level(rank: F64, cover: float) -> float:
    """Return the half-width in rank that would have covered the share ``cover`` of past cases.

    Parameters
    ----------
    rank
        Where each past outcome fell in its forecast distribution, 0 to 1.
    cover
        Share of outcomes to be inside, 0.9 for a 90 % interval.
    """
    distance = np.sort(np.abs(rank - 0.5))
    n = len(distance)
    if n == 0:
        return 0.5 * cover
    return float(distance[min(n - 1, int(np.ceil((n + 1) * cover)) - 1)])


def fit_logistic(features: npt.NDArray[np.float64], happened: BOOL | F64, ridge: float = 1.0) -> F64:
    """Fit weights of a logistic model by Newton's method; the first weight is the constant.

    Parameters
    ----------
    features
        One row a case, shape (cases, features).
    ridge
        Squared weights, the constant's apart, are charged this much.
    """
    x = np.column_stack([np.ones(len(features)), features])
    weight = np.zeros(x.shape[1])
    charge = np.diag([1e-6, *([ridge] * features.shape[1])])
    for _ in range(25):
        p = logistic(features, weight)
        slope = x.T @ (p - happened) + charge @ weight
        curve = (x * (p * (1.0 - p))[:, None]).T @ x + charge
        step = np.linalg.solve(curve, slope)
        weight -= step
        if float(np.abs(step).max()) < 1e-8:
            break
    return weight


def logistic(features: npt.NDArray[np.float64], weight: F64) -> F64:
    """Return the probabilities of a logistic model."""
    return np.asarray(1.0 / (1.0 + np.exp(-np.clip(weight[0] + features @ weight[1:], -30.0, 30.0))))


def log_odds(probability: F64, floor: float = 1e-4) -> F64:
    """Return the logarithm of the odds, kept finite."""
    p = np.clip(probability, floor, 1.0 - floor)
    return np.asarray(np.log(p / (1.0 - p)))
