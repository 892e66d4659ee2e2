"""Green corridors at the toy's one junction: checked, capped, arbitrated, and never at the cost of who is crossing."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from cityloop.cities.toy.assets import ToyParams, toy_layout
from cityloop.domains.signals.corridors import DEFAULT, CorridorParams
from cityloop.domains.signals.domain import signals
from cityloop.domains.signals.schema import Reason, Rule, ShowStage
from cityloop.domains.traffic.domain import traffic
from cityloop.kernel.batch import Batch
from cityloop.kernel.domain import Domain
from cityloop.kernel.journal import decision_bytes
from cityloop.kernel.layout import Layout, Passages, StreamKind, Streams, UnitKind, Units
from cityloop.kernel.messages import PassJunction, Priority, Refused, Request, RequestStatus
from cityloop.kernel.tick import REQUESTS, Brain, start, tick

NORTH, WEST, SOUTH, EAST = range(4)
AVL = (StreamKind.UNIT_EDGE, StreamKind.UNIT_EDGE_M)
TRUCK = 2


def with_units(layout: Layout) -> Layout:
    """Return the toy's layout with two ambulances and a refuse truck."""
    rows = [(int(kind), unit) for unit in range(3) for kind in AVL]
    return replace(
        layout,
        streams=Streams(
            np.concatenate([layout.streams.kind, np.array([kind for kind, _ in rows], np.int32)]),
            np.concatenate([layout.streams.asset, np.array([unit for _, unit in rows], np.int32)]),
        ),
        tables={
            **layout.tables,
            "units": Units(np.array([UnitKind.AMBULANCE, UnitKind.AMBULANCE, UnitKind.REFUSE_TRUCK], np.int32)),
            "passages": Passages(
                from_edge=np.array([NORTH, WEST], np.int32),
                to_edge=np.array([SOUTH, EAST], np.int32),
                link=np.array([0, 1], np.int32),
                length_m=np.full(2, 15.0),
                lorry=np.ones(2, np.bool_),
            ),
        },
    )


class Street:
    """The toy's junction, whose stage follows what is commanded; vehicles stand as they are told to."""

    def __init__(self, *, units: bool = True, stage: int = 0) -> None:
        self.layout = with_units(toy_layout(ToyParams())) if units else toy_layout(ToyParams())
        pairs = zip(self.layout.streams.kind.tolist(), self.layout.streams.asset.tolist(), strict=True)
        self.row = {pair: row for row, pair in enumerate(pairs)}
        self.asked: list[Request] = []
        asker: Domain[Any, Any] = Domain(
            name="emergency",
            start=lambda layout, now_ms: None,
            update=lambda state, batch, views, now_ms: None,
            predict=lambda state, views, now_ms: None,
            policies={},
            check=lambda proposal, state, now_ms: Refused(0),
            accept=lambda state, verdicts, now_ms: None,
            view=lambda state: None,
            requests=lambda state, now_ms: self.asked,
        )
        self.brain = Brain(domains=(traffic, asker, signals), arms={"signals": "brain"})
        self.now_ms = 0
        self.state = start(self.brain, self.layout, 0)
        self.stage, self.queues, self.places = stage, {0: [20.0, 28.0], 1: []}, {}
        self.outside: list[Request] = []
        self.told: list[Any] = []
        self.led: list[Any] = []
        self.all: list[Any] = []

    def second(self, *, follow: bool = True) -> None:
        """Let a second pass."""
        self.now_ms += 1000
        rows: list[tuple[int, int, float]] = []
        for approach, queue in self.queues.items():
            rows.append((StreamKind.OBJECT_COUNT, approach, float(len(queue))))
            rows += [(StreamKind.OBJECT_DISTANCE_M, approach, at_m) for at_m in queue]
            rows += [(StreamKind.OBJECT_SPEED_MPS, approach, 0.0) for _ in queue]
        rows += [(StreamKind.STAGE_SHOWN, 0, float(self.stage)), (StreamKind.CONTROL_MODE, 0, 1.0)]
        for unit, (edge, edge_m) in self.places.items():
            rows += [(StreamKind.UNIT_EDGE, unit, float(edge)), (StreamKind.UNIT_EDGE_M, unit, edge_m)]
        at_ms = np.full(len(rows), self.now_ms, np.int64)
        batch = Batch(
            np.array([self.row[int(kind), asset] for kind, asset, _ in rows], np.int32),
            at_ms,
            at_ms.copy(),
            np.array([value for _, _, value in rows]),
            np.zeros(len(rows), np.uint8),
        )
        done = tick(self.brain, self.state, batch, self.outside, self.now_ms)
        self.state = done.state
        self.told = [one for one in done.decisions if one.policy == REQUESTS]
        self.led = [one for one in done.decisions if one.policy != REQUESTS]
        self.all += done.decisions
        if follow:
            for command in done.commands:
                assert isinstance(command.action, ShowStage)
                self.stage = command.action.stage

    def ask(self, unit: int = 0, way: tuple[int, int] = (WEST, EAST), arrives_s: float = 5.0, **other: Any) -> Request:
        """Return a request for the junction."""
        values = {"sender": "emergency", "priority": Priority.EMERGENCY_HIGH, "incident": 7, "target": 0} | other
        arrives_ms = self.now_ms + round(arrives_s * 1000)
        return Request(
            domain="signals",
            sender=values["sender"],
            target=values["target"],
            action=PassJunction(unit, values["incident"], *way, arrives_ms, arrives_ms + 20_000),
            priority=values["priority"],
            not_before_ms=0,
            expires_at_ms=self.now_ms + 2_500,
        )

    @property
    def claims(self) -> Any:
        """What signals know of requests."""
        return self.state.domains["signals"].corridors.claims


