"""What of the services is worth an alert: districts that no ambulance reaches in time, containers that are full."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import msgspec
import numpy as np

from cityloop.kernel.columns import BOOL, F64, I32
from cityloop.web.ports import CityFacts

__all__ = ["Concern", "ServiceWatch"]

_REACH_S = 480.0
"""The target of the emergency domain and of the page: eight minutes' drive."""
_UNCOVERED_SHARE = 0.9
"""Of a district's demand out of reach, from which it counts as uncovered."""
_LASTING_MS = 300_000
"""So long it must last: a unit that is free again soon is ordinary."""
_FULL = 0.98


@dataclass(frozen=True, slots=True)
class Concern:
    """Something wrong now, with its place on the map; nothing wrong where ``text`` is empty."""

    key: str
    kind: str
    text: str
    severity: int
    district: str = ""
    x_m: float | None = None
    y_m: float | None = None


class ServiceWatch:
    """Reads what services publish; owns since when something has lasted."""

    def __init__(self, city: CityFacts) -> None:
        self._city = city
        self._since_ms: dict[str, int] = {}
        self._district_of: I32 | None = None

    def look(self, views: Mapping[str, bytes], now_ms: int) -> list[Concern]:
        """Return every concern that a service could raise, those that are gone with an empty text."""
        found: list[Concern] = []
        if "emergency" in views:
            found += self._uncovered(_columns(views["emergency"], "zones"), now_ms)
        if "refuse" in views:
            found += self._full(_columns(views["refuse"], "containers"))
        return found

    def _uncovered(self, zones: Mapping[str, F64], now_ms: int) -> list[Concern]:
        if not zones:
            return []
        if self._district_of is None or len(self._district_of) != len(zones["x_m"]):
            self._district_of = self._nearest_district(zones["x_m"], zones["y_m"])
        late: BOOL = ~(zones["reach_s"] <= _REACH_S)
        found = []
        for number, district in enumerate(self._city.districts):
            mine = self._district_of == number
            weight = float(zones["weight"][mine].sum())
            key, text = f"uncovered district/{district.id}", ""
            if weight > 0 and float(zones["weight"][mine & late].sum()) >= _UNCOVERED_SHARE * weight:
                if now_ms - self._since_ms.setdefault(key, now_ms) >= _LASTING_MS:
                    text = f"{district.name}: no free unit would be there within {_REACH_S / 60:g} minutes"
            else:
                self._since_ms.pop(key, None)
            x_m, y_m = (float(zones[name][mine].mean()) if mine.any() else None for name in ("x_m", "y_m"))
            found.append(Concern(key, "uncovered district", text, 1, district.id, x_m, y_m))
        return found

    def _full(self, containers: Mapping[str, F64]) -> list[Concern]:
        fill = containers.get("fill_frac", np.zeros(0))
        rows = np.flatnonzero(fill >= _FULL)
        if not len(rows):
            return [Concern("overflow/", "overflow", "", 2)]
        names = self._city.layout.names.get("containers", ())
        first = int(rows[np.argmax(fill[rows])])
        name = names[first] if first < len(names) else str(first + 1)
        others = f" and {len(rows) - 1} more" if len(rows) > 1 else ""
        place = float(containers["x_m"][first]), float(containers["y_m"][first])
        return [Concern("overflow/", "overflow", f"{len(rows)} container(s) full: {name}{others}", 2, "", *place)]

    def _nearest_district(self, x_m: F64, y_m: F64) -> I32:
        """Return each place's district: that of the nearest junction."""
        junctions = self._city.layout.junctions
        apart = (x_m[:, None] - junctions.x_m[None, :]) ** 2 + (y_m[:, None] - junctions.y_m[None, :]) ** 2
        number = np.zeros(len(junctions.x_m), np.int32)
        for row, district in enumerate(self._city.districts):
            number[list(district.junctions)] = row
        nearest: I32 = number[apart.argmin(axis=1)]
        return nearest


def _columns(packed: bytes, table: str) -> dict[str, F64]:
    """Return a published table's columns; a missing number is not a number."""
    columns = msgspec.msgpack.decode(packed).get(table, {})
    return {name: _numbers(column["values"]) for name, column in columns.items()}


def _numbers(values: list[Any]) -> F64:
    return np.array([np.nan if value is None else value for value in values], np.float64)
