"""What the policies see: units, calls that wait, sites, travel times, and the crews' rules."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from cityloop.domains.emergency.crew import CrewRules
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
    road_ms = np.empty((len(calls.call), len(rows)), np.int64)
    for router, which in ((times.siren, siren), (times.ordinary, ~siren)):
        if which.any():
            road_ms[which] = router.matrix_ms(units.node[rows], calls.node[which]).T
    speed_mps = np.where(siren, times.siren_offroad_mps, times.ordinary_offroad_mps)
    off_ms = (units.offroad_m[rows][None, :] + calls.offroad_m[:, None]) * (1000.0 / speed_mps[:, None])
    return units.node_in_ms[rows][None, :] + road_ms + off_ms.astype(np.int64) + _turnout_ms(state, rows)[None, :]


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
