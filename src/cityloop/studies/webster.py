"""Cycle and green splits in closed form: Webster's cycle, over splits that carry the most traffic.

Where stages overlap (a movement is green in several), the critical flows are not a sum of maxima but a
small linear programme, which also says which stages are not needed at all.

References
----------
.. [1] Webster, F. V. (1958). Traffic signal settings. Road Research Technical Paper 39, HMSO.
.. [2] Allsop, R. E. (1972). Estimating the traffic capacity of a signalized road junction. Transportation
   Research, 6(3), 245-255. doi:10.1016/0041-1647(72)90017-2
.. [3] Transportation Research Board (1985). Highway Capacity Manual, special report 209, chapter 9
   (permitted turns).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy.optimize import linprog

from cityloop.kernel.columns import F64

__all__ = [
    "SATURATION_VEH_H",
    "greens_s",
    "permitted_frac",
    "stage_shares",
    "webster_cycle_s",
    "webster_delay_s",
]

SATURATION_VEH_H = 1800.0
"""Saturation flow of a lane with right of way: one vehicle every 2 s. [veh/h]"""

_PERMITTED_VEH_H = 1400.0
"""What a permitted turn may carry against no opposing traffic [3]_. [veh/h]"""

_LEAST_PERMITTED_FRAC = 0.08
"""Two turns a cycle get through at the change of lights, whatever opposes them; of a cycle of about 50 s."""


def webster_cycle_s(lost_s: float, flow_ratio: float) -> float:
    """Return the cycle of least delay, (1.5 L + 5) / (1 - Y) [1]_; infinite at or past capacity. [s].

    Parameters
    ----------
    lost_s
        Time of a cycle in which nobody has green. [s]
    flow_ratio
        Y, the sum over stages of the critical flow over its saturation flow.
    """
    return (1.5 * lost_s + 5.0) / (1.0 - flow_ratio) if flow_ratio < 1.0 else float("inf")


def webster_delay_s(cycle_s: float, green_s: float, flow_veh_s: float, saturation_veh_s: float) -> float:
    """Return the mean delay at a fixed-time signal: 0.9 times the uniform and the random term [1]_. [s]."""
    green_frac = green_s / cycle_s
    saturation = flow_veh_s / (green_frac * saturation_veh_s)
    if saturation >= 1.0:
        return float("inf")
    uniform_s = cycle_s * (1 - green_frac) ** 2 / (2 * (1 - green_frac * saturation))
    random_s = saturation**2 / (2 * flow_veh_s * (1 - saturation)) if flow_veh_s > 0 else 0.0
    return 0.9 * (uniform_s + random_s)


def permitted_frac(opposing_veh_h: float) -> float:
    """Return the share of a protected lane's capacity that a permitted turn keeps, (1400 - V) / 1800 [3]_."""
    return max(_LEAST_PERMITTED_FRAC, (_PERMITTED_VEH_H - opposing_veh_h) / SATURATION_VEH_H)


def stage_shares(served_frac: F64, flow_ratio: F64) -> tuple[F64, float]:
    """Return each stage's share of the green time and the sum of critical flow ratios, Y.

    The shares let all streams grow by the same factor as far as it goes [2]_; a stage nobody needs gets 0.

    Parameters
    ----------
    served_frac
        Share of its saturation flow that a stage lets a stream use, shape (n_stages, n_streams).
    flow_ratio
        Flow over saturation flow of each stream, shape (n_streams,).
    """
    n_stages = served_frac.shape[0]
    busy = flow_ratio > 0
    if not busy.any() or (served_frac[:, busy].max(axis=0) <= 0).any():
        return np.full(n_stages, 1.0 / n_stages), 0.0
    # Least total green that carries the flows: the shares at capacity are these, scaled.
    answer = linprog(
        np.ones(n_stages),
        A_ub=-served_frac[:, busy].T,
        b_ub=-flow_ratio[busy],
        bounds=(0, None),
        method="highs",
    )
    total = float(answer.x.sum())
    return np.asarray(answer.x / total, dtype=np.float64), total


def greens_s(shares: Sequence[float], least_s: Sequence[float], total_s: float) -> list[float]:
    """Split a cycle's green time by shares, no stage below its least, in whole seconds that add up.

    Where the least greens take more than there is, they are returned.
    """
    n = len(shares)
    fixed = [False] * n
    given = [float(s) for s in least_s]
    while not all(fixed):
        free_s = total_s - sum(given[k] for k in range(n) if fixed[k])
        weight = sum(shares[k] for k in range(n) if not fixed[k])
        due = [free_s * (shares[k] / weight if weight > 0 else 1 / (n - sum(fixed))) for k in range(n)]
        short = [k for k in range(n) if not fixed[k] and due[k] < least_s[k]]
        if not short:
            carried = 0.0
            for k in range(n):
                if not fixed[k]:
                    exact = due[k] + carried
                    given[k] = float(max(round(exact), least_s[k]))
                    carried = exact - given[k]
            break
        for k in short:
            fixed[k] = True
    return given
