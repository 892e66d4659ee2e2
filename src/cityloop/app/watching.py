"""Alerts from what the running city shows: silent and flooded detectors, standing traffic, services, a late brain."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from cityloop.app.alert_flood import FLOOD_KEY, Flood
from cityloop.app.service_watch import ServiceWatch
from cityloop.storage.alerts import AlertStore
from cityloop.web.ports import CityFacts
from cityloop.wire.live import Tick

__all__ = ["Watch"]

_SILENT_DS = 100
"""A detector silent for 10 s is reported; a junction is left to its own plan after 3 s already."""
_STILL_S = 180
"""Traffic that stands with nobody leaving for so long is an incident: longer than the longest red allowed."""
_FLOODED_S = 900
"""A detector that counts the same few for so long, and nobody leaves, shows what is not there: no red lasts as long."""
_LATE_MS = 500.0
_EVERY_STEPS = 5
_SERVICES_EVERY_STEPS = 10
_QUIET_MS = 300_000
"""So long must a cause stay away before its alert is cleared."""


class Watch:
    """Looks at each step; owns what has to last before it is worth an alert."""

    def __init__(self, city: CityFacts, alerts: AlertStore, tell: Callable[[str, Any], None]) -> None:
        self._city, self._alerts, self._tell = city, alerts, tell
        n = len(city.layout.approaches.junction)
        self._still_s = np.zeros(n, np.int64)
        self._same_s = np.zeros(n, np.int64)
        self._seen = np.zeros(n, np.uint8)
        self._services = ServiceWatch(city)
        self._silent: set[str] = set()
        self._quiet_ms: dict[str, int] = {}
        """Since when the cause of an alert is gone, by key."""
        self._flood = Flood()
        self._steps = 0
        self._last_ms = 0
        self._late = 0

    def step(self, tick: Tick) -> None:
        """Take one step in."""
        if tick.at_once or "standing" not in tick.arrays:
            return
        passed_s = min(max((tick.at_ms - self._last_ms) // 1000, 0), 5) if self._last_ms else 1
        self._last_ms = tick.at_ms
        standing = np.frombuffer(tick.arrays["standing"], np.uint8)
        left = np.frombuffer(tick.arrays["left"], np.uint8)
        if len(standing) == len(self._still_s):
            self._still_s = np.where((standing >= 3) & (left == 0), self._still_s + passed_s, 0)
        seen = np.frombuffer(tick.arrays.get("seen", b""), np.uint8)
        if len(seen) == len(left) == len(self._same_s):
            same = (seen == self._seen) & (seen > 0) & (left == 0)
            self._same_s, self._seen = np.where(same, self._same_s + passed_s, 0), seen
        self._late = self._late + 1 if tick.late_ms > _LATE_MS else 0
        self._steps += 1
        if self._steps % _SERVICES_EVERY_STEPS == 0:
            self._look_at_services(tick)
        if self._steps % _EVERY_STEPS:
            return
        self._by_district(tick, "detector silent", np.frombuffer(tick.arrays["age_ds"], np.uint8) >= _SILENT_DS, 2)
        stopped = self._still_s >= _STILL_S
        self._by_district(tick, "stopped traffic", stopped, 1)
        self._by_district(tick, "flooded detector", (self._same_s >= _FLOODED_S) & ~stopped, 2)
        self._one(tick, "brain late", self._late >= 3, 1, f"Three ticks in a row began over {_LATE_MS:g} ms late.")
        for body in self._alerts.escalate(tick.at_ms):
            self._tell("alert", body)

    def died(self, what: str, now_ms: int) -> None:
        """Tell that the running city stopped answering and is started again."""
        self._sound("twin died", f"The city stopped answering and is started again: {what}", 1, [], "", now_ms)

    def _look_at_services(self, tick: Tick) -> None:
        for one in self._services.look(tick.views, tick.at_ms):
            if not one.text:
                self._settle(one.key, tick.at_ms)
                continue
            self._quiet_ms.pop(one.key, None)
            place = None if one.x_m is None or one.y_m is None else (one.x_m, one.y_m)
            new = one.key not in self._silent
            self._sound(one.kind, one.text, one.severity, [], one.district, tick.at_ms, new=new, at=place)
            self._silent.add(one.key)

    def _by_district(self, tick: Tick, kind: str, wrong: np.ndarray[Any, np.dtype[np.bool_]], severity: int) -> None:
        junction_of = self._city.layout.approaches.junction
        if len(wrong) != len(junction_of):
            return
        for district in self._city.districts:
            rows = np.flatnonzero(wrong & np.isin(junction_of, district.junctions))
            key = f"{kind}/{district.id}"
            if len(rows) == 0:
                self._settle(key, tick.at_ms)
                continue
            self._quiet_ms.pop(key, None)
            junctions = sorted({int(junction_of[row]) for row in rows})
            first = self._city.shapes.junction_labels[junctions[0]]
            others = f" and {len(junctions) - 1} more" if len(junctions) > 1 else ""
            text = f"{district.name}: {kind} on {len(rows)} approach(es), at {first}{others}"
            self._sound(kind, text, severity, junctions, district.id, tick.at_ms, new=key not in self._silent)
            self._silent.add(key)

    def _one(self, tick: Tick, kind: str, wrong: bool, severity: int, text: str) -> None:
        if wrong:
            self._quiet_ms.pop(f"{kind}/", None)
            self._sound(kind, text, severity, [], "", tick.at_ms, new=f"{kind}/" not in self._silent)
            self._silent.add(f"{kind}/")
        else:
            self._settle(f"{kind}/", tick.at_ms)

    def _settle(self, key: str, now_ms: int) -> None:
        """Clear an alert whose cause has stayed away; one that comes and goes stays one alert."""
        if key in self._silent and now_ms - self._quiet_ms.setdefault(key, now_ms) >= _QUIET_MS:
            del self._quiet_ms[key]
            self._silent.discard(key)
            self._clear(key, now_ms)

    def _sound(
        self,
        kind: str,
        text: str,
        severity: int,
        junctions: list[int],
        district: str,
        now_ms: int,
        new: bool = True,
        at: tuple[float, float] | None = None,
    ) -> None:
        if not new:
            return
        places = self._city.layout.junctions
        row = junctions[0] if junctions else None
        if row is not None:
            at = float(places.x_m[row]), float(places.y_m[row])
        x_m, y_m = at or (None, None)
        place = {"junction": row, "x_m": x_m, "y_m": y_m, "district": district}
        if kind != "twin died" and self._flood.takes(f"{kind}/{district}", kind, district, severity, now_ms):
            kind, district, severity, text = FLOOD_KEY.rstrip("/"), "", 2, self._flood.text()
        fields = {"kind": kind, "severity": severity, "text": text, "place": place, "places": junctions}
        body, _ = self._alerts.sound(f"{kind}/{district}", now_ms, fields)
        self._tell("alert", body)

    def _clear(self, key: str, now_ms: int) -> None:
        over = self._flood.leaves(key)
        if over is False:
            return
        if over:
            key = FLOOD_KEY
        body = self._alerts.clear(key, now_ms)
        if body is not None:
            self._tell("alert", body)
