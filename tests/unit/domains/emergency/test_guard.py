"""Each rule of the guard refuses what it is there for, and lets the rest pass."""

import numpy as np
import pytest

from cityloop.cities.events.grid import GridSpec, grid_case
from cityloop.domains.emergency.crew import CrewRules
from cityloop.domains.emergency.guard import check
from cityloop.domains.emergency.schema import (
    Advise,
    CallTable,
    Move,
    Rule,
    Send,
    SiteKind,
    SiteTable,
    TakeBreak,
    TravelTimes,
    UnitStatus,
    UnitTable,
)
from cityloop.domains.emergency.state import EmergencyState
from cityloop.kernel.messages import Allowed, Proposal, Refused
from cityloop.methods.routing import Router

NOON_MS = 12 * 3_600_000
MINUTE_MS = 60_000
STATION, KERB, CLOSED = 0, 1, 2


@pytest.fixture(scope="module")
def times():
    """Return travel times that nobody asks for: a guard looks at no road."""
    case = grid_case(GridSpec(columns=2, rows=2))
    unasked = Router(case.roads.graph, case.roads.arc_ms[0], np.empty(0, np.int32), ())
    return TravelTimes(unasked, unasked, 12.5, 8.5, np.zeros(3, np.int32))


@pytest.fixture
def state(times):
    """Return three units at a station at noon, call 40 (high) open, call 41 (low) and 42 (high) under way."""
    n, calls = 3, 3
    units = UnitTable(
        status=np.full(n, UnitStatus.STANDING, np.int32),
        node=np.zeros(n, np.int32),
        node_in_ms=np.zeros(n, np.int64),
        offroad_m=np.zeros(n),
        site=np.full(n, STATION, np.int32),
        call=np.full(n, -1, np.int64),
        since_ms=np.full(n, NOON_MS - MINUTE_MS, np.int64),
        home=np.zeros(n, np.int32),
        kerb_used_ms=np.zeros(n, np.int64),
        shift_end_ms=np.full(n, NOON_MS + 360 * MINUTE_MS, np.int64),
        meal_from_ms=np.zeros(n, np.int64),
        meal_until_ms=np.zeros(n, np.int64),
        diverted=np.zeros(n, np.bool_),
        capability=np.zeros(n, np.int32),
        seen_at_ms=np.full(n, NOON_MS, np.int64),
    )
    table = CallTable(
        call=np.array([40, 41, 42]),
        priority=np.array([1, 3, 1], np.int32),
        node=np.full(calls, 3, np.int32),
        offroad_m=np.zeros(calls),
        received_ms=np.full(calls, NOON_MS - MINUTE_MS, np.int64),
        ready_ms=np.full(calls, NOON_MS, np.int64),
        unit=np.array([-1, 1, 2], np.int32),
        eta_ms=np.zeros(calls, np.int64),
        needs=np.zeros(calls, np.int32),
    )
    for u, call in ((1, 41), (2, 42)):
        units.status[u], units.call[u] = UnitStatus.EN_ROUTE, call
    sites = SiteTable(
        kind=np.array([SiteKind.STATION, SiteKind.KERB, SiteKind.HOSPITAL], np.int32),
        node=np.zeros(3, np.int32),
        offroad_m=np.zeros(3),
        is_open=np.array([True, True, False]),
    )
    return EmergencyState(units, table, sites, times, CrewRules())


def rule_of(state, u, action, now_ms=NOON_MS):
    verdict = check(Proposal(target=u, action=action, reason=0, cost=0.0, gain=0.0), state, now_ms)
    if isinstance(verdict, Allowed):
        return None
    assert isinstance(verdict, Refused)
    return verdict.rule


def test_a_free_unit_goes_to_an_open_call(state):
    """Nothing speaks against it."""
    assert rule_of(state, 0, Send(40)) is None


def test_what_is_not_there_is_refused(state):
    """A ninth unit, a ninth site, a call that is over."""
    assert rule_of(state, 8, Send(40)) == Rule.UNKNOWN_TARGET
    assert rule_of(state, 0, Move(9)) == Rule.UNKNOWN_TARGET
    assert rule_of(state, 0, Send(7)) == Rule.CALL_TAKEN


