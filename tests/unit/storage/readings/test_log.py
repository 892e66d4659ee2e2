"""The log answers only after the sync, in groups, and survives a full disk, a failing sender and a flood."""

from __future__ import annotations

import threading
import time

import numpy as np
import pytest

from cityloop.kernel.errors import InputError, StoreError
from cityloop.kernel.readings import Overloaded, StoreFull
from cityloop.storage.powercut import CutDisk, Volatile
from cityloop.storage.readings import StoreParams
from cityloop.storage.readings.disk import RealDisk


class Slow(RealDisk):
    """A disk whose log files sync only while ``gate`` is open."""

    def __init__(self):
        self.gate = threading.Event()
        self.gate.set()
        self.log_syncs = 0

    def create(self, path, reserve_bytes=0):
        file = super().create(path, reserve_bytes)
        if path.suffix == ".log":
            sync = file.sync

            def wait():
                assert self.gate.wait(30)
                sync()
                self.log_syncs += 1

            file.sync = wait
        return file


def eventually(what) -> bool:
    """Wait up to 20 s for something to hold."""
    end = time.monotonic() + 20
    while not what() and time.monotonic() < end:
        time.sleep(0.005)
    return bool(what())


def test_nobody_is_told_before_the_sync(opened, batch_of, append):
    """While the disk syncs neither the sender nor a look-up sees the rows."""
    disk = Slow()
    store = opened(disk=disk)
    append(store, batch_of([1], [0], [1.0]))
    disk.gate.clear()
    answers = []
    store.append(batch_of([2], [0], [1.0]), answers.append)
    time.sleep(0.05)
    assert answers == []
    assert len(store.history(np.array([2], np.int32), -10, 10)) == 0
    disk.gate.set()
    assert eventually(lambda: answers == [None])
    assert len(store.history(np.array([2], np.int32), -10, 10)) == 1


def test_what_waits_is_committed_as_one_group(opened, batch_of, append):
    """Forty batches that came during one sync share the next."""
    disk = Slow()
    store = opened(disk=disk)
    append(store, batch_of([1], [0], [1.0]))
    syncs = disk.log_syncs
    disk.gate.clear()
    answers = []
    for n in range(41):
        store.append(batch_of([1], [n], [1.0]), answers.append)
        time.sleep(0.01 if n == 0 else 0)
    disk.gate.set()
    assert eventually(lambda: len(answers) == 41)
    assert disk.log_syncs - syncs == 2


def test_more_than_the_queue_holds_is_refused_at_once(opened, batch_of):
    """The queue is bounded; who is refused is told when to come back, and nothing of it is kept."""
    disk = Slow()
    store = opened(params=StoreParams(queue_rows=100, roll_rows=100, unsealed_rows=1_000, background=False), disk=disk)
    disk.gate.clear()
    answers = []
    store.append(batch_of([1] * 60, range(60), [0.0] * 60), answers.append)
    time.sleep(0.05)
    with pytest.raises(Overloaded) as refused:
        store.append(batch_of([1] * 60, range(60), [0.0] * 60), answers.append)
    assert refused.value.retry_after_s > 0
    with pytest.raises(InputError, match="at most 100; split it"):
        store.append(batch_of([1] * 101, range(101), [0.0] * 101), answers.append)
    disk.gate.set()
    assert eventually(lambda: answers == [None])
    assert len(store.history(np.array([1], np.int32), 0, 1000)) == 60


def test_rows_that_cannot_be_sealed_bound_what_is_taken(opened, batch_of, append):
    """Memory is bounded: with nothing sealed, the store refuses once it holds what it may."""
    store = opened(params=StoreParams(roll_rows=100, unsealed_rows=200, queue_rows=150, background=False))
    for n in range(2):
        append(store, batch_of([1] * 100, range(n * 100, n * 100 + 100), [0.0] * 100))
    with pytest.raises(Overloaded):
        store.append(batch_of([1], [0], [0.0]), print)
    store.seal()
    assert append(store, batch_of([1], [999], [0.0])) is None


def test_a_full_disk_refuses_and_recovers_by_itself(tmp_path, opened, batch_of, append):
    """Every waiting sender hears StoreFull; once there is room rows are taken again, and none is there twice."""
    volatile = Volatile(tmp_path)
    disk = CutDisk(volatile)
    store = opened(disk=disk)
    assert append(store, batch_of([1], [1], [1.0])) is None
    disk.full = True
    for n in (2, 3):
        assert isinstance(append(store, batch_of([1], [n], [1.0])), StoreFull)
    disk.full = False
    assert append(store, batch_of([1], [4], [1.0])) is None
    store.close()
    again = opened()
    assert again.history(np.array([1], np.int32), 0, 10).observed_at_ms.tolist() == [1, 4]


def test_a_disk_too_full_to_seal_keeps_readings_until_it_can(tmp_path, opened, batch_of, append):
    """Sealing fails with the disk and works afterwards; meanwhile everything stays readable."""
    disk = CutDisk(Volatile(tmp_path))
    store = opened(disk=disk)
    append(store, batch_of([1, 2], [1, 2], [1.0, 2.0]))
    disk.full = True
    with pytest.raises(OSError, match="No space left"):
        store.seal()
    assert len(store.history(np.array([1, 2], np.int32), 0, 10)) == 2
    disk.full = False
    store.upkeep.seal(store.catalogue.view.recents[0])
    assert len(store.history(np.array([1, 2], np.int32), 0, 10)) == 2
    assert not [
        path for path in (tmp_path / "readings" / "sealed").iterdir() if "-l" in path.name and path.stat().st_size == 0
    ]


def test_one_senders_fault_does_not_stop_the_others(opened, batch_of, append, caplog):
    """A callback that raises is logged; the log goes on."""
    store = opened()

    def broken(_):
        raise RuntimeError("the sender has gone")

    store.append(batch_of([1], [0], [0.0]), broken)
    assert append(store, batch_of([1], [1], [0.0])) is None
    assert "the sender has gone" in caplog.text


def test_nothing_can_be_appended_after_the_end(opened, batch_of):
    """A closed store says so."""
    store = opened()
    store.close()
    store.close()
    with pytest.raises(StoreError, match="closed"):
        store.append(batch_of([1], [0], [0.0]), print)


def test_columns_of_different_lengths_are_refused(opened, batch_of):
    """A batch whose columns do not match never reaches the disk."""
    whole = batch_of([1, 2], [0, 0], [0.0, 0.0])
    store = opened()
    broken = type(whole)(whole.stream, whole.observed_at_ms, whole.received_at_ms, whole.value[:1], whole.quality)
    with pytest.raises(InputError, match="same number"):
        store.append(broken, print)
    with pytest.raises(InputError, match="stream row -1"):
        store.append(batch_of([-1], [0], [0.0]), print)
