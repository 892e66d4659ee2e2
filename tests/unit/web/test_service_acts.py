"""Tests of what people do to the services: a dispatch by hand, and a plan looked at before it is made."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import msgspec
import numpy as np
import pytest

from cityloop.app.load_services import LoadServices
from cityloop.domains.emergency.schema import Rule, Send
from cityloop.domains.refuse.schema import PlanRound
from cityloop.kernel.errors import InputError
from cityloop.kernel.journal import decision_bytes
from cityloop.kernel.ladder import OPERATOR_REASONS, GateRule
from cityloop.kernel.messages import Allowed, Decision, Proposal, Refused
from cityloop.storage.trace_log import TraceWriter
from cityloop.web.round_question import question_of
from cityloop.web.watchers import ActWatch
from cityloop.wire.live import Steering, Tick

if TYPE_CHECKING:
    from starlette.testclient import TestClient

NOW_MS = 1_767_225_600_000
ASKED = PlanRound(3, 2, 2, (0, 1), (10.0, 10.0), (0, -2), (0.0, 0.0), (True, False), ((0,), (1,)))


class Rounds:
    """A planner that says what it was asked."""

    capacity_kg = [400.0] * 1200

    def preview(self, fields: Any) -> dict[str, Any]:
        return {"stops": len(fields["containers"]), "moved": [], "trucks_out": [0]}


@pytest.fixture
def served(room: Any) -> Any:
    """A room whose running city answers dispatches at its next tick, as the guard would."""
    services = LoadServices(room.desk.city.shapes.box, np.random.default_rng(1))
    room.desk.rounds = Rounds()
    room.refusing = False

    def tick(number: int, steered: int, decisions: list[bytes]) -> Tick:
        return Tick(
            at_ms=NOW_MS + 60_000 + number * 1000, wall_ms=0, sim_s=0.0, number=number, steered=steered,
            decisions=decisions, views=services.views(NOW_MS),
        )  # fmt: skip

    room.desk.board.publish(tick(61, 0, []))

    def steer(steering: Steering) -> None:
        from cityloop.web.steering import heard

        room.steered.append(steering)
        decisions = []
        for order in steering.orders:
            action = Send(order.stages[0][0]) if order.kind == "send" else ASKED
            proposal = Proposal(target=order.target, action=action, reason=OPERATOR_REASONS.start, cost=90.0, gain=0.0)
            verdict = Refused(Rule.PATIENT_ABOARD) if room.refusing else Allowed(action)
            at_ms = order.placed_at_ms + 1000
            decisions.append(
                decision_bytes(
                    Decision(
                        decided_at_ms=at_ms, domain=order.domain, policy="brain", proposal=proposal, verdict=verdict,
                        sequence=-1 if room.refusing else 4, not_after_ms=at_ms,
                    )
                )
            )  # fmt: skip
        loop = asyncio.get_running_loop()
        told = tick(62, steering.token, decisions)
        loop.call_soon(heard, room.desk, told)
        loop.call_soon(room.desk.board.publish, told)

    room.desk.steer = steer
    return room


def _calls(client: TestClient) -> list[int]:
    return client.get("/api/v1/emergency").json()["tables"]["calls"]["columns"]["number"]["values"]


def test_a_person_sends_another_unit_and_says_why(served: Any) -> None:
    """It is steered to the service itself, kept as an act with its reason, and in the audit log."""
    client = served.client("operator")
    body = {"call": _calls(client)[0], "unit": 2, "why": "The street is closed for the other one."}
    answer = client.post("/api/v1/dispatch", json=body)
    assert answer.status_code == 201, answer.text
    told = answer.json()
    assert (told["domain"], told["kind"], told["label"], told["call"]) == (
        "emergency",
        "send",
        "Ambulance 3",
        body["call"],
    )
    assert told["verdict"] == "allowed"
    (order,) = served.steered[-1].orders
    assert (order.domain, order.kind, order.target) == ("emergency", "send", 2)
    entry = next(one for one in served.audit.newest(10) if one.act == "dispatch.send")
    assert entry.detail["why"] == body["why"]
    assert entry.outcome == "done"


def test_no_reason_no_act(served: Any) -> None:
    """An override without a word of why is refused, and nothing is steered."""
    client = served.client("operator")
    answer = client.post("/api/v1/dispatch", json={"call": _calls(client)[0], "unit": 2, "why": "  "})
    assert (answer.status_code, answer.json()["error"]["field"]) == (422, "why")
    assert not served.steered


def test_what_the_guard_refuses_is_said_and_not_tried_on(served: Any) -> None:
    """The rule is named; the act is not in force afterwards."""
    served.refusing = True
    client = served.client("operator")
    answer = client.post("/api/v1/dispatch", json={"call": _calls(client)[0], "unit": 2, "why": "nearer"})
    assert answer.status_code == 409
    assert answer.json()["error"]["code"] == "guard"
    assert "patient aboard" in answer.json()["error"]["message"]
    assert served.desk.holds.orders(now_ms=served.desk.now_ms()) == []


@pytest.mark.parametrize(("body", "status"), [({"call": 99_999, "unit": 1}, 409), ({"call": 0, "unit": 99}, 422)])
def test_calls_and_units_that_are_not_there(served: Any, body: dict[str, int], status: int) -> None:
    """A call that is over and a unit that is none are told apart."""
    client = served.client("operator")
    call = _calls(client)[0] if body["call"] == 0 else body["call"]
    assert client.post("/api/v1/dispatch", json={**body, "call": call, "why": "x"}).status_code == status


def test_a_unit_that_goes_there_already_is_not_sent_again(served: Any) -> None:
    """Nothing would be decided, and nobody would answer: it is said at once."""
    client = served.client("engineer")
    units = client.get("/api/v1/emergency").json()["tables"]["units"]["columns"]["call"]["values"]
    calls = _calls(client)
    unit = next(row for row, call in enumerate(units) if call in calls)
    answer = client.post("/api/v1/dispatch", json={"call": units[unit], "unit": unit, "why": "x"})
    assert (answer.status_code, answer.json()["error"]["code"]) == (409, "already")
    assert not served.desk.holds.orders()


def test_a_person_of_one_district_moves_no_unit(served: Any) -> None:
    """Units belong to the whole city."""
    client = served.client("northern")
    answer = client.post("/api/v1/dispatch", json={"call": _calls(client)[0], "unit": 2, "why": "x"})
    assert (answer.status_code, answer.json()["error"]["code"]) == (403, "district")


def _propose(room: Any) -> None:
    """Leave a plan in the trace that the ladder held back a moment ago."""
    proposal = Proposal(target=0, action=ASKED, reason=5, cost=0.0, gain=0.0)
    at_ms = room.desk.now_ms() - 2000
    decision = Decision(
        decided_at_ms=at_ms, domain="refuse", policy="brain", proposal=proposal,
        verdict=Refused(int(GateRule.ADVISE)), sequence=-1, not_after_ms=at_ms,
    )  # fmt: skip
    writer = TraceWriter(room.folder / "trace", keep_ms=10**12)
    step = Tick(at_ms=at_ms, wall_ms=0, sim_s=0.0, number=1, decisions=[decision_bytes(decision)])
    writer.append(at_ms, msgspec.msgpack.encode(step))
    writer.close()


def test_a_plan_that_waits_is_looked_at_and_then_made(served: Any) -> None:
    """What the brain proposed is what is made, to the byte; a person who saw another version is told so."""
    client = served.client("operator")
    assert client.get("/api/v1/refuse/preview").json() == {"waits": None, "change": None}
    _propose(served)
    seen = client.get("/api/v1/refuse/preview").json()
    assert seen["change"]["stops"] == 2
    stale = client.post("/api/v1/refuse/plan", json={"decision": "1.refuse.0/3.1"})
    assert (stale.status_code, stale.json()["error"]["code"]) == (409, "stale")
    made = client.post("/api/v1/refuse/plan", json={"decision": seen["waits"]["decision"], "why": "go"})
    assert made.status_code == 201, made.text
    (order,) = served.steered[-1].orders
    assert msgspec.msgpack.decode(order.action, type=PlanRound) == ASKED


def test_a_breakdown_is_previewed_from_what_is_published(served: Any) -> None:
    """Any truck with stops left may be asked about; nothing is steered by looking."""
    client = served.client("viewer")
    answer = client.get("/api/v1/refuse/preview?truck=1")
    assert answer.status_code == 200, answer.text
    assert answer.json()["change"]["stops"] > 0
    assert not served.steered


def test_a_search_that_finds_nothing_is_said_and_the_next_may_look(
    served: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The planner's own line reaches whoever asked; nobody is kept from asking again."""

    def none_in_time(self: Any, fields: Any) -> dict[str, Any]:
        raise InputError("the planner found no plan within 120 s; the plan in force stands")

    client = served.client("viewer")
    monkeypatch.setattr(Rounds, "preview", none_in_time)
    answer = client.get("/api/v1/refuse/preview", params={"truck": 0})
    assert (answer.status_code, answer.json()["error"]["code"]) == (409, "no_plan")
    assert "the plan in force stands" in answer.json()["error"]["message"]
    monkeypatch.undo()
    assert client.get("/api/v1/refuse/preview", params={"truck": 0}).status_code == 200


