"""Who reaches which stop line when, in figures worked by hand (10 m/s limits, 2 m/s2 from a stand)."""

from __future__ import annotations

from dataclasses import replace

import msgspec
import numpy as np
import pytest

from cityloop.domains.signals.domain import signals
from cityloop.domains.signals.forecast import PEDESTRIAN_WEIGHT, RAIL_WEIGHT
from cityloop.domains.traffic.domain import traffic


def ahead(made, scans, *, calls=None, now_ms=1000, **changed):
    """Return the demand ahead of one scan; ``changed`` are columns of the traffic view."""
    batch = made.batch(now_ms, scans=scans, stage=0, calls=calls)
    lanes = traffic.update(traffic.start(made.layout, 0), batch, {}, now_ms)
    # What the scan itself taught of the flow is left out: each test says its own rate.
    seen = replace(traffic.view(lanes), **{"flow_vps": np.zeros(len(lanes.count_veh)), **changed})
    state = signals.update(signals.start(made.layout, 0), batch, {"traffic": seen}, now_ms)
    return signals.predict(state, {"traffic": seen}, now_ms)


def etas(demand, queue=0):
    """Arrivals of a queue."""
    return demand.eta_s[queue, : demand.count[queue]].tolist()


@pytest.fixture
def lane(crossroads):
    """A single lane."""
    return crossroads(("Gr", "rG"), ((0,), (1,)))


def test_a_free_vehicle_takes_distance_over_speed(lane):
    """From 120 m at 10 m/s: 12 s."""
    assert etas(ahead(lane, {0: [(120.0, 10.0)]})) == pytest.approx([12.0])


def test_a_standing_vehicle_loses_half_its_time_to_speed(lane):
    """From a stand to 10 m/s at 2 m/s2 costs 10 / (2 x 2) = 2.5 s on top of 20 m at 10 m/s."""
    assert etas(ahead(lane, {0: [(20.0, 0.0)]})) == pytest.approx([4.5])


def test_nobody_overtakes_in_a_lane(lane):
    """A fast vehicle behind a standing one arrives no sooner."""
    assert etas(ahead(lane, {0: [(20.0, 0.0), (30.0, 10.0)]})) == pytest.approx([4.5, 4.5])


def test_a_cruising_vehicle_keeps_its_speed(lane):
    """At 8 m/s where 10 are allowed 50 m take 6.25 s, at 12.5 m/s 4 s."""
    assert etas(ahead(lane, {0: [(50.0, 8.0)]})) == pytest.approx([6.25])
    assert etas(ahead(lane, {0: [(50.0, 12.5)]})) == pytest.approx([4.0])


def test_those_present_are_told_from_those_expected(lane):
    """One is seen; at 0.1 veh/s three more come between 16 s (150 m away) and 45 s, ten seconds apart."""
    demand = ahead(lane, {0: [(120.0, 10.0)]}, flow_vps=np.array([0.1, 0.0]))
    assert demand.now[0] == 1
    assert etas(demand) == pytest.approx([12.0, 20.5, 30.5, 40.5], abs=0.6)


def test_an_upstream_signals_platoon_comes_when_it_was_sent(crossroads):
    """Two vehicles sent off to arrive in 20 s, behind the zone's 16 s, are expected then; no rate is added."""
    made = crossroads(("G",), ((0,),), feeders=1)
    coming = np.zeros((1, 64))
    coming[0, (1 + 20) % 64] = 2.0
    assert etas(ahead(made, {0: []}, coming_veh=coming)) == pytest.approx([20.0, 20.0])


def test_a_platoon_spreads_over_the_lanes_of_its_approach(crossroads):
    """Four vehicles for an approach of two lanes are two on each."""
    made = crossroads(("GG",), ((0,), (1,)), groups=(0, 0), feeders=1)
    coming = np.zeros((1, 64))
    coming[0, (1 + 20) % 64] = 4.0
    assert ahead(made, {0: [], 1: []}, coming_veh=coming).count.tolist() == [2, 2]


def test_turns_come_out_by_their_shares(crossroads):
    """Of twenty vehicles in a lane where a quarter turns off about five want to, and none changes its mind."""
    made = crossroads(("Gr", "rG"), ((0, 1),))
    queue = [(7.0 * k, 0.0) for k in range(20)]
    changed = {"share": np.array([0.75, 0.25])}
    first = ahead(made, {0: queue}, **changed)
    assert 4 <= (first.wants[0, :20] == 1).sum() <= 6
    later = ahead(made, {0: queue}, now_ms=2000, **changed)
    np.testing.assert_array_equal(first.wants[0, :20], later.wants[0, :20])
    gone = ahead(made, {0: queue[1:]}, left_veh=np.array([1]), **changed)
    np.testing.assert_array_equal(first.wants[0, 1:20], gone.wants[0, :19])


