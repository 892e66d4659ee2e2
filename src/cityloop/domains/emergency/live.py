"""Emergency in a running city: readings in, the picture that policies see, commands noted, requests to signals out."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import msgspec
import numpy as np

from cityloop.domains.emergency import guard
from cityloop.domains.emergency.arrivals import Arrivals, arrived, expected
from cityloop.domains.emergency.crew import NEVER_MS, CrewRules
from cityloop.domains.emergency.decide.by_hand import by_hand, not_by_hand
from cityloop.domains.emergency.forecast import Coverage, coverage_of, learn_handover
from cityloop.domains.emergency.hearing import Heard, hear, start_hearing
from cityloop.domains.emergency.hospitals import Carried, advised, carried, turned_round
from cityloop.domains.emergency.roads import Roads, live_times, road_shares, roads_of
from cityloop.domains.emergency.schema import (
    DOMAIN,
    HOSPITALS,
    Advise,
    CallTable,
    EmergencyTable,
    HospitalTable,
    Lead,
    Move,
    Reason,
    Send,
    SiteTable,
    TakeBreak,
    UnitStatus,
)
from cityloop.domains.emergency.state import HIGH, EmergencyState, eta_ms
from cityloop.domains.emergency.units_heard import units_at_home, units_now
from cityloop.kernel.batch import Batch
from cityloop.kernel.columns import F64, I32, I64
from cityloop.kernel.domain import Views
from cityloop.kernel.errors import LayoutError
from cityloop.kernel.layout import Layout
from cityloop.kernel.messages import Allowed, Priority, Proposal, Refused, Request, Verdict
from cityloop.methods.route_ahead import RouteAhead

__all__ = ["LiveState", "accept", "check", "heeding", "predict", "requests", "start", "update"]

_LEAD_MS = 20_000
"""The lease over dispatch is renewed so often; it lasts three times as long."""
_LOOK_AGAIN_MS = 300_000
"""Without news, where free units stand is looked at so often."""
_OPEN_AGAIN_MS = 15_000
"""While a call has no unit, it is looked at so often."""
_TIMES_MS = 60_000
"""Travel times are taken anew from the detectors so often."""
_LOOK_ROADS_MS = 5_000
_SHARE_GAIN = 0.15

Propose = Callable[[EmergencyState, Coverage, Sequence[Request], int], Sequence[Proposal]]


@dataclass(frozen=True, slots=True)
class LiveState:
    """Everything that the domain knows."""

    layout: Layout
    table: EmergencyTable
    roads: Roads
    ahead: RouteAhead
    coverage: Coverage
    heard: Heard
    picture: EmergencyState
    shares: F64
    """Speed of each edge as a share of its limit, by the detectors."""
    retimed_ms: int
    looked_ms: int
    led_ms: int
    """When the lease over dispatch was last renewed."""
    decided_ms: int
    due: bool
    routes: dict[int, tuple[int, ...]]
    """Edges of the way that each unit under way was told, by unit."""
    arrivals: Arrivals
    closed: int
    """Calls that the dispatch centre has taken off its list."""
    hospitals: HospitalTable | None
    """None where hospitals tell nothing of their doors."""
    carried: Carried


def start(layout: Layout, now_ms: int) -> LiveState:
    """Return the state before any reading: units taken to stand at home."""
    table = layout.tables.get(DOMAIN)
    if not isinstance(table, EmergencyTable):
        raise LayoutError("The layout has no table of emergency; add one under its tables as 'emergency'.")
    roads = roads_of(layout)
    shares = np.ones(len(layout.edges.length_m))
    modes = np.array([0] + [1] * (len(layout.names["determinants"]) - 1), np.int32)
    times = live_times(roads, shares, modes)
    n = len(table.units.home)
    sites = SiteTable(
        kind=table.sites.kind,
        node=table.sites.edge,
        offroad_m=np.zeros(len(table.sites.kind)),
        is_open=np.ones(len(table.sites.kind), np.bool_),
    )
    rules = CrewRules(zone=table.zone)
    handover = learn_handover((np.array(table.handover_min) * 60_000).astype(np.int64))
    coverage = coverage_of(
        sites,
        times,
        table.zones.edge,
        table.zones.weight,
        0.0,
        high_per_min=table.calls_per_h * table.high_share / 60.0,
        busy_share=table.busy_share,
        handover=handover,
    )
    units = units_at_home(table, rules, now_ms)
    picture = EmergencyState(units, _no_calls(), sites, times, rules, round(table.turnout_s * 1000), 0)
    return LiveState(
        layout=layout,
        table=table,
        roads=roads,
        ahead=RouteAhead(layout),
        coverage=coverage,
        heard=start_hearing(layout, n, len(modes)),
        picture=picture,
        shares=shares,
        retimed_ms=now_ms,
        looked_ms=now_ms,
        led_ms=now_ms - _LEAD_MS,
        decided_ms=now_ms,
        due=False,
        routes={},
        arrivals=Arrivals(),
        closed=0,
        hospitals=layout.tables.get(HOSPITALS),
        carried=Carried(),
    )


def update(state: LiveState, batch: Batch, views: Views, now_ms: int) -> LiveState:
    """Take readings in, and let the picture follow them."""
    before = state.heard
    heard = hear(before, batch, now_ms, len(state.layout.edges.length_m), len(state.picture.times.response_mode))
    state = _roads_now(state, views, now_ms)
    state = replace(
        state,
        heard=heard,
        arrivals=arrived(state.arrivals, before.calls, heard.calls, now_ms),
        closed=state.closed + len({c.number for c in before.calls} - {c.number for c in heard.calls}),
        carried=carried(state.carried, before, heard, now_ms),
    )
    if heard.site_open is not before.site_open:
        # Nobody is placed at a hospital that has closed.
        sites = replace(state.picture.sites, is_open=heard.site_open)
        state = replace(state, picture=replace(state.picture, sites=sites))
    units = units_now(heard, state.picture, table=state.table, roads=state.roads, now_ms=now_ms)
    picture = replace(state.picture, units=units)
    calls = _calls_now(replace(state, picture=picture), now_ms)
    picture = replace(picture, calls=calls)
    waiting = bool((calls.unit < 0).any())
    overdue = now_ms - state.decided_ms >= (_OPEN_AGAIN_MS if waiting else _LOOK_AGAIN_MS)
    # Nobody is sent before crews have told what they do: an empty picture is no free fleet.
    due = heard.keyed and (state.due or heard.changed or overdue)
    routes = {u: way for u, way in state.routes.items() if units.call[u] >= 0}
    return replace(state, picture=picture, due=due, routes=routes)


def predict(state: LiveState, views: Views, now_ms: int) -> Coverage:
    """Return expected calls by zone and the times that matter for them."""
    return state.coverage


def heeding(propose: Propose) -> Callable[[LiveState, Coverage, Sequence[Request], int], list[Proposal]]:
    """Return a policy for the running city: people's own acts first, then the policy's where there is news."""

    def proposed(state: LiveState, coverage: Coverage, asked: Sequence[Request], now_ms: int) -> list[Proposal]:
        proposals = [_told_the_way(state, one) for one in by_hand(state.picture, asked)]
        if state.due:
            decided = not_by_hand(propose(state.picture, coverage, asked, now_ms), asked)
            proposals += [_told_the_way(state, one) for one in decided]
            proposals += _advice(state)
        if state.heard.keyed and now_ms - state.led_ms >= _LEAD_MS:
            centre = len(state.picture.units.status)
            proposals.append(Proposal(target=centre, action=Lead(), reason=Reason.LEADING, cost=0.0, gain=0.0))
        return proposals

    return proposed


def _advice(state: LiveState) -> list[Proposal]:
    if state.hospitals is None:
        return []
    handover_ms = 60_000.0 * sum(state.table.handover_min) / max(len(state.table.handover_min), 1)
    return turned_round(state.picture, state.heard, state.carried, state.hospitals, handover_ms)


def check(proposal: Proposal, state: LiveState, now_ms: int) -> Verdict:
    """Judge one proposal; the lease over dispatch is the dispatch centre's to give."""
    if isinstance(proposal.action, Lead):
        return Allowed(proposal.action)
    return guard.check(proposal, state.picture, now_ms)


