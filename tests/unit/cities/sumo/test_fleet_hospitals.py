"""Where patients of the twin are taken: what they need, by the crew's word, and who can treat it."""

import msgspec
import numpy as np
import pytest

from cityloop.cities.sumo.fleet_assets import Kerb
from cityloop.cities.sumo.fleet_calls import draw_calls
from cityloop.cities.sumo.fleet_case import CallsCase, OnEdge, SiteCase
from cityloop.cities.sumo.fleet_hospitals import Hospitals
from cityloop.methods.hospital_choice import Capability, Door


def kerb(x_m):
    """A place on a long road."""
    return Kerb("road", 0, x_m, x_m, 0.0, 0, 10_000.0)


def site(name, kind, *treats):
    """A site by name; where it lies is told apart."""
    return SiteCase(name=name, kind=kind, place=OnEdge("road", 0.0), treats=treats)


@pytest.fixture
def hospitals():
    """A station at 0, a small hospital at 1 km, and one with a stroke unit and a cath lab at 5 km."""
    sites = (site("S", "station"), site("near", "hospital"), site("far", "hospital", "stroke", "cath lab"))
    return Hospitals(sites, (kerb(0.0), kerb(1000.0), kerb(5000.0)))


def test_an_ordinary_patient_goes_to_the_nearest(hospitals):
    """From 1.2 km that is the small one."""
    assert hospitals.advised(kerb(1200.0), 0) == (1, Door.SOONEST)


def test_who_needs_a_stroke_unit_passes_the_nearest(hospitals):
    """It has none, and the next has."""
    assert hospitals.advised(kerb(1200.0), int(Capability.STROKE)) == (2, Door.SOONEST)


def test_what_nobody_treats_is_stabilised_next_door(hospitals):
    """No hospital here takes children."""
    assert hospitals.advised(kerb(1200.0), int(Capability.PAEDIATRIC)) == (1, Door.NONE_CAPABLE)


MODEL = CallsCase(
    per_h=20.0,
    priority_share=(0.5, 0.5),
    determinants=("a", "b"),
    call_taking_s=30.0,
    on_scene_min=(5.0, 1.0),
    transport_share=0.6,
    handover_min=(5.0, 1.0),
)


def test_needs_come_at_their_shares_and_leave_all_else_alone():
    """A fifth of those who are carried have a stroke, a tenth a trauma; the calls are otherwise the same."""
    roads, span = [kerb(5000.0)], (0, 100 * 3_600_000)
    plain = draw_calls(MODEL, roads, 3, span)
    found = draw_calls(msgspec.structs.replace(MODEL, needs_share={"stroke": 0.2, "trauma": 0.1}), roads, 3, span)
    carried = np.array([call.needs for call in found if call.transport])
    assert (carried == Capability.STROKE).mean() == pytest.approx(0.2, abs=0.04)
    assert (carried == Capability.TRAUMA).mean() == pytest.approx(0.1, abs=0.03)
    assert not any(call.needs for call in found if not call.transport)
    for one, other in zip(plain, found, strict=True):
        assert one.needs == 0
        other.needs = 0
        assert one == other
