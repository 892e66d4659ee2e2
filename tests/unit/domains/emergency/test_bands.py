"""Bands about expected times follow what really came."""

import numpy as np
import pytest

from cityloop.domains.emergency.bands import GROUP_FROM_S, LEAST, Residuals, band, learned


def after(runs):
    """What is known after some runs of expected and actual time."""
    known = Residuals()
    for expected_s, actual_s in runs:
        known = learned(known, expected_s, actual_s)
    return known


def test_no_band_before_enough_runs():
    """With one run fewer than a twentieth on either side takes, nothing is told."""
    known = after([(100.0, 100.0)] * (LEAST - 1))
    assert np.isnan(band(known, np.array([100.0]))).all()
    assert not np.isnan(band(learned(known, 100.0, 100.0), np.array([100.0]))).any()


def test_the_band_leaves_a_twentieth_out_on_either_side():
    """Of factors 1, 2, ... 99 the fifth and the ninety-fifth are its ends."""
    known = after([(100.0, 100.0 * k) for k in range(1, 100)])
    low_s, high_s = band(known, np.array([100.0]))
    assert low_s[0] == pytest.approx(500.0)
    assert high_s[0] == pytest.approx(9500.0)


def test_short_runs_have_a_band_of_their_own():
    """Short runs that vary widen no band of long ones, once both have been seen often."""
    rng = np.random.default_rng(1)
    short = [(100.0, 100.0 * f) for f in rng.lognormal(0.0, 0.5, 60)]
    long = [(900.0, 900.0 * f) for f in rng.lognormal(0.0, 0.05, 60)]
    low_s, high_s = band(after([*short, *long]), np.array([100.0, 900.0]))
    assert high_s[0] / low_s[0] > 2.0
    assert high_s[1] / low_s[1] < 1.4


def test_a_group_without_runs_borrows_those_of_all():
    """A long run among short ones is not left without a band."""
    known = after([(100.0, 100.0 * (1.0 + k / 100.0)) for k in range(30)])
    assert np.isfinite(band(known, np.array([2000.0]))).all()


def test_old_runs_are_forgotten():
    """After a change of the city the band is that of the runs since."""
    known = after([(100.0, 100.0)] * 500 + [(100.0, 200.0)] * 400)
    low_s, high_s = band(known, np.array([100.0]))
    assert (low_s[0], high_s[0]) == (pytest.approx(200.0), pytest.approx(200.0))
    assert len(known) == 400


def test_nine_of_ten_runs_to_come_are_within():
    """Runs of the same kind as those learned from: 88 to 92 % in the mean over many bands."""
    rng = np.random.default_rng(7)
    within = []
    for _ in range(40):
        drawn = rng.lognormal(0.1, 0.3, 200)
        known = after([(300.0, 300.0 * f) for f in drawn[:100]])
        low_s, high_s = band(known, np.array([300.0]))
        actual_s = 300.0 * drawn[100:]
        within.append(((actual_s >= low_s[0]) & (actual_s <= high_s[0])).mean())
    assert 0.88 <= np.mean(within) <= 0.92


def test_groups_begin_where_they_say():
    """A run of exactly three minutes is of the second group."""
    assert [len(group) for group in after([(GROUP_FROM_S[1], 200.0)]).logs] == [0, 1, 0, 0]
