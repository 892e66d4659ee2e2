"""Canonical bytes and their digest."""

from __future__ import annotations

import hashlib

from cityloop.domains.signals.schema import ShowStage
from cityloop.kernel.journal import DecisionDigest, decision_bytes
from cityloop.kernel.messages import Allowed, Decision, Proposal


def decision(cost=1.0):
    action = ShowStage(1)
    return Decision(
        decided_at_ms=1_000,
        domain="signals",
        policy="brain",
        proposal=Proposal(target=0, action=action, reason=1, cost=cost, gain=0.0),
        verdict=Allowed(action),
        sequence=0,
        not_after_ms=5_000,
    )


def test_equal_decisions_have_equal_bytes():
    """The bytes depend on the decision alone."""
    assert decision_bytes(decision()) == decision_bytes(decision())
    assert decision_bytes(decision()) != decision_bytes(decision(2.0))


def test_digest_is_sha256_of_the_bytes_in_order():
    """Anybody can compute the digest again with a stock SHA-256."""
    records = [decision_bytes(decision(cost)) for cost in (1.0, 2.0, 3.0)]
    digest = DecisionDigest()
    digest.add(records[:1])
    digest.add_joined(b"".join(records[1:]), 2)
    assert digest.hexdigest() == hashlib.sha256(b"".join(records)).hexdigest()
    assert digest.count == 3


def test_a_run_without_decisions_has_the_empty_digest():
    """No decisions: SHA-256 of nothing."""
    assert DecisionDigest().hexdigest() == hashlib.sha256().hexdigest()


def test_records_that_wait_to_be_hashed_are_part_of_the_digest():
    """Read after any record, the digest is that of all records so far, and goes on from there."""
    digest, whole = DecisionDigest(), b""
    for cost in range(300):
        record = decision_bytes(decision(float(cost)))
        digest.add([record])
        whole += record
        if cost % 50 == 0:
            assert digest.hexdigest() == hashlib.sha256(whole).hexdigest()
    assert len(whole) > 2 * (1 << 14)
    assert (digest.hexdigest(), digest.count) == (hashlib.sha256(whole).hexdigest(), 300)
