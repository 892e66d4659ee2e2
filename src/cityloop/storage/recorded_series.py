"""What sensors measured once, read to be told again: tables of readings, tables of one column a sensor, runs."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pa_csv
import pyarrow.parquet as pq

from cityloop.kernel.batch import Batch, concat
from cityloop.kernel.columns import F64, I64
from cityloop.kernel.errors import CityloopError, InputError
from cityloop.storage.readings_log import ReadingsReader

__all__ = ["Series", "read_series", "series_of_batches"]

_OF_RUN = Path("readings") / "readings.arrows"
_INSTANTS = ("observed_at_ms", "observed_at", "grid_ms")


@dataclass(frozen=True, slots=True)
class Series:
    """Values of several sensors, each in the order of its instants, one sensor behind the other."""

    value: F64
    begin: I64
    """Where each sensor's values begin."""
    count: I64
    """How many each has."""

    @property
    def low(self) -> float:
        """The least value."""
        return float(self.value.min())

    @property
    def high(self) -> float:
        """The greatest value."""
        return float(self.value.max())


def read_series(path: Path) -> Series:
    """Return the finite values of a file, or of a run folder, sensor by sensor.

    CSV and Parquet of readings (``stream``, ``value`` and an instant) are told apart by their streams; of any other
    table each column of numbers is a sensor.

    Raises
    ------
    InputError
        When it cannot be read, or holds no sensor with two values.
    """
    try:
        if path.is_dir():
            return series_of_batches([batch for _, batch in ReadingsReader(path / _OF_RUN)], str(path))
        table = pq.read_table(path) if path.suffix == ".parquet" else pa_csv.read_csv(path)
    except OSError as error:
        raise InputError(f"{path}: {error.strerror or error}; give CSV, Parquet or a run folder") from error
    except (pa.ArrowException, CityloopError) as error:
        raise InputError(f"{path}: {' '.join(str(error).split())[:160]}; give CSV, Parquet or a run folder") from error
    if {"stream", "value"} <= set(table.column_names):
        return _by_stream(table, path)
    columns = [table.column(name) for name in table.column_names]
    numbers = [one for one in columns if pa.types.is_integer(one.type) or pa.types.is_floating(one.type)]
    return _series([_numbers(one, path) for one in numbers], str(path))


def series_of_batches(batches: list[Batch], source: str) -> Series:
    """Return the values of batches, stream by stream."""
    whole = concat(batches) if batches else None
    if whole is None or not len(whole):
        raise InputError(f"{source}: no readings")
    order = np.lexsort((whole.observed_at_ms, whole.stream))
    return _parted(whole.stream[order].astype(np.int64), whole.value[order], source)


def _by_stream(table: Any, path: Path) -> Series:
    instants = next((name for name in _INSTANTS if name in table.column_names), None)
    stream = pc.rank(table.column("stream"), tiebreaker="dense").to_numpy().astype(np.int64)
    value = _numbers(table.column("value"), path)
    if instants is None:
        order = np.argsort(stream, kind="stable")
    else:
        order = np.lexsort((pc.rank(table.column(instants), tiebreaker="dense").to_numpy(), stream))
    return _parted(stream[order], value[order], str(path))


def _parted(stream: I64, value: F64, source: str) -> Series:
    """Return the series of values that lie stream by stream."""
    return _series(np.split(value, np.flatnonzero(np.diff(stream)) + 1), source)


def _series(numbers: list[F64], source: str) -> Series:
    finite = [one[np.isfinite(one)] for one in numbers]
    kept = [one for one in finite if len(one) > 1]
    if not kept:
        raise InputError(f"{source}: no sensor with two readings or more; name stream and value, or a column a sensor")
    count = np.array([len(one) for one in kept], np.int64)
    return Series(np.concatenate(kept), np.cumsum(count) - count, count)


def _numbers(column: Any, path: Path) -> F64:
    try:
        value: F64 = column.cast(pa.float64()).to_numpy(zero_copy_only=False).astype(np.float64)
    except (pa.ArrowException, ValueError) as error:
        raise InputError(f"{path}: a column holds no numbers: {' '.join(str(error).split())[:120]}") from error
    return value
