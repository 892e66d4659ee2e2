"""The horizon search, for queues of every kind."""

from __future__ import annotations

from dataclasses import dataclass, replace

import msgspec
import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from cityloop.domains.signals.decide import brain
from cityloop.domains.signals.decide.given import Costing, Lamps, Queues, Stages, Users
from cityloop.domains.signals.decide.horizon_search import search
from cityloop.domains.signals.domain import signals
from cityloop.domains.signals.forecast import MAX_QUEUE, Demand
from cityloop.domains.signals.schema import Reason
from cityloop.domains.traffic.domain import traffic
from cityloop.kernel.messages import Proposal

NOW_MS = 100_000
# Three lanes; the left turn of lane 1 yields to lane 0 in stage 0 and has stage 2 to itself; stage 3 is passed through.
STATES = ("Ggr", "rrG", "rGr", "Grr")


@dataclass(frozen=True)
class Waiting:
    """Arrivals and weight of each lane."""

    etas_s: tuple[tuple[float, ...], ...]
    weight: tuple[float, ...]
    headway_s: tuple[float, ...]


arrivals = st.lists(st.floats(0, 60, allow_nan=False).map(lambda t: round(t, 1)), max_size=12)
lanes = st.builds(
    Waiting,
    st.tuples(*[arrivals.map(lambda etas: tuple(sorted(etas)))] * 3),
    st.tuples(*[st.sampled_from([1.0, 1.5, 10.0])] * 3),
    st.tuples(*[st.floats(1.4, 3.0)] * 3),
)


def asked(crossroads, queues: Waiting, shown: int, factor: float = 1.0, order: tuple[int, ...] = (0, 1, 2)) -> Proposal:
    """Return what the brain asks for; ``order`` is the order in which the lanes are written down."""
    made = crossroads(STATES, tuple((lane,) for lane in order), yields=((1, 0),), passed=(3,))
    view = traffic.view(traffic.start(made.layout, 0))
    heard = {"traffic": replace(view, seen_at_ms=np.full(3, NOW_MS))}
    state = signals.update(signals.start(made.layout, 0), made.batch(NOW_MS, stage=shown), heard, NOW_MS)
    state = msgspec.structs.replace(
        state,
        green_since_ms=np.array([NOW_MS - 20_000]),
        waits_since_ms=np.full_like(state.waits_since_ms, NOW_MS - 30_000),
    )
    eta_s = np.zeros((3, MAX_QUEUE))
    count = np.array([len(queues.etas_s[lane]) for lane in order], np.int32)
    for row, lane in enumerate(order):
        eta_s[row, : count[row]] = queues.etas_s[lane]
    demand = Demand(
        eta_s,
        np.repeat(np.arange(3, dtype=np.int32)[:, None], MAX_QUEUE, axis=1),
        count,
        np.array([queues.weight[lane] for lane in order]) * factor,
        np.array([queues.headway_s[lane] for lane in order]),
        np.zeros((3, MAX_QUEUE), np.bool_),
        count.copy(),
    )
    (proposal,) = brain.propose(state, demand, (), NOW_MS)
    return proposal


# Two headways after its queue set off the last user leaves at the very instant at which a second's departures end.
ON_THE_SECOND = Waiting(((), (0.0, 0.0, 0.0), ()), (1.0, 1.0, 1.0), (2.0, 1.4000000000000001, 2.0))


@settings(max_examples=150)
@given(queues=lanes, shown=st.integers(0, 2))
@example(queues=ON_THE_SECOND, shown=0)
def test_the_choice_is_the_least_of_what_was_weighed(crossroads, queues, shown):
    """A service stage, at a cost that no rejected alternative undercuts by more than what eagerness is worth.

    Arrivals are counted by whole seconds, so a cost may lie below zero by up to a second a user, for all plans alike.
    """
    proposal = asked(crossroads, queues, shown)
    assert proposal.action.stage in (0, 1, 2)
    if proposal.reason == Reason.KEEP_NO_DEMAND:
        return
    costs = [alternative.cost for alternative in proposal.alternatives]
    assert all(np.isfinite(cost) for cost in [proposal.cost, *costs])
    users = sum(weight * len(etas_s) for weight, etas_s in zip(queues.weight, queues.etas_s, strict=True))
    assert proposal.cost >= -users
    eager_s = brain.DEFAULT.eager_s * min(queues.weight)
    assert all(cost >= proposal.cost - eager_s - 1e-6 for cost in costs)
    assert (proposal.reason == Reason.KEEP_LEAST_DELAY) == (proposal.action.stage == shown)
    assert {alternative.action for alternative in proposal.alternatives} <= {0, 1, 2}


@settings(max_examples=80)
@given(queues=lanes, shown=st.integers(0, 2))
def test_the_choice_does_not_hang_on_the_unit_of_weight(crossroads, queues, shown):
    """Everybody counted double: the same stage at twice the cost."""
    one, two = asked(crossroads, queues, shown), asked(crossroads, queues, shown, factor=2.0)
    assert one.action == two.action
    if one.reason != Reason.KEEP_NO_DEMAND:
        assert two.cost == pytest.approx(2 * one.cost)


