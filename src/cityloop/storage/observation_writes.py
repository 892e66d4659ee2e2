"""Observations: a number at an instant becomes a reading, anything more a row of its own."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import orjson

from cityloop.kernel.errors import InvariantError
from cityloop.storage.metadata import Transaction
from cityloop.storage.readings_table import Withdrawn
from cityloop.storage.sql_functions import parsed_geometry
from cityloop.storage.streams import StreamRegister
from cityloop.wire.odata import ODataError
from cityloop.wire.sensorthings.entities import GEOJSON_TYPES

__all__ = ["RESULT_KINDS", "Observed", "Spans", "create_observation", "update_observation"]

RESULT_KINDS: Final = ("number", "text", "bool", "json", "null")
"""What ``observations.result_kind`` counts."""

_SPAN_MS: Final = 3_600_000
"""How often a stream may change its feature or its habit of result times before single observations are kept apart."""
_EXACT: Final = 2**53
_numbers = itertools.count()


@dataclass(frozen=True, slots=True)
class Observed:
    """A plain reading that has still to go through the inbox."""

    stream: int
    observed_ms: int
    value: float


class Spans:
    """What the plain readings of a stream have in common, from when they were received to when."""

    def __init__(self, streams: StreamRegister) -> None:
        self._streams = streams

    def is_known(self, stream: int) -> bool:
        """Tell whether others see a stream: one made in this transaction takes no readings until it is durable."""
        return self._streams.exists(stream)

    def fits(self, transaction: Transaction, stream: int, feature: int | None, *, same_time: bool, now_ms: int) -> bool:
        """Tell whether a reading may be plain, opening a span for it when need be and lawful."""
        execute = transaction.execute
        current = execute(
            "SELECT s.since_ms, s.feature, s.same_time, s.hidden, d.feature_stale FROM datastreams d"
            " LEFT JOIN spans s ON s.stream = d.id WHERE d.id = ? ORDER BY s.since_ms DESC LIMIT 1",
            (stream,),
        ).fetchone()
        if current is None:
            raise InvariantError(f"stream {stream} has no Datastream")
        since_ms, known, known_same, hidden, stale = current
        wanted = feature if feature is not None else self._default(transaction, stream, known, stale=bool(stale))
        if since_ms is None:
            self._open(transaction, stream, 0, wanted, same_time=same_time)
            return True
        if not hidden and wanted == known and same_time == bool(known_same):
            self._note(transaction, stream, known, same_time=same_time)
            return True
        if not hidden and feature is None and wanted != known and same_time == bool(known_same):
            # The Thing has moved: that is not a whim of a client, and holds from now on.
            self._open(transaction, stream, now_ms + 1, wanted, same_time=same_time)
            return True
        if not hidden and now_ms - since_ms < _SPAN_MS:
            return False
        self._open(transaction, stream, now_ms + 1, wanted, same_time=same_time)
        return True

    def fit_all(self, transaction: Transaction, streams: Sequence[int], *, same_time: bool, now_ms: int) -> list[bool]:
        """Tell which streams' readings, without a feature of their own, may be plain; open spans where need be."""
        fresh = self._streams.open_first_spans(transaction, streams, same_time=same_time)
        return [
            stream in fresh or self.fits(transaction, stream, None, same_time=same_time, now_ms=now_ms)
            for stream in streams
        ]

    def ensure(self, transaction: Transaction, stream: int, now_ms: int) -> None:
        """Give readings that came by another way than SensorThings their feature."""
        current = transaction.execute(
            "SELECT s.same_time FROM datastreams d LEFT JOIN spans s ON s.stream = d.id"
            " WHERE d.id = ? ORDER BY s.since_ms DESC LIMIT 1",
            (stream,),
        ).fetchone()
        if current is not None:
            self.fits(transaction, stream, None, same_time=bool(current[0]), now_ms=now_ms)

    def default(self, transaction: Transaction, stream: int) -> int | None:
        """Return the feature that an observation gets when it names none."""
        return self._default(transaction, stream, None, stale=True)

    def widen(self, transaction: Transaction, table: str, row: int, feature: int) -> None:
        """Make a Datastream's observed area hold a feature."""
        text = transaction.execute("SELECT feature FROM features WHERE id = ?", (feature,)).fetchone()
        geometry = parsed_geometry(text[0]) if text is not None else None
        if geometry is None:
            return
        west, south, east, north = geometry.bounds()
        transaction.execute(
            f"UPDATE {table} SET west = min(coalesce(west, :w), :w), south = min(coalesce(south, :s), :s),"
            " east = max(coalesce(east, :e), :e), north = max(coalesce(north, :n), :n) WHERE id = :id",
            {"w": west, "s": south, "e": east, "n": north, "id": row},
        )

    def widen_all(self, transaction: Transaction, feature: int) -> None:
        """Take a feature's new place into the areas of all Datastreams that observed it."""
        spans = list(transaction.execute("SELECT DISTINCT stream FROM spans WHERE feature = ?", (feature,)))
        for (stream,) in spans:
            self.widen(transaction, "datastreams", stream, feature)
        for column, table in (("stream", "datastreams"), ("multi", "multi_datastreams")):
            rows = list(
                transaction.execute(
                    f"SELECT DISTINCT {column} FROM observations WHERE feature = ? AND {column} IS NOT NULL", (feature,)
                )
            )
            for (row,) in rows:
                self.widen(transaction, table, row, feature)

    def _default(self, transaction: Transaction, stream: int, known: int | None, *, stale: bool) -> int | None:
        if not stale:
            return known
        thing = transaction.execute("SELECT thing FROM datastreams WHERE id = ?", (stream,)).fetchone()
        assert thing is not None
        return feature_of_thing(transaction, thing[0])

    def _open(
        self, transaction: Transaction, stream: int, since_ms: int, feature: int | None, *, same_time: bool
    ) -> None:
        execute = transaction.execute
        execute("UPDATE spans SET until_ms = min(until_ms, ?) WHERE stream = ?", (since_ms, stream))
        execute(
            "INSERT OR REPLACE INTO spans (stream, since_ms, feature, same_time) VALUES (?, ?, ?, ?)",
            (stream, since_ms, feature, int(same_time)),
        )
        if feature is not None:
            self.widen(transaction, "datastreams", stream, feature)
        self._note(transaction, stream, feature, same_time=same_time)

    def _note(self, transaction: Transaction, stream: int, feature: int | None, *, same_time: bool) -> None:
        transaction.execute("UPDATE datastreams SET feature_stale = 0 WHERE id = ?", (stream,))
        transaction.after_commit.append(lambda: self._streams.note_span(stream, feature, same_time=same_time))


