"""Expected response and what moves win, in hand-checked numbers."""

import numpy as np
import pytest

from cityloop.domains.emergency.cover import BEYOND_MIN, best_move, expected_response, loss_without, move_values

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


def test_move_values_agree_with_moving_and_asking_again():
    """At each site the value is the expected response with the unit there."""
    rng = np.random.default_rng(5)
    eta, there = rng.uniform(1, 20, (4, 30)), np.array([1.0, 1.0, 0.4, 0.0])
    sites, weight = rng.uniform(1, 20, (6, 30)), np.full(30, 1 / 30)
    now, values = move_values(eta, there, weight, 1, sites, np.ones(6, np.bool_))
    assert now == pytest.approx(expected_response(eta, there, weight))
    for s in range(6):
        moved = eta.copy()
        moved[1] = sites[s]
        assert values[s] == pytest.approx(expected_response(moved, there, weight))


def test_a_unit_without_a_place_goes_first():
    """The forced one is placed even where a free one would win more."""
    eta = np.array([[4.0, 10.0], [9.0, 9.0]])
    sites = np.array([[2.0, 9.0], [9.0, 2.0]])
    found = best_move(
        eta,
        np.ones(2),
        WEIGHT,
        np.array([0, 1]),
        np.array([False, True]),
        sites,
        np.ones((2, 2), np.bool_),
        np.ones((2, 2)),
        20.0,
        1.0,
    )
    assert found[0] == 1
    assert found[1] == 1
