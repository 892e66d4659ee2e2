"""What crews keyed in: where trucks stand after it, what is open again, and what is proved."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from cityloop.domains.refuse.checker import check_plan
from cityloop.domains.refuse.routes.case_file import case_from_json
from cityloop.domains.refuse.routes.day_log import proof_csv, read_log, served_counts
from cityloop.domains.refuse.routes.replan import Disruption, Replanned, replan, rest_of_day
from cityloop.domains.refuse.schema import RoundCase, RoundPlan, Route, Visit, VisitKind
from cityloop.kernel.errors import InputError
from cityloop.studies.refuse_plan import with_log


def street(trucks: int = 1) -> RoundCase:
    """Return a case: six stops 1 km apart east of yard and tip, a second tip at their end; 36 km/h."""
    return case_from_json(
        {
            "travel": {"metric": "manhattan", "speed_kmh": 36},
            "depots": [{"id": "yard", "x_m": 0, "y_m": 0}],
            "tips": [{"id": tip, "x_m": x, "y_m": 0, "service_min": 10} for tip, x in (("near", 0), ("far", 7000))],
            "stops": [
                {"id": f"S{n}", "x_m": 1000 * (n + 1), "y_m": 0, "volume_m3": 2, "mass_kg": 100, "service_min": 1}
                for n in range(6)
            ],
            "trucks": [
                {"id": f"T{n}", "volume_m3": 20, "shift_begin": "08:00", "shift_end": "12:00"} for n in range(trucks)
            ],
        },
        "case.json",
    )


def driven(case: RoundCase) -> RoundPlan:
    """Return the plan of truck T0: from the west to the east, 160 s a stop, then the far tip and home."""
    at = 8 * 3600.0
    visits = (
        Visit(VisitKind.DEPOT, "yard", at, at),
        *(Visit(VisitKind.STOP, f"S{n}", at + 100 + 160 * n, at + 160 * (n + 1)) for n in range(6)),
        Visit(VisitKind.TIP, "far", at + 1060, at + 1660),
        Visit(VisitKind.DEPOT, "yard", at + 2360, at + 2360),
    )
    plan = RoundPlan("case", (Route("T0", visits),))
    assert check_plan(case, plan).faults == ()
    return plan


def log(case: RoundCase, *entries: dict[str, Any]) -> list[Any]:
    return read_log([{"truck": "T0", "code": "served"} | entry for entry in entries], case, "day.log")


def again(case: RoundCase, event: Disruption) -> Replanned:
    result = replan(case, driven(case), event, lambda done: done / 200, np.random.default_rng(1))
    assert check_plan(result.case, result.plan).faults == ()
    return result


def served(result: Replanned) -> set[str]:
    return {v.id for route in result.plan.routes for v in route.visits if v.kind is VisitKind.STOP}


def test_a_truck_stands_where_its_crew_keyed_in_last() -> None:
    """A crew that is behind its plan has more open than the clock would have it, and weighs what its scale says."""
    case = street()
    heard = log(case, {"at": "08:05", "stop": "S0", "kg": 250}, {"at": "08:30", "stop": "S1", "code": "not_out"})
    rest, orders, _ = rest_of_day(case, driven(case), with_log(Disruption(now_s=8.5 * 3600), heard))
    assert set(rest.stop_ids) == {"S2", "S3", "S4", "S5"}
    assert orders[0][:4] == ["S2", "S3", "S4", "S5"]
    assert rest.trucks.loaded_kg.tolist() == [250]
    assert float(rest.travel.metres[-1, 0]) == 2000 if rest.travel.metres is not None else False


def test_what_a_crew_could_not_take_stays_out_with_its_reason() -> None:
    """A closed way and wrong waste are left for another day; what is too heavy for one truck another one takes."""
    case = street(2)
    heard = log(
        case,
        {"at": "08:05", "stop": "S0", "code": "blocked"},
        {"at": "08:08", "stop": "S1", "code": "contaminated"},
        {"at": "08:10", "stop": "S2", "code": "overloaded"},
    )
    result = again(case, with_log(Disruption(now_s=8.2 * 3600), heard))
    assert {"S0", "S1"} <= set(result.plan.left_out)
    assert any("S0, blocked" in line for line in result.plan.reasons)
    assert any("S1, contaminated" in line for line in result.plan.reasons)
    assert {route.truck for route in result.plan.routes for v in route.visits if v.id == "S2"} == {"T1"}


def test_a_missed_and_an_overfull_stop_are_open_again() -> None:
    """At the end of a round one stop was not served and another holds 7 m3 again: a new plan serves both."""
    case = street()
    result = again(case, Disruption(now_s=8 * 3600 + 900, missed=("S1",), overfull={"S3": 7.0}))
    assert served(result) == {"S1", "S3"}
    assert result.case.stops.volume_m3[result.case.stop_ids.index("S3")] == 7.0
    # Six stops were taken to hold 12 m3; the missed one's 2 are not on board.
    assert result.case.trucks.loaded_m3.tolist() == [10.0]


def test_a_contaminated_load_is_driven_to_its_tip_first() -> None:
    """The truck goes on from the tip that takes the load, empty, and not before it can be there."""
    case = street()
    result = again(case, Disruption(now_s=8 * 3600 + 300, diverted={"T0": "far"}))
    assert result.case.trucks.loaded_m3.tolist() == [0.0]
    # It is on its way to S1 at 2,000 m, done there at 320 s; 5 km to the tip are 500 s, and ten minutes there.
    assert result.case.trucks.shift_begin_s.tolist() == [8 * 3600 + 320 + 500 + 600]
    assert any("T0, contaminated load: drives to tip far first" in line for line in result.plan.reasons)


def test_proof_says_when_how_late_and_how_far_off() -> None:
    """One line a stop: served in time at its site, keyed in from afar, or still open."""
    case = street()
    heard = log(
        case,
        {"at": "08:01:40", "stop": "S0", "x_m": 1010, "y_m": 0, "kg": 120},
        {"at": "08:10", "stop": "S1", "x_m": 1500, "y_m": 0},
    )
    lines = proof_csv(case, driven(case), heard).splitlines()
    assert lines[1] == "S0,T0,08:01:40,served,T0,08:01:40,0.0,10,true,120"
    assert lines[2] == "S1,T0,08:04:20,served,T0,08:10:00,5.7,500,false,"
    assert lines[3] == "S2,T0,08:07:00,open,,,,,,"
    assert served_counts(heard)["served"] == 2


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"code": "lost"}, r"line 1\.code: 'lost', must be one of served, not_out"),
        ({"truck": "T9"}, r"line 1\.truck: 'T9', is not one of the case"),
        ({"driver": "A. B."}, r"line 1\.driver: does not belong in the log"),
        ({"photo": "x.jpg"}, r"line 1\.photo: does not belong in the log"),
        ({"at": "25"}, "'25', must be a clock value"),
    ],
)
def test_a_wrong_line_is_named(change: dict[str, Any], told: str) -> None:
    """A complaint names file, line and key; names and photos are refused."""
    with pytest.raises(InputError, match=told):
        log(street(), {"at": "08:00", "stop": "S0"} | change)


def test_the_last_word_on_a_stop_counts() -> None:
    """A stop that was keyed in as blocked and then as served is served."""
    case = street()
    heard = log(case, {"at": "08:05", "stop": "S0", "code": "blocked"}, {"at": "08:09", "stop": "S0"})
    event = with_log(Disruption(now_s=8.5 * 3600), heard)
    assert event.blocked == ()
    late = with_log(Disruption(now_s=8 * 3600 + 360), [replace(entry) for entry in heard])
    assert late.blocked == ("S0",)
