"""Tests of what services' decisions lead one to expect, over seven scripted minutes with three calls."""

from __future__ import annotations

import math

import pytest
from services_city import ScriptedCity

from cityloop.app.city_source import load_facts
from cityloop.app.live_forecasts import forecasts_of
from cityloop.app.live_record import service_record
from cityloop.domains.emergency.domain import emergency
from cityloop.domains.refuse.domain import refuse
from cityloop.kernel.journal import decision_bytes
from cityloop.kernel.tick import Brain, start, tick
from cityloop.web.calibration import told_share
from cityloop.web.why import Filter, Window
from cityloop.wire.live import Tick


@pytest.fixture(scope="module")
def ticks() -> list[Tick]:
    """Each step as it is journalled."""
    # Without a planner: the round is asked for, and nobody drives it.
    city = ScriptedCity(((11, 1, 1, 100), (12, 3, 3, 150), (13, 1, 2, 300)))
    layout = city.layout()
    brain = Brain((emergency, refuse), {"emergency": "brain", "refuse": "brain"})
    state = start(brain, layout, 0)
    made, receipts = [], ()
    for number in range(1, 421):
        seen = city.observe(number * 1000)
        ticked = tick(brain, state, seen.batch, (), seen.now_ms)
        state = ticked.state
        made.append(
            Tick(
                at_ms=seen.now_ms, wall_ms=0, sim_s=float(number), number=number,
                arrays=service_record(layout, seen.batch, state),
                decisions=[decision_bytes(decision) for decision in ticked.decisions],
                forecasts=forecasts_of(state, ticked.decisions, seen.now_ms),
                receipts=[(r.domain, r.target, r.sequence, int(r.status), r.at_ms, r.detail) for r in receipts],
            )
        )  # fmt: skip
        city.apply(ticked.commands)
        receipts = city.observe(seen.now_ms).receipts
    city.close()
    return made


def test_every_decision_of_a_service_has_a_reason_and_a_forecast(ticks):
    """None is left out: dispatches, moves, leases, containers, plans and routes."""
    city, _ = load_facts()
    found = told_share(city, Window(ticks), Filter(begin_ms=0, end_ms=420_000))
    assert set(found["by_domain"]) == {"emergency", "refuse"}
    for count in found["by_domain"].values():
        assert count["decisions"] == count["reason"] == count["forecast"] > 0


def test_what_could_be_observed_was(ticks):
    """Once a horizon is over there is an observation, or what came first in its place; who arrived is timed."""
    city, _ = load_facts()
    found = told_share(city, Window(ticks), Filter(begin_ms=0, end_ms=420_000))
    for count in found["by_domain"].values():
        # An overtaken one may have a figure until then, so it may be among both.
        assert count["value"] <= count["due"] <= count["value"] + count["overtaken"]
    of = {one["kind"]: one for one in found["services"]}
    assert {"Send", "Lead", "EmptyToday", "PlanRound"} <= set(of)
    # Crews of the script need a minute to turn out and a minute to drive, more where another is sent in their place.
    assert 119.0 <= of["Send"]["observed"] <= 180.0
    assert of["Lead"]["observed"] == 1.0


def test_a_forecast_says_how_old_its_oldest_reading_was(ticks):
    """Levels are told every five seconds: no container is chosen on an older one."""
    ages = [line[3] for one in ticks for line in one.forecasts]
    assert any(math.isfinite(age) for age in ages)
    assert all(age >= 0 for age in ages if math.isfinite(age))
