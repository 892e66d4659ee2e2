"""Expected response and what moves win, in hand-checked numbers."""

import numpy as np
import pytest

from cityloop.domains.emergency.cover import (
    BEYOND_MIN,
    best_move,
    expected_response,
    loss_without,
    move_values,
    ranked,
)

WEIGHT = np.array([0.5, 0.5])


def test_the_nearest_certain_unit_answers():
    """4 min for one half and 2 min for the other."""
    eta = np.array([[4.0, 10.0], [9.0, 2.0]])
    assert expected_response(eta, np.ones(2), WEIGHT) == pytest.approx(3.0)


def test_a_chance_counts_as_one():
    """There in half of the cases: 0.5 * 4 + 0.5 * 10 in the first zone, 0.5 * 2 + 0.5 * 10 in the second."""
    eta = np.array([[4.0, 2.0], [10.0, 10.0]])
    assert expected_response(eta, np.array([0.5, 1.0]), WEIGHT) == pytest.approx(6.5)


def test_without_anybody_one_must_come_free():
    """Nobody is there."""
    assert expected_response(np.empty((0, 2)), np.empty(0), WEIGHT) == BEYOND_MIN


def test_the_loss_of_a_unit_is_what_the_next_must_drive_more():
    """Without the first its zone waits 9 instead of 4 min: 2.5 in the mean."""
    eta = np.array([[4.0, 10.0], [9.0, 2.0]])
    assert loss_without(eta, np.ones(2), WEIGHT, np.array([0])).tolist() == pytest.approx([2.5])


def test_losses_agree_with_leaving_the_unit_out():
    """For every unit of a random picture, with chances."""
    rng = np.random.default_rng(11)
    eta, there, weight = rng.uniform(1, 20, (7, 40)), rng.uniform(0.2, 1.0, 7), np.full(40, 1 / 40)
    found = loss_without(eta, there, weight, np.arange(7))
    base = expected_response(eta, there, weight)
    for u in range(7):
        rest = np.arange(7) != u
        assert found[u] == pytest.approx(expected_response(eta[rest], there[rest], weight) - base, abs=1e-9)


def test_the_nearest_come_first_and_who_is_not_there_is_left_out():
    """Three units, one of them without a chance to be there."""
    eta = np.array([[5.0], [1.0], [3.0]])
    assert ranked(eta, np.array([1.0, 0.0, 0.5])).tolist() == [[2, 0, -1, -1, -1]]


def test_move_values_agree_with_moving_and_asking_again():
    """At each site the value is the expected response with the unit there."""
    rng = np.random.default_rng(5)
    eta, there = rng.uniform(1, 20, (4, 30)), np.array([1.0, 1.0, 0.4, 0.0])
    sites, weight = rng.uniform(1, 20, (6, 30)), np.full(30, 1 / 30)
    now, values = move_values(eta, there, weight, 1, np.ascontiguousarray(sites.T))
    assert now == pytest.approx(expected_response(eta, there, weight))
    for s in range(6):
        moved = eta.copy()
        moved[1] = sites[s]
        assert values[s] == pytest.approx(expected_response(moved, there, weight))


ETA = np.array([[4.0, 10.0], [9.0, 9.0]])
SITES = np.array([[2.0, 9.0], [9.0, 2.0]])


def _best(forced, price=0.0, mix=0.0):
    return best_move(
        ETA,
        np.ones(2),
        WEIGHT,
        np.array([0, 1]),
        np.array(forced),
        ETA,
        np.ascontiguousarray(SITES.T),
        np.ones((2, 2), np.bool_),
        np.full((2, 2), mix),
        np.full((2, 2), price),
    )


def test_a_unit_without_a_place_goes_first():
    """The forced one is placed even where a free one would win more."""
    assert _best([False, True])[:2] == (1, 1)


def test_the_best_move_wins_its_gain_less_its_price():
    """The second unit at the second site: 2 instead of 9 min for one half of the calls, 3.5 min less in the mean."""
    unit, site, gain, _ = _best([False, False], price=1.0)
    assert (unit, site) == (1, 1)
    assert gain == pytest.approx(2.5)


def test_a_long_drive_wins_less():
    """With half of the horizon spent halfway it stands at 5.5 min from the second zone."""
    unit, site, gain, _ = _best([False, False], mix=0.5)
    assert (unit, site) == (1, 1)
    assert gain == pytest.approx(1.75)
