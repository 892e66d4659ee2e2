"""How a window of traffic is scored, in figures that can be counted by hand."""

from __future__ import annotations

import dataclasses
import math

import numpy as np
import pytest

from cityloop.domains.traffic.measure import score
from cityloop.domains.traffic.schema import TrafficView


def view(at_s: tuple[int, int], left_veh: tuple[int, int], speed_mps: list[list[float]]) -> TrafficView:
    """Two lanes: when each was heard last, who has left so far, and the speeds of those in its zone."""
    speeds = np.array(speed_mps)
    return TrafficView(
        distance_m=np.where(np.isnan(speeds), np.nan, 10.0),
        speed_mps=speeds,
        count_veh=(~np.isnan(speeds)).sum(axis=1).astype(np.int32),
        seen_at_ms=np.array(at_s, np.int64) * 1000,
        left_veh=np.array(left_veh, np.int64),
        flow_vps=np.zeros(2),
        share=np.ones(2),
        head_odds=np.ones(2),
        coming_veh=np.zeros((1, 64)),
        headway_s=np.full(2, 2.0),
        released=np.zeros(2, np.int32),
        hidden_veh=np.zeros(2),
    )


WINDOW = [
    view((1, 1), (10, 5), [[0.0, 0.05], [13.0, math.nan]]),
    view((2, 1), (10, 6), [[0.0, 0.2], [13.0, math.nan]]),
    view((3, 1), (11, 7), [[2.0, 0.0], [0.0, math.nan]]),
]
"""The second lane's detector falls silent after the first second."""


def test_flow_counts_who_left_inside_the_window():
    """Three vehicles over the stop lines in two seconds are 5,400 an hour; who left before does not count."""
    assert score(WINDOW, 1.0).flow_vph == pytest.approx(5400)


def test_standing_is_slower_than_a_tenth_of_a_metre_a_second():
    """Two, one and two vehicles stand: five thirds on average; a rolling one and an empty place do not."""
    assert score(WINDOW, 1.0).standing_veh == pytest.approx(5 / 3)


def test_a_silent_detector_is_not_heard():
    """Of two lanes over two steps one lane reported: a half."""
    assert score(WINDOW, 1.0).heard_frac == 0.5


def test_nothing_is_known_of_an_empty_window():
    """No figure is made up where there is none."""
    assert all(math.isnan(figure) for figure in dataclasses.astuple(score([], 1.0)))


def test_one_view_has_no_rate():
    """A rate needs time to pass, a count of those standing does not."""
    card = score(WINDOW[:1], 1.0)
    assert math.isnan(card.flow_vph)
    assert card.standing_veh == 2
