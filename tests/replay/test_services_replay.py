"""Ambulances, rounds and the planner's answers are made again from the record alone: no calls, no roads, no search."""

import time

import pytest
from services_city import ScriptedCity

from cityloop.app import brain_of
from cityloop.app.planner import PlannedCity, planned
from cityloop.cities.replay.city import ReplayCity
from cityloop.cities.toy.city import ToyCity
from cityloop.domains.emergency.schema import Send
from cityloop.domains.refuse.schema import DriveRoute, PlanRound
from cityloop.engine.inline import Blackout, InlineEngine, LoopParams
from cityloop.kernel.journal import decision_bytes
from cityloop.kernel.layout import StreamKind
from cityloop.kernel.messages import Command, ReceiptStatus
from cityloop.kernel.tick import Brain
from cityloop.storage.comparing import ComparingStore
from cityloop.storage.memory import MemoryStore

PARAMS = LoopParams(begin_ms=0, end_ms=420_000, blackouts=(Blackout(290, 330),))
CALLS = ((11, 1, 1, 100), (12, 3, 3, 150), (13, 1, 2, 300))


def services_of(layout):
    """The brain of emergency and refuse alone: the square has no signals."""
    from cityloop.domains.emergency.domain import emergency
    from cityloop.domains.refuse.domain import refuse

    return Brain((emergency, refuse), {"emergency": "brain", "refuse": "brain"})


@pytest.fixture(scope="module")
def recorded():
    """Seven minutes with three calls, a breakdown, and the brain unplugged while a call comes in."""
    store = MemoryStore()
    city = PlannedCity(ScriptedCity(CALLS, {0: 200}), iterations=50)
    InlineEngine(city, services_of(city.layout()), store, PARAMS).run()
    city.close()
    return store


def test_the_loop_acts_in_every_service(recorded):
    """Calls get units, the round is planned twice, trucks are told."""
    actions = [d.proposal.action for d in recorded.decisions if d.sequence >= 0]
    assert {a.call for a in actions if isinstance(a, Send)} == {11, 12, 13}
    assert [a.version for a in actions if isinstance(a, PlanRound)] == [1, 2]
    assert any(isinstance(a, DriveRoute) and a.version == 2 for a in actions)


def test_a_call_that_came_in_while_the_brain_was_unplugged_is_served_afterwards(recorded):
    """Nothing is remembered over a restart, and nothing is lost: the centre lists what is open."""
    sent = [d.decided_at_ms for d in recorded.decisions if isinstance(d.proposal.action, Send) and d.sequence >= 0]
    assert max(sent) >= 330_000


def test_a_replay_makes_the_same_decisions(recorded):
    """The planner's answers are among the readings: no search is made again, and not one byte differs."""
    layout = ScriptedCity().layout()
    city = ReplayCity(layout, recorded.readings, recorded.receipts, 0)
    comparing = ComparingStore(map(decision_bytes, recorded.decisions), ())
    InlineEngine(city, services_of(layout), comparing, PARAMS).run()
    comparing.check_end()
    assert comparing.digest.hexdigest() == recorded.digest.hexdigest()


def test_a_live_city_waits_for_no_plan(recorded):
    """A search without end holds nobody up: time goes on, calls are answered, and trucks keep what they have."""
    store = MemoryStore()
    city = PlannedCity(ScriptedCity(CALLS), iterations=10**12, live=True)
    InlineEngine(city, services_of(city.layout()), store, PARAMS).run()
    city.close()
    actions = [d.proposal.action for d in store.decisions if d.sequence >= 0]
    assert any(isinstance(action, PlanRound) for action in actions)
    assert not any(isinstance(action, DriveRoute) for action in actions)
    assert {a.call for a in actions if isinstance(a, Send)} == {11, 12, 13}


def test_a_starved_planner_is_not_asked_without_end():
    """Two searches at a time: what is asked beyond them is refused, and asked again by the domain later."""
    asked = PlanRound(
        round=0, version=1, reason=0, containers=(0,), load_kg=(1.0,), truck_at=(-1, -1), truck_load_kg=(0.0, 0.0),
        truck_out=(False, False), orders=((), ()),
    )  # fmt: skip
    city = PlannedCity(ScriptedCity(CALLS), iterations=10**12, live=True)
    for sequence in range(1, 6):
        command = Command(
            domain="refuse", target=0, action=asked, epoch=1, sequence=sequence, issued_at_ms=0, not_after_ms=4000
        )
        city.apply([command])
    receipts = city.observe(1000).receipts
    city.close()
    assert [(one.sequence, one.status) for one in receipts] == [(n, ReceiptStatus.REFUSED) for n in (3, 4, 5)]


def test_a_late_plan_comes_when_it_is_found(recorded):
    """The live planner's process answers with the plan that the waiting one finds."""
    asked = next(d for d in recorded.decisions if isinstance(d.proposal.action, PlanRound) and d.sequence >= 0)
    city = PlannedCity(ScriptedCity(CALLS), iterations=50, live=True)
    kinds = city.layout().streams.kind
    city.apply(
        [
            Command(
                domain="refuse", target=asked.proposal.target, action=asked.proposal.action, epoch=1, sequence=1,
                issued_at_ms=asked.decided_at_ms, not_after_ms=asked.decided_at_ms + 4000,
            )
        ]
    )  # fmt: skip
    found, until = [], time.monotonic() + 120
    while not found and time.monotonic() < until:
        time.sleep(0.05)
        batch = city.observe(city.observe(0).now_ms + 1000).batch
        found = batch.value[kinds[batch.stream] == StreamKind.PLAN_VERSION].tolist()
    city.close()
    told = [batch.value[kinds[batch.stream] == StreamKind.PLAN_VERSION].tolist() for _, batch in recorded.readings]
    assert found == next(version for version in told if version)


def test_a_city_without_services_has_the_brain_that_it_had():
    """No further domain, no planner: nothing changes for a city of signals alone."""
    toy = ToyCity()
    brain = brain_of("brain", toy.layout())
    assert [domain.name for domain in brain.domains] == ["traffic", "signals"]
    assert brain.arms == {"signals": "brain"}
    assert planned(toy) is toy
