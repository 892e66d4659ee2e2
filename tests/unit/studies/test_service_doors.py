"""Figures of hospitals' doors, by hand, from a run's own record."""

import json

import pytest

from cityloop.studies.services import service_lines, services_of

MINUTE_MS = 60_000


def call(number, at_door, bay, free):
    """A call whose unit came to a hospital's door, found a bay, and was free again; minutes, -1 for not yet."""
    clocks = {"at_hospital_ms": at_door, "bay_ms": bay, "free_ms": free}
    clocks = {name: minute * MINUTE_MS if minute >= 0 else -1 for name, minute in clocks.items()}
    begun = {"received_ms": 0, "dispatched_ms": 1, "mobile_ms": 2, "arrived_ms": 3}
    return {"number": number, "priority": 1, "by_brain": True, "called_off": False, **begun, **clocks}


def score(folder, calls, turns=()):
    """Read a record of these calls."""
    record = {"begin_ms": 0, "emergency": {"units": ["A"], "calls": calls, "turns": list(turns)}}
    (folder / "services.json").write_text(json.dumps(record), encoding="utf-8")
    return services_of(folder)


def test_offload_runs_from_the_door_to_free(tmp_path):
    """Ten and 20 minutes, the second with a wait of 12; a third still waits, a fourth was never carried."""
    found = score(tmp_path, [call(1, 0, 0, 10), call(2, 2, 14, 22), call(3, 5, -1, -1), call(4, -1, -1, 9)], [{}])
    offload = found.emergency.offload
    assert (offload.handovers, offload.waited, offload.turned) == (2, 2, 1)
    assert (offload.mean_min, offload.longest_min, offload.wait_min) == pytest.approx((15.0, 20.0, 12.0))
    assert (offload.over_15_min, offload.over_30_min, offload.over_60_min) == (0.5, 0.0, 0.0)
    said = service_lines({"brain": [found]})
    assert said[1] == (
        "brain: 2 handovers, 15.0 min from the hospital's door to free in the mean, 20.0 at most, 1 longer than "
        "15 min; 2 waited for a bay; 1 turned round, since their hospital had closed"
    )


def test_where_nobody_waits_nothing_is_said_of_doors(tmp_path):
    """The figures are there; the report says what it said before."""
    found = score(tmp_path, [call(1, 0, 0, 10)])
    assert found.emergency.offload.waited == 0
    assert len(service_lines({"brain": [found]})) == 1
    assert score(tmp_path, [call(4, -1, -1, 9)]).emergency.offload is None
