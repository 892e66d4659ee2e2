"""Alerts that become work: kept until somebody settles them, and grouped so that a flood is one line."""

from __future__ import annotations

import json
import secrets
from collections.abc import Mapping
from typing import Any

from cityloop.storage.office import OfficeDatabase

__all__ = ["ESCALATE_MS", "AlertStore"]

ESCALATE_MS = {1: 300_000, 2: 900_000, 3: 3_600_000}
"""By severity, how long an alert may stay without anybody's acknowledgement. [ms]"""


class AlertStore:
    """Keeps alerts; one a key while it is not settled."""

    def __init__(self, database: OfficeDatabase) -> None:
        self._database = database

    def sound(self, key: str, now_ms: int, fields: Mapping[str, Any]) -> tuple[dict[str, Any], bool]:
        """Raise an alert, or count it into the one of that key that is not settled; tell whether it is new."""
        row = self._database.one("SELECT id, body FROM alerts WHERE key=? AND status<>'resolved'", (key,))
        if row is not None:
            body = json.loads(row[1])
            body["count"] += 1
            body["last_ms"] = now_ms
            body["text"] = fields["text"]
            body["places"] = sorted({*body.get("places", []), *fields.get("places", [])})[:50]
            self._keep(body)
            return body, False
        body = {
            "id": secrets.token_hex(6), "key": key, "group": key, "count": 1, "since_ms": now_ms, "last_ms": now_ms,
            "owner": None, "status": "open", "acknowledged_by": None, "escalated": False, "work_order": None, **fields,
        }  # fmt: skip
        self._database.run(
            "INSERT INTO alerts VALUES (?,?,?,?,?)", (body["id"], key, body["status"], now_ms, json.dumps(body))
        )
        return body, True

    def clear(self, key: str, now_ms: int) -> dict[str, Any] | None:
        """Settle the alert of a key whose cause is gone; return it, if there was one."""
        row = self._database.one("SELECT body FROM alerts WHERE key=? AND status<>'resolved'", (key,))
        if row is None:
            return None
        body: dict[str, Any] = json.loads(row[0])
        body.update(status="resolved", note="the cause is gone", resolved_by="cityloop", last_ms=now_ms)
        self._keep(body)
        return body

    def escalate(self, now_ms: int) -> list[dict[str, Any]]:
        """Mark what nobody acknowledged in time; return what was marked now."""
        marked = []
        for body in self.listed("open", 1000):
            if not body["escalated"] and now_ms - body["since_ms"] >= ESCALATE_MS[body["severity"]]:
                body["escalated"] = True
                self._keep(body)
                marked.append(body)
        return marked

    def listed(self, status: str | None, limit: int) -> list[dict[str, Any]]:
        """Return alerts, the newest first."""
        where, values = ("WHERE status=?", (status,)) if status else ("", ())
        rows = self._database.all(f"SELECT body FROM alerts {where} ORDER BY last_ms DESC LIMIT {int(limit)}", values)
        return [json.loads(body) for (body,) in rows]

    def get(self, alert_id: str) -> dict[str, Any] | None:
        """Return one alert."""
        row = self._database.one("SELECT body FROM alerts WHERE id=?", (alert_id,))
        return None if row is None else json.loads(row[0])

    def change(self, alert_id: str, **fields: Any) -> dict[str, Any] | None:
        """Change an alert's fields; return it."""
        body = self.get(alert_id)
        if body is not None:
            body.update(fields)
            self._keep(body)
        return body

    def _keep(self, body: dict[str, Any]) -> None:
        self._database.run(
            "UPDATE alerts SET status=?, last_ms=?, body=? WHERE id=?",
            (body["status"], body["last_ms"], json.dumps(body), body["id"]),
        )
