"""Flows are fitted to counts, compared by GEH, and made whole without losing any."""

from __future__ import annotations

import numpy as np
import pytest

from cityloop.methods.count_fit import (
    FitParams,
    PassingShares,
    fit_flows,
    geh,
    held_out_rows,
    whole_vehicles,
)


def shares(matrix: list[list[float]]) -> PassingShares:
    dense = np.array(matrix)
    count, flow = np.nonzero(dense)
    return PassingShares(
        count=count, flow=flow, share_frac=dense[count, flow], counts=dense.shape[0], flows=dense.shape[1]
    )


def test_geh_of_known_flows() -> None:
    """120 against 100 vehicles an hour is sqrt(2 x 400 / 220); nothing against nothing agrees."""
    values = geh(np.array([120.0, 0.0, 50.0]), np.array([100.0, 0.0, 0.0]))
    assert values == pytest.approx([np.sqrt(800 / 220), 0.0, 10.0])


def test_fit_finds_flows_that_counts_determine() -> None:
    """Two routes seen alone and together by three agreeing counts are found whatever the prior."""
    seen = shares([[1, 0], [0, 1], [1, 1]])
    flow = fit_flows(
        seen,
        np.array([30.0, 70.0, 100.0]),
        np.array([9.0, 1.0]),
        FitParams(prior_weight=1e-6, iterations=500),
    )
    assert flow == pytest.approx([30.0, 70.0], rel=1e-3)


def test_prior_splits_what_counts_leave_open() -> None:
    """One count over two routes is split as the prior has it."""
    flow = fit_flows(shares([[1, 1]]), np.array([100.0]), np.array([3.0, 1.0]), FitParams())
    assert flow == pytest.approx([75.0, 25.0])


def test_count_of_nothing_empties_its_routes() -> None:
    """A route over a link where nobody passed keeps next to nothing."""
    flow = fit_flows(shares([[1, 0], [0, 1]]), np.array([0.0, 50.0]), np.array([1.0, 1.0]), FitParams())
    assert flow[0] < 1.0
    assert flow[1] == pytest.approx(50.0, rel=0.02)


def test_whole_vehicles_keep_sums_of_neighbours() -> None:
    """Any stretch of neighbours in a group is off by less than one vehicle."""
    flow_veh = np.array([0.3, 0.4, 2.5, 0.2, 0.6, 0.7, 0.9])
    group = np.array([0, 0, 0, 0, 1, 1, 1])
    whole = whole_vehicles(flow_veh, group, 0.5)
    for first in range(7):
        for last in range(first + 1, 8):
            if group[first] == group[last - 1]:
                assert abs(whole[first:last].sum() - flow_veh[first:last].sum()) < 1.0


def test_held_out_names_are_drawn_by_seed() -> None:
    """The share is of distinct names, at least one, the same for the same seed."""
    names = [f"e{number}" for number in range(40)] * 2
    first = held_out_rows(names, 0.22, np.random.default_rng(3))
    assert len(first) == 9
    assert first == held_out_rows(names[::-1], 0.22, np.random.default_rng(3))
    assert first != held_out_rows(names, 0.22, np.random.default_rng(4))
    assert len(held_out_rows(["a", "b", "c", "d"], 0.22, np.random.default_rng(1))) == 1