@pytest.mark.parametrize("status", [UnitStatus.ON_SCENE, UnitStatus.TRANSPORTING, UnitStatus.AT_HOSPITAL])
def test_with_a_patient_the_system_only_advises(state, status):
    """Neither to a call nor to a site."""
    state.units.status[0] = status
    assert rule_of(state, 0, Send(40)) == Rule.PATIENT_ABOARD
    assert rule_of(state, 0, Move(STATION)) == Rule.PATIENT_ABOARD


def test_a_meal_is_not_broken(state):
    """Not even for high priority."""
    state.units.status[0] = UnitStatus.ON_BREAK
    assert rule_of(state, 0, Send(40)) == Rule.ON_BREAK


def test_a_silent_unit_is_not_sent_on_its_last_position(state):
    """Ten minutes are the bound."""
    state.units.seen_at_ms[0] = NOON_MS - 10 * MINUTE_MS
    assert rule_of(state, 0, Send(40)) is None
    state.units.seen_at_ms[0] -= 1
    assert rule_of(state, 0, Send(40)) == Rule.POSITION_LOST


def test_a_unit_under_way_leaves_only_for_a_higher_call_and_once(state):
    """From low to high, not from high to high, and not a second time."""
    assert rule_of(state, 1, Send(40)) is None
    assert rule_of(state, 2, Send(40)) == Rule.LOWER_PRIORITY
    state.units.diverted[1] = True
    assert rule_of(state, 1, Send(40)) == Rule.DIVERTED_ALREADY


def test_a_unit_must_be_able(state):
    """Bits 1 and 2 are needed, bit 1 is there."""
    state.calls.needs[0], state.units.capability[0] = 3, 1
    assert rule_of(state, 0, Send(40)) == Rule.NOT_CAPABLE
    state.units.capability[0] = 7
    assert rule_of(state, 0, Send(40)) is None


def test_the_end_of_a_shift_is_for_high_priority_only(state):
    """Half an hour before the end a call of lower priority is somebody else's."""
    state.units.shift_end_ms[0] = NOON_MS + 30 * MINUTE_MS
    assert rule_of(state, 0, Send(41)) == Rule.END_OF_SHIFT
    assert rule_of(state, 0, Send(40)) is None


def test_kerbs_are_bounded_in_time_and_closed_at_night(state):
    """At noon yes; at two in the night no; after an hour of kerbs no."""
    assert rule_of(state, 0, Move(KERB)) is None
    night_ms = NOON_MS + 14 * 60 * MINUTE_MS
    state.units.seen_at_ms[:] = night_ms
    assert rule_of(state, 0, Move(KERB), night_ms) == Rule.KERB_AT_NIGHT
    state.units.seen_at_ms[:] = NOON_MS
    state.units.kerb_used_ms[0] = 55 * MINUTE_MS
    assert rule_of(state, 0, Move(KERB)) == Rule.KERB_TOO_LONG
    state.units.since_ms[0] = NOON_MS - 15 * MINUTE_MS
    assert rule_of(state, 0, Move(KERB)) is None


def test_a_closed_site_is_closed(state):
    """Whatever it is."""
    assert rule_of(state, 0, Move(CLOSED)) == Rule.SITE_CLOSED


def test_a_meal_is_taken_standing_at_a_rest_facility(state):
    """Not at a kerb."""
    assert rule_of(state, 0, TakeBreak()) is None
    state.units.site[0] = KERB
    assert rule_of(state, 0, TakeBreak()) == Rule.NO_REST_FACILITY


def test_a_hospital_is_advised_to_who_is_on_the_way_with_a_patient(state):
    """To nobody else, nothing but a hospital, and on no lost position; a closed one only where none is open."""
    aboard, advice = int(UnitStatus.TRANSPORTING), Advise(site=CLOSED, door=5)
    for status in UnitStatus:
        state.units.status[0] = status
        assert rule_of(state, 0, advice) == (None if status == aboard else Rule.NO_PATIENT)
    state.units.status[0] = aboard
    assert rule_of(state, 0, Advise(site=STATION, door=1)) == Rule.NO_PATIENT
    assert rule_of(state, 0, Advise(site=9, door=1)) == Rule.UNKNOWN_TARGET
    assert rule_of(state, 0, advice, NOON_MS + 601_000) == Rule.POSITION_LOST
    state.sites.kind[KERB] = SiteKind.HOSPITAL
    assert rule_of(state, 0, advice) == Rule.SITE_CLOSED
    assert rule_of(state, 0, Advise(site=KERB, door=1)) is None