def test_a_head_that_stood_through_its_green_wants_the_other(crossroads):
    """Against odds of one in a thousand the head's turn is the other one; those behind it are drawn by share."""
    made = crossroads(("Gr", "rG"), ((0, 1),))
    wanted = {
        left: ahead(made, {0: [(1.0, 0.0)]}, head_odds=np.array([0.001, 1.0]), left_veh=np.array([left])).wants[0, 0]
        for left in range(1, 30)
    }
    assert set(wanted.values()) == {1}


def test_traffic_for_a_pocket_is_seen_in_its_neighbours_zone(crossroads):
    """Beyond the pocket's begin, 50 m out, vehicles of the common lane are taken for either by turns."""
    made = crossroads(("GG",), ((0,), (1,)), groups=(0, 0), owners=(0, 0), own_m=50.0)
    objects = [(20.0, 10.0), (60.0, 10.0), (80.0, 10.0), (100.0, 10.0), (120.0, 10.0)]
    demand = ahead(made, {0: objects, 1: []})
    assert demand.now.sum() == 5
    assert 1 <= demand.now[1] <= 3
    assert demand.eta_s[1, 0] > 5.0


def test_who_stands_in_a_pocket_comes_before_who_is_still_to_enter_it(crossroads):
    """The pocket's own head keeps its place; whoever is seen upstream queues behind it."""
    made = crossroads(("GG", "rG"), ((0,), (1,)), groups=(0, 0), owners=(0, 0), own_m=30.0)
    demand = ahead(made, {0: [(60.0, 10.0), (80.0, 10.0), (100.0, 10.0)], 1: [(1.0, 0.0)]})
    assert demand.count[0] + demand.count[1] == 4
    assert etas(demand, 1)[0] == pytest.approx(0.1 + 2.5)


def test_a_full_pocket_holds_everybody_behind_who_waits_for_it(crossroads):
    """A vehicle standing with a free lane before it wants the pocket, and nobody passes it."""
    made = crossroads(("GG", "rG"), ((0,), (1,)), groups=(0, 0), owners=(0, 0), own_m=30.0)
    demand = ahead(made, {0: [(40.0, 0.0), (48.0, 0.0)], 1: [(1.0, 0.0), (9.0, 0.0), (17.0, 0.0), (25.0, 0.0)]})
    assert (demand.count[0], demand.count[1]) == (0, 6)


def test_a_standing_call_is_a_user_with_a_weight(crossroads):
    """A pressed button is somebody at the kerb now; a tram counts for its passengers."""
    made = crossroads(("Grr", "rrG"), ((0,), (1,)), clearance_s={2: 8.0}, rail=(1,))
    demand = ahead(made, {0: [], 1: []}, calls={2: True})
    assert etas(demand, 2) == [0.0]
    assert demand.weight.tolist() == [1.0, RAIL_WEIGHT, PEDESTRIAN_WEIGHT]
    assert ahead(made, {0: [], 1: []}, calls={2: False}).count.tolist() == [0, 0, 0]


def test_a_call_weighs_more_the_longer_it_stands(crossroads):
    """After 20 s one more is taken to wait behind the button's first."""
    made = crossroads(("Gr", "rG"), ((0,),), clearance_s={1: 8.0})
    state = signals.start(made.layout, 0)
    for second in (1, 21):
        batch = made.batch(second * 1000, scans={0: []}, stage=0, calls={1: True})
        lanes = traffic.view(traffic.update(traffic.start(made.layout, 0), batch, {}, second * 1000))
        state = signals.update(state, batch, {"traffic": lanes}, second * 1000)
    demand = signals.predict(state, {"traffic": lanes}, 21_000)
    assert demand.weight[1] == pytest.approx(PEDESTRIAN_WEIGHT + 1.0)


@pytest.mark.parametrize(("ratio", "times"), [(0.0, 1.0), (0.9, 1.0), (1.0, 2.5), (1.1, 4.0), (3.0, 4.0)])
def test_a_call_weighs_more_where_people_on_foot_have_come_off_worse(crossroads, ratio, times):
    """From 0.9 to 1.1 of the plan's waits its weight grows to four times; where nothing is known it stays."""
    made = crossroads(("Gr", "rG"), ((0,),), clearance_s={1: 8.0})
    batch = made.batch(1000, scans={0: []}, stage=0, calls={1: True})
    lanes = traffic.view(traffic.update(traffic.start(made.layout, 0), batch, {}, 1000))
    state = signals.update(signals.start(made.layout, 0), batch, {"traffic": lanes}, 1000)
    state = msgspec.structs.replace(state, foot_ratio=np.array([ratio]))
    demand = signals.predict(state, {"traffic": lanes}, 1000)
    assert demand.weight[1] == pytest.approx(PEDESTRIAN_WEIGHT * times)


def test_queues_leave_at_the_headway_learned(lane):
    """The lane's own headway is handed on."""
    assert ahead(lane, {0: []}, headway_s=np.array([1.7, 2.4])).headway_s.tolist() == [1.7, 2.4]
