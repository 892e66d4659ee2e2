"""The edge to computer-aided dispatch: calls in three forms, what became of them, and who could go."""

from __future__ import annotations

import dataclasses
import json
from typing import Any

import msgspec
import numpy as np
import pytest

from cityloop.methods.utm import MapFrame
from cityloop.storage.call_intake import FIRST_NUMBER, CallIntake
from cityloop.storage.office import OfficeDatabase
from cityloop.wire.calls import CallReport, Place
from cityloop.wire.eido import decode_eido, encode_eido

NOW_MS = 1_767_225_600_000

CALLS, WHO = "/api/v1/cad/calls", "/api/v1/cad/recommendations"
PLAIN = {"incident": "tel-1", "priority": 1, "determinant": "chest pain", "place": {"x_m": 500.0, "y_m": 700.0}}
ALERT = """<alert xmlns="urn:oasis:names:tc:emergency:cap:1.2"><identifier>alarm.7</identifier>
<sender>a@example.org</sender><sent>2026-01-01T00:00:00+00:00</sent><status>{status}</status><msgType>Alert</msgType><scope>Private</scope><info>
<category>Health</category><event>Fall</event><urgency>Immediate</urgency><severity>Severe</severity>
<certainty>Observed</certainty><area><areaDesc>Here</areaDesc><circle>52.432,13.53 0</circle></area></info></alert>"""


def columns(**values: list[Any]) -> dict[str, Any]:
    """Return a published table as it is packed."""
    return {name: {"unit": "1", "values": held} for name, held in values.items()}


@pytest.fixture
def desk(room: Any) -> Any:
    """A room of a city with two units that knows where its map lies, and a place to keep calls."""
    layout = dataclasses.replace(
        room.desk.city.layout,
        names={**room.desk.city.layout.names, "units": ("A 1", "A 2"), "determinants": ("chest pain", "fall", "cut")},
    )
    frame = MapFrame(33, False, -398_790.46, -5_809_246.45)
    room.desk.city = dataclasses.replace(room.desk.city, layout=layout, frame=frame)
    room.desk.calls = CallIntake(OfficeDatabase(room.folder / "calls"))
    return room


def published(number: int) -> bytes:
    """Return what the emergency service publishes with one call on its list, and who could go."""
    return msgspec.msgpack.encode(
        {
            "calls": columns(
                number=[number], priority=[1], status=[2], unit=[1], eta_ms=[NOW_MS + 300_000], fault=[0]
            ),
            "ranked": columns(
                call=[number, number], unit=[1, 0], eta_s=[200.0, 260.0], low_s=[150.0, None], high_s=[290.0, None],
                uncovered_s=[4.0, 9.0],
            ),
        }
    )  # fmt: skip


def test_a_call_that_a_person_types_is_as_good_as_a_systems(desk: Any) -> None:
    """The same call by telephone and by EIDO: both are on disk, numbered, and told to the dispatch centre alike."""
    client = desk.client("operator")
    typed = client.post(CALLS, json=PLAIN)
    assert typed.status_code == 201, typed.text
    report = CallReport(incident="urn:a:2", sender="psap", priority=1, determinant="chest pain",
                        place=Place(lat_deg=52.432, lon_deg=13.53))  # fmt: skip
    sent = client.post(CALLS, content=encode_eido(report, issuer="psap", now_ms=NOW_MS))
    assert sent.status_code == 201, sent.text
    assert [typed.json()["number"], sent.json()["number"]] == [FIRST_NUMBER, FIRST_NUMBER + 1]
    told = desk.steered[-1].calls
    assert [one.number for one in told] == [FIRST_NUMBER, FIRST_NUMBER + 1]
    assert {(one.priority, one.determinant, one.over) for one in told} == {(1, 0, False)}
    assert told[1].x_m == pytest.approx(1270.3, abs=0.5)
    assert typed.json()["faults"] == sent.json()["faults"] == []


def test_a_later_message_changes_the_call_and_leaves_the_rest(desk: Any) -> None:
    """Priority and state follow; the place that it does not name stands."""
    client = desk.client("operator")
    client.post(CALLS, json=PLAIN)
    again = client.post(CALLS, json={"incident": "tel-1", "priority": 2})
    assert again.status_code == 200
    assert (again.json()["number"], again.json()["priority"]) == (FIRST_NUMBER, 2)
    assert desk.steered[-1].calls[0].x_m == 500.0
    client.post(CALLS, json={"incident": "tel-1", "state": "cancelled"})
    assert desk.steered[-1].calls[0].over


