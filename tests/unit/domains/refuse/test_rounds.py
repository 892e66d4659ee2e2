"""A day of collection: read, planned, replayed by the separate checker, planned anew."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from cityloop.domains.refuse.checker import check_plan
from cityloop.domains.refuse.plan_file import plan_from_json, plan_to_json
from cityloop.domains.refuse.routes.case_file import case_from_json
from cityloop.domains.refuse.routes.handover import csv_of, geojson_of, gpx_of
from cityloop.domains.refuse.routes.problem import problem_of
from cityloop.domains.refuse.routes.reasons import reasons_for
from cityloop.domains.refuse.routes.replan import Disruption, replan
from cityloop.domains.refuse.routes.timing import plan_of
from cityloop.domains.refuse.schema import RoundCase, RoundPlan, Visit, VisitKind
from cityloop.kernel.errors import InputError
from cityloop.methods.vrp_search import SearchParams, improve


def day(stops: int = 12, trucks: int = 2, **truck: Any) -> dict[str, Any]:
    """Return a case: stops 1 km apart east of the depot, the tip north of it, 36 km/h everywhere."""
    return {
        "name": "monday",
        "travel": {"metric": "manhattan", "speed_kmh": 36},
        "depots": [{"id": "D", "x_m": 0, "y_m": 0, "open": "06:00", "close": "18:00"}],
        "tips": [{"id": "M", "x_m": 0, "y_m": 2000, "service_min": 10, "open": "07:00", "close": "17:00"}],
        "stops": [
            {"id": f"S{n}", "x_m": 1000 * (n + 1), "y_m": 0, "volume_m3": 2, "mass_kg": 100, "service_min": 5}
            for n in range(stops)
        ],
        "trucks": [
            {
                "id": f"T{n}", "depot": "D", "volume_m3": 10, "payload_kg": 5000, "shift_begin": "07:00",
                "shift_end": "15:00", "breaks": [{"earliest": "09:00", "latest": "11:00", "minutes": 30}],
            } | truck
            for n in range(trucks)
        ],
    }  # fmt: skip


def planned(raw: dict[str, Any], iterations: int = 400) -> tuple[RoundCase, RoundPlan]:
    case = case_from_json(raw, "monday.json")
    problem = problem_of(case)
    params = SearchParams(block=100)
    found = improve(problem, (), lambda done: done / iterations, np.random.default_rng(1), params)
    return case, plan_of(case, problem, found, reasons_for(case, problem, found.left_out))


@pytest.fixture(scope="module")
def monday() -> tuple[RoundCase, RoundPlan]:
    return planned(day())


def test_a_plan_is_legal_and_empties_on_the_way(monday: tuple[RoundCase, RoundPlan]) -> None:
    """Twenty-four cubic metres in loads of ten need three visits to the tip at least, and nothing is left out."""
    case, plan = monday
    assert check_plan(case, plan).faults == ()
    assert plan.left_out == ()
    assert sum(visit.kind is VisitKind.TIP for route in plan.routes for visit in route.visits) >= 3


def test_the_checker_counts_the_same_distance(monday: tuple[RoundCase, RoundPlan]) -> None:
    """Planner and checker share no code and agree to the decimetre a leg."""
    case, plan = monday
    assert check_plan(case, plan).metres == pytest.approx(plan.metres, abs=0.1 * 40)


def test_the_same_seed_gives_the_same_plan() -> None:
    """A budget in iterations makes a plan that is the same everywhere."""
    assert planned(day(), 200)[1] == planned(day(), 200)[1]


def edited(plan: RoundPlan, change: Callable[[list[Visit]], list[Visit]]) -> RoundPlan:
    first, *others = plan.routes
    return replace(plan, routes=(replace(first, visits=tuple(change(list(first.visits)))), *others))


def without(kind: VisitKind) -> Callable[[list[Visit]], list[Visit]]:
    return lambda visits: [visit for visit in visits if visit.kind is not kind]


def early(visits: list[Visit]) -> list[Visit]:
    return [*visits[:2], replace(visits[2], arrive_s=visits[1].leave_s), *visits[3:]]


def rushed(visits: list[Visit]) -> list[Visit]:
    at = next(row for row, visit in enumerate(visits) if visit.kind is VisitKind.STOP)
    return [*visits[:at], replace(visits[at], leave_s=visits[at].arrive_s), *visits[at + 1 :]]


@pytest.mark.parametrize(
    ("change", "rule"),
    [
        (without(VisitKind.TIP), "home empty"),
        (without(VisitKind.TIP), "volume"),
        (without(VisitKind.STOP), "every stop"),
        (without(VisitKind.DEPOT), "depot to depot"),
        (without(VisitKind.BREAK), "break"),
        (early, "driving time"),
        (rushed, "service time"),
    ],
)
def test_the_checker_names_the_rule(change: Callable[[list[Visit]], list[Visit]], rule: str) -> None:
    """Each way of bending a plan is found under its own name."""
    case, plan = planned(day(trucks=1, shift_end="18:00"))
    assert any(visit.kind is VisitKind.BREAK for visit in plan.routes[0].visits)
    assert rule in {fault.rule for fault in check_plan(case, edited(plan, change)).faults}


def test_a_stop_served_twice_is_a_fault(monday: tuple[RoundCase, RoundPlan]) -> None:
    """Every stop once a day."""
    case, plan = monday
    twice = edited(plan, lambda visits: [visit for visit in visits for _ in range(1 + (visit.id == "S3"))])
    assert "once a day" in {fault.rule for fault in check_plan(case, twice).faults}


def test_a_stop_closed_to_a_truck_is_not_in_its_start() -> None:
    """A start that puts a stop on a truck that may not come there does not make it go: the stop is left out."""
    raw = day(4, trucks=1)
    raw["stops"][2]["trucks"] = ["T9"]
    case = case_from_json(raw, "monday.json")
    problem = problem_of(case)
    start = [tuple(range(problem.first_client, problem.n_nodes))]
    found = improve(problem, start, lambda iteration: 1.0, np.random.default_rng(1))
    assert found.left_out == (problem.first_client + 2,)
    assert check_plan(case, plan_of(case, problem, found, reasons_for(case, problem, found.left_out))).legal


@pytest.mark.parametrize(
    ("stop", "told"),
    [
        ({"volume_m3": 11}, "volume: 11.00 m3, the largest truck holds 10.00"),
        ({"mass_kg": 6000}, "payload: 6000 kg"),
        ({"x_m": 200_000}, "window: closes at 12:00, no truck can be there before 12:33"),
        ({"trucks": ["T9"]}, "access: no truck may serve it"),
    ],
)
def test_what_cannot_hold_is_named_and_the_rest_is_served(stop: dict[str, Any], told: str) -> None:
    """One impossible stop is left out with its constraint; all others are served."""
    raw = day(4)
    raw["stops"][3] |= {"close": "12:00"} | stop
    case, plan = planned(raw, 200)
    assert plan.left_out == ("S3",)
    assert any(line.startswith("stop S3") and told in line for line in plan.reasons)
    assert check_plan(case, plan).legal


@pytest.mark.parametrize(
    ("key", "change", "told"),
    [
        ("stops", {"id": "S0"}, "id 'S0' is also that of stops[0]"),
        ("stops", {"open": "12:00", "close": "11:00"}, "closes before it opens"),
        ("stops", {"volume_m3": -1}, "volume_m3: -1, must be 0 or more"),
        ("stops", {"x_m": None}, "x_m: None, must be a number"),
        ("stops", {"volum_m3": 1}, "volum_m3: is no key of stops; volume_m3 is"),
        ("stops", {"x_m": 9e6}, "lies 9,"),
        ("trucks", {"depot": "X"}, "depot: 'X', must be one of D"),
        ("trucks", {"shift_begin": "7"}, "'7', must be a clock value"),
    ],
)
def test_a_wrong_entry_is_named(key: str, change: dict[str, Any], told: str) -> None:
    """A complaint names file, list, row and key, and what would do."""
    raw = day()
    raw[key][1] |= change
    with pytest.raises(InputError, match=r"monday\.json, " + key) as caught:
        case_from_json(raw, "monday.json")
    assert told in str(caught.value)


def test_a_container_without_a_site_is_named() -> None:
    """Neither degrees nor metres: the message says what to give."""
    raw = day()
    del raw["stops"][2]["x_m"]
    with pytest.raises(InputError, match="has no site; give lat and lon, or x_m and y_m"):
        case_from_json(raw, "monday.json")


def test_a_breakdown_moves_nobody_else(monday: tuple[RoundCase, RoundPlan]) -> None:
    """The other truck takes over what is open, keeps what is its own, and the new plan is legal."""
    case, plan = planned(day(12, 3, volume_m3=8, shift_end="18:00", daily_volume_m3=20))
    broken = plan.routes[0].truck
    event = Disruption(now_s=8 * 3600, broken=(broken,))
    result = replan(case, plan, event, lambda done: done / 200, np.random.default_rng(1))
    assert check_plan(result.case, result.plan).faults == ()
    assert broken not in {route.truck for route in result.plan.routes}
    assert len(result.moved) <= 0.05 * result.other_stops
    done = {v.id for r in plan.routes for v in r.visits if v.kind is VisitKind.STOP and v.leave_s <= event.now_s}
    assert done.isdisjoint(result.case.stop_ids)


def test_a_blocked_stop_stays_open_and_a_closed_tip_is_not_used(monday: tuple[RoundCase, RoundPlan]) -> None:
    """The plan says why a stop is left out and drives to the other tip."""
    raw = day()
    raw["tips"].append(dict(raw["tips"][0], id="N", y_m=3000))
    case, plan = planned(raw)
    last = next(v.id for v in reversed(plan.routes[0].visits) if v.kind is VisitKind.STOP)
    event = Disruption(now_s=7.2 * 3600, closed_tips=("M",), blocked=(last,))
    result = replan(case, plan, event, lambda done: done / 200, np.random.default_rng(1))
    assert check_plan(result.case, result.plan).faults == ()
    assert {v.id for r in result.plan.routes for v in r.visits if v.kind is VisitKind.TIP} == {"N"}
    assert last in result.plan.left_out
    assert any("blocked" in line for line in result.plan.reasons)


def test_a_plan_survives_its_file(monday: tuple[RoundCase, RoundPlan]) -> None:
    """What is written is what is read, and is legal again."""
    case, plan = monday
    again = plan_from_json(json.loads(json.dumps(plan_to_json(case, plan))), "plan.json")
    assert check_plan(case, again).legal
    assert [route.truck for route in again.routes] == [route.truck for route in plan.routes]


def test_a_broken_plan_file_is_named() -> None:
    """A visit of no known kind is named with its place in the file."""
    raw = {"routes": [{"vehicle": "T0", "visits": [{"kind": "pub", "id": 1, "arrive_s": 0, "leave_s": 0}]}]}
    with pytest.raises(InputError, match=r"plan\.json, routes\[0\]\.visits\[0\]\.kind: 'pub'"):
        plan_from_json(raw, "plan.json")


def test_run_sheets_hold_every_visit(monday: tuple[RoundCase, RoundPlan]) -> None:
    """One line a visit in the sheet, one point a place in GeoJSON; degrees come back as they were given."""
    case, plan = monday
    lines = csv_of(plan).splitlines()
    visits = [visit for route in plan.routes for visit in route.visits]
    assert len(lines) == 1 + len(visits)
    points = [f for f in geojson_of(case, plan)["features"] if f["geometry"]["type"] == "Point"]
    assert len(points) == sum(visit.kind is not VisitKind.BREAK for visit in visits)
    raw = day(2, 1)
    for row in (*raw["depots"], *raw["tips"], *raw["stops"]):
        row |= {"lat": 52.4 + row.pop("y_m") / 1e5, "lon": 13.5 + row.pop("x_m") / 1e5}
    degrees, small = planned(raw, 100)
    assert 'lat="52.400000" lon="13.510000"' in gpx_of(degrees, small)
