"""Instants as grid and rest: what is told apart, and that nothing of them is lost."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from cityloop.kernel.batch import Batch
from cityloop.storage.readings.archive import Archive
from cityloop.storage.readings.instants import off_grid_ms
from cityloop.storage.readings.segments import COLUMNS, SegmentReader

BEGIN_MS = 1_772_352_000_000


def paced(
    stream: int, step_ms: int, rows: int, jitter_ms: int, rng: np.random.Generator
) -> tuple[list[int], list[int]]:
    """A stream that reports at an even pace, jittered."""
    instants = BEGIN_MS + 137 + np.arange(rows) * step_ms + rng.integers(-jitter_ms, jitter_ms + 1, rows)
    return [stream] * rows, instants.tolist()


def test_a_jittered_pace_is_told_from_its_jitter() -> None:
    """What lies off the grid is the jitter, and the grid steps evenly, also where readings are missing."""
    rng = np.random.default_rng(1)
    stream, instants = paced(3, 60_000, 200, 900, rng)
    kept = np.r_[0:80, 110:200]
    observed = np.array(instants)[kept]
    off = off_grid_ms(np.array(stream, np.int32)[kept], observed)
    assert np.abs(off).max() <= 1_900
    steps = np.diff(observed - off)
    assert set(steps.tolist()) == {60_000, 31 * 60_000}


def test_each_stream_has_its_own_grid() -> None:
    """Two paces and a stream without one: the last is left as it is."""
    rng = np.random.default_rng(2)
    parts = [paced(1, 60_000, 50, 200, rng), paced(2, 300_000, 40, 500, rng)]
    wild = np.sort(BEGIN_MS + rng.integers(0, 86_400_000, 60))
    stream = np.array([*parts[0][0], *parts[1][0], *[7] * 60, 9], np.int32)
    observed = np.array([*parts[0][1], *parts[1][1], *wild.tolist(), BEGIN_MS])
    off = off_grid_ms(stream, observed)
    grid = observed - off
    assert set(np.diff(grid[stream == 1]).tolist()) == {60_000}
    assert set(np.diff(grid[stream == 2]).tolist()) == {300_000}
    assert not off[stream >= 7].any()


def test_few_rows_and_one_instant_have_no_pace() -> None:
    """Nothing, one reading, three readings, and a hundred of one instant stay as they are."""
    assert len(off_grid_ms(np.zeros(0, np.int32), np.zeros(0, np.int64))) == 0
    assert off_grid_ms(np.array([1], np.int32), np.array([BEGIN_MS])).tolist() == [0]
    assert not off_grid_ms(np.zeros(3, np.int32), BEGIN_MS + np.array([0, 900, 2_100])).any()
    assert not off_grid_ms(np.zeros(100, np.int32), np.full(100, BEGIN_MS)).any()


@pytest.mark.parametrize("instant", [-(2**62), -1, 0, 2**62])
def test_far_instants_are_kept_to_the_millisecond(instant: int) -> None:
    """The sum of grid and rest is the instant, whenever it was."""
    observed = instant + np.cumsum(np.full(20, 60_000)) * (-1 if instant == 2**62 else 1)
    observed = np.sort(observed + np.arange(20) % 3)
    off = off_grid_ms(np.zeros(20, np.int32), observed)
    assert ((observed - off) + off == observed).all()


def test_a_segment_of_the_first_format_is_still_read(opened) -> None:
    """A store whose instants stand in one column is looked up, asked in SQL, and written on."""
    store = opened()
    streams = np.repeat(np.arange(4, dtype=np.int32), 50)
    observed = BEGIN_MS + np.tile(np.arange(50) * 60_000, 4)
    batch = Batch(streams, observed, observed + 7, np.arange(200.0), np.zeros(200, np.uint8))
    told: list[Exception | None] = []
    store.append(batch, told.append)
    store.seal()
    (segment,) = store.catalogue.view.segments
    store.close()
    path = store.root / "sealed" / f"{segment.stem}.parquet"
    table = pq.read_table(path)
    assert tuple(table.column_names) == COLUMNS
    instants = pa.compute.add(table["grid_ms"], table["off_grid_ms"].cast("int64")).cast("int64")
    old = pa.table(
        [table["stream"], instants, table["delay_ms"], table["value"], table["quality"]],
        names=["stream", "observed_at_ms", "delay_ms", "value", "quality"],
    )
    pq.write_table(old, path)
    (store.root / "FORMAT").write_text("cityloop readings, format 1\n", encoding="ascii")
    assert SegmentReader(path).instant_sql == "observed_at_ms"
    again = opened()
    found = again.history(np.array([2], np.int32), BEGIN_MS, BEGIN_MS + 86_400_000)
    assert found.observed_at_ms.tolist() == observed[:50].tolist()
    later = Batch(streams, observed + 86_400_000, observed + 86_400_007, np.arange(200.0), np.zeros(200, np.uint8))
    again.append(later, told.append)
    again.seal()
    counted = Archive(again.root).sql("select count(*) n, min(received_at_ms - observed_at_ms) d from readings")
    assert counted.to_pylist() == [{"n": 400, "d": 7}]
    assert (again.root / "FORMAT").read_text(encoding="ascii") == "cityloop readings, format 2\n"