def accept(state: LiveState, verdicts: Sequence[tuple[Proposal, Verdict]], now_ms: int) -> LiveState:
    """Remember what was commanded, so that the next tick does not command it again."""
    if state.due:
        state = replace(state, due=False, decided_ms=now_ms)
    if not verdicts:
        return state
    heard, led_ms, routes, arrivals = state.heard, state.led_ms, dict(state.routes), state.arrivals
    status, call, site = heard.status.copy(), heard.call.copy(), heard.site.copy()
    units = replace(state.picture.units, diverted=state.picture.units.diverted.copy())
    units = replace(units, meal_from_ms=units.meal_from_ms.copy(), since_ms=units.since_ms.copy())
    for proposal, verdict in verdicts:
        u = proposal.target
        if isinstance(verdict, Refused):
            continue
        match verdict.action:
            case Lead():
                led_ms = now_ms
            case Send(call=number, route=route):
                others = np.flatnonzero((call == number) & (np.arange(len(call)) != u))
                status[others], call[others], site[others] = UnitStatus.FREE_ON_SCENE, -1, -1
                units.diverted[u] = call[u] >= 0 and call[u] != number
                status[u], call[u], site[u] = UnitStatus.TURNING_OUT, number, -1
                routes[u] = route
                arrivals = expected(arrivals, number, now_ms, _eta_s(state.picture, u, number))
            case Move(site=there):
                status[u], call[u], site[u] = UnitStatus.MOVING, -1, there
            case Advise(site=there):
                state = replace(state, carried=advised(state.carried, u, there))
                continue
            case TakeBreak():
                status[u] = UnitStatus.ON_BREAK
                units.meal_from_ms[u] = NEVER_MS
            case _:
                continue
        if u < len(status):
            units.since_ms[u] = now_ms
    heard = replace(heard, status=status, call=call, site=site)
    picture = replace(state.picture, units=units)
    return replace(state, heard=heard, picture=picture, led_ms=led_ms, routes=routes, arrivals=arrivals)


