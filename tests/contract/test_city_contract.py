"""What every City keeps, whatever it is made of: a toy, a recording of it, a field behind a link, or a simulation."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from cityloop.app.live_loopback import BEGIN_MS
from cityloop.cities.sumo.folder import CityCase
from cityloop.cities.sumo.twin import SumoCity, TwinSetup
from cityloop.domains.signals.schema import ShowStage
from cityloop.kernel.errors import CityError
from cityloop.kernel.messages import Command, ReceiptStatus
from cityloop.kernel.ports import City


@dataclass(frozen=True)
class Subject:
    """A city to be held to the contract."""

    city: City
    begin_ms: int
    acts: bool
    """Whether commands are answered anew; a recording answers as it did."""


def _sumo(town: CityCase, out: Path, sensing: str) -> Subject:
    city = SumoCity(TwinSetup(case=town, out=out, sensing=sensing))
    return Subject(city, city.begin_ms, acts=True)


@pytest.fixture(params=["toy", "replay", "live", "sumo area:150", "sumo loops", "sumo probe:0.5"])
def subject(request: pytest.FixtureRequest, town: CityCase, tmp_path: Path) -> Iterator[Subject]:
    kind, _, sensing = request.param.partition(" ")
    if kind == "sumo":
        opened = _sumo(town, tmp_path / "sumo", sensing)
    else:
        begin_ms = BEGIN_MS if kind == "live" else 0
        opened = Subject(request.getfixturevalue(f"{kind}_city")(), begin_ms, acts=kind != "replay")
    yield opened
    opened.city.close()


def _command(subject: Subject, **changed: object) -> Command:
    whole = {
        "domain": "signals",
        "target": 0,
        "action": ShowStage(0),
        "epoch": 1,
        "sequence": 1,
        "issued_at_ms": subject.begin_ms,
        "not_after_ms": subject.begin_ms + 4000,
    }
    return Command(**(whole | changed))  # type: ignore[arg-type]


def _answers(subject: Subject, *commands: Command) -> dict[int, ReceiptStatus]:
    """Return the first answer to each command of one second."""
    subject.city.apply(commands)
    receipts = subject.city.observe(subject.begin_ms + 1000).receipts
    return {receipt.sequence: receipt.status for receipt in reversed(receipts)}


def test_a_city_has_the_three_verbs(subject: Subject) -> None:
    """Every adapter is a City."""
    assert isinstance(subject.city, City)


def test_the_layout_is_the_same_on_every_call(subject: Subject) -> None:
    """Rows are identities, so the table never changes under a reader."""
    before = subject.city.layout()
    subject.city.observe(subject.begin_ms + 2000)
    assert subject.city.layout() is before
    assert before.names["junctions"]
    assert len(before.streams.kind) == len(before.streams.asset) > 0


def test_observe_reaches_the_instant_asked_for(subject: Subject) -> None:
    """Second by second, and over several at once."""
    for seconds in (1, 2, 7, 20):
        assert subject.city.observe(subject.begin_ms + seconds * 1000).now_ms == subject.begin_ms + seconds * 1000


def test_time_never_goes_back(subject: Subject) -> None:
    """An instant already past brings no readings and leaves the clock where it is."""
    subject.city.observe(subject.begin_ms + 10_000)
    again = subject.city.observe(subject.begin_ms + 4000)
    assert again.now_ms == subject.begin_ms + 10_000
    assert len(again.batch) == 0


def test_readings_are_of_known_streams_and_of_the_time_that_passed(subject: Subject) -> None:
    """Columns are of one length and type; instants lie in the step, in order of arrival."""
    streams = len(subject.city.layout().streams.kind)
    for second in range(1, 31):
        seen = subject.city.observe(subject.begin_ms + second * 1000)
        batch = seen.batch
        assert len(batch) > 0
        assert {len(batch.stream), len(batch.value), len(batch.quality)} == {len(batch)}
        assert (batch.stream.dtype, batch.value.dtype, batch.quality.dtype) == (
            np.int32,
            np.float64,
            np.uint8,
        )
        assert batch.observed_at_ms.dtype == batch.received_at_ms.dtype == np.int64
        assert batch.stream.min() >= 0
        assert batch.stream.max() < streams
        assert np.isfinite(batch.value).all()
        assert (batch.observed_at_ms <= batch.received_at_ms).all()
        assert (batch.received_at_ms > seen.now_ms - 1000).all()
        assert (batch.received_at_ms <= seen.now_ms).all()
        assert (np.diff(batch.received_at_ms) >= 0).all()


def test_the_end_is_told_and_stays(subject: Subject) -> None:
    """Past its last second a city has no more time to give."""
    city = subject.city
    seen = city.observe(subject.begin_ms + 10_000_000)
    assert seen.ended
    after = city.observe(subject.begin_ms + 20_000_000)
    assert after.ended
    assert after.now_ms == seen.now_ms
    assert len(after.batch) == 0


def test_every_command_is_answered(subject: Subject) -> None:
    """A lease for a stage is accepted or pending."""
    if subject.acts:
        assert _answers(subject, _command(subject))[1] in (ReceiptStatus.ACCEPTED, ReceiptStatus.PENDING)


def test_commands_that_make_no_sense_are_refused_not_raised(subject: Subject) -> None:
    """Unknown domain, target and stage: an answer each."""
    if subject.acts:
        answers = _answers(
            subject,
            _command(subject, sequence=1, domain="weather"),
            _command(subject, sequence=2, target=10_000),
            _command(subject, sequence=3, target=-1),
            _command(subject, sequence=4, action=ShowStage(10_000)),
        )
        assert answers == dict.fromkeys((1, 2, 3, 4), ReceiptStatus.REFUSED)


def test_old_commands_are_stale(subject: Subject) -> None:
    """After epoch 2 nothing of epoch 1 is heard, nor the same sequence twice."""
    if subject.acts:
        _answers(subject, _command(subject, epoch=2, sequence=5))
        subject.city.apply([_command(subject, epoch=1, sequence=9)])
        subject.city.apply([_command(subject, epoch=2, sequence=5)])
        receipts = subject.city.observe(subject.begin_ms + 2000).receipts
        stale = [receipt.sequence for receipt in receipts if receipt.status is ReceiptStatus.STALE]
        assert sorted(stale) == [5, 9]


def test_a_command_past_its_end_is_expired(subject: Subject) -> None:
    """A lease that came too late is not taken."""
    if subject.acts:
        late = _command(subject, not_after_ms=subject.begin_ms - 1)
        assert _answers(subject, late)[1] is ReceiptStatus.EXPIRED


def test_close_may_be_called_twice_and_ends_use(subject: Subject) -> None:
    """A closed city says so; it neither hangs nor starts anew."""
    subject.city.observe(subject.begin_ms + 1000)
    subject.city.close()
    subject.city.close()
    with pytest.raises(CityError, match="closed"):
        subject.city.observe(subject.begin_ms + 2000)
    with pytest.raises(CityError, match="closed"):
        subject.city.apply([])
