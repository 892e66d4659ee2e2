"""A day or a week of a served city as a page to read and to print: figures by hour or day, alerts, and acts."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from cityloop.kernel.errors import InputError
from cityloop.storage.alerts import AlertStore
from cityloop.storage.audit_log import AuditLog
from cityloop.storage.office import OfficeDatabase
from cityloop.storage.trace_log import TraceReader
from cityloop.studies import sheet
from cityloop.studies.report_parts import table
from cityloop.web.ports import CityFacts
from cityloop.web.scorecard import scorecard_of
from cityloop.web.why import read_window

__all__ = ["period_report"]

_SHOWN = 200


def period_report(facts: CityFacts, data: Path, day: str, days: int, progress: Callable[[str], None]) -> str:
    """Return the page of ``days`` local days from ``day``, from what the server kept in ``data``."""
    zone = ZoneInfo(facts.zone)
    try:
        first = datetime.fromisoformat(day).replace(tzinfo=zone)
    except ValueError as error:
        raise InputError(f"--day {day!r}: {error}; give a day such as 2026-11-22") from error
    trace = TraceReader(data / "trace")
    if trace.span() is None:
        raise InputError(f"{data}: holds no trace; give the folder of a served city")
    step = timedelta(hours=1) if days == 1 else timedelta(days=1)
    # Local midnights: a day of 23 or 25 hours is one row all the same.
    marks = [first + step * number for number in range((24 if days == 1 else days) + 1)]
    spans = [(round(a.timestamp() * 1000), round(b.timestamp() * 1000)) for a, b in pairwise(marks)]
    rows: list[tuple[str, dict[tuple[str, str], float]]] = []
    for mark, (begin_ms, end_ms) in zip(marks, spans, strict=False):
        progress(f"{mark:%Y-%m-%d %H:%M}")
        hours = [(at, min(at + 3_600_000, end_ms)) for at in range(begin_ms, end_ms, 3_600_000)]
        found = [scorecard_of(facts, read_window(trace, a, b - 1, 0.0)) for a, b in hours]
        known = [one for one in found if one["figures"]]
        if known:
            rows.append((f"{mark:%H:%M}" if days == 1 else f"{mark:%a %Y-%m-%d}", _mean(known)))
    if not rows:
        raise InputError(f"{data}: nothing was recorded on {day}; traces are kept by time")
    figures = next(iter(rows))[1]
    head = ("from", *(f"{label} [{unit}]" for label, unit in figures))
    body = [(name, *(f"{values[key]:,.1f}" for key in figures)) for name, values in rows]
    begin_ms, end_ms = spans[0][0], spans[-1][1]
    parts = [
        sheet.notice("What this is", [facts.label, "Levels as sensed, not gains: nothing is compared here."]),
        sheet.section("Figures", table("By hour" if days == 1 else "By day", head, body)),
        *_office(data, begin_ms, end_ms, zone),
    ]
    title = f"{facts.name}: {'day' if days == 1 else f'{days} days'} from {day}"
    return sheet.page(title, "operations report", [facts.label], "".join(parts), f"times in {facts.zone}")


def _mean(found: Sequence[dict[str, Any]]) -> dict[tuple[str, str], float]:
    """Return each figure's mean over hours, or its greatest where it is a worst."""
    values: dict[tuple[str, str], list[float]] = {}
    worst = set()
    for one in found:
        for figure in one["figures"]:
            key = (figure["label"], figure["unit"])
            values.setdefault(key, []).append(figure["value"])
            if figure["key"] in ("longest_red", "late"):
                worst.add(key)
    return {key: max(each) if key in worst else sum(each) / len(each) for key, each in values.items()}


def _office(data: Path, begin_ms: int, end_ms: int, zone: ZoneInfo) -> list[str]:
    def clock(at_ms: int) -> str:
        return f"{datetime.fromtimestamp(at_ms / 1000, zone):%m-%d %H:%M:%S}"

    database = OfficeDatabase(data)
    try:
        alerts = [
            (clock(one["since_ms"]), one["kind"], one["text"], str(one["count"]), one["status"], one["owner"] or "-")
            for one in reversed(AlertStore(database).listed(None, 1000))
            if begin_ms <= one["since_ms"] < end_ms
        ]
    finally:
        database.close()
    log = AuditLog(data)
    try:
        acts = [
            (clock(one.at_ms), one.who, one.act, one.target, one.outcome)
            for one in reversed(log.newest(1000))
            if begin_ms <= one.at_ms < end_ms and not one.act.startswith(("session.", "emergency.read"))
        ]
    finally:
        log.close()
    alert_head = ("since", "kind", "what", "times", "status", "owner")
    told = table("Alerts", alert_head, alerts[:_SHOWN], words=2) if alerts else sheet.paragraph("No alert.")
    done = (
        table("Acts of people", ("at", "who", "act", "target", "outcome"), acts[:_SHOWN], words=2)
        if acts
        else (sheet.paragraph("Nobody acted."))
    )
    return [sheet.section("Alerts", told), sheet.section("Acts", done)]
