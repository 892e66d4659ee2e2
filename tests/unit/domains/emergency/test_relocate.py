"""Where free units are sent to stand, and when nobody asks."""

from dataclasses import replace

import numpy as np
import pytest
from three_units import NOW_MS, city_at_rest, three_unit_world

from cityloop.cities.events.calls import take_calls
from cityloop.domains.emergency.crew import NEVER_MS
from cityloop.domains.emergency.decide import brain
from cityloop.domains.emergency.schema import Move, Send, TakeBreak, UnitStatus
from cityloop.domains.emergency.state import EmergencyState
from cityloop.studies.emergency_world import BEGIN_MS, calls_of


@pytest.fixture(scope="module")
def world():
    return three_unit_world()


@pytest.fixture
def state(world):
    """Return three units that stand at the first station since midnight, none of them hungry, and no call."""
    city = city_at_rest(world)
    units = city.units
    units.site[:] = 0
    units.node[:] = world.sites.node[0]
    units.meal_from_ms[:] = NEVER_MS
    units.seen_at_ms[:] = NOW_MS
    return EmergencyState(units, city.open_calls(), world.sites, world.times, world.rules)


def test_units_that_stand_together_are_spread(world, state):
    """Three at one corner of the city leave the rest of it uncovered."""
    assert any(isinstance(p.action, Move) for p in brain.propose(state, world.coverage, (), NOW_MS))


def test_an_arrival_alone_moves_nobody(world, state):
    """It was foreseen when the unit was sent: only what was not is a reason to choose anew."""
    state.units.since_ms[2] = NOW_MS
    assert brain.propose(state, world.coverage, (), NOW_MS) == []


def test_who_comes_free_at_the_same_instant_is_placed(world, state):
    """The arrival of another does not hide it."""
    state.units.since_ms[1:] = NOW_MS
    state.units.status[1], state.units.site[1] = UnitStatus.FREE_ON_SCENE, -1
    assert 1 in [p.target for p in brain.propose(state, world.coverage, (), NOW_MS)]


def test_a_call_that_waits_is_served_as_somebody_arrives(world, state):
    """An arrival is no reason to look away."""
    state.units.since_ms[2] = NOW_MS
    one = take_calls(calls_of(world, 1, 1.0), np.array([0]))
    calls = replace(
        state.calls,
        call=np.array([0]),
        priority=np.array([1], np.int32),
        node=one.node,
        offroad_m=one.offroad_m,
        received_ms=np.array([NOW_MS]),
        ready_ms=np.array([NOW_MS]),
        unit=np.array([-1], np.int32),
        eta_ms=np.zeros(1, np.int64),
        needs=np.zeros(1, np.int32),
    )
    chosen = brain.propose(replace(state, calls=calls), world.coverage, (), NOW_MS)
    assert [p.action.call for p in chosen if isinstance(p.action, Send)] == [0]


def test_who_arrives_hungry_may_eat(world, state):
    """What crews are owed is looked at on every arrival; a meal in the last minutes of its window waits no longer."""
    units = state.units
    units.since_ms[2], units.meal_from_ms[2], units.meal_until_ms[2] = NOW_MS, BEGIN_MS, NOW_MS + 60_000
    eats = [p.target for p in brain.propose(state, world.coverage, (), NOW_MS) if isinstance(p.action, TakeBreak)]
    assert eats == [2]
