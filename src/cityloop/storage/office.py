"""The operations room's own database: people, sessions, acts in force, alerts. Small, and safe against a power cut.

SQLite through apsw, write-ahead log with synchronous=FULL: what was answered is on disk. One connection behind a lock;
every statement is short.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import apsw

from cityloop.kernel.errors import StoreError

__all__ = ["FORMAT", "OfficeDatabase"]

FORMAT = 1
OFFICE_FILE = "office.sqlite"

_TABLES = """
CREATE TABLE IF NOT EXISTS people (
  name TEXT PRIMARY KEY, password TEXT NOT NULL, roles TEXT NOT NULL, districts TEXT NOT NULL,
  made_at_ms INTEGER NOT NULL, disabled INTEGER NOT NULL DEFAULT 0) STRICT;
CREATE TABLE IF NOT EXISTS sessions (
  digest TEXT PRIMARY KEY, name TEXT NOT NULL, csrf TEXT NOT NULL, began_at_ms INTEGER NOT NULL,
  seen_at_ms INTEGER NOT NULL, expires_at_ms INTEGER NOT NULL) STRICT;
CREATE TABLE IF NOT EXISTS orders (
  id TEXT PRIMARY KEY, domain TEXT NOT NULL, kind TEXT NOT NULL, target INTEGER NOT NULL, stages TEXT NOT NULL,
  by TEXT NOT NULL, why TEXT NOT NULL, placed_at_ms INTEGER NOT NULL, expires_at_ms INTEGER NOT NULL,
  lifted_at_ms INTEGER, lifted_by TEXT, answer TEXT NOT NULL DEFAULT '{}') STRICT;
CREATE INDEX IF NOT EXISTS orders_by_expiry ON orders (expires_at_ms);
CREATE TABLE IF NOT EXISTS rungs (
  domain TEXT NOT NULL, district TEXT NOT NULL, rung INTEGER NOT NULL, since_ms INTEGER NOT NULL, by TEXT NOT NULL,
  expires_at_ms INTEGER, PRIMARY KEY (domain, district)) STRICT;
CREATE TABLE IF NOT EXISTS changes (
  id TEXT PRIMARY KEY, kind TEXT NOT NULL, body TEXT NOT NULL, why TEXT NOT NULL, by TEXT NOT NULL,
  asked_at_ms INTEGER NOT NULL, expires_at_ms INTEGER NOT NULL, status TEXT NOT NULL, second TEXT,
  settled_at_ms INTEGER) STRICT;
CREATE TABLE IF NOT EXISTS alerts (
  id TEXT PRIMARY KEY, key TEXT NOT NULL, status TEXT NOT NULL, last_ms INTEGER NOT NULL, body TEXT NOT NULL) STRICT;
CREATE INDEX IF NOT EXISTS alerts_by_key ON alerts (key, status);
CREATE TABLE IF NOT EXISTS calls_taken (
  number INTEGER PRIMARY KEY, incident TEXT NOT NULL UNIQUE, report BLOB NOT NULL, by TEXT NOT NULL,
  taken_at_ms INTEGER NOT NULL, changed_at_ms INTEGER NOT NULL) STRICT;
CREATE TABLE IF NOT EXISTS settings (key TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT;
"""


class OfficeDatabase:
    """Opens, or makes, the database of one data directory; owns its connection."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        path = folder / OFFICE_FILE
        self._lock = threading.RLock()
        try:
            self._connection = apsw.Connection(str(path))
            self._connection.set_busy_timeout(2000)
            self._connection.execute("PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL; PRAGMA foreign_keys=ON")
            found = self.one("PRAGMA user_version") or (0,)
            if found[0] not in (0, FORMAT):
                raise StoreError(f"{path}: format {found[0]}, this release reads {FORMAT}; use the release it is of")
            self._connection.execute(_TABLES)
            self._connection.execute(f"PRAGMA user_version={FORMAT}")
        except apsw.Error as error:
            raise StoreError(f"{path}: cannot be opened ({error}); restore it, or give another --data") from error
        path.chmod(0o600)

    def run(self, sql: str, values: Sequence[Any] | Mapping[str, Any] = ()) -> int:
        """Run one statement; return how many rows it changed."""
        with self._lock:
            self._connection.execute(sql, values)
            return self._connection.changes()

    def all(self, sql: str, values: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        """Return every row."""
        with self._lock:
            return list(self._connection.execute(sql, values))

    def one(self, sql: str, values: Sequence[Any] = ()) -> tuple[Any, ...] | None:
        """Return the first row, or None."""
        rows = self.all(sql, values)
        return rows[0] if rows else None

    @contextmanager
    def together(self) -> Iterator[None]:
        """Let several statements happen all or none."""
        with self._lock, self._connection:
            yield

    def close(self) -> None:
        """Close the connection. Safe to call twice."""
        with self._lock:
            self._connection.close()
