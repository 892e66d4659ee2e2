"""What a server keeps, for commands and notebooks: query, export, check, backup, restore, retention."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np

from cityloop.kernel.columns import I32, U8
from cityloop.kernel.errors import InputError
from cityloop.kernel.readings import DataKind
from cityloop.storage.readings import ReadingsStore
from cityloop.storage.readings.archive import Archive
from cityloop.storage.readings.backup import back_up, back_up_others, refuse_if_filled, restore
from cityloop.storage.readings.export import (
    csv_text,
    facts_table,
    geo_frame,
    readings_table,
    rollups_table,
    to_frame,
    write_table,
)
from cityloop.storage.readings.integrity import Integrity, check_integrity, salvage
from cityloop.storage.readings.retention import DEFAULT_RETENTION, Keep, parse_keep
from cityloop.storage.stream_facts import StreamFact, stream_facts

__all__ = ["Stored", "back_up_data", "check_data", "expire_data", "policy_of", "restore_data", "salvage_data"]

_EVER = (-(2**62), 2**62)


class Stored:
    """A data folder as it was when this was made; its server may be running."""

    def __init__(self, data: Path) -> None:
        folder = _sensing(data)
        self._archive = Archive(folder / "readings")
        self._facts = stream_facts(folder / "metadata.sqlite")

    def table(
        self,
        streams: Sequence[str] = (),
        begin: str | None = None,
        end: str | None = None,
        *,
        rollups: bool = False,
        limit: int | None = None,
        newest_first: bool = False,
    ) -> Any:
        """Return readings, or 5-minute roll-ups, as Arrow's table.

        Parameters
        ----------
        streams
            By name or row; all when empty.
        begin, end
            ISO 8601; UTC where no zone is named.
        """
        chosen = self._rows(streams) if streams else None
        begin_ms = _EVER[0] if begin is None else _instant_ms("--begin", begin)
        end_ms = _EVER[1] if end is None else _instant_ms("--end", end)
        if rollups:
            return rollups_table(self._archive.rollups(chosen, begin_ms, end_ms), self._facts)
        found = self._archive.history(chosen, begin_ms, end_ms, limit=limit, newest_first=newest_first)
        return readings_table(found, self._facts)

    def frame(self, streams: Sequence[str] = (), begin: str | None = None, end: str | None = None) -> Any:
        """Return readings as a pandas data frame."""
        return to_frame(self.table(streams, begin, end))

    def geo_frame(self, streams: Sequence[str] = (), begin: str | None = None, end: str | None = None) -> Any:
        """Return readings as a GeoDataFrame, each at its stream's place."""
        return geo_frame(self.table(streams, begin, end), self._facts)

    def sql(self, statement: str) -> Any:
        """Return what a statement over the tables ``readings`` and ``streams`` finds, as Arrow's table."""
        return self._archive.sql(statement, facts_table(self._facts))

    def csv(self, table: Any, limit: int | None = None) -> str:
        """Return a table, or its first rows, as CSV."""
        return csv_text(table if limit is None else table.slice(0, limit))

    def write(self, table: Any, path: Path) -> None:
        """Write a table as Parquet or CSV, by the file's ending."""
        write_table(table, path)

    def _rows(self, streams: Sequence[str]) -> I32:
        by_name = {fact.name: row for row, fact in self._facts.items()}
        rows = []
        for name in streams:
            if name in by_name:
                rows.append(by_name[name])
            elif name.isdecimal():
                rows.append(int(name))
            else:
                raise InputError(f"--stream {name}: there is no such stream; 'cityloop data query --sql' lists them.")
        return np.array(rows, np.int32)


def check_data(data: Path, say: Callable[[str], None] = lambda _: None) -> Integrity:
    """Check the readings of a data folder."""
    return check_integrity(_sensing(data) / "readings", say)


def salvage_data(data: Path) -> int:
    """Keep what can be read of damaged log files; return how many there were."""
    return salvage(_sensing(data) / "readings")


def back_up_data(data: Path, target: Path) -> Integrity:
    """Back up a data folder and check the backup; a served room's other files come along."""
    folder = _sensing(data)
    if folder == data:
        return back_up(data, target)
    refuse_if_filled(target)
    found = back_up(folder, target / folder.name)
    # After the readings: what tells of readings then tells of those that are in the backup.
    back_up_others(data, target, besides=folder)
    return found


def restore_data(saved: Path, data: Path) -> Integrity:
    """Make a data folder from a backup."""
    return restore(saved, data, readings=_sensing(saved).relative_to(saved) / "readings")


def policy_of(keeps: Sequence[str]) -> Mapping[DataKind, Keep]:
    """Return the default policy with some kinds kept for another time."""
    return {**DEFAULT_RETENTION, **dict(parse_keep(text) for text in keeps)}


def expire_data(data: Path, policy: Mapping[DataKind, Keep]) -> int:
    """Delete what is older than its kind is kept; refused while a server holds the readings."""
    folder = _sensing(data)
    facts = stream_facts(folder / "metadata.sqlite")
    store = ReadingsStore(folder / "readings", kinds=lambda: _kinds(facts))
    try:
        return store.expire(policy, time.time_ns() // 1_000_000)
    finally:
        store.close()


def _sensing(data: Path) -> Path:
    """Return where the readings' folder lies: a served room keeps sensing in a folder of its own."""
    inner = data / "sensing"
    return inner if (inner / "readings").is_dir() else data


def _kinds(facts: Mapping[int, StreamFact]) -> U8:
    kinds = np.zeros(max(facts, default=-1) + 1, np.uint8)
    for row, fact in facts.items():
        kinds[row] = fact.kind
    return kinds


def _instant_ms(option: str, text: str) -> int:
    try:
        instant = datetime.fromisoformat(text)
    except ValueError:
        raise InputError(f"{option} {text}: is no instant of ISO 8601, such as 2026-05-01T06:30:00Z.") from None
    return round((instant if instant.tzinfo else instant.replace(tzinfo=UTC)).timestamp() * 1_000)
