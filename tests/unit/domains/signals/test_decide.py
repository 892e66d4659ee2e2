"""What the policies ask for, in cases that can be checked by hand."""

from __future__ import annotations

from dataclasses import replace

import msgspec
import numpy as np
import pytest

from cityloop.domains.signals.decide import brain, max_pressure
from cityloop.domains.signals.decide.brain import BrainParams
from cityloop.domains.signals.domain import signals
from cityloop.domains.signals.forecast import MAX_QUEUE, Demand
from cityloop.domains.signals.schema import Reason
from cityloop.domains.traffic.domain import traffic


class Case:
    """A junction that has shown a stage for a while, and its queues as written down."""

    def __init__(self, made, *, stage=0, green_s=20, red_s=40, seen=True):
        self.made = made
        now_ms = self.now_ms = 100_000
        lanes = traffic.view(traffic.start(made.layout, 0))
        heard = replace(lanes, seen_at_ms=np.full(len(lanes.count_veh), now_ms if seen else 0))
        state = signals.update(
            signals.start(made.layout, 0), made.batch(now_ms, stage=stage), {"traffic": heard}, now_ms
        )
        links = np.full(len(state.waits_since_ms), now_ms - red_s * 1000)
        self.state = msgspec.structs.replace(
            state,
            green_since_ms=np.array([now_ms - green_s * 1000]),
            waits_since_ms=links,
            oldest_wait_ms=links.min(keepdims=True),
            last_stage=state.stage,
        )
        queues = len(state.tables.queue_approach)
        self.demand = Demand(
            np.zeros((queues, MAX_QUEUE)),
            np.zeros((queues, MAX_QUEUE), np.int32),
            np.zeros(queues, np.int32),
            np.ones(queues),
            np.full(queues, 2.0),
            np.zeros((queues, MAX_QUEUE), np.bool_),
            np.zeros(queues, np.int32),
        )

    def queue(self, queue, etas_s, wants=None, here=None):
        """Write down who comes when, and what each wants (the queue's first class where not said)."""
        n = len(etas_s)
        self.demand.eta_s[queue, :n] = etas_s
        self.demand.wants[queue, :n] = self.state.tables.class_begin[queue] if wants is None else wants
        self.demand.count[queue] = n
        self.demand.now[queue] = n if here is None else here
        return self

    def asked(self, policy=brain, **params):
        """Return the one proposal."""
        (proposal,) = policy.propose(self.state, self.demand, (), self.now_ms, **params)
        return proposal


@pytest.fixture
def plain(crossroads):
    """Two lanes, two stages."""
    return crossroads(("Gr", "rG"), ((0,), (1,)), foes=((0, 1),))


def test_a_queue_at_red_and_nobody_at_green_is_a_change(plain):
    """Four wait for stage 1 and nobody comes for stage 0: it changes, and says what keeping would cost more."""
    asked = Case(plain).queue(1, [0.0, 0.0, 0.0, 0.0]).asked()
    assert (asked.action.stage, asked.reason) == (1, Reason.CHANGE_LEAST_DELAY)
    assert asked.gain > 0
    assert [a.action for a in asked.alternatives] == [0]
    assert asked.alternatives[0].cost == pytest.approx(asked.cost + asked.gain)


def test_the_cost_of_a_change_is_the_delay_worked_by_hand(plain):
    """A lone vehicle at a red line: 3 s of yellow, 1.2 s to start, and the cost of its stop, whatever follows."""
    params = BrainParams()
    asked = Case(plain).queue(1, [0.0]).asked()
    assert asked.cost == pytest.approx(3.0 + params.start_loss_s + params.stop_cost_s, abs=1.0)


def test_a_long_queue_discharging_is_let_go(plain):
    """Ten leave at 2 s each while one waits: the change would stop the ten."""
    asked = Case(plain).queue(0, [0.0] * 10).queue(1, [0.0]).asked()
    assert (asked.action.stage, asked.reason) == (0, Reason.KEEP_LEAST_DELAY)
    assert asked.gain >= 0
    assert [a.action for a in asked.alternatives] == [1]


def test_the_longer_queue_wins_when_nobody_moves_yet(crossroads):
    """Out of a stage that serves neither, the stage of eight goes before that of one."""
    made = crossroads(("rrG", "Grr", "rGr"), ((0,), (1,), (2,)))
    assert Case(made).queue(0, [0.0]).queue(1, [0.0] * 8).asked().action.stage == 2
    assert Case(made).queue(0, [0.0] * 8).queue(1, [0.0]).asked().action.stage == 1


