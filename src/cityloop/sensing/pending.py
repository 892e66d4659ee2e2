"""What was handed to the log and not yet synced, and who waits for it."""

from __future__ import annotations

import threading

from cityloop.kernel.readings import Done

__all__ = ["Both", "Pending"]


class Pending:
    """Submissions on their way to the disk. Any thread may call it."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._next = 0
        self._rows_of: dict[int, int] = {}
        self._waiting: list[tuple[int, Done]] = []
        self.rows = 0
        """Readings on their way."""

    def begin(self, rows: int) -> int:
        """Note a submission; return its number."""
        with self._lock:
            number = self._next
            self._next += 1
            self._rows_of[number] = rows
            self.rows += rows
            return number

    def end(self, number: int, error: Exception | None) -> None:
        """Note a submission's end, and tell those who waited for it and for all before it."""
        with self._lock:
            self.rows -= self._rows_of.pop(number)
            if not self._waiting:
                return
            oldest = next(iter(self._rows_of), self._next)
            # Whoever waited for one that failed is told so, though his own may be safe: he sends again, at no harm.
            failed = error is not None
            ready = [done for until, done in self._waiting if until <= oldest or (failed and until > number)]
            self._waiting = [
                (until, done) for until, done in self._waiting if until > oldest and not (failed and until > number)
            ]
        for done in ready:
            done(error)

    def after_earlier(self, done: Done) -> None:
        """Tell when everything that was begun up to now has ended."""
        with self._lock:
            if self._rows_of:
                self._waiting.append((self._next, done))
                return
        done(None)


class Both:
    """Tells once, when all parts have told; an error of any counts."""

    def __init__(self, done: Done, parts: int) -> None:
        self._done = done
        self._lock = threading.Lock()
        self._left = parts
        self._error: Exception | None = None

    def part(self, error: Exception | None) -> None:
        """Take one part's outcome."""
        with self._lock:
            self._left -= 1
            self._error = self._error or error
            if self._left:
                return
        self._done(self._error)
