"""What is learned of turns, headways and arrivals, in figures worked by hand."""

from __future__ import annotations

import numpy as np
import pytest

from cityloop.domains.signals.domain import signals
from cityloop.domains.signals.schema import ShowStage
from cityloop.domains.traffic.domain import traffic
from cityloop.domains.traffic.learn import SHARE_MEMORY_VEH
from cityloop.domains.traffic.schema import PIPELINE_S
from cityloop.kernel.messages import Proposal, Refused

STANDING = [(1.0, 0.0)]
LEAVING = [(1.0, 8.0)]


class Street:
    """A crossroads whose lane is watched second by second while a stage is shown."""

    def __init__(self, made, stage=0):
        self.made, self.now_ms, self.stage = made, 0, stage
        self.state = traffic.start(made.layout, 0)
        self.signal = signals.start(made.layout, 0)

    def see(self, objects, stage=None, lane=0):
        """Let a second pass and return the traffic state."""
        self.stage = self.stage if stage is None else stage
        self.now_ms += 1000
        batch = self.made.batch(self.now_ms, scans={lane: objects}, stage=self.stage)
        self.signal = signals.update(self.signal, batch, {"traffic": traffic.view(self.state)}, self.now_ms)
        views = {"signals": signals.view(self.signal)}
        self.state = traffic.update(self.state, batch, views, self.now_ms)
        return self.state


@pytest.fixture
def shared(crossroads):
    """One lane shared by two movements: stage 0 shows the first alone, 1 both, 2 neither, 3 the second to yield."""
    made = crossroads(("Grr", "GGr", "rrG", "rgr"), ((0, 1), (2,)), yields=((1, 2),))
    return Street(made)


def test_shares_begin_even(shared):
    """Before anything is seen a lane's movements share its vehicles alike."""
    assert shared.state.share.tolist() == [0.5, 0.5, 1.0]


def test_who_leaves_while_one_movement_is_green_took_that_one(shared):
    """One vehicle moves the share by a fortieth of the way to its turn: 0.5 + 0.5 / 40."""
    shared.see(LEAVING)
    state = shared.see([])
    assert state.left_veh[0] == 1
    assert state.share[:2] == pytest.approx([0.5 + 0.5 / SHARE_MEMORY_VEH, 0.5 - 0.5 / SHARE_MEMORY_VEH])


def test_who_leaves_while_both_are_green_teaches_nothing(shared):
    """With both movements open the shares stay as they are."""
    shared.see(LEAVING, stage=1)
    assert shared.see([]).share[:2] == pytest.approx([0.5, 0.5])


def test_shares_never_vanish(shared):
    """However many take one turn, the other keeps a twentieth or so, and the shares make one."""
    for _ in range(300):
        shared.see(LEAVING)
        shared.see([])
    assert 0.04 <= shared.state.share[1] <= 0.06
    assert shared.state.share[:2].sum() == pytest.approx(1.0)


def test_the_head_that_stands_through_a_green_wants_another(shared):
    """Within its reaction time nothing is held against a head vehicle; standing on, it does not want that movement."""
    odds = [shared.see(STANDING).head_odds[:2].tolist() for _ in range(6)]
    assert odds[0] == [1.0, 1.0]
    assert odds[1] == [1.0, 1.0]
    assert odds[5][0] < 0.01
    assert odds[5][1] == 1.0


def test_a_yielding_head_is_doubted_slowly(shared):
    """Who must give way may stand for want of a gap: after 10 s its turn is less likely, not ruled out."""
    for _ in range(10):
        state = shared.see(STANDING, stage=3)
    assert 0.1 < state.head_odds[1] < 0.9
    assert state.head_odds[0] == 1.0


def test_what_is_known_of_the_head_goes_with_it(shared):
    """The next vehicle in line may want anything."""
    for _ in range(6):
        shared.see(STANDING)
    shared.see([(1.0, 8.0), (8.5, 0.0)])
    assert shared.see([(4.0, 6.0)]).head_odds[:2].tolist() == [1.0, 1.0]


def test_a_head_that_stands_through_everything_is_blocked(shared):
    """Standing through the greens of all its movements tells of a full exit and nothing of its turn."""
    for _ in range(8):
        state = shared.see(STANDING, stage=1)
        assert state.head_odds[:2].max() > 0.5


def test_a_departure_counts_by_what_the_head_seemed_to_want(shared):
    """A head that stood through the first movement's green and leaves with both open took the second."""
    for _ in range(6):
        shared.see(STANDING)
    shared.see(LEAVING, stage=1)
    state = shared.see([])
    assert state.share[1] == pytest.approx(0.5 + 0.5 / SHARE_MEMORY_VEH, abs=1e-3)


