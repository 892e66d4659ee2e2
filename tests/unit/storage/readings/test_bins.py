"""Five-minute bins: by hand, joined over parts, and through their file."""

from __future__ import annotations

import io

import numpy as np
import pytest

from cityloop.kernel.errors import StoreError
from cityloop.storage.readings.bins import Bins, bins_of, concat_bins, join_bins, rollups_of
from cityloop.storage.readings.order import pick, sorted_batch
from cityloop.storage.readings.recent import StreamSet
from cityloop.storage.readings.tiles import TileReader, TileWriter


def streams(*rows: int) -> StreamSet:
    return StreamSet(np.array(rows, np.int32))


def written(path, *parts: Bins) -> TileReader:
    """A file of bins, opened."""
    out = io.BytesIO()
    writer = TileWriter(out.write)
    for part in parts:
        writer.add(part)
    writer.close()
    path.write_bytes(out.getvalue())
    return TileReader(path)


def alike(one: Bins, other: Bins) -> bool:
    """Equal in every column, sums to their rounding error."""
    exact = all(np.array_equal(getattr(one, n), getattr(other, n)) for n in Bins.__slots__ if n != "total")
    return exact and np.allclose(one.total, other.total, rtol=1e-12, atol=1e-12)


def test_a_bin_by_hand(batch_of):
    """Four readings of one stream in two bins; bad ones and those that are no number do not count."""
    batch = batch_of(
        [3] * 6,
        [0, 100_000, 299_999, 300_000, 300_001, 300_002],
        [2.0, 6.0, 4.0, 9.0, 500.0, np.nan],
        quality=[0, 1, 0, 0, 2, 0],
    )
    found = rollups_of(bins_of(batch))
    assert found.begin_ms.tolist() == [0, 300_000]
    assert found.count.tolist() == [3, 1]
    assert found.mean.tolist() == [4.0, 9.0]
    assert (found.low.tolist(), found.high.tolist(), found.last.tolist()) == ([2, 9], [6, 9], [4, 9])


def test_instants_before_the_epoch_fall_into_the_bin_below(batch_of):
    """A bin of 1969 begins before its readings as every other does."""
    assert bins_of(batch_of([0], [-1], [1.0])).begin_ms.tolist() == [-300_000]


def test_parts_of_one_bin_join_to_what_the_whole_gives(batch_of):
    """Late readings come in another part: the bin is the same as if all had been there at once."""
    rng = np.random.default_rng(3)
    whole = sorted_batch(
        batch_of(rng.integers(0, 9, 500), rng.integers(0, 10**6, 500), np.round(rng.normal(0, 50, 500), 2))
    )
    apart = rng.random(500) < 0.4
    joined = join_bins([bins_of(pick(whole, ~apart)), bins_of(pick(whole, apart))])
    assert alike(joined, bins_of(whole))


@pytest.mark.parametrize(
    "values",
    [
        np.round(np.random.default_rng(1).normal(20, 5, 600), 1),
        np.random.default_rng(2).normal(0, 1e9, 600),
        np.random.default_rng(3).integers(-(10**6), 10**6, 600) / 4.0,
        np.concatenate([[-0.0, 5e-324, 1.7e308, -1.7e308], np.arange(596) * 0.1]),
        np.full(600, 66.333333333),
    ],
    ids=["decimals", "doubles", "quarters", "extremes", "constant"],
)
def test_any_values_come_back_from_their_file(tmp_path, batch_of, values):
    """Decimals, doubles, minus zero, the least and the greatest: each column as it was."""
    rng = np.random.default_rng(0)
    batch = sorted_batch(batch_of(rng.integers(0, 40, 600), rng.integers(-(10**12), 10**12, 600), values))
    bins = bins_of(batch)
    found = written(tmp_path / "r", bins).read_all()
    assert alike(found, bins)
    assert np.signbit(found.last).tolist() == np.signbit(bins.last).tolist()


def test_only_the_streams_and_the_span_asked_for_come(tmp_path, batch_of):
    """Of a thousand streams in two parts, three scattered ones and an hour."""
    stream = np.repeat(np.arange(1_000), 48)
    observed = np.tile(np.arange(48) * 300_000, 1_000)
    bins = bins_of(batch_of(stream, observed, stream * 0.5))
    cut = 48 * 400
    first, second = (Bins(*(getattr(bins, n)[part] for n in Bins.__slots__)) for part in (slice(cut), slice(cut, None)))
    reader = written(tmp_path / "r", first, second)
    found = reader.read(streams(999, 7, 400, 5_000), 3_600_000, 7_200_000)
    assert found.stream.tolist() == [7] * 12 + [400] * 12 + [999] * 12
    assert found.begin_ms.tolist() == [3_600_000 + n * 300_000 for n in range(12)] * 3
    assert alike(reader.read_all(), concat_bins([first, second]))


def test_a_damaged_block_is_never_read_as_bins(tmp_path, batch_of):
    """One bit flips: the reader names the file and the place."""
    path = tmp_path / "r"
    written(path, bins_of(batch_of([1] * 50, np.arange(50) * 300_000, np.arange(50) * 1.1)))
    data = bytearray(path.read_bytes())
    data[20] ^= 1
    path.write_bytes(data)
    with pytest.raises(StoreError, match="damaged"):
        TileReader(path).read_all()
    path.write_bytes(data[:-3])
    with pytest.raises(StoreError, match="end is damaged"):
        TileReader(path)
