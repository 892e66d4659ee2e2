"""Expected response and what moves win, in hand-checked numbers."""

import numpy as np
import pytest

from cityloop.domains.emergency.cover import (
    BEYOND_MIN,
    expected_response,
    loss_without,
    place_values,
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


def test_place_values_agree_with_placing_and_asking_again():
    """For every unit and site, and for every unit left where it is, with chances."""
    rng = np.random.default_rng(5)
    eta, there = rng.uniform(1, 20, (5, 30)), np.array([1.0, 1.0, 0.4, 0.7, 1.0])
    here, weight = rng.uniform(1, 20, (5, 30)), rng.dirichlet(np.ones(30))
    sites = rng.uniform(1, 20, (6, 30))
    now, stay, values = place_values(eta, there, weight, here, np.ascontiguousarray(sites.T))
    assert now == pytest.approx(expected_response(eta, there, weight))
    for u in np.flatnonzero(there == 1.0):
        for place, found in ((here[u], stay[u]), *zip(sites, values[u], strict=True)):
            moved = eta.copy()
            moved[u] = place
            assert found == pytest.approx(expected_response(moved, there, weight))


def test_a_unit_alone_is_worth_its_drive():
    """Nobody else is there: 3 min to the one zone."""
    now, stay, values = place_values(
        np.array([[9.0]]), np.ones(1), np.ones(1), np.array([[5.0]]), np.array([[3.0, 30.0]])
    )
    assert (now, stay.tolist(), values.tolist()) == (9.0, [5.0], [[3.0, BEYOND_MIN]])
