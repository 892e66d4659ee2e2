"""Calls that change after they were taken: nobody drives to what was called off, and none is lost."""

from dataclasses import replace

import numpy as np
import pytest

from cityloop.cities.events.changes import Changes, ChangeShares, draw_changes
from cityloop.cities.events.city import EventCity
from cityloop.cities.events.conditions import Conditions
from cityloop.cities.events.grid import GridSpec, grid_case
from cityloop.domains.emergency.schema import CallChange, CallStatus, Send, UnitStatus
from cityloop.kernel.errors import ConfigError
from cityloop.studies.emergency_run import ARMS, run_arm
from cityloop.studies.emergency_world import BEGIN_MS, calls_of, make_world, roster_of

DAY_MS = 86_400_000
UP, DOWN, OFF, TWICE = (int(kind) for kind in CallChange)


@pytest.fixture(scope="module")
def world():
    """A grid of streets."""
    return make_world(grid_case(GridSpec()), kerb_posts=4)


@pytest.fixture(scope="module", params=["as-is", "brain"])
def run(request, world):
    """Two days in which many calls change."""
    calls = calls_of(world, 3, 2.0)
    calls, changes = draw_changes(world.case, calls, 3, ChangeShares(0.2, 0.2, 0.2, 0.2))
    return run_arm(world, ARMS[request.param], calls, 2.0, Conditions(changes=changes)), changes


def change(kind, call, at_ms, priority=1, of=-1):
    """One change."""
    return Changes(
        np.array([at_ms]), np.array([call]), np.array([kind], np.int32), np.array([priority], np.int32), np.array([of])
    )


def city_until_under_way(world, conditions_of):
    """A city with two calls and one unit under way to the first, and the change that comes a second later."""
    calls = calls_of(world, 3, 1.0)
    roster = roster_of(world.rules, 6, BEGIN_MS, BEGIN_MS + 5 * DAY_MS)
    at_ms = int(calls.ready_ms[0]) + 1000
    city = EventCity(
        world.case, world.sites, world.times, calls, world.case.unit_station.copy(), roster,
        (BEGIN_MS, BEGIN_MS + DAY_MS), Conditions(changes=conditions_of(at_ms)),
    )  # fmt: skip
    while not len(city.open_calls().call):
        city.advance()
    city.apply(0, Send(0))
    while city.now_ms < at_ms:
        city.advance()
    return city


def test_every_call_is_served_or_called_off_before_anybody_came(run):
    """One or the other, never both, never neither."""
    city, _ = run
    served, off = city.ledger.arrived_ms >= 0, city.ledger.cancelled_ms >= 0
    assert (served ^ off).all()
    assert off.any()


def test_every_change_is_recorded(run):
    """With whether it came in time."""
    city, changes = run
    assert len(city.ledger.changes) == len(changes)
    for changed in city.ledger.changes:
        arrived_ms = city.ledger.arrived_ms[changed.call]
        assert changed.in_time == (arrived_ms < 0 or arrived_ms > changed.at_ms)


def test_nobody_serves_a_call_that_is_over(run):
    """After a call was called off no unit has it."""
    city, _ = run
    off = np.flatnonzero(city.ledger.cancelled_ms >= 0)
    assert not np.isin(city.units.call, off).any()
    assert (city.call_unit[off] == -1).all()
    assert (city.call_status[off] == CallStatus.CLOSED).all()


def test_a_unit_under_way_is_free_when_its_call_is_called_off(world):
    """It stands where it is, free to be sent, and the call is closed."""
    city = city_until_under_way(world, lambda at_ms: change(OFF, 0, at_ms))
    assert city.units.status[0] == UnitStatus.FREE_ON_SCENE
    assert city.units.call[0] == -1
    assert city.ledger.cancelled_ms[0] == city.now_ms
    assert city.ledger.swaps == 0
    assert len(city.open_calls().call) == 0


def test_a_downgraded_call_is_driven_to_without_siren(world):
    """The unit keeps its call and drives on as the new priority is driven: later."""
    plain = city_until_under_way(world, lambda at_ms: change(UP, 5, at_ms))
    low = city_until_under_way(world, lambda at_ms: change(DOWN, 0, at_ms, priority=2))
    assert plain.open_calls().priority[0] == 1
    assert low.open_calls().priority[0] == 2
    assert low.open_calls().unit[0] == 0
    assert low.open_calls().eta_ms[0] > plain.open_calls().eta_ms[0]


def test_a_duplicate_leaves_the_more_urgent_priority_to_the_call_that_goes_on(world):
    """The second call was urgent: so is the first now, and nobody is sent to the second."""
    calls = calls_of(world, 3, 0.2)
    calls = replace(calls, priority=np.where(np.arange(len(calls)) == 0, 2, 1).astype(np.int32))
    roster = roster_of(world.rules, 6, BEGIN_MS, BEGIN_MS + 5 * DAY_MS)
    at_ms = int(calls.ready_ms[1])
    city = EventCity(
        world.case, world.sites, world.times, calls, world.case.unit_station.copy(), roster,
        (BEGIN_MS, BEGIN_MS + DAY_MS), Conditions(changes=change(TWICE, 1, at_ms, of=0)),
    )  # fmt: skip
    while city.now_ms < at_ms:
        city.advance()
    assert city.open_calls().call.tolist() == [0]
    assert city.open_calls().priority.tolist() == [1]


def test_a_call_that_is_called_off_while_it_is_taken_is_never_opened(world):
    """Nobody hears of it."""
    calls = calls_of(world, 3, 0.2)
    roster = roster_of(world.rules, 6, BEGIN_MS, BEGIN_MS + 5 * DAY_MS)
    city = EventCity(
        world.case, world.sites, world.times, calls, world.case.unit_station.copy(), roster,
        (BEGIN_MS, BEGIN_MS + DAY_MS), Conditions(changes=change(OFF, 0, int(calls.ready_ms[0]) - 1000)),
    )  # fmt: skip
    while city.now_ms < int(calls.ready_ms[0]):
        city.advance()
    assert 0 not in city.open_calls().call.tolist()


def test_a_call_told_again_is_near_the_first_and_a_little_later(world):
    """Within 40 m and three minutes; the first calls are where they were."""
    calls = calls_of(world, 3, 4.0)
    both, changes = draw_changes(world.case, calls, 3, ChangeShares(0.0, 0.0, 0.0, 0.3))
    assert (changes.kind == TWICE).all()
    assert len(both) == len(calls) + len(changes)
    far_m = np.hypot(both.x_m[changes.call] - both.x_m[changes.of], both.y_m[changes.call] - both.y_m[changes.of])
    later_ms = both.received_ms[changes.call] - both.received_ms[changes.of]
    assert far_m.max() <= 40.0
    assert later_ms.min() > 0
    assert later_ms.max() <= 180_000
    assert np.isin(calls.received_ms, both.received_ms).all()


def test_shares_beyond_one_are_refused():
    """A line that says which."""
    with pytest.raises(ConfigError, match="must be 0 to 1"):
        ChangeShares(upgraded=1.5)
