"""Rates: learned from findings, drawn to their group, with a scatter of their own."""

import numpy as np
import pytest

from cityloop.methods.fill_rate import RateParams, expected, learn, learned_best, start_rates, weekday_factors


def rates():
    return start_rates(np.full(2, 0.1), np.full(2, 0.03), np.ones(7), RateParams(level_gain=0.0))


def test_findings_move_a_rate_from_its_group():
    """A container found full every four days ends near a quarter a day; the other stays with the group."""
    learned = rates()
    for _ in range(30):
        learned = learn(learned, np.array([0]), np.array([1.0]), np.array([4.0]))
    assert learned.rate() == pytest.approx([0.25, 0.1], abs=0.02)


def test_a_finding_without_a_scale_teaches_nothing():
    """NaN leaves the rate as it was."""
    assert learn(rates(), np.array([0]), np.array([np.nan]), np.array([4.0])).rate()[0] == 0.1


def test_what_is_not_known_widens_the_forecast():
    """The first forecast of a container is wider than that after many findings of the same."""
    known = rates()
    for _ in range(30):
        known = learn(known, np.array([0]), np.array([0.4]), np.array([4.0]))
    zero = np.zeros(2)
    first = expected(rates(), 4.0, zero, zero)[1][0]
    assert expected(known, 4.0, zero, zero)[1][0] < first


def test_weekday_factors_are_found_from_spans():
    """Findings over unequal spans of weekdays tell that Sundays count double."""
    rng = np.random.default_rng(5)
    days = rng.integers(0, 2, (400, 7)).astype(float) + 0.01
    truth = np.array([1, 1, 1, 1, 1, 1, 2.0])
    truth /= truth.mean()
    factors = weekday_factors(np.zeros(400, int), 0.1 * days @ truth, days)
    assert factors == pytest.approx(truth, rel=0.02)


def test_a_history_tells_how_long_findings_count():
    """Where rates double half way, the shorter memory foretells better; where they stay, the longer one does."""
    rng = np.random.default_rng(3)
    many = 40
    start = start_rates(np.full(many, 0.1), np.full(many, 0.03), np.ones(7), RateParams(level_gain=0.0))
    short, long = (RateParams(half_life_days=days, level_gain=0.0) for days in (6.0, 90.0))
    for after, best in ((3.0, short), (1.0, long)):
        rounds = []
        for k in range(24):
            up = np.where(np.arange(many) % 2, after, 1.0 / after) if k >= 12 else np.ones(many)
            found = rng.gamma(0.4 * up / 0.03, 0.03)
            rounds.append((np.arange(many), found, np.full(many, 4.0)))
        assert learned_best(start, rounds, (short, long)).params == best
