"""Nothing acknowledged is lost to kill -9 or to a power cut; and the proof would notice if it were."""

from __future__ import annotations

import shutil

import apsw
import numpy as np
import pytest

from cityloop.storage.metadata import Metadata
from cityloop.storage.powercut import CutDisk, CutFiles, Volatile
from cityloop.storage.proofs.kills import kill_often, run_checker
from cityloop.storage.proofs.metadata_checker import check as check_metadata
from cityloop.storage.proofs.metadata_cuts import cut_metadata
from cityloop.storage.proofs.power_cuts import cut_often
from cityloop.storage.streams import Registration, StreamRegister


class ForgetfulDisk(CutDisk):
    """A disk that does not sync files with one ending, and says that it did."""

    ending = ".log"

    def create(self, path, reserve_bytes=0):
        file = super().create(path, reserve_bytes)
        if path.suffix == self.ending:
            file.sync = lambda: None
        return file


def test_kills_lose_nothing(tmp_path):
    """Six kills while readings come in; a separate program compares with the sender's record."""
    found = kill_often(tmp_path, 6, seed=7)
    assert found.acknowledged_batches > 0
    assert found.faults == 0


def test_the_checker_finds_a_reading_that_is_gone(tmp_path):
    """The record of a store that lost its log shows every batch as missing."""
    found = kill_often(tmp_path, 1, seed=8)
    shutil.rmtree(tmp_path / "readings" / "log")
    (tmp_path / "readings" / "log").mkdir()
    for path in (tmp_path / "readings" / "sealed").glob("*.parquet"):
        path.unlink()
    (tmp_path / "readings" / "MANIFEST").unlink(missing_ok=True)
    faults, rows = run_checker((tmp_path / "readings", tmp_path / "record.txt"))
    assert rows == 0
    assert faults == found.acknowledged_batches


def test_power_cuts_lose_nothing(tmp_path):
    """Two dozen cuts, each drawing what unsynced writes and names leave behind."""
    found = cut_often(tmp_path, 24, seed=3)
    assert found.cuts == 24
    assert found.faults == 0


@pytest.mark.parametrize("ending", [".log", ".new"])
def test_the_proof_finds_a_disk_that_does_not_sync(tmp_path, ending):
    """Without the log's sync, or the manifest's, cuts do lose what was acknowledged."""
    disk = type("Disk", (ForgetfulDisk,), {"ending": ending})
    assert cut_often(tmp_path, 16, seed=3, disk_of=disk).faults > 0


def lost_by_sqlite(folder, journal: str, synchronous: str) -> int:
    """Cut the power under a database at many moments; return after how many cuts a committed row was gone."""
    live = folder / "live"
    live.mkdir()
    rng = np.random.default_rng(1)
    volatile = Volatile(live)
    files = CutFiles(volatile)
    database = apsw.Connection(str(live / "a.sqlite"), vfs=files.name)
    for statement in (f"PRAGMA journal_mode = {journal}", f"PRAGMA synchronous = {synchronous}", "CREATE TABLE t (i)"):
        database.execute(statement).fetchall()
    committed = lost = cuts = 0

    def before(_: int) -> None:
        nonlocal lost, cuts
        if cuts < 40 and rng.random() < 0.2:
            cuts += 1
            place = folder / f"cut-{cuts}"
            volatile.cut(place, rng)
            try:
                left = apsw.Connection(str(place / "a.sqlite"), flags=apsw.SQLITE_OPEN_READWRITE)
                found = [row for (row,) in left.execute("SELECT i FROM t ORDER BY i")]
                left.close()
            except apsw.Error:
                found = []
            lost += found[:committed] != list(range(committed))

    volatile.before = before
    for row in range(50):
        database.execute("INSERT INTO t VALUES (?)", (row,))
        committed = row + 1
        if row % 15 == 14:
            database.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    volatile.before = None
    database.close()
    assert cuts > 20
    return lost


def test_sqlite_as_metadata_uses_it_loses_nothing(tmp_path):
    """Write-ahead log and full syncs: what was committed is there after every cut."""
    assert lost_by_sqlite(tmp_path, "wal", "FULL") == 0


def test_sqlite_without_syncs_is_seen_to_lose(tmp_path):
    """The same shim shows that turning syncs off loses commits."""
    assert lost_by_sqlite(tmp_path, "wal", "OFF") > 0


def test_power_cuts_under_the_metadata_lose_nothing(tmp_path):
    """Streams that were registered are there after every cut, each group whole with its spans."""
    found = cut_metadata(tmp_path, 40, seed=1)
    assert (found.cuts, found.faults) == (40, 0)


def test_the_metadata_checker_finds_what_is_gone(tmp_path):
    """A group of which one stream is missing, and one that was acknowledged and never came."""
    metadata = Metadata(tmp_path / "m.sqlite")
    StreamRegister(metadata).register_many([Registration(name=f"0-{place}", unit="1") for place in range(2)])
    metadata.close()
    record = tmp_path / "record.txt"
    record.write_text("offered 0 3\noffered 1 1\nacknowledged 0\nacknowledged 1\n", encoding="ascii")
    faults, acknowledged = check_metadata(tmp_path / "m.sqlite", record)
    assert acknowledged == 2
    assert [fault.split(":")[0] for fault in faults] == ["group 1", "group 0"]
