"""When to eat: within the window every crew is owed, at the hours that cost least.

A meal takes a unit out for half an hour wherever it falls. While many are free that costs little; and a unit that
stands at a rest facility as it is need not drive to one. So a meal is put off while few are free or its unit is
elsewhere, less and less as the end of its window comes near, and not at all in its last part.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from cityloop.domains.emergency.cover import loss_without
from cityloop.domains.emergency.crew import meals_at_once
from cityloop.domains.emergency.forecast import Coverage
from cityloop.domains.emergency.relocate import Picture
from cityloop.domains.emergency.schema import SiteKind, UnitStatus
from cityloop.domains.emergency.state import EmergencyState, free_units
from cityloop.kernel.columns import BOOL

__all__ = ["MealParams", "meals_put_off"]

MINUTE_MS = 60_000


@dataclass(frozen=True, slots=True)
class MealParams:
    """How choosy the brain is about meals."""

    at_last_min: int = 90
    """In the last minutes of the window a meal is taken at the first chance. [min]"""
    free_over: float = 1.0
    """Early in the window, so many times the expected number of free units must be free."""
    free_under: float = 0.6
    """Towards its end, so many."""


def meals_put_off(
    state: EmergencyState, coverage: Coverage, view: Picture, now_ms: int, params: MealParams
) -> BOOL | None:
    """Tell whose meal waits; nothing when nobody is hungry."""
    units, sites = state.units, state.sites
    free = free_units(units)
    hungry = free & (units.meal_from_ms <= now_ms) & (now_ms <= units.meal_until_ms)
    if not hungry.any():
        return None
    left_ms = units.meal_until_ms - now_ms
    pressed = left_ms <= params.at_last_min * MINUTE_MS
    window_ms = max(state.rules.meal_until_h - state.rules.meal_from_h, 0.1) * 60 * MINUTE_MS
    share = np.clip(left_ms / window_ms, 0.0, 1.0)
    usual = len(free) * max(1.0 - coverage.busy_share, 0.1)
    enough = free.sum() >= usual * (params.free_under + (params.free_over - params.free_under) * share)
    resting = (units.status == int(UnitStatus.STANDING)) & (units.site >= 0)
    resting &= sites.kind[np.maximum(units.site, 0)] != int(SiteKind.KERB)
    now = hungry & (pressed | (enough & resting))
    slots = meals_at_once(state.rules, len(free)) - int((units.status == int(UnitStatus.ON_BREAK)).sum())
    if now.sum() > max(slots, 0):
        # Who is missed least eats first; who is pressed before all.
        loss = np.zeros(len(free))
        loss[view.row] = loss_without(view.eta, view.there, coverage.weight, np.arange(len(view.row)))
        order = np.lexsort((loss, np.where(pressed, left_ms, np.iinfo(np.int64).max)))
        keep = [u for u in order if now[u]][: max(slots, 0)]
        now[:] = False
        now[keep] = True
    return np.asarray(hungry & ~now)
