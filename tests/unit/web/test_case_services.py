"""Case files of the services: why that ambulance, and why a bin was missed, without a place of a call."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec
import numpy as np
import pytest

from cityloop.domains.emergency.schema import Send
from cityloop.domains.refuse.schema import DriveRoute, EmptyToday
from cityloop.kernel.journal import decision_bytes
from cityloop.kernel.messages import Action, Allowed, Alternative, Decision, Proposal
from cityloop.storage.trace_log import TraceReader, TraceWriter
from cityloop.wire.live import Tick

_AT_MS = 1_767_232_800_000
_SECONDS = 600
_WAY = (17, 18, 19)


def _decision(domain: str, action: Action, target: int, reason: int, *others: Alternative) -> bytes:
    proposal = Proposal(target=target, action=action, reason=reason, cost=200.0, gain=0.0, alternatives=others)
    return decision_bytes(
        Decision(
            decided_at_ms=_AT_MS, domain=domain, policy="brain", proposal=proposal, verdict=Allowed(action),
            sequence=1, not_after_ms=_AT_MS + 60_000,
        )
    )  # fmt: skip


def _arrays(second: int) -> dict[str, bytes]:
    arrays = {
        "unit_status": bytes([3 if second < 250 else 4, 0]),
        "unit_call_i32": np.array([12, -1], np.int32).tobytes(),
        "unit_site_i32": np.array([-1, 0], np.int32).tobytes(),
        "truck_status": bytes([1 if second < 300 else 4]),
        "round_i32": np.array([1], np.int32).tobytes(),
    }
    if second == 120:
        arrays["found_f32"] = np.array([np.nan, 0.7, np.nan], np.float32).tobytes()
    return arrays


@pytest.fixture
def ask(room: Any) -> Callable[..., Any]:
    """Ask as a viewer, over ten recorded minutes in which an ambulance was sent and a truck broke down."""
    decisions = [
        _decision("emergency", Send(12, _WAY), 0, 1, Alternative(1, 240.0)),
        _decision("refuse", EmptyToday(20_000), 1, 1),
        _decision("refuse", EmptyToday(20_000), 2, 1),
        _decision("refuse", DriveRoute(1, 1, (0, 1, 2)), 0, 6),
    ]
    forecasts = [(0, 200.0, 500.0, 3.0), (1, 0.8, 500.0, 3.0), (2, 0.8, 500.0, 3.0), (3, 450.0, 500.0, 3.0)]
    writer = TraceWriter(room.folder / "trace", keep_ms=10**12)
    for second in range(_SECONDS):
        at_ms = _AT_MS + second * 1000
        told = {"decisions": decisions, "forecasts": forecasts} if second == 0 else {}
        tick = Tick(at_ms=at_ms, wall_ms=at_ms, sim_s=0.0, number=second, arrays=_arrays(second), **told)
        writer.append(at_ms, msgspec.msgpack.encode(tick))
    writer.close()
    room.desk.trace = TraceReader(room.folder / "trace")
    viewer = room.client("viewer")

    def asked(**query: Any) -> Any:
        query = {"at_ms": _AT_MS + 10_000, "before_s": 60, "after_s": 580, **query}
        return viewer.get("/api/v1/case-file", params=query)

    return asked


def test_that_ambulance_is_told_with_who_else_could_have_gone(ask: Callable[..., Any], room: Any) -> None:
    """Reason, expected and observed arrival, the next best; when it was where it said; and that somebody read it."""
    case = ask(kind="unit", call=12).json()
    said = " ".join(case["plain"])
    assert "Ambulance 1: Send" in said
    assert "Expected 200 s, observed 250 s." in said
    assert "Ambulance 2 (240 s)" in said
    (unit,) = case["units"]
    assert [what for _, what in unit["status"]] == ["on its way to a call", "on scene"]
    assert "emergency.read" in [one.act for one in room.audit.newest(5, None)]


def test_no_way_and_no_place_of_a_call_leaves_in_it(ask: Callable[..., Any]) -> None:
    """What was driven along is kept back, and the file says so."""
    answer = ask(kind="unit")
    assert "route" not in answer.text
    assert str(list(_WAY)) not in answer.text
    assert "places of calls" in answer.json()["redacted"]


def test_a_call_to_which_nobody_was_sent_is_told_as_that(ask: Callable[..., Any]) -> None:
    """Another number: no decision of another call is shown in its place."""
    case = ask(kind="unit", call=99).json()
    assert case["plain"][0] == "Nobody was sent to call 99 by a decision in this span."
    assert case["decisions"] == []


def test_a_bin_that_was_emptied_is_told_with_its_fill(ask: Callable[..., Any]) -> None:
    """Asked for, on a truck's way, emptied at 120 s and found 70 % full."""
    case = ask(kind="bin", container=1).json()
    assert [(one["at_ms"], one["fill"]) for one in case["emptied"]] == [(_AT_MS + 120_000, 0.7)]
    assert "found 70% full" in case["plain"][0]


def test_a_bin_that_was_missed_is_told_with_the_reason(ask: Callable[..., Any]) -> None:
    """Its truck broke down before it: that is said, and what was asked for and expected."""
    said = " ".join(ask(kind="bin", container=2).json()["plain"])
    assert "was not emptied in this span" in said
    assert "To be emptied that day" in said
    assert "which had it on its way, broke down" in said


def test_it_is_a_page_without_a_script(ask: Callable[..., Any]) -> None:
    """For whoever asked: units with times, decisions with figures in their own units."""
    page = ask(kind="unit", format="html").text
    assert "<script" not in page
    assert "on scene" in page
    assert "250.0 s" in page


@pytest.mark.parametrize(
    ("query", "said"),
    [
        ({"kind": "weather"}, "is not one of wait, unit, bin"),
        ({"kind": "bin"}, "name the row of one"),
        ({"kind": "bin", "container": 10**7}, "container"),
        ({"kind": "unit", "after_s": 90_000}, "after_s"),
    ],
)
def test_a_question_that_makes_no_sense_is_refused(ask: Callable[..., Any], query: dict[str, Any], said: str) -> None:
    """Named by its key."""
    answer = ask(**query)
    assert answer.status_code == 422
    assert said in answer.json()["error"]["message"]
