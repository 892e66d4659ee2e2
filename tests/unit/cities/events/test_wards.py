"""Hospitals in whole runs: bays are never overfull, closures turn units round and are recorded, needs are met."""

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest

from cityloop.cities.events.case import Sites, snap
from cityloop.cities.events.conditions import Conditions
from cityloop.cities.events.grid import GridSpec, grid_case
from cityloop.cities.events.wards import draw_needs, made_up_plan
from cityloop.methods.hospital_choice import Capability, Door
from cityloop.methods.hospital_doors import HospitalPlan, Notice
from cityloop.studies.emergency_run import ARMS, run_arm
from cityloop.studies.emergency_world import BEGIN_MS, calls_of, make_world

HOUR_MS = 3_600_000


@pytest.fixture(scope="module")
def world():
    """A grid of streets with three hospitals."""
    case = grid_case(GridSpec(calls_per_day=110.0))
    x_m, y_m = np.array([2800.0, 1000.0, 6000.0]), np.array([4200.0, 1000.0, 6000.0])
    node, offroad_m = snap(case.roads, x_m, y_m)
    return make_world(replace(case, hospitals=Sites(("One", "Two", "Three"), x_m, y_m, node, offroad_m)), kerb_posts=4)


@pytest.fixture(scope="module")
def run(world):
    """Two days with one bay at each door, needs, diversions and closures."""
    calls = calls_of(world, 3, 2.0)
    calls = replace(calls, patient_needs=draw_needs(len(calls), 3))
    plan = made_up_plan(3, 2.0, BEGIN_MS, float(calls.handover_ms.mean()), bays=1)
    return run_arm(world, ARMS["as-is"], calls, 2.0, Conditions(hospitals=plan)), plan


def test_no_more_hand_over_at_once_than_there_are_bays(run):
    """At each door one patient after another, in order of arrival."""
    city, _ = run
    ledger = city.ledger
    waited = 0
    for hospital in range(3):
        mine = np.flatnonzero((ledger.hospital == hospital) & (ledger.free_ms >= 0) & (ledger.bay_ms >= 0))
        mine = mine[np.argsort(ledger.at_hospital_ms[mine], kind="stable")]
        for one, following in pairwise(mine):
            assert ledger.bay_ms[following] >= ledger.free_ms[one]
        waited += int((ledger.bay_ms[mine] > ledger.at_hospital_ms[mine]).sum())
    assert waited > 5


def test_every_patient_who_is_carried_is_handed_over(run):
    """A queue loses nobody."""
    city, _ = run
    left = city.ledger.left_scene_ms >= 0
    begun = left & (city.ledger.left_scene_ms < BEGIN_MS + 40 * HOUR_MS)
    assert (city.ledger.free_ms[begun] >= city.ledger.bay_ms[begun]).all()
    assert (city.ledger.bay_ms[begun] >= city.ledger.at_hospital_ms[begun]).all()


def test_who_needs_more_is_taken_where_it_can_be_had(run):
    """Only with a reason told does a patient go where his need is not met."""
    city, plan = run
    ledger, needs = city.ledger, city.calls.patient_needs
    carried = ledger.hospital >= 0
    able = np.array(plan.capability)[np.maximum(ledger.hospital, 0)] & needs == needs
    told = np.isin(ledger.door, [Door.TOO_FAR, Door.NONE_CAPABLE, Door.LAST_DOOR])
    assert (able | told)[carried].all()
    assert needs[carried].any()


def test_a_hospital_that_closes_turns_round_who_is_on_the_way_and_it_is_recorded(world):
    """Closed the whole afternoon, again and again: units are told another, with when, whence, whither and why."""
    calls = calls_of(world, 3, 1.0)
    notices = []
    for k in range(12):
        notices.append(Notice(BEGIN_MS + k * 2 * HOUR_MS + HOUR_MS, 0, is_open=False, diverting=False))
        notices.append(Notice(BEGIN_MS + (k + 1) * 2 * HOUR_MS, 0, is_open=True, diverting=False))
    plan = HospitalPlan((0, 0, 0), (0, 0, 0), 1_500_000.0, tuple(notices))
    city = run_arm(world, ARMS["as-is"], calls, 1.0, Conditions(hospitals=plan))
    first = len(world.case.stations.node)
    assert city.ledger.redirects
    for redirect in city.ledger.redirects:
        assert redirect.from_site == first != redirect.to_site
        assert redirect.door == Door.SOONEST
        assert city.ledger.hospital[redirect.call] == redirect.to_site - first
    assert (city.ledger.arrived_ms >= 0).all()


def test_a_diversion_sends_those_who_set_out_later_elsewhere(world):
    """One diverts all day: nobody is taken there, since the others can do as much."""
    calls = calls_of(world, 3, 1.0)
    plan = HospitalPlan((0, 0, 0), (0, 0, 0), 1_500_000.0, (Notice(BEGIN_MS, 0, is_open=True, diverting=True),))
    city = run_arm(world, ARMS["as-is"], calls, 1.0, Conditions(hospitals=plan))
    assert not (city.ledger.hospital == 0).any()
    assert (city.ledger.hospital > 0).any()


def test_needs_are_drawn_in_their_shares():
    """A fifth needs more than an ordinary department; each needs one thing."""
    needs = draw_needs(20_000, 1)
    assert (needs > 0).mean() == pytest.approx(0.20, abs=0.01)
    assert set(needs.tolist()) == {0, *(int(one) for one in Capability)}
