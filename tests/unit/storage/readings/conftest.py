"""A store with small bounds, and batches for it."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

from cityloop.kernel.batch import Batch
from cityloop.storage.readings import ReadingsStore, StoreParams

SMALL = StoreParams(
    interval_s=0.001,
    roll_rows=400,
    unsealed_rows=100_000,
    row_group_rows=64,
    slice_rows=300,
    fan_in=3,
    log_file_bytes=1 << 16,
    background=False,
)


@pytest.fixture
def small() -> StoreParams:
    """Bounds so small that a few hundred readings roll, seal and merge."""
    return SMALL


@pytest.fixture
def batch_of() -> Callable[..., Batch]:
    """Make a batch from columns; received a second after observed, good quality, unless told."""

    def make(stream, observed_at_ms, value, received_at_ms=None, quality=0) -> Batch:
        observed = np.array(observed_at_ms, np.int64)
        received = observed + 1_000 if received_at_ms is None else np.array(received_at_ms, np.int64)
        return Batch(
            np.array(stream, np.int32),
            observed,
            received,
            np.array(value, np.float64),
            np.broadcast_to(np.array(quality, np.uint8), len(observed)).copy(),
        )

    return make


@pytest.fixture
def append() -> Callable[[ReadingsStore, Batch], Exception | None]:
    """Append a batch and wait for the answer."""

    def wait(store: ReadingsStore, batch: Batch) -> Exception | None:
        told, answers = threading.Event(), []

        def done(error: Exception | None) -> None:
            answers.append(error)
            told.set()

        store.append(batch, done)
        assert told.wait(30)
        return answers[0]

    return wait


@pytest.fixture
def opened(tmp_path: Path, small: StoreParams) -> Iterator[Callable[..., ReadingsStore]]:
    """Open stores in the test's folder; all are closed afterwards."""
    stores = []

    def open_store(name: str = "readings", params: StoreParams = small, **more) -> ReadingsStore:
        stores.append(ReadingsStore(tmp_path / name, params=params, **more))
        return stores[-1]

    yield open_store
    for store in stores:
        store.close()
