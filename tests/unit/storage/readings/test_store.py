"""The readings store: look-ups over memory, log and sealed files, restart, forgetting, expiry, refusals."""

from __future__ import annotations

import numpy as np
import pytest

from cityloop.kernel.batch import Batch
from cityloop.kernel.errors import ConfigError, StoreError
from cityloop.kernel.readings import DataKind, Readings
from cityloop.storage.readings import DEFAULT_RETENTION, Keep
from cityloop.storage.readings.archive import Archive
from cityloop.storage.readings.integrity import check_integrity, salvage
from cityloop.storage.readings.retention import parse_keep

DAY_MS = 86_400_000
EVER = (-(2**62), 2**62)


def rows(*streams: int):
    return np.array(streams, np.int32)


@pytest.fixture
def filled(opened, append, batch_of):
    """A store of 20 streams over two days in all its parts: merged, sealed, in memory; and all of its readings."""
    store = opened()
    rng = np.random.default_rng(5)
    kept = []
    for n in range(30):
        size = 100
        batch = batch_of(
            rng.integers(0, 20, size),
            n * DAY_MS // 15 + rng.integers(0, 10**6, size),
            np.round(rng.normal(20, 5, size), 1),
            received_at_ms=n * DAY_MS // 15 + 2 * 10**6 + rng.integers(0, 1_000, size),
        )
        assert append(store, batch) is None
        kept.append(batch)
        if n == 25:
            store.seal()
            store.merge(0)
    assert {s.level for s in store.catalogue.view.segments} >= {1}
    assert store.unsealed_rows > 0
    whole = Batch(*(np.concatenate([getattr(b, name) for b in kept]) for name in Batch.__slots__))
    return store, whole


def expected(whole: Batch, streams, begin_ms: int, end_ms: int) -> Batch:
    """The readings that a look-up is to give, by a sort of everything."""
    mask = np.isin(whole.stream, streams) & (whole.observed_at_ms >= begin_ms) & (whole.observed_at_ms < end_ms)
    order = np.flatnonzero(mask)
    order = order[np.lexsort((whole.received_at_ms[order], whole.observed_at_ms[order], whole.stream[order]))]
    return Batch(*(getattr(whole, name)[order] for name in Batch.__slots__))


def test_it_is_a_readings_store(opened):
    """It has the verbs of the port."""
    assert isinstance(opened(), Readings)


