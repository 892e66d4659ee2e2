"""Drawn cities: policies are compared at one rate of overflows, the best rival city by city."""

import pytest

from cityloop.studies.refuse_cities import summarise


def row(seed, threshold_km):
    """A city in which the brain drives 100 km at 4 overflows per thousand and fixed rounds 200 km."""
    return {
        "seed": seed,
        "points": {
            "brain": [[1.0, 16.0, 80.0, 9], [2.0, 4.0, 100.0, 9], [30_000.0, 1.0, 120.0, 9]],
            "perfect": [[1.0, 16.0, 70.0, 9], [2.0, 1.0, 110.0, 9]],
            "fixed": [[0.02, 1.0, 220.0, 9], [0.1, 16.0, 180.0, 9]],
            "frequencies": [[0.01, 0.1, 190.0, 9], [0.05, 3.0, 150.0, 9]],
            "threshold": [[0.4, 2.0, threshold_km, 9], [0.6, 8.0, threshold_km, 9], [0.8, 40.0, 60.0, 9]],
        },
    }


def test_rivals_are_met_at_the_same_rate_of_overflows():
    """Half way between two settings in the logarithm of the rate; who overflows less at the loosest is met there."""
    told = summarise([row(1, 125.0), row(2, 160.0)])
    assert told["fixed at 4"]["less_frac"] == pytest.approx(0.5)
    assert told["frequencies at 4"]["less_frac"] == pytest.approx(1 - 100 / 150)
    assert told["frequencies at 2"]["cities"] == 2
    assert told["perfect at 4"]["by_city"] == pytest.approx([1 - 100 / 90] * 2)


def test_the_best_rival_is_the_one_that_drives_least_in_its_city():
    """A threshold of 125 km in one city; frequencies of 150 km in the other, where a threshold drives 160."""
    told = summarise([row(1, 125.0), row(2, 160.0)])
    assert told["best rival at 4"]["by_city"] == pytest.approx([0.2, 1 - 100 / 150])


def test_a_named_threshold_is_met_at_its_own_rate():
    """At its 8 overflows the brain drives 90 km; at the 40 of the looser one there is no setting of the brain."""
    told = summarise([row(1, 125.0)])
    assert told["threshold 0.6 at its own rate"]["by_city"] == pytest.approx([1 - 90 / 125])
    assert told["threshold 0.6 at its own rate"]["rates"] == [8.0]
    assert told["threshold 0.8 at its own rate"]["cities"] == 0
