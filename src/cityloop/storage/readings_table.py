"""The durable readings as a table of SQLite, so that one statement spans metadata and observations.

Only what a statement needs is fetched: conditions on stream and instant become the bounds of ``Readings.history``, and
rows come a piece at a time, so that a LIMIT ends the reading.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from typing import Any, Final

import apsw
import numpy as np

from cityloop.kernel.batch import Batch
from cityloop.kernel.columns import BOOL, I32
from cityloop.kernel.readings import Readings

__all__ = ["ALL_TIME", "ReadingsTable", "Withdrawn"]

ALL_TIME: Final = (-(2**62), 2**62)
_FIRST_PIECE: Final = 256
_PIECE: Final = 16_384
_COUNTED: Final = 1_000_000
"""Rows of a piece where nothing but their number is asked for: about 60 MB."""
_COLUMNS = ("stream", "observed_at_ms", "received_at_ms", "value", "quality", "id")
_OPERATORS = {
    apsw.SQLITE_INDEX_CONSTRAINT_EQ: "=",
    apsw.SQLITE_INDEX_CONSTRAINT_GE: ">=",
    apsw.SQLITE_INDEX_CONSTRAINT_GT: ">",
    apsw.SQLITE_INDEX_CONSTRAINT_LE: "<=",
    apsw.SQLITE_INDEX_CONSTRAINT_LT: "<",
}


class Withdrawn:
    """Readings that are not to be seen: single ones, and those received in a span whose feature was deleted."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._single: dict[int, set[tuple[int, int]]] = {}
        self._spans: dict[int, list[tuple[int, int]]] = {}

    def add(self, stream: int, observed_ms: int, received_ms: int) -> None:
        """Hide one reading."""
        with self._lock:
            self._single.setdefault(stream, set()).add((observed_ms, received_ms))

    def add_span(self, stream: int, since_ms: int, until_ms: int) -> None:
        """Hide what was received in a span."""
        with self._lock:
            self._spans.setdefault(stream, []).append((since_ms, until_ms))

    def drop(self, stream: int) -> None:
        """Forget a stream that is gone."""
        with self._lock:
            self._single.pop(stream, None)
            self._spans.pop(stream, None)

    def has_any(self, stream: int) -> bool:
        """Tell whether anything of a stream is hidden."""
        return stream in self._single or stream in self._spans

    def seen(self, batch: Batch) -> BOOL:
        """Return which rows are to be seen."""
        seen = np.ones(len(batch), np.bool_)
        with self._lock:
            touched = self._single.keys() | self._spans.keys()
            if not touched:
                return seen
            streams = np.unique(batch.stream).tolist()
            for stream in streams:
                if stream not in touched:
                    continue
                rows = np.flatnonzero(batch.stream == stream)
                for since_ms, until_ms in self._spans.get(stream, ()):
                    received = batch.received_at_ms[rows]
                    seen[rows[(received >= since_ms) & (received < until_ms)]] = False
                single = self._single.get(stream)
                if single:
                    pairs = zip(batch.observed_at_ms[rows].tolist(), batch.received_at_ms[rows].tolist(), strict=True)
                    seen[rows] &= np.array([pair not in single for pair in pairs], np.bool_)
        return seen


