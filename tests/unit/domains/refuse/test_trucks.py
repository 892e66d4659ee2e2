"""A round in the loop: containers are chosen, routes planned beside the tick, trucks told; a breakdown moves stops."""

import numpy as np
import pytest
from services_city import ScriptedCity

from cityloop.app.planner import PlannedCity
from cityloop.domains.refuse.container_guard import check
from cityloop.domains.refuse.containers import Rule
from cityloop.domains.refuse.domain import refuse
from cityloop.domains.refuse.schema import TIP, DriveRoute, PlanReason, PlanRound, TruckStatus
from cityloop.kernel.messages import Allowed, Proposal, Refused
from cityloop.kernel.tick import Brain, start, tick


class Loop:
    """Ticks of refuse alone over a scripted city with a planner."""

    def __init__(self, arm="brain", breaks=()):
        self.streets = ScriptedCity(breaks=breaks)
        self.city = PlannedCity(self.streets, iterations=50)
        self.brain = Brain((refuse,), {"refuse": arm})
        self.state = start(self.brain, self.city.layout(), 0)
        self.decisions = []

    def run(self, until_s):
        """Tick every second up to an instant."""
        while self.streets.now_ms < until_s * 1000:
            seen = self.city.observe(self.streets.now_ms + 1000)
            ticked = tick(self.brain, self.state, seen.batch, (), seen.now_ms)
            self.state = ticked.state
            self.decisions += ticked.decisions
            self.city.apply(ticked.commands)
        return self

    def actions(self, kind):
        """Return the actions of a kind that were commanded."""
        return [d.proposal.action for d in self.decisions if isinstance(d.proposal.action, kind) and d.sequence >= 0]

    @property
    def progress(self):
        """The round as far as it was heard."""
        return self.state.domains["refuse"].progress


@pytest.fixture(scope="module")
def broken():
    """Ten minutes in which the first truck breaks down after four."""
    loop = Loop(breaks={0: 200}).run(600)
    loop.city.close()
    return loop


def test_a_round_is_planned_once_and_every_truck_told_its_part(broken):
    """The first question asks for what was chosen; its answer sends each truck once, to the tip at the end."""
    first = broken.actions(PlanRound)[0]
    assert first.reason == PlanReason.MORNING
    assert set(first.containers) == set(np.flatnonzero(broken.state.domains["refuse"].asked_day == 1).tolist())
    told = [action for action in broken.actions(DriveRoute) if action.version == 1]
    assert sorted(c for action in told for c in action.visits if c >= 0) == sorted(first.containers)
    assert all(TIP in action.visits for action in told)


def test_trucks_share_a_round(broken):
    """One truck could do it all in eight hours; two are home sooner."""
    told = [action for action in broken.actions(DriveRoute) if action.version == 1]
    assert len(told) == 2


def test_a_breakdown_brings_one_new_plan_that_says_what_moved(broken):
    """The stops of the broken truck go to the other, whose own stops stay, and the note counts both."""
    asked = broken.actions(PlanRound)
    assert [action.reason for action in asked] == [PlanReason.MORNING, PlanReason.BREAKDOWN]
    note = broken.progress.plans[-1]
    assert (note.version, note.reason) == (2, PlanReason.BREAKDOWN)
    assert note.taken >= 1
    assert note.moved == 0
    assert note.taken == sum(broken.progress.moved == 2)
    told = [d.proposal.target for d in broken.decisions if getattr(d.proposal.action, "version", 0) == 2]
    assert 1 in told


def test_every_container_asked_for_is_emptied_in_spite_of_the_breakdown(broken):
    """The round is whole in the end."""
    asked = broken.actions(PlanRound)[0].containers
    late = broken.run(1500).progress
    assert (late.served_at_ms[list(asked)] >= 0).all()


def test_a_brain_that_begins_in_a_round_takes_over_its_plan(broken):
    """Plans are told again every minute: who starts anew asks for no other, and knows what lies before each truck."""
    loop = Loop().run(200)
    again = start(loop.brain, loop.city.layout(), loop.streets.now_ms)
    loop.state = again
    before = len(loop.actions(PlanRound))
    loop.run(300)
    loop.city.close()
    assert len(loop.actions(PlanRound)) == before
    assert loop.progress.version == 1


def test_fixed_days_choose_by_the_round_book():
    """The rival asks for the zone whose day it is, whatever the sensors say, and has it routed alike."""
    loop = Loop("fixed").run(120)
    loop.city.close()
    asked = [d.proposal for d in loop.decisions if d.proposal.reason == 3]
    again = Loop("fixed").run(120)
    again.city.close()
    assert [p.target for p in asked] == [d.proposal.target for d in again.decisions if d.proposal.reason == 3]


@pytest.mark.parametrize(
    ("target", "action", "rule"),
    [
        (1, DriveRoute(2, 2, (0,)), Rule.NO_SUCH_ROUND),
        (1, DriveRoute(1, 1, (0,)), Rule.OLD_PLAN),
        (9, DriveRoute(1, 2, ()), Rule.NO_SUCH_TRUCK),
        (0, DriveRoute(1, 2, ()), Rule.BROKEN_DOWN),
        (1, DriveRoute(1, 2, (99,)), Rule.NO_SUCH_CONTAINER),
        (0, PlanRound(1, 2, 1, (), (), (), (), (), ()), Rule.OLD_PLAN),
        (0, PlanRound(1, 3, 1, (99,), (1.0,), (), (), (), ()), Rule.NO_SUCH_CONTAINER),
    ],
)
def test_the_guard_names_its_rule(broken, target, action, rule):
    """Neither another round, nor an old plan, nor a truck that stands broken, nor a container that is not there."""
    state = broken.state.domains["refuse"]
    assert state.progress.status[0] == TruckStatus.BROKEN_DOWN
    verdict = check(Proposal(target=target, action=action, reason=6, cost=0.0, gain=0.0), state, 600_000)
    assert verdict == Refused(rule)


def test_the_guard_lets_a_truck_drive_what_is_open(broken):
    """The tip alone is always allowed to a truck that drives."""
    state = broken.state.domains["refuse"]
    ask = Proposal(target=1, action=DriveRoute(1, 2, (TIP,)), reason=6, cost=0.0, gain=0.0)
    assert isinstance(check(ask, state, 600_000), Allowed)
