"""Operators' requests laid over a policy, on the toy junction."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest

from cityloop.cities.toy.assets import ToyParams
from cityloop.cities.toy.city import ToyCity
from cityloop.domains.signals import state as signal_state
from cityloop.domains.signals.decide.operator import operator_proposals, with_operators
from cityloop.domains.signals.schema import FollowPlan, Reason, ShowStage
from cityloop.domains.signals.state import SignalState
from cityloop.kernel.messages import Action, Proposal, Request

NOW_MS = 100_000


@pytest.fixture
def state() -> SignalState:
    return signal_state.start(ToyCity(ToyParams()).layout(), NOW_MS)


def request(
    action: Action, *, sender: str = "operator:1", begin_ms: int = NOW_MS, end_ms: int = NOW_MS + 60_000
) -> Request:
    return Request(
        domain="signals",
        sender=sender,
        target=0,
        action=action,
        priority=9,
        not_before_ms=begin_ms,
        expires_at_ms=end_ms,
    )


def brain(state: SignalState, forecast: Any, requests: Sequence[Request], now_ms: int) -> list[Proposal]:
    """Stand for a policy that wants stage 0 and says which requests it was handed."""
    return [Proposal(target=0, action=ShowStage(0), reason=1, cost=float(len(requests)), gain=0.0)]


def test_a_hold_takes_the_policys_place(state: SignalState) -> None:
    """One proposal a junction: the operator's."""
    (proposal,) = with_operators(brain)(state, None, [request(ShowStage(1))], NOW_MS)
    assert (proposal.action, proposal.reason) == (ShowStage(1), Reason.OPERATOR_HOLD)


def test_without_a_hold_the_policy_goes_on_and_sees_others_requests(state: SignalState) -> None:
    """Requests of other domains reach the policy; operators' do not."""
    asked = [request(ShowStage(1), end_ms=NOW_MS), request(ShowStage(1), sender="emergency")]
    (proposal,) = with_operators(brain)(state, None, asked, NOW_MS)
    assert (proposal.action, proposal.cost) == (ShowStage(0), 1.0)


def test_a_hold_ends_with_its_expiry(state: SignalState) -> None:
    """In force to the last millisecond before the end, and not at it."""
    held = [request(ShowStage(1))]
    assert operator_proposals(state, held, NOW_MS + 59_999)
    assert not operator_proposals(state, held, NOW_MS + 60_000)


def test_of_two_holds_the_later_counts(state: SignalState) -> None:
    """Whoever placed an act last is followed."""
    asked = [request(ShowStage(0)), request(ShowStage(1), sender="operator:2", begin_ms=NOW_MS + 1000)]
    (proposal,) = operator_proposals(state, asked, NOW_MS + 2000)
    assert proposal.action == ShowStage(1)


def test_a_manual_plan_goes_round(state: SignalState) -> None:
    """Each stage is asked for its green and the change before it, then the first again."""
    plan = FollowPlan(((0, 20.0), (1, 10.0)))
    change_s = float(state.tables.intergreen_s[0, 0, 1])
    back_s = float(state.tables.intergreen_s[0, 1, 0])
    cycle_ms = round((30.0 + change_s + back_s) * 1000)

    def asked(since_ms: int) -> int:
        (proposal,) = operator_proposals(state, [request(plan, end_ms=NOW_MS + 900_000)], NOW_MS + since_ms)
        assert proposal.reason == Reason.OPERATOR_PLAN
        assert isinstance(proposal.action, ShowStage)
        return proposal.action.stage

    first_ms = round((20.0 + back_s) * 1000)
    assert [asked(0), asked(first_ms - 1), asked(first_ms), asked(cycle_ms - 1), asked(cycle_ms)] == [0, 0, 1, 1, 0]
