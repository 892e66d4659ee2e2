"""A fire service on a grid: every place is filled by a unit that can, and the right clocks run."""

from dataclasses import replace

import numpy as np
import pytest

from cityloop.cities.events.fire import FireSpec, draw_incidents
from cityloop.cities.events.grid import GridSpec, grid_case
from cityloop.domains.emergency.schema import Fire, ResponsePlan, UnitStatus
from cityloop.studies.emergency_fire import bench_fire, fire_lines, fire_world
from cityloop.studies.emergency_run import ARMS, run_arm
from cityloop.studies.emergency_world import BEGIN_MS

SPEC = FireSpec(incidents_per_day=40.0, ladder_every=2, chief_every=4)


@pytest.fixture(scope="module")
def world():
    """Six stations: six engines, three ladders, two chiefs."""
    return fire_world(grid_case(GridSpec(stations=6)), SPEC)


@pytest.fixture(scope="module", params=["as-is", "brain", "naive", "status-plan"])
def run(request, world):
    """A day."""
    asked = draw_incidents(world.case, SPEC, 3, 1.0, BEGIN_MS)
    return run_arm(world, ARMS[request.param], asked.calls, 1.0, record=True), asked.calls, asked.incident


def test_units_are_those_of_the_stations(world):
    """An engine each, a ladder at every second, a chief at every fourth."""
    assert world.case.unit_name == ("E1", "L1", "C1", "E2", "E3", "L3", "E4", "E5", "L5", "C5", "E6")
    assert (world.case.unit_capability == int(Fire.ENGINE)).sum() == 6


def test_incidents_ask_for_what_the_plan_says(world):
    """One row a place, received together."""
    asked = draw_incidents(world.case, SPEC, 3, 20.0, BEGIN_MS)
    places, incident, kind = asked.calls, asked.incident, asked.kind
    for k in range(int(incident.max()) + 1):
        rows = np.flatnonzero((incident == k) & (asked.alarm == 1))
        determinant = SPEC.share[int(kind[rows[0]])][0]
        assert places.needs[rows].tolist() == [bits for bits, _ in SPEC.plan.places(determinant)]
        assert len(set(places.received_ms[rows].tolist())) == 1
        assert len(set(places.on_scene_ms[rows].tolist())) == 1
    assert set(kind.tolist()) == {0, 1, 2, 3, 4}


def test_a_second_alarm_asks_for_more_later_and_only_where_the_plan_has_one(world):
    """A fifth of structure fires: its units all together, 8 to 20 minutes after the call was answered."""
    asked = draw_incidents(world.case, SPEC, 3, 200.0, BEGIN_MS)
    names = [determinant for determinant, _, _, _ in SPEC.share]
    grown = sorted(set(asked.incident[asked.alarm == 2].tolist()))
    fires = {int(n) for n in asked.incident[asked.kind == names.index("structure fire")]}
    assert set(grown) <= fires
    assert 0.12 < len(grown) / len(fires) < 0.28
    for n in grown[:20]:
        first, more = (np.flatnonzero((asked.incident == n) & (asked.alarm == alarm)) for alarm in (1, 2))
        assert asked.calls.needs[more].tolist() == list(SPEC.plan.second_places("structure fire"))
        after_ms = set((asked.calls.received_ms[more] - asked.calls.received_ms[first[0]]).tolist())
        assert len(after_ms) == 1
        assert 8 * 60_000 <= after_ms.pop() <= 20 * 60_000
    assert (np.diff(asked.calls.ready_ms) >= 0).all()


def test_a_plan_without_second_alarms_has_the_same_incidents(world):
    """They are drawn apart."""
    plan = ResponsePlan(SPEC.plan.counts)
    plain = draw_incidents(world.case, replace(SPEC, plan=plan), 3, 20.0, BEGIN_MS)
    asked = draw_incidents(world.case, SPEC, 3, 20.0, BEGIN_MS)
    first = asked.alarm == 1
    assert plain.calls.received_ms.tolist() == asked.calls.received_ms[first].tolist()
    assert plain.calls.on_scene_ms.tolist() == asked.calls.on_scene_ms[first].tolist()


def test_every_place_is_filled_by_a_unit_that_can(run):
    """Nobody sends a ladder for an engine, whatever the policy."""
    city, places, _ = run
    able = city.units.capability[city.ledger.unit]
    assert (city.ledger.arrived_ms >= 0).all()
    assert ((able & places.needs) == places.needs).all()


def test_one_incident_has_as_many_units_as_places(run):
    """No unit fills two places of one incident at once."""
    city, _, incident = run
    for k in range(int(incident.max()) + 1):
        rows = np.flatnonzero(incident == k)
        begun = city.ledger.dispatched_ms[rows]
        ended = city.ledger.free_ms[rows]
        units = city.ledger.unit[rows]
        for u in set(units.tolist()):
            mine = np.flatnonzero(units == u)
            mine = mine[np.argsort(begun[mine])]
            assert (begun[mine[1:]] >= ended[mine[:-1]]).all()


def test_units_that_are_no_cover_go_home(world):
    """Under the brain, which places engines, ladders and chiefs stand at their own stations when nobody needs them."""
    places = draw_incidents(world.case, SPEC, 3, 1.0, BEGIN_MS).calls
    units = run_arm(world, ARMS["brain"], places, 1.0).units
    others = (units.capability != int(Fire.ENGINE)) & (units.status == UnitStatus.STANDING)
    assert others.any()
    assert (units.site[others] == units.home[others]).all()


def test_the_table_tells_first_second_and_full(world):
    """The second engine comes no sooner than the first, nor the last unit than the second."""
    rows = bench_fire(world, SPEC, ("as-is", "brain"), (1, 2), 1.0, 80.0, lambda text: None)
    assert [(row.arm, row.seed) for row in rows] == [("as-is", 1), ("brain", 1), ("as-is", 2), ("brain", 2)]
    for row in rows:
        assert row.found.unserved == 0
        assert row.found.first.incidents > row.found.second.incidents > 0
        assert row.found.first.p90_min >= row.found.first.mean_min
    assert len([line for line in fire_lines(rows, 1.0) if not line.startswith("    ")]) == 4
