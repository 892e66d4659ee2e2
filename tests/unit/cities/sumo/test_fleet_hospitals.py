"""Where patients of the twin are taken: what they need, by the crew's word, and who can treat it."""

import msgspec
import numpy as np
import pytest

from cityloop.cities.sumo.fleet_assets import Kerb
from cityloop.cities.sumo.fleet_calls import draw_calls
from cityloop.cities.sumo.fleet_case import CallsCase, EmergencyFile, NoticeCase, OnEdge, SiteCase
from cityloop.cities.sumo.fleet_hospitals import Hospitals
from cityloop.kernel.layout import StreamKind
from cityloop.methods.hospital_choice import Capability, Door

MODEL = CallsCase(
    per_h=20.0,
    priority_share=(0.5, 0.5),
    determinants=("a", "b"),
    call_taking_s=30.0,
    on_scene_min=(5.0, 1.0),
    transport_share=0.6,
    handover_min=(5.0, 1.0),
)


def kerb(x_m):
    """A place on a long road."""
    return Kerb("road", 0, x_m, x_m, 0.0, 0, 10_000.0)


def site(name, kind, *treats, bays=None):
    """A site by name; where it lies is told apart."""
    return SiteCase(name=name, kind=kind, place=OnEdge("road", 0.0), treats=treats, bays=bays)


def file_of(*sites, notices=()):
    """A file with these sites."""
    return EmergencyFile(
        synthetic=True, begins_at_h=7, turnout_s=60.0, sites=sites, units=(), calls=MODEL, notices=notices
    )


@pytest.fixture
def hospitals():
    """A station at 0, a small hospital at 1 km, and one with a stroke unit and a cath lab at 5 km."""
    sites = (site("S", "station"), site("near", "hospital"), site("far", "hospital", "stroke", "cath lab"))
    return Hospitals(file_of(*sites), (kerb(0.0), kerb(1000.0), kerb(5000.0)), 0)


def test_an_ordinary_patient_goes_to_the_nearest(hospitals):
    """From 1.2 km that is the small one."""
    assert hospitals.advised(kerb(1200.0), 0) == (1, Door.SOONEST)


def test_who_needs_a_stroke_unit_passes_the_nearest(hospitals):
    """It has none, and the next has."""
    assert hospitals.advised(kerb(1200.0), int(Capability.STROKE)) == (2, Door.SOONEST)


def test_what_nobody_treats_is_stabilised_next_door(hospitals):
    """No hospital here takes children."""
    assert hospitals.advised(kerb(1200.0), int(Capability.PAEDIATRIC)) == (1, Door.NONE_CAPABLE)


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


@pytest.fixture
def telling():
    """The near hospital has one bay, diverts after a minute, closes after two and is open again after three."""
    sites = (site("S", "station"), site("near", "hospital", bays=1), site("far", "hospital"))
    notices = (
        NoticeCase(after_s=180.0, hospital="near"),
        NoticeCase(after_s=60.0, hospital="near", diverting=True),
        NoticeCase(after_s=120.0, hospital="near", is_open=False),
    )
    return Hospitals(file_of(*sites, notices=notices), (kerb(0.0), kerb(1000.0), kerb(5000.0)), 1_000_000)


def test_what_is_declared_counts_from_its_instant(telling):
    """A diversion sends who sets out then elsewhere; the closure is told once, by its site."""
    assert telling.advised(kerb(1200.0), 0) == (1, Door.SOONEST)
    assert telling.step(1_059_999) == ([], False)
    assert telling.step(1_060_000) == ([], True)
    assert telling.advised(kerb(1200.0), 0) == (2, Door.SOONEST)
    assert telling.is_open(1)
    assert telling.step(1_120_000) == ([1], True)
    assert not telling.is_open(1)
    assert telling.step(1_180_000) == ([], True)
    assert telling.advised(kerb(1200.0), 0) == (1, Door.SOONEST)


def test_a_crew_passes_a_queue_that_would_take_longer_than_the_drive(telling):
    """Five minutes a handover at one bay: behind three, ten minutes; the far one is ten minutes off."""
    assert telling.advised(kerb(1200.0), 0, coming=(1, 1)) == (1, Door.SOONEST)
    for unit in (4, 5, 6):
        telling.arrive(1, unit)
    assert telling.advised(kerb(1200.0), 0) == (2, Door.SOONEST)
    assert [telling.leave(1) for _ in range(3)] == [5, 6, -1]


def test_hospitals_that_tell_say_it_by_their_sites(hospitals, telling):
    """Open and diverting of each; nothing in a city that names neither bays nor notices."""
    telling.step(1_060_000)
    assert hospitals.told() == []
    assert telling.told() == [
        (StreamKind.HOSPITAL_OPEN, 1, 1.0),
        (StreamKind.HOSPITAL_DIVERTING, 1, 1.0),
        (StreamKind.HOSPITAL_OPEN, 2, 1.0),
        (StreamKind.HOSPITAL_DIVERTING, 2, 0.0),
    ]


def test_a_world_that_begins_in_the_middle_knows_what_was_declared_and_no_more(telling):
    """Closed as it stands; what would be declared later nobody knows."""
    telling.resume(((1, False, False), (2, True, True)), 1_000_000)
    assert not telling.is_open(1)
    assert telling.step(2_000_000) == ([], False)
    assert telling.advised(kerb(1200.0), 0) == (2, Door.DIVERTING)