def test_an_alert_without_a_priority_waits_for_a_person(desk: Any) -> None:
    """It is kept, placed and listed, and says what is missing; its urgency is no triage."""
    client = desk.client("operator")
    answer = client.post(CALLS, content=ALERT.format(status="Actual").encode()).json()
    assert [one["code"] for one in answer["faults"]] == ["NO_PRIORITY"]
    assert answer["owner"] == "operator"
    assert desk.steered[-1].calls[0].priority == 0


def test_a_drill_is_answered_and_not_kept(desk: Any) -> None:
    """Nobody is sent to an exercise."""
    client = desk.client("operator")
    answer = client.post(CALLS, content=ALERT.format(status="Exercise").encode())
    assert (answer.status_code, answer.json()["taken"]) == (200, False)
    assert client.get(CALLS).json()["calls"] == []


@pytest.mark.parametrize(
    ("report", "code"),
    [
        ({"incident": "a", "priority": 1}, "NO_PLACE"),
        ({"incident": "a", "priority": 9, "place": {"x_m": 1.0, "y_m": 1.0}}, "NO_PRIORITY"),
        ({"incident": "a", "priority": 1, "place": {"lat_deg": 1.0, "lon_deg": -100.0}}, "NO_PLACE"),
    ],
)
def test_what_a_person_has_to_see_to_is_said(desk: Any, report: dict[str, Any], code: str) -> None:
    """The call is kept all the same."""
    answer = desk.client("operator").post(CALLS, json=report)
    assert answer.status_code == 201
    assert [one["code"] for one in answer.json()["faults"]] == [code]


@pytest.mark.parametrize("body", [b"", b"{", b"<a/>", b'{"incident": ""}', b'{"$id": 7}', b"\xff\xfe"])
def test_a_bad_message_is_refused_in_one_line(desk: Any, body: bytes) -> None:
    """Nothing of it is kept."""
    client = desk.client("operator")
    answer = client.post(CALLS, content=body)
    assert answer.status_code == 422
    assert "\n" not in answer.json()["error"]["message"]
    assert client.get(CALLS).json()["calls"] == []


def test_a_call_shows_what_became_of_it_and_goes_out_as_eido(desk: Any) -> None:
    """With its unit as its owner."""
    client = desk.client("operator")
    client.post(CALLS, json=PLAIN)
    desk.desk.board.views["emergency"] = published(FIRST_NUMBER)
    item = client.get(f"{CALLS}/{FIRST_NUMBER}").json()
    assert (item["owner"], item["listed"]["status"]) == ("A 2", 2)
    sent = client.get(f"{CALLS}/{FIRST_NUMBER}", params={"form": "eido"})
    assert decode_eido(sent.content).incident == "tel-1"
    assert json.loads(sent.content)["emergencyResourceComponent"][0]["emergencyResourceName"] == "A 2"
    assert client.get(f"{CALLS}/7").status_code == 404


def test_who_could_go_is_told_with_bands_and_what_it_leaves(desk: Any) -> None:
    """By the sender's own name of the call, the soonest first."""
    client = desk.client("operator")
    client.post(CALLS, json=PLAIN)
    desk.desk.board.views["emergency"] = published(FIRST_NUMBER)
    (call,) = client.get(WHO).json()["calls"]
    assert (call["incident"], call["assigned"]) == ("tel-1", "A 2")
    assert [unit["unit"] for unit in call["units"]] == ["A 2", "A 1"]
    assert call["units"][0]["band_s"] == [150.0, 290.0]
    assert np.isclose(call["units"][1]["leaves_uncovered_s"], 9.0)


def test_the_audit_log_says_that_a_call_came_and_not_where(desk: Any) -> None:
    """Place and priority are health data; the log is kept for good."""
    desk.client("operator").post(CALLS, json=PLAIN)
    entry = next(one for one in desk.audit.newest(5) if one.act == "cad.take")
    assert (entry.target, dict(entry.detail)) == ("tel-1", {"state": "open"})


def test_a_viewer_takes_no_calls_and_a_city_without_a_desk_has_none(room: Any) -> None:
    """By role, and by what the city has."""
    assert room.client("viewer").post(CALLS, json=PLAIN).status_code == 403
    assert room.client("operator").post(CALLS, json=PLAIN).status_code == 404


def test_old_calls_are_taken_away(tmp_path: Any) -> None:
    """After the retention, with the next call."""
    intake = CallIntake(OfficeDatabase(tmp_path), keep_days=1.0)
    intake.keep(CallReport(incident="a"), "operator", NOW_MS)
    intake.keep(CallReport(incident="b"), "operator", NOW_MS + 2 * 86_400_000)
    assert [one.report.incident for one in intake.listed()] == ["b"]
