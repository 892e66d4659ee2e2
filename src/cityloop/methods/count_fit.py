"""Flows from counts: which flows over given paths explain what was counted, and how well.

Counts of vehicles are close to Poisson, and the Poisson deviance is close to the square of the GEH, the
measure by which traffic models are accepted. So the flows of largest posterior under Poisson counts and a
gamma prior are also, nearly, those of least squared GEH near the prior. Expectation maximisation finds them:
each step keeps flows positive, needs no step length, and costs two passes over the shares.

References
----------
.. [1] Department for Transport (2020). TAG unit M3.1: Highway assignment modelling, sections 3.2-3.3.
.. [2] Spiess, H. (1987). A maximum likelihood model for estimating origin-destination matrices.
   Transp. Res. B, 21, 395-412. doi:10.1016/0191-2615(87)90037-3
.. [3] Green, P. J. (1990). On use of the EM algorithm for penalized likelihood estimation.
   J. R. Statist. Soc. B, 52, 443-452. doi:10.1111/j.2517-6161.1990.tb01798.x
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

__all__ = ["FitParams", "PassingShares", "fit_flows", "geh", "held_out_rows", "whole_vehicles"]

F64 = NDArray[np.float64]
I64 = NDArray[np.int64]


@dataclass(frozen=True, slots=True, kw_only=True)
class FitParams:
    """How far the fit trusts its prior, and how long it works."""

    prior_weight: float = 0.03
    """Weight of one vehicle of the prior against one counted vehicle."""

    iterations: int = 300

    def __post_init__(self) -> None:
        """Reject values that have no meaning."""
        if self.prior_weight <= 0:
            raise ValueError(f"prior_weight is {self.prior_weight}; must be positive")
        if self.iterations < 1:
            raise ValueError(f"iterations is {self.iterations}; must be at least 1")


@dataclass(frozen=True, slots=True, kw_only=True)
class PassingShares:
    """Sparse matrix of the share of each flow's vehicles that each count sees."""

    count: I64
    """Row: which count, shape (n_entries,)."""

    flow: I64
    """Column: which flow, shape (n_entries,)."""

    share_frac: F64
    """Share of that flow seen by that count, shape (n_entries,)."""

    counts: int
    flows: int

    def of_counts(self, wanted: NDArray[np.bool_]) -> PassingShares:
        """Return the rows marked `wanted`, renumbered without gaps."""
        kept = wanted[self.count]
        number = np.cumsum(wanted) - 1
        return PassingShares(
            count=number[self.count[kept]].astype(np.int64),
            flow=self.flow[kept],
            share_frac=self.share_frac[kept],
            counts=int(wanted.sum()),
            flows=self.flows,
        )

    def passing(self, flow_veh: F64) -> F64:
        """Return how many vehicles of these flows each count would see."""
        seen = self.share_frac * flow_veh[self.flow]
        return np.bincount(self.count, weights=seen, minlength=self.counts).astype(np.float64)

    def spread(self, count_value: F64) -> F64:
        """Return, for each flow, the sum over counts of share times value."""
        parts = self.share_frac * count_value[self.count]
        return np.bincount(self.flow, weights=parts, minlength=self.flows).astype(np.float64)


def geh(model_vph: F64, count_vph: F64) -> F64:
    """Compare hourly flows: sqrt(2 (M - C)^2 / (M + C)), and 0 where both are nought [1]_."""
    total = model_vph + count_vph
    safe = np.where(total > 0, total, 1.0)
    result: F64 = np.sqrt(2.0 * (model_vph - count_vph) ** 2 / safe)
    return result


def fit_flows(shares: PassingShares, count_veh: F64, prior_veh: F64, params: FitParams) -> F64:
    """Fit flows to counts by maximum a posteriori expectation maximisation [2]_ [3]_.

    Parameters
    ----------
    shares
        Which count sees how much of which flow.
    count_veh
        What was counted, shape (n_counts,). [veh]
    prior_veh
        Relative sizes of the flows before any count, shape (n_flows,); their scale is fitted. [veh]
    params
        Weight of the prior and number of steps.
    """
    seen = shares.passing(prior_veh)
    scale = count_veh.sum() / seen.sum() if seen.sum() > 0 else 1.0
    prior = prior_veh * scale
    sensitivity = shares.spread(np.ones(shares.counts))
    flow = prior.copy()
    for _ in range(params.iterations):
        expected = shares.passing(flow)
        ratio = np.divide(count_veh, expected, out=np.zeros_like(expected), where=expected > 0)
        explained = flow * shares.spread(ratio)
        flow = (explained + params.prior_weight * prior) / (sensitivity + params.prior_weight)
    return flow


def whole_vehicles(flow_veh: F64, group: I64, start: float) -> I64:
    """Round flows to whole vehicles so that runs of neighbours keep their sums.

    Systematic sampling: vehicle number n of a group falls where the running sum passes `start` + n, so any
    stretch of neighbouring flows is off by less than one vehicle. Put flows that share links side by side.

    Parameters
    ----------
    flow_veh
        Fitted flows, shape (n_flows,). [veh]
    group
        Group of each flow, ascending; sums do not carry over from one to the next, shape (n_flows,).
    start
        Where the first vehicle falls, at least 0 and below 1.
    """
    running = np.cumsum(flow_veh)
    first = np.searchsorted(group, group, side="left")
    before = np.where(first > 0, running[first - 1], 0.0)
    upto = np.floor(running - before + start)
    same = np.r_[False, group[1:] == group[:-1]]
    previous = np.r_[0.0, upto[:-1]]
    return (upto - np.where(same, previous, 0.0)).astype(np.int64)


def held_out_rows(names: list[str], share_frac: float, rng: np.random.Generator) -> frozenset[str]:
    """Draw the names to keep away from the fit: `share_frac` of the distinct ones, at least one."""
    distinct = sorted(set(names))
    how_many = max(1, round(share_frac * len(distinct)))
    drawn = rng.choice(len(distinct), size=how_many, replace=False)
    return frozenset(distinct[index] for index in drawn)
