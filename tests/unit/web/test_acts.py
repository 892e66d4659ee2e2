"""What people do to the city: holds, rungs, the drill, changes for two."""

from __future__ import annotations

from typing import Any

from cityloop.kernel.ladder import Rung


def hold(junction: int = 3, stage: int = 1, **more: Any) -> dict[str, Any]:
    return {"kind": "hold", "junction": junction, "stage": stage, "expires_in_s": 60, "why": "", **more}


def test_a_hold_is_kept_sent_and_answered_with_the_receipt(room: Any) -> None:
    """The answer carries the controller's first receipt and how long it took."""
    answer = room.client("operator").post("/api/v1/holds", json=hold())
    assert answer.status_code == 201
    body = answer.json()
    assert body["receipt"]["status"] == "PENDING"
    assert body["receipt"]["after_ms"] < 1000
    assert body["verdict"] == "allowed"
    assert body["expires_at_ms"] - body["placed_at_ms"] == 60_000
    (order,) = room.steered[-1].orders
    assert (order.target, order.stages) == (3, ((1, 0.0),))


def test_a_hold_that_cannot_be_is_refused_before_anything_is_kept(room: Any) -> None:
    """Unknown junction, unknown stage, no end: 422 with the key, and nothing in force."""
    client = room.client("operator")
    for body, field in (
        (hold(junction=760), "junction"),
        (hold(stage=4), "stage"),
        (hold(expires_in_s=4), "expires_in_s"),
        (hold(expires_in_s=901), "expires_in_s"),
        (hold(kind="force"), "kind"),
        ({"kind": "plan", "junction": 3, "stages": [[0, 1.0]], "expires_in_s": 60}, "stages"),
    ):
        answer = client.post("/api/v1/holds", json=body)
        assert (answer.status_code, answer.json()["error"]["field"]) == (422, field)
    assert room.desk.holds.orders() == []
    assert room.steered == []


def test_a_number_that_no_record_could_hold_is_refused_and_the_audit_stays_readable(room: Any) -> None:
    """10^30 as a junction or deep in a plan: 422 with the place, and the audit can be read afterwards."""
    client = room.client("operator")
    plan = {"kind": "plan", "junction": 3, "stages": [[0, 20.0], [-(10**25), 20.0]], "expires_in_s": 60}
    for body, field in ((hold(junction=10**30), "junction"), (plan, "stages[1][0]")):
        answer = client.post("/api/v1/holds", json=body)
        assert (answer.status_code, answer.json()["error"]["field"]) == (422, field)
    assert room.client("admin").get("/api/v1/audit").status_code == 200


def test_two_operators_on_one_junction_see_one_another(room: Any) -> None:
    """The second is told who holds it, and takes over only by naming that hold."""
    first, second = room.client("operator"), room.client("engineer")
    placed = first.post("/api/v1/holds", json=hold()).json()
    answer = second.post("/api/v1/holds", json=hold(stage=2))
    assert answer.status_code == 409
    assert answer.json()["error"]["code"] == "held_by_other"
    assert answer.json()["hold"]["by"] == "operator"
    assert second.post("/api/v1/holds", json=hold(stage=2, replace=placed["id"])).status_code == 201
    (order,) = room.steered[-1].orders
    assert order.stages == ((2, 0.0),)


def test_an_operator_acts_in_own_districts_only(room: Any) -> None:
    """A junction elsewhere is refused, in its own district it is taken."""
    client = room.client("northern")
    districts = {d.id: d for d in room.desk.city.districts}
    elsewhere, own = districts["south-west"].junctions[0], districts["north-east"].junctions[0]
    answer = client.post("/api/v1/holds", json=hold(junction=elsewhere))
    assert (answer.status_code, answer.json()["error"]["code"]) == (403, "district")
    assert client.post("/api/v1/holds", json=hold(junction=own)).status_code == 201


def test_a_hold_is_lifted(room: Any) -> None:
    """Lifted, it is out of what the running city is told; a second time is told so."""
    client = room.client("operator")
    placed = client.post("/api/v1/holds", json=hold()).json()
    assert client.delete(f"/api/v1/holds/{placed['id']}").json()["status"] == "lifted"
    assert room.steered[-1].orders == ()
    assert client.delete(f"/api/v1/holds/{placed['id']}").status_code == 409


