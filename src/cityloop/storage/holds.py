"""Acts in force: operators' orders, rungs, and changes that wait for a second person. All of it survives kill -9."""

from __future__ import annotations

import json
import secrets
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from cityloop.kernel.office import Change, HeldOrder, RungSet
from cityloop.storage.office import OfficeDatabase

__all__ = ["Holds"]


class Holds:
    """Keeps the acts in force."""

    def __init__(self, database: OfficeDatabase) -> None:
        self._database = database

    def place(self, order: HeldOrder) -> HeldOrder:
        """Keep a new order under an id of its own."""
        kept = replace(order, id=secrets.token_hex(6))
        self._database.run(
            "INSERT INTO orders (id, domain, kind, target, stages, by, why, placed_at_ms, expires_at_ms, answer) "
            "VALUES (?,?,?,?,?,?,?,?,?,?)",
            (kept.id, kept.domain, kept.kind, kept.target, json.dumps(kept.stages), kept.by, kept.why,
             kept.placed_at_ms, kept.expires_at_ms, json.dumps(dict(kept.answer))),
        )  # fmt: skip
        return kept

    def answered(self, order_id: str, answer: Mapping[str, Any]) -> None:
        """Keep what the controller said of an order."""
        self._database.run("UPDATE orders SET answer=? WHERE id=?", (json.dumps(dict(answer)), order_id))

    def lift(self, order_id: str, by: str, now_ms: int) -> bool:
        """End an order early; tell whether it was in force."""
        return (
            self._database.run(
                "UPDATE orders SET lifted_at_ms=?, lifted_by=? WHERE id=? AND lifted_at_ms IS NULL AND expires_at_ms>?",
                (now_ms, by, order_id, now_ms),
            )
            > 0
        )

    def orders(self, *, now_ms: int | None = None, limit: int = 500) -> list[HeldOrder]:
        """Return orders, the newest first; with ``now_ms`` only those in force."""
        where = "" if now_ms is None else "WHERE lifted_at_ms IS NULL AND expires_at_ms>?"
        rows = self._database.all(
            "SELECT id, domain, kind, target, stages, by, why, placed_at_ms, expires_at_ms, lifted_at_ms, lifted_by, "
            f"answer FROM orders {where} ORDER BY placed_at_ms DESC LIMIT {int(limit)}",
            () if now_ms is None else (now_ms,),
        )
        return [_order(row) for row in rows]

    def order(self, order_id: str) -> HeldOrder | None:
        """Return one order."""
        rows = self._database.all(
            "SELECT id, domain, kind, target, stages, by, why, placed_at_ms, expires_at_ms, lifted_at_ms, lifted_by, "
            "answer FROM orders WHERE id=?",
            (order_id,),
        )
        return _order(rows[0]) if rows else None

    def set_rung(self, rung: RungSet) -> None:
        """Keep a rung."""
        self._database.run(
            "INSERT OR REPLACE INTO rungs VALUES (?,?,?,?,?,?)",
            (rung.domain, rung.district, rung.rung, rung.since_ms, rung.by, rung.expires_at_ms),
        )

    def rungs(self) -> list[RungSet]:
        """Return every rung that was set, the lapsed ones too."""
        return [
            RungSet(domain=d, district=i, rung=r, since_ms=s, by=b, expires_at_ms=e)
            for d, i, r, s, b, e in self._database.all("SELECT * FROM rungs ORDER BY domain, district")
        ]

    def ask(self, change: Change) -> Change:
        """Keep a change that waits for a second person."""
        kept = replace(change, id=secrets.token_hex(6), status="waiting")
        self._database.run(
            "INSERT INTO changes (id, kind, body, why, by, asked_at_ms, expires_at_ms, status) "
            "VALUES (?,?,?,?,?,?,?,?)",
            (kept.id, kept.kind, json.dumps(dict(kept.body)), kept.why, kept.by, kept.asked_at_ms,
             kept.expires_at_ms, kept.status),
        )  # fmt: skip
        return kept

    def changes(self, limit: int = 100) -> list[Change]:
        """Return changes, the newest first."""
        rows = self._database.all(f"SELECT * FROM changes ORDER BY asked_at_ms DESC LIMIT {int(limit)}")
        return [_change(row) for row in rows]

    def change(self, change_id: str) -> Change | None:
        """Return one change."""
        row = self._database.one("SELECT * FROM changes WHERE id=?", (change_id,))
        return None if row is None else _change(row)

    def settle(self, change_id: str, status: str, second: str, now_ms: int) -> bool:
        """Settle a waiting change once; tell whether it still waited."""
        return (
            self._database.run(
                "UPDATE changes SET status=?, second=?, settled_at_ms=? WHERE id=? AND status='waiting' "
                "AND expires_at_ms>?",
                (status, second, now_ms, change_id, now_ms),
            )
            > 0
        )

    def setting(self, key: str) -> str | None:
        """Return a kept value."""
        row = self._database.one("SELECT value FROM settings WHERE key=?", (key,))
        return None if row is None else row[0]

    def keep_setting(self, key: str, value: str) -> None:
        """Keep a value."""
        self._database.run("INSERT OR REPLACE INTO settings VALUES (?,?)", (key, value))


def _order(row: tuple[Any, ...]) -> HeldOrder:
    return HeldOrder(
        id=row[0], domain=row[1], kind=row[2], target=row[3],
        stages=tuple((int(stage), float(green_s)) for stage, green_s in json.loads(row[4])),
        by=row[5], why=row[6], placed_at_ms=row[7], expires_at_ms=row[8], lifted_at_ms=row[9], lifted_by=row[10],
        answer=json.loads(row[11]),
    )  # fmt: skip


def _change(row: tuple[Any, ...]) -> Change:
    return Change(
        id=row[0], kind=row[1], body=json.loads(row[2]), why=row[3], by=row[4], asked_at_ms=row[5],
        expires_at_ms=row[6], status=row[7], second=row[8], settled_at_ms=row[9],
    )  # fmt: skip