def feature_of_thing(transaction: Transaction, thing: int) -> int | None:
    """Return the feature made from a Thing's Location; make it when there is none (18-088, req 31)."""
    execute = transaction.execute
    places = list(
        execute(
            "SELECT l.id, l.name, l.description, l.encoding_type, l.location FROM locations l"
            " JOIN thing_locations x ON x.location = l.id WHERE x.thing = ? ORDER BY l.id",
            (thing,),
        )
    )
    if not places:
        return None
    place = next((p for p in places if p[3] in GEOJSON_TYPES), places[0])
    made = execute("SELECT id FROM features WHERE made_from = ?", (place[0],)).fetchone()
    if made is not None:
        return int(made[0])
    return transaction.insert(
        "features",
        {
            "name": place[1],
            "description": place[2],
            "encoding_type": place[3],
            "feature": place[4],
            "made_from": place[0],
        },
    )


def create_observation(
    transaction: Transaction,
    spans: Spans,
    values: dict[str, Any],
    stream: int | None,
    multi: int | None,
    feature: int | None,
    now_ms: int,
) -> str | Observed:
    """Keep an observation; return its id, or the plain reading that it is."""
    if (stream is None) == (multi is None):
        raise ODataError("an Observation needs either a Datastream or a MultiDatastream: give the @iot.id of one")
    begin_ms, end_ms = values.get("phenomenonTime") or (now_ms, now_ms)
    result_ms = values.get("resultTime")
    result = values.get("result")
    if multi is not None:
        _check_multi(transaction, multi, result)
    plain = (
        stream is not None
        and spans.is_known(stream)
        and _is_plain_number(result)
        and begin_ms == end_ms
        and result_ms in (None, begin_ms)
        and not any(values.get(name) is not None for name in ("resultQuality", "validTime", "parameters"))
    )
    if plain and stream is not None:
        assert isinstance(result, int | float)
        if spans.fits(transaction, stream, feature, same_time=result_ms is not None, now_ms=now_ms):
            return Observed(stream, begin_ms, float(result))
    if feature is None:
        feature = _default_feature(transaction, spans, stream, multi)
    identity = _side_id(transaction, stream, multi, begin_ms, now_ms)
    row = {
        "id": identity,
        "stream": stream,
        "multi": multi,
        "begin_ms": begin_ms,
        "end_ms": end_ms,
        "received_ms": now_ms,
        "result_time_ms": result_ms,
        "feature": feature,
        **_side_values(values),
    }
    transaction.insert("observations", row)
    if feature is not None:
        table, owner = ("datastreams", stream) if stream is not None else ("multi_datastreams", multi)
        assert owner is not None
        spans.widen(transaction, table, owner, feature)
    return identity


