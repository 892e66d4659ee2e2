"""Tests of where a what-if begins, and of what its runs count."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from cityloop.app.what_if import Running, WhatIf, WhatIfSpec
from cityloop.app.what_if_now import LiveNow
from cityloop.app.what_if_result import read_run
from cityloop.app.what_if_world import Change
from cityloop.cities.sumo.start_file import Estimate
from cityloop.kernel.errors import InputError
from cityloop.wire.live import Steering

_NOW = LiveNow(at_ms=0, estimate=Estimate(), steering=Steering(token=1))


class _Clock:
    sim_s: float | None = None
    live: LiveNow | None = _NOW


def _studio(folder: Path, clock: _Clock, **more: Any) -> WhatIf:
    running = Running(sim_s=lambda: clock.sim_s, live=lambda: clock.live, **more)
    return WhatIf("adlershof", folder, ("a", "b"), lambda job: None, running)


@pytest.fixture
def studio(tmp_path: Path) -> Any:
    clock = _Clock()
    made = _studio(tmp_path / "jobs", clock)
    yield made, clock
    made.close()


def _begin_and_end() -> tuple[float, float]:
    from cityloop.cities.sumo.folder import resolve_city

    case = resolve_city("adlershof")
    return case.begin_s, case.end_s


def test_a_quarter_of_an_hour_is_driven_up_to_now_and_runs_begin_there(studio: Any) -> None:
    """Both worlds begin at the moment of asking, from what is believed then."""
    made, clock = studio
    begin_s, _ = _begin_and_end()
    clock.sim_s = begin_s + 1000.7
    begin = made._begin(WhatIfSpec(minutes=5))
    assert (begin.begin_s, begin.now_s, begin.end_s) == (begin_s + 100.0, begin_s + 1000.0, begin_s + 1300.0)
    assert begin.live is _NOW


def test_the_configured_begin_is_there_for_the_asking(studio: Any) -> None:
    """By name, or where nothing is believed of the city yet, both worlds begin empty."""
    made, clock = studio
    begin_s, _ = _begin_and_end()
    assert made._begin(WhatIfSpec(minutes=5)).live is None
    clock.sim_s = begin_s + 1000.0
    begin = made._begin(WhatIfSpec(minutes=5, begin="start"))
    assert (begin.now_s, begin.live) == (begin_s, None)
    clock.live = None
    assert made._begin(WhatIfSpec(minutes=5)).now_s == begin_s


def test_led_as_now_needs_a_city_that_runs(studio: Any) -> None:
    """How a city is led at this moment says nothing of its configured begin."""
    made, _ = studio
    change = {"control": "now", "baseline": "now"}
    with pytest.raises(InputError, match="led as now goes with begin 'now' alone"):
        made.start({"change": change, "begin": "start"}, "a test")
    with pytest.raises(InputError, match="has not run for two minutes"):
        made.start({"change": change}, "a test")


def test_a_city_of_real_sensors_goes_by_the_clock_and_another_hour_stands_in(tmp_path: Path) -> None:
    """Where the twin has no demand for the hour of the day another hour's is taken, and that is said."""
    clock = _Clock()
    clock.sim_s = 17 * 3600.0
    made = _studio(tmp_path / "jobs", clock, any_hour=True)
    try:
        begin = made._begin(WhatIfSpec(minutes=10, change=Change(control="now", baseline="now")))
    finally:
        made.close()
    assert (begin.begin_s, begin.now_s, begin.end_s) == (0.0, 900.0, 1500.0)
    assert begin.stands_in == "the twin has demand from 00:00 to 01:00 and none for 17:00"


def test_an_hour_without_demand_is_refused_in_a_line(studio: Any) -> None:
    """A minute before the demand ends there is nothing left to compare."""
    made, clock = studio
    _, end_s = _begin_and_end()
    clock.sim_s = end_s - 60.0
    with pytest.raises(InputError, match="60 s from now"):
        made.start({"minutes": 5}, "a test")
    with pytest.raises(InputError, match="is not now or start"):
        made.start({"begin": "then"}, "a test")


def test_a_call_open_at_the_begin_waits_since_it_was_received_and_one_attended_is_over(tmp_path: Path) -> None:
    """Of three calls one had its ambulance before the run began; the others count with their whole wait."""
    sumo = tmp_path / "sumo"
    sumo.mkdir()
    (sumo / "tripinfo.xml").write_text("<tripinfos></tripinfos>")
    (tmp_path / "scorecard.json").write_text(json.dumps({"safety": {"unsafe": 0}}))
    calls = [
        {"received_ms": 40_000, "arrived_ms": 90_000, "called_off": False},
        {"received_ms": 60_000, "arrived_ms": 160_000, "called_off": False},
        {"received_ms": 170_000, "arrived_ms": -1, "called_off": False},
    ]
    services = {"begin_ms": 100_000, "end_ms": 200_000, "emergency": {"calls": calls}}
    (sumo / "services.json").write_text(json.dumps(services))
    found = read_run(tmp_path)
    assert found.calls == 2
    assert found.measures["response_s"] == pytest.approx((100.0 + 30.0) / 2)
