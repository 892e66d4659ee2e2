"""What corridors give way to: trams, full streets, and a change that could not be undone in time."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import msgspec
import numpy as np
import pytest

from cityloop.domains.signals.corridors import Claim, CorridorParams, Corridors, Way, full_lanes
from cityloop.domains.signals.decide.corridor import lead
from cityloop.domains.signals.domain import signals
from cityloop.domains.signals.forecast import MAX_QUEUE, Demand
from cityloop.domains.signals.schema import Reason, Rule, ShowStage
from cityloop.kernel.messages import PassJunction, Proposal

NOW_MS = 100_000


@pytest.fixture
def at_the_tram(crossroads: Callable[..., Any]) -> Any:
    """A tram line (stage 0) across a street (stage 1) on which a unit comes; the street's stage is shown."""
    layout = crossroads(("Gr", "rG"), ((0,), (1,)), foes=((0, 1),), rail=(0,)).layout
    claim = Claim(
        junction=0,
        sender="emergency",
        priority=300,
        action=PassJunction(0, 1, 1, 1, NOW_MS, NOW_MS),
        way=Way((1,), (1,), (1,), -1),
        upstream=frozenset({1}),
        expires_ms=NOW_MS + 2000,
        since_ms=NOW_MS,
        stage=1,
        arrives_ms=NOW_MS + 3000,
    )
    start = signals.start(layout, 0)
    return msgspec.structs.replace(
        start, stage=np.array([1], np.int32), last_stage=np.array([1], np.int32), corridors=Corridors((claim,))
    )


def demand(tram_s: float | None) -> Demand:
    """Return the demand with a tram so far away, or none."""
    eta_s = np.zeros((2, MAX_QUEUE))
    eta_s[0, 0] = tram_s or 0.0
    now = np.array([0 if tram_s is None else 1, 0], np.int32)
    wants = np.zeros((2, MAX_QUEUE), np.int32)
    wants[1] = 1
    return Demand(eta_s, wants, now, np.ones(2), np.full(2, 2.0), np.zeros((2, MAX_QUEUE), np.bool_), now)


def ordinary(stage: int, reason: Reason = Reason.CHANGE_LEAST_DELAY) -> list[Proposal]:
    """Return what the policy itself proposes."""
    return [Proposal(target=0, action=ShowStage(stage), reason=reason, cost=10.0, gain=0.0)]


@pytest.mark.parametrize(
    ("tram_s", "stage", "reason"), [(4.0, 0, Reason.CORRIDOR_RAIL), (20.0, 1, Reason.CORRIDOR_HOLD)]
)
def test_a_tram_that_is_near_goes_before_the_unit(at_the_tram: Any, tram_s: float, stage: int, reason: Reason) -> None:
    """Within 8 s it has its stage; one farther off waits like everybody."""
    asked = ordinary(1 - stage)
    (proposal,) = lead(at_the_tram, demand(tram_s), asked, NOW_MS)
    assert proposal.action == ShowStage(stage)
    assert proposal.reason == reason


def test_a_change_that_cannot_be_undone_in_time_is_not_begun(at_the_tram: Any) -> None:
    """With the unit 10 s away, five seconds of another stage and two changes would make it late."""
    (claim,) = at_the_tram.corridors.claims
    for seconds, kept in ((10, True), (40, False)):
        state = msgspec.structs.replace(
            at_the_tram, corridors=Corridors((replace(claim, arrives_ms=NOW_MS + 1000 * seconds),))
        )
        (proposal,) = lead(state, demand(None), ordinary(0), NOW_MS)
        assert (proposal.reason == Reason.CORRIDOR_KEEP) is kept


@pytest.mark.parametrize("changed", [{"yields": int(Rule.NETWORK_FULL)}, {"locked_ms": NOW_MS + 5000}])
def test_a_claim_that_yields_or_was_served_too_long_changes_nothing(at_the_tram: Any, changed: dict[str, int]) -> None:
    """The ordinary proposal stands, the very same."""
    (claim,) = at_the_tram.corridors.claims
    state = msgspec.structs.replace(at_the_tram, corridors=Corridors((replace(claim, **changed),)))
    asked = ordinary(0)
    assert lead(state, demand(None), asked, NOW_MS) == asked


@pytest.mark.parametrize("reason", [Reason.CHANGE_WAIT_BOUND, Reason.KEEP_MINIMUM_GREEN])
def test_what_protects_others_is_not_overruled(at_the_tram: Any, reason: Reason) -> None:
    """A wait at its bound and a minimum green stand before any unit."""
    asked = ordinary(0, reason)
    assert lead(at_the_tram, demand(None), asked, NOW_MS) == asked


def test_a_lane_is_full_when_standing_vehicles_fill_what_is_seen(crossroads: Callable[..., Any]) -> None:
    """Of 150 m, 80 % is full: 16 vehicles of 7.5 m; of a lane seen for 20 m nothing is known."""
    layout = crossroads(("Gr", "rG"), ((0,), (1,)), foes=((0, 1),)).layout
    reach_m = np.array([150.0, 20.0])
    assert full_lanes(np.array([16, 9], np.int32), layout, reach_m, CorridorParams()).tolist() == [True, False]
    assert full_lanes(np.array([15, 9], np.int32), layout, reach_m, CorridorParams()).tolist() == [False, False]
