"""Requests for priority: checked, made into claims, arbitrated, answered. Pure; the policy leads, the guard bounds.

A request of a domain is signed by the tick. What comes from outside (a unit's own radio) only confirms what the
dispatcher asks for: without the dispatcher's request for the same unit and junction it is refused.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import msgspec
import numpy as np

from cityloop.domains.signals.corridor_progress import (
    come_forward,
    distance_m,
    exit_stage,
    freed,
    stage_waits_s,
    without_a_gap,
)
from cityloop.domains.signals.corridors import (
    DEFAULT,
    Before,
    Claim,
    CorridorParams,
    Corridors,
    Recovery,
    full_lanes,
    lead_s,
    serving_stage,
    upstream_of,
    way_over,
)
from cityloop.domains.signals.giving_way import opposed_s, rivals_of
from cityloop.domains.signals.schema import Reason, Rule
from cityloop.domains.signals.state import SignalState
from cityloop.kernel.columns import BOOL
from cityloop.kernel.domain import Views
from cityloop.kernel.layout import UnitKind
from cityloop.kernel.messages import Allowed, PassJunction, Proposal, Refused, Request, RequestStatus, Verdict

__all__ = ["ADMITTED", "RADIO", "hear"]

ADMITTED = "emergency"
"""The domain whose requests are admitted."""
RADIO = "srm:"
"""How the sender of a unit's own radioed request begins."""

_MINUTE_MS = 60_000
_MOST_REMEMBERED = 500
_LOST_FROM_SIGHT_MS = 3_000

Told = list[tuple[Proposal, Verdict]]


def hear(
    state: SignalState, requests: Sequence[Request], views: Views, now_ms: int, params: CorridorParams = DEFAULT
) -> tuple[SignalState, Told]:
    """Return the state that knows who asks to pass, and what each is told."""
    known = state.corridors
    asked = [request for request in requests if isinstance(request.action, PassJunction)]
    if not asked and not (known.claims or known.recoveries or known.refused):
        return state, []
    told: Told = []
    refused = [one for one in known.refused if now_ms - one[4] < _MINUTE_MS]
    claims = {claim.key: claim for claim in known.claims}
    renewed: set[tuple[int, int]] = set()
    confirmed = {(r.target, r.action.unit) for r in asked if _admitted(r) and isinstance(r.action, PassJunction)}
    by_unit: dict[int, int] = {}
    for request in asked:
        action = request.action
        assert isinstance(action, PassJunction)
        if request.sender.startswith(RADIO) and (request.target, action.unit) in confirmed:
            continue
        by_unit[action.unit] = by_unit.get(action.unit, 0) + 1
        rule = _limit(request, refused, by_unit[action.unit], params) or _judge(state, request, action, now_ms, params)
        claim = None if rule else _claim(state, claims.get((request.target, action.unit)), request, now_ms, params)
        if claim is None:
            rule = rule or int(Rule.NOT_SERVED if _on_way(state, request.target, action) else Rule.OFF_ROUTE)
        elif state.units is None or int(state.units.edge[action.unit]) not in claim.upstream:
            rule = int(Rule.OFF_ROUTE)
        if rule or claim is None:
            _refuse(request, action, rule, refused, told, now_ms, params)
            continue
        if claim.key not in claims:
            told.append(_answer(claim, Reason.REQUEST_ADMITTED, 0))
        claims[claim.key] = claim
        renewed.add(claim.key)
    living, recoveries = _ended(state, known, claims, renewed, told, now_ms, params)
    ordered = _arbitrated(state, living, views, now_ms, params)
    after = tuple(_with_status(state, claim, rank, told, now_ms, params) for claim, rank in ordered)
    led = {claim.junction for claim in after}
    kept = tuple(one for one in recoveries if one.junction not in led)
    return msgspec.structs.replace(state, corridors=Corridors(after, kept, tuple(refused[-_MOST_REMEMBERED:]))), told


def _admitted(request: Request) -> bool:
    return request.sender == ADMITTED or request.sender.startswith(ADMITTED + ":")


def _limit(request: Request, refused: list[tuple[str, int, int, int, int]], asks: int, params: CorridorParams) -> int:
    """Return the rule that a sender meets for asking too much, 0 for none."""
    if asks > params.most_junctions:
        return int(Rule.RATE_LIMIT)
    if _admitted(request):
        return 0
    lately = sum(1 for one in refused if one[0] == request.sender)
    return int(Rule.RATE_LIMIT) if lately >= params.refusals else 0


