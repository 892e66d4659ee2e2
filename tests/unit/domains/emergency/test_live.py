"""Emergency in the loop: lists of calls and crews' words move the picture, and dispatch goes through the guard."""

import numpy as np
import pytest
from services_city import call_list, readings, services_layout, unit_words

from cityloop.domains.emergency.domain import emergency
from cityloop.domains.emergency.schema import CallStatus, Lead, Send, UnitStatus
from cityloop.kernel.layout import StreamKind
from cityloop.kernel.tick import Brain, start, tick

HOME = unit_words((UnitStatus.STANDING, -1, 0), (UnitStatus.STANDING, -1, 1))
OPEN = float(CallStatus.OPEN)


@pytest.fixture(scope="module")
def layout():
    """The square."""
    return services_layout()


class Loop:
    """Ticks of emergency alone, closest unit first."""

    def __init__(self, layout, arm="as-is"):
        self.layout = layout
        self.brain = Brain((emergency,), {"emergency": arm})
        self.state = start(self.brain, layout, 0)
        self.now_ms = 0

    def hear(self, told, after_s=1):
        """Let time pass and readings come; return what was decided."""
        self.now_ms += after_s * 1000
        ticked = tick(self.brain, self.state, readings(self.layout, told, self.now_ms), (), self.now_ms)
        self.state = ticked.state
        return ticked.decisions

    def sends(self, told, after_s=1):
        """Return unit and call of each dispatch."""
        decided = self.hear(told, after_s)
        return [
            (d.proposal.target, d.proposal.action.call)
            for d in decided
            if isinstance(d.proposal.action, Send) and d.sequence >= 0
        ]


@pytest.fixture
def loop(layout):
    """A loop whose crews have told that they are at home, and no call is open."""
    loop = Loop(layout)
    loop.hear([*HOME, *call_list()])
    return loop


def test_the_closest_unit_is_sent_once_and_told_the_way(loop):
    """A call on the first unit's own street gets that unit, by a way that ends there, and nobody a second time."""
    decided = loop.hear(call_list((7, 1, 1, 200.0, 30.0, OPEN)))
    send = next(d.proposal for d in decided if isinstance(d.proposal.action, Send))
    assert (send.target, send.action.call) == (0, 7)
    assert send.action.route[0] == 0
    assert send.action.route[-1] == 1
    assert send.cost > 60
    assert loop.sends([]) == []
    assert loop.sends(call_list((7, 1, 1, 200.0, 31.0, OPEN))) == []


def test_a_brain_that_comes_back_hears_what_is_open_and_sends_nobody_twice(layout, loop):
    """After a restart the centre's list and the crews' words are enough: who is on his way stays on his way."""
    loop.sends(call_list((7, 1, 1, 200.0, 30.0, OPEN)))
    again = Loop(layout)
    busy = unit_words((UnitStatus.EN_ROUTE, 7, -1), (UnitStatus.STANDING, -1, 1))
    assert again.sends([*busy, *call_list((7, 1, 1, 200.0, 90.0, OPEN), (8, 1, 2, 300.0, 30.0, OPEN))]) == [(1, 8)]
    assert again.state.views["emergency"].calls.number.tolist() == [7, 8]


def test_nobody_is_sent_before_crews_have_told_what_they_do(layout):
    """An empty picture is not taken for a free fleet."""
    assert Loop(layout).sends(call_list((7, 1, 1, 200.0, 30.0, OPEN))) == []


def test_a_call_that_cannot_be_placed_stays_on_screen_for_a_person(loop):
    """No unit is sent to the nearest road unseen; the call is listed with its fault and counted."""
    assert loop.sends(call_list((9, 1, -1, 0.0, 30.0, OPEN))) == []
    view = loop.state.views["emergency"]
    assert view.calls.number.tolist() == [9]
    assert view.calls.fault.tolist() == [2]
    assert view.city.calls_set_aside.tolist() == [1]


def test_a_call_without_a_priority_in_use_is_for_a_person(loop):
    """Nobody here triages: priority 4 of three is set aside."""
    assert loop.sends(call_list((9, 4, 1, 100.0, 30.0, OPEN))) == []
    assert loop.state.views["emergency"].calls.fault.tolist() == [3]


