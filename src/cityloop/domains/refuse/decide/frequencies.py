"""Each container its own weekdays, as a well-kept round book has them: a rival, tuned on the container's history.

A container gets the least frequent pattern under which it overflows with no more than a given chance, and among the
patterns of that frequency the one whose days suit its neighbours best.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from scipy.special import gammainc

from cityloop.domains.refuse.forecast import VISIT_OF_DAY
from cityloop.kernel.columns import F64, I64

__all__ = ["PATTERNS", "due", "fit_patterns"]

_WEEKS = 2
PATTERNS: tuple[tuple[tuple[int, ...], ...], ...] = (
    ((0, 1, 2, 3, 4, 5, 7, 8, 9, 10, 11, 12),),
    ((0, 2, 4, 7, 9, 11), (1, 3, 5, 8, 10, 12)),
    tuple((d, d + 3, d + 7, d + 10) for d in (0, 1, 2)),
    tuple((d, d + 7) for d in range(6)),
    tuple((d,) for d in (0, 1, 2, 3, 4, 5, 7, 8, 9, 10, 11, 12)),
)
"""Days of two weeks, Monday 0, by falling frequency: six, three, two, one a week, one in two weeks."""


def _worst_gap(weekday: F64, days: tuple[int, ...]) -> float:
    """Return the greatest calendar exposure between two visits of a pattern. [d]"""
    span = 7 * _WEEKS
    worst = 0.0
    for k, day in enumerate(days):
        until = days[k + 1] if k + 1 < len(days) else days[0] + span
        exposure = (1.0 - VISIT_OF_DAY) * weekday[day % 7] + VISIT_OF_DAY * weekday[until % 7]
        exposure += sum(weekday[d % 7] for d in range(day + 1, until))
        worst = max(worst, float(exposure))
    return worst


def fit_patterns(
    rate: F64, dispersion: F64, weekday: F64, risk: float, distance_m: npt.NDArray[np.float32], zone: I64 | None = None
) -> list[tuple[int, ...]]:
    """Fit a pattern to every container.

    Parameters
    ----------
    rate, dispersion
        From the container's history. [1/d], [1]
    risk
        Chance of overflowing in the pattern's longest gap that is still accepted: the tuning dial.
    distance_m
        Between containers, shape (n, n). [m]
    zone
        Where given, all containers of a zone share their days, and the most pressing decides them: fixed rounds.
    """
    n = len(rate)
    chance = np.zeros((n, len(PATTERNS)))
    for k, family in enumerate(PATTERNS):
        gap = max(_worst_gap(weekday, days) for days in family)
        chance[:, k] = 1.0 - gammainc(rate * gap / dispersion, 1.0 / dispersion)
    if zone is not None:
        # The share of overflowing containers a round accepts is the mean of its zone.
        members = np.bincount(zone)
        chance = np.stack([np.bincount(zone, chance[:, k])[zone] / members[zone] for k in range(len(PATTERNS))], axis=1)
    accepted = chance <= risk
    family_of = np.where(accepted.any(axis=1), accepted.shape[1] - 1 - np.argmax(accepted[:, ::-1], axis=1), 0)
    groups = np.arange(n) if zone is None else zone
    return _spread(family_of, groups, distance_m)


def _spread(family_of: I64, groups: I64, distance_m: npt.NDArray[np.float32]) -> list[tuple[int, ...]]:
    """Choose days within each family so that near containers share them; frequent ones first."""
    n = len(family_of)
    chosen: list[tuple[int, ...]] = [()] * n
    # By day of the two weeks, how far each container is from the nearest one already visited that day.
    nearest = np.full((7 * _WEEKS, n), np.inf)
    count = np.zeros(7 * _WEEKS)
    order = sorted(set(groups.tolist()), key=lambda g: (int(family_of[groups == g][0]), g))
    typical = float(np.median(distance_m))
    for group in order:
        members = np.flatnonzero(groups == group)
        best, best_cost = PATTERNS[int(family_of[members[0]])][0], np.inf
        for days in PATTERNS[int(family_of[members[0]])]:
            near = np.minimum(nearest[np.ix_(list(days), members.tolist())], typical).mean()
            # A mild pull towards days with less to do keeps the crews' weeks even.
            cost = float(near) * (1.0 + 0.1 * float(count[list(days)].mean()) / max(float(count.mean()), 1.0))
            if cost < best_cost:
                best, best_cost = days, cost
        for day in best:
            nearest[day] = np.minimum(nearest[day], distance_m[members].min(axis=0))
            count[day] += len(members)
        for member in members.tolist():
            chosen[member] = best
    return chosen


def due(patterns: list[tuple[int, ...]], day_of_two_weeks: int) -> I64:
    """Return the containers whose pattern names this day (Monday of the first week 0)."""
    return np.array([k for k, days in enumerate(patterns) if day_of_two_weeks in days], np.int64)
