"""Cases on a road graph: one-way streets, the side a container stands on, and places that no road leads to."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from cityloop.domains.refuse.checker import check_plan
from cityloop.domains.refuse.routes.case_file import case_from_json
from cityloop.domains.refuse.routes.problem import problem_of
from cityloop.domains.refuse.routes.reasons import reasons_for
from cityloop.domains.refuse.schema import RoundPlan, Route, Visit, VisitKind
from cityloop.kernel.errors import InputError


def block() -> dict[str, Any]:
    """Return a case on a block of 1 km by 1 km: A and B in the south, C and D in the north; 36 km/h."""
    corners = {"A": (0, 0), "B": (1000, 0), "C": (1000, 1000), "D": (0, 1000)}
    return {
        "travel": {
            "speed_kmh": 36,
            "graph": {
                "nodes": [{"id": name, "x_m": x, "y_m": y} for name, (x, y) in corners.items()],
                "edges": [
                    {"from": "A", "to": "B"}, {"from": "B", "to": "C"}, {"from": "C", "to": "D"},
                    {"from": "D", "to": "A"},
                ],
            },
        },
        "depots": [{"id": "yard", "x_m": 0, "y_m": 0}],
        "tips": [{"id": "tip", "x_m": 1000, "y_m": 1000, "service_min": 0}],
        "stops": [
            {"id": "S", "x_m": 400, "y_m": -5, "volume_m3": 1}, {"id": "N", "x_m": 400, "y_m": 1005, "volume_m3": 1},
        ],
        "trucks": [{"id": "T", "volume_m3": 10}],
    }  # fmt: skip


def ways(raw: dict[str, Any]) -> np.ndarray:
    metres = case_from_json(raw, "case.json").travel.metres
    assert metres is not None
    return metres


def test_ways_lead_along_the_streets() -> None:
    """From the yard 400 m along the southern street; to the northern stop 1 km up and 400 m along."""
    table = ways(block())
    assert table[0, 2] == pytest.approx(400)
    assert table[0, 3] == pytest.approx(1400)
    assert table[2, 3] == pytest.approx(1800)
    assert table[0, 1] == pytest.approx(2000)


def test_a_one_way_street_is_not_driven_back_along() -> None:
    """With every street one way round, the way back to the yard is the rest of the ring."""
    raw = block()
    for edge in raw["travel"]["graph"]["edges"]:
        edge["one_way"] = True
    table = ways(raw)
    assert table[0, 2] == pytest.approx(400)
    assert table[2, 0] == pytest.approx(3600)


def test_a_container_is_served_from_its_own_kerb() -> None:
    """Who keeps right passes the southern kerb eastwards only: from the east the truck comes back from the corner."""
    raw = block()
    raw["stops"][0]["kerb"] = True
    table = ways(raw)
    assert table[0, 2] == pytest.approx(400)
    assert table[1, 2] == pytest.approx(2400)
    assert table[2, 0] == pytest.approx(1600)
    raw["travel"]["side"] = "left"
    assert ways(raw)[0, 2] == pytest.approx(1600)


def test_the_faster_of_two_ways_is_taken_with_its_own_length() -> None:
    """A way round that is longer and faster counts its own metres and seconds."""
    raw = block()
    raw["travel"]["graph"]["edges"][0]["speed_kmh"] = 3.6
    case = case_from_json(raw, "case.json")
    assert case.travel.metres is not None
    assert case.travel.seconds is not None
    assert case.travel.metres[0, 1] == pytest.approx(2000)
    assert case.travel.seconds[0, 1] == pytest.approx(200)
    raw["tips"][0] |= {"y_m": 0}
    case = case_from_json(raw, "case.json")
    assert case.travel.metres is not None
    assert case.travel.metres[0, 1] == pytest.approx(3000)


@pytest.mark.parametrize(
    ("key", "change", "told"),
    [
        ("tips", {"y_m": 5200}, r"tips\[0\] \(tip\): lies 4,200 m from the nearest road"),
        ("stops", {"kerb": "yes"}, r"stops\[0\] \(S\)\.kerb: 'yes', must be true or false"),
    ],
)
def test_what_lies_outside_the_graph_is_named(key: str, change: dict[str, Any], told: str) -> None:
    """The message says how far away the place is and what would do."""
    raw = block()
    raw[key][0] |= change
    with pytest.raises(InputError, match=told):
        case_from_json(raw, "case.json")


def test_a_place_without_a_way_back_is_named() -> None:
    """A one-way street that ends nowhere is no place for a truck."""
    raw = block()
    graph = raw["travel"]["graph"]
    graph["nodes"].append({"id": "E", "x_m": 3000, "y_m": 0})
    graph["edges"].append({"from": "B", "to": "E", "one_way": True})
    raw["stops"][0] |= {"x_m": 2500}
    with pytest.raises(InputError, match=r"no way on .* leads from it to the first depot"):
        case_from_json(raw, "case.json")


def test_wrong_rows_are_set_aside_and_the_rest_is_planned() -> None:
    """A tip off the graph, a stop twice and a window the wrong way round: three lines, and a case of what is left."""
    raw = block()
    raw["tips"].append({"id": "far", "x_m": 50_000, "y_m": 0})
    raw["stops"] += [
        dict(raw["stops"][0]),
        {"id": "W", "x_m": 0, "y_m": 500, "volume_m3": 1, "open": "12:00", "close": "08:00"},
    ]
    told: list[str] = []
    case = case_from_json(raw, "case.json", told)
    assert case.stop_ids == ("S", "N")
    assert case.tip_ids == ("tip",)
    assert [line.split(":")[0] for line in told] == [
        "case.json, stops[2] (S)",
        "case.json, tips[1] (far)",
        "case.json, stops[3] (W)",
    ]


def test_without_a_single_good_tip_there_is_no_plan() -> None:
    """Trucks that are to come home empty cannot where the only tip is wrong: that is said, with the reason."""
    raw = block()
    raw["tips"][0] |= {"open": "12:00", "close": "08:00"}
    with pytest.raises(InputError, match=r"tips is empty; a day needs at least one \(.*closes before it opens"):
        case_from_json(raw, "case.json", [])


def long_day(**truck: Any) -> dict[str, Any]:
    """Return a day of a truck whose one stop lies 180 km away: five hours there at 36 km/h."""
    return {
        "travel": {"speed_kmh": 36},
        "depots": [{"id": "yard", "x_m": 0, "y_m": 0}],
        "tips": [{"id": "tip", "x_m": 0, "y_m": 0, "service_min": 0}],
        "stops": [{"id": "S", "x_m": 180_000, "y_m": 0, "volume_m3": 1, "service_min": 0}],
        "trucks": [{"id": "T", "volume_m3": 10, "shift_begin": "06:00", "shift_end": "18:00", "hours": "eu"} | truck],
    }


def test_european_hours_become_breaks() -> None:
    """A shift of twelve hours has two breaks of 45 minutes, the first by 10:30, the second four and a half hours on."""
    breaks = case_from_json(long_day(), "case.json").breaks
    assert breaks.latest_s.tolist() == [10.5 * 3600, 14.75 * 3600]
    assert breaks.length_s.tolist() == [2700, 2700]
    with pytest.raises(InputError, match="has breaks and hours; drop one"):
        case_from_json(long_day(breaks=[{"earliest": "10:00", "latest": "11:00", "minutes": 45}]), "case.json")
    with pytest.raises(InputError, match=r"asks for more than 2 breaks; end it within 13\.0 h"):
        case_from_json(long_day(shift_end="23:00"), "case.json")


def test_the_checker_counts_what_is_driven() -> None:
    """Five hours without a break and ten a day are both too much, whatever the windows say."""
    case = case_from_json(long_day(), "case.json")
    at = 6 * 3600.0
    visits = (
        Visit(VisitKind.DEPOT, "yard", at, at), Visit(VisitKind.STOP, "S", at + 18_000, at + 18_000),
        Visit(VisitKind.TIP, "tip", at + 36_000, at + 36_000), Visit(VisitKind.DEPOT, "yard", at + 36_000, at + 36_000),
    )  # fmt: skip
    told = [fault.told for fault in check_plan(case, RoundPlan("case", (Route("T", visits),))).faults]
    assert any("05:00:00 h driven without a break, must be 04:30:00 or less" in line for line in told)
    assert any("10:00:00 h driven, must be 09:00:00 or less" in line for line in told)


def test_a_day_that_no_fleet_could_do_is_told_as_a_whole() -> None:
    """Ten hours of service in a shift of four, ten stops of a truck that may serve six: both, and what is short."""
    raw = block()
    raw["stops"] = [
        {"id": f"S{n}", "x_m": 10 * n, "y_m": 0, "volume_m3": 1, "service_min": 60} for n in range(10)
    ]  # fmt: skip
    raw["trucks"][0] |= {"shift_begin": "08:00", "shift_end": "12:00", "stops_most": 6}
    case = case_from_json(raw, "case.json")
    problem = problem_of(case)
    lines = reasons_for(case, problem, [problem.first_client])
    assert "stops a day: 10 must be served, all trucks may serve 6; add a truck." in lines
    assert any(line.startswith("shifts: stops and tips alone take 10.0 h, all shifts have 4.0 h") for line in lines)
