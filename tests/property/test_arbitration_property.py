"""Arbitration, for all requests and proposals."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from cityloop.domains.signals.schema import ShowStage
from cityloop.kernel.arbitration import due_requests, one_per_target
from cityloop.kernel.messages import Proposal, Request

requests = st.builds(
    Request,
    domain=st.sampled_from(["signals", "refuse"]),
    sender=st.sampled_from(["a", "b"]),
    target=st.integers(0, 3),
    action=st.just(ShowStage(0)),
    priority=st.integers(0, 3),
    not_before_ms=st.integers(0, 10),
    expires_at_ms=st.integers(0, 10),
)
proposals = st.builds(
    Proposal,
    target=st.integers(0, 4),
    action=st.integers(0, 4).map(ShowStage),
    reason=st.just(1),
    cost=st.just(0.0),
    gain=st.just(0.0),
)


@given(st.lists(requests, max_size=8), st.integers(0, 10))
def test_only_live_requests_of_the_domain_are_due(asked, now_ms):
    """Nothing early, nothing expired, nothing for another domain, and nothing that is due is lost."""
    due = due_requests(asked, "signals", now_ms)
    live = [r for r in asked if r.domain == "signals" and r.not_before_ms <= now_ms < r.expires_at_ms]
    assert sorted(map(repr, due)) == sorted(map(repr, live))


@given(st.lists(requests, max_size=8), st.integers(0, 10))
def test_greater_priority_goes_first(asked, now_ms):
    """Priorities fall, and within one priority the sooner to expire goes first."""
    due = due_requests(asked, "signals", now_ms)
    ranks = [(-r.priority, r.expires_at_ms) for r in due]
    assert ranks == sorted(ranks)


def rank(request):
    """What the order of requests goes by."""
    return request.priority, request.expires_at_ms, request.target, request.sender


@given(st.lists(requests, max_size=6, unique_by=rank), st.data())
def test_the_order_of_asking_does_not_matter(asked, data):
    """Requests that differ in rank, target or sender come out in one order, however they came in."""
    shuffled = data.draw(st.permutations(asked))
    assert due_requests(asked, "signals", 5) == due_requests(shuffled, "signals", 5)


@given(st.lists(proposals, max_size=10))
def test_one_proposal_a_target_survives(made):
    """Every target that was proposed for keeps its first proposal, and that one only."""
    kept = one_per_target(made)
    assert [p.target for p in kept] == list(dict.fromkeys(p.target for p in made))
    assert all(p is next(q for q in made if q.target == p.target) for p in kept)