class ReadingsTable:
    """Module of the virtual table ``readings``."""

    def __init__(self, readings: Readings, withdrawn: Withdrawn, streams: Callable[[], I32]) -> None:
        self._readings = readings
        self._withdrawn = withdrawn
        self._streams = streams
        """Streams that have a Datastream, ascending."""

    def register(self, connection: apsw.Connection) -> None:
        """Give a connection the table."""
        connection.create_module("readings", self, use_bestindex_object=True, eponymous=True, read_only=True)

    # The names below are those that SQLite's virtual tables ask for.
    def Create(self, db: apsw.Connection, module: str, database: str, table: str, *arguments: Any) -> Any:  # noqa: N802
        """Declare the columns."""
        columns = "stream INTEGER, observed_at_ms INTEGER, received_at_ms INTEGER, value REAL, quality INTEGER, id TEXT"
        return f"CREATE TABLE readings ({columns})", _Table(self)

    Connect = Create

    def ShadowName(self, suffix: str) -> bool:  # noqa: N802
        """Tell that no table hides behind this one."""
        return False

    def pieces(
        self, stream: int | None, begin_ms: int, end_ms: int, newest_first: bool, piece: int = _PIECE
    ) -> Iterator[Batch]:
        """Yield what is to be seen, a piece at a time, sorted by (stream, observed, received)."""
        if stream is not None:
            if not 0 <= stream < 2**31:
                return
            raw = self._of_one(stream, begin_ms, end_ms, newest_first, piece)
        else:
            raw = self._of_all(self._streams(), begin_ms, end_ms, piece)
        for batch in raw:
            seen = self._withdrawn.seen(batch)
            yield batch if seen.all() else _rows(batch, np.flatnonzero(seen))

    def count(self, stream: int | None) -> int:
        """Return how many readings are to be seen, of one stream or of all, without a row of SQLite for each."""
        return sum(len(batch) for batch in self.pieces(stream, *ALL_TIME, newest_first=False, piece=_COUNTED))

    def _of_one(self, stream: int, begin_ms: int, end_ms: int, newest_first: bool, piece: int) -> Iterator[Batch]:
        one = np.array([stream], np.int32)
        # Few rows are mostly asked for; only who counts goes through all of them.
        limit = _FIRST_PIECE if piece == _PIECE else piece
        while True:
            batch = self._readings.history(one, begin_ms, end_ms, limit=limit, newest_first=newest_first)
            whole = len(batch) < limit
            if not whole:
                # Rows of the last instant may go on behind the limit: they come with the next piece.
                last_ms = int(batch.observed_at_ms[-1])
                kept = np.flatnonzero(batch.observed_at_ms != last_ms)
                if not len(kept):
                    limit *= 8
                    continue
                batch = _rows(batch, kept)
                begin_ms, end_ms = (begin_ms, last_ms + 1) if newest_first else (last_ms, end_ms)
            sign = -1 if newest_first else 1
            yield _rows(batch, np.lexsort((sign * batch.received_at_ms, sign * batch.observed_at_ms)))
            if whole:
                return
            limit = piece

    def _of_all(self, streams: I32, begin_ms: int, end_ms: int, piece: int) -> Iterator[Batch]:
        at, block = 0, 16
        while at < len(streams):
            some = streams[at : at + block]
            batch = self._readings.history(some, begin_ms, end_ms, limit=piece)
            if len(batch) < piece:
                yield batch
                at += len(some)
                block = min(block * 4, 8192)
                continue
            # The last stream may go on behind the limit.
            last = int(batch.stream[-1])
            before = np.flatnonzero(batch.stream != last)
            if len(before):
                yield _rows(batch, before)
                at = int(np.searchsorted(streams, last))
                block = max(1, block // 4)
            else:
                yield from self._of_one(last, begin_ms, end_ms, newest_first=False, piece=piece)
                at = int(np.searchsorted(streams, last)) + 1


class _Table:
    def __init__(self, module: ReadingsTable) -> None:
        self._module = module

    def BestIndexObject(self, index: apsw.IndexInfo) -> bool:  # noqa: N802
        used: list[str] = []
        bound = {"stream": False, "observed_at_ms": False}
        for at in range(index.nConstraint):
            column = index.get_aConstraint_iColumn(at)
            operator = _OPERATORS.get(index.get_aConstraint_op(at))
            if not index.get_aConstraint_usable(at) or operator is None or column not in (0, 1, 2):
                continue
            name = _COLUMNS[column]
            if name != "observed_at_ms" and operator != "=":
                continue
            used.append(f"{name}{operator}")
            index.set_aConstraintUsage_argvIndex(at, len(used))
            bound[name] = True
        order = [(index.get_aOrderBy_iColumn(at), bool(index.get_aOrderBy_desc(at))) for at in range(index.nOrderBy)]
        newest = bool(order) and order[0][0] == 1 and order[0][1]
        index.orderByConsumed = bool(order) and _is_ours(order, one_stream=bound["stream"])
        index.idxNum = int(newest and bound["stream"])
        index.idxStr = ",".join(used)
        rows = 1_000.0 if bound["stream"] else 1e9
        if bound["observed_at_ms"]:
            rows /= 10.0
        index.estimatedCost = rows * 10
        index.estimatedRows = int(rows)
        return True

    def Open(self) -> _Cursor:  # noqa: N802
        return _Cursor(self._module)

    def Disconnect(self) -> None:  # noqa: N802
        return None

    Destroy = Disconnect


def _is_ours(order: list[tuple[int, bool]], *, one_stream: bool) -> bool:
    columns = list(dict.fromkeys(column for column, _descending in order))
    directions = {descending for _column, descending in order}
    if len(directions) != 1:
        return False
    if one_stream:
        columns = [column for column in columns if column != 0]
        return columns == [1, 2][: len(columns)]
    return columns == [0, 1, 2][: len(columns)] and directions == {False}


class _Cursor:
    def __init__(self, module: ReadingsTable) -> None:
        self._module = module
        self._pieces: Iterator[Batch] = iter(())
        self._received_ms: int | None = None
        self._columns: list[list[Any]] = []
        self._at = 0
        self._count = 0
        self._row = 0

    def Filter(self, number: int, text: str, arguments: tuple[Any, ...]) -> None:  # noqa: N802
        begin_ms, end_ms = ALL_TIME
        stream: int | None = None
        self._received_ms = None
        self._row = 0
        impossible = False
        for use, value in zip(text.split(",") if text else (), arguments, strict=True):
            if isinstance(value, float) and value.is_integer():
                value = int(value)
            if not isinstance(value, int):
                # Nothing equals, precedes or follows what is no instant.
                impossible = True
                continue
            match use:
                case "stream=":
                    stream = value
                case "received_at_ms=":
                    self._received_ms = value
                case "observed_at_ms=":
                    begin_ms, end_ms = max(begin_ms, value), min(end_ms, value + 1)
                case "observed_at_ms>=":
                    begin_ms = max(begin_ms, value)
                case "observed_at_ms>":
                    begin_ms = max(begin_ms, value + 1)
                case "observed_at_ms<=":
                    end_ms = min(end_ms, value + 1)
                case _:
                    end_ms = min(end_ms, value)
        empty = impossible or begin_ms >= end_ms
        self._pieces = iter(()) if empty else self._module.pieces(stream, begin_ms, end_ms, bool(number))
        self._count = 0
        self._at = -1
        self.Next()

    def Eof(self) -> bool:  # noqa: N802
        return self._at >= self._count

    def Next(self) -> None:  # noqa: N802
        self._at += 1
        self._row += 1
        while self._at >= self._count:
            batch = next(self._pieces, None)
            if batch is None:
                self._count = self._at = 0
                return
            if self._received_ms is not None:
                batch = _rows(batch, np.flatnonzero(batch.received_at_ms == self._received_ms))
            self._columns = [
                batch.stream.tolist(),
                batch.observed_at_ms.tolist(),
                batch.received_at_ms.tolist(),
                batch.value.tolist(),
                batch.quality.tolist(),
            ]
            self._count, self._at = len(batch), 0

    def Column(self, number: int) -> Any:  # noqa: N802
        if number == 5:
            stream, observed, received = (column[self._at] for column in self._columns[:3])
            return f"{stream}-{observed}-{received}"
        return self._row if number < 0 else self._columns[number][self._at]

    def Rowid(self) -> int:  # noqa: N802
        return self._row

    def Close(self) -> None:  # noqa: N802
        self._pieces = iter(())


def _rows(batch: Batch, rows: Any) -> Batch:
    return Batch(
        batch.stream[rows],
        batch.observed_at_ms[rows],
        batch.received_at_ms[rows],
        batch.value[rows],
        batch.quality[rows],
    )
