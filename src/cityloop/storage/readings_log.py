"""The readings of a run as an Arrow IPC stream, compressed with zstd.

One row a reading: the columns of ``Batch`` after ``now_ms``, the end of the step it arrived in. A record
batch holds the steps of about half a minute; its metadata ``steps`` lists each step's end and number of
readings (int64 pairs), so that a step in which nothing was heard is kept as well.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from cityloop.kernel.batch import Batch, concat
from cityloop.kernel.clock import ms_from_s
from cityloop.kernel.columns import columns_of
from cityloop.kernel.errors import StoreError
from cityloop.storage.journal_log import Torn

__all__ = ["CHUNK_S", "ReadingsReader", "ReadingsWriter"]

CHUNK_S = 30.0
"""Simulated time in one record batch: what a killed process may lose of its readings. [s]"""

_STEPS = b"steps"
_COLUMNS = tuple(columns_of(Batch))


class ReadingsWriter:
    """Writes the stream; owns the open file and the steps not yet written."""

    def __init__(self, path: Path, *, chunk_s: float = CHUNK_S) -> None:
        import pyarrow as pa

        self._pa = pa
        self._schema = _schema()
        self._chunk_ms = ms_from_s(chunk_s)
        self._steps: list[tuple[int, Batch]] = []
        self._file = path.open("xb", buffering=0)
        options = pa.ipc.IpcWriteOptions(compression="zstd", use_threads=False)
        self._stream = pa.ipc.new_stream(self._file, self._schema, options=options)

    def append(self, now_ms: int, batch: Batch) -> bool:
        """Take the readings of the step that ended at ``now_ms``; write a full chunk, and tell whether it was."""
        self._steps.append((now_ms, batch))
        full = now_ms - self._steps[0][0] >= self._chunk_ms
        if full:
            self.flush()
        return full

    def flush(self) -> None:
        """Write the steps that wait, so that they survive the death of the process."""
        if not self._steps:
            return
        counts = [(now_ms, len(batch)) for now_ms, batch in self._steps]
        whole = concat([batch for _, batch in self._steps])
        steps = np.array(counts, np.int64)
        arrays = [np.repeat(steps[:, 0], steps[:, 1])]
        arrays += [getattr(whole, named.name) for named in _COLUMNS]
        record = self._pa.record_batch([self._pa.array(a) for a in arrays], schema=self._schema)
        self._stream.write_batch(record, custom_metadata={_STEPS: steps.astype("<i8").tobytes()})
        self._steps.clear()

    def sync(self) -> None:
        """Return once everything written survives a power cut."""
        os.fdatasync(self._file.fileno())

    def close(self) -> None:
        """Write what waits, the stream's end, and sync. Safe to call twice."""
        if not self._file.closed:
            self.flush()
            self._stream.close()
            self.sync()
            self._file.close()


class ReadingsReader:
    """Reads the whole chunks of a stream, in order; ``torn`` then tells what was left unread."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self.torn: Torn | None = None

    def __iter__(self) -> Iterator[tuple[int, Batch]]:
        """Yield ``(now_ms, batch)`` a step until the end, or until the first chunk that is not whole."""
        import pyarrow as pa

        self.torn = None
        size = self._path.stat().st_size
        if size == 0:
            # The stream's head is written with its first chunk.
            return
        with self._path.open("rb") as file:
            at_byte = 0
            try:
                stream = pa.ipc.open_stream(file)
                if not stream.schema.equals(_schema()):
                    raise StoreError(f"{self._path}: columns are {stream.schema.names}, not those of format 1")
                while True:
                    at_byte = file.tell()
                    record, metadata = stream.read_next_batch_with_custom_metadata()
                    yield from _steps(record, metadata)
            except StopIteration:
                return
            except (pa.ArrowInvalid, OSError) as error:
                reason = f"torn chunk ({str(error).splitlines()[0]})"
                self.torn = Torn(self._path, at_byte, size - at_byte, reason)


def _steps(record: Any, metadata: Any) -> Iterator[tuple[int, Batch]]:
    steps = np.frombuffer(metadata[_STEPS], "<i8").reshape(-1, 2)
    columns = [record.column(i + 1).to_numpy() for i in range(record.num_columns - 1)]
    begin = 0
    for now_ms, count in steps.tolist():
        # Copies, because compiled functions tell read-only arrays apart and would be compiled a second time.
        yield now_ms, Batch(*(column[begin : begin + count].copy() for column in columns))
        begin += count


def _schema() -> Any:
    import pyarrow as pa

    fields = [("now_ms", pa.int64())]
    fields += [(named.name, pa.from_numpy_dtype(named.dtype)) for named in _COLUMNS]
    return pa.schema(fields)