def _judge(state: SignalState, request: Request, action: PassJunction, now_ms: int, params: CorridorParams) -> int:
    """Return the rule by which a request is refused, 0 for none."""
    units = state.units
    if not _admitted(request):
        return int(Rule.NO_INCIDENT if request.sender.startswith(RADIO) else Rule.FORGED_REQUEST)
    if units is None or not 0 <= action.unit < len(units.edge):
        return int(Rule.UNKNOWN_UNIT)
    if state.layout.tables["units"].kind[action.unit] == UnitKind.REFUSE_TRUCK:
        return int(Rule.UNKNOWN_UNIT)
    if action.incident < 0:
        return int(Rule.NO_INCIDENT)
    if not 0 <= request.target < len(state.stage):
        return int(Rule.OFF_ROUTE)
    if now_ms - int(units.seen_ms[action.unit]) > params.position_s * 1000:
        return int(Rule.POSITION_LOST)
    if state.dead[request.target]:
        return int(Rule.OUT_OF_SERVICE)
    return 0


def _on_way(state: SignalState, junction: int, action: PassJunction) -> bool:
    return way_over(state.layout, junction, action.from_edge, action.to_edge) is not None


def _claim(
    state: SignalState, before: Claim | None, request: Request, now_ms: int, params: CorridorParams
) -> Claim | None:
    """Return the claim of an admitted request; None where its way does not lead over the junction, or has no stage."""
    action = request.action
    assert isinstance(action, PassJunction)
    if before is not None and (before.action.from_edge, before.action.to_edge) == (action.from_edge, action.to_edge):
        return replace(
            before,
            action=action,
            priority=request.priority,
            arrives_ms=action.arrives_ms,
            expires_ms=request.expires_at_ms,
        )
    way = way_over(state.layout, request.target, action.from_edge, action.to_edge)
    stage = -1 if way is None else serving_stage(state.tables, way, request.target, int(state.stage[request.target]))
    if way is None or stage < 0:
        return None
    return Claim(
        junction=request.target,
        sender=request.sender,
        priority=request.priority,
        action=action,
        way=way,
        upstream=upstream_of(state.layout, action.from_edge, params.reach_m),
        expires_ms=request.expires_at_ms,
        since_ms=now_ms,
        stage=stage,
        arrives_ms=action.arrives_ms,
    )


def _refuse(
    request: Request,
    action: PassJunction,
    rule: int,
    refused: list[tuple[str, int, int, int, int]],
    told: Told,
    now_ms: int,
    params: CorridorParams,
) -> None:
    """Tell a refusal once a minute, and remember as much as the rate limit needs."""
    what = (request.sender, request.target, action.unit, rule)
    if any(one[:4] == what for one in refused):
        if sum(1 for one in refused if one[0] == request.sender) < params.refusals:
            refused.append((*what, now_ms))
        return
    refused.append((*what, now_ms))
    target = request.target if request.target >= 0 else -1
    proposal = Proposal(target=target, action=action, reason=Reason.REQUEST_REFUSED, cost=0.0, gain=0.0)
    told.append((proposal, Refused(rule)))


def _ended(
    state: SignalState,
    known: Corridors,
    claims: dict[tuple[int, int], Claim],
    renewed: set[tuple[int, int]],
    told: Told,
    now_ms: int,
    params: CorridorParams,
) -> tuple[list[Claim], list[Recovery]]:
    """Return the claims that live on, and the junctions that recover."""
    recoveries = [
        one for one in known.recoveries if now_ms < one.until_ms and int(state.stage[one.junction]) != one.stage
    ]
    living = []
    for key, claim in claims.items():
        gone = key not in renewed and (now_ms >= claim.expires_ms or _is_past(state, claim, now_ms))
        if not gone:
            living.append(claim)
            continue
        told.append(_answer(claim, Reason.REQUEST_ENDED, 0))
        if claim.served_ms >= 0 and claim.exit_stage >= 0:
            until_ms = now_ms + round(params.recover_s * 1000)
            recoveries.append(Recovery(claim.junction, claim.exit_stage, until_ms))
    return living, recoveries


