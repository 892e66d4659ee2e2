"""Days with routes: what lies on the way is taken along, loads are kept, an urgent visit does not wait."""

import numpy as np

from cityloop.methods.visit_days import DaySearch, refine_days

QUICK = DaySearch(iterations=400, hot_m=100.0, cold_m=1.0)


def between(x_m):
    """Distances along a street; the base stands at 0."""
    x = np.concatenate([[0.0], np.asarray(x_m, float)])
    return np.abs(x[:, None] - x[None, :]).astype(np.float32)


def refined(cost, x_m, load, payload, day):
    """Search from a given assignment."""
    n = len(x_m)
    return refine_days(
        np.asarray(cost, float), between(x_m), 0, 1 + np.arange(n), (np.asarray(load, float), payload),
        np.asarray(day), QUICK, np.random.default_rng(1),
    ).tolist()  # fmt: skip


def test_what_lies_on_the_way_is_taken_along():
    """The near one gains 5 m by a visit, far less than a way of its own, but the truck passes it on day 0."""
    cost = [[-9_000.0, -8_000.0, 0.0], [-5.0, -5.0, 0.0]]
    assert refined(cost, [1000.0, 500.0], [1, 1], 10.0, [0, 2]) == [0, 0]
    assert refined(cost[1:], [500.0], [1], 10.0, [0]) == [2]


def test_a_trip_holds_no_more_than_its_payload():
    """Two of three fit on a trip: the least urgent is not worth another one today."""
    cost = [[-9_000.0, -100.0, 0.0], [-9_000.0, -100.0, 0.0], [-1_500.0, -1_400.0, 0.0]]
    assert refined(cost, [1000.0, 1000.0, 1000.0], [1, 1, 1], 2.0, [0, 0, 0]) == [0, 0, 2]


def test_a_day_that_is_not_open_is_not_taken():
    """A visit that may not be today is left for tomorrow, on the other's trip."""
    cost = [[np.inf, -9_000.0, 0.0], [-9_000.0, -8_999.0, 0.0]]
    assert refined(cost, [1000.0, 1010.0], [1, 1], 10.0, [2, 0]) == [1, 1]


def test_the_same_seed_gives_the_same_days():
    """Counted iterations and chance that is given: nothing else decides."""
    rng = np.random.default_rng(5)
    x, gain = rng.uniform(100, 5000, 40), -rng.uniform(0, 2000, (40, 4))
    cost = np.hstack([gain, np.zeros((40, 1))])
    first = refined(cost, x, np.ones(40), 15.0, np.full(40, 4))
    assert refined(cost, x, np.ones(40), 15.0, np.full(40, 4)) == first
    assert 0 < sum(d < 4 for d in first) < 40


def street(cost, x_m, load, payload, day, depot_m):
    """Search on a street whose last place is the depot."""
    n = len(x_m)
    return refine_days(
        np.asarray(cost, float), between([*x_m, depot_m]), 0, 1 + np.arange(n), (np.asarray(load, float), payload),
        np.asarray(day), QUICK, np.random.default_rng(1), n + 1,
    ).tolist()  # fmt: skip


def test_a_truck_does_not_leave_its_depot_for_little():
    """A way of 200 m from the base is worth 500 m, unless the truck has to come from 2 km away and go home again."""
    cost = [[-500.0, 0.0]]
    assert street(cost, [100.0], [1], 10.0, [1], 0.0) == [0]
    assert street(cost, [100.0], [1], 10.0, [0], 2000.0) == [1]


def test_the_first_trip_takes_what_lies_between_the_depot_and_the_base():
    """The truck passes there on its way to the base: no metre more, so a gain of 5 m will do."""
    cost = [[-5.0, 0.0], [-9_000.0, 0.0]]
    assert street(cost, [1000.0, 1500.0], [1, 1], 10.0, [1, 0], 2000.0) == [0, 0]
    assert street(cost, [1000.0, 500.0], [1, 1], 10.0, [1, 0], 0.0) == [1, 0]


def test_a_second_trip_costs_the_way_from_the_base_only():
    """Once the truck is out, another load is fetched for 2 km, though leaving the depot for it alone would not pay."""
    cost = [[-9_000.0, 0.0], [-2_100.0, 0.0]]
    assert street(cost, [1000.0, 1000.0], [1, 1], 1.0, [1, 1], 3000.0) == [0, 0]
    assert street(cost[1:], [1000.0], [1], 1.0, [0], 3000.0) == [1]


def test_what_gathers_counts_on_the_day_it_is_fetched():
    """Two containers fit on a trip today; tomorrow each holds more, and only one of them does."""
    cost = [[np.inf, -9_000.0, 0.0], [np.inf, -1_500.0, 0.0]]
    assert refined(cost, [1000.0, 1000.0], [[1, 1], [1, 1]], 2.0, [2, 2]) == [1, 1]
    assert refined(cost, [1000.0, 1000.0], [[1, 1.5], [1, 1.5]], 2.0, [2, 2]) == [1, 2]
