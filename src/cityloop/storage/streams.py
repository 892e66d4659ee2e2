"""The table of streams: every Datastream is one, and its id is the stream's row."""

from __future__ import annotations

import math
import threading
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Final

import apsw
import numpy as np
import orjson

from cityloop.kernel.columns import BOOL, I32, I64
from cityloop.kernel.errors import InputError
from cityloop.kernel.readings import DataKind, StreamColumns
from cityloop.storage.metadata import Metadata, Transaction
from cityloop.wire.named import folded

__all__ = ["Registration", "StreamRegister"]

_MOST = 2**31 - 1
_NAME_LENGTH: Final = 255
_SENSOR: Final = "registered device"
_MEASUREMENT: Final = "http://www.opengis.net/def/observationType/OGC-OM/2.0/OM_Measurement"
_FACTS: Final = "id, external_name, device, low, high, lon_deg, lat_deg, interval_s, kind, unit_symbol"
_SPAN: Final = """
SELECT d.id, s.feature, s.same_time FROM datastreams d
JOIN spans s ON s.stream = d.id AND s.until_ms = 9223372036854775807
WHERE NOT d.feature_stale AND NOT s.hidden
"""
_FRESH: Final = """
SELECT DISTINCT d.id FROM json_each(?) j JOIN datastreams d ON d.id = j.value
WHERE NOT EXISTS (SELECT 1 FROM spans s WHERE s.stream = d.id)
AND NOT EXISTS (SELECT 1 FROM thing_locations x WHERE x.thing = d.thing)
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Registration:
    """What is declared of a stream that is registered by name."""

    name: str
    unit: str
    low: float = -math.inf
    high: float = math.inf
    device: str = ""
    kind: DataKind = DataKind.MEASUREMENT
    lon_deg: float = math.nan
    lat_deg: float = math.nan
    interval_s: float = math.nan

    def __post_init__(self) -> None:
        if not 1 <= len(self.name) <= _NAME_LENGTH or not self.name.isprintable():
            raise InputError(f"stream name {self.name[:60]!r}: give 1 to {_NAME_LENGTH} printable characters")
        if self.name.isdecimal():
            raise InputError(f"stream name {self.name!r}: a name of digits alone means the id of a Datastream")
        if not self.low <= self.high:
            raise InputError(f"stream {self.name!r}: low {self.low:g} is above high {self.high:g}")


class StreamRegister:
    """The columns of all streams in memory, behind the database. Any thread may call it."""

    def __init__(self, metadata: Metadata) -> None:
        self._metadata = metadata
        self._lock = threading.RLock()
        self._rows: dict[str, int] = {}
        self._names: dict[int, str] = {}
        self._devices: dict[int, str] = {}
        self._units: dict[str, int] = {"": 0}
        self._length = 1  # Row 0 is given to nobody: ids of entities begin at 1.
        self._grow(1024)
        self._alive[:] = False
        with metadata.read() as connection:
            for facts in connection.execute(f"SELECT {_FACTS} FROM datastreams"):
                self._note(facts)
            for row, feature, same_time in connection.execute(_SPAN):
                self.note_span(row, feature, same_time=bool(same_time))

    def row_of(self, name: str) -> int | None:
        """Return the row of a stream by its external name or the id of its Datastream."""
        row = self._rows.get(name)
        if row is None and name.isascii() and name.isdecimal() and len(name) < 11 and name[0] != "0":
            row = int(name)
            return row if self.exists(row) else None
        return row

    def rows_of(self, names: Sequence[str]) -> I32:
        """Return the rows of many streams at once, -1 where there is no such stream."""
        found = map(self.row_of, names)
        return np.fromiter((-1 if row is None else row for row in found), np.int32, len(names))

    def name_of(self, row: int) -> str:
        """Return the external name of a row; without one, the id of the Datastream."""
        if not self.exists(row):
            raise InputError(f"there is no stream {row}")
        return self._names.get(row, str(row))

    def device_of(self, row: int) -> str:
        """Return the device that alone may write a stream; empty when none is named."""
        return self._devices.get(row, "")

    def unit_of(self, row: int) -> str:
        """Return the unit that a stream's values are in."""
        if not self.exists(row):
            raise InputError(f"there is no stream {row}")
        with self._lock:
            code = int(self._unit_code[row])
            # Codes are given in the order in which units were first met.
            return next(unit for unit, of in self._units.items() if of == code)

    def exists(self, row: int) -> bool:
        """Tell whether a row is a stream's."""
        return 0 < row < self._length and bool(self._alive[row])

    def all_exist(self, rows: I64) -> BOOL:
        """Return which rows are a stream's."""
        alive = self._alive
        inside = (rows > 0) & (rows < min(self._length, len(alive)))
        found: BOOL = inside & alive[np.where(inside, rows, 0)]
        return found

    def plain(self, rows: I64) -> tuple[BOOL, I64, BOOL]:
        """Return which streams' spans are known, their features (0: none), and whether result time is the time."""
        return self._span_known[rows], self._feature[rows], self._same_time[rows]

    def spans_are_known(self, rows: I32) -> bool:
        """Tell whether the spans of all these streams are known: the common case, at the price of one look a row."""
        known = self._span_known
        if not len(rows) or int(rows.min()) < 0 or int(rows.max()) >= len(known):
            return not len(rows)
        return bool(known[rows].all())

    def living(self) -> I32:
        """Return the rows of all streams, ascending."""
        with self._lock:
            return np.flatnonzero(self._alive[: self._length]).astype(np.int32)

    def devices(self, rows: Iterable[int]) -> set[str]:
        """Return the devices that are named for some rows."""
        devices = self._devices
        return {devices.get(row, "") for row in rows}

    def __len__(self) -> int:
        """Return the number of rows given out."""
        return self._length

    def columns(self) -> StreamColumns:
        """Return what is declared of every stream now, in row order."""
        with self._lock:
            n = self._length
            return StreamColumns(
                low=self._low[:n].copy(),
                high=self._high[:n].copy(),
                lon_deg=self._lon_deg[:n].copy(),
                lat_deg=self._lat_deg[:n].copy(),
                interval_s=self._interval_s[:n].copy(),
                unit_code=self._unit_code[:n].copy(),
                kind=self._kind[:n].copy(),
            )

    def register(
        self,
        name: str,
        unit: str,
        low: float = -math.inf,
        high: float = math.inf,
        device: str = "",
        *,
        kind: DataKind = DataKind.MEASUREMENT,
        lon_deg: float = math.nan,
        lat_deg: float = math.nan,
        interval_s: float = math.nan,
    ) -> int:
        """Return the row of a new stream, durable when this returns; of a known name, its row with the new facts."""
        registration = Registration(
            name=name,
            unit=unit,
            low=low,
            high=high,
            device=device,
            kind=kind,
            lon_deg=lon_deg,
            lat_deg=lat_deg,
            interval_s=interval_s,
        )
        return int(self.register_many([registration])[0])

    def register_many(self, registrations: Sequence[Registration]) -> I32:
        """Register streams in one transaction and return their rows.

        Raises
        ------
        InputError
            When a name differs from another only by case or Unicode form.
        """

        def work(transaction: Transaction) -> list[int]:
            made: dict[tuple[str, str], int] = {}
            rows = [_register(transaction, registration, made) for registration in registrations]
            transaction.after_commit.append(lambda: self._note_registered(rows, registrations))
            self.open_first_spans(transaction, rows, same_time=False)
            return rows

        return np.array(self._metadata.write(work).result(), np.int32)

    def refresh(self, transaction: Transaction, rows: Sequence[int]) -> None:
        """Take the facts of changed, new or deleted Datastreams over once the transaction is durable."""
        kept = list(rows)
        if kept:
            transaction.after_commit.append(lambda: self._load(transaction.connection, kept))

    def forget_spans(self, rows: Sequence[int]) -> None:
        """Look the spans of some streams up again before their next observation."""
        with self._lock:
            self._span_known[np.array(rows, np.int64)] = False

    def open_first_spans(self, transaction: Transaction, streams: Sequence[int], *, same_time: bool) -> set[int]:
        """Open the first span of streams that have none and whose Things are nowhere; return these streams.

        In a few statements for all: a city's streams all begin to speak in the same second.
        """
        found = transaction.execute(_FRESH, (orjson.dumps(list(streams)).decode(),))
        fresh = [row for (row,) in found]
        if fresh:
            execute_many = transaction.connection.executemany
            execute_many(
                "INSERT INTO spans (stream, since_ms, same_time) VALUES (?, 0, ?)",
                [(row, int(same_time)) for row in fresh],
            )
            execute_many("UPDATE datastreams SET feature_stale = 0 WHERE id = ?", [(row,) for row in fresh])
            transaction.after_commit.append(lambda: self.note_spans(fresh, None, same_time=same_time))
        return set(fresh)

    def _load(self, connection: apsw.Connection, rows: Sequence[int]) -> None:
        for row in rows:
            facts = connection.execute(f"SELECT {_FACTS} FROM datastreams WHERE id = ?", (row,)).fetchone()
            if facts is None:
                self._drop(row)
                continue
            self._note(facts)
            span = connection.execute(f"{_SPAN} AND d.id = ?", (row,)).fetchone()
            if span is None:
                self.forget_spans([row])
            else:
                row, feature, same_time = span
                self.note_span(row, feature, same_time=bool(same_time))

    def _note_registered(self, rows: Sequence[int], registrations: Sequence[Registration]) -> None:
        for row, what in zip(rows, registrations, strict=True):
            place = (what.lon_deg, what.lat_deg, what.interval_s)
            self._note((row, what.name, what.device, what.low, what.high, *place, int(what.kind), what.unit))

    def _note(self, facts: tuple[Any, ...]) -> None:
        row, name, device, low, high, lon_deg, lat_deg, interval_s, kind, unit = facts
        if row > _MOST:
            raise InputError(f"Datastream {row}: at most {_MOST} streams can be told apart")
        with self._lock:
            if row >= len(self._alive):
                self._grow(max(row + 1, 2 * len(self._alive)))
            if name is not None:
                self._rows[name] = row
                self._names[row] = name
            if device:
                self._devices[row] = device
            else:
                self._devices.pop(row, None)
            self._low[row], self._high[row] = low, high
            self._lon_deg[row] = math.nan if lon_deg is None else lon_deg
            self._lat_deg[row] = math.nan if lat_deg is None else lat_deg
            self._interval_s[row] = math.nan if interval_s is None else interval_s
            self._kind[row] = kind
            self._unit_code[row] = self._units.setdefault(unit or "", len(self._units))
            self._alive[row] = True
            self._length = max(self._length, row + 1)

    def note_span(self, row: int, feature: int | None, *, same_time: bool) -> None:
        """Take over what a stream's next plain readings have in common."""
        self.note_spans([row], feature, same_time=same_time)

    def note_spans(self, rows: Sequence[int], feature: int | None, *, same_time: bool) -> None:
        """Take over what the next plain readings of some streams have in common."""
        at = np.array(rows, np.int64)
        with self._lock:
            self._feature[at] = feature or 0
            self._same_time[at] = same_time
            self._span_known[at] = True

    def _drop(self, row: int) -> None:
        with self._lock:
            self._alive[row] = False
            self._span_known[row] = False
            self._devices.pop(row, None)
            name = self._names.pop(row, None)
            if name is not None:
                self._rows.pop(name, None)

    def _grow(self, size: int) -> None:
        had = self._length if hasattr(self, "_alive") else 0

        def grown(name: str, dtype: Any, empty: float) -> Any:
            fresh = np.full(size, empty, dtype)
            if had:
                fresh[:had] = getattr(self, name)[:had]
            return fresh

        self._low = grown("_low", np.float64, -np.inf)
        self._high = grown("_high", np.float64, np.inf)
        self._lon_deg = grown("_lon_deg", np.float64, np.nan)
        self._lat_deg = grown("_lat_deg", np.float64, np.nan)
        self._interval_s = grown("_interval_s", np.float64, np.nan)
        self._unit_code = grown("_unit_code", np.int32, 0)
        self._kind = grown("_kind", np.uint8, 0)
        self._feature = grown("_feature", np.int64, 0)
        self._same_time = grown("_same_time", np.bool_, 0)
        self._span_known = grown("_span_known", np.bool_, 0)
        self._alive = grown("_alive", np.bool_, 0)