def test_shadow_is_where_everything_begins(room: Any) -> None:
    """Every district of every acting domain is in shadow until somebody sets it."""
    rungs = room.client("viewer").get("/api/v1/ladder").json()["rungs"]
    assert {rung["rung"] for rung in rungs} == {"shadow"}
    assert len(rungs) == 4


def test_an_operator_steps_down_and_an_engineer_up(room: Any) -> None:
    """Going live takes an engineer; an operator may give advice or shadow."""
    body = {"domain": "signals", "district": "north-east", "rung": "live"}
    answer = room.client("operator").post("/api/v1/ladder", json=body)
    assert (answer.status_code, answer.json()["error"]["code"]) == (403, "role")
    assert room.client("engineer").post("/api/v1/ladder", json=body).status_code == 200
    rungs = room.steered[-1].rungs["signals"]
    live = {target for target, rung in rungs.items() if rung == Rung.LIVE}
    assert live == set(next(d for d in room.desk.city.districts if d.id == "north-east").junctions)


def test_all_districts_live_at_once_takes_two_people(room: Any) -> None:
    """Nothing happens until another person seconds it; whoever asked cannot."""
    one, other = room.client("engineer"), room.client("second")
    body = {"domain": "signals", "district": "*", "rung": "live"}
    answer = one.post("/api/v1/ladder", json=body)
    assert answer.status_code == 202
    change = answer.json()["change"]["id"]
    assert room.steered == []
    same = one.post(f"/api/v1/changes/{change}/approve", json={})
    assert (same.status_code, same.json()["error"]["code"]) == (403, "same_person")
    assert other.post(f"/api/v1/changes/{change}/approve", json={}).status_code == 200
    assert set(room.steered[-1].rungs["signals"].values()) == {Rung.LIVE}
    assert other.post(f"/api/v1/changes/{change}/approve", json={}).status_code == 409


def test_minimums_are_only_ever_made_longer_and_by_two(room: Any) -> None:
    """A shorter minimum than the network's is refused; a longer one waits for a second engineer."""
    one = room.client("engineer")
    ask = {"kind": "minimums", "why": "school", "body": {"junction": 0, "stage": 1, "min_green_s": 4.0}}
    assert one.post("/api/v1/changes", json=ask).status_code == 422
    ask["body"] = {"junction": 0, "stage": 1, "min_green_s": 12.0}
    change = one.post("/api/v1/changes", json=ask).json()["change"]["id"]
    operator = room.client("operator").post(f"/api/v1/changes/{change}/approve", json={})
    assert operator.status_code == 403
    assert room.client("second").post(f"/api/v1/changes/{change}/approve", json={}).status_code == 200
    assert room.steered[-1].minimums == ((0, 1, 12.0),)


def test_many_junctions_at_once_take_two_people(room: Any) -> None:
    """Four releases are a bulk change; three are not."""
    client = room.client("engineer")
    release = {"kind": "release", "expires_in_s": 60}
    assert client.post("/api/v1/holds", json={**release, "junctions": [1, 2, 3, 4]}).status_code == 202
    assert client.post("/api/v1/holds", json={**release, "junctions": [5, 6, 7]}).status_code == 201


def test_the_drill_is_bounded_and_recorded(room: Any) -> None:
    """The plug is out for at most two minutes, and the audit log says who pulled it."""
    client = room.client("operator")
    assert client.post("/api/v1/drill", json={"seconds": 121}).status_code == 422
    answer = client.post("/api/v1/drill", json={"seconds": 30})
    assert answer.status_code == 201
    assert room.steered[-1].unplugged_until_ms == answer.json()["until_ms"]
    assert client.post("/api/v1/drill", json={"seconds": 30}).status_code == 409
    entry = next(one for one in room.audit.newest(10) if one.act == "drill.begin" and one.outcome == "done")
    assert (entry.who, entry.detail) == ("operator", {"seconds": 30})


def test_every_act_is_in_the_audit_log_also_when_refused(room: Any) -> None:
    """Done and refused acts are recorded, and the chain is whole."""
    client = room.client("operator")
    client.post("/api/v1/holds", json=hold())
    client.post("/api/v1/holds", json=hold(stage=9))
    outcomes = [one.outcome for one in room.audit.newest(20) if one.act == "holds.place"]
    assert outcomes == ["refused: invalid", "done"]
    found = room.client("admin").get("/api/v1/audit/verify").json()
    assert found["ok"]
    assert found["entries"] == len(room.audit.newest(1000))
