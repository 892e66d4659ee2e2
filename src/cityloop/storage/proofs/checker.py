"""Check a readings directory against a sender's record: ``python -m cityloop.storage.proofs.checker DIR RECORD ...``.

This program shares no code with the store. It reads the sealed Parquet files through DuckDB and the log by its own
parser, and compares them with what the sender wrote down: a line for every batch offered (``offered ID ROWS SUM``), and
one for every batch acknowledged (``acknowledged ID``). A reading's value is its batch's number times 4,096 plus its
place in the batch; SUM is the CRC-32 of the batch's columns in that order.

It prints one line and exits with 1 when an acknowledged batch is missing or altered, when a batch is there in part or
twice, or when something is there that was never offered.
"""

from __future__ import annotations

import json
import struct
import sys
import zlib
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pyarrow as pa

__all__ = ["PLACES", "check", "main"]

PLACES = 4096
"""Readings in one batch at most."""


def main(arguments: list[str]) -> int:
    """Check, print one line, and return the exit code."""
    faults = batches = rows = 0
    for root, record in zip(arguments[0::2], arguments[1::2], strict=True):
        try:
            found, acknowledged, stored = check(Path(root), Path(record))
        except (duckdb.Error, OSError, ValueError, struct.error) as error:
            found, acknowledged, stored = [f"cannot be read: {error}"], 0, 0
        for fault in found[:10]:
            print(f"{root}: {fault}")
        faults, batches, rows = faults + len(found), batches + acknowledged, rows + stored
    print(f"{faults} faults in {batches} acknowledged batches; {rows} readings stored")
    return 1 if faults else 0


def check(root: Path, record: Path) -> tuple[list[str], int, int]:
    """Return the faults found, the number of acknowledged batches, and the number of readings stored."""
    offered, acknowledged = _record(record)
    table = np.concatenate([_sealed(root), _logged(root)])
    table = table[np.argsort(table["value"], kind="stable")]
    batch = (table["value"] // PLACES).astype(np.int64)
    numbers, starts = np.unique(batch, return_index=True)
    ends = np.append(starts[1:], len(batch))[: len(starts)]
    stored = {n: table[b:e] for n, b, e in zip(numbers.tolist(), starts.tolist(), ends.tolist(), strict=True)}
    faults = [f"batch {number}: acknowledged, yet missing" for number in sorted(acknowledged - stored.keys())]
    for number, rows in stored.items():
        if number not in offered:
            faults.append(f"batch {number}: stored, yet never offered")
        elif offered[number][0] != len(rows):
            faults.append(f"batch {number}: {len(rows)} readings stored, {offered[number][0]} offered")
        elif offered[number][1] != _sum(rows):
            faults.append(f"batch {number}: stored with other contents than offered")
    return faults, len(acknowledged), len(table)


_ROW = np.dtype([("stream", "<i4"), ("observed", "<i8"), ("received", "<i8"), ("value", "<f8"), ("quality", "u1")])


def _record(path: Path) -> tuple[dict[int, tuple[int, int]], set[int]]:
    offered: dict[int, tuple[int, int]] = {}
    acknowledged: set[int] = set()
    for line in path.read_text(encoding="ascii").splitlines():
        word, *numbers = line.split()
        if word == "offered":
            offered[int(numbers[0])] = (int(numbers[1]), int(numbers[2]))
        else:
            acknowledged.add(int(numbers[0]))
    return offered, acknowledged


def _sum(rows: Any) -> int:
    check = 0
    for name in ("stream", "observed", "received", "value", "quality"):
        check = zlib.crc32(np.ascontiguousarray(rows[name]).tobytes(), check)
    return check


def _manifest(root: Path) -> dict[str, Any]:
    path = root / "MANIFEST"
    if not path.exists():
        return {"segments": [], "sealed_through": 0}
    manifest: dict[str, Any] = json.loads(path.read_bytes().split(b"\n", 1)[1])
    return manifest


def _sealed(root: Path) -> Any:
    files = [
        str(root / "sealed" / f"{s['number']:08d}-k{s['kind']}-l{s['level']}.parquet")
        for s in _manifest(root)["segments"]
        if s["bytes"]
    ]
    if not files:
        return np.empty(0, _ROW)
    with duckdb.connect() as connection:
        found = connection.execute(
            "select stream, grid_ms + off_grid_ms as observed_at_ms,"
            " grid_ms + off_grid_ms + delay_ms as received_at_ms, value, quality from read_parquet(?)",
            [files],
        ).fetchnumpy()
    return _rows(*(np.asarray(column) for column in found.values()))


def _logged(root: Path) -> Any:
    sealed_through = _manifest(root)["sealed_through"]
    parts = [np.empty(0, _ROW)]
    for path in sorted((root / "log").glob("*.log")):
        if int(path.stem) > sealed_through:
            parts += _frames(path.read_bytes())
    return np.concatenate(parts)


def _frames(data: bytes) -> list[Any]:
    found: list[Any] = []
    at = 24
    while data[at : at + 4] == b"\xc1LF1":
        _, _, size, payload_check, _, head_check = struct.unpack_from("<4sIIIQI", data, at)
        payload = data[at + 28 : at + 28 + size]
        if zlib.crc32(data[at : at + 24]) != head_check or zlib.crc32(payload) != payload_check:
            break
        with pa.ipc.open_stream(payload) as stream:
            table = stream.read_all()
        found.append(_rows(*(column.to_numpy() for column in table.columns)))
        at += 28 + size
    return found


def _rows(stream: Any, observed: Any, received: Any, value: Any, quality: Any) -> Any:
    rows = np.empty(len(stream), _ROW)
    rows["stream"], rows["observed"], rows["received"] = stream, observed, received
    rows["value"], rows["quality"] = value, quality
    return rows


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
