"""Bands about expected times follow what really came."""

import math

from cityloop.domains.emergency.arrivals import LEAST, Arrivals, arrived, band, expected
from cityloop.domains.emergency.hearing import Known


def known(number, attended):
    """A call as the centre lists it."""
    return Known(number, 1, 0, 0.0, 0.0, 0, 0.0, 0, 0, attended, 0)


def test_no_band_before_enough_arrivals():
    """With nine arrivals nothing is told."""
    assert all(math.isnan(one) for one in band(Arrivals(factors=(1.0,) * (LEAST - 1))))


def test_the_band_holds_nine_of_ten():
    """Of factors from 1 to 20 the band leaves out about the least and the greatest twentieth."""
    low, high = band(Arrivals(factors=tuple(float(k) for k in range(1, 21))))
    assert 1.0 <= low <= 1.5
    assert 19.5 <= high <= 20.0


def test_an_arrival_is_held_against_what_was_expected():
    """Sent at 0 with 100 s expected, there at 150 s: half as long again."""
    waiting = expected(Arrivals(), 7, 0, 100.0)
    seen = arrived(waiting, (known(7, False),), (known(7, True),), 150_000)
    assert seen == Arrivals((), (1.5,))


def test_a_call_that_is_closed_without_an_arrival_tells_nothing():
    """A call called off is no longer awaited and makes no factor."""
    waiting = expected(Arrivals(), 7, 0, 100.0)
    assert arrived(waiting, (known(7, False),), (), 150_000) == Arrivals()
