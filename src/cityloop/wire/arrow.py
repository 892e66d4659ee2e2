"""Readings as Arrow IPC streams: the lane that costs least on both sides.

A body is one Arrow IPC stream of one or more record batches with the columns

- ``stream``: int32 rows of the stream table, or names as utf8 or as a dictionary of utf8;
- ``observed_at_ms``: int64, or a timestamp of any unit and zone;
- ``value``: float64, float32 or an integer type of at most 32 bits;
- ``unit`` (may be left out): the unit that the sender means, as text.

Other columns are refused rather than ignored. No column may hold nulls. Columns of the first types named are taken over
without copying. Compressed bodies are taken up to the size that they unpack to.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from cityloop.kernel.columns import F64, I32, I64
from cityloop.wire.named import NO_INSTANT, WireError
from cityloop.wire.unpacked import unpacked_bytes

__all__ = ["MAX_ROWS", "MEDIA_TYPE", "ArrowPack", "dated", "decode_arrow", "encode_arrow", "name_bytes"]

MEDIA_TYPE = "application/vnd.cityloop.readings.v1+arrow"
"""Media type of a body; ``application/vnd.apache.arrow.stream`` is understood too."""

MAX_ROWS = 1_000_000
"""Most rows of a body."""

_MS_PER = {"s": 1000, "ms": 1}
_PER_MS = {"us": 1000, "ns": 1_000_000}


@dataclass(frozen=True, slots=True)
class ArrowPack:
    """One record batch of readings."""

    stream: I32 | None
    """Rows of the stream table, None when streams are named."""

    names: pa.Array | None
    """Distinct or repeated names (utf8), None when rows are given."""

    codes: I32 | None
    """Which of the names each reading is of; None: the names stand one a reading."""

    observed_at_ms: I64
    value: F64
    units: list[str] | None

    def __len__(self) -> int:
        """Return the number of readings."""
        return len(self.value)


def decode_arrow(body: bytes | memoryview, *, max_bytes: int) -> Iterator[ArrowPack]:
    """Yield the record batches of a body.

    Parameters
    ----------
    max_bytes
        Most bytes that the body may take once unpacked.

    Raises
    ------
    WireError
        When the body is not such a stream; nothing of it should then be kept.
    """
    unpacked_bytes(body, most=max_bytes)
    rows = 0
    try:
        with pa.ipc.open_stream(pa.py_buffer(body)) as reader:
            columns = _check_schema(reader.schema)
            for batch in reader:
                batch.validate(full=True)
                rows += batch.num_rows
                if rows > MAX_ROWS:
                    raise WireError(f"more than {MAX_ROWS} rows in one body; send several")
                yield _pack(batch, columns)
    except (pa.ArrowException, OSError, EOFError, ValueError, MemoryError, OverflowError) as error:
        raise WireError(f"not a readable Arrow IPC stream: {_line(error)}") from error


def encode_arrow(streams: I32 | list[str], observed_at_ms: I64, value: F64) -> bytes:
    """Return a body of one record batch, with names as a dictionary."""
    stream = (
        pa.array(streams, pa.utf8()).dictionary_encode() if isinstance(streams, list) else pa.array(streams, pa.int32())
    )
    batch = pa.record_batch(
        [stream, pa.array(observed_at_ms, pa.int64()), pa.array(value, pa.float64())],
        names=["stream", "observed_at_ms", "value"],
    )
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, batch.schema) as writer:
        writer.write_batch(batch)
    return sink.getvalue().to_pybytes()  # type: ignore[no-any-return] # pyarrow tells no types


def dated(instants: I64) -> I64:
    """Return instants of which none means that there is none: a sender's missing time is no reading of now."""
    missing = instants == NO_INSTANT
    return np.where(missing, NO_INSTANT + 1, instants) if missing.any() else instants


def name_bytes(names: pa.Array) -> bytes:
    """Return bytes that are equal for equal names only, to remember rows by."""
    offsets = np.frombuffer(names.buffers()[1], np.int32, len(names) + 1, names.offset * 4)
    text = names.buffers()[2]
    low, high = int(offsets[0]), int(offsets[-1])
    told = b"" if text is None else text[low:high].to_pybytes()
    return bytes((offsets - low).tobytes() + told)


def _check_schema(schema: pa.Schema) -> tuple[str, ...]:
    names = tuple(schema.names)
    for wanted in ("stream", "observed_at_ms", "value"):
        if names.count(wanted) != 1:
            raise WireError(f"column {wanted!r} stands {names.count(wanted)} times, must stand once")
    extra = [name for name in names if name not in ("stream", "observed_at_ms", "value", "unit")]
    if extra:
        raise WireError(f"column {extra[0]!r:.60} is not known; known are stream, observed_at_ms, value and unit")
    return names


def _pack(batch: pa.RecordBatch, columns: tuple[str, ...]) -> ArrowPack:
    for name, column in zip(columns, batch.columns, strict=True):
        if column.null_count:
            raise WireError(f"column {name!r} holds {column.null_count} nulls, must hold none")
    stream, names, codes = _streams(batch.column("stream"))
    return ArrowPack(
        stream,
        names,
        codes,
        _instants(batch.column("observed_at_ms")),
        _values(batch.column("value")),
        [str(unit) for unit in batch.column("unit").to_pylist()] if "unit" in columns else None,
    )


def _streams(column: pa.Array) -> tuple[I32 | None, pa.Array | None, I32 | None]:
    kind = column.type
    if pa.types.is_int32(kind):
        return column.to_numpy(zero_copy_only=True), None, None
    if pa.types.is_string(kind):
        return None, column, None
    if pa.types.is_dictionary(kind) and pa.types.is_string(kind.value_type):
        if column.dictionary.null_count:
            raise WireError("column 'stream' has a null in its dictionary")
        codes = column.indices.to_numpy(zero_copy_only=False)
        return None, column.dictionary, np.ascontiguousarray(codes, np.int32)
    raise WireError(f"column 'stream' is of type {kind}, must be int32, utf8 or a dictionary of utf8")


def _instants(column: pa.Array) -> I64:
    kind = column.type
    if pa.types.is_int64(kind):
        return dated(column.to_numpy(zero_copy_only=True))
    if pa.types.is_timestamp(kind):
        counts: I64 = column.view(pa.int64()).to_numpy(zero_copy_only=True)
        if kind.unit in _MS_PER:
            limit = 2**62 // _MS_PER[kind.unit]
            return np.clip(counts, -limit, limit) * _MS_PER[kind.unit]
        return counts // _PER_MS[kind.unit]
    raise WireError(f"column 'observed_at_ms' is of type {kind}, must be int64 or a timestamp")


def _values(column: pa.Array) -> F64:
    kind = column.type
    if pa.types.is_float64(kind):
        return column.to_numpy(zero_copy_only=True)  # type: ignore[no-any-return]
    if pa.types.is_float32(kind) or (pa.types.is_integer(kind) and kind.bit_width <= 32):
        return column.to_numpy(zero_copy_only=True).astype(np.float64)  # type: ignore[no-any-return]
    raise WireError(f"column 'value' is of type {kind}, must be float64, float32 or an integer of at most 32 bits")


def _line(error: Exception) -> str:
    return " ".join(str(error).split())[:200]
