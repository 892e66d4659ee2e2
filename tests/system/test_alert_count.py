"""Alerts counted on a served city."""

from __future__ import annotations

from cityloop.studies.dashboard_alerts import AlertBench, count_alerts


def test_half_a_minute_of_a_served_city_is_counted():
    """For as long as was asked, with what came of its decisions by service."""
    found = count_alerts(AlertBench(city="adlershof", minutes=0.5, pace=10.0))
    assert 0.5 <= found.minutes < 5.0
    assert found.alerts == sum(found.by_kind.values())
    assert "signals" in found.told