def test_a_heavier_user_goes_first(crossroads):
    """One tram of weight ten goes before two cars."""
    made = crossroads(("rrG", "Grr", "rGr"), ((0,), (1,), (2,)), rail=(0,))
    case = Case(made).queue(0, [0.0]).queue(1, [0.0, 0.0])
    assert case.asked().action.stage == 2
    case.demand.weight[0] = 10.0
    assert case.asked().action.stage == 1


def test_a_change_that_only_adds_green_is_taken(crossroads):
    """Stage 1 shows all that stage 0 shows and one lane more, in which somebody waits: nothing speaks against it."""
    made = crossroads(("Grr", "GGr", "rrG"), ((0,), (1,), (2,)))
    assert Case(made).queue(0, [0.0] * 6).queue(1, [0.0] * 3).asked().action.stage == 1


def test_who_must_yield_is_served_in_gaps(crossroads):
    """A left turn that finds gaps waits for them; against a stream without gaps its own stage is called."""
    made = crossroads(("Ggr", "rGr", "rrG"), ((1,), (0,), (2,)), yields=((1, 0),), foes=((0, 1),))
    dense = Case(made).queue(0, [0.0] * 10).queue(1, [3.0 * k for k in range(1, 14)]).asked()
    sparse = Case(made).queue(0, [0.0]).queue(1, [9.0]).asked()
    assert sparse.action.stage == 0
    assert dense.cost > sparse.cost
    assert dense.action.stage == 1


def test_a_turn_that_will_have_to_yield_goes_on_while_those_oncoming_wait(crossroads):
    """Its arrow ends, its green does not: who turns at 2 s loses nothing by a change that others wait for."""
    made = crossroads(("Gg", "rG"), ((0,), (1,)), foes=((0, 1),), yields=((1, 0),))
    asked = Case(made, stage=1).queue(0, [8.0, 8.0, 8.0]).queue(1, [2.0]).asked()
    (other,) = asked.alternatives
    assert {asked.action.stage, other.action} == {0, 1}
    assert other.cost == pytest.approx(asked.cost)


def test_nobody_elsewhere_is_a_reason_to_stay(plain):
    """With demand for the stage shown alone no search is made."""
    asked = Case(plain).queue(0, [0.0] * 3).asked()
    assert (asked.action.stage, asked.reason, asked.alternatives) == (0, Reason.KEEP_NO_DEMAND, ())


def test_minimum_green_is_kept(plain):
    """Three seconds into a stage nothing is weighed."""
    asked = Case(plain, green_s=3).queue(1, [0.0] * 9).asked()
    assert (asked.action.stage, asked.reason) == (0, Reason.KEEP_MINIMUM_GREEN)


@pytest.mark.parametrize("policy", [brain, max_pressure])
def test_who_has_waited_to_the_bound_goes_first(plain, policy):
    """After 115 s of red the lane's stage is due, though nobody is seen there and ten leave the other."""
    asked = Case(plain, red_s=115).queue(0, [0.0] * 10).asked(policy)
    assert (asked.action.stage, asked.reason) == (1, Reason.CHANGE_WAIT_BOUND)


@pytest.mark.parametrize("policy", [brain, max_pressure])
def test_a_change_under_way_is_confirmed(plain, policy):
    """While nothing is shown the stage commanded is asked for again."""
    case = Case(plain).queue(0, [0.0] * 9)
    case.state = msgspec.structs.replace(case.state, stage=np.array([-1], np.int32), target=np.array([1], np.int32))
    asked = case.asked(policy)
    assert (asked.action.stage, asked.reason) == (1, Reason.CHANGE_IN_PROGRESS)


@pytest.mark.parametrize("policy", [brain, max_pressure])
def test_without_sensing_nothing_is_asked(plain, policy):
    """A junction of which nothing is heard is left to its own plan."""
    case = Case(plain, seen=False).queue(1, [0.0] * 9)
    assert policy.propose(case.state, case.demand, (), case.now_ms) == []


def test_a_stage_that_is_passed_through_is_left(crossroads):
    """From a clearance stage the brain moves on to a stage that serves, whoever waits."""
    made = crossroads(("Gr", "rr", "rG"), ((0,), (1,)), passed=(1,))
    assert Case(made, stage=1).queue(1, [0.0] * 3).asked().action.stage == 2
    assert Case(made, stage=1).asked().action.stage in (0, 2)


