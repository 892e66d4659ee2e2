"""The metadata database: SQLite in write-ahead mode, one writer thread that commits by the group, many readers."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

import apsw

from cityloop.kernel.errors import InputError, StoreError
from cityloop.kernel.readings import StoreFull
from cityloop.storage.metadata_schema import FORMAT, SCHEMA

__all__ = ["Connected", "Metadata", "Transaction"]

T = TypeVar("T")
Connected = Callable[[apsw.Connection], None]
"""Told of every connection as it is opened: registers functions and tables."""

_GROUP = 256
"""Most pieces of work that share one commit."""

_READERS = 8


class Transaction:
    """One piece of work inside a write transaction."""

    def __init__(self, connection: apsw.Connection) -> None:
        self.connection = connection
        self.after_commit: list[Callable[[], None]] = []
        """Called on the writer thread once the work is durable, before its caller is told."""

        self.undo: list[Callable[[], None]] = []
        """Called when the work is rolled back: what was done outside of the database is taken back."""

    def execute(self, sql: str, parameters: Any = ()) -> apsw.Cursor:
        """Run one statement."""
        return self.connection.execute(sql, parameters)

    def insert(self, table: str, values: dict[str, Any]) -> int:
        """Insert one row and return its row number."""
        names = ", ".join(values)
        marks = ", ".join("?" * len(values))
        self.connection.execute(f"INSERT INTO {table} ({names}) VALUES ({marks})", tuple(values.values()))
        return self.connection.last_insert_rowid()


class _Work:
    __slots__ = ("done", "run")

    def __init__(self, run: Callable[[Transaction], Any], done: Future[Any]) -> None:
        self.run = run
        self.done = done


class Metadata:
    """Owns the database file. Writes are durable when their future is done.

    Parameters
    ----------
    vfs
        SQLite's name of the file system to work on, where it is not the machine's own.
    """

    def __init__(self, path: Path, *, vfs: str | None = None) -> None:
        self.path = path
        self._vfs = vfs
        self._connected: list[Connected] = []
        self._told_of: dict[apsw.Connection, int] = {}
        """How many of them each reader has been through."""

        self._idle: queue.SimpleQueue[apsw.Connection] = queue.SimpleQueue()
        self._permits = threading.BoundedSemaphore(_READERS)
        self._opened: list[apsw.Connection] = []
        self._works: queue.SimpleQueue[_Work | None] = queue.SimpleQueue()
        self._closed = False
        self._writer = self._open()
        self._prepare(self._writer)
        self._thread = threading.Thread(target=self._write_on, name="cityloop-metadata", daemon=True)
        self._thread.start()

    def on_connect(self, connected: Connected) -> None:
        """Register what every connection needs; call it before the first read."""
        self._connected.append(connected)
        self.write(lambda transaction: connected(transaction.connection)).result()

    def write(self, run: Callable[[Transaction], T]) -> Future[T]:
        """Queue work for the writer; works that wait together share one commit, each fails by itself."""
        done: Future[T] = Future()
        if self._closed:
            done.set_exception(StoreError(f"{self.path}: the metadata database is closed"))
            return done
        self._works.put(_Work(run, done))
        return done

    @contextmanager
    def read(self) -> Iterator[apsw.Connection]:
        """Lend a connection that sees one state of the database from begin to end."""
        with self._permits:
            try:
                connection = self._idle.get_nowait()
            except queue.Empty:
                connection = self._open()
            for connected in self._connected[self._told_of.get(connection, 0) :]:
                connected(connection)
            self._told_of[connection] = len(self._connected)
            connection.execute("BEGIN")
            try:
                yield connection
            finally:
                connection.execute("ROLLBACK")
                self._idle.put(connection)

    def close(self) -> None:
        """Finish what waits and close every connection. Safe to call twice."""
        if self._closed:
            return
        self._closed = True
        self._works.put(None)
        self._thread.join()
        for connection in self._opened:
            connection.close()

    def _open(self) -> apsw.Connection:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        try:
            connection = apsw.Connection(str(self.path), vfs=self._vfs)
            connection.set_busy_timeout(10_000)
            connection.execute("PRAGMA journal_mode = wal")
            connection.execute("PRAGMA synchronous = full")
            connection.execute("PRAGMA foreign_keys = on")
            # Expanding and rendering look up the same small statements again and again.
            connection.execute("PRAGMA cache_size = -8192")
        except apsw.Error as error:
            raise StoreError(f"{self.path}: cannot be opened as a metadata database: {error}") from None
        self._opened.append(connection)
        return connection

    def _prepare(self, connection: apsw.Connection) -> None:
        version = connection.pragma("user_version")
        if version == 0 and connection.execute("SELECT 1 FROM sqlite_schema").fetchone() is None:
            with connection:
                connection.execute(SCHEMA)
                connection.execute(f"PRAGMA user_version = {FORMAT}")
        elif version != FORMAT:
            raise StoreError(
                f"{self.path}: format {version}, this release reads format {FORMAT}; "
                "open it with the release that wrote it"
            )

    def _write_on(self) -> None:
        while True:
            work = self._works.get()
            if work is None:
                return
            group = [work]
            stop = False
            while len(group) < _GROUP:
                try:
                    more = self._works.get_nowait()
                except queue.Empty:
                    break
                if more is None:
                    stop = True
                    break
                group.append(more)
            self._commit(group)
            if stop:
                return

    def _commit(self, group: list[_Work]) -> None:
        connection = self._writer
        finished: list[tuple[_Work, Any, Transaction]] = []
        failed: list[tuple[_Work, Exception]] = []
        try:
            connection.execute("BEGIN IMMEDIATE")
            for work in group:
                transaction = Transaction(connection)
                connection.execute("SAVEPOINT work")
                try:
                    result = work.run(transaction)
                except Exception as error:
                    connection.execute("ROLLBACK TO work")
                    connection.execute("RELEASE work")
                    _undo(transaction)
                    failed.append((work, _told(error)))
                else:
                    connection.execute("RELEASE work")
                    finished.append((work, result, transaction))
            connection.execute("COMMIT")
        except Exception as error:
            if connection.in_transaction:
                connection.execute("ROLLBACK")
            for _work, _result, transaction in finished:
                _undo(transaction)
            told = {id(work) for work, _reason in failed}
            failed += [(work, _told(error)) for work in group if id(work) not in told]
            finished = []
        for work, result, transaction in finished:
            for after in transaction.after_commit:
                after()
            work.done.set_result(result)
        for work, reason in failed:
            work.done.set_exception(reason)


def _undo(transaction: Transaction) -> None:
    for undo in reversed(transaction.undo):
        undo()


def _told(error: Exception) -> Exception:
    if isinstance(error, apsw.FullError):
        return StoreFull(f"the disk is full, nothing was kept: {error}")
    if isinstance(error, apsw.ConstraintError):
        return InputError(f"the change breaks a rule of the database: {error}")
    if isinstance(error, apsw.Error):
        return StoreError(f"metadata database: {error}")
    return error