def _is_past(state: SignalState, claim: Claim, now_ms: int) -> bool:
    """Tell whether the unit was seen beyond the stop line."""
    units = state.units
    if units is None or now_ms - int(units.seen_ms[claim.unit]) > _LOST_FROM_SIGHT_MS:
        return False
    edge, edge_m = int(units.edge[claim.unit]), float(units.edge_m[claim.unit])
    if edge == claim.action.from_edge:
        return edge_m > float(state.layout.edges.length_m[edge]) + 5.0
    return edge == claim.action.to_edge or edge not in claim.upstream


def _arbitrated(
    state: SignalState, living: list[Claim], views: Views, now_ms: int, params: CorridorParams
) -> list[tuple[Claim, int]]:
    """Bring every claim up to now and put them in order; the number is its rank at its junction."""
    if not living:
        return []
    traffic = views["traffic"]
    standing = (np.nan_to_num(traffic.speed_mps, nan=99.0) < 2.0).sum(axis=1).astype(np.int32)
    full = full_lanes(standing, state.layout, state.tables.reach_m, params)
    moved = [_looked_at(state, claim, traffic, now_ms, params) for claim in living]
    moved = _later_by_queues(state, moved, now_ms, params)
    moved.sort(key=lambda c: (c.junction, now_ms < c.locked_ms, -c.priority, c.served_ms < 0, c.arrives_ms, c.unit))
    leads = {claim.junction: claim.unit for claim in reversed(moved)}
    ordered: list[tuple[Claim, int]] = []
    for at, claim in enumerate(moved):
        rank = sum(1 for other in moved[:at] if other.junction == claim.junction)
        follower = next((other for other in moved[at + 1 :] if other.junction == claim.junction), None)
        if claim.served_ms < 0:
            shown = int(state.last_stage[claim.junction])
            also = () if follower is None or rank else follower.way.links
            stage = serving_stage(state.tables, claim.way, claim.junction, shown, also, claim.before)
            claim = claim if stage < 0 else replace(claim, stage=stage)
        elif now_ms - claim.served_ms >= params.hold_cap_s * 1000:
            claim = replace(claim, served_ms=-1, locked_ms=now_ms + round(params.lock_s * 1000))
        waits_s = stage_waits_s(state, claim.junction, claim.stage, traffic, now_ms)
        if rank == 0:
            claim = freed(state, claim, waits_s, now_ms, params)
        rule = 0 if rank == 0 else int(Rule.OTHER_FIRST)
        rule = rule or _load_rule(state, claim, full, leads, params)
        rule = rule or (int(Rule.NO_GAP) if without_a_gap(state, claim, params) else 0)
        ordered.append((replace(claim, yields=rule, exit_stage=exit_stage(state, claim, waits_s)), rank))
    return ordered


def _looked_at(state: SignalState, claim: Claim, traffic: Any, now_ms: int, params: CorridorParams) -> Claim:
    """Return the claim with what stands before the unit, what it must give way to, and how far it has come."""
    left_m = distance_m(state, claim)
    worst_s, most = 0.0, 0
    before: list[Before] = []
    for lane in claim.way.approaches:
        ahead = traffic.distance_m[lane] < left_m - 8.0
        before.append(_before(state, traffic, lane, int(ahead.sum())))
        slow = traffic.speed_mps[lane] < params.slow_mps
        count = int((ahead & slow).sum())
        if np.isinf(left_m):
            count += round(float(traffic.hidden_veh[lane]))
        if count:
            worst_s = max(worst_s, params.start_loss_s + count * float(traffic.headway_s[lane]))
            most = max(most, count)
    rivals = rivals_of(state.tables, claim.junction, claim.way.links, claim.stage)
    against_s = opposed_s(state.tables, rivals, traffic, most) if rivals else 0.0
    looked = replace(claim, queue_s=worst_s, opposed_s=against_s, before=tuple(before))
    return come_forward(state, looked, now_ms)


def _before(state: SignalState, traffic: Any, lane: int, count: int) -> Before:
    """Return who is before a unit on a lane, and what they are taken to want."""
    movements = state.tables.assets.movements
    rows = np.flatnonzero(movements.approach == lane)
    share = traffic.share[rows]
    share = share / share.sum() if share.sum() > 0 else np.full(len(rows), 1.0 / max(len(rows), 1))
    return Before(count, tuple(zip(movements.link[rows].tolist(), share.tolist(), strict=True)))


