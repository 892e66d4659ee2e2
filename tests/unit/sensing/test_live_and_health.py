"""Live state, change feeds, health with reasons, and fair shares."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cityloop.kernel.batch import Batch
from cityloop.kernel.quarantine import Fault
from cityloop.kernel.readings import StreamColumns
from cityloop.sensing.health import Neighbours, health_of, reasons
from cityloop.sensing.live import LiveState
from cityloop.sensing.pending import Pending
from cityloop.sensing.shares import FairShares, water_level

from .conftest import NOW


def stored(streams, values, observed) -> Batch:
    count = len(streams)
    return Batch(
        np.array(streams, np.int32),
        np.array(observed, np.int64),
        np.full(count, NOW),
        np.array(values, np.float64),
        np.zeros(count, np.uint8),
    )


def test_a_restart_takes_over_the_newest_of_each_stream():
    """Whatever the order, the reading observed last stands, and nothing that is not finite."""
    live = LiveState()
    live.update(stored([2, 2, 1, 0], [1.0, 2.0, np.nan, 5.0], [NOW, NOW - 5, NOW, NOW]))
    assert live.latest().value.tolist()[2] == 1.0
    assert np.isnan(live.latest().value[1])
    with pytest.raises(IndexError):
        live.latest(np.array([3], np.int32))


def test_a_feed_tells_each_change_once_and_holds_no_more_than_a_bit_a_stream():
    """Many changes of a stream between two looks are one; streams that were not asked for are left out."""
    live = LiveState()
    everything, one = live.subscribe(), live.subscribe(np.array([5], np.int32))
    for step in range(100):
        live.update(stored([5, 2000], [1.0, 2.0], [NOW + step, NOW + step]))
    assert everything.take().tolist() == [5, 2000]
    assert everything.take().tolist() == []
    assert one.take().tolist() == [5]
    one.close()
    live.update(stored([5], [1.0], [NOW + 1000]))
    assert one.take().tolist() == []


def test_health_tells_reasons(desk):
    """Silent after three intervals, never heard, faulty after many readings set aside, otherwise well."""
    for step in range(10):
        desk.submit([0, 1], [20.0 + step, 99.0], [NOW + step, NOW + step])
    desk.clock[0] += 31_000
    desk.submit([2], [20.0], [desk.clock[0]])
    health = health_of(np.arange(4, dtype=np.int32), desk.inbox.watch, desk.inbox.live, desk.clock[0])
    assert [reasons(fault) for fault in health.fault.tolist()] == [
        ["silent"],
        ["out of range", "silent"],
        [],
        ["silent"],
    ]
    assert health.age_s[0] == pytest.approx(30.991)
    assert np.isnan(health.age_s[3])


def test_a_sensor_that_disagrees_with_its_neighbours_is_found(desk):
    """Eight thermometers within a kilometre, one 15 degrees above the rest; another unit nearby is no neighbour."""
    count = 9
    columns = StreamColumns(
        low=np.full(count, -50.0),
        high=np.full(count, 60.0),
        lon_deg=13.5 + 0.001 * np.arange(count),
        lat_deg=np.full(count, 52.4),
        interval_s=np.full(count, 10.0),
        unit_code=np.array([0] * 8 + [1], np.int32),
        kind=np.zeros(count, np.uint8),
    )
    values = [20.0, 20.2, 19.9, 35.0, 20.1, 20.3, 19.8, 20.0, 50.0]
    desk.inbox.live.update(stored(range(count), values, [NOW] * count))
    found = Neighbours(columns).disagreeing(desk.inbox.live, NOW)
    assert np.flatnonzero(found).tolist() == [3]
    desk.inbox.watch.disagrees[: len(found)] = found
    taken = desk.submit([3], [35.0], [NOW + 1])
    assert taken.fault.tolist() == [Fault.DISAGREES]


def test_water_finds_its_level():
    """Demands of 1, 5 and 10 share 12: the least whole, the others 5.5, of which one needs but 5."""
    assert water_level(np.array([1.0, 5.0, 10.0]), 12.0) == 6.0
    assert water_level(np.array([10.0, 10.0]), 12.0) == 6.0
    assert water_level(np.array([1.0, 2.0]), 12.0) == 12.0


@given(st.lists(st.floats(0.1, 1e4), min_size=1, max_size=40), st.floats(1.0, 1e5))
def test_shares_add_up_to_the_rate(demand, rate):
    """Cut at the level, demands never exceed the rate and reach it where they are above it."""
    wanted = np.array(demand)
    level = water_level(wanted, rate)
    assert np.minimum(wanted, level).sum() == pytest.approx(min(rate, wanted.sum()))


def test_a_flood_does_not_starve_the_modest():
    """Ten times the limit is offered, nearly all by one device; the nine that send little lose nothing."""
    shares = FairShares(100.0)
    taken = np.zeros(10, int)
    for step in range(100):
        devices = np.array([0] * 91 + list(range(1, 10)), np.int32)
        admitted = shares.admit_rows(devices, NOW + step * 100)
        if step >= 30:
            taken += np.bincount(devices if admitted is None else devices[admitted], minlength=10)
    # Seven seconds at 100 readings a second, shared by ten.
    assert (taken[1:] >= 63).all()
    assert 63 <= taken[0] <= 80


def test_whoever_waits_for_earlier_ones_is_told_when_the_last_ends():
    """Ends come in any order; an error of one that was waited for is told."""
    pending, told = Pending(), []
    first, second = pending.begin(5), pending.begin(7)
    pending.after_earlier(told.append)
    third = pending.begin(1)
    pending.end(second, None)
    assert (told, pending.rows) == ([], 6)
    pending.end(first, None)
    assert told == [None]
    error = ValueError("x")
    pending.after_earlier(told.append)
    pending.end(third, error)
    assert told == [None, error]
    pending.after_earlier(told.append)
    assert told == [None, error, None]