def requests(state: LiveState, now_ms: int) -> list[Request]:
    """Ask the signals ahead of units that drive to a call of high priority."""
    units, asked = state.picture.units, []
    priority = {call.number: call.priority for call in state.heard.calls}
    for u in np.flatnonzero(units.status == UnitStatus.EN_ROUTE).tolist():
        number = int(units.call[u])
        if priority.get(number, HIGH + 1) > HIGH or u not in state.routes:
            continue
        asked += state.ahead.requests(
            unit=u,
            incident=number,
            route=state.routes[u],
            edge=int(state.heard.edge[u]),
            edge_m=float(state.heard.edge_m[u]),
            now_ms=now_ms,
            sender=DOMAIN,
            seen_at_ms=int(state.heard.seen_at_ms[u]),
            priority=Priority.EMERGENCY_HIGH,
        )
    return asked


# ---------------------------------------------------------------------- the picture


def _roads_now(state: LiveState, views: Views, now_ms: int) -> LiveState:
    """Take the detectors' speeds in, and now and then the travel times that follow from them."""
    traffic = views.get("traffic")
    if traffic is None or now_ms - state.looked_ms < _LOOK_ROADS_MS:
        return state
    shares = road_shares(state.layout, state.shares, traffic.speed_mps, traffic.count_veh, _SHARE_GAIN)
    state = replace(state, shares=shares, looked_ms=now_ms)
    if now_ms - state.retimed_ms < _TIMES_MS:
        return state
    times = live_times(state.roads, shares, state.picture.times.response_mode)
    return replace(state, picture=replace(state.picture, times=times), retimed_ms=now_ms)


def _calls_now(state: LiveState, now_ms: int) -> CallTable:
    """Return the calls that may be dispatched to and have nobody on scene."""
    calls = [call for call in state.heard.calls if not call.attended and not call.fault]
    if not calls:
        return _no_calls()
    units = state.picture.units
    under_way = (units.status == UnitStatus.TURNING_OUT) | (units.status == UnitStatus.EN_ROUTE)
    serving = {int(units.call[u]): int(u) for u in np.flatnonzero(under_way & (units.call >= 0))}
    there = {int(units.call[u]) for u in np.flatnonzero(units.status == UnitStatus.ON_SCENE)}
    calls = [call for call in calls if call.number not in there]
    unit = np.array([serving.get(call.number, -1) for call in calls], np.int32)
    table = CallTable(
        call=np.array([call.number for call in calls], np.int64),
        priority=np.array([call.priority for call in calls], np.int32),
        node=np.array([call.edge for call in calls], np.int32),
        offroad_m=np.zeros(len(calls)),
        received_ms=np.array([call.received_ms for call in calls], np.int64),
        ready_ms=np.array([call.ready_ms for call in calls], np.int64),
        unit=unit,
        eta_ms=np.full(len(calls), -1, np.int64),
        needs=np.zeros(len(calls), np.int32),
    )
    seen = replace(state.picture, calls=table)
    for c in np.flatnonzero(unit >= 0).tolist():
        table.eta_ms[c] = now_ms + int(eta_ms(seen, unit[c : c + 1].astype(np.int64), c)[0])
    return table


def _no_calls() -> CallTable:
    whole: I64 = np.empty(0, np.int64)
    small: I32 = np.empty(0, np.int32)
    return CallTable(whole, small, small, np.empty(0), whole, whole, small, whole, small)


def _told_the_way(state: LiveState, proposal: Proposal) -> Proposal:
    """Return a dispatch with the way that its expected time was reckoned on."""
    action = proposal.action
    if not isinstance(action, Send):
        return proposal
    calls, times = state.picture.calls, state.picture.times
    known = np.flatnonzero(calls.call == action.call)
    if not len(known) or not 0 <= proposal.target < len(state.picture.units.node):
        return proposal
    c = int(known[0])
    router = times.siren if times.response_mode[calls.priority[c] - 1] == 0 else times.ordinary
    way = router.way(int(state.picture.units.node[proposal.target]), int(calls.node[c]))
    return msgspec.structs.replace(proposal, action=Send(action.call, tuple(way.nodes.tolist())))


def _eta_s(picture: EmergencyState, unit: int, number: int) -> float:
    """Return how long a unit is expected to take: by the picture, whatever a policy or a person reckoned with. [s]"""
    c = int(np.flatnonzero(picture.calls.call == number)[0])
    return float(eta_ms(picture, np.array([unit], np.int64), c)[0]) / 1000.0