def discharge(street, seconds, every_s=2):
    """Let a queue of 8 m spacing leave, one vehicle every so many seconds, from a standing start."""
    for _ in range(3):
        street.see([(1.0 + 8.0 * k, 0.0) for k in range(20)], stage=2)
    headways = []
    for second in range(seconds):
        into = second % every_s
        # The first stands within 8 m and moves off: at the line at the end of each headway.
        head_m = 8.0 - 8.0 * (into + 1) / every_s + 0.5
        speed = 8.0 / every_s
        street.see([(head_m + 8.0 * k, speed) for k in range(20)], stage=0)
        headways.append(float(street.state.headway_s[0]))
    return headways


def test_the_first_vehicles_of_a_queue_teach_no_headway(crossroads):
    """Saturation headway is learned from the fourth vehicle on: those before still react and speed up."""
    street = Street(crossroads(("G", "r", "r"), ((0,),)))
    headways = discharge(street, 60, every_s=3)
    left = int(street.state.left_veh[0])
    assert left >= 18
    changed_at = next(k for k, h in enumerate(headways) if h != 2.0)
    # Vehicle n leaves after about 3 n seconds.
    assert 9 <= changed_at <= 16


def test_learned_headway_nears_the_queues_own(crossroads):
    """With vehicles 3 s apart the headway grows from 2 s towards 3 s."""
    street = Street(crossroads(("G", "r", "r"), ((0,),)))
    headways = discharge(street, 240, every_s=3)
    assert 2.8 <= headways[-1] <= 3.0


def test_flow_is_counted_over_three_minutes(crossroads):
    """A vehicle every 4 s for ten minutes makes a rate near 0.25 veh/s."""
    street = Street(crossroads(("G",), ((0,),)))
    for second in range(600):
        street.see([(120.0 - 10.0 * t, 10.0) for t in range(12) if (second - t) % 4 == 0][::-1])
    assert street.state.flow_vps[0] == pytest.approx(0.25, rel=0.1)


class ShortZone:
    """A lane seen for its last nine metres: a vehicle arrives every ten seconds, one leaves every two of green."""

    def __init__(self, street):
        self.street, self.second, self.queue, self.moving = street, 0, 0, False

    def let_go(self, red_s, green_s):
        """Pass a red and a green; return how many stand beyond the zone and how many are believed to."""
        for second in range(red_s + green_s):
            self.second += 1
            self.queue += self.second % 10 == 0
            green = second >= red_s
            gone = green and self.moving
            self.queue -= gone
            self.moving = green and not gone and self.queue > 0
            head = [(1.0, 5.0 if green else 0.0)] if self.queue and not gone else []
            self.street.see(head, stage=0 if green else 1)
        return max(self.queue - 1, 0), float(self.street.state.hidden_veh[0])


def test_who_stands_beyond_a_short_zone_is_not_forgotten_while_it_is_let_go_too_seldom(crossroads):
    """Each round serves fewer than arrived: the queue grows out of sight, and is believed to stand there."""
    zone = ShortZone(Street(crossroads(("G", "r"), ((0,),))))
    for _ in range(4):
        zone.let_go(red_s=50, green_s=30)
    for _ in range(8):
        beyond, believed = zone.let_go(red_s=50, green_s=4)
    assert beyond >= 15
    assert believed >= 8


def test_a_short_zone_that_stays_empty_tells_that_nobody_is_left(crossroads):
    """Room untaken for three seconds ends the queue, and what was believed of it."""
    zone = ShortZone(Street(crossroads(("G", "r"), ((0,),))))
    for _ in range(20):
        zone.let_go(red_s=50, green_s=30)
    for _ in range(3):
        zone.let_go(red_s=50, green_s=4)
    assert zone.street.state.hidden_veh[0] > 5
    zone.let_go(red_s=0, green_s=120)
    assert zone.street.state.hidden_veh[0] == 0
    assert zone.street.state.demand_vps[0] == pytest.approx(0.1, rel=0.1)


class Gate:
    """A lane seen for 100 m whose vehicles come out of a gate 44 m before the line, where the rest wait in a yard.

    One comes every six seconds; whoever finds the 44 m full stays in the yard.
    """

    def __init__(self, street):
        self.street, self.second, self.yard, self.lane = street, 0, 0, []

    def step(self, *, green):
        """Pass a second; the queue moves up as one, and one leaves every two seconds of green."""
        self.second += 1
        self.yard += self.second % 6 == 0
        if green and self.second % 2 == 0 and self.lane:
            self.lane = [d - 7.5 for d in self.lane[1:]]
        if self.yard and (not self.lane or self.lane[-1] < 36.0):
            self.yard -= 1
            self.lane.append(43.0)
        settled = [max(1.0 + 7.5 * k, d - 8.0) for k, d in enumerate(self.lane)]
        self.lane = settled
        self.street.see([(d, 5.0 if green else 0.0) for d in settled], stage=0 if green else 1)

    def rounds(self, n, *, red_s, green_s):
        """Pass so many reds and greens; return how many wait in the yard and how many are believed to wait unseen."""
        for second in range(n * (red_s + green_s)):
            self.step(green=second % (red_s + green_s) >= red_s)
        return self.yard, float(self.street.state.hidden_veh[0])


