"""Day assignment: neighbours share a day, urgent ones do not wait, bounds hold."""

import numpy as np

from cityloop.methods.selection import assign_days, zones_of

FREE = np.full(2, np.inf)


def test_neighbours_share_the_day_on_which_one_must_be_visited():
    """A zone opened for an urgent container takes its neighbour along."""
    # Columns: today, tomorrow, later. The first must go today; the second is as well off on either day.
    cost = np.array([[0.0, 100.0, 200.0], [5.0, 4.0, 20.0]])
    days = assign_days(cost, np.array([0, 0]), np.array([10.0]), np.ones(2), FREE)
    assert days.tolist() == [0, 0]


def test_a_zone_is_not_opened_for_a_gain_smaller_than_going_there():
    """Alone, a container whose visit gains less than the way waits."""
    days = assign_days(np.array([[5.0, 4.0, 10.0]]), np.array([0]), np.array([10.0]), np.ones(1), FREE)
    assert days.tolist() == [2]


def test_a_day_carries_no_more_than_its_trucks():
    """Of two containers that want today, one moves to tomorrow when the trucks carry one."""
    cost = np.array([[0.0, 5.0, 50.0], [0.0, 30.0, 50.0]])
    days = assign_days(cost, np.array([0, 1]), np.zeros(2), np.full(2, 3.0), np.array([4.0, np.inf]))
    assert days.tolist() == [1, 0]


def test_zones_are_compact_and_no_larger_than_asked():
    """Two far groups never share a zone."""
    x = np.concatenate([np.arange(8.0), 1000 + np.arange(8.0)])
    zone = zones_of(x, np.zeros(16), 8)
    assert len(set(zone[:8])) == 1
    assert set(zone[:8]).isdisjoint(zone[8:])
