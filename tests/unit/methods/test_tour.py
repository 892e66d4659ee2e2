"""The quick tour builder: every stop once, no truck overloaded, known optima of tiny cases."""

from itertools import pairwise, permutations

import numpy as np
import pytest

from cityloop.methods.tour import DayLimits, build_trips, plan_day
from cityloop.methods.tour_search import straighten


def distances(places):
    x, y = np.array(places, float).T
    return np.hypot(x[:, None] - x[None, :], y[:, None] - y[None, :]).astype(np.float32)


def test_stops_on_a_line_are_one_trip_there_and_back():
    """Four stops on a line that fit on one truck cost twice the way to the last."""
    d = distances([(0, 0), (100, 0), (200, 0), (300, 0), (400, 0)])
    trips = build_trips(d, 0, np.arange(1, 5), np.ones(4), 10.0)
    assert len(trips.stops) == 1
    assert trips.length_m == pytest.approx(800.0)


def test_each_stop_is_served_once_and_no_trip_is_overloaded():
    """Sixty drawn stops are served once each, by trips within the payload."""
    rng = np.random.default_rng(3)
    d = distances(rng.uniform(0, 5000, (61, 2)))
    load = rng.uniform(100, 900, 60)
    trips = build_trips(d, 0, np.arange(1, 61), load, 3000.0)
    assert sorted(np.concatenate(trips.stops).tolist()) == list(range(60))
    assert all(load[t].sum() <= 3000.0 for t in trips.stops)


def test_the_search_shortens_what_savings_built():
    """Local search never makes the trips longer, and shortens most."""
    rng = np.random.default_rng(4)
    d = distances(rng.uniform(0, 5000, (101, 2)))
    load = np.full(100, 200.0)
    first = build_trips(d, 0, np.arange(1, 101), load, 3000.0, rounds=0)
    assert build_trips(d, 0, np.arange(1, 101), load, 3000.0).length_m < first.length_m


def test_a_day_counts_the_way_from_the_depot_and_home():
    """One stop between depot and tip: depot to stop to tip, and home from the tip."""
    d = distances([(0, 0), (1000, 0), (400, 0)])
    day = plan_day(d, 0, 1, np.array([2]), np.array([500.0]), DayLimits(payload_kg=1000.0))
    assert day.length_m == pytest.approx(2000.0)
    assert (day.trips, len(day.trucks)) == (1, 1)


def test_a_shift_that_is_full_takes_another_truck():
    """Two loads of half an hour each do not fit in a shift of forty minutes."""
    d = distances([(0, 0), (0, 0), (5000, 0), (-5000, 0)])
    limits = DayLimits(payload_kg=100.0, shift_s=2400.0, speed_mps=10.0, service_s=300.0, tip_s=300.0)
    assert len(plan_day(d, 0, 1, np.array([2, 3]), np.array([90.0, 90.0]), limits).trucks) == 2


def test_a_path_between_two_places_is_shortened():
    """Over seven stops in between it ends within 3 % of the best of all orders, and never longer than it began."""
    ours = best = 0.0
    for seed in range(8):
        d = distances(np.random.default_rng(seed).uniform(0, 1000, (9, 2))).astype(float)

        def length(path, d=d):
            return sum(d[a, b] for a, b in pairwise(path))

        path = straighten(d).tolist()
        assert (path[0], path[-1], sorted(path)) == (0, 8, list(range(9)))
        assert length(path) <= length(range(9)) + 1e-9
        ours += length(path)
        best += min(length((0, *inner, 8)) for inner in permutations(range(1, 8)))
    assert ours <= 1.03 * best


def test_stops_between_depot_and_tip_are_passed_once():
    """The tour from the tip would go out and back; the day drives by them on the way to the tip."""
    d = distances([(0, 0), (1000, 0), (100, 0), (700, 0), (400, 0), (500, 0)])
    day = plan_day(d, 0, 1, np.arange(2, 6), np.full(4, 10.0), DayLimits(payload_kg=1000.0))
    assert day.length_m == pytest.approx(2000.0)
    assert day.haul_m == pytest.approx(100.0 + 300.0 + 1000.0)
