"""One line for a flood: when many alerts begin at once, those that are not urgent become one.

An operator can take in about one alert in ten minutes. Of those that begin within ten minutes three stand by
themselves; from the fourth on, whatever is not of the highest severity is counted into one that names the kinds.
"""

from __future__ import annotations

from collections import Counter, deque

__all__ = ["FLOOD_KEY", "Flood"]

FLOOD_KEY = "many alerts/"
_WINDOW_MS = 600_000
_ALONE = 3


class Flood:
    """Tells which alerts to count into one; owns what is in it."""

    def __init__(self) -> None:
        self._began_ms: deque[int] = deque()
        self._within: dict[str, tuple[str, str]] = {}

    def takes(self, key: str, kind: str, district: str, severity: int, now_ms: int) -> bool:
        """Tell whether a beginning alert belongs into the flood."""
        while self._began_ms and now_ms - self._began_ms[0] > _WINDOW_MS:
            self._began_ms.popleft()
        if severity == 1:
            return False
        if len(self._began_ms) < _ALONE:
            self._began_ms.append(now_ms)
            return False
        self._within[key] = (kind, district)
        return True

    def leaves(self, key: str) -> bool | None:
        """Take an alert out whose cause is gone; tell whether the flood is over, None where it was not in it."""
        if self._within.pop(key, None) is None:
            return None
        return not self._within

    def text(self) -> str:
        """Say in one line what is in it."""
        kinds = Counter(kind for kind, _ in self._within.values())
        districts = sorted({district for _, district in self._within.values() if district})
        what = ", ".join(f"{kind} ({number})" for kind, number in sorted(kinds.items()))
        where = f" in {', '.join(districts)}" if districts else ""
        return f"{len(self._within)} more alerts within ten minutes: {what}{where}"
