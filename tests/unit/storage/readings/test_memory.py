"""What sealing holds in memory, and that it gives it back."""

from __future__ import annotations

import ctypes
import gc
import subprocess
import sys
import tracemalloc
import weakref
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest

from cityloop.kernel.batch import concat
from cityloop.storage.readings.catalogue import Catalogue
from cityloop.storage.readings.disk import RealDisk
from cityloop.storage.readings.latest import Latest
from cityloop.storage.readings.order import sorted_batch, sorted_slices
from cityloop.storage.readings.recent import recent_of
from cityloop.storage.readings.upkeep import Upkeep


@pytest.fixture
def arrived(batch_of):
    """Make readings of 900 streams as they arrive, one stream more talkative than a slice is long."""

    def make(rows: int):
        rng = np.random.default_rng(3)
        stream = np.where(rng.random(rows) < 0.2, 7, rng.integers(0, 900, rows))
        return batch_of(stream, 1_772_352_000_000 + rng.integers(0, 10**7, rows), rng.normal(size=rows))

    return make


def _alike(one, other) -> bool:
    return all(np.array_equal(getattr(one, name), getattr(other, name)) for name in one.__slots__)


def test_slices_one_behind_the_other_are_the_stored_order(arrived):
    """Cut into slices of whole streams, readings come in the order that one sort gives them."""
    batch = arrived(5_000)
    slices = list(sorted_slices(batch, np.ones(5_000, bool), 300))
    assert _alike(concat(slices), sorted_batch(batch))
    assert all(one.stream[-1] < other.stream[0] for one, other in pairwise(slices))


def test_a_slice_is_no_longer_than_asked_for_and_one_stream(arrived):
    """Only the stream that crosses the bound makes a slice longer than was asked for."""
    batch = arrived(5_000)
    most = np.bincount(batch.stream)
    for part in sorted_slices(batch, np.ones(5_000, bool), 300):
        assert len(part) < 300 + most[part.stream[-1]]


def test_slices_hold_what_was_asked_for_alone(arrived):
    """Readings of other kinds are left out, and nothing wanted is no slice."""
    batch = arrived(2_000)
    among = batch.stream % 2 == 0
    assert sum(len(part) for part in sorted_slices(batch, among, 300)) == np.count_nonzero(among)
    assert list(sorted_slices(batch, np.zeros(2_000, bool), 300)) == []


def test_sealing_takes_less_memory_than_what_it_seals(tmp_path, small, arrived):
    """Readings are sorted and written a slice at a time: sealing holds no second copy of them."""
    for name in ("log", "sealed"):
        (tmp_path / name).mkdir()
    params = replace(small, roll_rows=200_000, unsealed_rows=400_000, slice_rows=10_000, row_group_rows=2_000)
    catalogue = Catalogue(tmp_path, RealDisk(), params)
    upkeep = Upkeep(tmp_path, RealDisk(), params, catalogue, Latest(), lambda: np.zeros(900, np.uint8))
    recent = recent_of(1, (arrived(200_000),))
    held = sum(getattr(recent.batch(), name).nbytes for name in recent.batch().__slots__)
    upkeep.seal(recent_of(2, (arrived(1_000),)))
    tracemalloc.start()
    try:
        upkeep.seal(recent)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert sum(segment.rows for segment in catalogue.view.segments) == 201_000
    assert peak < held


def test_nobody_keeps_what_is_sealed(opened, small, append, arrived):
    """A part of the log leaves memory when it is sealed, not when the next one is."""
    store = opened(params=replace(small, background=True))
    assert append(store, arrived(300)) is None
    held = weakref.ref(store.catalogue.view.recents[-1])
    store.seal()
    gc.collect()
    assert held() is None


_ASK = """
import ctypes, numpy as np
from cityloop.storage.readings.heap import map_large_blocks

class Told(ctypes.Structure):
    _fields_ = [(name, ctypes.c_size_t) for name in ("arena", "chunks", "bins", "maps", "mapped", *"abcde")]

told = ctypes.CDLL(None).mallinfo2
told.restype = Told
assert map_large_blocks()
for _ in range(3):
    # Left alone the C library takes a block of this size from its heap once another was given back.
    column = np.empty(2_000_000)
    del column
before = told().mapped
column = np.empty(2_000_000)
print(told().mapped - before)
"""


@pytest.mark.skipif(not hasattr(ctypes.CDLL(None), "mallinfo2"), reason="the C library is not glibc 2.33 or later")
def test_large_blocks_stay_out_of_the_heap():
    """A column of two million readings is mapped by itself, however many came and went before."""
    answer = subprocess.run([sys.executable, "-c", _ASK], check=True, capture_output=True, text=True)
    assert int(answer.stdout) >= 16_000_000
