"""The same readings into PostgreSQL, beside the readings store: a row of ``cityloop bench sensing``."""

from __future__ import annotations

import io
import os
import shutil
import subprocess
import time
from pathlib import Path

import numpy as np

from cityloop.kernel.batch import Batch
from cityloop.kernel.errors import ConfigError
from cityloop.storage.readings import ReadingsStore
from cityloop.studies.bench_store import NOW_MS, PACK, STREAMS, append_all, append_packs
from cityloop.studies.sensing_rows import Figure, RowSpec

__all__ = ["postgresql"]

_SECONDS = 20
"""Batches of 120,000 readings, one of every stream, that each peer is given. [1]"""

_TABLE = """
CREATE TABLE readings (
  stream integer, observed_at_ms bigint, received_at_ms bigint, value double precision, quality smallint
);
CREATE INDEX readings_by_stream ON readings (stream, observed_at_ms);
"""


def postgresql(spec: RowSpec) -> list[Figure]:
    """Give PostgreSQL (COPY, indexed, synced) and the store the same batches, one after the other."""
    batches = _batches(spec)
    theirs_s, theirs_bytes, version = _copy_into_postgresql(spec.folder / "postgresql", batches, spec)
    ours_s, ours_bytes, sealed_s = _append_to_store(spec.folder / "readings", batches)
    rows = sum(len(batch) for batch in batches)
    note = f"{len(batches)} batches of {len(batches[0])} readings, each acknowledged before the next; {version}"
    row = "postgresql"
    return [
        Figure(row=row, what="PostgreSQL", value=rows / theirs_s, unit="readings/s", note=note),
        Figure(row=row, what="the store, acknowledged", value=rows / ours_s, unit="readings/s", note=note),
        Figure(row=row, what="the store, sealed as well", value=rows / sealed_s, unit="readings/s", note=note),
        Figure(row=row, what="the store over PostgreSQL", value=theirs_s / ours_s, unit="times", note=note),
        Figure(row=row, what="PostgreSQL, size", value=theirs_bytes / rows, unit="B/reading", note="table and index"),
        Figure(
            row=row, what="the store, size", value=ours_bytes / rows, unit="B/reading", note="readings and roll-ups"
        ),
    ]


def _batches(spec: RowSpec) -> list[Batch]:
    rng = np.random.default_rng(spec.seed)
    streams = max(int(STREAMS * spec.scale), PACK)
    base = np.round(rng.normal(20.0, 5.0, streams), 1)
    made = []
    for second in range(_SECONDS):
        observed = NOW_MS + second * 1_000 + rng.integers(0, 1_000, streams)
        value = np.round(base + rng.normal(0.0, 0.3, streams), 1)
        received = observed + rng.integers(20, 200, streams)
        made.append(Batch(np.arange(streams, dtype=np.int32), observed, received, value, np.zeros(streams, np.uint8)))
    return made


def _append_to_store(folder: Path, batches: list[Batch]) -> tuple[float, int, float]:
    store = ReadingsStore(folder)
    append_all(store, Batch(*(getattr(batches[0], name)[:1] for name in Batch.__slots__)))
    begin_s = time.perf_counter()
    for batch in batches:
        append_packs(store, batch)
    ours_s = time.perf_counter() - begin_s
    store.seal()
    sealed_s = time.perf_counter() - begin_s
    size = sum(segment.bytes + segment.rollup_bytes for segment in store.catalogue.view.segments)
    store.close()
    return ours_s, size, sealed_s


def _copy_into_postgresql(folder: Path, batches: list[Batch], spec: RowSpec) -> tuple[float, int, str]:
    if shutil.which("initdb") is None or shutil.which("pg_ctl") is None or shutil.which("psql") is None:
        raise ConfigError("--row postgresql: initdb, pg_ctl and psql must be on the PATH; install PostgreSQL.")
    folder.mkdir()
    user = _server_user(folder)
    data, socket = folder / "data", folder
    _run([*user, "initdb", "-D", str(data), "-U", "bench", "--auth=trust", "-E", "UTF8"])
    options = f"-c listen_addresses= -c unix_socket_directories={socket} -c shared_buffers=512MB"
    _run([*user, "pg_ctl", "-D", str(data), "-w", "-l", str(folder / "server.log"), "-o", options, "start"])
    try:
        psql = ["psql", "-h", str(socket), "-U", "bench", "-d", "postgres", "-q", "-v", "ON_ERROR_STOP=1"]
        _run([*psql, "-c", _TABLE])
        texts = [_copy_text(batch) for batch in batches]
        seconds = 0.0
        command = [*psql, "-c", "COPY readings FROM STDIN WITH (FORMAT csv)"]
        for ordinal, text in enumerate(texts):
            begin_s = time.perf_counter()
            subprocess.run(command, input=text, check=True, capture_output=True)
            seconds += time.perf_counter() - begin_s
            spec.say(f"{ordinal + 1} of {len(texts)} batches copied")
        answer = [*psql, "-At", "-c"]
        size = int(_run([*answer, "SELECT pg_total_relation_size('readings')"]))
        found = int(_run([*answer, "SELECT count(*) FROM readings"]))
        if found != sum(len(batch) for batch in batches):
            raise AssertionError(f"PostgreSQL holds {found} readings")
        version = _run([*answer, "SHOW server_version"]).strip()
    finally:
        _run([*user, "pg_ctl", "-D", str(data), "-m", "immediate", "stop"])
    return seconds, size, f"PostgreSQL {version}, COPY of CSV that was made beforehand, fsync on"


def _server_user(folder: Path) -> list[str]:
    """Return how to run the server's programs: PostgreSQL refuses to run as root."""
    if os.geteuid() != 0:
        return []
    shutil.chown(folder, "postgres", "postgres")
    folder.parent.chmod(0o755)
    return ["runuser", "-u", "postgres", "--"]


def _copy_text(batch: Batch) -> bytes:
    columns = [getattr(batch, name) for name in Batch.__slots__]
    out = io.BytesIO()
    np.savetxt(out, np.column_stack(columns), fmt=["%d", "%d", "%d", "%.10g", "%d"], delimiter=",")
    return out.getvalue()


def _run(command: list[str]) -> str:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise ConfigError(f"{' '.join(command[:5])}: {done.stderr.strip() or done.stdout.strip()}")
    return done.stdout