def _register(transaction: Transaction, what: Registration, made: dict[tuple[str, str], int]) -> int:
    alike = folded(what.name)
    facts = {
        "unit_name": what.unit,
        "unit_symbol": what.unit,
        "device": what.device,
        "low": what.low,
        "high": what.high,
        "lon_deg": None if math.isnan(what.lon_deg) else what.lon_deg,
        "lat_deg": None if math.isnan(what.lat_deg) else what.lat_deg,
        "interval_s": None if math.isnan(what.interval_s) else what.interval_s,
        "kind": int(what.kind),
    }
    known = transaction.execute("SELECT id, external_name FROM datastreams WHERE folded_name = ?", (alike,)).fetchone()
    if known is not None:
        row, name = known
        if name != what.name:
            raise InputError(
                f"stream name {what.name!r} differs from the known {name!r} only by case or Unicode form; use that one"
            )
        changes = ", ".join(f"{column} = ?" for column in facts)
        transaction.execute(f"UPDATE datastreams SET {changes} WHERE id = ?", (*facts.values(), row))
        return int(row)
    return transaction.insert(
        "datastreams",
        {
            "name": what.name,
            "description": f"Stream {what.name}",
            "observation_type": _MEASUREMENT,
            "unit_definition": "",
            "external_name": what.name,
            "folded_name": alike,
            "thing": _made_for(transaction, made, "things", what.device or "registered streams", {}),
            "sensor": _made_for(
                transaction, made, "sensors", _SENSOR, {"encoding_type": "text/plain", "metadata": '""'}
            ),
            "observed_property": _made_for(
                transaction, made, "observed_properties", what.unit or "1", {"definition": ""}
            ),
            **facts,
        },
    )


def _made_for(
    transaction: Transaction, known: dict[tuple[str, str], int], table: str, key: str, more: dict[str, Any]
) -> int:
    """Return the entity made for a key; make it when there is none."""
    if (table, key) in known:
        return known[table, key]
    found = transaction.execute(
        f"SELECT m.id FROM made_for m JOIN {table} t ON t.id = m.id WHERE m.entity = ? AND m.key = ?", (table, key)
    ).fetchone()
    if found is not None:
        known[table, key] = int(found[0])
        return int(found[0])
    made = transaction.insert(table, {"name": key, "description": f"Made for registered streams: {key}", **more})
    transaction.execute("INSERT OR REPLACE INTO made_for VALUES (?, ?, ?)", (table, key, made))
    known[table, key] = made
    return made
