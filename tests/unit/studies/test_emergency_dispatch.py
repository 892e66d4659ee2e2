"""The bench of one dispatch decision decides, and keeping times changes no decision."""

import numpy as np
import pytest

from cityloop.cities.events.grid import GridSpec, grid_case
from cityloop.domains.emergency.assign import AssignParams, assign
from cityloop.domains.emergency.relocate import picture
from cityloop.studies.emergency_dispatch import NOON_MS, DispatchLoad, _draw, bench_dispatch
from cityloop.studies.emergency_world import make_world


@pytest.fixture(scope="module")
def world():
    return make_world(grid_case(GridSpec()), kerb_posts=6)


def test_every_decision_sends_somebody(world):
    """Twelve calls and twenty units, three rounds."""
    times = bench_dispatch(world, DispatchLoad(calls=12, units=20, rounds=3, new_calls=2))
    assert times.sends == 12
    assert times.cpu_p99_ms >= times.cpu_p50_ms > 0


def test_decisions_on_kept_times_are_those_on_fresh_ones(world):
    """Ten rounds of moves; the same state without anything kept decides alike."""
    rng = np.random.default_rng(3)
    load = DispatchLoad(calls=12, units=20)
    state, view = _draw(world, load, rng), None
    for _ in range(10):
        moved = rng.permutation(20)[:4]
        state.units.node[moved] = rng.integers(0, 225, 4)
        view = picture(state, world.coverage, NOON_MS, kept=view, changed=moved)
        kept = assign(state, world.coverage, view, NOON_MS, AssignParams()).proposals
        known, state.known = state.known, None
        whole = picture(state, world.coverage, NOON_MS)
        fresh = assign(state, world.coverage, whole, NOON_MS, AssignParams()).proposals
        state.known = known
        assert kept == fresh


def test_a_load_without_units_is_refused():
    """Nothing to decide about."""
    with pytest.raises(ValueError, match="units"):
        DispatchLoad(units=0)
