"""The pure heart: ``tick(brain, state, readings, requests, now_ms) -> (state, decisions, commands)``.

The same inputs give the same outputs, always and anywhere. The loop around it (``engine``) journals the decisions, then
acts, then records receipts.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec

from cityloop.kernel.arbitration import due_requests, one_per_target
from cityloop.kernel.batch import Batch
from cityloop.kernel.clock import ms_from_s
from cityloop.kernel.domain import Domain
from cityloop.kernel.layout import Layout
from cityloop.kernel.messages import Allowed, Command, Decision, Proposal, Refused, Request, Trimmed, Verdict

__all__ = ["REQUESTS", "Brain", "BrainState", "Ticked", "act_at_once", "start", "tick"]

REQUESTS = "requests"
"""The policy named in a decision about somebody's request."""


@dataclass(frozen=True, slots=True)
class Brain:
    """Which domains run, in which order, and which policy each follows."""

    domains: tuple[Domain[Any, Any], ...]
    """In order of dependence: a domain sees the views of those before it."""

    arms: Mapping[str, str]
    """Policy by domain name; a domain without an entry acts on nothing."""

    epoch: int = 1
    """Greater after every restart."""


class BrainState(msgspec.Struct, frozen=True):
    """Everything the next tick needs."""

    domains: Mapping[str, Any]
    views: Mapping[str, Any]
    """What each domain published last: a domain sees this tick's view of those before it and the previous tick's of the
    rest."""
    sequence: int
    mail: tuple[Request, ...] = ()
    """Requests sent in the last tick to domains that come before their sender."""


class Ticked(msgspec.Struct, frozen=True):
    """What one tick gives."""

    state: BrainState
    decisions: tuple[Decision, ...]
    commands: tuple[Command, ...]


def start(brain: Brain, layout: Layout, now_ms: int) -> BrainState:
    """Return the state before the first reading."""
    states = {domain.name: domain.start(layout, now_ms) for domain in brain.domains}
    return BrainState(states, {d.name: d.view(states[d.name]) for d in brain.domains}, 0)


def tick(brain: Brain, state: BrainState, readings: Batch, requests: Sequence[Request], now_ms: int) -> Ticked:
    """Observe, forecast, decide, arbitrate and guard, for every domain in order."""
    states = dict(state.domains)
    views = dict(state.views)
    decisions: list[Decision] = []
    commands: list[Command] = []
    sequence = state.sequence
    heard = (*_from_outside(brain, requests), *state.mail) if requests or state.mail else ()
    later: list[Request] = []
    for at, domain in enumerate(brain.domains):
        current = domain.update(states[domain.name], readings, views, now_ms)
        arm = brain.arms.get(domain.name)
        due = due_requests(heard, domain.name, now_ms) if heard else ()
        if domain.hear is not None and arm is not None:
            current, told = domain.hear(current, due, views, now_ms)
            decisions += [_told(domain.name, proposal, verdict, now_ms) for proposal, verdict in told]
        if arm is not None:
            forecast = domain.predict(current, views, now_ms)
            proposals = one_per_target(domain.policies[arm](current, forecast, due, now_ms))
            verdicts = [(proposal, domain.check(proposal, current, now_ms)) for proposal in proposals]
            current = domain.accept(current, verdicts, now_ms)
            not_after_ms = now_ms + ms_from_s(domain.lease_s)
            for proposal, verdict in verdicts:
                decision, command = _conclude(
                    brain.epoch, domain.name, arm, proposal, verdict, sequence, now_ms, not_after_ms
                )
                decisions.append(decision)
                if command is not None:
                    commands.append(command)
                    sequence += 1
        states[domain.name] = current
        views[domain.name] = domain.view(current)
        if domain.requests is not None:
            sent = [_signed(request, domain.name) for request in domain.requests(current, now_ms)]
            after = {one.name for one in brain.domains[at + 1 :]}
            heard = (*heard, *(request for request in sent if request.domain in after))
            later += [request for request in sent if request.domain not in after]
    return Ticked(BrainState(states, views, sequence, tuple(later)), tuple(decisions), tuple(commands))


def _signed(request: Request, sender: str) -> Request:
    """Return a domain's request under its own name: within the tick nobody can speak for another."""
    if request.sender == sender or request.sender.startswith(sender + ":"):
        return request
    return msgspec.structs.replace(request, sender=sender)


def _from_outside(brain: Brain, requests: Sequence[Request]) -> Iterator[Request]:
    """Yield what was asked from outside the tick; who gives a domain's name there is marked for what it is."""
    names = {domain.name for domain in brain.domains}
    for request in requests:
        forged = request.sender.partition(":")[0] in names
        yield msgspec.structs.replace(request, sender=f"outside:{request.sender}") if forged else request


def _told(domain: str, proposal: Proposal, verdict: Verdict, now_ms: int) -> Decision:
    """Return the record of what was told of a request; it commands nothing."""
    return Decision(
        decided_at_ms=now_ms,
        domain=domain,
        policy=REQUESTS,
        proposal=proposal,
        verdict=verdict,
        sequence=-1,
        not_after_ms=now_ms,
    )


def act_at_once(
    brain: Brain, state: BrainState, domain_name: str, proposals: Sequence[Proposal], now_ms: int
) -> Ticked:
    """Guard and conclude proposals between two ticks, on the state as it is: what a person asked need not wait."""
    domain = next(one for one in brain.domains if one.name == domain_name)
    current = state.domains[domain.name]
    verdicts = [(proposal, domain.check(proposal, current, now_ms)) for proposal in one_per_target(proposals)]
    not_after_ms = now_ms + ms_from_s(domain.lease_s)
    decisions: list[Decision] = []
    commands: list[Command] = []
    sequence = state.sequence
    for proposal, verdict in verdicts:
        decision, command = _conclude(
            brain.epoch, domain.name, "operator", proposal, verdict, sequence, now_ms, not_after_ms
        )
        decisions.append(decision)
        if command is not None:
            commands.append(command)
            sequence += 1
    states = {**state.domains, domain.name: domain.accept(current, verdicts, now_ms)}
    return Ticked(BrainState(states, state.views, sequence, state.mail), tuple(decisions), tuple(commands))


def _conclude(
    epoch: int,
    domain: str,
    arm: str,
    proposal: Proposal,
    verdict: Verdict,
    sequence: int,
    now_ms: int,
    not_after_ms: int,
) -> tuple[Decision, Command | None]:
    """Tie a proposal and its verdict into a decision, and into a command unless it was refused."""
    command: Command | None = None
    match verdict:
        case Allowed(action=action) | Trimmed(action=action):
            command = Command(
                domain=domain,
                target=proposal.target,
                action=action,
                epoch=epoch,
                sequence=sequence,
                issued_at_ms=now_ms,
                not_after_ms=not_after_ms,
            )
        case Refused():
            pass
    decision = Decision(
        decided_at_ms=now_ms,
        domain=domain,
        policy=arm,
        proposal=proposal,
        verdict=verdict,
        sequence=-1 if command is None else sequence,
        not_after_ms=not_after_ms,
    )
    return decision, command
