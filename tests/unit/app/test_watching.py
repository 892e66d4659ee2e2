"""Tests of alerts from what the running city shows."""

from __future__ import annotations

from pathlib import Path

from cityloop.app.city_source import load_facts
from cityloop.app.watching import Watch
from cityloop.storage.alerts import AlertStore
from cityloop.storage.office import OfficeDatabase
from cityloop.wire.live import Tick

_AT_MS = 1_767_225_600_000


def _tick(second: int, late_ms: float) -> Tick:
    n = 1520
    arrays = {"standing": bytes(n), "left": bytes(n), "age_ds": bytes(n)}
    at_ms = _AT_MS + second * 1000
    return Tick(at_ms=at_ms, wall_ms=at_ms, sim_s=0.0, number=second, late_ms=late_ms, arrays=arrays)


def test_cause_that_comes_and_goes_is_one_alert(tmp_path: Path):
    """Late for ten seconds in every minute is one alert; it is cleared once it has stayed away for five minutes."""
    facts, _ = load_facts()
    database = OfficeDatabase(tmp_path)
    alerts = AlertStore(database)
    watch = Watch(facts, alerts, lambda kind, body: None)
    for second in range(600):
        watch.step(_tick(second, 900.0 if second % 60 < 10 else 0.0))
    (one,) = alerts.listed(None, 10)
    assert (one["kind"], one["status"]) == ("brain late", "open")
    for second in range(600, 960):
        watch.step(_tick(second, 0.0))
    (one,) = alerts.listed(None, 10)
    assert one["status"] == "resolved"
    database.close()
