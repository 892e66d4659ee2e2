"""Split bodies: each stream has its own room, and a full one sends the truck to the tip."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from cityloop.domains.refuse.checker import check_plan
from cityloop.domains.refuse.routes.case_file import case_from_json
from cityloop.domains.refuse.routes.problem import problem_of
from cityloop.domains.refuse.routes.reasons import reasons_for
from cityloop.domains.refuse.routes.replan import Disruption, rest_of_day
from cityloop.domains.refuse.routes.timing import plan_of
from cityloop.domains.refuse.schema import RoundCase, RoundPlan, Route, Visit, VisitKind
from cityloop.kernel.errors import InputError
from cityloop.methods.vrp_search import SearchParams, improve


def two_streams(paper_m3: float = 4.0, **glass: Any) -> dict[str, Any]:
    """Return three calls of 2 m3 of paper and one of 1 m3 of glass, and a truck with a body for each."""
    stops = [
        {"id": f"P{n}", "x_m": 1000 * (n + 1), "y_m": 0, "volume_m3": 2, "stream": "paper", "service_min": 1}
        for n in range(3)
    ]
    return {
        "travel": {"speed_kmh": 36},
        "depots": [{"id": "D", "x_m": 0, "y_m": 0}],
        "tips": [{"id": "M", "x_m": 0, "y_m": 0, "service_min": 5}],
        "stops": [*stops, {"id": "G", "x_m": 500, "y_m": 0, "volume_m3": 1, "stream": "glass"} | glass],
        "trucks": [
            {
                "id": "T", "shift_begin": "07:00", "shift_end": "15:00",
                "bodies": [{"streams": ["paper"], "volume_m3": paper_m3}, {"streams": ["glass"], "volume_m3": 2}],
            },
        ],
    }  # fmt: skip


def planned(raw: dict[str, Any]) -> tuple[RoundCase, RoundPlan]:
    case = case_from_json(raw, "case.json")
    problem = problem_of(case)
    found = improve(problem, (), lambda done: done / 200, np.random.default_rng(1), SearchParams(block=100))
    return case, plan_of(case, problem, found, reasons_for(case, problem, found.left_out))


def test_a_full_body_sends_the_truck_to_the_tip() -> None:
    """Six cubic metres of paper go into a body of four in two loads, though the truck as a whole would hold them."""
    case, plan = planned(two_streams())
    assert check_plan(case, plan).faults == ()
    assert plan.left_out == ()
    assert sum(visit.kind is VisitKind.TIP for route in plan.routes for visit in route.visits) == 2
    case, plan = planned(two_streams(paper_m3=6.0))
    assert sum(visit.kind is VisitKind.TIP for route in plan.routes for visit in route.visits) == 1


def test_the_checker_watches_each_body() -> None:
    """A plan that tips once is refused by a case whose paper body holds four."""
    _, plan = planned(two_streams(paper_m3=6.0))
    raw = two_streams()
    raw["trucks"][0]["volume_m3"] = 8
    faults = check_plan(case_from_json(raw, "case.json"), plan).faults
    assert [fault.rule for fault in faults] == ["body"]
    assert "6.00 m3 in its body, 4.00 at most" in str(faults[0])


def test_what_no_body_holds_is_left_out_with_its_reason() -> None:
    """Three cubic metres of glass do not go into a body of two."""
    _, plan = planned(two_streams(volume_m3=3))
    assert plan.left_out == ("G",)
    assert "stop G, body: 3.00 m3, the largest body for its stream holds 2.00" in plan.reasons[0]


def test_a_new_plan_knows_what_each_body_holds() -> None:
    """One call of paper is done and the truck drives to the next: its body holds four cubic metres, the other none."""
    case = case_from_json(two_streams(), "case.json")
    at = 7 * 3600.0
    visits = (
        Visit(VisitKind.DEPOT, "D", at, at), Visit(VisitKind.STOP, "P0", at + 100, at + 160),
        Visit(VisitKind.STOP, "P1", at + 260, at + 320), Visit(VisitKind.TIP, "M", at + 520, at + 820),
        Visit(VisitKind.DEPOT, "D", at + 820, at + 820),
    )  # fmt: skip
    plan = RoundPlan("case", (Route("T", visits),), ("P2", "G"))
    assert check_plan(case, plan).faults == ()
    rest, _, _ = rest_of_day(case, plan, Disruption(now_s=at + 200))
    assert rest.stop_ids == ("P2", "G")
    assert rest.bodies is not None
    assert rest.bodies.loaded_m3.tolist() == [[0.0, 4.0]]
    assert rest.bodies.of_stop.tolist() == [1, 0]


@pytest.mark.parametrize(
    ("bodies", "told"),
    [
        ([{"volume_m3": 4}], r"bodies\[0\]\.streams: name what goes in"),
        (
            [{"streams": ["paper"], "volume_m3": 4}, {"streams": ["paper"], "volume_m3": 2}],
            "every stream into one body",
        ),
        ("two", r"bodies: 'two', must be a list"),
    ],
)
def test_a_wrong_body_is_named(bodies: object, told: str) -> None:
    """A body without a stream, and a stream with two bodies, are refused."""
    raw = two_streams()
    raw["trucks"][0]["bodies"] = bodies
    with pytest.raises(InputError, match=told):
        case_from_json(raw, "case.json")


def test_trucks_part_streams_alike() -> None:
    """One truck with paper and glass in one body beside one that parts them is refused, with what would do."""
    raw = two_streams()
    raw["trucks"].append({"id": "U", "bodies": [{"streams": ["paper", "glass"], "volume_m3": 9}]})
    with pytest.raises(InputError, match="otherwise than another truck; use the same parts"):
        case_from_json(raw, "case.json")
