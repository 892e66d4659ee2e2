"""A fire service on a grid: every place is filled by a unit that can, and the right clocks run."""

import numpy as np
import pytest

from cityloop.cities.events.fire import FireSpec, draw_incidents
from cityloop.cities.events.grid import GridSpec, grid_case
from cityloop.domains.emergency.schema import Fire, UnitStatus
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
    places, incident, _ = draw_incidents(world.case, SPEC, 3, 1.0, BEGIN_MS)
    return run_arm(world, ARMS[request.param], places, 1.0, record=True), places, incident


def test_units_are_those_of_the_stations(world):
    """An engine each, a ladder at every second, a chief at every fourth."""
    assert world.case.unit_name == ("E1", "L1", "C1", "E2", "E3", "L3", "E4", "E5", "L5", "C5", "E6")
    assert (world.case.unit_capability == int(Fire.ENGINE)).sum() == 6


def test_incidents_ask_for_what_the_plan_says(world):
    """One row a place, received together."""
    places, incident, kind = draw_incidents(world.case, SPEC, 3, 20.0, BEGIN_MS)
    for k in range(int(incident.max()) + 1):
        rows = np.flatnonzero(incident == k)
        determinant = SPEC.share[int(kind[rows[0]])][0]
        assert places.needs[rows].tolist() == [bits for bits, _ in SPEC.plan.places(determinant)]
        assert len(set(places.received_ms[rows].tolist())) == 1
        assert len(set(places.on_scene_ms[rows].tolist())) == 1
    assert set(kind.tolist()) == {0, 1, 2, 3, 4}


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
    places, _, _ = draw_incidents(world.case, SPEC, 3, 1.0, BEGIN_MS)
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
    assert len(fire_lines(rows, 1.0)) == 4
