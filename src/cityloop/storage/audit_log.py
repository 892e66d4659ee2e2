"""The audit log: who did what, each line chained to the one before by its SHA-256.

One JSON object a line, in the order written; ``hash`` is the SHA-256 of the line without it, and the line holds the
hash of the line before. A line that is changed, moved or taken out breaks the chain there; a tail cut off is seen from
the head kept beside the log. An act is on disk (fdatasync) before it is answered.
"""

from __future__ import annotations

import hashlib
import json
import os
import threading
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from cityloop.kernel.errors import StoreError
from cityloop.kernel.office import AuditEntry, Verified

__all__ = ["AUDIT_FILE", "AuditLog", "verify_audit"]

AUDIT_FILE = "audit.jsonl"
_HEAD_FILE = "audit.head"
_GENESIS = "0" * 64


class AuditLog:
    """Appends to one audit log; owns the open file."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._folder = folder
        self._path = folder / AUDIT_FILE
        self._lock = threading.Lock()
        self.torn = _drop_torn_tail(self._path)
        """Bytes of a half-written last line that a crash had left, never answered for."""
        seq, head = 0, _GENESIS
        for entry in _entries(self._path):
            seq, head = entry.seq, entry.hash
        self._seq, self._prev = seq, head
        self._file = os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o640)
        self._head = os.open(folder / _HEAD_FILE, os.O_WRONLY | os.O_CREAT, 0o640)

    @property
    def head(self) -> str:
        """Hash of the newest line: what to keep elsewhere, when it matters."""
        return self._prev

    def append(
        self,
        at_ms: int,
        who: str,
        roles: tuple[str, ...],
        act: str,
        target: str,
        outcome: str,
        detail: Mapping[str, Any],
    ) -> AuditEntry:
        """Write one act; on disk when this returns."""
        with self._lock:
            body = {
                "seq": self._seq + 1, "at_ms": at_ms, "who": who, "roles": list(roles), "act": act,
                "target": target, "outcome": outcome, "detail": dict(detail), "prev": self._prev,
            }  # fmt: skip
            digest = _digest(body)
            line = json.dumps({**body, "hash": digest}, separators=(",", ":"), ensure_ascii=False)
            left = memoryview(line.encode() + b"\n")
            while left:
                left = left[os.write(self._file, left) :]
            os.fdatasync(self._file)
            self._seq, self._prev = self._seq + 1, digest
            os.pwrite(self._head, f"{self._seq:012d} {digest}\n".encode(), 0)
            os.fdatasync(self._head)
            return _entry({**body, "hash": digest})

    def newest(self, limit: int, before: int | None = None) -> list[AuditEntry]:
        """Return entries, the newest first, from below a sequence where one is given."""
        kept = [entry for entry in _entries(self._path) if before is None or entry.seq < before]
        return kept[-limit:][::-1]

    def verify(self) -> Verified:
        """Check the whole chain."""
        with self._lock:
            return verify_audit(self._folder)

    def close(self) -> None:
        """Close the files. Safe to call twice."""
        if self._file >= 0:
            os.close(self._file)
            os.close(self._head)
            self._file = self._head = -1


def verify_audit(folder: Path) -> Verified:
    """Check the chain of a data directory's audit log, line by line, and its end against the head kept beside it."""
    path = folder / AUDIT_FILE
    if not path.is_file():
        raise StoreError(f"{path}: no audit log there; give the data directory of cityloop serve")
    entries, prev = 0, _GENESIS
    with path.open("rb") as stream:
        for number, line in enumerate(stream, 1):
            try:
                body = json.loads(line)
                claimed = body.pop("hash")
                seq, chained = body["seq"], body["prev"]
            except (ValueError, KeyError, AttributeError, TypeError):
                return Verified(False, entries, prev, f"{path}:{number}: not a whole entry")
            if chained != prev or seq != entries + 1:
                return Verified(False, entries, prev, f"{path}:{number}: does not follow entry {entries}")
            if _digest(body) != claimed:
                return Verified(False, entries, prev, f"{path}:{number}: changed since it was written (entry {seq})")
            entries, prev = seq, claimed
    head = _kept_head(folder)
    if head is not None and head[0] > entries:
        return Verified(False, entries, prev, f"{path}: ends at entry {entries}, but {head[0]} were written")
    if head is not None and head[0] == entries and head[1] != prev:
        return Verified(False, entries, prev, f"{path}: its last entry is not the one that was written")
    return Verified(True, entries, prev)


def _digest(body: Mapping[str, Any]) -> str:
    text = json.dumps(body, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(text.encode()).hexdigest()


def _kept_head(folder: Path) -> tuple[int, str] | None:
    path = folder / _HEAD_FILE
    words = path.read_text().split() if path.is_file() else []
    return (int(words[0]), words[1]) if len(words) == 2 and words[0].isdigit() else None


def _entries(path: Path) -> Iterator[AuditEntry]:
    if not path.is_file():
        return
    with path.open("rb") as stream:
        for line in stream:
            try:
                yield _entry(json.loads(line))
            except (ValueError, KeyError, TypeError) as error:
                raise StoreError(f"{path}: cannot be read ({error}); run cityloop audit verify") from error


def _entry(body: Mapping[str, Any]) -> AuditEntry:
    return AuditEntry(**{**body, "roles": tuple(body["roles"])})


def _drop_torn_tail(path: Path) -> int:
    """Cut a last line without its end, which no caller was ever answered for."""
    if not path.is_file():
        return 0
    data = path.read_bytes()
    whole = data.rfind(b"\n") + 1
    if whole < len(data):
        with path.open("r+b") as stream:
            stream.truncate(whole)
    return len(data) - whole