def _later_by_queues(state: SignalState, claims: list[Claim], now_ms: int, params: CorridorParams) -> list[Claim]:
    """Put a unit's arrivals off by what holds it up at the junctions before: nobody clears a street too early."""
    put_off: list[Claim] = []
    late_ms: dict[int, int] = {}
    for claim in sorted(claims, key=lambda c: (c.unit, c.action.arrives_ms)):
        late = late_ms.get(claim.unit, 0)
        arrives_ms = max(claim.action.arrives_ms, now_ms) + late
        shown = int(state.stage[claim.junction])
        change_s = 0.0 if shown == claim.stage else lead_s(replace(claim, queue_s=0.0), state.tables, shown, params)
        free_ms = now_ms + round((change_s + max(claim.queue_s, claim.opposed_s)) * 1000)
        if free_ms > arrives_ms:
            late += free_ms - arrives_ms
        late_ms[claim.unit] = late
        put_off.append(replace(claim, arrives_ms=arrives_ms))
    return put_off


def _load_rule(state: SignalState, claim: Claim, full: BOOL, leads: dict[int, int], params: CorridorParams) -> int:
    """Return the rule by which a corridor yields to the network's load, 0 for none."""
    approaches = state.layout.approaches
    if claim.way.exit_group >= 0:
        onward = np.flatnonzero(approaches.group == claim.way.exit_group)
        led_on = len(onward) > 0 and leads.get(int(approaches.junction[onward[0]])) == claim.unit
        if len(onward) > 0 and bool(full[onward].all()) and not led_on:
            return int(Rule.EXIT_FULL)
    places = state.layout.junctions
    x_m, y_m = places.x_m - places.x_m[claim.junction], places.y_m - places.y_m[claim.junction]
    near = (np.hypot(x_m, y_m) <= params.area_m)[approaches.junction]
    near &= np.minimum(state.tables.reach_m, approaches.zone_m) >= 30.0
    if near.sum() >= 4 and full[near].mean() > params.area_full_frac:
        return int(Rule.NETWORK_FULL)
    return 0


def _with_status(state: SignalState, claim: Claim, rank: int, told: Told, now_ms: int, params: CorridorParams) -> Claim:
    """Return the claim with its status, telling what has changed."""
    shown = int(state.stage[claim.junction])
    near = claim.arrives_ms - now_ms <= lead_s(claim, state.tables, shown, params) * 1000
    status = RequestStatus.PROCESSING
    if now_ms < claim.locked_ms and claim.release >= 0:
        status = RequestStatus.WATCH_OTHER_TRAFFIC
    elif now_ms < claim.locked_ms:
        fresh = claim.locked_ms - now_ms > (params.lock_s - 3.0) * 1000
        status = RequestStatus.MAX_PRESENCE if fresh else RequestStatus.RESERVICE_LOCKED
    elif not claim.yields and (claim.served_ms >= 0 or near):
        units = state.units
        walkers = units is not None and any(
            state.tables.assets.links.junction[link] == claim.junction for link in units.occupied
        )
        clear = shown == claim.stage and not walkers
        status = RequestStatus.GRANTED if clear else RequestStatus.WATCH_OTHER_TRAFFIC
    rule = _told_rule(claim, now_ms)
    before = next((one for one in state.corridors.claims if one.key == claim.key), None)
    was = int(RequestStatus.PROCESSING) if before is None else before.status
    was_rule = 0 if before is None else _told_rule(before, now_ms - 1001)
    if status is RequestStatus.GRANTED and was != status:
        told.append(_answer(claim, Reason.REQUEST_GRANTED, 0))
    elif rule and rule != was_rule:
        told.append(_answer(claim, Reason.REQUEST_WAITS, rule))
    return replace(claim, status=int(status), yields=rule)


def _told_rule(claim: Claim, now_ms: int) -> int:
    """Return the rule by which a claim waits, 0 for none."""
    if now_ms >= claim.locked_ms:
        return claim.yields
    return int(Rule.NO_GAP if claim.release >= 0 else Rule.HOLD_CAP)


def _answer(claim: Claim, reason: Reason, rule: int) -> tuple[Proposal, Verdict]:
    proposal = Proposal(target=claim.junction, action=claim.action, reason=reason, cost=0.0, gain=0.0)
    return proposal, Refused(rule) if rule else Allowed(claim.action)
