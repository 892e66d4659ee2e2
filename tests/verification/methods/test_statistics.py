"""Statistics against closed forms and tables."""

from __future__ import annotations

import math
import random

import pytest

from cityloop.methods.statistics import (
    Verdict,
    compare_paired,
    fieller_ratio,
    mean_interval,
    nearest_rank,
    t_quantile,
    verdict_words,
)


@pytest.mark.parametrize(("degrees", "quantile"), [(1, 12.7062), (4, 2.7764), (9, 2.2622), (29, 2.0452)])
def test_t_quantile_is_the_tabled_one(degrees: int, quantile: float) -> None:
    """Two-sided 95 % quantiles of Student's t, as printed in any table."""
    assert t_quantile(0.975, degrees) == pytest.approx(quantile, abs=1e-4)


def test_t_quantile_of_one_and_two_degrees_has_a_closed_form() -> None:
    """One degree is the Cauchy distribution; two degrees have an algebraic quantile."""
    for share in (0.6, 0.9, 0.975, 0.999):
        assert t_quantile(share, 1) == pytest.approx(math.tan(math.pi * (share - 0.5)))
        u = 2 * share - 1
        assert t_quantile(share, 2) == pytest.approx(u * math.sqrt(2 / (1 - u * u)))


def test_interval_of_a_mean_by_hand() -> None:
    """1, 2, 3, 4, 5: mean 3, standard error sqrt(2.5 / 5), half width 2.7764 times that."""
    found = mean_interval([1, 2, 3, 4, 5])
    assert found.mean == 3
    assert found.interval is not None
    assert found.interval.high - 3 == pytest.approx(2.77645 * math.sqrt(0.5), abs=1e-4)


def test_one_value_has_no_interval() -> None:
    """A single run says nothing of the spread, so no interval and no verdict are given."""
    assert mean_interval([7.0]).interval is None
    found = compare_paired([10.0], [20.0])
    assert found.verdict is Verdict.UNDECIDED
    assert "no verdict" in verdict_words(found, "brain", "fixed")


def test_nearest_rank_is_an_observed_value() -> None:
    """The 95th percentile of 1..20 is the 19th value, of 1..100 the 95th, of one value that value."""
    assert nearest_rank(range(1, 21), 0.95) == 19
    assert nearest_rank(range(1, 101), 0.95) == 95
    assert nearest_rank([4.0], 0.95) == 4.0
    assert nearest_rank([3, 1, 2], 1.0) == 3


def test_fieller_of_a_constant_denominator_is_the_plain_interval() -> None:
    """Where the denominator does not vary, the ratio's interval is the numerator's, divided."""
    ours = [8.0, 9.0, 10.0, 11.0]
    found, plain = fieller_ratio(ours, [20.0] * 4), mean_interval(ours).interval
    assert found is not None
    assert plain is not None
    assert found.low == pytest.approx(plain.low / 20)
    assert found.high == pytest.approx(plain.high / 20)


def test_fieller_holds_what_a_paired_test_does_not_reject() -> None:
    """At each end of the interval, the mean of ours - r * theirs is just t standard errors from zero."""
    ours, theirs = [18.0, 21.5, 19.0, 25.0, 20.0], [30.0, 31.0, 36.0, 33.0, 29.0]
    found = fieller_ratio(ours, theirs)
    assert found is not None
    for ratio in (found.low, found.high):
        left = mean_interval([a - ratio * b for a, b in zip(ours, theirs, strict=True)])
        assert left.interval is not None
        assert min(abs(left.interval.low), abs(left.interval.high)) == pytest.approx(0, abs=1e-9)


def test_fieller_is_unbounded_near_zero() -> None:
    """A denominator that may well be zero bounds no ratio."""
    assert fieller_ratio([1.0, 2.0, 3.0], [-1.0, 0.5, 1.0]) is None


def test_a_gain_in_every_seed_is_better() -> None:
    """Half the delay on every seed is 50 % better, with an interval that shrinks to a point."""
    theirs = [40.0, 44.0, 36.0]
    found = compare_paired([value / 2 for value in theirs], theirs)
    assert found.verdict is Verdict.BETTER
    assert found.gain_frac == pytest.approx(0.5)
    assert found.gain_interval is not None
    assert found.gain_interval.low == pytest.approx(0.5)
    words = verdict_words(found, "brain", "fixed")
    assert words == "brain is better than fixed by 50.0 % (95 % CI 50.0 % to 50.0 %)"


def test_a_loss_is_called_worse_and_points_the_other_way() -> None:
    """Words for a loss give positive percentages."""
    theirs = [40.0, 44.0, 36.0]
    found = compare_paired([value * 1.5 for value in theirs], theirs)
    assert found.verdict is Verdict.WORSE
    assert verdict_words(found, "brain", "fixed") == "brain is worse than fixed by 50.0 % (95 % CI 50.0 % to 50.0 %)"


def test_a_difference_within_the_noise_is_no_clear_difference() -> None:
    """Where the interval of the differences holds 0, nothing is claimed."""
    found = compare_paired([10.0, 12.0, 9.0], [11.0, 9.0, 12.0])
    assert found.verdict is Verdict.NO_CLEAR_DIFFERENCE
    assert verdict_words(found, "brain", "fixed").startswith("no clear difference between brain and fixed")


def test_the_worst_pair_is_named() -> None:
    """The worst seed is the one with the greatest difference, not the greatest delay."""
    assert compare_paired([10.0, 30.0, 22.0], [20.0, 40.0, 21.0]).worst == 2


def test_intervals_cover_as_often_as_they_say() -> None:
    """Over 2,000 samples of five normal values, the 95 % interval holds the mean 95 % of the time."""
    chance = random.Random(20)
    held = 0
    for _ in range(2000):
        interval = mean_interval([chance.gauss(10, 3) for _ in range(5)]).interval
        assert interval is not None
        held += not interval.excludes(10)
    assert 0.94 <= held / 2000 <= 0.96
