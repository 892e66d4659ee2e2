"""What is published of a running city's emergency service: units, calls, who could go, where the gaps are."""

from __future__ import annotations

import numpy as np

from cityloop.domains.emergency.bands import band
from cityloop.domains.emergency.cover import expected_response, loss_without
from cityloop.domains.emergency.hospitals import at_doors
from cityloop.domains.emergency.live import LiveState
from cityloop.domains.emergency.published import (
    CallsView,
    CityView,
    EmergencyView,
    RankedView,
    SitesView,
    TurnsView,
    UnitsView,
    ZonesView,
)
from cityloop.domains.emergency.relocate import picture
from cityloop.domains.emergency.schema import CallStatus, UnitStatus
from cityloop.domains.emergency.state import eta_matrix_ms, free_units
from cityloop.kernel.columns import F64, I32

__all__ = ["view"]

_RANKED = 5


def view(state: LiveState) -> EmergencyView:
    """Return the published tables."""
    units, heard = state.picture.units, state.heard
    free = free_units(units)
    return EmergencyView(
        units=UnitsView(
            x_m=heard.x_m,
            y_m=heard.y_m,
            speed_mps=heard.speed_mps,
            heading_deg=heard.heading_deg,
            status=units.status,
            site=units.site,
            call=units.call,
            since_ms=units.since_ms,
            seen_at_ms=units.seen_at_ms,
            home=units.home,
            shift_end_ms=units.shift_end_ms,
            kerb_used_s=units.kerb_used_ms / 1000.0,
        ),
        calls=_calls(state),
        ranked=_ranked(state),
        sites=SitesView(
            x_m=state.table.sites.x_m,
            y_m=state.table.sites.y_m,
            kind=state.table.sites.kind,
            is_open=state.picture.sites.is_open,
            diverting=heard.site_diverting,
            bays=_bays(state),
            at_door=at_doors(state.picture),
            free_units=np.bincount(units.site[free & (units.site >= 0)], minlength=len(state.table.sites.kind)).astype(
                np.int32
            ),
        ),
        turns=_turns(state),
        zones=ZonesView(state.table.zones.x_m, state.table.zones.y_m, state.table.zones.weight, _reach_s(state)),
        city=_city(state, int(free.sum())),
    )


def _bays(state: LiveState) -> I32:
    bays = np.zeros(len(state.table.sites.kind), np.int32)
    if state.hospitals is not None:
        bays[state.hospitals.site] = state.hospitals.bays
    return bays


def _turns(state: LiveState) -> TurnsView:
    turns = state.carried.turns
    return TurnsView(
        at_ms=np.array([turn.at_ms for turn in turns], np.int64),
        unit=np.array([turn.unit for turn in turns], np.int32),
        call=np.array([turn.call for turn in turns], np.int64),
        from_site=np.array([turn.from_site for turn in turns], np.int32),
        to_site=np.array([turn.to_site for turn in turns], np.int32),
    )


def _calls(state: LiveState) -> CallsView:
    calls = state.heard.calls
    eta = dict(zip(state.picture.calls.call.tolist(), state.picture.calls.eta_ms.tolist(), strict=True))
    unit = dict(zip(state.picture.units.call.tolist(), range(len(state.picture.units.call)), strict=True))
    status = [
        CallStatus.ATTENDED if call.attended else CallStatus.ASSIGNED if call.number in unit else CallStatus.OPEN
        for call in calls
    ]
    return CallsView(
        number=np.array([call.number for call in calls], np.int64),
        priority=np.array([call.priority for call in calls], np.int32),
        determinant=np.array([call.determinant for call in calls], np.int32),
        x_m=np.array([call.x_m for call in calls], np.float64),
        y_m=np.array([call.y_m for call in calls], np.float64),
        received_ms=np.array([call.received_ms for call in calls], np.int64),
        status=np.array(status, np.int32),
        unit=np.array([unit.get(call.number, -1) for call in calls], np.int32),
        eta_ms=np.array([eta.get(call.number, -1) for call in calls], np.int64),
        fault=np.array([call.fault for call in calls], np.int32),
    )


def _ranked(state: LiveState) -> RankedView:
    """Return, for each call that nobody attends, the soonest units that could go and what each would leave."""
    calls, units = state.picture.calls, state.picture.units
    under_way = (units.status == UnitStatus.TURNING_OUT) | (units.status == UnitStatus.EN_ROUTE)
    free = free_units(units)
    rows = np.flatnonzero(free | under_way)
    none: F64 = np.empty(0)
    if not len(calls.call) or not len(rows):
        empty = np.empty(0, np.int64), np.empty(0, np.int32)
        return RankedView(*empty, none, none, none, none)
    eta_s = eta_matrix_ms(state.picture, rows) / 1000.0
    loss_s = _losses_s(state)[rows]
    who = [np.flatnonzero(free[rows] | (units.call[rows] == call)) for call in calls.call]
    best = [rows_of[np.argsort(eta_s[c, rows_of], kind="stable")[:_RANKED]] for c, rows_of in enumerate(who)]
    count = [len(one) for one in best]
    at = np.concatenate(best) if sum(count) else np.empty(0, np.int64)
    of = np.repeat(np.arange(len(calls.call)), count)
    seconds = eta_s[of, at]
    low_s, high_s = band(state.arrivals.residuals, seconds)
    return RankedView(
        call=calls.call[of],
        unit=rows[at].astype(np.int32),
        eta_s=seconds,
        low_s=low_s,
        high_s=high_s,
        uncovered_s=loss_s[at],
    )


def _losses_s(state: LiveState) -> F64:
    """Return by how much the next call's expected response grows without each unit. [s]"""
    seen = picture(state.picture, state.coverage, state.decided_ms)
    loss = np.zeros(len(state.picture.units.status))
    if len(seen.row):
        every = np.arange(len(seen.row), dtype=np.int64)
        loss[seen.row] = loss_without(seen.eta, seen.there, state.coverage.weight, every) * 60.0
    return np.maximum(loss, 0.0)


def _reach_s(state: LiveState) -> F64:
    units = state.picture.units
    rows = np.flatnonzero(free_units(units))
    zones = state.table.zones
    if not len(rows):
        return np.full(len(zones.x_m), np.nan)
    road_ms = state.picture.times.siren.matrix_ms(units.node[rows], zones.edge)
    reach: F64 = (road_ms + units.node_in_ms[rows][:, None]).min(axis=0) / 1000.0
    return reach


def _city(state: LiveState, free: int) -> CityView:
    seen = picture(state.picture, state.coverage, state.decided_ms)
    response, uncovered = float("nan"), float("nan")
    if len(seen.row):
        response = float(expected_response(seen.eta, seen.there, state.coverage.weight)) * 60.0
    reach = _reach_s(state)
    if free:
        uncovered = float(state.coverage.weight[reach > state.coverage.target_min * 60.0].sum())
    return CityView(
        free_units=np.array([free], np.int32),
        open_calls=np.array([int((state.picture.calls.unit < 0).sum())], np.int32),
        expected_response_s=np.array([response]),
        uncovered_frac=np.array([min(uncovered, 1.0)]),
        calls_closed=np.array([state.closed], np.int64),
        calls_set_aside=np.array([sum(1 for call in state.heard.calls if call.fault)], np.int64),
    )
