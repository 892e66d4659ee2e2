"""Whole runs on a made-up grid: every arm serves every call, keeps the crews' rules and outruns no road."""

from itertools import pairwise

import numpy as np
import pytest

from cityloop.cities.events.city import EventCity
from cityloop.cities.events.conditions import Conditions, Turnout
from cityloop.cities.events.grid import GridSpec, grid_case
from cityloop.domains.emergency.schema import Send, SiteKind, UnitStatus
from cityloop.studies.emergency_reference import reference_response_min
from cityloop.studies.emergency_run import ARMS, run_arm
from cityloop.studies.emergency_world import BEGIN_MS, calls_of, make_world, roster_of

DAY_MS = 86_400_000


@pytest.fixture(scope="module")
def world():
    return make_world(grid_case(GridSpec()), kerb_posts=10)


@pytest.fixture(scope="module")
def calls(world):
    return calls_of(world, 3, 1.0)


@pytest.fixture(scope="module", params=["naive", "as-is", "status-plan", "dmexclp", "brain"])
def run(request, world, calls):
    return run_arm(world, ARMS[request.param], calls, 1.0, record=True)


def test_calls_of_a_seed_are_the_same_for_every_arm(world, calls):
    """Drawn again they are equal; another seed's are not."""
    again = calls_of(world, 3, 1.0)
    assert np.array_equal(calls.received_ms, again.received_ms)
    assert np.array_equal(calls.x_m, again.x_m)
    assert not np.array_equal(calls.x_m[:5], calls_of(world, 4, 1.0).x_m[:5])


def test_demand_changes_nothing_but_the_rate(world):
    """The first call lies at the same place and lasts as long."""
    one, more = calls_of(world, 3, 1.0), calls_of(world, 3, 1.0, demand=2.0)
    assert len(more) > len(one)
    assert one.on_scene_ms[0] == more.on_scene_ms[0]
    assert one.x_m[0] == more.x_m[0]


def test_every_call_is_served_and_its_clocks_run_forwards(run, calls):
    """Received, ready, dispatched, mobile, arrived."""
    ledger = run.ledger
    steps = (calls.received_ms, calls.ready_ms, ledger.dispatched_ms, ledger.mobile_ms, ledger.arrived_ms)
    for before, after in pairwise(steps):
        assert (after >= before).all()


def test_nobody_stands_at_a_kerb_too_long(run):
    """Sixty minutes are the bound."""
    assert run.ledger.kerb_longest_ms <= 60 * 60_000


def test_no_unit_outruns_its_road(run):
    """Between two rows of a track no unit is faster than lights and siren allow."""
    tracks = run.recorder.tracks()
    for u in range(len(run.units.status)):
        mine = tracks.unit == u
        moved_m = np.hypot(np.diff(tracks.x_m[mine]), np.diff(tracks.y_m[mine]))
        took_s = np.diff(tracks.at_ms[mine]) / 1000.0
        assert (moved_m <= 12.5 * (took_s + 0.002) + 0.01).all()


def test_no_unit_serves_two_calls_at_once(run):
    """A unit is sent on only after it was taken off or came free."""
    sent, free_ms = run.recorder.assignments(), run.ledger.free_ms
    for u in range(len(run.units.status)):
        mine = np.flatnonzero(sent.unit == u)
        mine = mine[np.argsort(sent.sent_ms[mine], kind="stable")]
        for one, following in pairwise(mine):
            until = free_ms[sent.call[one]] if sent.arrived[one] else sent.ended_ms[one]
            assert until <= sent.sent_ms[following] or until < 0


def test_a_unit_is_diverted_at_most_once_a_call(run, calls):
    """The fleet marks a diverted unit until it is free again; the guard let nothing else pass."""
    assert not (run.units.diverted & (run.units.call < 0)).any()


def test_the_same_seed_gives_the_same_run(world, calls):
    """Twice the brain, the same instants."""
    one, two = (run_arm(world, ARMS["brain"], calls, 1.0) for _ in range(2))
    assert np.array_equal(one.ledger.arrived_ms, two.ledger.arrived_ms)


def test_time_runs_forward_however_late_a_crew_comes_home(world):
    """With fifteen times the calls units stay out over whole shifts: the crew that takes over is that of the hour."""
    flood = calls_of(world, 3, 0.5, demand=15.0)
    city = run_arm(world, ARMS["brain"], flood, 0.5, record=True)
    tracks = city.recorder.tracks()
    for u in range(len(city.units.status)):
        assert (np.diff(tracks.at_ms[tracks.unit == u]) >= 0).all()
    assert (city.ledger.arrived_ms >= flood.received_ms).all()


def test_turnout_is_added_once(world, calls):
    """A minute of turnout lies between dispatch and wheels turning for whoever stood."""
    run = run_arm(world, ARMS["as-is"], calls, 1.0, Conditions(Turnout(60_000, 0)))
    waited = run.ledger.mobile_ms - run.ledger.dispatched_ms
    assert set(waited.tolist()) <= {0, 60_000}
    assert (waited == 60_000).any()


def test_the_reference_is_a_bound_of_the_closest(world, calls):
    """Units that stand on the median without driving there answer sooner than those shipped."""
    high = calls.priority == 1
    run = run_arm(world, ARMS["as-is"], calls, 1.0)
    shipped = (run.ledger.arrived_ms - calls.received_ms)[high].mean() / 60_000
    assert reference_response_min(world, calls)[high].mean() < shipped


def test_a_hospital_that_closes_turns_round_who_is_on_the_way(calls):
    """With a patient aboard the unit goes to the next hospital; the only one left takes it."""
    case = grid_case(GridSpec())
    world = make_world(case, kerb_posts=4)
    roster = roster_of(world.rules, 6, BEGIN_MS, BEGIN_MS + 5 * DAY_MS)
    city = EventCity(
        case,
        world.sites,
        world.times,
        calls,
        case.unit_station.copy(),
        roster,
        (BEGIN_MS, BEGIN_MS + DAY_MS),
    )
    city.advance()
    while not (city.units.status == UnitStatus.TRANSPORTING).any():
        table = city.open_calls()
        for c in np.flatnonzero(table.unit < 0):
            free = np.flatnonzero(city.units.status == UnitStatus.STANDING)
            if len(free):
                city.apply(int(free[0]), Send(int(table.call[c])))
        city.advance()
    site = int(np.flatnonzero(world.sites.kind == SiteKind.HOSPITAL)[0])
    unit = int(np.flatnonzero(city.units.status == UnitStatus.TRANSPORTING)[0])
    call = int(city.units.call[unit])
    city.close_hospital(site)
    assert not city.sites.is_open[site]
    assert world.sites.is_open[site]
    while city.ledger.at_hospital_ms[call] < 0:
        city.advance()
    assert city.units.status[unit] == UnitStatus.AT_HOSPITAL


def test_turnout_is_the_same_wherever_a_unit_is(world, calls):
    """With one turnout time everywhere a unit on the road waits as long as one at its station."""
    run = run_arm(world, ARMS["brain"], calls, 1.0, Conditions(Turnout(60_000, 60_000)))
    waited = run.ledger.mobile_ms - run.ledger.dispatched_ms
    # A unit diverted on its way to a lesser call turns out no second time.
    assert set(waited.tolist()) <= {0, 60_000}
    assert (waited == 60_000).mean() > 0.8
