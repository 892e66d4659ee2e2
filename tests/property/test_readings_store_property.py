"""Whatever is done to the readings store, in whatever order, it gives back exactly what it acknowledged."""

from __future__ import annotations

import os
import threading
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from cityloop.kernel.batch import Batch, concat, empty_batch
from cityloop.storage.readings import ReadingsStore, StoreParams
from cityloop.storage.readings.bins import bins_of, rollups_of
from cityloop.storage.readings.integrity import check_integrity
from cityloop.storage.readings.order import is_sorted, sorted_batch

PARAMS = StoreParams(
    interval_s=0.0,
    roll_rows=60,
    unsealed_rows=1_000_000,
    row_group_rows=16,
    slice_rows=40,
    file_rows=100,
    fan_in=2,
    log_file_bytes=1 << 13,
    background=False,
)
DAY_MS = 86_400_000
STREAMS = np.arange(12, dtype=np.int32)

values = st.one_of(st.integers(-999, 999).map(lambda n: n / 10), st.floats(allow_nan=False, width=64))
readings = st.tuples(
    st.integers(0, 11), st.integers(-DAY_MS, 2 * DAY_MS), st.integers(-5_000, DAY_MS), values, st.integers(0, 2)
)
batches = st.lists(readings, min_size=1, max_size=50)
steps = st.one_of(
    batches,
    st.sampled_from(["seal", "merge", "merge late", "restart", "crash", "torn crash"]),
    st.tuples(st.integers(0, 11), st.integers(-DAY_MS, DAY_MS), st.integers(0, 2 * DAY_MS)),
)


def batch_of(rows: list[tuple[int, int, int, float, int]]) -> Batch:
    """The drawn rows as a batch."""
    stream, observed, delay, value, quality = (np.array(column) for column in zip(*rows, strict=True))
    observed = observed.astype(np.int64)
    return Batch(
        stream.astype(np.int32), observed, observed + delay, value.astype(np.float64), quality.astype(np.uint8)
    )


def append(store: ReadingsStore, batch: Batch) -> None:
    """Append and wait until it is acknowledged."""
    told = threading.Event()
    problems = []
    store.append(batch, lambda error: (problems.append(error), told.set()))
    assert told.wait(60)
    assert problems == [None]


def crash(store: ReadingsStore, torn: bool) -> None:
    """Leave the directory as a kill does: nothing is written on the way out but what was being written."""
    store.close()
    logs = sorted((store.root / "log").glob("*.log"))
    if torn and logs:
        with logs[-1].open("ab") as log:
            log.write(b"\xc1LF1" + os.urandom(40) + bytes(100))
    (store.root / "sealed" / "99999999-k0-l0.parquet").write_bytes(b"half a segment")
    (store.root / "MANIFEST.new").write_bytes(b"half a manifest")


@settings(max_examples=40, deadline=None)
@given(st.lists(steps, min_size=1, max_size=14))
def test_what_was_acknowledged_is_what_is_there(done):
    """Appends, seals, merges, restarts, crashes and forgetting in any order."""
    with TemporaryDirectory() as folder:
        root = Path(folder) / "readings"
        store = ReadingsStore(root, params=PARAMS)
        kept = empty_batch()
        for step in done:
            if isinstance(step, list):
                batch = batch_of(step)
                append(store, batch)
                kept = concat([kept, batch])
            elif isinstance(step, tuple):
                stream, begin_ms, span_ms = step
                gone = (kept.stream == stream) & (kept.observed_at_ms >= begin_ms)
                gone &= kept.observed_at_ms < begin_ms + span_ms
                assert store.forget(np.array([stream], np.int32), begin_ms, begin_ms + span_ms) == gone.sum()
                kept = Batch(*(getattr(kept, name)[~gone] for name in Batch.__slots__))
            elif step == "seal":
                store.seal()
            elif step.startswith("merge"):
                store.merge(10 * DAY_MS if step == "merge late" else 0)
            else:
                if step == "restart":
                    store.close()
                else:
                    crash(store, step == "torn crash")
                store = ReadingsStore(root, params=PARAMS)
        try:
            agree(store, kept)
        finally:
            store.close()
        assert check_integrity(root).faults == []


def agree(store: ReadingsStore, kept: Batch) -> None:
    """History, roll-ups and latest are those of what was acknowledged and not forgotten."""
    found = store.history(STREAMS, -(2**62), 2**62)
    assert is_sorted(found)
    assert multiset(found) == multiset(kept)
    made, given = rollups_of(bins_of(sorted_batch(kept))), store.rollups(STREAMS, -(2**62), 2**62)
    assert np.array_equal(made.stream, given.stream)
    assert np.array_equal(made.begin_ms, given.begin_ms)
    assert np.array_equal(made.count, given.count)
    assert np.array_equal(made.low, given.low)
    assert np.array_equal(made.high, given.high)
    latest = store.latest()
    assert latest.stream.tolist() == sorted(set(kept.stream.tolist()))
    for stream, observed in zip(latest.stream.tolist(), latest.observed_at_ms.tolist(), strict=True):
        assert observed == kept.observed_at_ms[kept.stream == stream].max()


def multiset(batch: Batch) -> list[tuple[bytes, ...]]:
    """The rows, bit by bit, in an order of their own."""
    columns = [getattr(batch, name) for name in Batch.__slots__]
    return sorted(tuple(column[row].tobytes() for column in columns) for row in range(len(batch)))
