"""Sealed segments: Parquet files that any engine reads, sorted by stream and time, with their roll-ups beside them.

Columns: ``stream`` (int32), ``grid_ms`` (int64) and ``off_grid_ms`` (int32), whose sum is the instant of observation,
``delay_ms`` (int64: received less observed), ``value`` (float64), ``quality`` (uint8). A grid takes fewest bytes as
bit-packed differences, delays as split bytes, what lies off the grid and values by a dictionary where they repeat and
else as split bytes; zstd does the rest. Segments of format 1 have ``observed_at_ms`` in one column, and are read too.
"""

from __future__ import annotations

import io
import threading
import zlib
from collections import OrderedDict
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Generic, TypeVar

import msgspec
import numpy as np

from cityloop.kernel.batch import Batch, concat, empty_batch
from cityloop.kernel.columns import I64
from cityloop.kernel.errors import StoreError
from cityloop.storage.readings.bins import Bins, bins_of
from cityloop.storage.readings.disk import Disk, DiskFile
from cityloop.storage.readings.instants import off_grid_ms
from cityloop.storage.readings.manifest import Segment
from cityloop.storage.readings.order import clip_instants, pick, span_mask
from cityloop.storage.readings.recent import StreamSet
from cityloop.storage.readings.tiles import TileReader, TileWriter

__all__ = ["COLUMNS", "Readers", "SegmentReader", "SegmentWriter", "write_rollups"]

R = TypeVar("R")

COLUMNS = ("stream", "grid_ms", "off_grid_ms", "delay_ms", "value", "quality")
_WHOLE_INSTANT = ("stream", "observed_at_ms", "delay_ms", "value", "quality")
"""Columns of format 1."""

_REPEATS = 0.25
"""Share of distinct values in the first row group below which a dictionary pays."""


class _Sink(io.RawIOBase):
    """Bytes on their way to a disk file, counted and checksummed."""

    def __init__(self, file: DiskFile) -> None:
        super().__init__()
        self._file = file
        self.size = 0
        self.check = 0
        self.given_up = False

    def writable(self) -> bool:
        return True

    def write(self, data: Any) -> int:
        piece = memoryview(data).cast("B")
        if self.given_up:
            return len(piece)
        self._file.write_at(piece, self.size)
        self.size += len(piece)
        self.check = zlib.crc32(piece, self.check)
        return len(piece)

    def tell(self) -> int:
        return self.size


class SegmentWriter:
    """Writes one segment and its roll-ups from batches in stored order, whole streams at a time."""

    def __init__(self, disk: Disk, folder: Path, head: Segment, row_group_rows: int) -> None:
        self._disk, self._folder, self._head = disk, folder, head
        self._row_group_rows = row_group_rows
        self._files = [disk.create(folder / name) for name in (f"{head.stem}.parquet", f"{head.stem}.rollups")]
        self._readings, self._rollups = (_Sink(file) for file in self._files)
        self._parquet: Any = None
        self._tiles = TileWriter(self._rollups.write)
        self.rows = 0
        self._stream_low, self._stream_high = -1, -1
        self._span = [np.iinfo(np.int64).max, np.iinfo(np.int64).min]

    def add(self, batch: Batch) -> None:
        """Write further readings; their streams come behind those written before."""
        if not len(batch):
            return
        import pyarrow as pa

        off = off_grid_ms(batch.stream, batch.observed_at_ms)
        if self._parquet is None:
            first = slice(self._row_group_rows)
            sample = {"off_grid_ms": off[first], "value": batch.value[first]}
            self._parquet = _parquet_writer(self._readings, sample, self._head.level)
        columns = [batch.stream, batch.observed_at_ms - off, off, batch.received_at_ms - batch.observed_at_ms]
        table = pa.table([*columns, batch.value, batch.quality], schema=_schema())
        self._parquet.write_table(table, row_group_size=self._row_group_rows)
        self._tiles.add(bins_of(batch))
        self._stream_low = int(batch.stream[0]) if self._stream_low < 0 else self._stream_low
        self._stream_high = int(batch.stream[-1])
        self._span[0] = min(self._span[0], int(batch.observed_at_ms.min()))
        self._span[1] = max(self._span[1], int(batch.observed_at_ms.max()))
        self.rows += len(batch)

    def finish(self) -> Segment:
        """Sync both files and return the segment; its names are safe once the folder is synced."""
        if self._parquet is not None:
            self._parquet.close()
        self._tiles.close()
        for file in self._files:
            file.sync()
            file.close()
        return Segment(
            number=self._head.number,
            run=self._head.run,
            level=self._head.level,
            kind=self._head.kind,
            day=self._head.day,
            rows=self.rows,
            stream_low=self._stream_low,
            stream_high=self._stream_high,
            observed_low_ms=self._span[0],
            observed_high_ms=self._span[1],
            bytes=self._readings.size,
            check=self._readings.check,
            rollup_bytes=self._rollups.size,
            rollup_check=self._rollups.check,
        )

    def abandon(self) -> None:
        """Remove what was written."""
        self._readings.given_up = self._rollups.given_up = True
        if self._parquet is not None:
            self._parquet.close()
        for file, ending in zip(self._files, ("parquet", "rollups"), strict=True):
            file.close()
            self._disk.unlink(self._folder / f"{self._head.stem}.{ending}")


