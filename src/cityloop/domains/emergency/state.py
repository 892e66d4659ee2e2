"""What the policies see: units, calls that wait, sites, travel times, and the crews' rules."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numba import njit

from cityloop.domains.emergency.crew import CrewRules
from cityloop.domains.emergency.known_times import KnownTimes
from cityloop.domains.emergency.schema import CallTable, SiteTable, TravelTimes, UnitStatus, UnitTable
from cityloop.kernel.columns import BOOL, F64, I32, I64

__all__ = ["EmergencyState", "drive_to_sites_ms", "eta_matrix_ms", "eta_ms", "free_units"]

_FREE = np.isin(np.arange(len(UnitStatus)), [UnitStatus.STANDING, UnitStatus.MOVING, UnitStatus.FREE_ON_SCENE])

HIGH = 1
"""Priorities up to this one are high. """


@dataclass(slots=True)
class EmergencyState:
    """The live picture at one instant."""

    units: UnitTable
    calls: CallTable
    sites: SiteTable
    times: TravelTimes
    rules: CrewRules
    turnout_standing_ms: int = 0
    turnout_driving_ms: int = 0
    known: tuple[KnownTimes, KnownTimes] | None = None
    """Times with lights and siren and of ordinary driving, kept between decisions; asked anew each time without it."""


def free_units(units: UnitTable) -> BOOL:
    """Tell which units are free to be sent."""
    return np.asarray(_FREE[units.status])


def eta_ms(state: EmergencyState, rows: I64, call: int) -> I64:
    """Return the expected time of each unit to one waiting call (a row of ``state.calls``), turnout included. [ms]"""
    units, times = state.units, state.times
    siren = times.response_mode[state.calls.priority[call] - 1] == 0
    router = times.siren if siren else times.ordinary
    speed_mps = times.siren_offroad_mps if siren else times.ordinary_offroad_mps
    road_ms = router.to_one_ms(units.node[rows], int(state.calls.node[call]))
    off_ms = (units.offroad_m[rows] + state.calls.offroad_m[call]) * (1000.0 / speed_mps)
    total: I64 = units.node_in_ms[rows] + road_ms + off_ms.astype(np.int64) + _turnout_ms(state, rows)
    return total


def eta_matrix_ms(state: EmergencyState, rows: I64) -> I64:
    """Return the expected time of each unit to each waiting call, shape (n_calls, n_rows). [ms]"""
    units, calls, times = state.units, state.calls, state.times
    siren = times.response_mode[calls.priority - 1] == 0
    lead_ms = units.node_in_ms[rows] + _turnout_ms(state, rows)
    total = np.empty((len(calls.call), len(rows)), np.int64)
    for mode, (router, which, speed_mps) in enumerate(
        ((times.siren, siren, times.siren_offroad_mps), (times.ordinary, ~siren, times.ordinary_offroad_mps))
    ):
        at = np.flatnonzero(which)
        if not len(at):
            continue
        if state.known is None:
            road_ms, own = router.matrix_ms(units.node[rows], calls.node[at]), np.arange(len(rows))
        else:
            road_ms, own = state.known[mode].update(units.node, calls.node[at]), rows
        _join(total, at, road_ms, own, lead_ms, units.offroad_m[rows], calls.offroad_m[at], 1000.0 / speed_mps)
    return total


@njit(cache=True)
def _join(
    total: I64, at: I64, road_ms: I32, own: I64, lead_ms: I64, unit_off_m: F64, call_off_m: F64, ms_per_m: float
) -> None:
    """Write lead, road and way off the roads of every pair, in one pass: tables here may hold half a million."""
    for c in range(len(at)):
        for k in range(len(own)):
            off_ms = np.int64((unit_off_m[k] + call_off_m[c]) * ms_per_m)
            total[at[c], k] = lead_ms[k] + road_ms[own[k], c] + off_ms


def _turnout_ms(state: EmergencyState, rows: I64) -> I64:
    status = state.units.status[rows]
    wait_ms = np.where(status == int(UnitStatus.STANDING), state.turnout_standing_ms, state.turnout_driving_ms)
    return np.where(status == int(UnitStatus.EN_ROUTE), 0, wait_ms)


def drive_to_sites_ms(state: EmergencyState, rows: I64, sites: I32) -> F64:
    """Return the time of ordinary driving from each unit to each site, shape (n_rows, n_sites). [ms]"""
    units, times = state.units, state.times
    road_ms = times.ordinary.matrix_ms(units.node[rows], state.sites.node[sites])
    off_m = units.offroad_m[rows][:, None] + state.sites.offroad_m[sites][None, :]
    return np.asarray(units.node_in_ms[rows][:, None] + road_ms + off_m * (1000.0 / times.ordinary_offroad_mps))
