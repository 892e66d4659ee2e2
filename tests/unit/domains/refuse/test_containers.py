"""The refuse domain in the loop: readings move the belief, mornings bring proposals, the guard says no by rule."""

from dataclasses import replace

import numpy as np
import pytest

from cityloop.domains.refuse.container_guard import check
from cityloop.domains.refuse.containers import Containers, ContainersTable, EmptyToday, Rule
from cityloop.domains.refuse.domain import refuse
from cityloop.kernel.batch import Batch, empty_batch
from cityloop.kernel.layout import StreamKind, Streams
from cityloop.kernel.messages import Allowed, Proposal, Refused

HOUR = 3_600_000
MONDAY = 4 * 24 * HOUR
"""5 January 1970, 00:00 UTC."""


@pytest.fixture
def layout():
    """Four containers on a street; all but the last have a sensor."""
    from cityloop.kernel.layout import Approaches, Edges, Junctions, Lanes, Layout, Movements

    def none(table):
        from cityloop.kernel.columns import columns_of

        return table(**{c.name: np.zeros(0, c.dtype) for c in columns_of(table)})

    own = Containers(
        np.array([0.0, 50.0, 100.0, 3000.0]),
        np.zeros(4),
        np.full(4, 500.0),
        np.array([1, 1, 1, 0], np.int32),
        np.array([0.1, 0.1, 0.1, 0.02]),
    )
    kinds = [StreamKind.FILL_FRAC] * 3 + [StreamKind.COLLECTED_FRAC] * 4
    streams = Streams(np.array(kinds, np.int32), np.array([0, 1, 2, 0, 1, 2, 3], np.int32))
    table = ContainersTable(containers=own, tip_x_m=0.0, tip_y_m=2000.0, payload_kg=5000.0)
    empty = [none(t) for t in (Junctions, Edges, Lanes, Approaches, Movements)]
    return Layout("test", *empty, streams=streams, tables={"refuse": table})


def heard(stream, value, at_ms):
    n = len(stream)
    at = np.full(n, at_ms, np.int64)
    return Batch(np.array(stream, np.int32), at, at, np.array(value, float), np.zeros(n, np.uint8))


def filled(layout):
    """Follow the containers for eight days and read two of them nearly full at dawn."""
    state = refuse.start(layout, MONDAY - 8 * 24 * HOUR)
    for days in range(7, -1, -1):
        state = refuse.update(state, empty_batch(), {}, MONDAY - days * 24 * HOUR)
    now = MONDAY + 5 * HOUR
    for k in range(3):
        state = refuse.update(state, heard([0, 1], [0.93 + 0.01 * k, 0.94 + 0.01 * k], now), {}, now)
    return state, now


def test_a_full_container_is_asked_for_once_and_an_empty_one_is_not(layout):
    """At the hour of decision the two nearly full ones are proposed; a minute later nothing is."""
    state, now = filled(layout)
    proposals = refuse.policies["brain"](state, refuse.predict(state, {}, now), (), now)
    targets = {p.target for p in proposals}
    assert {0, 1} <= targets
    assert 3 not in targets
    after = refuse.accept(state, [(p, check(p, state, now)) for p in proposals], now)
    assert refuse.predict(after, {}, now + 60_000) is None
    assert refuse.view(after).asked_day[0] == 4


def test_an_emptied_container_is_believed_empty(layout):
    """The truck's scale speaks, and the level starts anew."""
    state, now = filled(layout)
    state = refuse.update(state, heard([3], [0.95], now + HOUR), {}, now + HOUR)
    view = refuse.view(state)
    assert view.fill_frac[0] < 0.1
    assert view.fill_frac[1] > 0.5


def test_the_guard_names_its_rule(layout):
    """No such container, another day, a Sunday, asked already; otherwise allowed."""
    state, now = filled(layout)
    good = Proposal(target=0, action=EmptyToday(4), reason=1, cost=0.0, gain=0.0)
    assert check(good, state, now) == Allowed(EmptyToday(4))
    wrong = Proposal(target=9, action=EmptyToday(4), reason=1, cost=0.0, gain=0.0)
    assert check(wrong, state, now) == Refused(Rule.NO_SUCH_CONTAINER)
    late = Proposal(target=0, action=EmptyToday(3), reason=1, cost=0.0, gain=0.0)
    assert check(late, state, now) == Refused(Rule.NOT_TODAY)
    sunday = Proposal(target=0, action=EmptyToday(3), reason=1, cost=0.0, gain=0.0)
    assert check(sunday, state, now - 24 * HOUR) == Refused(Rule.NOT_A_WORKED_DAY)
    asked = replace(state, asked_day=np.full(4, 4))
    assert check(good, asked, now) == Refused(Rule.ALREADY_ASKED)
