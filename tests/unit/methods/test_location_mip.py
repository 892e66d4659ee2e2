"""Proven locations against every choice there is, on cases small enough to try them all."""

from itertools import combinations, combinations_with_replacement

import numpy as np
import pytest

from cityloop.methods.location import greedy_median, median_cost
from cityloop.methods.location_mip import best_cover, best_expected_cover, best_median, covered, expected_cover

RNG = np.random.default_rng(8)
PLACE = RNG.uniform(0, 10, (9, 2))
HOME = RNG.uniform(0, 10, (25, 2))
COST = np.hypot(*(PLACE[:, None, :] - HOME[None, :, :]).transpose(2, 0, 1))
WEIGHT = RNG.uniform(0.1, 1.0, 25)
REACH = COST < 2.5


@pytest.mark.parametrize("count", [1, 3, 5, 9])
def test_no_choice_has_a_lesser_median(count):
    """All choices are tried; the proof closes on the best of them."""
    found = best_median(COST, WEIGHT, count)
    least = min(median_cost(COST, WEIGHT, np.array(c)) for c in combinations(range(9), count))
    assert found.value == pytest.approx(least)
    assert found.gap < 1e-3
    assert len(found.chosen) == count


def test_greed_is_never_better_than_what_is_proven():
    """The bound holds for any other choice."""
    found = best_median(COST, WEIGHT, 4)
    assert median_cost(COST, WEIGHT, greedy_median(COST, WEIGHT, 4)) >= found.bound - 1e-9


def test_ties_in_the_distances_do_no_harm():
    """Five places on a street, one apart: two medians cost 3 in all."""
    line = np.abs(np.arange(5.0)[:, None] - np.arange(5.0)[None, :])
    assert best_median(line, np.ones(5), 2).value == pytest.approx(3.0)


@pytest.mark.parametrize("count", [1, 2, 4])
def test_no_choice_covers_more(count):
    """All choices are tried."""
    found = best_cover(REACH, WEIGHT, count)
    most = max(covered(REACH, WEIGHT, np.array(c)) for c in combinations(range(9), count))
    assert found.value == pytest.approx(most)
    assert found.gap < 1e-3


@pytest.mark.parametrize("busy_share", [0.3, 0.7])
def test_no_choice_covers_more_in_expectation(busy_share):
    """All ways to lay three units over nine sites, several at one included."""
    found = best_expected_cover(REACH, WEIGHT, 3, busy_share)
    ways = combinations_with_replacement(range(9), 3)
    most = max(expected_cover(REACH, WEIGHT, np.array(c), busy_share) for c in ways)
    assert found.value == pytest.approx(most)
    assert found.gap < 1e-3


HELD = np.array([2, 6])


def test_what_is_there_already_stays():
    """The best of the choices that hold two given sites, by each of the three models; two units may share a site."""
    median = best_median(COST, WEIGHT, 4, held=HELD)
    cover = best_cover(REACH, WEIGHT, 4, held=HELD)
    with_held = [np.array(c) for c in combinations(range(9), 4) if set(HELD) <= set(c)]
    assert median.value == pytest.approx(min(median_cost(COST, WEIGHT, c) for c in with_held))
    assert cover.value == pytest.approx(max(covered(REACH, WEIGHT, c) for c in with_held))
    both_at_two = np.array([2, 2])
    expected = best_expected_cover(REACH, WEIGHT, 3, 0.5, held=both_at_two)
    most = max(expected_cover(REACH, WEIGHT, np.array([2, 2, s]), 0.5) for s in range(9))
    assert expected.value == pytest.approx(most)
    assert np.count_nonzero(expected.chosen == 2) >= 2
    for proof in (median, cover, expected):
        assert proof.gap < 1e-3


def test_more_held_than_chosen_is_refused():
    """The message names both numbers."""
    with pytest.raises(ValueError, match="2 sites are held: must be at most the 1"):
        best_median(COST, WEIGHT, 1, held=HELD)


def test_more_sites_than_there_are_cannot_be_chosen():
    """Ten of nine."""
    with pytest.raises(ValueError, match="10 sites"):
        best_median(COST, WEIGHT, 10)
