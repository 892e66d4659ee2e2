"""Bands about expected times, learned from runs that are over: nine of ten arrivals should lie within.

Split-conformal by group: what counts is by what factor a completed run took longer than was expected of it, in
logs, and the band about the next expected time lies between the ranks that leave a twentieth out on either side.
Groups are made by the expected time itself, since short runs vary more in proportion than long ones. Only runs that
have ended before the band is told are in it, so it never knows the future; if runs to come are like those of late,
nine of ten are within.

References
----------
.. [1] Vovk, V. (2012). Conditional validity of inductive conformal predictors. Proceedings of Machine Learning
   Research, 25, 475-490.
.. [2] Budge, S., Ingolfsson, A., Zerom, D. (2010). Empirical analysis of ambulance travel times: the case of Calgary
   emergency medical services. Management Science, 56, 716-723. doi:10.1287/mnsc.1090.1142

"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from cityloop.kernel.columns import F64

__all__ = ["GROUP_FROM_S", "LEAST", "Residuals", "band", "learned"]

GROUP_FROM_S = (0.0, 180.0, 360.0, 600.0)
"""Groups begin at these expected times. [s]"""
SHARE = 0.9
LEAST = 19
"""The fewest runs from which a twentieth can be left out on either side; a group with fewer borrows those of all."""
_KEPT = 400
"""Of each group the latest runs count, so that a band follows when the city changes."""
_SHORTEST_S = 1.0


@dataclass(frozen=True, slots=True)
class Residuals:
    """Logs of actual over expected time of completed runs, the latest last, by group of expected time."""

    logs: tuple[tuple[float, ...], ...] = field(default=((),) * len(GROUP_FROM_S))

    def __len__(self) -> int:
        """Return how many runs are kept."""
        return sum(len(group) for group in self.logs)


def learned(residuals: Residuals, expected_s: float, actual_s: float) -> Residuals:
    """Return what is known after one more completed run."""
    at = int(np.searchsorted(GROUP_FROM_S, max(expected_s, 0.0), side="right")) - 1
    log = float(np.log(max(actual_s, _SHORTEST_S) / max(expected_s, _SHORTEST_S)))
    return Residuals(
        tuple((*group, log)[-_KEPT:] if k == at else group for k, group in enumerate(residuals.logs)),
    )


def band(residuals: Residuals, expected_s: F64) -> tuple[F64, F64]:
    """Return the ends of the 90 % band about each expected time [s]; NaN until enough runs have been seen."""
    pooled = [log for group in residuals.logs for log in group]
    low, high = np.full(len(GROUP_FROM_S), np.nan), np.full(len(GROUP_FROM_S), np.nan)
    for k, group in enumerate(residuals.logs):
        seen = group if len(group) >= LEAST else pooled
        if len(seen) >= LEAST:
            # The rank p (n + 1): in the mean a share p of what is still to come lies below it.
            low[k], high[k] = np.quantile(np.array(seen), ((1 - SHARE) / 2, (1 + SHARE) / 2), method="weibull")
    at = np.searchsorted(GROUP_FROM_S, np.maximum(expected_s, 0.0), side="right") - 1
    base = np.maximum(expected_s, _SHORTEST_S)
    return np.asarray(base * np.exp(low[at])), np.asarray(base * np.exp(high[at]))