def test_who_waits_in_a_yard_beside_the_zone_is_not_forgotten(crossroads):
    """The zone never fills to its end, for they come in by a gate halfway; once one has come from the end as well."""
    street = Street(crossroads(("G", "r"), ((0,),), zone_m=100.0))
    for at_m in range(99, 0, -10):
        street.see([(float(at_m), 10.0)], stage=0)
    gate = Gate(street)
    gate.rounds(6, red_s=20, green_s=20)
    waiting, believed = gate.rounds(8, red_s=50, green_s=8)
    assert waiting >= 20
    assert believed >= 8


def test_a_yard_that_has_emptied_is_believed_empty(crossroads):
    """With the gate free and nobody coming the queue is over."""
    gate = Gate(Street(crossroads(("G", "r"), ((0,),), zone_m=100.0)))
    gate.rounds(6, red_s=20, green_s=20)
    gate.rounds(6, red_s=50, green_s=8)
    assert gate.street.state.hidden_veh[0] > 0
    waiting, believed = gate.rounds(1, red_s=0, green_s=300)
    assert (waiting, believed) == (0, 0)


def test_lane_changes_along_a_street_make_no_gate(crossroads):
    """Those who appear anywhere in the zone changed lanes: a queue in sight hides nobody."""
    street = Street(crossroads(("G", "r"), ((0,),), zone_m=100.0))
    street.see([(99.0, 10.0)], stage=0)
    for k in range(60):
        street.see([(15.0 + (k * 37) % 60, 10.0)], stage=0)
        street.see([], stage=0)
    for n in range(1, 12):
        for _ in range(6):
            street.see([(1.0 + 7.5 * i, 0.0) for i in range(n)], stage=1)
            assert street.state.hidden_veh[0] == 0


@pytest.mark.parametrize(("blind_m", "forgotten_after_s"), [(0.0, 3), (9.0, 6), (17.0, 7)])
def test_who_stands_behind_a_junction_is_waited_for_until_they_could_have_come(crossroads, blind_m, forgotten_after_s):
    """Nobody enters the junction upstream before there is room beyond it: a start and the way over are allowed for."""
    street = Street(crossroads(("G", "r"), ((0,),), zone_m=8.0, blind_m=blind_m))
    for second in range(240):
        street.see([(7.0 if second < 3 else 1.0, 0.0)], stage=1)
    assert street.state.hidden_veh[0] > 0
    believed = [float(street.see([], stage=0).hidden_veh[0]) > 0 for _ in range(12)]
    # Of the seconds with nobody there, the first is the one in which the head left.
    assert believed.index(False) + 1 == forgotten_after_s


def test_departures_arrive_downstream_when_they_have_driven_there(crossroads):
    """A vehicle bound for a stop line 100 m on at 10 m/s is expected 12 s later, two of them for speeding up."""
    street = Street(crossroads(("Gr", "rG"), ((0,), (1,)), leads_to={0: (1, 100.0)}))
    street.see(LEAVING)
    state = street.see([])
    second = street.now_ms // 1000
    expected = np.zeros(PIPELINE_S)
    expected[(second + 12) % PIPELINE_S] = 1.0
    np.testing.assert_allclose(state.coming_veh[1], expected)
    for _ in range(14):
        state = street.see([])
    assert state.coming_veh[1].sum() == 0.0


def test_departures_are_spread_over_the_turns_they_may_have_taken(crossroads):
    """Out of an evenly shared lane with both turns open half a vehicle is expected down each way."""
    made = crossroads(("GGrr", "rrGG"), ((0, 1), (2,), (3,)), leads_to={0: (1, 100.0), 1: (2, 150.0)})
    street = Street(made)
    street.see(LEAVING)
    state = street.see([])
    assert state.coming_veh[1].max() == pytest.approx(0.5)
    assert state.coming_veh[2].max() == pytest.approx(0.5)


def test_traffic_acts_on_nothing(shared):
    """The domain has no policy, and its guard refuses whatever is proposed in its name."""
    asked = Proposal(target=0, action=ShowStage(0), reason=1, cost=0.0, gain=0.0)
    assert not traffic.policies
    assert isinstance(traffic.check(asked, shared.state, 0), Refused)
    assert traffic.predict(shared.state, {}, 0) is None