@pytest.fixture
def street() -> Street:
    """The junction after ten seconds of the northern stage, a queue standing there."""
    made = Street()
    made.places = {0: (WEST, 400.0), 1: (NORTH, 420.0), TRUCK: (WEST, 400.0)}
    for _ in range(10):
        made.second(follow=False)
    return made


def rules(street: Street) -> list[int]:
    """Return the rules told in the last second."""
    return [one.verdict.rule for one in street.told if isinstance(one.verdict, Refused)]


def test_a_unit_near_gets_its_stage_and_is_told_so(street: Street) -> None:
    """The western stage is asked for against a standing queue; once shown, the request is granted."""
    street.asked = [street.ask()]
    street.second()
    assert street.led[0].proposal.reason == Reason.CORRIDOR_CLEAR
    assert street.led[0].proposal.action == ShowStage(1)
    street.asked = [street.ask()]
    street.second()
    assert [one.proposal.reason for one in street.told] == [Reason.REQUEST_GRANTED]
    view = street.state.views["signals"]
    assert view.corridor_unit.tolist() == [0]
    assert view.corridor_status.tolist() == [RequestStatus.GRANTED]


def test_a_unit_far_away_changes_nothing_yet(street: Street) -> None:
    """Nobody is held up before it is time."""
    street.asked = [street.ask(arrives_s=55.0)]
    street.second()
    assert street.led[0].proposal.reason < Reason.CORRIDOR_CLEAR
    assert street.claims[0].status == RequestStatus.PROCESSING


def test_the_rejected_stage_stays_in_the_journal_with_its_cost(street: Street) -> None:
    """What the ordinary control would have done stands among the alternatives."""
    street.queues = {0: [20.0 + 8.0 * at for at in range(8)], 1: [140.0]}
    street.asked = [street.ask()]
    street.second()
    assert 0 in [one.action for one in street.led[0].proposal.alternatives]


@pytest.mark.parametrize(
    ("changed", "rule"),
    [
        ({"way": (NORTH, EAST)}, Rule.OFF_ROUTE),
        ({"target": 99}, Rule.OFF_ROUTE),
        ({"unit": 1}, Rule.OFF_ROUTE),
        ({"unit": 9}, Rule.UNKNOWN_UNIT),
        ({"unit": TRUCK}, Rule.UNKNOWN_UNIT),
        ({"incident": -1}, Rule.NO_INCIDENT),
    ],
)
def test_a_request_that_does_not_hold_is_refused_by_name(street: Street, changed: dict[str, Any], rule: Rule) -> None:
    """No way over the junction, a unit elsewhere, no such unit, a truck, no call: each has its rule."""
    street.asked = [street.ask(**changed)]
    street.second()
    assert rules(street) == [rule]
    assert not street.claims


def test_a_unit_not_located_lately_gets_nothing(street: Street) -> None:
    """Ten seconds of silence are too many."""
    street.places = {}
    for _ in range(12):
        street.second(follow=False)
    street.asked = [street.ask()]
    street.second()
    assert rules(street) == [Rule.POSITION_LOST]


