"""Tests of when a what-if begins, and of which vehicles it counts."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from cityloop.app.what_if import WhatIf, WhatIfSpec
from cityloop.app.what_if_result import read_run
from cityloop.kernel.errors import InputError

_TRIPS = """<tripinfos>
{}
</tripinfos>"""
_TRIP = (
    '<tripinfo id="{id}" depart="{depart}" departLane="a_0" departDelay="{waited}" arrival="{arrival}" '
    'arrivalLane="b_0" duration="{duration}" routeLength="500" waitingTime="{standing}" waitingCount="1" '
    'stopTime="0" timeLoss="{lost}" rerouteNo="0" devices="" vType="car" speedFactor="1" vaporized=""/>'
)


@pytest.fixture
def studio(tmp_path: Path) -> Any:
    made = WhatIf("adlershof", tmp_path / "jobs", ("a", "b"), lambda job: None, lambda: made_at[0])
    made_at: list[float | None] = [None]
    yield made, made_at
    made.close()


def _begin_and_end(studio: WhatIf) -> tuple[float, float]:
    from cityloop.cities.sumo.folder import resolve_city

    case = resolve_city("adlershof")
    return case.begin_s, case.end_s


def test_runs_begin_before_the_running_city_s_hour_and_count_from_it(studio: Any) -> None:
    """A quarter of an hour fills the streets; vehicles count from the moment of asking on."""
    made, at = studio
    begin_s, _ = _begin_and_end(made)
    at[0] = begin_s + 1000.0
    span = made._span(WhatIfSpec(minutes=5))
    assert (span.begin_s, span.counts_s, span.end_s) == (begin_s + 100.0, begin_s + 1000.0, begin_s + 1300.0)


def test_the_configured_begin_is_there_for_the_asking(studio: Any) -> None:
    """By name, or where the city does not run yet, both worlds begin empty."""
    made, at = studio
    begin_s, _ = _begin_and_end(made)
    assert made._span(WhatIfSpec(minutes=5)).counts_s == begin_s
    at[0] = begin_s + 1000.0
    assert made._span(WhatIfSpec(minutes=5, begin="start")).begin_s == begin_s


def test_an_hour_without_demand_is_refused_in_a_line(studio: Any) -> None:
    """A minute before the demand ends there is nothing left to compare."""
    made, at = studio
    _, end_s = _begin_and_end(made)
    at[0] = end_s - 60.0
    with pytest.raises(InputError, match="60 s from now"):
        made.start({"minutes": 5}, "a test")
    with pytest.raises(InputError, match="is not now or start"):
        made.start({"begin": "then"}, "a test")


def test_only_who_was_due_after_the_begin_counts(tmp_path: Path) -> None:
    """Of three vehicles one was due before: means are over the two others."""
    sumo = tmp_path / "sumo"
    sumo.mkdir()
    trips = [
        _TRIP.format(id="early", depart=95, waited=0, arrival=150, duration=55, standing=5, lost=10),
        # Due at 100, held back for 20 s.
        _TRIP.format(id="held", depart=120, waited=20, arrival=180, duration=60, standing=10, lost=20),
        _TRIP.format(id="late", depart=130, waited=0, arrival=190, duration=60, standing=20, lost=40),
    ]
    (sumo / "tripinfo.xml").write_text(_TRIPS.format("\n".join(trips)))
    (tmp_path / "scorecard.json").write_text(json.dumps({"safety": {"unsafe": 0}}))
    found = read_run(tmp_path, (100.0, 200.0))
    assert (found.vehicles, found.unfinished) == (2, 0)
    assert found.measures["delay_s"] == pytest.approx(40.0)
    assert found.measures["waiting_s"] == pytest.approx(15.0)
    assert read_run(tmp_path).vehicles == 3
