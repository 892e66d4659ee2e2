"""What detectors report of positions and speeds."""

from __future__ import annotations

import numpy as np
import pytest

from cityloop.cities.sumo.sensors import (
    AreaScanner,
    LoopReader,
    StatusReader,
    StreamRows,
    parse_level,
)
from cityloop.cities.sumo.zones import Piece, Zone
from cityloop.kernel.errors import ConfigError
from cityloop.kernel.layout import StreamKind, Streams


def _streams(*streams: tuple[StreamKind, int]) -> Streams:
    return Streams(np.array([kind for kind, _ in streams], np.int32), np.array([a for _, a in streams], np.int32))


AREA = _streams(
    *((kind, a) for a in (1, 0) for kind in (StreamKind.OBJECT_SPEED_MPS, StreamKind.OBJECT_COUNT)),
    *((StreamKind.OBJECT_DISTANCE_M, a) for a in (0, 1)),
)
"""In an order nobody would choose: speed 1, count 1, speed 0, count 0, distance 0, distance 1."""

ZONES = (
    Zone("a", (Piece("a", 0.0), Piece("up", 60.0)), 160.0, 160.0, "a"),
    Zone("b", (Piece("b", 0.0),), 80.0, 80.0, "b"),
)
LENGTHS_M = {"a": 60.0, "up": 100.0, "b": 80.0}


def _scan(scanner, *seen):
    lanes = [scanner.lane_number[lane] for lane, _, _ in seen]
    return scanner.scan(lanes, [position for _, position, _ in seen], [speed for _, _, speed in seen])


def test_objects_are_reported_nearest_first_with_their_speeds():
    """Distances run to the stop line, through the joint; counts come in approach order."""
    scanner = AreaScanner(StreamRows(AREA), ZONES, LENGTHS_M, 150.0)
    counts, streams, values = _scan(scanner, ("up", 90.0, 9.0), ("b", 79.0, 0.0), ("a", 50.0, 3.0))
    assert scanner.count_streams.tolist() == [3, 1]
    assert counts.tolist() == [2, 1]
    assert streams.tolist() == [4, 4, 5, 2, 2, 0]
    assert values.tolist() == [10.0, 70.0, 1.0, 3.0, 9.0, 0.0]


def test_nothing_is_seen_beyond_the_reach():
    """A vehicle 150 m away is seen at area:150, one 151 m away is not; nor is any upstream at area:50."""
    scanner = AreaScanner(StreamRows(AREA), ZONES, LENGTHS_M, 150.0)
    counts, _, _ = _scan(scanner, ("up", 10.0, 9.0), ("up", 9.0, 9.0))
    assert counts.tolist() == [1, 0]
    assert "up" not in AreaScanner(StreamRows(AREA), ZONES, LENGTHS_M, 50.0).lane_number


def test_an_empty_street_is_counted_as_empty():
    """No vehicle means counts of nought and no objects, not silence."""
    counts, streams, values = _scan(AreaScanner(StreamRows(AREA), ZONES, LENGTHS_M, 150.0))
    assert counts.tolist() == [0, 0]
    assert len(streams) == len(values) == 0


def test_a_lane_in_two_zones_is_seen_by_both_detectors():
    """A vehicle upstream of two approach lanes has a distance to each."""
    zones = (ZONES[0], Zone("b", (Piece("b", 0.0), Piece("up", 80.0)), 180.0, 80.0, "b"))
    scanner = AreaScanner(StreamRows(AREA), zones, LENGTHS_M, 150.0)
    counts, streams, values = _scan(scanner, ("up", 80.0, 7.0), ("a", 60.0, 0.0))
    assert counts.tolist() == [2, 1]
    assert streams.tolist() == [4, 4, 5, 2, 2, 0]
    assert values.tolist() == [0.0, 80.0, 100.0, 0.0, 7.0, 7.0]


def test_loops_report_counts_and_shares():
    """Occupancy is a share, not per cent, and never more than one."""
    values = LoopReader.values([(2, 50.0), (0, 120.0)], [(1, 0.0), (0, 25.0)])
    assert values.tolist() == [2, 0, 0.5, 1.0, 1, 0, 0.0, 0.25]


def test_a_call_is_told_while_it_lasts_and_once_when_it_ends():
    """The crossing without anybody is silent; the one that was left says nought once."""
    streams = _streams(
        (StreamKind.STAGE_SHOWN, 0),
        (StreamKind.CONTROL_MODE, 0),
        (StreamKind.CROSSING_CALL, 4),
        (StreamKind.CROSSING_CALL, 9),
    )
    status = StatusReader(StreamRows(streams), 1, [4, 9])
    told = [
        (rows.tolist(), values.tolist())
        for rows, values in map(status.calls, ([True, False], [True, False], [False, False], [False, False]))
    ]
    assert told == [([2], [1.0]), ([2], [1.0]), ([2], [0.0]), ([], [])]


@pytest.mark.parametrize("text", ["area", "area:x", "area:-5", "probe:2", "probe:0", "loops:3", "all", ""])
def test_an_unknown_level_is_refused_with_the_choice(text):
    """The message shows the value and the levels there are."""
    with pytest.raises(ConfigError, match="give loops, area:<metres>"):
        parse_level(text)


def test_levels_say_how_far_and_how_much_is_seen():
    """Truth is an area without a bound; a probe sees a share of it."""
    assert parse_level("area:80").reach_m == 80
    assert parse_level("probe:0.1").share == 0.1
    assert parse_level("truth").reach_m > 10_000
    assert parse_level("loops").loops
