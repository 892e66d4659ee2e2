"""Tests of alerts from what the running city shows."""

from __future__ import annotations

from pathlib import Path

import msgspec

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


def _watch(tmp_path: Path) -> tuple[Watch, AlertStore, OfficeDatabase]:
    facts, _ = load_facts()
    database = OfficeDatabase(tmp_path)
    alerts = AlertStore(database)
    return Watch(facts, alerts, lambda kind, body: None), alerts, database


def _with_views(tick: Tick, **tables: dict[str, dict[str, list[float | None]]]) -> Tick:
    packed = {
        domain: msgspec.msgpack.encode(
            {
                table: {name: {"unit": "1", "values": values} for name, values in columns.items()}
                for table, columns in found.items()
            }
        )
        for domain, found in tables.items()
    }
    return msgspec.structs.replace(tick, views=packed)


def test_a_detector_that_counts_the_same_few_for_a_quarter_of_an_hour_is_flooded(tmp_path: Path):
    """Two vehicles that never move and never leave are no traffic; one that is let go is."""
    watch, alerts, database = _watch(tmp_path)
    n = 1520
    for second in range(1000):
        seen, left = bytearray(n), bytearray(n)
        seen[0], seen[1] = 2, 2
        left[1] = second % 90 == 0
        tick = _tick(second, 0.0)
        watch.step(msgspec.structs.replace(tick, arrays={**tick.arrays, "seen": bytes(seen), "left": bytes(left)}))
    (one,) = alerts.listed(None, 10)
    assert (one["kind"], one["status"]) == ("flooded detector", "open")
    assert "on 1 approach(es)" in one["text"]
    database.close()


def test_a_district_that_nobody_reaches_for_five_minutes_is_told_once_and_cleared(tmp_path: Path):
    """A unit gone for a moment is ordinary; a district without one for longer is an incident, with its place."""
    watch, alerts, database = _watch(tmp_path)
    places = [d.junctions[0] for d in load_facts()[0].districts]
    junctions = load_facts()[0].layout.junctions
    zones = {
        "x_m": [float(junctions.x_m[row]) for row in places],
        "y_m": [float(junctions.y_m[row]) for row in places],
        "weight": [0.25] * 4,
    }
    for second in range(0, 1400, 10):
        reach = [120.0, 120.0, 120.0, None if 100 <= second < 200 or 300 <= second < 900 else 400.0]
        for extra in range(10):
            tick = _tick(second + extra, 0.0)
            watch.step(_with_views(tick, emergency={"zones": {**zones, "reach_s": reach}}))
        if second == 400:
            assert alerts.listed(None, 10) == []
        if second == 800:
            (one,) = alerts.listed("open", 10)
            assert (one["kind"], one["place"]["x_m"]) == ("uncovered district", zones["x_m"][3])
    (one,) = alerts.listed(None, 10)
    assert one["status"] == "resolved"
    database.close()


def test_full_containers_are_one_alert_with_a_place(tmp_path: Path):
    """However many are full, the operator has one line; it names one of them and how many more."""
    watch, alerts, database = _watch(tmp_path)
    for second in range(60):
        containers = {"x_m": [5.0, 6.0, 7.0], "y_m": [1.0, 2.0, 3.0], "fill_frac": [0.5, 1.0, 0.99]}
        watch.step(_with_views(_tick(second, 0.0), refuse={"containers": containers}))
    (one,) = alerts.listed(None, 10)
    assert one["kind"] == "overflow"
    assert one["text"].startswith("2 container(s) full")
    assert one["place"]["x_m"] == 6.0
    database.close()
