"""Where to stand: greedy and exchanged medians on a street counted by hand."""

import numpy as np

from cityloop.methods.location import greedy_median, median_cost, swap_median

LINE = np.abs(np.arange(5.0)[:, None] - np.arange(5.0)[None, :])
"""Five places on a street, one apart."""


def test_one_median_of_a_street_is_its_middle():
    """From the middle the mean way is 6 / 5."""
    weight = np.full(5, 0.2)
    assert greedy_median(LINE, weight, 1).tolist() == [2]
    assert np.isclose(median_cost(LINE, weight, np.array([2])), 1.2)


def test_people_draw_the_median():
    """Nine of ten live at the end."""
    assert greedy_median(LINE, np.array([0.9, 0.025, 0.025, 0.025, 0.025]), 1).tolist() == [0]


def test_an_exchange_betters_what_greed_spoiled():
    """Two medians of the street: greed holds the middle (cost 0.6), exchange finds 1 and 3 or better."""
    weight = np.full(5, 0.2)
    greedy = greedy_median(LINE, weight, 2)
    better = swap_median(LINE, weight, greedy, 10)
    assert median_cost(LINE, weight, better) <= median_cost(LINE, weight, greedy)
    assert np.isclose(median_cost(LINE, weight, better), 0.6)
