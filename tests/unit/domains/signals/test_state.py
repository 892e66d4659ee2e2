"""What each junction shows, since when, and who has called."""

from __future__ import annotations

import numpy as np
import pytest

from cityloop.domains.signals.domain import signals
from cityloop.domains.signals.schema import ShowStage
from cityloop.domains.signals.state import UNKNOWN_RED_S
from cityloop.domains.traffic.domain import traffic
from cityloop.kernel.messages import Allowed, Proposal, Refused, Trimmed


@pytest.fixture
def made(crossroads):
    """Link 0 is green in the first two stages, link 1 in the last two, link 2 is a crossing of the first."""
    return crossroads(("Grr", "GGr", "rGG"), ((0,), (1,)), clearance_s={2: 8.0}, foes=((0, 2),))


class Junction:
    """A junction followed second by second."""

    def __init__(self, made):
        self.made, self.now_ms = made, 0
        self.state = signals.start(made.layout, 0)

    def show(self, stage, calls=None, mode=1):
        """Let a second pass in which a stage is shown."""
        self.now_ms += 1000
        batch = self.made.batch(self.now_ms, stage=stage, mode=mode, calls=calls)
        self.state = signals.update(self.state, batch, {}, self.now_ms)
        return self.state

    def command(self, stage):
        """Take note of a command that the guard let pass."""
        ask = Proposal(target=0, action=ShowStage(stage), reason=1, cost=0.0, gain=0.0)
        self.state = signals.accept(self.state, [(ask, Allowed(ask.action))], self.now_ms)


def test_before_any_reading_nothing_is_green(made):
    """No stage, no lamp, no target; the detectors are dead until heard."""
    state = signals.start(made.layout, 50_000)
    assert (state.stage[0], state.last_stage[0], state.target[0]) == (-1, -1, -1)
    assert not state.lamp.any()
    assert state.dead.all()
    assert (state.last_green_ms == 50_000 - UNKNOWN_RED_S * 1000).all()


def test_green_counts_from_when_the_stage_was_first_reported(made):
    """The stage's time runs on while it is reported again, and anew with another."""
    junction = Junction(made)
    junction.show(0)
    assert junction.show(0).green_since_ms[0] == 1000
    junction.show(-1)
    assert junction.show(1).green_since_ms[0] == 4000


def test_lamps_are_those_of_the_stage_shown(made):
    """A stage's lamps are its column of the table."""
    junction = Junction(made)
    assert junction.show(0).lamp.tolist() == [2, 0, 0]
    assert junction.show(2).lamp.tolist() == [0, 2, 2]


def test_a_yellow_counts_as_green_for_two_seconds_of_the_change(made):
    """Who may still cross is counted with the green; then only what is green in both stages is."""
    junction = Junction(made)
    junction.show(1)
    junction.command(2)
    shown = [junction.show(-1).lamp.tolist() for _ in range(5)]
    assert shown[:3] == [[2, 2, 0]] * 3
    assert shown[3:] == [[0, 2, 0]] * 2


def test_the_red_begins_with_the_change_for_who_loses_green(made):
    """Link 0 was last green when its stage was; link 1 stays green through the change; link 2 is yet to come."""
    junction = Junction(made)
    for _ in range(5):
        junction.show(1)
    junction.command(2)
    for _ in range(4):
        state = junction.show(-1)
    assert state.last_green_ms.tolist() == [5000, 9000, -90_000]


def test_in_a_change_of_the_own_plan_nothing_is_known_to_be_green(made):
    """Without a command there is no telling what a change leads to."""
    junction = Junction(made)
    junction.show(1)
    for _ in range(4):
        state = junction.show(-1, mode=0)
    assert state.last_green_ms.tolist() == [1000, 1000, -90_000]


def test_the_longest_red_is_that_of_any_link(made):
    """Ten seconds into a stage the link red longest is the one not seen yet."""
    junction = Junction(made)
    for _ in range(10):
        junction.show(0)
    assert signals.view(junction.state).longest_red_s.tolist() == [100.0]
    junction.show(2)
    junction.show(2)
    assert signals.view(junction.state).longest_red_s.tolist() == [2.0]


def test_a_call_stands_from_when_it_was_heard_until_nobody_waits(made):
    """Repeated calls keep their first instant; a call that went off leaves none."""
    junction = Junction(made)
    junction.show(0, calls={2: True})
    assert junction.show(0, calls={2: True}).call_since_ms.tolist() == [-1, -1, 1000]
    assert junction.show(0).call_since_ms[2] == 1000
    assert junction.show(2, calls={2: False}).call_since_ms[2] == -1


def test_mode_is_as_reported(made):
    """Own plan, leased, handing back."""
    junction = Junction(made)
    assert [int(junction.show(0, mode=mode).mode[0]) for mode in (0, 1, 2)] == [0, 1, 2]


def test_bad_and_missing_reports_change_nothing(made):
    """A report marked bad or without a number is as if unheard."""
    junction = Junction(made)
    junction.show(1)
    for value, quality in ((0.0, 2), (np.nan, 0)):
        batch = made.batch(2000, stage=0)
        batch.value[:] = value
        batch.quality[:] = quality
        assert signals.update(junction.state, batch, {}, 2000).stage[0] == 1


def test_a_junction_is_dead_when_no_approach_was_heard_for_three_seconds(made):
    """One lane heard is enough; 3 s is still alive, a second later is not."""
    junction = Junction(made)
    lanes = traffic.update(traffic.start(made.layout, 0), made.batch(1000, scans={1: []}), {}, 1000)
    views = {"traffic": traffic.view(lanes)}
    state = signals.update(junction.state, made.batch(1000, stage=0), views, 1000)
    assert not state.dead[0]
    assert not signals.update(state, made.batch(4000, stage=0), views, 4000).dead[0]
    assert signals.update(state, made.batch(5000, stage=0), views, 5000).dead[0]


def test_the_target_is_what_was_commanded_last(made):
    """A trimmed command counts as trimmed; a refused one, or none, leaves no target."""
    state = signals.start(made.layout, 0)
    ask = Proposal(target=0, action=ShowStage(1), reason=1, cost=0.0, gain=0.0)
    assert signals.accept(state, [(ask, Allowed(ask.action))], 0).target[0] == 1
    assert signals.accept(state, [(ask, Trimmed(ShowStage(2), 4))], 0).target[0] == 2
    asked = signals.accept(state, [(ask, Allowed(ask.action))], 0)
    assert signals.accept(asked, [(ask, Refused(7))], 0).target[0] == -1
    assert signals.accept(asked, [], 0).target[0] == -1
