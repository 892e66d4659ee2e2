"""One way in: quality before use, live state, the log, and only then the answer."""

from __future__ import annotations

import math

import numpy as np
import pytest

from cityloop.kernel.batch import Quality
from cityloop.kernel.quarantine import DeadLetter, Fault
from cityloop.kernel.readings import Overloaded, StoreFull
from cityloop.sensing.inbox import Limits, Offer
from cityloop.storage.dead_letters import SqliteDeadLetters
from cityloop.wire.arrow import decode_arrow, encode_arrow
from cityloop.wire.named import NO_INSTANT, NamedReadings

from .conftest import NOW, batch, make_desk


def named(*readings):
    """Readings by name: (name, value) or (name, value, unit)."""
    return NamedReadings(
        [reading[0] for reading in readings],
        np.full(len(readings), NO_INSTANT),
        np.array([reading[1] for reading in readings], np.float64),
        [reading[2] if len(reading) > 2 else "" for reading in readings],
    )


def test_a_good_reading_is_live_at_once_and_acknowledged_when_it_is_stored():
    """Live state does not wait for the disk; the sender does."""
    desk = make_desk(hold=True)
    taken = desk.submit([0], [21.5])
    assert taken.stored == 1
    assert desk.inbox.live.value[0] == 21.5
    assert desk.told == []
    desk.store.release()
    assert desk.told == [None]
    assert desk.history().quality.tolist() == [Quality.GOOD]


@pytest.mark.parametrize(
    ("value", "observed", "fault"),
    [
        (math.nan, NOW, Fault.NOT_A_NUMBER),
        (math.inf, NOW, Fault.NOT_A_NUMBER),
        (-math.inf, NOW, Fault.NOT_A_NUMBER),
        (60.1, NOW, Fault.OUT_OF_RANGE),
        (20.0, NOW + 60_001, Fault.FUTURE),
        (20.0, 9_223_372_036_854_775, Fault.FUTURE),
        (20.0, 0, Fault.ANCIENT),
        (20.0, -(2**62), Fault.ANCIENT),
    ],
)
def test_what_cannot_be_true_is_set_aside(desk, value, observed, fault):
    """It reaches neither live state nor history, and the fault is told."""
    taken = desk.submit([0], [value], [observed])
    assert (taken.stored, taken.quarantined) == (0, 1)
    assert taken.fault.tolist() == [fault]
    assert math.isnan(desk.inbox.live.value[0])
    assert len(desk.history()) == 0
    assert desk.told == [None]


def test_rows_that_are_no_stream_are_set_aside(desk):
    """Rows below 0 and beyond the table are unknown streams."""
    taken = desk.submit([-1, 10, 2**31 - 1, 0], [1.0, 1.0, 1.0, 1.0])
    assert (taken.stored, taken.quarantined) == (1, 3)


def test_a_device_may_write_its_own_streams_alone(desk):
    """Another device's stream is set aside; one that nobody owns, and the server itself, are free."""
    taken = desk.submit([0, 5, 8], [1.0, 2.0, 3.0], device="a")
    assert taken.fault.tolist() == [0, Fault.NOT_OWN_STREAM, 0]
    assert desk.submit([0, 5], [1.5, 2.5], [NOW + 1, NOW + 1]).stored == 2


def test_a_late_reading_goes_to_history_only(desk):
    """The newest stays live; the late one stays readable and good."""
    desk.submit([0], [10.0], [NOW])
    taken = desk.submit([0], [11.0], [NOW - 60_000])
    assert taken.late == 1
    assert desk.inbox.live.value[0] == 10.0
    assert desk.history().value.tolist() == [11.0, 10.0]
    assert desk.history().quality.tolist() == [Quality.GOOD, Quality.GOOD]


def test_a_repeated_reading_is_acknowledged_and_kept_once(desk):
    """A sender that heard no answer sends again; history has one."""
    desk.submit([0, 0], [10.0, 10.0], [NOW, NOW])
    assert desk.submit([0], [10.0], [NOW]).duplicate == 1
    assert len(desk.history()) == 1
    assert desk.told == [None, None]


def test_objects_of_one_scan_are_no_duplicates(desk):
    """A control stream may say the same of several objects at one instant."""
    assert desk.submit([9, 9], [0.0, 0.0], [NOW, NOW]).stored == 2