def test_a_number_told_twice_is_one_call(loop):
    """Of two calls of one number the first is kept."""
    assert loop.sends(call_list((7, 1, 1, 200.0, 30.0, OPEN), (7, 1, 3, 100.0, 30.0, OPEN))) == [(0, 7)]
    assert loop.state.views["emergency"].calls.number.tolist() == [7]


def test_a_list_that_is_not_whole_changes_nothing(loop):
    """A list of which a part was lost closes no call."""
    loop.sends(call_list((7, 1, 1, 200.0, 30.0, OPEN)))
    loop.hear([(StreamKind.CALL_COUNT, 0, 2.0), (StreamKind.CALL_NUMBER, 0, 8.0)])
    assert loop.state.views["emergency"].calls.number.tolist() == [7]
    assert loop.state.domains["emergency"].heard.torn == 1


def test_a_call_that_is_off_the_list_is_closed(loop):
    """What the centre has closed is gone, and counted."""
    loop.sends(call_list((7, 1, 1, 200.0, 30.0, OPEN)))
    loop.hear(call_list())
    view = loop.state.views["emergency"]
    assert len(view.calls.number) == 0
    assert view.city.calls_closed.tolist() == [1]


def test_a_unit_whose_call_is_called_off_is_free_again(loop):
    """It keys nothing: the call has left the list, so the next call on that street gets the unit under way."""
    loop.sends(call_list((7, 1, 1, 200.0, 30.0, OPEN)))
    loop.hear(unit_words((UnitStatus.EN_ROUTE, 7, -1), (UnitStatus.STANDING, -1, 1)))
    assert loop.sends(call_list((8, 3, 1, 300.0, 30.0, OPEN))) == [(0, 8)]
    assert loop.state.views["emergency"].units.call.tolist()[0] in (-1, 8)


def test_a_call_that_is_upgraded_takes_the_unit_of_a_lesser_one(loop):
    """Two calls of lower priority, one unit; the second is upgraded on the list and gets it under way."""
    loop.sends(call_list((1, 2, 1, 200.0, 30.0, OPEN), (2, 2, 1, 300.0, 20.0, OPEN)))
    loop.hear(unit_words((UnitStatus.EN_ROUTE, 1, -1), (UnitStatus.ON_SCENE, 5, -1)))
    sent = loop.sends(call_list((1, 2, 1, 200.0, 60.0, OPEN), (2, 1, 1, 300.0, 50.0, OPEN)))
    assert sent == [(0, 2)]


def test_who_is_needed_more_goes_first(loop):
    """Two calls on one street and two units: the urgent one gets the nearer."""
    sent = loop.sends(call_list((1, 3, 1, 200.0, 30.0, OPEN), (2, 1, 1, 400.0, 30.0, OPEN)))
    assert sorted(sent) == [(0, 2), (1, 1)]


def test_a_position_from_the_future_is_refused_and_counted(loop):
    """A radio whose clock runs ahead moves no unit on the map."""
    told = [(kind, 0, value) for kind, value in zip(range(20, 26), (10.0, 20.0, 5.0, 90.0, 0.0, 10.0), strict=True)]
    batch = readings(loop.layout, told, loop.now_ms + 60_000)
    ticked = tick(loop.brain, loop.state, batch, (), loop.now_ms + 1000)
    assert ticked.state.domains["emergency"].heard.positions_refused == 1
    assert np.isnan(ticked.state.views["emergency"].units.x_m).all()


def test_the_lease_over_dispatch_is_renewed_three_times_a_minute(loop):
    """A brain that falls silent leads for a minute at most; so it says every twenty seconds that it is there."""
    led = [d.decided_at_ms for _ in range(60) for d in loop.hear([]) if isinstance(d.proposal.action, Lead)]
    assert np.diff(led).tolist() == [20_000, 20_000]


def test_ranked_units_are_published_with_what_each_would_leave(loop):
    """A call that waits shows who could go, the soonest first, and no band before ten arrivals were seen."""
    brain = Loop(loop.layout, "brain")
    brain.hear([*HOME, *call_list((7, 1, 1, 200.0, 30.0, OPEN))])
    ranked = brain.state.views["emergency"].ranked
    assert ranked.unit.tolist() == [0, 1]
    assert ranked.eta_s[0] < ranked.eta_s[1]
    assert (ranked.uncovered_s >= 0).all()
    assert np.isnan(ranked.low_s).all()
