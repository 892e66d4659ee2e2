"""Turns through oncoming traffic: what must be given way to, when a gap comes, and how a stuck unit is freed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import msgspec
import numpy as np
import pytest

from cityloop.domains.signals.corridor_progress import come_forward, exit_stage, freed, stage_waits_s, without_a_gap
from cityloop.domains.signals.corridors import DEFAULT, Before, Claim, Corridors, Way, serving_stage
from cityloop.domains.signals.decide.corridor import lead
from cityloop.domains.signals.domain import signals
from cityloop.domains.signals.forecast import MAX_QUEUE, Demand
from cityloop.domains.signals.giving_way import FAR_S, opposed_s, release_stage, rivals_of
from cityloop.domains.signals.guard import check
from cityloop.domains.signals.schema import Reason, Rule, ShowStage
from cityloop.domains.signals.unit_places import UnitPlaces
from cityloop.domains.traffic.domain import traffic
from cityloop.kernel.messages import Allowed, PassJunction, Proposal, Refused

NOW_MS = 100_000
LEFT, ONCOMING, CROSS = range(3)
BOTH, ACROSS, ALONE = range(3)
"""Stages: the turn with the oncoming stream, the cross street, the turn by itself under the same lamp."""


FOES, YIELDS = ((LEFT, ONCOMING), (LEFT, CROSS), (ONCOMING, CROSS)), ((LEFT, ONCOMING),)


@pytest.fixture
def corner(crossroads: Callable[..., Any]) -> Any:
    """A left turn that gives way to an oncoming stream in stage 0 and to nobody in stage 2; a cross street, stage 1."""
    return _seen(crossroads(("gGr", "rrG", "grr"), ((LEFT,), (ONCOMING,), (CROSS,)), foes=FOES, yields=YIELDS).layout)


@pytest.fixture
def plain(crossroads: Callable[..., Any]) -> Any:
    """The same without a stage in which the turn is alone."""
    return _seen(crossroads(("gGr", "rrG"), ((LEFT,), (ONCOMING,), (CROSS,)), foes=FOES, yields=YIELDS).layout)


def _seen(layout: Any) -> Any:
    places = UnitPlaces(np.array([LEFT], np.int32), np.array([480.0]), np.array([NOW_MS], np.int64), frozenset(), 0)
    return msgspec.structs.replace(
        signals.start(layout, 0),
        stage=np.zeros(1, np.int32),
        last_stage=np.zeros(1, np.int32),
        green_since_ms=np.array([NOW_MS - 20_000], np.int64),
        units=places,
        dead=np.zeros(1, np.bool_),
        waits_since_ms=np.full(3, NOW_MS - 25_000, np.int64),
        oldest_wait_ms=np.full(1, NOW_MS - 25_000, np.int64),
    )


@pytest.fixture
def street(corner: Any) -> Any:
    """What the traffic domain publishes of a corner at which nobody is."""
    return traffic.view(traffic.start(corner.layout, 0))


def claim(**changed: Any) -> Claim:
    """Return the claim of a unit that turns left, 20 m from the line."""
    made = Claim(
        junction=0,
        sender="emergency",
        priority=300,
        action=PassJunction(0, 1, LEFT, CROSS, NOW_MS, NOW_MS),
        way=Way((LEFT,), (LEFT,), (LEFT,), -1),
        upstream=frozenset({LEFT}),
        expires_ms=NOW_MS + 2000,
        since_ms=0,
        stage=BOTH,
        arrives_ms=NOW_MS,
        served_ms=NOW_MS - 20_000,
        best_m=478.0,
        best_ms=NOW_MS - 15_000,
    )
    return replace(made, **changed)


def standing(street: Any, lane: int, places_m: list[float], flow_vps: float = 0.0) -> Any:
    """Return the view with vehicles standing on a lane."""
    distance_m, speed_mps = street.distance_m.copy(), street.speed_mps.copy()
    distance_m[lane, : len(places_m)], speed_mps[lane, : len(places_m)] = places_m, 0.0
    count, flow = street.count_veh.copy(), street.flow_vps.copy()
    count[lane], flow[lane] = len(places_m), flow_vps
    headway = np.full_like(street.headway_s, 2.0)
    share = np.ones_like(street.share)
    return replace(
        street, distance_m=distance_m, speed_mps=speed_mps, count_veh=count, flow_vps=flow, headway_s=headway,
        share=share,
    )  # fmt: skip


def test_a_turn_gives_way_only_where_the_other_stream_is_green(corner: Any) -> None:
    """The same lamp is a green to give way under in one stage and as good as protected in another."""
    assert rivals_of(corner.tables, 0, (LEFT,), BOTH) == (ONCOMING,)
    assert rivals_of(corner.tables, 0, (LEFT,), ALONE) == ()
    assert rivals_of(corner.tables, 0, (ONCOMING,), BOTH) == ()


def test_the_stage_without_oncoming_traffic_serves_the_turn_best(corner: Any) -> None:
    """Of two stages with the same lamp for it the unit gets the one in which it need not wait."""
    assert serving_stage(corner.tables, Way((LEFT,), (LEFT,), (LEFT,), -1), 0, BOTH) == ALONE


def test_a_standing_stream_is_waited_for_until_its_last_vehicle_has_gone(corner: Any, street: Any) -> None:
    """Five vehicles at 2 s each after a start loss of 2 s: the fifth passes after 10 s, and nobody follows."""
    assert opposed_s(corner.tables, (ONCOMING,), street, 0) == 0.0
    queue = standing(street, ONCOMING, [5.0, 13.0, 21.0, 29.0, 37.0])
    assert opposed_s(corner.tables, (ONCOMING,), queue, 0) == pytest.approx(10.0)


def test_a_dense_stream_leaves_no_gap(corner: Any, street: Any) -> None:
    """At 1,440 veh/h a gap takes about five minutes with four turners before; at 180 veh/h some seconds."""
    dense, thin = (standing(street, ONCOMING, [], flow) for flow in (0.4, 0.05))
    assert opposed_s(corner.tables, (ONCOMING,), dense, 0) == pytest.approx((np.exp(1.8) - 2.8) / 0.4)
    assert opposed_s(corner.tables, (ONCOMING,), thin, 0) < 1.0
    assert opposed_s(corner.tables, (ONCOMING,), standing(street, ONCOMING, [], 2.0), 4) == FAR_S


def test_no_green_is_held_from_afar_where_no_gap_is_to_be_had(corner: Any) -> None:
    """Far from the line the ordinary control goes on; near it the unit is led a few seconds at a time."""
    far = msgspec.structs.replace(corner, units=replace(corner.units, edge_m=np.array([300.0])))
    assert without_a_gap(far, claim(opposed_s=100.0), DEFAULT)
    assert not without_a_gap(corner, claim(opposed_s=100.0), DEFAULT)
    assert not without_a_gap(far, claim(opposed_s=10.0), DEFAULT)
    assert without_a_gap(corner, claim(opposed_s=10.0, released=DEFAULT.releases), DEFAULT)


def test_a_stuck_unit_gets_a_stage_in_which_nobody_is_given_way_to(corner: Any, street: Any) -> None:
    """Where there is one, it stays led."""
    stuck = freed(corner, claim(), stage_waits_s(corner, 0, BOTH, street, NOW_MS), NOW_MS, DEFAULT)
    assert (stuck.stage, stuck.release, stuck.served_ms) == (ALONE, -1, claim().served_ms)


def test_a_green_arrow_helps_nobody_behind_one_who_waits_for_the_light_beside_it(
    crossroads: Callable[..., Any],
) -> None:
    """One lane leads ahead and to the left; an arrow stage serves the turn alone, another both, the turn giving way."""
    states, lanes = ("GgGr", "rGrr", "rrrG"), ((0, 1), (2,), (3,))
    state = signals.start(crossroads(states, lanes, foes=((1, 2), (0, 3), (2, 3)), yields=((1, 2),)).layout, 0)
    way = Way((1,), (0,), (0,), -1)
    assert serving_stage(state.tables, way, 0, 2) == 1
    assert serving_stage(state.tables, way, 0, 2, (), (Before(1, ((0, 0.7), (1, 0.3))),)) == 0
    assert serving_stage(state.tables, way, 0, 2, (), (Before(3, ((0, 0.0), (1, 1.0))),)) == 1


def test_a_unit_stuck_in_a_green_that_must_give_way_is_freed_by_its_end(plain: Any, street: Any) -> None:
    """The stage that stops the oncoming stream is asked for; meanwhile nothing else is, and then it is led again."""
    corner = plain
    stuck = freed(corner, claim(), stage_waits_s(corner, 0, BOTH, street, NOW_MS), NOW_MS, DEFAULT)
    assert stuck.release == ACROSS
    assert stuck.released == 1
    assert stuck.served_ms == -1
    state = msgspec.structs.replace(corner, corridors=Corridors((stuck,)))
    nobody = Demand(
        np.zeros((3, MAX_QUEUE)), np.zeros((3, MAX_QUEUE), np.int32), np.zeros(3, np.int32), np.ones(3),
        np.full(3, 2.0), np.zeros((3, MAX_QUEUE), np.bool_), np.zeros(3, np.int32),
    )  # fmt: skip
    usual = [Proposal(target=0, action=ShowStage(BOTH), reason=Reason.KEEP_LEAST_DELAY, cost=1.0, gain=0.0)]
    (proposal,) = lead(state, nobody, usual, NOW_MS)
    assert (proposal.reason, proposal.action) == (Reason.CORRIDOR_RELEASE, ShowStage(stuck.release))
    assert isinstance(check(proposal, state, NOW_MS), Allowed)
    over = freed(corner, stuck, {}, stuck.locked_ms, DEFAULT)
    assert over.release == -1


@pytest.mark.parametrize(
    "changed",
    [{"served_ms": -1}, {"best_ms": NOW_MS - 2000}, {"best_ms": -1}, {"released": DEFAULT.releases}, {"stage": ALONE}],
)
def test_who_comes_forward_or_is_not_led_is_not_released(corner: Any, street: Any, changed: dict[str, int]) -> None:
    """Nor is one whose way is protected, or for whom it was done often enough."""
    waits_s = stage_waits_s(corner, 0, BOTH, street, NOW_MS)
    assert freed(corner, claim(**changed), waits_s, NOW_MS, DEFAULT).release == -1


def test_a_release_that_was_not_decided_is_refused(corner: Any) -> None:
    """The reason alone opens no stage."""
    state = msgspec.structs.replace(corner, corridors=Corridors((claim(),)))
    asked = Proposal(target=0, action=ShowStage(ACROSS), reason=Reason.CORRIDOR_RELEASE, cost=0.0, gain=0.0)
    assert check(asked, state, NOW_MS) == Refused(Rule.NO_REQUEST)


def test_a_step_is_more_than_the_error_of_a_fix(corner: Any) -> None:
    """A unit that jitters by a few metres has not come forward."""
    near = come_forward(corner, claim(best_m=478.0, best_ms=7), NOW_MS)
    assert (near.best_m, near.best_ms) == (478.0, 7)
    on = come_forward(corner, claim(best_m=470.0, best_ms=7), NOW_MS)
    assert (on.best_m, on.best_ms) == (480.0, NOW_MS)
    away = msgspec.structs.replace(corner, units=replace(corner.units, edge=np.array([CROSS], np.int32)))
    assert come_forward(away, claim(), NOW_MS).best_ms == -1


def test_after_the_unit_a_stage_goes_next_that_stops_whom_it_gave_way_to(corner: Any) -> None:
    """It may still stand inside the junction."""
    assert exit_stage(corner, claim(), {ACROSS: 5.0, ALONE: 0.0}) == ACROSS
    assert exit_stage(corner, claim(), {}) == -1


def test_of_stages_that_stop_the_stream_the_shortest_is_taken(corner: Any) -> None:
    """And where they are as short, the one that people have waited for."""
    assert release_stage(corner.tables, 0, (LEFT,), BOTH, {ACROSS: 50.0, ALONE: 0.0}) == ACROSS
    assert release_stage(corner.tables, 0, (LEFT,), BOTH, {ACROSS: 0.0, ALONE: 50.0}) == ALONE
