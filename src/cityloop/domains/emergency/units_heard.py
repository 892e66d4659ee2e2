"""Units of a running city as they were heard: what they do, where they join the roads, what their crews are owed."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from cityloop.domains.emergency.crew import CrewRules, shift_changes_ms
from cityloop.domains.emergency.hearing import Heard
from cityloop.domains.emergency.roads import SIREN_FACTOR, Roads
from cityloop.domains.emergency.schema import EmergencyTable, SiteKind, UnitStatus, UnitTable
from cityloop.domains.emergency.state import EmergencyState
from cityloop.kernel.columns import I32, I64

__all__ = ["units_at_home", "units_now"]

_SHIFT_OFFSET_MIN = 5 * 60
_SHIFT_STEP_MIN = 30


def units_at_home(table: EmergencyTable, rules: CrewRules, now_ms: int) -> UnitTable:
    """Return the units before anybody was heard: all taken to stand at home."""
    home = table.units.home
    n = len(home)
    ends = [
        int(shift_changes_ms(rules, now_ms, now_ms, _SHIFT_OFFSET_MIN + _SHIFT_STEP_MIN * (u % 8))[0]) for u in range(n)
    ]
    end_ms = np.array(ends, np.int64)
    begin_ms = end_ms - rules.shift_h * 3_600_000
    return UnitTable(
        status=np.zeros(n, np.int32),
        node=table.sites.edge[home].copy(),
        node_in_ms=np.zeros(n, np.int64),
        offroad_m=np.zeros(n),
        site=home.copy(),
        call=np.full(n, -1, np.int64),
        since_ms=np.full(n, now_ms, np.int64),
        home=home,
        kerb_used_ms=np.zeros(n, np.int64),
        shift_end_ms=end_ms,
        meal_from_ms=begin_ms + round(rules.meal_from_h * 3_600_000),
        meal_until_ms=begin_ms + round(rules.meal_until_h * 3_600_000),
        diverted=np.zeros(n, np.bool_),
        capability=table.units.capability,
        seen_at_ms=np.full(n, now_ms, np.int64),
    )


def units_now(heard: Heard, picture: EmergencyState, *, table: EmergencyTable, roads: Roads, now_ms: int) -> UnitTable:
    """Return the units as heard; who has not been heard yet stands where he was."""
    old, rules = picture.units, picture.rules
    if not heard.keyed:
        return old
    status, call, site = _called_off(heard)
    since = np.where(status != old.status, now_ms, old.since_ms)
    stood_ms = np.where(old.status == UnitStatus.STANDING, now_ms - old.since_ms, 0)
    at_kerb = table.sites.kind[np.maximum(old.site, 0)] == int(SiteKind.KERB)
    left = (old.status == UnitStatus.STANDING) & ((status != old.status) | (site != old.site))
    kerb = old.kerb_used_ms + np.where(left & at_kerb, stood_ms, 0)
    rested = left & ~at_kerb & (stood_ms >= rules.rest_least_min * 60_000)
    kerb = np.where(rested | (status == UnitStatus.ON_SCENE), 0, kerb)
    seen = np.maximum(heard.seen_at_ms, old.seen_at_ms)
    edge = heard.edge
    known = (edge >= 0) & (heard.seen_at_ms > -(2**39))
    node = np.where(known, np.maximum(edge, 0), old.node).astype(np.int32)
    left_m = np.maximum(roads.length_m[node] - heard.edge_m, 0.0)
    in_ms = np.where(known, left_m / (SIREN_FACTOR * roads.mps[node]) * 1000.0, 0.0).astype(np.int64)
    standing = (status == UnitStatus.STANDING) & (site >= 0)
    at = np.maximum(site, 0)
    rest_m = np.maximum(roads.length_m[table.sites.edge[at]] - table.sites.edge_m[at], 0.0)
    node = np.where(standing, table.sites.edge[at], node).astype(np.int32)
    in_ms = np.where(standing, rest_m / (SIREN_FACTOR * roads.mps[node]) * 1000.0, in_ms).astype(np.int64)
    units = replace(
        old,
        status=status,
        node=node,
        node_in_ms=in_ms,
        site=site,
        call=call,
        since_ms=since,
        kerb_used_ms=kerb,
        diverted=old.diverted & (call >= 0),
        seen_at_ms=seen,
    )
    return _new_shifts(units, rules, now_ms)


def _called_off(heard: Heard) -> tuple[I32, I64, I32]:
    """Return status, call and site of every unit; who drives to a call that is off the centre's list is free again."""
    if not heard.listed:
        return heard.status, heard.call, heard.site
    under_way = (heard.status == UnitStatus.TURNING_OUT) | (heard.status == UnitStatus.EN_ROUTE)
    listed = np.array([call.number for call in heard.calls], np.int64)
    free = under_way & (heard.call >= 0) & ~np.isin(heard.call, listed)
    status = np.where(free, int(UnitStatus.FREE_ON_SCENE), heard.status).astype(np.int32)
    return status, np.where(free, -1, heard.call), np.where(free, -1, heard.site).astype(np.int32)


def _new_shifts(units: UnitTable, rules: CrewRules, now_ms: int) -> UnitTable:
    """Change the crews that stand at home when their shift is over."""
    due = (units.shift_end_ms <= now_ms) & (units.status == UnitStatus.STANDING) & (units.site == units.home)
    if not due.any():
        return units
    length_ms = rules.shift_h * 3_600_000
    begin_ms = units.shift_end_ms
    return replace(
        units,
        shift_end_ms=np.where(due, begin_ms + length_ms, units.shift_end_ms),
        meal_from_ms=np.where(due, begin_ms + round(rules.meal_from_h * 3_600_000), units.meal_from_ms),
        meal_until_ms=np.where(due, begin_ms + round(rules.meal_until_h * 3_600_000), units.meal_until_ms),
        kerb_used_ms=np.where(due, 0, units.kerb_used_ms),
    )
