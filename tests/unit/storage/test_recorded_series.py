"""Series of real sensors, whatever they were written down in."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from cityloop.kernel.batch import Batch
from cityloop.kernel.errors import InputError
from cityloop.storage.readings_log import ReadingsWriter
from cityloop.storage.recorded_series import read_series


def parts(series) -> list[list[float]]:
    """Return the values sensor by sensor."""
    return [series.value[b : b + c].tolist() for b, c in zip(series.begin, series.count, strict=True)]


@pytest.mark.parametrize("ending", ["csv", "parquet"])
def test_readings_are_parted_by_stream_and_put_in_order(tmp_path, ending):
    """Streams that are mixed come apart, each by its instants; one with a single reading is no series."""
    file = tmp_path / f"readings.{ending}"
    rows = [("b", 3, 6.0), ("a", 2, 2.5), ("b", 1, 5.0), ("a", 1, 1.5), ("lone", 1, 9.0)]
    if ending == "csv":
        file.write_text("stream,observed_at_ms,value\n" + "".join(f"{s},{t},{v}\n" for s, t, v in rows))
    else:
        names, instants, values = zip(*rows, strict=True)
        pq.write_table(pa.table({"stream": names, "observed_at_ms": instants, "value": values}), file)
    series = read_series(file)
    assert parts(series) == [[1.5, 2.5], [5.0, 6.0]]
    assert (series.low, series.high) == (1.5, 6.0)


def test_each_column_of_numbers_is_a_sensor(tmp_path):
    """As traffic sets are handed round: instants and words are left out, and so is what is no number."""
    file = tmp_path / "wide.csv"
    file.write_text("timestamp,market,bridge,note\n2026-01-01 00:00:00,1,4.5,x\n2026-01-01 00:05:00,2,,y\n")
    assert parts(read_series(file)) == [[1.0, 2.0]]


def test_a_run_tells_what_its_detectors_said(tmp_path):
    """The readings of a run folder, stream by stream."""
    (tmp_path / "readings").mkdir()
    writer = ReadingsWriter(tmp_path / "readings" / "readings.arrows")
    for second in (1, 2):
        at = np.full(2, 1000 * second, np.int64)
        value = np.array([second, 10.0 * second])
        writer.append(1000 * second, Batch(np.array([0, 4], np.int32), at, at, value, np.zeros(2, np.uint8)))
    writer.close()
    assert parts(read_series(tmp_path)) == [[1.0, 2.0], [10.0, 20.0]]


@pytest.mark.parametrize(
    ("text", "told"),
    [("", "give CSV, Parquet or a run folder"), ("a,b\nx,y\n", "no sensor with two readings"), ("a\n1\n", "no sensor")],
)
def test_a_file_without_series_is_named(tmp_path, text, told):
    """One line: the file, and what it should hold."""
    file = tmp_path / "odd.csv"
    file.write_text(text)
    with pytest.raises(InputError) as error:
        read_series(file)
    assert str(error.value).startswith(f"{file}: ")
    assert told in str(error.value)
    assert "\n" not in str(error.value)


def test_a_folder_that_is_no_run_is_named(tmp_path):
    """Its readings are missing."""
    with pytest.raises(InputError, match="give CSV, Parquet or a run folder"):
        read_series(tmp_path)
