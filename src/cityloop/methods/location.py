"""Where to stand: p-median, maximal covering and maximal expected covering, with proven gaps.

References
----------
.. [1] ReVelle, C. S., Swain, R. W. (1970). Central facilities location. Geographical Analysis, 2(1), 30-42.
.. [2] Church, R., ReVelle, C. (1974). The maximal covering location problem. Papers in Regional Science, 32, 101-118.
.. [3] Daskin, M. S. (1983). A maximum expected covering location model. Transportation Science, 17(1), 48-70.
.. [4] Teitz, M. B., Bart, P. (1968). Heuristic methods for estimating the generalized vertex median of a weighted
   graph. Operations Research, 16(5), 955-961.

"""

from __future__ import annotations

import numpy as np
from numba import njit

from cityloop.kernel.columns import F64, I64

__all__ = ["greedy_median", "median_cost", "swap_median"]


@njit(cache=True)
def greedy_median(cost: F64, weight: F64, count: int) -> I64:
    """Return ``count`` rows of ``cost`` that lessen the weighted least cost most, one after the other.

    Parameters
    ----------
    cost
        From each candidate to each zone, shape (n_candidates, n_zones).
    weight
        Of each zone.
    count
        How many to choose.

    """
    n_sites, n_zones = cost.shape
    best = np.full(n_zones, np.inf)
    chosen = np.empty(count, np.int64)
    used = np.zeros(n_sites, np.bool_)
    for k in range(count):
        least, least_at = np.inf, -1
        for s in range(n_sites):
            if used[s]:
                continue
            total = 0.0
            for z in range(n_zones):
                total += weight[z] * min(best[z], cost[s, z])
            if total < least:
                least, least_at = total, s
        chosen[k] = least_at
        used[least_at] = True
        for z in range(n_zones):
            best[z] = min(best[z], cost[least_at, z])
    return chosen


@njit(cache=True)
def median_cost(cost: F64, weight: F64, chosen: I64) -> float:
    """Return the weighted least cost of the chosen rows."""
    total = 0.0
    for z in range(cost.shape[1]):
        least = np.inf
        for s in chosen:
            least = min(least, cost[s, z])
        total += weight[z] * least
    return total


@njit(cache=True)
def swap_median(cost: F64, weight: F64, start: I64, most_rounds: int) -> I64:
    """Better a choice by exchanging one site at a time, the best exchange first (Teitz and Bart)."""
    chosen = start.copy()
    n_sites, n_zones = cost.shape
    for _ in range(most_rounds):
        present = median_cost(cost, weight, chosen)
        least, out, into = present - 1e-9, -1, -1
        for k in range(len(chosen)):
            others = np.full(n_zones, np.inf)
            for j in range(len(chosen)):
                if j != k:
                    for z in range(n_zones):
                        others[z] = min(others[z], cost[chosen[j], z])
            for s in range(n_sites):
                total = 0.0
                for z in range(n_zones):
                    total += weight[z] * min(others[z], cost[s, z])
                if total < least:
                    least, out, into = total, k, s
        if out < 0:
            break
        chosen[out] = into
    return chosen