@settings(max_examples=80)
@given(queues=lanes, shown=st.integers(0, 2), order=st.permutations((0, 1, 2)))
def test_the_choice_does_not_hang_on_the_order_of_lanes(crossroads, queues, shown, order):
    """Lanes written down in another order cost the same."""
    proposal, other = asked(crossroads, queues, shown), asked(crossroads, queues, shown, order=tuple(order))
    assert other.cost == pytest.approx(proposal.cost)


@settings(max_examples=80)
@given(queues=lanes, shown=st.integers(0, 2))
def test_equal_inputs_give_equal_proposals(crossroads, queues, shown):
    """Twice asked, the answer is the same to the last bit."""
    assert asked(crossroads, queues, shown) == asked(crossroads, queues, shown)


def keeping(etas_s: tuple[tuple[float, ...], ...], shown: int, first_end_s: int) -> float:
    """Return the cost told for plans that do not change at once; from ``first_end_s`` 1 on there are no others."""
    n, most, n_stages = len(etas_s), 24, 4
    eta_s = np.zeros((n, most))
    for row, etas in enumerate(etas_s):
        eta_s[row, : len(etas)] = etas
    count = np.array([len(etas) for etas in etas_s], np.int32)
    wants = np.repeat(np.arange(n, dtype=np.int32)[:, None], most, axis=1)
    lamp = np.array([[2, 0, 0, 2], [1, 0, 2, 0], [0, 2, 0, 0]], np.uint8)
    foes = np.array([0, 0, 1], np.int32), np.array([0, 1, 1], np.int32), np.array([0], np.int32)
    intergreen_s = np.where(np.eye(n_stages, dtype=bool), 0.0, 3.0)
    costs = np.full(2 * n_stages + 1, np.nan)
    search(
        shown, first_end_s, n_stages, 24, Queues(0, n, np.ones(n), np.full(n, 2.0)),
        Users(eta_s, wants, count, np.zeros((n, most), np.bool_)), Lamps(lamp, np.arange(n, dtype=np.int32), *foes),
        Stages(
            np.array([True, True, True, False]), np.full(n_stages, 5.0), intergreen_s, np.zeros((n_stages, n_stages))
        ),
        Costing(2.0, 0.8, 4.0, 0.5, 9.0), np.zeros(n_stages, np.bool_), costs,
    )  # fmt: skip
    return float(np.nanmin(costs[n_stages:]))


def test_a_rejected_alternative_is_told_at_its_own_cost():
    """A better plan of the same first action, found later, does not make the others look cheaper than they are."""
    etas_s = (0.0, 5.0, 9.0), (7.0, 8.0, 10.0, 10.0), (11.0,)
    assert keeping(etas_s, 1, 0) == pytest.approx(keeping(etas_s, 1, 1))


turns = st.lists(st.booleans(), min_size=1, max_size=45)


@settings(max_examples=80)
@given(ours=turns, theirs=turns)
@example(ours=[True, False] * 6, theirs=[True, False] * 5)
def test_nobody_waits_for_a_green_that_nobody_uses(ours, theirs):
    """Two queues stand face to face, left turns yielding to those oncoming; before the green shown there is nobody.

    Which second the change falls on moves who gets which gap, so that a later one may look better every second anew.
    """
    most, n_stages = 48, 2
    eta_s = np.zeros((3, most))
    eta_s[1:] = 3.5 + 0.4 * np.arange(most)
    wants = np.zeros((3, most), np.int32)
    wants[1, : len(ours)] = np.where(ours, 2, 1)
    wants[2, : len(theirs)] = np.where(theirs, 4, 3)
    # Straight on is protected in stage 1; a left turn yields there to those who come straight on.
    lamp = np.array([[2, 0], [0, 2], [0, 1], [0, 2], [0, 1]], np.uint8)
    foes = np.array([0, 0, 0, 1, 1], np.int32), np.array([0, 0, 1, 1, 2], np.int32), np.array([3, 1], np.int32)
    costs = np.full(2 * n_stages + 1, np.nan)
    best = search(
        0, 0, n_stages, 24, Queues(0, 3, np.ones(3), np.full(3, 2.1)),
        Users(eta_s, wants, np.array([0, len(ours), len(theirs)], np.int32), np.zeros((3, most), np.bool_)),
        Lamps(lamp, np.array([0, 1, 1, 2, 2], np.int32), *foes),
        Stages(
            np.full(n_stages, True), np.full(n_stages, 5.0), np.array([[0.0, 3.0], [3.0, 0.0]]),
            np.zeros((n_stages, n_stages)),
        ),
        Costing(1.2, 0.8, 3.5, 3.0, 9.0), np.zeros(n_stages, np.bool_), costs,
    )  # fmt: skip
    assert best == 1
    assert costs[1] <= np.nanmin(costs[n_stages:])
