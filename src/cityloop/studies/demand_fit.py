"""From counts to vehicles: flows over candidate routes, fitted with the times at which they pass links."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cityloop.cities.sumo.demand import CandidateRoutes
from cityloop.methods.count_fit import FitParams, PassingShares, fit_flows, geh, whole_vehicles
from cityloop.studies.count_table import CountRow

__all__ = ["DepartureBins", "departure_bins", "departures", "fit_to_counts", "hourly_geh", "passing_shares"]

F64 = NDArray[np.float64]
I64 = NDArray[np.int64]

_PRIOR_WEIGHTS = (0.01, 0.03, 0.1, 0.3, 1.0)
_FOLDS = 4
_SHORTEST_BIN_S = 60.0
_UNSEEN_FRAC = 0.05
"""A flow of which the counts see less than this is taken from its neighbours in time."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DepartureBins:
    """Intervals of departure, end to end over the city's hours."""

    begin_s: F64
    end_s: F64


def departure_bins(begin_s: float, end_s: float, rows: Sequence[CountRow]) -> DepartureBins:
    """Cut the city's hours where counting intervals begin or end."""
    cuts = [begin_s]
    for cut in sorted({time_s for row in rows for time_s in (row.begin_s, row.end_s)} | {end_s}):
        if cuts[-1] + _SHORTEST_BIN_S <= cut <= end_s:
            cuts.append(cut)
    cuts[-1] = end_s
    return DepartureBins(begin_s=np.array(cuts[:-1]), end_s=np.array(cuts[1:]))


def passing_shares(
    candidates: CandidateRoutes,
    bins: DepartureBins,
    rows: Sequence[CountRow],
    edge_time_s: Mapping[str, float],
) -> PassingShares:
    """Tell which share of each departure bin's vehicles comes onto each counted link in its interval."""
    onto_s: dict[str, tuple[list[int], list[float]]] = {row.edge: ([], []) for row in rows}
    for number, edges in enumerate(candidates.edges):
        elapsed_s = 0.0
        for edge in edges:
            if edge in onto_s:
                onto_s[edge][0].append(number)
                onto_s[edge][1].append(elapsed_s)
            elapsed_s += edge_time_s[edge]
    n_routes = len(candidates.edges)
    parts: list[tuple[I64, I64, F64]] = []
    for count, row in enumerate(rows):
        route = np.array(onto_s[row.edge][0], dtype=np.int64)
        delay_s = np.array(onto_s[row.edge][1])
        for number, (bin_begin_s, bin_end_s) in enumerate(zip(bins.begin_s, bins.end_s, strict=True)):
            first = np.maximum(bin_begin_s + delay_s, row.begin_s)
            last = np.minimum(bin_end_s + delay_s, row.end_s)
            share = np.maximum(last - first, 0.0) / (bin_end_s - bin_begin_s)
            seen = share > 0
            column = number * n_routes + route[seen]
            parts.append((np.full(column.size, count, dtype=np.int64), column, share[seen]))
    return PassingShares(
        count=np.concatenate([part[0] for part in parts]),
        flow=np.concatenate([part[1] for part in parts]),
        share_frac=np.concatenate([part[2] for part in parts]),
        counts=len(rows),
        flows=n_routes * bins.begin_s.size,
    )


def fit_to_counts(
    candidates: CandidateRoutes,
    bins: DepartureBins,
    rows: Sequence[CountRow],
    edge_time_s: Mapping[str, float],
    rng: np.random.Generator,
) -> F64:
    """Fit the vehicles on every route in every bin, shape (n_bins x n_routes,).

    The prior's weight is chosen by leaving out a quarter of the given links at a time, so that the links kept
    for the verdict have no part in it.
    """
    shares = passing_shares(candidates, bins, rows, edge_time_s)
    count_veh = np.array([row.count_veh for row in rows])
    prior = np.concatenate([candidates.weight * length_s for length_s in bins.end_s - bins.begin_s])
    params = _chosen_params(shares, count_veh, prior, rows, rng)
    flow = fit_flows(shares, count_veh, prior, params)
    return _unseen_from_neighbours(flow, shares, bins, len(candidates.edges))


def departures(flow_veh: F64, bins: DepartureBins, n_routes: int, rng: np.random.Generator) -> tuple[I64, F64]:
    """Draw whole vehicles from flows: the route of each and when it departs, to the tenth of a second."""
    group = np.repeat(np.arange(bins.begin_s.size), n_routes)
    vehicles = whole_vehicles(flow_veh, group, float(rng.uniform()))
    flow_of = np.repeat(np.arange(flow_veh.size), vehicles)
    begin_s, end_s = bins.begin_s[flow_of // n_routes], bins.end_s[flow_of // n_routes]
    depart_s = begin_s + np.floor(rng.uniform(size=flow_of.size) * (end_s - begin_s) * 10.0) / 10.0
    return flow_of % n_routes, depart_s


def hourly_geh(rows: Sequence[CountRow], model_veh: Sequence[float]) -> dict[tuple[str, float], float]:
    """Return the GEH of each link and hour; shorter intervals are first added up to an hour.

    A stretch that stays shorter or longer than an hour is scaled to one.
    """
    start_s = min(row.begin_s for row in rows)
    sums: dict[tuple[str, float], list[float]] = {}
    for row, model in zip(rows, model_veh, strict=True):
        hour = (row.begin_s - start_s) // 3600 * 3600 + start_s
        total = sums.setdefault((row.edge, hour), [0.0, 0.0, 0.0])
        total[0] += model
        total[1] += row.count_veh
        total[2] += row.end_s - row.begin_s
    values = np.array(list(sums.values()))
    per_hour = 3600.0 / values[:, 2]
    return dict(zip(sums, geh(values[:, 0] * per_hour, values[:, 1] * per_hour).tolist(), strict=True))


def _chosen_params(
    shares: PassingShares, count_veh: F64, prior: F64, rows: Sequence[CountRow], rng: np.random.Generator
) -> FitParams:
    links = sorted({row.edge for row in rows})
    if len(links) < 2 * _FOLDS:
        return FitParams()
    fold = dict(zip(links, rng.permutation(len(links)) % _FOLDS, strict=True))
    fold_of_row = np.array([fold[row.edge] for row in rows])
    error = []
    for weight in _PRIOR_WEIGHTS:
        params = FitParams(prior_weight=weight, iterations=150)
        squared = 0.0
        for left_out in range(_FOLDS):
            kept = fold_of_row != left_out
            flow = fit_flows(shares.of_counts(kept), count_veh[kept], prior, params)
            squared += float(np.sum(geh(shares.passing(flow), count_veh)[~kept] ** 2))
        error.append(squared)
    return FitParams(prior_weight=_PRIOR_WEIGHTS[int(np.argmin(error))])


def _unseen_from_neighbours(flow: F64, shares: PassingShares, bins: DepartureBins, n_routes: int) -> F64:
    """Give flows that no count sees, as in the warm-up, the rate of the nearest bin that is seen."""
    length_s = (bins.end_s - bins.begin_s)[:, None]
    rate = flow.reshape(-1, n_routes) / length_s
    seen = shares.spread(np.ones(shares.counts)).reshape(-1, n_routes) > _UNSEEN_FRAC
    middle_s = (bins.begin_s + bins.end_s) / 2.0
    filled = rate.copy()
    for number in range(rate.shape[0]):
        for other in np.argsort(np.abs(middle_s - middle_s[number]), kind="stable")[::-1]:
            take = ~seen[number] & seen[other]
            filled[number, take] = rate[other, take]
    return (filled * length_s).ravel()