def update_observation(
    transaction: Transaction,
    withdrawn: Withdrawn,
    identity: str,
    values: dict[str, Any] | None,
    links: dict[str, int | None],
    *,
    replace: bool,
) -> None:
    """Change an observation, or delete it when ``values`` is None. A reading that is changed becomes a row."""
    from cityloop.storage.entity_writes import Missing

    execute = transaction.execute
    row = execute("SELECT 1 FROM observations WHERE id = ?", (identity,)).fetchone()
    if row is None:
        parts = _plain_id(identity)
        found = None if parts is None else execute(_READING, dict(zip("sor", parts, strict=True))).fetchone()
        if found is None or parts is None:
            raise Missing(f"there is no Observation {identity[:60]!r}")
        if values is not None:
            transaction.insert("observations", dict(zip(_READING_COLUMNS, found, strict=True)))
        execute("INSERT OR IGNORE INTO withdrawn VALUES (?, ?, ?)", parts)
        transaction.after_commit.append(lambda: withdrawn.add(*parts))
    elif values is None:
        execute("DELETE FROM observations WHERE id = ?", (identity,))
    if values is None:
        return
    changes: dict[str, Any] = {name: value for name, value in links.items() if value is not None}
    if "stream" in changes:
        changes["multi"] = None
    elif "multi" in changes:
        changes["stream"] = None
    if values.get("phenomenonTime") is not None:
        changes["begin_ms"], changes["end_ms"] = values["phenomenonTime"]
    if "resultTime" in values or replace:
        changes["result_time_ms"] = values.get("resultTime")
    if replace:
        values = {"resultQuality": None, "validTime": None, "parameters": None, **values}
    changes |= _side_values(values)
    if changes:
        named = ", ".join(f"{column} = ?" for column in changes)
        execute(f"UPDATE observations SET {named} WHERE id = ?", (*changes.values(), identity))


_READING_COLUMNS = (
    "id", "stream", "begin_ms", "end_ms", "received_ms", "result", "result_kind", "result_time_ms",
    "result_quality", "feature",
)  # fmt: skip
_READING = """
SELECT r.id, r.stream, r.observed_at_ms, r.observed_at_ms, r.received_at_ms, r.value, 0,
  iif(s.same_time, r.observed_at_ms, NULL), quality_json(r.quality), s.feature
FROM readings r LEFT JOIN spans s
  ON s.stream = r.stream AND r.received_at_ms >= s.since_ms AND r.received_at_ms < s.until_ms
WHERE r.stream = :s AND r.observed_at_ms = :o AND r.received_at_ms = :r
"""


def _side_values(values: dict[str, Any]) -> dict[str, Any]:
    row: dict[str, Any] = {}
    if "result" in values:
        row["result"], row["result_kind"] = _result(values["result"])
    for name, column in (("resultQuality", "result_quality"), ("parameters", "parameters")):
        if name in values:
            row[column] = None if values[name] is None else orjson.dumps(values[name]).decode()
    if "validTime" in values:
        row["valid_begin_ms"], row["valid_end_ms"] = values["validTime"] or (None, None)
    return row


def _result(value: Any) -> tuple[Any, int]:
    if value is None:
        return None, 4
    if isinstance(value, bool):
        return int(value), 2
    if isinstance(value, int | float):
        return (value if abs(value) < 2**63 else float(value)), 0
    if isinstance(value, str):
        return value, 1
    return orjson.dumps(value).decode(), 3


def _is_plain_number(value: Any) -> bool:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return False
    # A whole number that a float would round is kept as it is.
    return math.isfinite(value) and (isinstance(value, float) or abs(value) <= _EXACT)


def _side_id(transaction: Transaction, stream: int | None, multi: int | None, begin_ms: int, now_ms: int) -> str:
    owner = f"{stream}" if stream is not None else f"m{multi}"
    identity = f"{owner}-{begin_ms}-{now_ms}-{next(_numbers)}"
    while transaction.execute("SELECT 1 FROM observations WHERE id = ?", (identity,)).fetchone() is not None:
        identity = f"{owner}-{begin_ms}-{now_ms}-{next(_numbers)}"
    return identity


def _plain_id(identity: str) -> tuple[int, int, int] | None:
    """Return stream, observed and received of the id of a reading."""
    parts = identity.rsplit("-", 2) if not identity.startswith("-") else []
    # An instant before 1970 has a sign of its own, and no reading is that old.
    if len(parts) != 3 or not all(part.isascii() and part.isdecimal() and len(part) < 18 for part in parts):
        return None
    return int(parts[0]), int(parts[1]), int(parts[2])


def _check_multi(transaction: Transaction, multi: int, result: Any) -> None:
    found = transaction.execute("SELECT data_types FROM multi_datastreams WHERE id = ?", (multi,)).fetchone()
    if found is None:
        raise InvariantError(f"MultiDatastream {multi} is gone")
    wanted = len(orjson.loads(found[0]))
    if not isinstance(result, list) or len(result) != wanted:
        raise ODataError(
            f"result must be a list of {wanted} values, one for each ObservedProperty of the MultiDatastream"
        )


def _default_feature(transaction: Transaction, spans: Spans, stream: int | None, multi: int | None) -> int | None:
    if stream is not None:
        return spans.default(transaction, stream)
    found = transaction.execute("SELECT thing FROM multi_datastreams WHERE id = ?", (multi,)).fetchone()
    return None if found is None else feature_of_thing(transaction, found[0])