def test_max_pressure_serves_the_longest_movements(plain):
    """Three press harder than two; on a tie the stage is kept."""
    change = Case(plain).queue(0, [0.0] * 2).queue(1, [0.0] * 3).asked(max_pressure)
    assert (change.action.stage, change.reason, change.gain) == (1, Reason.CHANGE_PRESSURE, 1.0)
    keep = Case(plain).queue(0, [0.0] * 2).queue(1, [0.0] * 2).asked(max_pressure)
    assert (keep.action.stage, keep.reason) == (0, Reason.KEEP_PRESSURE)


def test_max_pressure_counts_those_present_alone(plain):
    """Nine who are only expected press nobody."""
    asked = Case(plain).queue(0, [0.0]).queue(1, [20.0] * 9, here=0).asked(max_pressure)
    assert asked.action.stage == 0


def test_the_rarer_turn_of_a_shared_lane_is_not_starved(crossroads):
    """Lane 0 leads straight on and left. Its stages differ: counted by lane, the stage of many always wins.

    Once those who want straight on have gone, the one who wants left presses harder than the empty straight on.
    """
    made = crossroads(("GrG", "rGr"), ((0, 1), (2,)))
    straight, left = 0, 1
    case = Case(made).queue(0, [0.0] * 4, wants=[left] * 4).queue(1, [0.0] * 3)
    assert case.asked(max_pressure).action.stage == 1
    mostly_straight = Case(made).queue(0, [0.0] * 4, wants=[straight] * 3 + [left])
    assert mostly_straight.asked(max_pressure).action.stage == 0


def test_pressure_is_less_where_the_way_ahead_is_full(crossroads):
    """Three bound for a link with a queue of three press less than two with a free way."""
    made = crossroads(("Grr", "rGr", "rrG"), ((0,), (1,), (2,)), leads_to={0: (2, 200.0)})
    case = Case(made, stage=2).queue(0, [0.0] * 3).queue(1, [0.0] * 2)
    assert case.asked(max_pressure).action.stage == 0
    case.queue(2, [0.0] * 3)
    by_stage = {a.action: -a.cost for a in case.asked(max_pressure).alternatives}
    # A thousandth of the queue is left, so that of two full ways the longer queue goes first.
    assert by_stage[0] == pytest.approx(0.003)
    assert by_stage[1] == pytest.approx(2.0)


@pytest.mark.parametrize("wrong", [{"horizon_s": 5}, {"gap_s": -1.0}, {"start_loss_s": -0.1}])
def test_nonsense_parameters_are_refused(wrong):
    """A horizon under 10 s and negative times are no parameters."""
    with pytest.raises(ValueError, match="must"):
        BrainParams(**wrong)


def test_max_pressure_counts_only_those_whom_the_head_lets_go(crossroads):
    """A lane leaves in order: nine who want stage 1 behind a head that wants stage 0 press for stage 0 alone."""
    made = crossroads(("Grr", "rGr", "rrG"), ((0, 1), (2,)))
    case = Case(made, stage=2)
    first = int(case.state.tables.class_begin[0])
    asked = case.queue(0, [0.0] * 10, wants=[first] + [first + 1] * 9).asked(max_pressure)
    assert asked.action.stage == 0
    assert {a.action: -a.cost for a in asked.alternatives}[1] == 0


def test_max_pressure_keeps_a_stage_twice_as_long_as_its_change_takes(plain):
    """A change takes 3 s of yellow: after 5 s of green it stays, though nobody is there; after 6 s it goes."""
    asked = Case(plain, green_s=4).queue(1, [0.0] * 3).asked(max_pressure)
    assert (asked.action.stage, asked.reason) == (0, Reason.KEEP_MINIMUM_GREEN)
    assert Case(plain, green_s=5).queue(1, [0.0] * 3).asked(max_pressure).action.stage == 1


def test_a_green_is_worth_more_to_a_lone_right_turn_than_a_turn_on_red(crossroads):
    """Whoever turns on red must stop first: with nobody else about, the stage with its green is gone to in time."""
    made = crossroads(("Gs", "rG"), ((0,), (1,)), foes=((0, 1),))
    asked = Case(made).queue(1, [5.0]).asked()
    assert (asked.action.stage, asked.reason) == (1, Reason.CHANGE_LEAST_DELAY)


def test_of_two_moments_as_good_the_first_is_taken(plain):
    """Somebody comes to the red lane in 8 s and nobody to the green one: a change now and one in 5 s cost the same."""
    assert Case(plain).queue(1, [8.0]).asked().action.stage == 1
