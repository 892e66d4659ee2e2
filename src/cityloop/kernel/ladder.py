"""The ladder: shadow decides and does not act, advise waits for a person, live acts.

A gate stands behind a domain's guard. It lets an operator's own acts pass on every rung, for these went through the
guard already, and holds back what the policy proposed where the rung says so. What the guard had said is kept in the
rule.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from enum import IntEnum
from typing import Any, TypeVar

from cityloop.kernel.domain import Domain
from cityloop.kernel.messages import Allowed, Proposal, Refused, Trimmed, Verdict

__all__ = ["OPERATOR_REASONS", "GateRule", "Rung", "gate_rule_of", "gated"]

S = TypeVar("S")
F = TypeVar("F")

OPERATOR_REASONS = range(100, 110)
"""Reason codes of what a person asked for, in every domain."""


class Rung(IntEnum):
    """How far a domain is trusted at a target."""

    SHADOW = 0
    """Decides, and does not act."""
    ADVISE = 1
    """Acts when a person accepts."""
    LIVE = 2
    """Acts."""


class GateRule(IntEnum):
    """Why the gate held a proposal back; the guard's own rule is added (0 where the guard allowed it)."""

    SHADOW = 1000
    ADVISE = 2000
    RELEASED = 3000
    """An operator gave the target back to its own plan."""


def gated(domain: Domain[S, F], rungs: Mapping[int, Rung], released: Mapping[int, int]) -> Domain[S, F]:
    """Return the domain with a gate behind its guard.

    Parameters
    ----------
    domain
        Any domain.
    rungs
        By target; a target that is not named is in shadow.
    released
        By target, until when an operator gave it back to its own plan. [ms]
    """

    def check(proposal: Proposal, state: Any, now_ms: int) -> Verdict:
        verdict = domain.check(proposal, state, now_ms)
        by_hand = proposal.reason in OPERATOR_REASONS
        if released.get(proposal.target, 0) > now_ms and not by_hand:
            return _held_back(verdict, GateRule.RELEASED)
        rung = rungs.get(proposal.target, Rung.SHADOW)
        if rung is Rung.LIVE or by_hand:
            return verdict
        return _held_back(verdict, GateRule.SHADOW if rung is Rung.SHADOW else GateRule.ADVISE)

    return replace(domain, check=check)


def gate_rule_of(rule: int) -> tuple[GateRule | None, int]:
    """Take a rule apart: the gate's part, if any, and the guard's."""
    gate, guard = divmod(rule, 1000)
    return (GateRule(gate * 1000), guard) if gate in (1, 2, 3) else (None, rule)


def _held_back(verdict: Verdict, rule: GateRule) -> Verdict:
    match verdict:
        case Refused():
            return verdict
        case Trimmed(rule=guard):
            return Refused(int(rule) + guard)
        case Allowed():
            return Refused(int(rule))