def test_what_a_lost_truck_hands_over_is_what_it_is_bound_for_and_its_open_stops() -> None:
    """The one it drives to comes first, what is done stays out, and the other truck keeps its order."""

    def table(**columns: list[Any]) -> dict[str, Any]:
        return {name: {"values": values} for name, values in columns.items()}

    tables = {
        "trucks": table(status=[1, 1], next=[4, 2], load_kg=[100.0, 0.0], payload_kg=[900.0, 900.0]),
        "visits": table(
            truck=[0, 0, 0, 0, 1, 1, 1], kind=[0, 0, 0, 2, 0, 0, 2], container=[3, 4, 5, -1, 2, 1, -1],
            done=[1, 0, 0, 0, 0, 0, 0],
        ),
        "containers": table(served_at_ms=[-1, -1, -1, 9, -1, -1], fill_frac=[0.5] * 6),
    }  # fmt: skip
    asked = question_of(tables, [400.0] * 6, 0)
    assert asked is not None
    assert asked["orders"] == [[4, 5], [1]]
    assert asked["containers"] == [4, 5, 1]
    assert asked["truck_out"] == [True, False]
    assert asked["load_kg"] == [200.0] * 3


def test_a_decision_as_it_happens_is_told_by_the_name_that_the_log_gives_it(served: Any) -> None:
    """Not by a row number that means nothing to whoever reads along."""
    told: list[Any] = []
    served.desk.events.also.append(lambda kind, value: told.append(value) if kind == "decision" else None)
    proposal = Proposal(target=0, action=ASKED, reason=5, cost=0.0, gain=0.0)
    decision = Decision(
        decided_at_ms=NOW_MS, domain="refuse", policy="brain", proposal=proposal, verdict=Allowed(ASKED),
        sequence=1, not_after_ms=NOW_MS,
    )  # fmt: skip
    step = Tick(at_ms=NOW_MS, wall_ms=0, sim_s=0.0, number=1, at_once=True, decisions=[decision_bytes(decision)])
    ActWatch(served.desk).step(step)
    assert [(one["domain"], one["junction"]) for one in told] == [("refuse", "round planner")]
