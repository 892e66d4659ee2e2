"""Readings as CSV (RFC 4180): a header, then one reading a line.

Columns, in any order: ``stream``; ``value``; ``observed_at_ms`` (integer) or ``observed_at`` (ISO 8601 with a zone);
and ``unit``, which may be left out. A file with a line that cannot be read is refused whole, and the line is told.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence

import pyarrow as pa
import pyarrow.csv as pa_csv

from cityloop.wire.named import INSTANT_RANGE_MS, MAX_NAME_BYTES, NamedReadings, WireError
from cityloop.wire.single import instant_ms

__all__ = ["MEDIA_TYPE", "decode_csv", "encode_csv"]

MEDIA_TYPE = "text/csv"

_COLUMNS = {
    "stream": pa.utf8(),
    "value": pa.float64(),
    "observed_at_ms": pa.int64(),
    "observed_at": pa.timestamp("ms", "UTC"),
    "unit": pa.utf8(),
}


def decode_csv(body: bytes) -> NamedReadings:
    """Return the readings of a CSV file."""
    header = _check_header(body)
    try:
        table = pa_csv.read_csv(
            pa.py_buffer(body),
            read_options=pa_csv.ReadOptions(use_threads=False, block_size=max(len(body), 1024)),
            parse_options=pa_csv.ParseOptions(newlines_in_values=False),
            convert_options=pa_csv.ConvertOptions(
                column_types=_COLUMNS, null_values=[], strings_can_be_null=False, check_utf8=True
            ),
        )
    except (pa.ArrowException, OSError, ValueError) as error:
        raise WireError(_first_wrong_line(body) or f"not CSV: {' '.join(str(error).split())[:160]}") from error
    instants = table.column("observed_at" if "observed_at" in header else "observed_at_ms").cast(pa.int64()).to_numpy()
    names = table.column("stream").to_pylist()
    for place, name in enumerate(names):
        if not name or len(name.encode()) > MAX_NAME_BYTES:
            raise WireError(f"line {place + 2}: name {name!r:.60} must be of 1 to {MAX_NAME_BYTES} bytes")
    low, high = INSTANT_RANGE_MS
    if len(instants) and not low <= int(instants.min()) <= int(instants.max()) <= high:
        raise WireError("an instant is outside the years 1 to 9999")
    return NamedReadings(
        names,
        instants,
        table.column("value").to_numpy(),
        table.column("unit").to_pylist() if "unit" in header else None,
    )


def encode_csv(names: Sequence[str], observed_at_ms: Sequence[int], values: Sequence[float]) -> bytes:
    """Return a CSV file."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\r\n")
    writer.writerow(["stream", "observed_at_ms", "value"])
    writer.writerows(zip(names, observed_at_ms, values, strict=True))
    return text.getvalue().encode()


def _check_header(body: bytes) -> list[str]:
    try:
        first = body.split(b"\n", 1)[0].decode().strip("\r\ufeff")
        header = next(csv.reader([first]), [])
    except UnicodeDecodeError as error:
        raise WireError("line 1 is not UTF-8") from error
    except csv.Error as error:
        raise WireError(f"line 1 is not CSV: {error}") from error
    for name in header:
        if name not in _COLUMNS:
            raise WireError(f"line 1: column {name!r:.60} is not known; known are {', '.join(_COLUMNS)}")
    timed = ("observed_at" in header) + ("observed_at_ms" in header)
    if len(set(header)) != len(header) or "stream" not in header or "value" not in header or timed != 1:
        raise WireError("line 1 must name stream, value and one of observed_at_ms and observed_at, each once")
    return header


def _first_wrong_line(body: bytes) -> str:
    """Return which line cannot be read and why; empty when none is found."""
    try:
        rows = csv.reader(io.StringIO(body.decode("utf-8-sig")), strict=True)
        header = next(rows)
        for line, row in enumerate(rows, start=2):
            if len(row) != len(header):
                return f"line {line} has {len(row)} fields, must have {len(header)}"
            for name, text in zip(header, row, strict=True):
                if wrong := _wrong(name, text):
                    return f"line {line}, {name} {text[:40]!r}: {wrong}"
    except (csv.Error, UnicodeDecodeError) as error:
        return f"not CSV: {error}"
    return ""


def _wrong(name: str, text: str) -> str:
    try:
        if name == "value":
            float(text)
        elif name == "observed_at_ms":
            if not -(2**63) <= int(text) < 2**63:
                return "out of range"
        elif name == "observed_at":
            instant_ms(text)
    except ValueError:
        return "not a number"
    except WireError as error:
        return str(error)
    return ""