def test_history_is_complete_and_in_order(filled):
    """Whatever part holds a reading, it comes once, by stream and time."""
    store, whole = filled
    for streams, begin_ms, end_ms in (
        (rows(*range(20)), *EVER),
        (rows(3, 17, 99), DAY_MS // 2, DAY_MS),
        (rows(4), *EVER),
    ):
        found, wanted = store.history(streams, begin_ms, end_ms), expected(whole, streams, begin_ms, end_ms)
        assert all(np.array_equal(getattr(found, n), getattr(wanted, n)) for n in Batch.__slots__)


@pytest.mark.parametrize("newest_first", [False, True])
def test_a_limit_gives_the_first_of_the_order_asked_for(filled, newest_first):
    """Limits of every size over several streams agree with the whole answer, cut."""
    store, _ = filled
    whole = store.history(rows(2, 5, 6), *EVER, newest_first=newest_first)
    for limit in (1, 7, len(whole) // 2, len(whole), len(whole) + 5):
        found = store.history(rows(2, 5, 6), *EVER, limit=limit, newest_first=newest_first)
        assert np.array_equal(found.observed_at_ms, whole.observed_at_ms[:limit])
        assert np.array_equal(found.stream, whole.stream[:limit])


def test_nothing_asked_for_is_nothing_found(filled):
    """No stream, an empty span, a limit of none."""
    store, _ = filled
    assert len(store.history(rows(), *EVER)) == 0
    assert len(store.history(rows(1), 10, 10)) == 0
    assert len(store.history(rows(1), *EVER, limit=0)) == 0
    assert len(store.rollups(rows(), *EVER)) == 0


def test_a_restart_finds_everything(filled, opened, small):
    """History, roll-ups and latest are the same after the store was closed and opened again."""
    store, _ = filled
    every = rows(*range(20))
    before = store.history(every, *EVER), store.rollups(every, *EVER), store.latest()
    store.close()
    again = opened()
    after = again.history(every, *EVER), again.rollups(every, *EVER), again.latest()
    for one, other in zip(before, after, strict=True):
        for name in type(one).__slots__:
            assert np.allclose(getattr(one, name), getattr(other, name), rtol=1e-12), name


def test_the_latest_of_every_stream(filled):
    """Whatever order readings came in, the one observed last counts; of one instant the one received last."""
    store, whole = filled
    latest = store.latest()
    for row in range(20):
        mine = expected(whole, [row], *EVER)
        assert latest.value[latest.stream == row].tolist() == [mine.value[-1]]


def test_latest_survives_the_loss_of_its_file(filled, opened):
    """The file that remembers the latest readings is gone: they are found in the segments again."""
    store, _ = filled
    store.seal()
    before = store.latest()
    store.close()
    for path in (store.root / "sealed").glob("*.latest"):
        path.unlink()
    assert np.array_equal(opened().latest().value, before.value)


def test_what_is_forgotten_is_gone_for_good(filled, opened):
    """Readings, roll-ups and the latest value go; after a restart they are still gone, and others stay."""
    store, whole = filled
    mine = (whole.stream == 7) & (whole.observed_at_ms < DAY_MS)
    assert store.forget(rows(7), 0, DAY_MS) == mine.sum()
    assert store.forget(rows(7), 0, DAY_MS) == 0
    assert store.forget(rows(8), *EVER) == (whole.stream == 8).sum()
    store.close()
    again = opened()
    assert len(again.history(rows(7), 0, DAY_MS)) == 0
    assert len(again.rollups(rows(7), 0, DAY_MS - 300_000)) == 0
    assert 8 not in again.latest().stream
    left = ~mine & (whole.stream != 8)
    assert len(again.history(rows(*range(20)), *EVER)) == left.sum()
    assert check_integrity(again.root).faults == []


def test_positions_of_people_expire_before_measurements(opened, append, batch_of):
    """After two days a person's positions and their means are gone; a measurement loses nothing."""
    kinds = np.array([DataKind.MEASUREMENT, DataKind.PERSON_POSITION], np.uint8)
    store = opened(kinds=lambda: kinds)
    hours = np.arange(48) * 3_600_000
    for stream in (0, 1):
        append(store, batch_of([stream] * 48, hours, hours * 1.0))
    now_ms = 48 * 3_600_000
    assert store.expire(DEFAULT_RETENTION, now_ms) == 24
    left = store.history(rows(0, 1), *EVER)
    assert (left.stream == 0).sum() == 48
    assert left.observed_at_ms[left.stream == 1].min() == 24 * 3_600_000
    assert store.rollups(rows(1), *EVER).begin_ms.min() == 24 * 3_600_000
    assert store.expire(DEFAULT_RETENTION, now_ms + 2 * DAY_MS) == 24
    assert store.latest().stream.tolist() == [0]


def test_roll_ups_outlive_their_readings(opened, append, batch_of):
    """Measurements kept a day, their roll-ups three: the means are there when the readings are gone, then go too."""
    store = opened()
    hours = np.arange(48) * 3_600_000
    append(store, batch_of([0] * 48, hours, hours * 1.0))
    policy = {DataKind.MEASUREMENT: Keep(86_400, 3 * 86_400)}
    store.expire(policy, 48 * 3_600_000)
    assert len(store.history(rows(0), *EVER)) == 24
    assert len(store.rollups(rows(0), *EVER)) == 48
    store.expire(policy, 90 * 3_600_000)
    assert len(store.history(rows(0), *EVER)) == 0
    assert len(store.rollups(rows(0), *EVER)) == 48
    store.forget(rows(0), 0, 3_600_000)
    assert len(store.rollups(rows(0), *EVER)) == 47
    assert check_integrity(store.root).faults == []
    store.expire(policy, 48 * 3_600_000 + 4 * DAY_MS)
    assert len(store.rollups(rows(0), *EVER)) == 0


def test_a_policy_in_words():
    """Spans in hours, days and years; what cannot be read is named."""
    assert parse_keep("person_position=12h") == (DataKind.PERSON_POSITION, Keep(43_200, 43_200))
    assert parse_keep("measurement=30d/1y")[1] == Keep(30 * 86_400, 365.25 * 86_400)
    for text in ("person=1d", "measurement=soon", "measurement=-1d"):
        with pytest.raises(ConfigError):
            parse_keep(text)


def test_days_that_are_over_are_merged_into_one_run_each(filled):
    """Readings of mixed days end up in files of one UTC day."""
    store, whole = filled
    store.seal()
    store.merge(10 * DAY_MS)
    segments = store.catalogue.view.segments
    assert sorted(s.day for s in segments) == sorted(np.unique(whole.observed_at_ms // DAY_MS).tolist())
    assert len(store.history(rows(*range(20)), *EVER)) == len(whole)
    assert check_integrity(store.root).faults == []


def test_another_format_is_refused_untouched(opened):
    """A directory of a later release stays as it is, byte by byte."""
    store = opened()
    store.close()
    (store.root / "FORMAT").write_text("cityloop readings, format 3\n", encoding="ascii")
    before = {path: path.stat().st_mtime_ns for path in store.root.rglob("*")}
    with pytest.raises(StoreError, match="format 3, must be 2; nothing was touched"):
        opened()
    assert {path: path.stat().st_mtime_ns for path in store.root.rglob("*")} == before


def test_a_folder_of_something_else_is_refused(tmp_path, opened):
    """A folder with a stranger's files is no place for readings."""
    (tmp_path / "readings").mkdir()
    (tmp_path / "readings" / "thesis.tex").touch()
    with pytest.raises(StoreError, match=r"thesis\.tex"):
        opened()


def test_one_process_holds_the_store(opened):
    """A second one is refused while the first is open; reading goes on beside it."""
    store = opened()
    with pytest.raises(StoreError, match="another process holds"):
        opened()
    assert len(Archive(store.root).history(None, *EVER)) == 0


def test_an_archive_reads_what_a_server_holds(filled):
    """Another process sees sealed files and the log; SQL sees the same."""
    store, whole = filled
    archive = Archive(store.root)
    assert len(archive.history(None, *EVER)) == len(whole)
    assert archive.sql("select count(*), sum(value) from readings").to_pylist()[0]["count_star()"] == len(whole)
    store.seal()
    store.merge(10 * DAY_MS)
    assert len(archive.history(rows(3), *EVER)) == (whole.stream == 3).sum()


def test_damage_in_the_log_stops_the_store_until_salvaged(opened, append, batch_of):
    """An acknowledged frame that cannot be read is never passed over in silence."""
    store = opened()
    for n in range(3):
        append(store, batch_of([1], [n], [float(n)]))
    store.close()
    path = store.root / "log" / "00000001.log"
    data = bytearray(path.read_bytes())
    data[60] ^= 1
    path.write_bytes(data)
    assert "damaged" in check_integrity(store.root).faults[0]
    with pytest.raises(StoreError, match="check --salvage"):
        opened()
    assert salvage(store.root) == 1
    assert opened().history(rows(1), *EVER).observed_at_ms.tolist() == [1, 2]


@pytest.mark.parametrize("ending", ["parquet", "rollups"])
def test_a_check_finds_one_flipped_bit(filled, ending):
    """In a sealed file of either kind."""
    store, _ = filled
    assert check_integrity(store.root).faults == []
    path = min((store.root / "sealed").glob(f"*.{ending}"))
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)
    assert path.name in check_integrity(store.root).faults[0]


def test_a_check_finds_a_missing_file(filled):
    """A segment that the manifest names is gone."""
    store, _ = filled
    min((store.root / "sealed").glob("*.parquet")).unlink()
    assert "is missing" in check_integrity(store.root).faults[0]
