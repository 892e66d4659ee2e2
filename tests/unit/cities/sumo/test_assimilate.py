"""Tests of a twin brought to what is believed of the city: vehicles moved, added and taken away."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np
import pytest

from cityloop.cities.sumo.assimilate import assimilated
from cityloop.cities.sumo.start_file import ApproachSeen, Estimate, LaneFacts, Snapshot, StartFile, StartVehicle
from cityloop.cities.sumo.zones import Piece, Zone

_CAR_M = 5.0
_ZONES = (
    # 100 m to the stop line, and 80 m of the edge before a joint of 2 m.
    Zone("main_0", (Piece("main_0", 0.0), Piece(":joint_0", 100.0), Piece("before_0", 102.0)), 182.0, 182.0, "main_0"),
    Zone("short_0", (Piece("short_0", 0.0),), 20.0, 20.0, "short_0"),
    Zone("empty_0", (Piece("empty_0", 0.0),), 50.0, 50.0, "empty_0"),
)
_LANES = {
    "main_0": LaneFacts(length_m=100.0, next_edges=("left", "on")),
    "before_0": LaneFacts(length_m=80.0, next_edges=("main",)),
    "short_0": LaneFacts(length_m=20.0, next_edges=("on",), closed_to=("truck",)),
    "empty_0": LaneFacts(length_m=50.0, next_edges=("off",), closed_to=("passenger", "truck")),
}
_WAYS = (
    ("car", ("before", "main", "on", "end")),
    ("car", ("before", "main", "left")),
    ("car", ("before", "main", "right")),
    ("lorry", ("short", "on")),
    ("car", ("short", "on")),
)


def _car(name: str, lane: str, at_m: float, *route: str) -> StartVehicle:
    return StartVehicle(name=name, kind="car", lane=lane, at_m=at_m, speed_mps=3.0, route=route, length_m=_CAR_M)


def _snapshot(*vehicles: StartVehicle) -> Snapshot:
    return Snapshot(
        vehicles=vehicles,
        walkers=(),
        ways=_WAYS,
        lanes=_LANES,
        classes={"car": "passenger", "lorry": "truck"},
        lengths_m={"car": _CAR_M, "lorry": 10.0},
    )


def _start(snapshot: Snapshot, *approaches: ApproachSeen, seed: int = 1, share: float = 1.0) -> StartFile:
    return assimilated(snapshot, Estimate(approaches=approaches, share=share), _ZONES, np.random.default_rng(seed))


def _queue(n: int, gap_m: float = 7.5) -> tuple[tuple[float, float], ...]:
    return tuple((1.0 + gap_m * k, 0.0) for k in range(n))


def _free(vehicles: Any) -> bool:
    """Tell whether no vehicle stands inside another."""
    by_lane: dict[str, list[StartVehicle]] = {}
    for one in vehicles:
        by_lane.setdefault(one.lane, []).append(one)
    return all(
        ahead.at_m - ahead.length_m >= behind.at_m
        for own in by_lane.values()
        for row in [sorted(own, key=lambda one: -one.at_m)]
        for ahead, behind in pairwise(row)
    )


@pytest.mark.parametrize("n", [0, 1, 5, 12, 20])
def test_an_approach_has_as_many_vehicles_as_are_believed_where_they_are_believed(n: int) -> None:
    """From none to a queue over the joint; each with a way that its lane allows."""
    start = _start(_snapshot(), ApproachSeen(lane="main_0", reach_m=182.0, vehicles=_queue(n)))
    (placed,) = start.approaches
    assert (placed.estimated_veh, placed.placed_veh, placed.why_fewer) == (n, n, "")
    assert len(start.vehicles) == n
    assert _free(start.vehicles)
    far_m = {"main_0": 100.0, "before_0": 182.0}
    distances = sorted(far_m[one.lane] - one.at_m for one in start.vehicles)
    for distance_m, (believed_m, _) in zip(distances, _queue(n), strict=True):
        # Nobody is put inside the joint.
        assert abs(distance_m - believed_m) <= 2.1
    assert all(one.route[0] == one.lane.rsplit("_", 1)[0] for one in start.vehicles)
    assert all(one.route[one.route.index("main") + 1] in ("on", "left") for one in start.vehicles)


def test_the_twin_s_own_are_moved_first_and_those_too_many_are_gone() -> None:
    """Two stay with their own ways, nearest first; the third is taken away; what no detector sees stays as it was."""
    own = [
        _car("one", "main_0", 90.0, "main", "on", "end"),
        _car("two", "main_0", 50.0, "main", "left"),
        _car("three", "before_0", 40.0, "before", "main", "on"),
        _car("elsewhere", "away_0", 5.0, "away"),
    ]
    start = _start(_snapshot(*own), ApproachSeen(lane="main_0", reach_m=182.0, vehicles=((4.0, 0.0), (110.0, 8.0))))
    by_name = {one.name: one for one in start.vehicles}
    assert set(by_name) == {"one", "two", "elsewhere"}
    assert (by_name["one"].lane, by_name["one"].at_m, by_name["one"].route) == ("main_0", 96.0, ("main", "on", "end"))
    assert (by_name["two"].lane, by_name["two"].route) == ("before_0", ("before", "main", "left"))
    assert by_name["two"].speed_mps == 8.0
    assert by_name["elsewhere"] == own[3]
    assert start.approaches[0].driven_veh == 3


def test_who_finds_no_room_is_left_out_and_the_reason_is_told() -> None:
    """20 m take three cars of 5 m with a metre between; six were believed there."""
    start = _start(
        _snapshot(), ApproachSeen(lane="short_0", reach_m=20.0, vehicles=tuple((3.0 * k, 0.0) for k in range(6)))
    )
    (placed,) = start.approaches
    assert (placed.estimated_veh, placed.why_fewer) == (6, "no_room")
    assert 3 <= placed.placed_veh <= 4
    assert placed.placed_veh == len(start.vehicles)
    assert _free(start.vehicles)


def test_a_lane_that_nobody_of_this_hour_may_use_stays_empty_and_says_so() -> None:
    """No way is made up for a vehicle whose class the lane refuses."""
    start = _start(_snapshot(), ApproachSeen(lane="empty_0", reach_m=50.0, vehicles=_queue(2)))
    assert (start.approaches[0].placed_veh, start.approaches[0].why_fewer) == (0, "no_way")


def test_only_kinds_that_a_lane_admits_are_drawn_for_it() -> None:
    """A lane closed to lorries gets cars, whatever else passes there by another lane."""
    start = _start(_snapshot(), ApproachSeen(lane="short_0", reach_m=20.0, vehicles=_queue(2)))
    assert {one.kind for one in start.vehicles} == {"car"}


def test_a_silent_detector_leaves_its_approach_to_the_twin() -> None:
    """Its vehicles stay, and the reason is told."""
    own = _car("one", "main_0", 90.0, "main", "on")
    start = _start(_snapshot(own), ApproachSeen(lane="main_0", reach_m=0.0, why_not="silent"))
    assert start.vehicles == (own,)
    assert start.not_covered == (("main_0", "silent"),)


def test_what_the_brain_reckons_beyond_its_detector_stands_behind_the_queue() -> None:
    """Three are seen within 30 m and four more are reckoned with: seven stand, one behind the other."""
    seen = ApproachSeen(lane="main_0", reach_m=30.0, vehicles=_queue(3), hidden_veh=4.2)
    start = _start(_snapshot(), seen)
    assert (start.approaches[0].estimated_veh, start.approaches[0].placed_veh) == (7, 7)
    assert _free(start.vehicles)


def test_of_a_share_that_is_seen_the_others_fill_the_gaps() -> None:
    """Half are seen: two stand for four."""
    seen = ApproachSeen(lane="main_0", reach_m=182.0, vehicles=((1.0, 0.0), (24.0, 0.0)))
    start = _start(_snapshot(), seen, share=0.5)
    assert start.approaches[0].placed_veh == 4
    assert _free(start.vehicles)


def test_the_same_seed_gives_the_same_start_and_another_seed_other_ways() -> None:
    """Ways are drawn; where vehicles stand is not."""
    seen = ApproachSeen(lane="main_0", reach_m=182.0, vehicles=_queue(20))
    assert _start(_snapshot(), seen, seed=3) == _start(_snapshot(), seen, seed=3)
    other = _start(_snapshot(), seen, seed=4)
    assert other != _start(_snapshot(), seen, seed=3)
    assert [one.at_m for one in other.vehicles] == [one.at_m for one in _start(_snapshot(), seen, seed=3).vehicles]


def test_a_vehicle_of_the_twin_makes_way_for_one_that_is_seen() -> None:
    """One that the twin has just beyond what is seen is gone where somebody seen is put into it."""
    own = _car("beyond", "main_0", 68.0, "main", "on")
    start = _start(_snapshot(own), ApproachSeen(lane="main_0", reach_m=30.0, vehicles=((29.0, 0.0),)))
    assert [one.name for one in start.vehicles] == ["live.main_0.0"]
    assert _free(start.vehicles)