def test_a_repeat_is_not_acknowledged_before_the_first_is_safe():
    """While the first waits for the disk its repeat waits too; what fails may be sent again."""
    desk = make_desk(hold=True)
    desk.submit([0], [10.0], [NOW])
    desk.submit([0], [10.0], [NOW])
    assert desk.told == []
    desk.store.fails_with = StoreFull("full")
    desk.store.release()
    assert all(isinstance(error, StoreFull) for error in desk.told)
    assert len(desk.told) == 2
    desk.store.fails_with = None
    assert desk.submit([0], [10.0], [NOW]).stored == 1
    desk.store.release()
    assert desk.told[-1] is None
    assert len(desk.history()) == 1


def test_what_the_store_refuses_may_be_sent_again():
    """A refusal by the store leaves no trace that would make the next try a duplicate."""
    desk = make_desk(most_rows=0)
    with pytest.raises(Overloaded):
        desk.submit([0], [10.0], [NOW])
    desk.store._most_rows = None
    assert desk.submit([0], [10.0], [NOW]).stored == 1
    assert desk.inbox.pending.rows == 0


def test_skewed_clocks_and_jumps_are_suspect(desk):
    """A clock a few seconds ahead, and a value far outside of a stream's usual changes, are kept as suspect."""
    assert desk.submit([1], [20.0], [NOW + 5_000]).suspect == 1
    for step in range(40):
        desk.submit([0], [20.0 + 0.1 * (step % 2)], [NOW + step])
    taken = desk.submit([0], [45.0], [NOW + 50])
    assert taken.suspect == 1
    assert taken.fault.tolist() == [Fault.JUMP]
    assert desk.inbox.live.quality[0] == Quality.SUSPECT


def test_a_flat_line_is_suspect_but_zero_may_last(desk):
    """Sixty equal values over more than an hour are a flat line, unless they are 0: it may not rain for days."""
    for step in range(61):
        desk.clock[0] = NOW + step * 120_000
        last = desk.submit([0, 1], [20.5, 0.0], [desk.clock[0]] * 2)
    assert last.fault.tolist() == [Fault.FLAT, 0]


def test_names_units_and_unknown_streams(desk):
    """Units are converted; a wrong unit and a name that differs by case or Unicode form are set aside."""
    taken = desk.inbox.submit_named(
        named(("s0", 50.0, "degF"), ("s1", 1.0, "m/s"), ("S2", 1.0), ("s\u0033\u0301", 1.0)),
        device="a",
        done=desk.told.append,
    )
    assert (taken.stored, taken.quarantined) == (1, 3)
    assert desk.inbox.live.value[0] == pytest.approx(10.0)
    assert desk.inbox.live.observed_at_ms[0] == NOW


def test_packs_by_name_and_by_row_mean_the_same(desk):
    """Names are looked up once for a list that comes again, and a new name is seen when it is registered."""
    body = encode_arrow(["s0", "new"], np.array([NOW, NOW]), np.array([1.0, 2.0]))
    packs = list(decode_arrow(body, max_bytes=1 << 20))
    assert desk.inbox.submit_packs(packs, device="", done=desk.told.append).quarantined == 1
    desk.streams.register("new", "Cel")
    assert desk.inbox.submit_packs(packs, device="", done=desk.told.append).duplicate == 1
    rows = encode_arrow(np.array([10], np.int32), np.array([NOW + 1]), np.array([3.0]))
    desk.inbox.submit_packs(list(decode_arrow(rows, max_bytes=1 << 20)), device="", done=desk.told.append)
    assert desk.history().value.tolist() == [1.0, 2.0, 3.0]


def test_a_pack_over_its_share_is_refused_and_control_is_not():
    """With a limit of one reading a second a pack goes into debt, the next is told when to try again."""
    desk = make_desk(limits=Limits(readings_per_s=1.0))
    desk.submit([0, 1, 2, 3, 4], [1.0] * 5, device="a")
    with pytest.raises(Overloaded) as refused:
        desk.submit([0], [2.0], [NOW + 1], device="a")
    assert refused.value.retry_after_s > 1
    assert desk.submit([9] * 100, [1.0] * 100, device="a").stored == 100
    assert desk.inbox.refused_rows == 1


