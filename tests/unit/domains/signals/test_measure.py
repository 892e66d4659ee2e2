"""How a window of signals is scored, in figures that can be counted by hand."""

from __future__ import annotations

import dataclasses
import math

import numpy as np
import pytest

from cityloop.cities.toy.assets import ToyParams, toy_assets
from cityloop.domains.signals.measure import score
from cityloop.domains.signals.schema import Lamp, SignalView

ASSETS = toy_assets(ToyParams())
"""One junction: link 0 is green in stage 0, links 1 and 2 in stage 1."""

GREENS = {0: (0,), 1: (1, 2), -1: ()}


def view(stage: int, green_since_s: float, *, dead: bool = False) -> SignalView:
    """What the toy's junction shows in one second."""
    lamp = np.zeros(3, np.uint8)
    lamp[list(GREENS[stage])] = Lamp.PROTECTED
    return SignalView(
        stage=np.array([stage], np.int32),
        green_since_ms=np.array([round(green_since_s * 1000)], np.int64),
        longest_red_s=np.zeros(1),
        sensing_dead=np.array([dead]),
        lamp=lamp,
    )


WINDOW = [view(0, 0)] * 4 + [view(-1, 0)] * 2 + [view(1, 6)] * 4 + [view(-1, 6)] + [view(0, 11)] * 2
"""Thirteen seconds, twelve periods: two changes, three seconds of intergreen."""


def test_the_longest_red_is_counted_in_whole_periods():
    """Link 0 is red from its first intergreen to its next green, seven of the seconds; no link waits longer."""
    assert score(ASSETS, WINDOW, 1.0).longest_red_s == 7


def test_a_period_of_two_seconds_doubles_the_red():
    """Durations follow the period that the views were taken at."""
    assert score(ASSETS, WINDOW, 2.0).longest_red_s == 14


def test_a_link_that_no_stage_serves_does_not_wait():
    """A link red in every stage is left out, as nobody can be given what is not there."""
    never = ASSETS.lamps.reshape(2, 3).copy()
    never[:, 0] = Lamp.RED
    shut = dataclasses.replace(ASSETS, lamps=never.ravel())
    assert score(shut, WINDOW, 1.0).longest_red_s == 6


def test_intergreens_and_changes_are_shares_of_the_junction_time():
    """Three of thirteen views show no stage; two greens begin in twelve seconds, 600 an hour."""
    card = score(ASSETS, WINDOW, 1.0)
    assert card.intergreen_frac == pytest.approx(3 / 13)
    assert card.changes_per_h == pytest.approx(600)


def test_dead_sensing_is_counted():
    """One view of four without sensing is a quarter."""
    assert score(ASSETS, [view(0, 0, dead=k == 1) for k in range(4)], 1.0).sensing_dead_frac == 0.25


def test_nothing_is_known_of_an_empty_window():
    """No figure is made up where there is none."""
    assert all(math.isnan(figure) for figure in dataclasses.astuple(score(ASSETS, [], 1.0)))


def test_one_view_has_no_rate():
    """A rate needs time to pass."""
    assert math.isnan(score(ASSETS, [view(0, 0)], 1.0).changes_per_h)
