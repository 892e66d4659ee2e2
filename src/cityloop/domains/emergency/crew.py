"""Crews are people: shifts, meals, kerbs and nights, the same for every policy.

Local times have a zone; everything else is UTC. Night is 23:00 to 06:00, seven hours as article 2(3) of Directive
2003/88/EC asks and section 2(3) of the German ArbZG sets them. The meal's 30 minutes, its window, and the bound
at a kerb are parameters of ours: a service has its own agreement.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

import numpy as np

from cityloop.domains.emergency.schema import SiteKind, SiteTable, UnitStatus, UnitTable
from cityloop.kernel.columns import BOOL, I64

__all__ = ["NEVER_MS", "CrewRules", "Duty", "duties", "is_night", "meals_at_once", "shift_changes_ms"]

NEVER_MS = np.int64(2**62)
_STANDING, _MOVING = int(UnitStatus.STANDING), int(UnitStatus.MOVING)
_FREE_ON_SCENE, _ON_BREAK, _KERB = int(UnitStatus.FREE_ON_SCENE), int(UnitStatus.ON_BREAK), int(SiteKind.KERB)
MINUTE_MS = 60_000
HOUR_MS = 3_600_000


@dataclass(frozen=True, slots=True)
class CrewRules:
    """What every policy owes the crews."""

    zone: str = "UTC"
    night_from_h: int = 23
    night_to_h: int = 6
    kerb_most_min: int = 60
    kerb_margin_min: int = 5
    """Leave this long before the bound: duties are looked at every few minutes."""
    rest_least_min: int = 15
    """So long at a rest facility before the clock of the kerb starts anew."""
    shift_h: int = 12
    protect_min: int = 30
    """Nothing but high priority in the last minutes of a shift."""
    meal_min: int = 30
    meal_from_h: float = 3.0
    """The meal window opens so long after the shift's begin."""
    meal_until_h: float = 8.0
    meals_at_once: int = 2

    def __post_init__(self) -> None:
        """Refuse rules that no roster can keep."""
        if not 0 < self.meal_from_h < self.meal_until_h <= self.shift_h:
            raise ValueError(f"Meal window {self.meal_from_h} to {self.meal_until_h} h: must lie in the shift.")


class Duty:
    """What a crew is owed now, as codes of an array."""

    NONE = 0
    REST = 1
    """Leave the kerb for a rest facility."""
    HOME = 2
    """Go home for the change of crews."""
    MEAL = 3
    """Go to a rest facility and take the meal there."""


def is_night(rules: CrewRules, now_ms: int) -> bool:
    """Tell whether units may not stand at kerbs now."""
    hour = _local(rules.zone, now_ms).hour
    return hour >= rules.night_from_h or hour < rules.night_to_h


def shift_changes_ms(rules: CrewRules, first_ms: int, last_ms: int, offset_min: int) -> I64:
    """Return the instants of a unit's changes of crews, by the clock on the wall.

    On the day that a clock is changed a shift is an hour longer or shorter, as it is on the street.
    """
    zone = ZoneInfo(rules.zone)
    day = _local(rules.zone, first_ms).replace(hour=0, minute=0, second=0, microsecond=0)
    found: list[int] = []
    while True:
        for k in range(0, 24, rules.shift_h):
            wall = datetime(day.year, day.month, day.day, tzinfo=zone) + timedelta(hours=k, minutes=offset_min)
            at_ms = round(wall.timestamp() * 1000)
            if at_ms > last_ms + 24 * HOUR_MS:
                return np.array(found, np.int64)
            if at_ms > first_ms:
                found.append(at_ms)
        day += timedelta(days=1)


def duties(
    units: UnitTable, sites: SiteTable, rules: CrewRules, home_ms: I64, now_ms: int, later: BOOL | None = None
) -> I64:
    """Return what each free unit's crew is owed, as a ``Duty``; ``NONE`` for units that are not free.

    Parameters
    ----------
    units, sites
        Live state.
    rules
        What is owed.
    home_ms
        Time each unit needs to drive home. [ms]
    now_ms
        The instant.
    later
        Units whose meal a policy puts off within its window.

    """
    free = (units.status == _STANDING) | (units.status == _MOVING) | (units.status == _FREE_ON_SCENE)
    owed = np.zeros(len(units.status), np.int64)
    margin_ms = rules.kerb_margin_min * MINUTE_MS
    at_site = units.site >= 0
    kerb = at_site & (sites.kind[np.maximum(units.site, 0)] == _KERB) & free
    standing = units.status == _STANDING
    used_ms = units.kerb_used_ms + np.where(standing, now_ms - units.since_ms, 0)
    over = kerb & (used_ms + margin_ms >= rules.kerb_most_min * MINUTE_MS)
    if is_night(rules, now_ms + margin_ms):
        over = kerb
    owed[over] = Duty.REST
    taking = int((units.status == _ON_BREAK).sum())
    hungry = free & (units.meal_from_ms <= now_ms) & (now_ms <= units.meal_until_ms)
    if later is not None:
        hungry &= ~later
    for u in np.flatnonzero(hungry)[np.argsort(units.meal_until_ms[hungry], kind="stable")]:
        if taking < meals_at_once(rules, len(units.status)):
            owed[u] = Duty.MEAL
            taking += 1
    leave_ms = units.shift_end_ms - home_ms - 2 * margin_ms
    owed[free & (now_ms >= leave_ms)] = Duty.HOME
    return owed


def meals_at_once(rules: CrewRules, units: int) -> int:
    """Return how many crews may eat at the same time: of a small fleet at most half, or nobody would be left."""
    return min(rules.meals_at_once, max(units // 2, 1))


def protected(units: UnitTable, rules: CrewRules, now_ms: int) -> BOOL:
    """Tell which units are near the end of their shift and take nothing but high priority."""
    return np.asarray(units.shift_end_ms - now_ms <= rules.protect_min * MINUTE_MS)


def _local(zone: str, now_ms: int) -> datetime:
    return datetime.fromtimestamp(now_ms / 1000, ZoneInfo(zone))
