"""Calls that other systems or people took down: kept before anybody is told that they were taken, for a bounded time.

Place, time and priority of a call are health data: what is older than the retention is taken away with every new one.
"""

from __future__ import annotations

from typing import Any

from cityloop.kernel.errors import InputError
from cityloop.storage.office import OfficeDatabase
from cityloop.wire.calls import CallReport, TakenCall, decode_call, encode_call

__all__ = ["FIRST_NUMBER", "CallIntake"]

FIRST_NUMBER = 1_000_000_001
"""Numbers of calls from outside begin here: far from those that a dispatch centre gives its own."""
_DAY_MS = 86_400_000
_COLUMNS = "number, report, by, taken_at_ms, changed_at_ms"
_MOST = 100_000


class CallIntake:
    """Keeps calls, one an incident; a message about a known incident changes it."""

    def __init__(self, database: OfficeDatabase, keep_days: float = 7.0) -> None:
        self._database, self._keep_ms = database, round(keep_days * _DAY_MS)

    def keep(self, report: CallReport, by: str, at_ms: int) -> TakenCall:
        """Keep what a message says, and return the call with its number; it survives a power cut from then on."""
        self._database.run("DELETE FROM calls_taken WHERE changed_at_ms<?", (at_ms - self._keep_ms,))
        data = encode_call(report)
        changed = self._database.run(
            "UPDATE calls_taken SET report=?, by=?, changed_at_ms=? WHERE incident=?",
            (data, by, at_ms, report.incident),
        )
        if not changed:
            count, last = self._database.one("SELECT COUNT(*), MAX(number) FROM calls_taken") or (0, None)
            if count >= _MOST:
                raise InputError(f"calls: {count} are kept already; shorten the retention")
            number = FIRST_NUMBER if last is None else int(last) + 1
            self._database.run(
                "INSERT INTO calls_taken (number, incident, report, by, taken_at_ms, changed_at_ms) "
                "VALUES (?,?,?,?,?,?)",
                (number, report.incident, data, by, at_ms, at_ms),
            )
        kept = self.named(report.incident)
        assert kept is not None
        return kept

    def listed(self, limit: int = 500) -> list[TakenCall]:
        """Return calls, the last to change first."""
        rows = self._database.all(
            f"SELECT {_COLUMNS} FROM calls_taken ORDER BY changed_at_ms DESC, number DESC LIMIT {int(limit)}"
        )
        return [_taken(row) for row in rows]

    def numbered(self, number: int) -> TakenCall | None:
        """Return one call by the city's number."""
        rows = self._database.all(f"SELECT {_COLUMNS} FROM calls_taken WHERE number=?", (number,))
        return _taken(rows[0]) if rows else None

    def named(self, incident: str) -> TakenCall | None:
        """Return one call by its sender's name."""
        rows = self._database.all(f"SELECT {_COLUMNS} FROM calls_taken WHERE incident=?", (incident,))
        return _taken(rows[0]) if rows else None


def _taken(row: tuple[Any, ...]) -> TakenCall:
    number, report, by, taken_at_ms, changed_at_ms = row
    return TakenCall(
        number=number, report=decode_call(report), by=by, taken_at_ms=taken_at_ms, changed_at_ms=changed_at_ms
    )
