"""The ladder: who is held back, and what is remembered of the guard."""

from __future__ import annotations

import dataclasses

from cityloop.domains.signals.domain import signals
from cityloop.domains.signals.schema import Reason, Rule, ShowStage
from cityloop.kernel.ladder import GateRule, Rung, gate_rule_of, gated
from cityloop.kernel.messages import Allowed, Proposal, Refused, Trimmed, Verdict


def proposal(target: int = 0, reason: int = Reason.KEEP_LEAST_DELAY) -> Proposal:
    return Proposal(target=target, action=ShowStage(1), reason=reason, cost=0.0, gain=0.0)


def verdict(said: Verdict, rung: Rung | None, reason: int = Reason.KEEP_LEAST_DELAY, until_ms: int = 0) -> Verdict:
    """Return what a gate on a rung makes of what the guard said."""
    domain = dataclasses.replace(signals, check=lambda proposal, state, now_ms: said)
    rungs = {} if rung is None else {0: rung}
    return gated(domain, rungs, {0: until_ms}).check(proposal(reason=reason), None, 1000)  # type: ignore[arg-type]


def test_live_passes_what_the_guard_allowed() -> None:
    """On the top rung the gate changes nothing."""
    assert verdict(Allowed(ShowStage(1)), Rung.LIVE) == Allowed(ShowStage(1))


def test_shadow_and_advice_hold_back() -> None:
    """Below the top rung nothing of the policy's acts."""
    assert verdict(Allowed(ShowStage(1)), Rung.SHADOW) == Refused(GateRule.SHADOW)
    assert verdict(Allowed(ShowStage(1)), Rung.ADVISE) == Refused(GateRule.ADVISE)


def test_a_target_that_nobody_set_is_in_shadow() -> None:
    """Nothing acts by being forgotten."""
    assert verdict(Allowed(ShowStage(1)), None) == Refused(GateRule.SHADOW)


def test_the_guards_own_rule_is_kept() -> None:
    """What the guard would have trimmed can be read from the gate's rule."""
    held = verdict(Trimmed(ShowStage(0), Rule.MINIMUM_GREEN), Rung.SHADOW)
    assert held == Refused(1004)
    assert gate_rule_of(1004) == (GateRule.SHADOW, Rule.MINIMUM_GREEN)
    assert gate_rule_of(Rule.CONFLICT) == (None, Rule.CONFLICT)


def test_the_guard_comes_first_for_people_too() -> None:
    """What the guard refuses stays refused, whoever asks and on every rung."""
    for rung in Rung:
        said = Refused(Rule.CONFLICT)
        assert verdict(said, rung, Reason.OPERATOR_HOLD) == said
        assert verdict(said, rung) == said


def test_a_persons_act_passes_on_every_rung() -> None:
    """An operator's hold acts in shadow as well: it went through the guard."""
    for rung in Rung:
        assert verdict(Allowed(ShowStage(1)), rung, Reason.OPERATOR_HOLD) == Allowed(ShowStage(1))


def test_a_released_target_is_left_to_its_plan_until_then() -> None:
    """Released, the policy is held back on the top rung too; afterwards it acts again."""
    assert verdict(Allowed(ShowStage(1)), Rung.LIVE, until_ms=1001) == Refused(GateRule.RELEASED)
    assert verdict(Allowed(ShowStage(1)), Rung.LIVE, until_ms=1000) == Allowed(ShowStage(1))
