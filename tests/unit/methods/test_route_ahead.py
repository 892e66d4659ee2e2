"""Signals ahead of a vehicle on its own route, in hand-checked numbers."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from cityloop.cities.toy.assets import ToyParams, toy_layout
from cityloop.kernel.layout import Passages
from cityloop.kernel.messages import PassJunction
from cityloop.methods.route_ahead import RouteAhead, RouteParams

WEST, EAST = 1, 3


@pytest.fixture
def looking() -> RouteAhead:
    """The toy's street from west to east, 500 m to the signal, driven at the limit of 10 m/s."""
    layout = toy_layout(ToyParams(speed_mps=10.0))
    passages = Passages(
        from_edge=np.array([WEST], np.int32),
        to_edge=np.array([EAST], np.int32),
        link=np.array([1], np.int32),
        length_m=np.array([15.0]),
        lorry=np.ones(1, np.bool_),
    )
    return RouteAhead(replace(layout, tables={**layout.tables, "passages": passages}), RouteParams(speed_factor=1.0))


def test_free_time_is_distance_over_speed(looking: RouteAhead) -> None:
    """300 m before the line at 10 m/s: 30 s."""
    (one,) = looking.ahead((WEST, EAST), WEST, 200.0)
    assert (one.junction, one.from_edge, one.to_edge) == (0, WEST, EAST)
    assert (one.distance_m, one.free_s) == (300.0, 30.0)


def test_nothing_is_ahead_off_the_route_or_beyond_the_line(looking: RouteAhead) -> None:
    """A vehicle elsewhere, one that has passed, and one on its last edge ask for nothing."""
    assert looking.ahead((WEST, EAST), 0, 10.0) == ()
    assert looking.ahead((WEST, EAST), WEST, 504.0) == ()
    assert looking.ahead((WEST, EAST), EAST, 10.0) == ()


def test_a_signal_beyond_the_horizon_is_not_asked_yet() -> None:
    """It is 50 s away, and 20 s are looked ahead."""
    layout = toy_layout(ToyParams(speed_mps=10.0))
    passages = Passages(
        np.array([0, WEST], np.int32),
        np.array([WEST, EAST], np.int32),
        np.array([-1, 1], np.int32),
        np.zeros(2),
        np.ones(2, np.bool_),
    )
    layout = replace(layout, tables={**layout.tables, "passages": passages})
    route = (0, WEST, EAST)
    assert RouteAhead(layout, RouteParams(speed_factor=1.0, horizon_s=20.0)).ahead(route, 0, 0.0) == ()
    assert len(RouteAhead(layout, RouteParams(speed_factor=1.0, horizon_s=120.0)).ahead(route, 0, 0.0)) == 1


def test_a_request_carries_the_way_and_when_it_is_there(looking: RouteAhead) -> None:
    """Counted from the report, which is a second old; it holds two seconds unless sent again."""
    (one,) = looking.requests(
        unit=4, incident=9, route=(WEST, EAST), edge=WEST, edge_m=400.0, now_ms=10_000, seen_at_ms=9_000, sender="x"
    )
    assert one.action == PassJunction(4, 9, WEST, EAST, 19_000, 34_000)
    assert (one.target, one.expires_at_ms) == (0, 12_000)
