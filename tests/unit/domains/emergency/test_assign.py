"""Who is sent: no call that waits is left for the sake of those that may come."""

import dataclasses

import numpy as np
import pytest
from services_city import call_list, readings, services_layout, unit_words
from three_units import NOW_MS, city_at_rest, three_unit_world

from cityloop.domains.emergency.assign import AssignParams, assign
from cityloop.domains.emergency.domain import emergency
from cityloop.domains.emergency.relocate import picture
from cityloop.domains.emergency.schema import CallStatus, CallTable, Send, UnitStatus
from cityloop.domains.emergency.state import EmergencyState
from cityloop.kernel.tick import Brain, start, tick

MINUTE_MS = 60_000
NEAR, FAR, CALL, LOW = 0, 224, 1, 2
"""Nodes of a grid of 15 by 15, 500 m apart, and a lower priority."""


@pytest.fixture(scope="module")
def world():
    return three_unit_world()


@pytest.fixture
def state(world):
    """Return a unit near the new call of high priority and one far from it, a third at its meal, and who waits."""
    city = city_at_rest(world)
    units = city.units
    units.node[:] = NEAR, FAR, FAR
    units.status[:] = UnitStatus.EN_ROUTE, UnitStatus.EN_ROUTE, UnitStatus.ON_BREAK
    units.site[:] = -1, -1, 0
    units.call[:] = 70, 71, -1
    units.seen_at_ms[:] = NOW_MS
    calls = CallTable(
        call=np.array([70, 71, 72], np.int64),
        priority=np.array([LOW, LOW, 1], np.int32),
        node=np.array([NEAR + 30, FAR - 30, CALL], np.int32),
        offroad_m=np.zeros(3),
        received_ms=NOW_MS - np.array([30, 1, 0]) * MINUTE_MS,
        ready_ms=np.full(3, NOW_MS, np.int64),
        unit=np.array([0, 1, -1], np.int32),
        eta_ms=np.zeros(3, np.int64),
        needs=np.zeros(3, np.int32),
    )
    return EmergencyState(units, calls, world.sites, world.times, world.rules)


def sent_to(state, world, call, params=None):
    view = picture(state, world.coverage, NOW_MS)
    chosen = assign(state, world.coverage, view, NOW_MS, params or AssignParams())
    return [p.target for p in chosen.proposals if p.action == Send(call)]


def test_high_priority_takes_the_nearest_unit_however_long_its_call_has_waited(state, world):
    """Nobody is free: the lower call that has waited half an hour gives its unit up, not the new one far away."""
    assert sent_to(state, world, 72) == [0]
    assert sent_to(state, world, 72, AssignParams(high_first=False)) == [1]


def test_a_far_unit_for_high_priority_alone_spares_no_lower_call_its_unit(state, world):
    """The far one is free, near the end of its shift, and could serve no lower call: the near one goes."""
    state.units.status[1], state.units.call[1] = UnitStatus.FREE_ON_SCENE, -1
    state.units.shift_end_ms[1] = NOW_MS + 10 * MINUTE_MS
    state.calls = dataclasses.replace(
        state.calls, **{f.name: getattr(state.calls, f.name)[[0, 2]] for f in dataclasses.fields(state.calls)}
    )
    assert sent_to(state, world, 72) == [0]
    assert sent_to(state, world, 72, AssignParams(high_first=False)) == [1]


def test_what_high_priority_leaves_goes_to_the_rest(state, world):
    """The near one is free: it goes to the new call, and the lower one that waits gets the far one that is free too."""
    state.units.status[:2], state.units.call[:2] = UnitStatus.FREE_ON_SCENE, -1
    state.calls.unit[:] = -1
    assert sent_to(state, world, 72) == [0]
    assert sent_to(state, world, 70) == [1]


def test_a_unit_that_is_hardly_nearer_stays_with_its_call(state, world):
    """Taking a unit off its call must save 0.4 min, few units or not."""
    state.units.node[1] = NEAR
    state.units.status[0], state.units.call[0] = UnitStatus.FREE_ON_SCENE, -1
    state.calls.unit[0] = -1
    state.units.node_in_ms[:2] = 10_000, 0
    assert sent_to(state, world, 72) == [0]


@pytest.mark.parametrize("calls_per_h", [4.0, 400.0])
def test_the_last_free_unit_goes_to_a_call_of_high_priority(calls_per_h):
    """One crew of two is at its meal, and many more calls are looked for: the call that is there is answered."""
    plain = services_layout()
    busy = dataclasses.replace(plain.tables["emergency"], calls_per_h=calls_per_h)
    layout = dataclasses.replace(plain, tables=dict(plain.tables) | {"emergency": busy})
    brain = Brain((emergency,), {"emergency": "brain"})
    state = start(brain, layout, 0)
    units = unit_words((UnitStatus.STANDING, -1, 0), (UnitStatus.ON_BREAK, -1, 1))
    sent = []
    for now_ms, told in ((1000, call_list()), (2000, call_list((7, 1, 1, 200.0, 30.0, float(CallStatus.OPEN))))):
        ticked = tick(brain, state, readings(layout, [*units, *told], now_ms), (), now_ms)
        state = ticked.state
        sent += [d.proposal.target for d in ticked.decisions if isinstance(d.proposal.action, Send)]
    assert sent == [0]
