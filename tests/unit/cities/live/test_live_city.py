"""A live city over a link that fails: what is decided on, what the field does alone, and who is listened to."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from cityloop.app.field_agent import LinkFaults
from cityloop.app.live_loopback import BEGIN_MS, live_loopback
from cityloop.cities.live.city import LiveCity, LiveParams
from cityloop.cities.toy.assets import ToyParams
from cityloop.cities.toy.city import ToyCity
from cityloop.domains.signals.schema import ShowStage
from cityloop.kernel.errors import ConfigError
from cityloop.kernel.layout import StreamKind
from cityloop.kernel.messages import Command, ReceiptStatus
from cityloop.wire.field import encode_leases

OWN, LEASED = 0, 1


def lease(stage: int, at_s: int, *, epoch: int = 1, sequence: int | None = None) -> Command:
    """A lease of four seconds, issued at a second since the begin."""
    now_ms = BEGIN_MS + at_s * 1000
    return Command(
        domain="signals",
        target=0,
        action=ShowStage(stage),
        epoch=epoch,
        sequence=at_s if sequence is None else sequence,
        issued_at_ms=now_ms,
        not_after_ms=now_ms + 4000,
    )


def heard(city: LiveCity, kind: StreamKind, seconds: int) -> list[float]:
    """What one stream says until a second since the begin, second by second."""
    kinds = city.layout().streams.kind
    said = []
    now_s = city.observe(BEGIN_MS).now_ms // 1000 - BEGIN_MS // 1000
    for second in range(now_s + 1, seconds + 1):
        batch = city.observe(BEGIN_MS + second * 1000).batch
        said += batch.value[kinds[batch.stream] == kind].tolist()
    return said


def test_the_field_is_seen_as_it_is_seen_in_one_process() -> None:
    """Through documents, packs and the inbox the same readings come as from the city itself, at the same seconds."""
    live, _ = live_loopback(ToyCity(ToyParams(end_s=40)))
    plain = ToyCity(ToyParams(end_s=40))
    for second in range(1, 31):
        ours, theirs = live.observe(BEGIN_MS + second * 1000).batch, plain.observe(second * 1000).batch
        assert ours.stream.tolist() == theirs.stream.tolist()
        assert ours.value.tolist() == theirs.value.tolist()
        assert (ours.observed_at_ms - BEGIN_MS).tolist() == theirs.observed_at_ms.tolist()


def test_a_lease_is_answered_before_apply_returns() -> None:
    """The receipt is there at once, without a second passing."""
    live, wire = live_loopback(ToyCity(ToyParams(end_s=40)))
    live.observe(BEGIN_MS + 1000)
    live.apply([lease(1, 1)])
    seen = live.observe(BEGIN_MS + 1000)
    assert [receipt.sequence for receipt in seen.receipts] == [1]
    assert seen.now_ms == wire.now_ms() == BEGIN_MS + 1000


def test_a_field_that_hears_nothing_goes_back_to_its_own_plan() -> None:
    """Leases hold four seconds; with the link cut the field leaves the lease behind and minds itself."""
    live, wire = live_loopback(ToyCity(ToyParams(end_s=120)))
    for second in range(1, 11):
        live.observe(BEGIN_MS + second * 1000)
        live.apply([lease(0, second)])
    assert heard(live, StreamKind.CONTROL_MODE, 11) == [LEASED]
    wire.cut = True
    heard(live, StreamKind.CONTROL_MODE, 60)
    wire.cut = False
    assert heard(live, StreamKind.CONTROL_MODE, 62)[-1] == OWN


def test_what_the_field_never_answered_is_told_as_expired() -> None:
    """Every command has an answer in the journal, also where the link swallowed it."""
    live, wire = live_loopback(ToyCity(ToyParams(end_s=60)))
    live.observe(BEGIN_MS + 1000)
    wire.cut = True
    live.apply([lease(1, 1)])
    assert live.observe(BEGIN_MS + 1000).receipts == ()
    answers = [receipt for second in range(2, 10) for receipt in live.observe(BEGIN_MS + second * 1000).receipts]
    assert [(one.sequence, one.status) for one in answers] == [(1, ReceiptStatus.EXPIRED)]
    assert live.unanswered == 1


def test_waiting_for_an_answer_is_bounded() -> None:
    """Nobody answers: apply returns after the time set, by the city's clock."""
    live, wire = live_loopback(ToyCity(ToyParams(end_s=60)), params=LiveParams(answer_ms=200))
    live.observe(BEGIN_MS + 1000)
    wire.cut = True
    live.apply([lease(1, 1)])
    assert wire.now_ms() == BEGIN_MS + 1200


