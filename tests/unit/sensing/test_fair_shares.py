"""One greedy device takes nothing from those that send little, by whichever way it comes."""

from __future__ import annotations

import numpy as np
import pytest

from cityloop.kernel.readings import Overloaded
from cityloop.sensing.inbox import Limits, Offer
from cityloop.sensing.shares import FairShares, water_level

from .conftest import batch, make_desk

RATE = 100.0


def flood(offer, seconds: int = 30) -> tuple[int, int, int]:
    """Offer 1,000 readings a second of a greedy device and 10 of a modest one; return what was taken, and refused."""
    desk = make_desk(limits=Limits(readings_per_s=RATE))
    taken = {"a": 0, "b": 0}
    refused = 0
    for tick in range(seconds * 10):
        desk.clock[0] += 100
        for device, rows in (("a", 100), ("b", 1)):
            # Values that never repeat: a repeat would be taken for a duplicate, and not for a reading of its own.
            values = np.arange(rows) % 50 + tick * 1e-4 + np.arange(rows) * 1e-7
            stream = 0 if device == "a" else 5
            kept = offer(desk, device, batch([stream] * rows, values, [desk.clock[0]] * rows))
            if tick >= 50:
                taken[device] += kept
                refused += (rows - kept) if device == "b" else 0
    return taken["a"], taken["b"], refused


def whole(desk, device, readings) -> int:
    try:
        return len(readings) - desk.inbox.submit(readings, device=device, done=desk.told.append).quarantined
    except Overloaded:
        return 0


def together(desk, device, readings) -> int:
    offers = [Offer(readings, desk.inbox.known.device(device))]
    (found,) = desk.inbox.submit_many(offers, done=desk.told.append)
    return 0 if isinstance(found, Overloaded) else len(readings)


def mixed(desk, device, readings) -> int:
    number = np.full(len(readings), desk.inbox.known.device(device), np.int32)
    found = desk.inbox.submit_mixed(readings, number, done=desk.told.append)
    return len(readings) - (0 if found.refused is None else int(found.refused.sum()))


@pytest.mark.parametrize("offer", [whole, together, mixed])
def test_a_greedy_device_does_not_starve_another(offer):
    """The modest device, a tenth of the limit, loses nothing; the greedy one gets what is left, and no more."""
    greedy, modest, refused = flood(offer)
    assert (modest, refused) == (250, 0)
    assert 25 * RATE * 0.75 <= greedy + modest <= 25 * RATE * 1.1


def test_two_greedy_devices_share_alike():
    """However much more the one offers than the other."""
    shares = FairShares(RATE)
    taken = np.zeros(2)
    for tick in range(300):
        for device, rows in ((0, 100), (1, 20)):
            admitted = shares.admit_rows(np.full(rows, device, np.int32), tick * 100)
            if tick >= 50:
                taken[device] += rows if admitted is None else admitted.sum()
    assert 0.8 < taken[1] / taken[0] < 1.25


def test_in_one_batch_small_demands_are_met_first():
    """One reading of a modest device among a thousand of a greedy one is no rounding error."""
    shares = FairShares(RATE)
    devices = np.repeat(np.array([0, 1, 2], np.int32), [1000, 1, 3])
    admitted = shares.admit_rows(devices, 0)
    assert [int(admitted[devices == device].sum()) for device in (0, 1, 2)] == [96, 1, 3]


def test_less_room_than_devices_is_used_all_the_same():
    shares = FairShares(2.0)
    assert int(shares.admit_rows(np.arange(5, dtype=np.int32), 0).sum()) == 2


def test_the_level_serves_the_modest_whole_and_cuts_the_rest_alike():
    assert water_level(np.array([10.0, 200.0, 500.0]), 100.0) == 45.0
    assert water_level(np.array([10.0, 20.0]), 100.0) == 100.0
