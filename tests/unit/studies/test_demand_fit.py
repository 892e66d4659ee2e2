"""Departures are tied to counts by the time that vehicles take to reach each link."""

from __future__ import annotations

import numpy as np
import pytest

from cityloop.cities.sumo.demand import CandidateRoutes
from cityloop.studies.count_table import CountRow
from cityloop.studies.demand_fit import departure_bins, departures, fit_to_counts, hourly_geh, passing_shares


def row(edge: str, begin_s: float, end_s: float, count_veh: float = 0.0) -> CountRow:
    return CountRow(edge=edge, begin_s=begin_s, end_s=end_s, count_veh=count_veh)


ROUTE = CandidateRoutes(edges=(("a", "b"),), weight=np.array([1.0]))


def test_bins_are_cut_at_counting_intervals() -> None:
    """The warm-up and each interval become a bin, end to end over the city's hours."""
    bins = departure_bins(0, 2700, [row("a", 900, 1800), row("b", 1800, 2700)])
    assert bins.begin_s.tolist() == [0, 900, 1800]
    assert bins.end_s.tolist() == [900, 1800, 2700]


def test_late_departures_miss_the_interval() -> None:
    """With 300 s to the second link, a third of the departures of 900 s pass it after the interval."""
    rows = [row("a", 0, 900), row("b", 0, 900)]
    shares = passing_shares(ROUTE, departure_bins(0, 900, rows), rows, {"a": 300.0, "b": 10.0})
    assert shares.share_frac == pytest.approx([1.0, 2 / 3])


def test_warm_up_has_the_rate_of_the_first_counts() -> None:
    """Before the first count vehicles depart at the rate that the first count shows."""
    rows = [row("a", 900, 1800, 90)]
    bins = departure_bins(0, 1800, rows)
    flow = fit_to_counts(ROUTE, bins, rows, {"a": 1.0, "b": 1.0}, np.random.default_rng(1))
    assert flow == pytest.approx([90.0, 90.0], rel=0.02)


def test_departures_lie_in_their_bins() -> None:
    """Whole vehicles depart within the bin of their flow, and their number is the flow's."""
    bins = departure_bins(0, 1800, [row("a", 0, 900), row("a", 900, 1800)])
    route_of, depart_s = departures(np.array([10.0, 20.0]), bins, 1, np.random.default_rng(1))
    assert route_of.tolist() == [0] * 30
    assert np.count_nonzero(depart_s < 900) == 10
    assert depart_s.min() >= 0
    assert depart_s.max() < 1800


def test_geh_is_taken_by_the_hour() -> None:
    """Four quarters are added up before they are compared, and a lone quarter is scaled to an hour."""
    quarters = [row("a", 900.0 * n, 900.0 * (n + 1), 25.0) for n in range(4)]
    by_hour = hourly_geh([*quarters, row("b", 0, 900, 25)], [35, 25, 25, 35, 30])
    assert by_hour["a", 0] == pytest.approx(np.sqrt(2 * 20**2 / 220))
    assert by_hour["b", 0] == pytest.approx(np.sqrt(2 * 20**2 / 220))
