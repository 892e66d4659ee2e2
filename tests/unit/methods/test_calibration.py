"""Calibration: forecasts are brought to frequencies, intervals to their coverage."""

import numpy as np
import pytest

from cityloop.methods.calibration import (
    brier_skill,
    conformal_level,
    fit_logistic,
    fit_monotone,
    logistic,
    recalibrate,
)


def test_a_forecast_that_claims_too_much_is_brought_down():
    """Said 0.9 and happened half the time becomes about a half; said 0.1 and never happened, less than said."""
    said = np.repeat([0.1, 0.9], 500)
    happened = np.concatenate([np.zeros(500), np.tile([0.0, 1.0], 250)])
    now = recalibrate(fit_monotone(said, happened), np.array([0.1, 0.9]))
    assert now[0] < 0.05
    assert now[1] == pytest.approx(0.5, abs=0.1)


def test_skill_is_one_for_the_perfect_and_none_for_the_reference():
    """Brier skill by its ends."""
    happened = np.array([0.0, 1.0, 1.0, 0.0])
    reference = np.full(4, 0.5)
    assert brier_skill(happened, reference, happened) == 1.0
    assert brier_skill(reference, reference, happened) == 0.0


def test_the_conformal_level_covers_what_it_should():
    """Nine tenths of past ranks lie within it."""
    rank = (np.arange(1000) + 0.5) / 1000
    assert conformal_level(rank, 0.9) == pytest.approx(0.45, abs=0.002)


def test_the_logistic_fit_finds_the_weights():
    """Weights of a drawn logistic model are found again."""
    rng = np.random.default_rng(6)
    x = rng.normal(size=(20_000, 2))
    happened = rng.uniform(size=20_000) < logistic(x, np.array([-1.0, 2.0, 0.5]))
    assert fit_logistic(x, happened) == pytest.approx([-1.0, 2.0, 0.5], abs=0.1)
