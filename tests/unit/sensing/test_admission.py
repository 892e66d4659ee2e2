"""Control traffic passes every limit, as much of it as its streams declare, and carries nothing else past with it."""

from __future__ import annotations

import numpy as np
import pytest

from cityloop.kernel.readings import DataKind, Overloaded
from cityloop.sensing.inbox import Limits, Offer

from .conftest import NOW, batch, make_desk

TIGHT = Limits(readings_per_s=1.0)


def pair(desk, at: int):
    """A control reading and an ordinary one of the same device, in one pack."""
    return desk.submit([9, 0], [1.0, at * 1e-3], [NOW + at, NOW + at], device="a")


def test_readings_that_ride_with_control_are_counted_like_any_other():
    """A device that pairs each control reading with one of its own gets no more of those in than its share."""
    desk = make_desk(limits=TIGHT)
    for tick in range(200):
        desk.clock[0] += 100
        pair(desk, tick)
    history = desk.history()
    assert np.count_nonzero(history.stream == 9) == 200
    assert np.count_nonzero(history.stream == 0) <= 20 + 2


def test_a_parted_pack_is_told_what_was_kept_and_what_was_not():
    """Its control readings are safe before anybody is told, and the answer names both counts and when to try again."""
    desk = make_desk(limits=TIGHT, hold=True)
    desk.submit([0, 1, 2, 3, 4], [1.0] * 5, device="a")
    taken = desk.submit([9, 9, 0], [1.0, 2.0, 3.0], [NOW + 1] * 3, device="a")
    assert (taken.stored, desk.told) == (2, [])
    desk.store.release()
    first, second = desk.told
    assert first is None
    assert isinstance(second, Overloaded)
    assert second.kept == 2
    assert "its 2 control readings were kept, the other 1 were not" in str(second)
    assert desk.inbox.refused_rows == 1


def test_one_parted_pack_among_others_is_told_for_itself():
    """Packs that are judged together: one whole, one parted, one refused."""
    desk = make_desk(limits=TIGHT)
    number = desk.inbox.known.device
    desk.submit([0, 1, 2, 3, 4], [1.0] * 5, device="a")
    offers = [
        Offer(batch([9, 0], [1.0, 2.0]), number("a")),
        Offer(batch([1], [2.0]), number("a")),
        Offer(batch([9], [3.0]), number("b")),
    ]
    parted, refused, whole = desk.inbox.submit_many(offers, done=desk.told.append)
    assert (parted.stored, parted.over.kept) == (1, 1)
    assert isinstance(refused, Overloaded)
    assert (whole.stored, whole.over) == (1, None)


def test_a_control_stream_passes_only_with_what_it_declares():
    """A scan of a hundred readings each interval, ten of which may be saved up; beyond that it counts as any other."""
    desk = make_desk(limits=TIGHT)
    assert desk.submit([9] * 1000, [1.0] * 1000, device="a").stored == 1000
    desk.submit([9] * 500, [1.0] * 500, device="a")  # Its share, once, into debt.
    with pytest.raises(Overloaded):
        desk.submit([9] * 500, [1.0] * 500, device="a")
    desk.clock[0] += 10_000
    assert desk.submit([9] * 100, [1.0] * 100, device="a").stored == 100


def test_nobody_uses_up_what_anothers_control_stream_may_say():
    """A device that writes another's control stream is charged for it, and the owner's own readings pass."""
    desk = make_desk(limits=TIGHT)
    row = desk.streams.register("lamps", "1", device="b", kind=DataKind.CONTROL)
    desk.submit([row] * 100, [1.0] * 100, device="a")  # Its own share, once, into debt.
    with pytest.raises(Overloaded):
        desk.submit([row] * 100, [1.0] * 100, device="a")
    assert desk.submit([row] * 100, [1.0] * 100, device="b").stored == 100


def test_single_messages_of_many_devices_are_bounded_alike():
    """Rows that came as single messages: of a control stream no more pass than it declares."""
    desk = make_desk(limits=TIGHT)
    devices = np.full(1500, desk.inbox.known.device("a"), np.int32)
    taken = desk.inbox.submit_mixed(batch([9] * 1500, [1.0] * 1500), devices, done=desk.told.append)
    assert np.count_nonzero(taken.refused) == 499
    assert not taken.refused[:1000].any()