def test_who_gives_the_dispatchers_name_from_outside_is_refused(street: Street) -> None:
    """A forged request opens nothing, is told once, and its sender is soon not listened to."""
    for _ in range(15):
        street.outside = [street.ask()]
        street.second(follow=False)
    told = [one.verdict.rule for one in street.all if one.policy == REQUESTS]
    assert told == [Rule.FORGED_REQUEST, Rule.RATE_LIMIT]
    assert not street.claims


def test_a_radioed_request_needs_the_dispatchers(street: Street) -> None:
    """Alone it is refused; beside the dispatcher's own it changes nothing."""
    street.outside = [street.ask(sender="srm:1")]
    street.second()
    assert rules(street) == [Rule.NO_INCIDENT]
    street.asked, street.outside = [street.ask()], [street.ask(sender="srm:2")]
    street.second()
    assert rules(street) == []
    assert len(street.claims) == 1


def test_the_greater_priority_goes_first_and_the_other_is_told(street: Street) -> None:
    """Two units from two streets: one stage, by priority, whoever is nearer."""
    street.asked = [
        street.ask(unit=1, way=(NORTH, SOUTH), arrives_s=3.0, priority=Priority.EMERGENCY),
        street.ask(unit=0, arrives_s=6.0),
    ]
    street.second()
    assert [claim.unit for claim in street.claims] == [0, 1]
    assert rules(street) == [Rule.OTHER_FIRST]
    assert street.led[0].proposal.action == ShowStage(1)


def test_a_hold_ends_at_its_cap_and_others_go_first_for_a_while(street: Street) -> None:
    """A unit that does not come through holds nobody up for longer than 40 s."""
    led = []
    for _ in range(60):
        street.asked = [street.ask(arrives_s=1.0)]
        street.second()
        led.append(street.led[0].proposal.reason in (Reason.CORRIDOR_CLEAR, Reason.CORRIDOR_HOLD))
    assert any(led)
    first = led.index(True)
    assert not any(led[first + round(DEFAULT.hold_cap_s) + 1 :])
    assert Rule.HOLD_CAP in [one.verdict.rule for one in street.all if isinstance(one.verdict, Refused)]
    assert street.claims[0].status == RequestStatus.RESERVICE_LOCKED


def test_after_the_unit_its_stated_exit_stage_goes_next(street: Street) -> None:
    """Who waited longest meanwhile is served next, as was said while the unit was still coming."""
    for _ in range(9):
        street.asked = [street.ask(arrives_s=3.0)]
        street.second()
    assert street.claims[0].exit_stage == 0
    street.asked, street.places[0] = [], (EAST, 20.0)
    street.queues[1] = [30.0, 38.0, 46.0]
    street.second()
    assert [one.proposal.reason for one in street.told] == [Reason.REQUEST_ENDED]
    assert street.state.views["signals"].corridor_exit.tolist() == [0]
    assert street.led[0].proposal.action == ShowStage(0)


def test_a_walk_just_begun_is_not_cut() -> None:
    """The stage with the Walk is kept for its 7 s, however near the unit is."""
    street = Street(stage=0)
    street.places = {1: (NORTH, 480.0)}
    for _ in range(10):
        street.second(follow=False)
    street.stage = 1
    kept = []
    for _ in range(9):
        street.asked = [street.ask(unit=1, way=(NORTH, SOUTH), arrives_s=1.0)]
        street.second(follow=False)
        kept.append(street.led[0].verdict.action.stage)
    assert kept[:6] == [1] * 6
    assert kept[-1] == 0


def test_without_requests_decisions_are_those_of_a_city_without_units() -> None:
    """Byte for byte."""
    journals = []
    for units in (True, False):
        street = Street(units=units)
        for second in range(60):
            street.queues = {0: [20.0, 28.0], 1: [15.0] * (second % 3)}
            street.second()
        journals.append([decision_bytes(one) for one in street.all])
    assert journals[0] == journals[1]


def test_the_same_requests_give_the_same_decisions() -> None:
    """A journal with corridors is made again byte for byte."""

    def journal() -> list[bytes]:
        street = Street()
        street.places = {0: (WEST, 400.0)}
        for second in range(40):
            street.asked = [street.ask(arrives_s=max(30.0 - second, 0.0))] if 5 < second < 35 else []
            street.second()
        return [decision_bytes(one) for one in street.all]

    assert journal() == journal()


def test_a_cap_beyond_all_bounds_is_refused() -> None:
    """A hold without a cap gridlocks; the parameters know it."""
    with pytest.raises(ValueError, match="hold_cap_s"):
        CorridorParams(hold_cap_s=1e9)
