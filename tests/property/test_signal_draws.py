"""What nobody senses is drawn several times over: the choice is the best in the mean, whatever the order of draws."""

from __future__ import annotations

from dataclasses import replace

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cityloop.domains.signals.decide import brain
from cityloop.domains.signals.domain import signals
from cityloop.domains.signals.forecast import MAX_QUEUE, Demand, Redrawn
from cityloop.domains.traffic.domain import traffic
from cityloop.kernel.messages import Proposal

NOW_MS = 100_000
# A street with two turns to choose from, each with a stage of its own, and one across: links 0, 1 and 2.
STATES = ("Grr", "rGr", "rrG")
_WAITING = [0.0, 0.0, 3.0, 6.0, 9.0]

turns = st.lists(st.integers(0, 1), min_size=5, max_size=5)


def asked(crossroads, draws: list[list[int]], shown: int, across: int = 3) -> Proposal:
    """Return what the brain asks for when the street's vehicles want what each draw says."""
    made = crossroads(STATES, ((0, 1), (2,)))
    view = traffic.view(traffic.start(made.layout, 0))
    heard = {"traffic": replace(view, seen_at_ms=np.full(2, NOW_MS))}
    state = signals.update(signals.start(made.layout, 0), made.batch(NOW_MS, stage=shown), heard, NOW_MS)
    state = msgspec.structs.replace(
        state,
        green_since_ms=np.array([NOW_MS - 20_000]),
        waits_since_ms=np.full_like(state.waits_since_ms, NOW_MS - 30_000),
    )
    n = len(draws)
    eta_s, wants = np.zeros((n, 2, MAX_QUEUE)), np.zeros((n, 2, MAX_QUEUE), np.int32)
    eta_s[:, 0, : len(_WAITING)] = _WAITING
    wants[:, 0, : len(_WAITING)] = draws
    wants[:, 1] = state.tables.class_begin[1]
    count = np.tile(np.array([len(_WAITING), across], np.int32), (n, 1))
    stands = np.zeros((n, 2, MAX_QUEUE), np.bool_)
    demand = Demand(
        eta_s[0], wants[0], count[0], np.ones(2), np.full(2, 2.0), stands[0], count[0].copy(),
        Redrawn(eta_s[1:], wants[1:], count[1:], stands[1:]),
    )  # fmt: skip
    (proposal,) = brain.propose(state, demand, (), NOW_MS)
    return proposal


def costs(proposal: Proposal) -> dict[int, float]:
    """Return what each stage was said to cost."""
    return {proposal.action.stage: proposal.cost, **{one.action: one.cost for one in proposal.alternatives}}


@settings(max_examples=60)
@given(draw=turns, shown=st.integers(0, 2))
def test_draws_that_are_alike_say_what_one_says(crossroads, draw, shown):
    """Where nothing is in doubt the decision and its costs are those of the one draw."""
    assert asked(crossroads, [draw, draw, draw], shown) == asked(crossroads, [draw], shown)


@settings(max_examples=60)
@given(draws=st.lists(turns, min_size=3, max_size=3), shown=st.integers(0, 2), order=st.permutations((1, 2)))
def test_the_order_of_further_draws_does_not_matter(crossroads, draws, shown, order):
    """The mean is the mean."""
    one = asked(crossroads, draws, shown)
    other = asked(crossroads, [draws[0], *(draws[k] for k in order)], shown)
    assert costs(other) == pytest.approx(costs(one))


@settings(max_examples=60)
@given(draws=st.lists(turns, min_size=3, max_size=3), shown=st.integers(0, 2))
def test_no_action_is_told_cheaper_than_foreknowledge_would_make_it(crossroads, draws, shown):
    """A change now costs the mean of what it costs in each draw; keeping no less, since one later stage is for all."""
    told = costs(asked(crossroads, draws, shown))
    single = [costs(asked(crossroads, [draw], shown)) for draw in draws]
    for stage, cost in told.items():
        if all(stage in one for one in single):
            mean = np.mean([one[stage] for one in single])
            assert cost >= mean - 1e-6 if stage == shown else cost == pytest.approx(mean)


def test_two_of_three_draws_outweigh_the_first(crossroads):
    """The first draw alone would give the head of the street stage 0; in most draws it wants stage 1."""
    first, others = [0, 0, 0, 0, 0], [1, 1, 1, 1, 1]
    assert asked(crossroads, [first], 2, across=0).action.stage == 0
    assert asked(crossroads, [first, others, others], 2, across=0).action.stage == 1
