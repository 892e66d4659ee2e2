"""How many alerts an operator has on an ordinary stretch, and how many decisions could be held against what came.

A city is served as on any day, nothing broken on purpose, every rung live, both services running; after some of its
hours its own list of alerts is read, and its decisions are counted quarter of an hour by quarter of an hour.
"""

from __future__ import annotations

import time
from collections import Counter
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from cityloop.kernel.errors import ConfigError
from cityloop.studies.served_room import ServedRoom, serving

__all__ = ["AlertBench", "AlertFigures", "count_alerts", "most_in_ten_minutes"]

_QUARTER_MS = 900_000
_TEN_MS = 600_000
_START_S = 900.0
_STANDSTILL_S = 300.0
_PATIENCE_S = 300.0


@dataclass(frozen=True, slots=True, kw_only=True)
class AlertBench:
    """What is counted."""

    city: str = "adlershof"
    minutes: float = 60.0
    """By the city's clock."""
    pace: float = 5.0


@dataclass(frozen=True, slots=True, kw_only=True)
class AlertFigures:
    """The result."""

    minutes: float
    alerts: int
    per_ten_minutes: float
    most_in_ten: int
    """Begun within any ten minutes."""
    by_kind: dict[str, int]
    told: dict[str, dict[str, int]]
    """By domain: decisions, with a reason, with a forecast, due, observed, overtaken, cut off."""

    def as_dict(self) -> dict[str, Any]:
        """Return the figures for JSON."""
        return asdict(self)


def count_alerts(bench: AlertBench) -> AlertFigures:
    """Serve a city for a while and count what it raised.

    Raises
    ------
    ConfigError
        If the city does not run, or stands still.
    """
    with serving(bench.city, "--rung", "live", "--pace", f"{bench.pace:g}") as server:
        begin_ms = _clock_ms(server, _START_S)
        wanted_ms, seen_ms, seen_s = begin_ms + bench.minutes * 60_000, begin_ms, time.monotonic()
        while seen_ms < wanted_ms:
            time.sleep(2.0)
            now_ms = _clock_ms(server, _STANDSTILL_S)
            if now_ms > seen_ms:
                seen_ms, seen_s = now_ms, time.monotonic()
            elif time.monotonic() - seen_s > _STANDSTILL_S:
                raise ConfigError(f"The city stood still for {_STANDSTILL_S:.0f} s.")
        alerts = server.ask("/api/v1/alerts?limit=1000", patience_s=_PATIENCE_S)["items"]
        told: dict[str, Counter[str]] = {}
        for from_ms in range(begin_ms, seen_ms, _QUARTER_MS):
            until_ms = min(from_ms + _QUARTER_MS, seen_ms) - 1
            path = f"/api/v1/decisions/calibration?begin_ms={from_ms}&end_ms={until_ms}"
            for domain, counts in server.ask(path, patience_s=_PATIENCE_S)["by_domain"].items():
                told.setdefault(domain, Counter()).update(counts)
    minutes = (seen_ms - begin_ms) / 60_000
    begun_ms = [int(one["since_ms"]) for one in alerts]
    return AlertFigures(
        minutes=round(minutes, 1),
        alerts=len(alerts),
        per_ten_minutes=round(len(alerts) / minutes * 10, 2),
        most_in_ten=most_in_ten_minutes(begun_ms),
        by_kind=dict(Counter(str(one["kind"]) for one in alerts).most_common()),
        told={domain: dict(counts) for domain, counts in told.items()},
    )


def most_in_ten_minutes(begun_ms: list[int]) -> int:
    """Return how many at most began within ten minutes."""
    at_ms = np.sort(np.array(begun_ms, np.int64))
    if not len(at_ms):
        return 0
    return int((np.searchsorted(at_ms, at_ms + _TEN_MS, "left") - np.arange(len(at_ms))).max())


def _clock_ms(server: ServedRoom, patience_s: float) -> int:
    until_s = time.monotonic() + patience_s
    while time.monotonic() < until_s:
        told = server.ask("/api/v1/city", patience_s=_PATIENCE_S)
        if told["running"]:
            return int(told["clock"]["now_ms"])
        time.sleep(0.5)
    raise ConfigError(f"The city did not run within {patience_s:.0f} s.")