def test_too_much_that_waits_for_the_disk_is_refused_but_not_control():
    """Memory is bounded by rows that wait."""
    desk = make_desk(limits=Limits(pending_rows=3), hold=True)
    desk.submit([0, 1, 2], [1.0] * 3, device="a")
    with pytest.raises(Overloaded):
        desk.submit([3], [1.0], device="a")
    assert desk.submit([9], [1.0], device="a").stored == 1
    taken = desk.inbox.submit_mixed(batch([4, 9], [1.0, 2.0]), np.array([0, 0], np.int32), done=desk.told.append)
    assert taken.refused.tolist() == [True, False]
    desk.store.release()
    assert desk.submit([3], [1.0], device="a").stored == 1


def test_a_live_city_drains_what_it_asked_for(desk):
    """Readings are handed over once, in order of arrival, up to an instant."""
    desk.inbox.keep_for_drain(np.array([0, 9], np.int32))
    desk.submit([0, 1], [1.0, 2.0], [NOW, NOW])
    desk.clock[0] += 1000
    desk.submit([9], [3.0], [NOW + 1000])
    assert desk.inbox.drain(NOW).value.tolist() == [1.0]
    assert desk.inbox.drain(NOW + 1000).value.tolist() == [3.0]
    assert len(desk.inbox.drain(NOW + 2000)) == 0


def test_dead_letters_are_admitted_again_once_the_cause_is_mended(tmp_path):
    """An out-of-range reading waits with its reason until the range is corrected, and leaves the store for history."""
    letters = SqliteDeadLetters(tmp_path / "letters.sqlite")
    desk = make_desk(letters=letters)
    desk.submit([0], [75.0])
    letters.close()
    letters = desk.inbox.dead_letters = SqliteDeadLetters(tmp_path / "letters.sqlite")
    (letter,) = letters.read()
    assert letter == DeadLetter(
        fault=Fault.OUT_OF_RANGE,
        device="",
        received_at_ms=NOW,
        stream="s0",
        observed_at_ms=NOW,
        value=75.0,
        why="75 is outside -50 to 60",
        number=1,
    )
    desk.streams.register("s0", "Cel", -50.0, 100.0, "a")
    desk.inbox.known.refresh([0])
    assert desk.inbox.admit_again([1], desk.told.append).stored == 1
    assert letters.count() == 0
    assert desk.history().value.tolist() == [75.0]
    letters.close()


def test_many_offers_are_taken_in_one_pass_and_each_is_told_its_own():
    """As if each had come by itself: own streams, ranges, repeats of one another."""
    desk = make_desk()
    offers = [
        Offer(batch([0, 1], [1.0, 99.0]), desk.inbox.known.device("a")),
        Offer(batch([0, 5], [1.0, 2.0]), desk.inbox.known.device("b")),
        Offer(batch([8, 0], [3.0, 1.0]), -1),
    ]
    found = desk.inbox.submit_many(offers, done=desk.told.append)
    assert [(one.stored, one.duplicate, one.quarantined) for one in found] == [(1, 0, 1), (1, 0, 1), (1, 1, 0)]
    assert desk.told == [None]
    assert desk.history().stream.tolist() == [0, 5, 8]


def test_one_offer_over_its_share_does_not_stop_the_others():
    """Refused whole, and told so; ``done`` is for those that were taken."""
    desk = make_desk(limits=Limits(readings_per_s=4.0))
    a, b = desk.inbox.known.device("a"), desk.inbox.known.device("b")
    offers = [Offer(batch([0] * 4, [1.0, 2.0, 3.0, 4.0]), a), Offer(batch([1], [5.0]), a), Offer(batch([5], [6.0]), b)]
    found = desk.inbox.submit_many(offers, done=desk.told.append)
    assert found[0].stored == 4
    assert isinstance(found[1], Overloaded)
    assert desk.inbox.submit_many([offers[1]], done=desk.told.append)[0].retry_after_s > 0
    assert desk.told == [None]


def test_offers_that_would_fill_what_may_wait_are_refused_together():
    """Those of one pass count for one another."""
    desk = make_desk(limits=Limits(pending_rows=3), hold=True)
    a = desk.inbox.known.device("a")
    offers = [Offer(batch([0, 1], [1.0, 2.0]), a), Offer(batch([2, 3], [1.0, 2.0]), a)]
    found = desk.inbox.submit_many(offers, done=desk.told.append)
    assert found[0].stored == 2
    assert isinstance(found[1], Overloaded)
