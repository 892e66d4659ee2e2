"""One object of a user's file: its numbers, clock values and names, and complaints that say where it stands."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from cityloop.kernel.errors import InputError

__all__ = ["DAY_S", "Row", "clock_s"]

DAY_S = 86_400.0


class Row:
    """One object of a list, with the words that a complaint about it begins with."""

    def __init__(self, raw: object, where: str) -> None:
        if not isinstance(raw, Mapping):
            raise InputError(f"{where}: must be an object.")
        self.raw: Mapping[str, Any] = raw
        name = raw.get("id")
        self.where = where if name is None else f"{where} ({name})"

    def number(self, key: str, default: float | None = None, low: float = 0.0, high: float = math.inf) -> float:
        """Return a finite number within bounds."""
        value = self.raw.get(key, default)
        if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
            raise InputError(f"{self.where}.{key}: {value!r}, must be a number.")
        if value < low:
            raise InputError(f"{self.where}.{key}: {value:g}, must be {low:g} or more.")
        if value > high:
            raise InputError(f"{self.where}.{key}: {value:g}, must be {high:g} or less.")
        return float(value)

    def clock(self, key: str, default: float) -> float:
        """Return seconds since midnight."""
        value = self.raw.get(key)
        return default if value is None else clock_s(value, f"{self.where}.{key}")

    def window(self, low: str = "open", high: str = "close") -> tuple[float, float]:
        """Return a window that opens before it closes, in seconds since midnight."""
        opens, closes = self.clock(low, 0.0), self.clock(high, DAY_S)
        if closes < opens:
            shown = f"{self.raw.get(low, '00:00')} to {self.raw.get(high, '24:00')}"
            raise InputError(f"{self.where}: {shown} closes before it opens; swap {low} and {high}, or drop one.")
        return opens, closes

    def words(self, key: str) -> frozenset[str]:
        """Return a name or a list of names."""
        value = self.raw.get(key, [])
        value = [value] if isinstance(value, str) else value
        if not isinstance(value, list):
            raise InputError(f"{self.where}.{key}: {value!r}, must be a list of names.")
        return frozenset(str(word) for word in value)


def clock_s(value: object, where: str) -> float:
    """Return seconds since midnight of ``"HH:MM"`` or ``"HH:MM:SS"``."""
    parts = value.split(":") if isinstance(value, str) else []
    if len(parts) in (2, 3) and all(part.isdigit() for part in parts):
        hours, minutes, seconds = (int(part) for part in (*parts, "0")[:3])
        if minutes < 60 and seconds < 60 and hours * 60 + minutes <= 48 * 60:
            return hours * 3600.0 + minutes * 60.0 + seconds
    raise InputError(f"{where}: {value!r}, must be a clock value such as 06:30.")
