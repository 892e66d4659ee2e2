"""Times of day: the breaks between plans, where the demand of a month says that they lie.

The day's slots are cut into periods so that the squared differences from each period's mean are least, none shorter
than an hour: exact, by dynamic programming over the slots.

References
----------
.. [1] Bellman, R. and Roth, R. (1969). Curve fitting by segmented straight lines. JASA, 64(327), 1079-1084.
   doi:10.1080/01621459.1969.10501038
"""

from __future__ import annotations

import numpy as np

from cityloop.kernel.columns import F64
from cityloop.kernel.errors import ConfigError

__all__ = ["best_breaks"]


def best_breaks(profile: F64, periods: int, least: int) -> list[int]:
    """Return the first slot of each period.

    Parameters
    ----------
    profile
        Demand by slot of the day and stream, shape (slots, streams).
    least
        Slots of the shortest period.
    """
    slots = len(profile)
    if periods < 1 or periods * least > slots:
        raise ConfigError(f"periods: {periods} of at least {least} slots do not fit a day of {slots}")
    sums = np.concatenate([np.zeros((1, profile.shape[1])), np.cumsum(profile, axis=0)])
    squares = np.concatenate([[0.0], np.cumsum((profile**2).sum(axis=1))])

    def spread(begin: int, end: int) -> float:
        mean = sums[end] - sums[begin]
        return float(squares[end] - squares[begin] - (mean**2).sum() / (end - begin))

    best = np.full((periods + 1, slots + 1), np.inf)
    came = np.zeros((periods + 1, slots + 1), np.int64)
    best[0, 0] = 0.0
    for k in range(1, periods + 1):
        for end in range(k * least, slots + 1):
            for begin in range((k - 1) * least, end - least + 1):
                if best[k - 1, begin] == np.inf:
                    continue
                cost = best[k - 1, begin] + spread(begin, end)
                if cost < best[k, end]:
                    best[k, end], came[k, end] = cost, begin
    breaks, end = [], slots
    for k in range(periods, 0, -1):
        end = int(came[k, end])
        breaks.append(end)
    return breaks[::-1]
