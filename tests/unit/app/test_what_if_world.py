"""Tests of what a what-if may change, and of the changed city that is written for it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from cityloop.app.what_if import WhatIf
from cityloop.app.what_if_world import Change, Choices, PlanChange, changed_world
from cityloop.cities.sumo.fleet_case import read_fleet
from cityloop.cities.sumo.folder import resolve_city
from cityloop.cities.sumo.plans import read_plans
from cityloop.kernel.errors import InputError


@pytest.fixture(scope="module")
def choices() -> Choices:
    return Choices("adlershof")


def _plan(choices: Choices, row: int = 0) -> tuple[dict[str, Any], tuple[float, ...]]:
    standing = choices.as_dict()["plans"][str(row)]
    return standing, tuple(green_s for _, green_s, _ in standing["stages"])


def test_what_can_be_chosen_is_the_city_s_own(choices: Choices) -> None:
    """Stations with their ambulances, and a plan for each junction, its greens no shorter than their least."""
    told = choices.as_dict()
    assert {one["name"] for one in told["stations"]} == {"Station A", "Station B", "Station C"}
    assert sum(one["units"] for one in told["stations"]) == 7
    assert len(told["plans"]) == 15
    assert all(green >= least for plan in told["plans"].values() for _, green, least in plan["stages"])


def test_an_ambulance_more_stands_at_its_station_and_nothing_else_is_other(choices: Choices, tmp_path: Path) -> None:
    """The changed city has the same network, demand, calls and plans, and one unit more."""
    as_is, would_be = changed_world("adlershof", Change(add_unit="Station B"), tmp_path, choices)
    assert as_is.city == "adlershof"
    before, after = resolve_city("adlershof"), resolve_city(would_be.city)
    assert before.digest == after.digest
    old, new = read_fleet(before), read_fleet(after)
    assert old is not None
    assert new is not None
    assert old.emergency is not None
    assert new.emergency is not None
    assert new.emergency.calls == old.emergency.calls
    assert new.emergency.units[:-1] == old.emergency.units
    assert new.emergency.units[-1].station == "Station B"
    assert choices.places(Change(add_unit="Station B"))[0] != choices.places(Change(add_unit="Station A"))[0]


def test_another_plan_changes_one_junction_and_keeps_the_rest(choices: Choices, tmp_path: Path) -> None:
    """Both worlds run by plan files that differ in that junction's greens and offset alone."""
    standing, greens_s = _plan(choices)
    change = PlanChange(0, tuple(one + 4 for one in greens_s), standing["offset_s"] + 1)
    as_is, would_be = changed_world("adlershof", Change(plan=change), tmp_path, choices)
    assert as_is.plans is not None
    assert would_be.plans is not None
    old, new = (read_plans(path).fixed_tuned for path in (as_is.plans, would_be.plans))
    other = [k for k, (one, two) in enumerate(zip(old, new, strict=True)) if one != two]
    assert len(other) == 1
    assert tuple(one.green_s for one in new[other[0]].stages) == change.greens_s


def test_a_closed_street_keeps_the_plans_that_stand(choices: Choices, tmp_path: Path) -> None:
    """The copy has another demand, so plans tuned for the city would not be found there: they go along by name."""
    _, would_be = changed_world("adlershof", Change(close_edge="670062912#1", add_unit="Station A"), tmp_path, choices)
    assert would_be.plans is not None
    assert read_plans(would_be.plans).case_digest == resolve_city(would_be.city).digest
    fleet = read_fleet(resolve_city(would_be.city))
    assert fleet is not None
    assert fleet.emergency is not None
    assert len(fleet.emergency.units) == 8


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"add_unit": "Station Q"}, "'Station Q' is not one of Station A, Station B, Station C"),
        ({"plan": {"junction": 0, "greens_s": []}}, "give control and baseline 'fixed-tuned'"),
        ({"plan": {"junction": 99, "greens_s": []}, "led": True}, "there are rows 0 to 14"),
        ({"plan": {"junction": 0, "greens_s": [30.0]}, "led": True}, "give one for each"),
        ({"plan": {"junction": 0, "greens_s": "least"}, "led": True}, "green 1 s; give"),
        ({"plan": {"junction": 0, "greens_s": "long"}, "led": True}, "a cycle lasts"),
        ({"plan": {"junction": 0, "greens_s": "same", "offset_s": -3}, "led": True}, "change.plan.offset_s: -3"),
        ({"plan": {"junction": 0, "greens_s": "same", "speed": 1}, "led": True}, "unknown field `speed`"),
    ],
)
def test_a_change_that_cannot_be_is_refused_before_anything_starts(
    choices: Choices, tmp_path: Path, change: dict[str, Any], said: str
) -> None:
    """One line that names the key and the bound; no job is left behind."""
    _, greens_s = _plan(choices)
    words = {"least": (1.0,) * len(greens_s), "long": (200.0,) * len(greens_s), "same": greens_s}
    if change.pop("led", False):
        change |= {"control": "fixed-tuned", "baseline": "fixed-tuned"}
    if "plan" in change and isinstance(change["plan"]["greens_s"], str):
        change["plan"] = {**change["plan"], "greens_s": list(words[change["plan"]["greens_s"]])}
    studio = WhatIf("adlershof", tmp_path / "jobs", ("a",), lambda job: None)
    # Read once for all of these: a network takes a second.
    studio._choices = choices
    try:
        with pytest.raises(InputError) as refused:
            studio.start({"change": change, "minutes": 4}, "a test")
        assert said in str(refused.value)
        assert len(str(refused.value).splitlines()) == 1
        assert studio.listed() == []
    finally:
        studio.close()
