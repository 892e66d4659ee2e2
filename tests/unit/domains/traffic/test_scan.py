"""From readings to objects per lane, and from two scans to who crossed the stop line."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from cityloop.domains.traffic.domain import traffic
from cityloop.domains.traffic.scan import count_released, released_between
from cityloop.domains.traffic.schema import MAX_OBJECTS
from cityloop.kernel.batch import Quality, concat


@pytest.fixture
def two_lanes(crossroads):
    """Two lanes, each with a green of its own."""
    return crossroads(("Gr", "rG"), ((0,), (1,)))


def seen(state, approach=0):
    """Objects of a lane as (distance, speed)."""
    n = int(state.count_veh[approach])
    return list(zip(state.distance_m[approach, :n].tolist(), state.speed_mps[approach, :n].tolist(), strict=True))


def test_objects_are_read_in_order_of_distance(two_lanes):
    """A scan that lists its objects in any order is sorted, each distance with its own speed."""
    batch = two_lanes.batch(1000, scans={0: [(40.0, 8.0), (2.0, 0.0), (9.5, 1.0)]})
    state = traffic.update(traffic.start(two_lanes.layout, 0), batch, {}, 1000)
    assert seen(state) == [(2.0, 0.0), (9.5, 1.0), (40.0, 8.0)]
    assert np.isnan(state.distance_m[0, 3:]).all()


@pytest.mark.parametrize("turned", [False, True])
def test_the_latest_scan_wins(two_lanes, turned):
    """Of two scans of one lane the later measured counts alone, whichever arrives last."""
    old = two_lanes.batch(1000, scans={0: [(30.0, 9.0), (50.0, 9.0)]})
    new = two_lanes.batch(2000, scans={0: [(21.0, 9.0)]})
    state = traffic.start(two_lanes.layout, 0)
    state = traffic.update(state, concat([new, old] if turned else [old, new]), {}, 2000)
    assert seen(state) == [(21.0, 9.0)]
    assert state.seen_at_ms[0] == 2000


def test_a_scan_older_than_what_is_known_changes_nothing(two_lanes):
    """A delayed report of a second ago does not undo what was heard since."""
    state = traffic.start(two_lanes.layout, 0)
    state = traffic.update(state, two_lanes.batch(2000, scans={0: [(21.0, 9.0)]}), {}, 2000)
    state = traffic.update(state, two_lanes.batch(1000, scans={0: [(30.0, 9.0)]}), {}, 3000)
    assert seen(state) == [(21.0, 9.0)]
    assert state.seen_at_ms[0] == 2000


def test_an_empty_scan_empties_the_lane_and_silence_does_not(two_lanes):
    """A count of zero is an empty lane; a lane of which nothing is heard keeps what was seen, and when."""
    state = traffic.start(two_lanes.layout, 0)
    state = traffic.update(state, two_lanes.batch(1000, scans={0: [(5.0, 1.0)], 1: [(7.0, 2.0)]}), {}, 1000)
    state = traffic.update(state, two_lanes.batch(2000, scans={0: []}), {}, 2000)
    assert seen(state, 0) == []
    assert seen(state, 1) == [(7.0, 2.0)]
    assert state.seen_at_ms.tolist() == [2000, 1000]


def test_bad_readings_never_enter(two_lanes):
    """A scan marked bad is as if it had not been heard."""
    batch = two_lanes.batch(1000, scans={0: [(5.0, 1.0)]})
    bad = replace(batch, quality=np.full(len(batch), Quality.BAD, np.uint8))
    state = traffic.update(traffic.start(two_lanes.layout, 0), bad, {}, 1000)
    assert seen(state) == []
    assert state.seen_at_ms[0] < 0


def test_nan_and_infinite_objects_never_enter(two_lanes):
    """An object whose place or speed is no number is left out; the others of the scan stay."""
    scan = [(np.nan, 3.0), (12.0, 4.0), (15.0, np.nan), (np.inf, 5.0), (18.0, 6.0)]
    state = traffic.update(traffic.start(two_lanes.layout, 0), two_lanes.batch(1000, scans={0: scan}), {}, 1000)
    assert seen(state) == [(12.0, 4.0), (18.0, 6.0)]


def test_an_object_behind_the_line_stands_at_it(two_lanes):
    """Noise that puts a vehicle past the stop line, or makes it roll backwards, is cut at zero."""
    state = traffic.start(two_lanes.layout, 0)
    state = traffic.update(state, two_lanes.batch(1000, scans={0: [(-0.8, -0.2)]}), {}, 1000)
    assert seen(state) == [(0.0, 0.0)]


def test_more_objects_than_are_kept_do_no_harm(two_lanes):
    """Of an endless queue the first 48 vehicles are kept."""
    queue = [(7.5 * k, 0.0) for k in range(MAX_OBJECTS + 12)]
    state = traffic.update(traffic.start(two_lanes.layout, 0), two_lanes.batch(1000, scans={0: queue}), {}, 1000)
    assert seen(state) == queue[:MAX_OBJECTS]


def test_a_state_is_never_changed_once_handed_out(two_lanes):
    """The state before an update is the same after it."""
    before = traffic.start(two_lanes.layout, 0)
    copy = before.distance_m.copy(), before.count_veh.copy(), before.share.copy()
    traffic.update(before, two_lanes.batch(1000, scans={0: [(3.0, 0.0)]}), {}, 1000)
    for kept, now in zip(copy, (before.distance_m, before.count_veh, before.share), strict=True):
        np.testing.assert_array_equal(kept, now)


def released(before, after, step_s=1.0):
    """How many of the vehicles before left, if those after are seen a step later."""
    lanes = [np.full((2, MAX_OBJECTS), np.nan) for _ in range(2)]
    for lane, objects in zip(lanes, (before, after), strict=True):
        for k, (distance_m, speed_mps) in enumerate(objects):
            lane[:, k] = distance_m, speed_mps
    (at, v), (at2, v2) = lanes
    return count_released(at, v, len(before), at2, v2, len(after), step_s)


@pytest.mark.parametrize(
    ("before", "after", "left"),
    [
        # A queue discharges: the first goes over the line at 6 m/s, the second comes up to where it was.
        ([(3.0, 6.0), (11.0, 5.0), (19.0, 4.0)], [(5.5, 6.0), (14.5, 5.0)], 1),
        # It only creeps: everybody is nearer, nobody over the line.
        ([(9.0, 2.0), (17.0, 1.0)], [(6.5, 3.0), (15.5, 2.0)], 0),
        # Standing at red.
        ([(1.0, 0.0), (8.5, 0.0)], [(1.0, 0.0), (8.5, 0.0)], 0),
        # The only vehicle drives over the line.
        ([(4.0, 9.0)], [], 1),
        # Nobody was there.
        ([], [(60.0, 12.0)], 0),
        # One passes at speed while another enters far behind.
        ([(6.0, 13.0)], [(140.0, 13.0)], 1),
        # Two in one step, close behind one another.
        ([(2.0, 12.0), (11.0, 12.0), (40.0, 12.0)], [(28.0, 12.0)], 2),
        # The last of three, 60 m away, changes lane: it cannot have reached the line.
        ([(1.0, 0.0), (8.5, 0.0), (60.0, 10.0)], [(1.0, 0.0), (8.5, 0.0)], 0),
        # One changes into the lane between two that stand.
        ([(1.0, 0.0), (40.0, 6.0)], [(1.0, 0.0), (18.0, 6.0), (34.0, 6.0)], 0),
    ],
)
def test_who_crossed_the_stop_line(before, after, left):
    """Two scans a second apart tell how many left, without any vehicle being followed by name."""
    assert released(before, after) == left


def test_a_lone_vehicle_far_off_that_vanishes_changed_lane():
    """From 80 m nobody reaches the line within a second."""
    assert released([(80.0, 12.0)], []) == 0


def test_nobody_is_counted_over_a_long_silence(two_lanes):
    """Scans 6 s apart say nothing of who left in between."""
    state = traffic.start(two_lanes.layout, 0)
    state = traffic.update(state, two_lanes.batch(1000, scans={0: [(3.0, 9.0)]}), {}, 1000)
    later = traffic.update(state, two_lanes.batch(7000, scans={0: []}), {}, 7000)
    sooner = traffic.update(state, two_lanes.batch(2000, scans={0: []}), {}, 2000)
    assert (later.left_veh[0], sooner.left_veh[0]) == (0, 1)


def _counted_share(reach_m: float, speed_mps: float, headway_s: float) -> float:
    """Return the share of four hundred steadily driving vehicles that is counted over a zone seen once a second."""
    rng = np.random.default_rng(1)
    crosses_s = np.cumsum(rng.exponential(0.3 * headway_s, 400) + 0.7 * headway_s)
    most, missed_veh, counted = 40, np.zeros(1), 0
    before_m, before_n = np.full((1, most), np.nan), np.zeros(1, np.int32)
    speeds = np.full((1, most), speed_mps)
    for second in range(1, int(crosses_s[-1]) + 2):
        front_m = (crosses_s - second) * speed_mps
        front_m = front_m[(front_m >= 0) & (front_m <= reach_m)]
        after_m, after_n = np.full((1, most), np.nan), np.array([len(front_m)], np.int32)
        after_m[0, : len(front_m)] = front_m
        released = np.zeros(1, np.int32)
        released_between(
            before_m, speeds, before_n, np.array([second * 1000 - 1000]),
            after_m, speeds, after_n, np.array([second * 1000]),
            np.array([reach_m]), missed_veh, released,
        )  # fmt: skip
        counted += int(released[0])
        before_m, before_n = after_m, after_n
    return counted / 400


@pytest.mark.parametrize("speed_mps", [7.0, 10.0, 13.0])
@pytest.mark.parametrize("reach_m", [7.0, 8.0, 10.0, 14.0, 60.0])
@pytest.mark.parametrize("headway_s", [2.0, 6.0])
def test_who_drives_through_a_short_zone_unseen_is_counted_by_those_who_are_seen(reach_m, speed_mps, headway_s):
    """However short the zone and however fast the stream, as many are counted as crossed the line."""
    assert _counted_share(reach_m, speed_mps, headway_s) == pytest.approx(1.0, abs=0.08)
