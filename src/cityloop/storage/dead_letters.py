"""Dead letters in SQLite: what was not let in, with the reason, until somebody reads it and admits it again.

The store holds a fixed number of letters and the oldest give way. Letters are written in groups by a thread of its own,
each group synced before anybody is told.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from pathlib import Path

import apsw

from cityloop.kernel.errors import StoreError
from cityloop.kernel.quarantine import DeadLetter, Fault
from cityloop.kernel.readings import Overloaded, StoreFull

__all__ = ["SqliteDeadLetters"]

Done = Callable[[Exception | None], None]

_VERSION = 1
_TABLE = """
CREATE TABLE IF NOT EXISTS letter (
  number INTEGER PRIMARY KEY AUTOINCREMENT,
  fault INTEGER NOT NULL,
  device TEXT NOT NULL,
  received_at_ms INTEGER NOT NULL,
  stream TEXT NOT NULL,
  observed_at_ms INTEGER NOT NULL,
  value REAL,
  raw BLOB NOT NULL,
  why TEXT NOT NULL
)
"""
_INSERT = (
    "INSERT INTO letter (fault, device, received_at_ms, stream, observed_at_ms, value, raw, why) "
    "VALUES (?, ?, ?, ?, ?, ?, ?, ?)"
)
_MOST_WAITING = 100_000


class SqliteDeadLetters:
    """Owns a database file and the thread that writes it."""

    def __init__(self, path: Path, *, most: int = 1_000_000) -> None:
        self._path = path
        self._most = most
        self._db = _open(path)
        self._db_lock = threading.Lock()
        self._waiting: list[tuple[Sequence[DeadLetter], Done]] = []
        self._waiting_letters = 0
        self._wake = threading.Condition()
        self._closed = False
        self._thread = threading.Thread(target=self._write, name="dead-letters", daemon=True)
        self._thread.start()

    def append(self, letters: Sequence[DeadLetter], done: Done) -> None:
        """Queue letters."""
        with self._wake:
            if self._closed:
                raise StoreError(f"{self._path}: the dead letters are closed")
            if self._waiting_letters + len(letters) > _MOST_WAITING:
                raise Overloaded(f"{self._waiting_letters} dead letters wait already", 1.0)
            self._waiting.append((letters, done))
            self._waiting_letters += len(letters)
            self._wake.notify()

    def read(self, *, after: int = 0, limit: int = 1000, fault: Fault = Fault.NONE) -> list[DeadLetter]:
        """Return letters in order of arrival."""
        query = "SELECT * FROM letter WHERE number > ?1 AND (?2 = 0 OR fault & ?2) ORDER BY number LIMIT ?3"
        with self._db_lock:
            rows = list(self._db.execute(query, (after, int(fault), limit)))
        return [
            DeadLetter(
                number=number,
                fault=Fault(of),
                device=device,
                received_at_ms=received_at_ms,
                stream=stream,
                observed_at_ms=observed_at_ms,
                value=float("nan") if value is None else value,
                raw=raw,
                why=why,
            )
            for number, of, device, received_at_ms, stream, observed_at_ms, value, raw, why in rows
        ]

    def remove(self, numbers: Sequence[int]) -> int:
        """Forget letters."""
        with self._db_lock:
            before = self._db.total_changes()
            with self._db:
                self._db.executemany("DELETE FROM letter WHERE number = ?", [(number,) for number in numbers])
            return self._db.total_changes() - before

    def count(self) -> int:
        """Return how many letters are kept."""
        with self._db_lock:
            return int(next(self._db.execute("SELECT count(*) FROM letter"))[0])

    def close(self) -> None:
        """Write what waits and close the file."""
        with self._wake:
            if self._closed:
                return
            self._closed = True
            self._wake.notify()
        self._thread.join()
        with self._db_lock:
            self._db.close()

    def _write(self) -> None:
        while True:
            with self._wake:
                while not self._waiting and not self._closed:
                    self._wake.wait()
                group, self._waiting, self._waiting_letters = self._waiting, [], 0
                if not group:
                    return
            error: Exception | None = None
            try:
                self._insert([letter for letters, _ in group for letter in letters])
            except apsw.FullError:
                error = StoreFull(f"{self._path}: no room left on the disk")
            except apsw.Error as failure:
                error = StoreError(f"{self._path}: {failure}")
            for _, done in group:
                done(error)

    def _insert(self, letters: Sequence[DeadLetter]) -> None:
        rows = [
            (
                int(letter.fault),
                letter.device,
                letter.received_at_ms,
                letter.stream,
                letter.observed_at_ms,
                letter.value if letter.value == letter.value else None,
                letter.raw,
                letter.why,
            )
            for letter in letters
        ]
        with self._db_lock, self._db:
            self._db.executemany(_INSERT, rows)
            self._db.execute("DELETE FROM letter WHERE number <= (SELECT max(number) FROM letter) - ?", (self._most,))


def _open(path: Path) -> apsw.Connection:
    try:
        db = apsw.Connection(str(path))
        db.execute("PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL")
        version = int(next(db.execute("PRAGMA user_version"))[0])
        if version not in (0, _VERSION):
            raise StoreError(f"{path}: format {version} of dead letters, must be {_VERSION}; use the release it is of.")
        db.execute(_TABLE)
        db.execute(f"PRAGMA user_version = {_VERSION}")
    except apsw.Error as error:
        raise StoreError(f"{path}: not a store of dead letters ({error})") from error
    return db
