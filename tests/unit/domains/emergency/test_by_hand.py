"""A dispatch by hand: it goes before the policy for its unit and its call, through the same guard, and once."""

import pytest
from services_city import call_list, readings, services_layout, unit_words

from cityloop.domains.emergency.domain import emergency
from cityloop.domains.emergency.schema import CallStatus, Send, UnitStatus
from cityloop.kernel.ladder import OPERATOR_REASONS, Rung, gated
from cityloop.kernel.messages import Allowed, Refused, Request
from cityloop.kernel.tick import Brain, start, tick

OPEN = float(CallStatus.OPEN)
HOME = unit_words((UnitStatus.STANDING, -1, 0), (UnitStatus.STANDING, -1, 1))


class Loop:
    """Ticks of emergency alone, closest unit first, with what a person asks."""

    def __init__(self, rung=None):
        self.layout = services_layout()
        domain = emergency if rung is None else gated(emergency, dict.fromkeys(range(8), rung), {})
        self.brain = Brain((domain,), {"emergency": "as-is"})
        self.state = start(self.brain, self.layout, 0)
        self.now_ms = 0

    def sends(self, told, *asked):
        """Return unit, reason and verdict of each dispatch of the next second."""
        self.now_ms += 1000
        ticked = tick(self.brain, self.state, readings(self.layout, told, self.now_ms), asked, self.now_ms)
        self.state = ticked.state
        return [
            (d.proposal.target, d.proposal.reason, type(d.verdict))
            for d in ticked.decisions
            if isinstance(d.proposal.action, Send)
        ]


def by_hand(unit, call):
    """Return what the operations room asks for."""
    return Request(
        domain="emergency", sender="operator:1", target=unit, action=Send(call), priority=1000, not_before_ms=0,
        expires_at_ms=600_000,
    )  # fmt: skip


def test_the_unit_that_a_person_names_goes_and_no_other():
    """The call lies at the first unit's door; the second goes, and the policy sends nobody to it beside."""
    loop = Loop()
    loop.sends([*HOME, *call_list()])
    told = call_list((7, 1, 1, 200.0, 30.0, OPEN))
    assert loop.sends(told, by_hand(1, 7)) == [(1, OPERATOR_REASONS.start, Allowed)]
    on_its_way = [*unit_words((UnitStatus.STANDING, -1, 0), (UnitStatus.TURNING_OUT, 7, -1)), *told]
    assert loop.sends(on_its_way, by_hand(1, 7)) == []


@pytest.mark.parametrize("rung", [Rung.SHADOW, Rung.ADVISE])
def test_it_passes_the_ladder_and_not_the_guard(rung):
    """In shadow and advice a person's act counts; a unit with a patient aboard is refused all the same."""
    loop = Loop(rung)
    loop.sends([*HOME, *call_list()])
    told = call_list((7, 1, 1, 200.0, 30.0, OPEN))
    assert (1, OPERATOR_REASONS.start, Allowed) in loop.sends(told, by_hand(1, 7))
    busy = Loop(rung)
    busy.sends([*unit_words((UnitStatus.STANDING, -1, 0), (UnitStatus.TRANSPORTING, 3, -1)), *call_list()])
    assert (1, OPERATOR_REASONS.start, Refused) in busy.sends(told, by_hand(1, 7))