def test_an_older_brain_is_refused_and_its_answers_are_not_ours() -> None:
    """After a restart with a greater epoch the older one's leases are stale; its receipts reach no journal of ours."""
    city = ToyCity(ToyParams(end_s=60))
    live, wire = live_loopback(city)
    live.observe(BEGIN_MS + 1000)
    live.apply([lease(1, 1, epoch=7, sequence=0)])
    live.observe(BEGIN_MS + 2000)
    wire.send("field", encode_leases([lease(0, 2, epoch=6, sequence=900)]))
    seen = live.observe(BEGIN_MS + 3000)
    assert all(receipt.sequence != 900 for receipt in seen.receipts)
    live.apply([lease(0, 3, epoch=6, sequence=901)])
    assert live.observe(BEGIN_MS + 3000).receipts[-1].status is ReceiptStatus.STALE


def test_a_pack_that_comes_twice_counts_its_vehicles_once() -> None:
    """A sender repeats what was not acknowledged; a decision sees each vehicle once, the history keeps both."""
    live, wire = live_loopback(ToyCity(ToyParams(end_s=60)))
    plain = ToyCity(ToyParams(end_s=60))
    wire.times = 2
    for second in range(1, 31):
        ours, theirs = live.observe(BEGIN_MS + second * 1000).batch, plain.observe(second * 1000).batch
        told, meant = ([*zip(batch.stream, batch.value, strict=True)] for batch in (ours, theirs))
        assert sorted(told) == sorted(meant)
    assert live.scans.repeated > 0


def test_a_city_that_fell_behind_goes_on_from_now_where_it_may() -> None:
    """A loop that stood still does not decide on minutes that are over; a recording wants each of them."""
    for lag_ms, expected_s in ((3000, 31), (None, 2)):
        live, wire = live_loopback(ToyCity(ToyParams(end_s=60)), params=LiveParams(longest_lag_ms=lag_ms))
        live.observe(BEGIN_MS + 1000)
        wire.wait(BEGIN_MS + 31_000, live._link.news)
        assert live.observe(BEGIN_MS + 2000).now_ms == BEGIN_MS + expected_s * 1000


def test_a_field_that_takes_leave_ends_the_city_only_where_that_is_meant() -> None:
    """A run ends with its field; a served city waits for it to come back."""
    for ends in (True, False):
        live, _ = live_loopback(ToyCity(ToyParams(end_s=5)), params=LiveParams(ends=ends))
        seen = live.observe(BEGIN_MS + 20_000)
        assert seen.ended is ends
        assert seen.now_ms == BEGIN_MS + (5000 if ends else 20_000)


def test_no_lease_is_waited_for_longer_than_it_lasts() -> None:
    """Nonsense is refused when it is set."""
    with pytest.raises(ConfigError, match="answer_ms is 5000"):
        LiveParams(answer_ms=5000)
    assert dataclasses.replace(LiveParams(), answer_ms=0).answer_ms == 0


def test_a_poor_link_loses_no_reading_and_brings_none_twice_or_late_to_a_decision() -> None:
    """What did not arrive is sent again and is history; what is decided on comes in order, each instant once."""
    faults = LinkFaults(loss=0.3, delay_s=0.2, jitter_s=1.5, seed=3)
    live, wire = live_loopback(ToyCity(ToyParams(end_s=120)), faults=faults, transit_ms=20, settle_ms=300)
    kinds = live.layout().streams.kind
    shown: list[int] = []
    for second in range(1, 101):
        batch = live.observe(BEGIN_MS + 300 + second * 1000).batch
        shown += batch.observed_at_ms[kinds[batch.stream] == StreamKind.STAGE_SHOWN].tolist()
    assert wire.lost > 10
    assert shown == sorted(set(shown))
    assert len(shown) < 100
    assert live.scans.late == 0, "the inbox holds back what is late already"
    rows = np.flatnonzero(kinds == StreamKind.STAGE_SHOWN).astype(np.int32)
    kept = wire.inbox.readings.history(rows, 0, BEGIN_MS + 90_000).observed_at_ms.tolist()
    assert kept == [BEGIN_MS + second * 1000 for second in range(1, 90)]


def test_the_same_seed_makes_the_same_link() -> None:
    """A run over a poor link can be made again."""

    def decisions() -> list[tuple[int, str]]:
        faults = LinkFaults(loss=0.3, delay_s=0.1, jitter_s=0.8, seed=5)
        live, _ = live_loopback(ToyCity(ToyParams(end_s=60)), faults=faults, settle_ms=300)
        said = []
        for second in range(1, 51):
            said += [(one.sequence, one.status.name) for one in live.observe(BEGIN_MS + 300 + second * 1000).receipts]
            live.apply([lease(second // 10 % 2, second)])
        return said

    assert decisions() == decisions()
