"""Requests within the tick: signed by it, heard in order of the domains, forgeries marked."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from cityloop.kernel.batch import empty_batch
from cityloop.kernel.domain import Domain
from cityloop.kernel.layout import Approaches, Edges, Junctions, Lanes, Layout, Movements, Streams
from cityloop.kernel.messages import PassJunction, Refused, Request
from cityloop.kernel.tick import Brain, Ticked, start, tick


def _request(domain: str, sender: str, *, expires_at_ms: int = 10_000) -> Request:
    return Request(
        domain=domain,
        sender=sender,
        target=0,
        action=PassJunction(0, 1, 0, 1, 0, 0),
        priority=1,
        not_before_ms=0,
        expires_at_ms=expires_at_ms,
    )


def _domain(name: str, heard: list[str], sends: Sequence[Request] = ()) -> Domain[Any, Any]:
    def hear(state: Any, requests: Sequence[Request], views: Any, now_ms: int) -> tuple[Any, list[Any]]:
        heard.extend(request.sender for request in requests)
        return state, []

    return Domain(
        name=name,
        start=lambda layout, now_ms: None,
        update=lambda state, batch, views, now_ms: None,
        predict=lambda state, views, now_ms: None,
        policies={"idle": lambda state, forecast, requests, now_ms: []},
        check=lambda proposal, state, now_ms: Refused(0),
        accept=lambda state, verdicts, now_ms: None,
        view=lambda state: None,
        requests=lambda state, now_ms: sends,
        hear=hear,
    )


def _ticks(brain: Brain, outside: Sequence[Request] = (), times: int = 1) -> Ticked:
    rows, numbers = np.zeros(0, np.int32), np.zeros(0)
    layout = Layout(
        version="empty",
        junctions=Junctions(numbers, numbers),
        edges=Edges(numbers, numbers, numbers, numbers, numbers, numbers),
        lanes=Lanes(rows, numbers, numbers),
        approaches=Approaches(rows, rows, rows, numbers, numbers, numbers, numbers, rows, rows, rows, rows),
        movements=Movements(rows, rows, rows, rows, numbers, numbers),
        streams=Streams(rows, rows),
    )
    state = start(brain, layout, 0)
    for now_ms in range(1000, 1000 * times + 1, 1000):
        done = tick(brain, state, empty_batch(), outside, now_ms)
        state = done.state
    return done


def _brain(*domains: Domain[Any, Any]) -> Brain:
    return Brain(domains=domains, arms={domain.name: "idle" for domain in domains})


def test_a_later_domain_hears_a_request_in_the_same_tick() -> None:
    """Who comes after its sender need not wait a second."""
    heard: list[str] = []
    _ticks(_brain(_domain("first", []), _domain("second", heard)))
    assert heard == []
    _ticks(_brain(_domain("first", [], [_request("second", "first")]), _domain("second", heard)))
    assert heard == ["first"]


def test_an_earlier_domain_hears_it_in_the_next() -> None:
    """Nothing is lost that was sent against the order."""
    heard: list[str] = []
    brain = _brain(_domain("first", heard), _domain("second", [], [_request("first", "second")]))
    _ticks(brain)
    assert heard == []
    _ticks(brain, times=2)
    assert heard == ["second"]


def test_the_tick_signs_what_a_domain_sends() -> None:
    """Nobody inside can speak for another; a domain may name a part of itself."""
    heard: list[str] = []
    sends = [_request("last", "somebody-else"), _request("last", "first:desk")]
    _ticks(_brain(_domain("first", [], sends), _domain("last", heard)))
    assert sorted(heard) == ["first", "first:desk"]


def test_a_domains_name_given_from_outside_is_marked() -> None:
    """An outsider who signs as a domain is heard as what it is."""
    heard: list[str] = []
    outside = [_request("last", "first"), _request("last", "operator:ann")]
    _ticks(_brain(_domain("first", []), _domain("last", heard)), outside)
    assert sorted(heard) == ["operator:ann", "outside:first"]


def test_an_expired_request_is_not_heard() -> None:
    """What is not sent again is over."""
    heard: list[str] = []
    _ticks(_brain(_domain("first", [], [_request("last", "first", expires_at_ms=500)]), _domain("last", heard)))
    assert heard == []
