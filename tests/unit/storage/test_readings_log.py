"""The readings' stream: steps come back as they were, silent ones included."""

from __future__ import annotations

import numpy as np
import pytest

from cityloop.kernel.batch import Batch, empty_batch
from cityloop.storage.readings_log import ReadingsReader, ReadingsWriter


def batch(*values):
    n = len(values)
    return Batch(
        np.arange(n, dtype=np.int32),
        np.full(n, 10, np.int64),
        np.full(n, 11, np.int64),
        np.array(values, np.float64),
        np.zeros(n, np.uint8),
    )


def written(path, steps, **options):
    writer = ReadingsWriter(path, **options)
    for now_ms, readings in steps:
        writer.append(now_ms, readings)
    writer.close()
    return path


def same(one, other):
    return all(
        np.array_equal(getattr(one, name), getattr(other, name), equal_nan=name == "value")
        and getattr(one, name).dtype == getattr(other, name).dtype
        for name in Batch.__slots__
    )


STEPS = [(1000, batch(1.0, 2.0)), (2000, empty_batch()), (3000, batch(float("nan"))), (40_000, batch(4.0))]


@pytest.mark.parametrize("chunk_s", [0.0, 2.0, 1000.0])
def test_steps_come_back(tmp_path, chunk_s):
    """Every step has its instant and its readings back, whatever the chunk; silence is kept, NaN too."""
    read = list(ReadingsReader(written(tmp_path / "r.arrows", STEPS, chunk_s=chunk_s)))
    assert [now_ms for now_ms, _ in read] == [now_ms for now_ms, _ in STEPS]
    assert all(same(got, put) for (_, got), (_, put) in zip(read, STEPS, strict=True))


def test_read_columns_may_be_written_to(tmp_path):
    """Arrays come back writable: compiled functions would be compiled again for read-only ones."""
    read = list(ReadingsReader(written(tmp_path / "r.arrows", STEPS)))
    assert all(got.value.flags.writeable and got.value.flags.c_contiguous for _, got in read)


def test_an_empty_stream_has_no_steps(tmp_path):
    """A run that never stepped leaves a stream that reads as empty."""
    assert list(ReadingsReader(written(tmp_path / "r.arrows", []))) == []


def test_torn_chunk_is_told(tmp_path):
    """A chunk cut short is not read, and the reader says so."""
    path = written(tmp_path / "r.arrows", STEPS, chunk_s=2.0)
    path.write_bytes(path.read_bytes()[:-40])
    reader = ReadingsReader(path)
    assert [now_ms for now_ms, _ in reader] == [1000, 2000, 3000]
    assert "torn chunk" in str(reader.torn)


def test_any_arrow_tool_reads_it(tmp_path):
    """The stream is plain Arrow: one row a reading, the step's end first."""
    import pyarrow as pa

    table = pa.ipc.open_stream(written(tmp_path / "r.arrows", STEPS)).read_all()
    assert table.column_names == ["now_ms", "stream", "observed_at_ms", "received_at_ms", "value", "quality"]
    assert table["now_ms"].to_pylist() == [1000, 1000, 3000, 40_000]
