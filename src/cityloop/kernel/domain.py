"""The one shape of a domain: functions gathered into a value.

A domain turns readings into a state, looks ahead, proposes, guards and measures. The tick calls these in this order and
knows nothing else of it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from cityloop.kernel.batch import Batch
from cityloop.kernel.layout import Layout
from cityloop.kernel.messages import Proposal, Request, Verdict

__all__ = ["Domain", "Policy", "Views"]

S = TypeVar("S")
F = TypeVar("F")

Views = Mapping[str, Any]
"""Published views by domain name: of this tick for the domains before, of the previous tick for the rest."""

Policy = Callable[[S, F, Sequence[Request], int], Sequence[Proposal]]
"""``propose(state, forecast, requests, now_ms)``: one file of ``decide/`` each."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Domain(Generic[S, F]):
    """One domain, as the tick sees it."""

    name: str

    start: Callable[[Layout, int], S]
    """``start(layout, now_ms)``: the state before any reading."""

    update: Callable[[S, Batch, Views, int], S]
    """``update(state, batch, views, now_ms)``: the state after the readings. Never changes the state it is given."""

    predict: Callable[[S, Views, int], F]
    """``predict(state, views, now_ms)``: what the policies may look ahead with."""

    policies: Mapping[str, Policy[S, F]]
    """By arm name. Empty for a domain that acts on nothing."""

    check: Callable[[Proposal, S, int], Verdict]
    """``check(proposal, state, now_ms)``: the guard."""

    accept: Callable[[S, Sequence[tuple[Proposal, Verdict]], int], S]
    """The state after the guard's verdicts of this tick: what was commanded is known to the next."""

    view: Callable[[S], Any]
    """What the domain publishes."""

    requests: Callable[[S, int], Sequence[Request]] | None = None
    """``requests(state, now_ms)``: what this domain asks of others now. Sent anew in every tick for as long as it is
    wanted; heard in the same tick by domains that come later, in the next by those before."""

    hear: Callable[[S, Sequence[Request], Views, int], tuple[S, Sequence[tuple[Proposal, Verdict]]]] | None = None
    """``hear(state, requests, views, now_ms)``: the state that knows who asks for what, and what is told of requests
    that were admitted, refused or ended; journalled, without a command."""

    lease_s: float = 4.0
    """How long a command holds without renewal. [s]"""
