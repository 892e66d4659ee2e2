"""Stored readings as another process sees them: read, never written, whether or not a server holds the store."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from cityloop.kernel.batch import Batch, concat
from cityloop.kernel.columns import I32
from cityloop.kernel.errors import InputError, StoreError
from cityloop.kernel.readings import RollUps
from cityloop.storage.readings import lookup
from cityloop.storage.readings.catalogue import Catalogue
from cityloop.storage.readings.disk import RealDisk
from cityloop.storage.readings.frames import read_live_log
from cityloop.storage.readings.manifest import check_format
from cityloop.storage.readings.params import StoreParams
from cityloop.storage.readings.recent import recent_of

__all__ = ["Archive"]

_TRIES = 5

T = TypeVar("T")


class Archive:
    """What was acknowledged up to the moment of opening."""

    def __init__(self, root: Path) -> None:
        if not (root / "FORMAT").is_file():
            raise StoreError(f"{root}: is no store of readings; name the folder that a server was given with --data.")
        check_format(root)
        self.root = root
        self._catalogue = self._open()

    def history(
        self, streams: I32 | None, begin_ms: int, end_ms: int, *, limit: int | None = None, newest_first: bool = False
    ) -> Batch:
        """Return stored rows; see ``Readings.history``. None asks for every stream."""
        return self._steady(
            lambda: lookup.history(
                self._catalogue, self._chosen(streams), begin_ms, end_ms, limit=limit, newest_first=newest_first
            )
        )

    def rollups(self, streams: I32 | None, begin_ms: int, end_ms: int) -> RollUps:
        """Return 5-minute bins; see ``Readings.rollups``. None asks for every stream."""
        return self._steady(lambda: lookup.rollups(self._catalogue, self._chosen(streams), begin_ms, end_ms))

    def sql(self, statement: str, streams: Any = None) -> Any:
        """Run DuckDB's SQL over the table ``readings``, and ``streams`` when given; return Arrow's table.

        Raises
        ------
        InputError
            With what DuckDB has against the statement.
        """
        import duckdb
        import pyarrow as pa

        def run() -> Any:
            view = self._catalogue.view
            files: dict[str, list[str]] = {}
            for segment in view.segments:
                if segment.bytes:
                    instant = self._catalogue.readers.readings(segment).instant_sql
                    files.setdefault(instant, []).append(str(self._catalogue.folder / f"{segment.stem}.parquet"))
            recent = concat([recent.batch() for recent in view.recents])
            with duckdb.connect() as connection:
                connection.register("recent", pa.table({n: getattr(recent, n) for n in Batch.__slots__}))
                sealed = "".join(
                    f"select stream, {instant} as observed_at_ms, {instant} + delay_ms as received_at_ms, value,"
                    f" quality from read_parquet({paths}) union all "
                    for instant, paths in files.items()
                )
                connection.execute(f"create view readings as {sealed} select * from recent")
                if streams is not None:
                    connection.register("streams", streams)
                try:
                    found: Any = connection.sql(statement)
                    return pa.table({}) if found is None else found.to_arrow_table()
                except duckdb.IOException:
                    raise FileNotFoundError(statement) from None
                except duckdb.Error as error:
                    raise InputError(f"--sql: {str(error).splitlines()[0]}") from error

        return self._steady(run)

    def _open(self) -> Catalogue:
        catalogue = Catalogue(self.root, RealDisk(), StoreParams())
        for path in sorted((self.root / "log").glob("*.log")):
            number = int(path.stem)
            if number > catalogue.manifest.sealed_through:
                held = read_live_log(path)
                catalogue.begin_recent(recent_of(number, held.batches))
        return catalogue

    def _chosen(self, streams: I32 | None) -> I32:
        if streams is not None:
            return streams
        view = self._catalogue.view
        high = max((segment.stream_high for segment in view.segments), default=-1)
        for recent in view.recents:
            high = max(high, int(recent.batch().stream.max(initial=-1)))
        return np.arange(high + 1, dtype=np.int32)

    def _steady(self, answer: Callable[[], T]) -> T:
        """Answer; from newer files when a server has merged those that were there."""
        for _ in range(_TRIES):
            try:
                return answer()
            except (FileNotFoundError, StoreError):
                before = self._catalogue.manifest
                self._catalogue = self._open()
                if self._catalogue.manifest == before:
                    raise
        return answer()
