"""The tick: pure, numbered, journal and commands in step."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from cityloop.cities.toy.assets import ToyParams, toy_layout
from cityloop.domains.signals.schema import ShowStage
from cityloop.kernel.batch import Batch, empty_batch
from cityloop.kernel.journal import decision_bytes
from cityloop.kernel.messages import Allowed, Proposal, Refused, Request, Trimmed
from cityloop.kernel.tick import start, tick

LAYOUT = toy_layout(ToyParams())


def heard(*values):
    n = len(values)
    at_ms = np.full(n, 1_000, np.int64)
    return Batch(np.zeros(n, np.int32), at_ms, at_ms, np.array(values, np.float64), np.zeros(n, np.uint8))


def test_the_same_inputs_give_the_same_outputs(clockwork):
    """Called twice on one state, the tick answers alike, and the state it was given is as before."""
    state = start(clockwork, LAYOUT, 0)
    one, other = (tick(clockwork, state, heard(1.0, 2.0), (), 1_000) for _ in range(2))
    assert one == other
    assert state == start(clockwork, LAYOUT, 0)
    assert list(map(decision_bytes, one.decisions)) == list(map(decision_bytes, other.decisions))


def test_state_carries_what_was_heard(clockwork):
    """Readings of one tick are known to the next."""
    ticked = tick(clockwork, start(clockwork, LAYOUT, 0), heard(1.0, 2.0), (), 1_000)
    again = tick(clockwork, ticked.state, heard(4.0), (), 2_000)
    assert again.decisions[0].proposal.cost == 7.0


def test_commands_are_numbered_and_expire(clockwork):
    """Each command has the next number, the brain's epoch and four seconds to live."""
    state, sent = start(clockwork, LAYOUT, 0), []
    for second in range(1, 4):
        ticked = tick(clockwork, state, empty_batch(), (), second * 1_000)
        state = ticked.state
        sent += ticked.commands
    assert [(c.sequence, c.epoch, c.not_after_ms - c.issued_at_ms) for c in sent] == [
        (0, 1, 4_000),
        (1, 1, 4_000),
        (2, 1, 4_000),
    ]


def test_refusals_take_no_number(clockwork):
    """A refused proposal is journalled with sequence -1, and the next command follows the one before."""
    state, decisions = start(clockwork, LAYOUT, 0), []
    for second in range(1, 9):
        ticked = tick(clockwork, state, empty_batch(), (), second * 1_000)
        state = ticked.state
        decisions += ticked.decisions
    assert [d.sequence for d in decisions] == [0, 1, 2, 3, 4, 5, -1, 6]


def test_a_domain_without_an_arm_observes(clockwork):
    """No arm: readings are taken in and nothing is decided."""
    silent = dataclasses.replace(clockwork, arms={})
    ticked = tick(silent, start(silent, LAYOUT, 0), heard(5.0), (), 1_000)
    assert (ticked.decisions, ticked.commands) == ((), ())
    assert ticked.state.domains["signals"].heard == 5.0


def with_policy(clockwork, **changes):
    """The clockwork with parts of its domain replaced."""
    (domain,) = clockwork.domains
    return dataclasses.replace(clockwork, domains=(dataclasses.replace(domain, **changes),))


def asking(*stages):
    """A policy that asks for these stages of junction 0, strongest first."""
    proposals = tuple(Proposal(target=0, action=ShowStage(s), reason=1, cost=0.0, gain=0.0) for s in stages)
    return {"clockwork": lambda state, forecast, requests, now_ms: proposals}


def test_a_trimmed_action_is_what_is_sent(clockwork):
    """The field hears the guard's lesser action, and the journal holds both."""
    brain = with_policy(
        clockwork,
        policies=asking(1),
        check=lambda proposal, state, now_ms: Trimmed(ShowStage(0), 4),
    )
    ticked = tick(brain, start(brain, LAYOUT, 0), empty_batch(), (), 1_000)
    assert ticked.commands[0].action == ShowStage(0)
    assert ticked.decisions[0].proposal.action == ShowStage(1)


def test_one_proposal_a_target_is_judged(clockwork):
    """A second proposal for a junction is not heard."""
    brain = with_policy(clockwork, policies=asking(1, 0))
    ticked = tick(brain, start(brain, LAYOUT, 0), empty_batch(), (), 1_000)
    assert [c.action for c in ticked.commands] == [ShowStage(1)]


def test_verdicts_reach_the_state(clockwork):
    """What was allowed or refused is known to the domain before the next tick."""
    seen = []
    brain = with_policy(
        clockwork,
        policies=asking(1),
        accept=lambda state, verdicts, now_ms: (seen.extend(verdicts), state)[1],
    )
    tick(brain, start(brain, LAYOUT, 0), empty_batch(), (), 1_000)
    assert [verdict for _, verdict in seen] == [Allowed(ShowStage(1))]


def test_a_domain_sees_those_before_it(clockwork):
    """A later domain sees this tick's view of an earlier one, the earlier the later's of the tick before."""
    (domain,) = clockwork.domains
    seen: dict[str, list[float]] = {"first": [], "second": []}

    def watching(name, other):
        def update(state, batch, views, now_ms):
            seen[name].append(views[other].heard)
            return domain.update(state, batch, views, now_ms)

        return dataclasses.replace(domain, name=name, update=update)

    brain = dataclasses.replace(clockwork, domains=(watching("first", "second"), watching("second", "first")), arms={})
    state = start(brain, LAYOUT, 0)
    for second in (1, 2):
        state = tick(brain, state, heard(1.0), (), second * 1_000).state
    assert seen == {"first": [0.0, 1.0], "second": [1.0, 2.0]}


@pytest.mark.parametrize(("at_ms", "heard_requests"), [(999, 0), (1_000, 1), (4_999, 1), (5_000, 0)])
def test_requests_are_heard_while_they_last(clockwork, at_ms, heard_requests):
    """A request reaches the policy from its begin until before its expiry."""
    counted = []

    def policy(state, forecast, requests, now_ms):
        counted.append(len(requests))
        return ()

    brain = with_policy(clockwork, policies={"clockwork": policy})
    request = Request(
        domain="signals",
        sender="emergency",
        target=0,
        action=ShowStage(1),
        priority=1,
        not_before_ms=1_000,
        expires_at_ms=5_000,
    )
    tick(brain, start(brain, LAYOUT, 0), empty_batch(), (request,), at_ms)
    assert counted == [heard_requests]


def test_refused_is_never_sent(clockwork):
    """A guard that refuses everything leaves a silent brain with a full journal."""
    brain = with_policy(clockwork, check=lambda proposal, state, now_ms: Refused(7))
    ticked = tick(brain, start(brain, LAYOUT, 0), empty_batch(), (), 1_000)
    assert ticked.commands == ()
    assert ticked.decisions[0].verdict == Refused(7)
