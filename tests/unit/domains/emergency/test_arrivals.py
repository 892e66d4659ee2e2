"""Expected times are held against arrivals of a running city."""

import pytest

from cityloop.domains.emergency.arrivals import Arrivals, arrived, expected
from cityloop.domains.emergency.hearing import Known


def known(number, attended):
    """A call as the centre lists it."""
    return Known(number, 1, 0, 0.0, 0.0, 0, 0.0, 0, 0, attended, 0)


def test_an_arrival_is_held_against_what_was_expected():
    """Sent at 0 with 100 s expected, there at 150 s: half as long again."""
    waiting = expected(Arrivals(), 7, 0, 100.0)
    seen = arrived(waiting, (known(7, False),), (known(7, True),), 150_000)
    assert seen.awaited == ()
    assert seen.residuals.logs[0] == pytest.approx((0.405465,), abs=1e-5)


def test_a_call_that_is_closed_without_an_arrival_tells_nothing():
    """A call called off is no longer awaited and teaches nothing."""
    waiting = expected(Arrivals(), 7, 0, 100.0)
    assert arrived(waiting, (known(7, False),), (), 150_000) == Arrivals()


def test_of_two_sent_to_one_call_the_later_counts():
    """A unit taken off the call is not awaited any more."""
    waiting = expected(expected(Arrivals(), 7, 0, 100.0), 7, 60_000, 40.0)
    assert waiting.awaited == ((7, 60_000, 40.0),)
