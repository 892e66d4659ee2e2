"""Times kept between decisions are those that asking anew would give."""

import numpy as np

from cityloop.cities.events.grid import GridSpec, grid_case
from cityloop.domains.emergency.known_times import KnownTimes
from cityloop.methods.routing import build_router


def _router():
    roads = grid_case(GridSpec(columns=8, rows=8)).roads
    return build_router(roads.graph, roads.arc_ms[0])


def test_times_stay_right_while_units_move_and_calls_come_and_go():
    """Forty rounds: some units move, some calls close, others open, one at a node that another has."""
    router, rng = _router(), np.random.default_rng(4)
    known = KnownTimes(router)
    units = rng.integers(0, 64, 30).astype(np.int32)
    calls = rng.integers(0, 64, 12).astype(np.int32)
    for _ in range(40):
        moved = rng.random(30) < 0.2
        units[moved] = rng.integers(0, 64, int(moved.sum()))
        calls = np.concatenate((calls[rng.random(len(calls)) < 0.9], rng.integers(0, 64, 2).astype(np.int32)))
        assert np.array_equal(known.update(units, calls), router.matrix_ms(units, calls))


def test_only_what_has_moved_is_asked_again():
    """One of four units moves: its row of three calls."""
    known = KnownTimes(_router())
    units, calls = np.array([1, 2, 3, 4], np.int32), np.array([10, 20, 30], np.int32)
    known.update(units, calls)
    assert known.asked == 12
    units[2] = 9
    known.update(units, calls)
    assert known.asked == 3


def test_nobody_and_nothing():
    """No calls, then some."""
    known = KnownTimes(_router())
    units = np.array([1, 2], np.int32)
    assert known.update(units, np.empty(0, np.int32)).shape == (2, 0)
    assert known.update(units, np.array([5], np.int32)).shape == (2, 1)