def write_rollups(disk: Disk, folder: Path, segment: Segment, number: int, bins: Bins) -> Segment:
    """Write a segment of roll-ups alone, with some of another's bins, and return it, synced."""
    head = msgspec.structs.replace(segment, number=number, bytes=0, check=0)
    file = disk.create(folder / f"{head.stem}.rollups")
    sink = _Sink(file)
    try:
        tiles = TileWriter(sink.write)
        tiles.add(bins)
        tiles.close()
        file.sync()
    finally:
        file.close()
    return msgspec.structs.replace(head, rollup_bytes=sink.size, rollup_check=sink.check)


class SegmentReader:
    """Finds the readings of streams in one segment; holds its index, not the file."""

    def __init__(self, path: Path) -> None:
        import pyarrow.parquet as pq

        self._path = path
        self._metadata = pq.read_metadata(path, memory_map=True)
        names = tuple(self._metadata.schema.names)
        if names not in (COLUMNS, _WHOLE_INSTANT):
            raise StoreError(f"{path}: columns are {list(names)}, must be {list(COLUMNS)}.")
        self.instant_sql = "grid_ms + off_grid_ms" if names == COLUMNS else "observed_at_ms"
        """The instant of observation as SQL says it."""
        groups = [self._metadata.row_group(g) for g in range(self._metadata.num_row_groups)]
        bounds = [(_bounds(group, 0), _instants(group, names == COLUMNS), group.num_rows) for group in groups]
        self.stream_low = np.array([stream[0] for stream, _, _ in bounds], np.int64)
        self.stream_high = np.array([stream[1] for stream, _, _ in bounds], np.int64)
        self.observed_low: I64 = np.array([observed[0] for _, observed, _ in bounds], np.int64)
        self.observed_high: I64 = np.array([observed[1] for _, observed, _ in bounds], np.int64)
        self.group_rows = np.array([rows for _, _, rows in bounds], np.int64)

    def read(self, streams: StreamSet, begin_ms: int, end_ms: int) -> Batch:
        """Return the readings of some streams and a span, in stored order."""
        begin_ms, end_ms = clip_instants(begin_ms, end_ms)
        first = np.searchsorted(streams.rows, self.stream_low)
        after = np.searchsorted(streams.rows, self.stream_high, side="right")
        touched = (after > first) & (self.observed_high >= begin_ms) & (self.observed_low < end_ms)
        found = []
        for batch in self.groups(np.flatnonzero(touched)):
            rows = np.flatnonzero(streams.among(batch.stream))
            part = pick(batch, slice(int(rows[0]), int(rows[-1]) + 1) if len(streams) == 1 and len(rows) else rows)
            found.append(pick(part, span_mask(part.observed_at_ms, begin_ms, end_ms)))
        return concat(found)

    def groups(self, numbers: Any) -> list[Batch]:
        """Return whole row groups."""
        import pyarrow.parquet as pq

        if not len(numbers):
            return []
        with pq.ParquetFile(self._path, metadata=self._metadata, memory_map=True) as file:
            return [_batch(file.read_row_group(int(g), use_threads=False)) for g in numbers]

    def days(self, day_ms: int) -> I64:
        """Return the UTC days, counted from the epoch, of which there are readings."""
        import pyarrow.parquet as pq

        with pq.ParquetFile(self._path, metadata=self._metadata, memory_map=True) as file:
            return np.unique(_observed(file.read(columns=self.instant_sql.split(" + "))) // day_ms)

    def verify(self) -> Batch:
        """Return all readings after checking every page's checksum."""
        import pyarrow.parquet as pq

        with pq.ParquetFile(self._path, page_checksum_verification=True) as file:
            return _batch(file.read(use_threads=False)) if file.metadata.num_row_groups else empty_batch()


class _Kept(Generic[R]):
    """Values by number, those used last; any thread may ask."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._lock = threading.Lock()
        self._values: OrderedDict[int, R] = OrderedDict()

    def get(self, number: int, make: Callable[[], R]) -> R:
        with self._lock:
            if number in self._values:
                self._values.move_to_end(number)
                return self._values[number]
        made = make()
        with self._lock:
            self._values[number] = made
            while len(self._values) > self._most:
                self._values.popitem(last=False)
        return made

    def drop(self, number: int) -> None:
        with self._lock:
            self._values.pop(number, None)


class Readers:
    """The readers of segments in use, so that a look-up need not parse an index again."""

    def __init__(self, folder: Path, keep: int = 4096) -> None:
        self._folder = folder
        self._readings: _Kept[SegmentReader] = _Kept(keep)
        self._rollups: _Kept[TileReader] = _Kept(keep)

    def readings(self, segment: Segment) -> SegmentReader:
        """Return the reader of a segment's readings."""
        return self._readings.get(segment.number, lambda: SegmentReader(self._folder / f"{segment.stem}.parquet"))

    def rollups(self, segment: Segment) -> TileReader:
        """Return the reader of a segment's roll-ups."""
        return self._rollups.get(segment.number, lambda: TileReader(self._folder / f"{segment.stem}.rollups"))

    def drop(self, segment: Segment) -> None:
        """Forget a segment that is no longer part of the store."""
        self._readings.drop(segment.number)
        self._rollups.drop(segment.number)


def _bounds(group: Any, column: int) -> tuple[int, int]:
    statistics = group.column(column).statistics
    return int(statistics.min), int(statistics.max)


def _instants(group: Any, on_grid: bool) -> tuple[int, int]:
    """Return an instant that no reading of a row group lies before, and one that none lies behind."""
    low, high = _bounds(group, 1)
    off_low, off_high = _bounds(group, 2) if on_grid else (0, 0)
    return low + off_low, high + off_high


def _observed(table: Any) -> I64:
    if "grid_ms" not in table.column_names:
        whole: I64 = table.column("observed_at_ms").to_numpy()
        return whole
    observed: I64 = table.column("grid_ms").to_numpy() + table.column("off_grid_ms").to_numpy()
    return observed


def _batch(table: Any) -> Batch:
    stream, delay, value, quality = (table.column(n).to_numpy() for n in ("stream", "delay_ms", "value", "quality"))
    observed = _observed(table)
    return Batch(stream, observed, observed + delay, value, quality)


def _schema() -> Any:
    import pyarrow as pa

    types = (pa.int32(), pa.int64(), pa.int32(), pa.int64(), pa.float64(), pa.uint8())
    return pa.schema([pa.field(name, kind, nullable=False) for name, kind in zip(COLUMNS, types, strict=True)])


def _parquet_writer(sink: _Sink, sample: Mapping[str, Any], level: int) -> Any:
    """Return the writer of a segment.

    Parameters
    ----------
    sample
        The first row group of the columns that repeat in some segments and not in others.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    repeats = [name for name, column in sample.items() if len(np.unique(column)) < _REPEATS * len(column)]
    encodings = {"stream": "DELTA_BINARY_PACKED", "grid_ms": "DELTA_BINARY_PACKED", "delay_ms": "BYTE_STREAM_SPLIT"}
    encodings |= {name: "BYTE_STREAM_SPLIT" for name in sample if name not in repeats}
    return pq.ParquetWriter(
        pa.PythonFile(sink, mode="w"),
        _schema().with_metadata({"cityloop.sorted_by": "stream, observed_at_ms, received_at_ms"}),
        compression="zstd",
        # A segment just sealed is soon merged with others: what counts is that sealing keeps up.
        compression_level=1 if level == 0 else 3,
        use_dictionary=["quality", *repeats],
        column_encoding=encodings,
        write_statistics=["stream", "grid_ms", "off_grid_ms"],
        write_page_checksum=True,
        sorting_columns=[pq.SortingColumn(0)],
        store_schema=False,
    )
