"""Who is sent: no call that waits is left for the sake of those that may come."""

import dataclasses

import pytest
from services_city import call_list, readings, services_layout, unit_words

from cityloop.domains.emergency.domain import emergency
from cityloop.domains.emergency.schema import CallStatus, Send, UnitStatus
from cityloop.kernel.tick import Brain, start, tick


@pytest.mark.parametrize("calls_per_h", [4.0, 400.0])
def test_the_last_free_unit_goes_to_a_call_of_high_priority(calls_per_h):
    """One crew of two is at its meal, and many more calls are looked for: the call that is there is answered."""
    plain = services_layout()
    busy = dataclasses.replace(plain.tables["emergency"], calls_per_h=calls_per_h)
    layout = dataclasses.replace(plain, tables=dict(plain.tables) | {"emergency": busy})
    brain = Brain((emergency,), {"emergency": "brain"})
    state = start(brain, layout, 0)
    units = unit_words((UnitStatus.STANDING, -1, 0), (UnitStatus.ON_BREAK, -1, 1))
    sent = []
    for now_ms, told in ((1000, call_list()), (2000, call_list((7, 1, 1, 200.0, 30.0, float(CallStatus.OPEN))))):
        ticked = tick(brain, state, readings(layout, [*units, *told], now_ms), (), now_ms)
        state = ticked.state
        sent += [d.proposal.target for d in ticked.decisions if isinstance(d.proposal.action, Send)]
    assert sent == [0]
