"""What people do to the services: send another unit than the one recommended, look at a new plan before it is made.

Both go the way of every act: guarded, journalled, recorded with who and why. A person's own act passes the ladder on
every rung; the guard it never passes by.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping
from typing import Any

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from cityloop.kernel.errors import InputError
from cityloop.kernel.ladder import OPERATOR_REASONS, GateRule, gate_rule_of
from cityloop.kernel.office import HeldOrder
from cityloop.web.access import Principal
from cityloop.web.answers import ApiError, answer, body_of, number
from cityloop.web.ports import Desk
from cityloop.web.round_question import question_of
from cityloop.web.service_routes import published
from cityloop.web.signals_routes import hold_item
from cityloop.web.steering import answer_of, steer
from cityloop.wire.live import Tick

__all__ = ["HANDLERS"]

_TICK = msgspec.msgpack.Decoder(Tick)
_TURN_S = 3.0
"""A service decides at its next tick: nobody waits longer for what the guard said."""
_SEND_IN_FORCE_MS = 600_000
_REPLAN_IN_FORCE_MS = 30_000
_OLDEST_MS = 60_000
"""A plan that was proposed longer ago is looked for anew."""


class SendBody(msgspec.Struct, forbid_unknown_fields=True):
    """Which unit goes to which call, and why not the one recommended."""

    call: int
    unit: int
    why: str


class ReplanBody(msgspec.Struct, forbid_unknown_fields=True):
    """Which proposed plan is to be made."""

    decision: str
    why: str = ""


async def send_unit(desk: Desk, request: Request, who: Principal) -> Response:
    """Send a unit of one's own choice to a call."""
    body = await body_of(request, SendBody)
    request.state.target, request.state.detail = f"unit {body.unit}", msgspec.to_builtins(body)
    _every_district(desk, who)
    if not body.why.strip() or len(body.why) > 500:
        raise ApiError(422, "invalid", "why: say in 1 to 500 characters why this unit", field="why")
    tables = _tables(desk, "emergency")
    calls, units = tables["calls"], tables["units"]
    if body.call not in calls["number"]["values"]:
        raise ApiError(409, "over", f"call: no call {body.call} is open", field="call")
    if not 0 <= body.unit < len(units["status"]["values"]):
        raise ApiError(422, "invalid", f"unit: there is no unit {body.unit}", field="unit")
    if units["call"]["values"][body.unit] == body.call:
        raise ApiError(409, "already", f"unit: it goes to call {body.call} already; choose another", field="unit")
    now_ms = desk.step_ms()
    for other in desk.holds.orders(now_ms=now_ms):
        # Of two acts on one unit or one call the later counts; both are in the audit log.
        if other.domain == "emergency" and (other.target == body.unit or other.stages[0][0] == body.call):
            desk.holds.lift(other.id, who.name, now_ms)
    order = HeldOrder(
        id="", domain="emergency", kind="send", target=body.unit, stages=((body.call, 0.0),), by=who.name, why=body.why,
        placed_at_ms=now_ms, expires_at_ms=now_ms + _SEND_IN_FORCE_MS, answer={},
    )  # fmt: skip
    return await _placed(desk, order, who)


async def preview(desk: Desk, request: Request, who: Principal) -> Response:
    """Tell what a new plan of the round would change, before anybody makes it."""
    if desk.rounds is None:
        raise ApiError(404, "not_found", "no refuse rounds run here")
    tables = _tables(desk, "refuse")
    names = desk.city.layout.names.get("trucks", ())
    waits: dict[str, Any] | None = None
    if request.query_params.get("truck"):
        truck = number(request, "truck", 0, 0, max(len(names) - 1, 0))
        asked = question_of(tables, desk.rounds.capacity_kg, truck)
        if asked is None:
            raise ApiError(409, "nothing", f"truck: {names[truck]} has no stops left to hand over", field="truck")
    else:
        waits = await asyncio.to_thread(_waiting_plan, desk)
        if waits is None:
            return answer({"waits": None, "change": None})
        asked = waits["action"]
    if desk.previewing:
        raise ApiError(409, "busy", "a preview is being made for somebody; try again in a moment")
    desk.previewing = True
    try:
        change = await asyncio.to_thread(desk.rounds.preview, asked)
    except InputError as error:
        raise ApiError(409, "no_plan", str(error)) from error
    finally:
        desk.previewing = False
    told = None if waits is None else {"decision": waits["id"], "reason": waits["reason"]}
    return answer({"waits": told, "change": change})


async def replan(desk: Desk, request: Request, who: Principal) -> Response:
    """Have a plan made that the brain proposed and the ladder held back."""
    body = await body_of(request, ReplanBody)
    request.state.target, request.state.detail = body.decision[:60], msgspec.to_builtins(body)
    _every_district(desk, who)
    found = await asyncio.to_thread(_waiting_plan, desk)
    if found is None or found["version"] != body.decision.rpartition("/")[2]:
        raise ApiError(409, "stale", "decision: no such plan waits any more; look again", field="decision")
    now_ms = desk.step_ms()
    order = HeldOrder(
        id="", domain="refuse", kind="replan", target=0, stages=((found["decided_at_ms"], 0.0),), by=who.name,
        why=body.why[:500], placed_at_ms=now_ms, expires_at_ms=now_ms + _REPLAN_IN_FORCE_MS, answer={},
    )  # fmt: skip
    return await _placed(desk, order, who)


async def _placed(desk: Desk, order: HeldOrder, who: Principal) -> Response:
    """Keep an order, have it heeded, and say what the guard said; what it refused is not kept on trying."""
    kept = desk.holds.place(order)
    told = answer_of(await _decided(desk, kept), kept.domain, kept.target, desk.now_ms(), 0, by=OPERATOR_REASONS.start)
    desk.holds.answered(kept.id, told)
    if told.get("verdict") == "refused":
        desk.holds.lift(kept.id, who.name, desk.now_ms())
        await steer(desk)
        rule = told["bound_by"]
        raise ApiError(409, "guard", f"the guard refused it: {told.get('rule_text') or rule}", rule=rule)
    desk.events.send("hold", {"id": kept.id, "kind": kept.kind, "by": kept.by, **told})
    return answer({**hold_item(desk, kept, desk.now_ms()), **told}, 201)


async def _decided(desk: Desk, order: HeldOrder) -> Tick | None:
    """Wait for the tick that decides an order; None when none did in time."""
    await steer(desk)
    until_s = time.monotonic() + _TURN_S
    while time.monotonic() < until_s:
        tick = desk.newest()
        if tick is not None and any(_is_of(record, order) for record in tick.decisions):
            return tick
        await desk.board.later_than(desk.board.number, until_s - time.monotonic())
    return None


def _is_of(record: bytes, order: HeldOrder) -> bool:
    raw = msgspec.msgpack.decode(record)
    proposal = raw["proposal"]
    return (
        raw["domain"] == order.domain
        and proposal["target"] == order.target
        and proposal["reason"] in OPERATOR_REASONS
        and raw["decided_at_ms"] >= order.placed_at_ms
    )


def _waiting_plan(desk: Desk) -> dict[str, Any] | None:
    """Return the newest plan of a round that the brain proposed and the ladder held back for a person."""
    now_ms = desk.now_ms()
    found: dict[str, Any] | None = None
    for payload in desk.trace.between(now_ms - _OLDEST_MS, now_ms + 1000):
        for record in _TICK.decode(payload).decisions:
            raw: Mapping[str, Any] = msgspec.msgpack.decode(record)
            action, rule = raw["proposal"]["action"], raw["verdict"].get("rule")
            if raw["domain"] != "refuse" or not isinstance(action, dict) or action.get("type") != "PlanRound":
                continue
            held = rule is not None and gate_rule_of(rule)[0] is GateRule.ADVISE
            found = _waiting(raw, action) if held else None
    return found


def _waiting(raw: Mapping[str, Any], action: dict[str, Any]) -> dict[str, Any]:
    version = f"{action['round']}.{action['version']}"
    return {
        "id": f"{raw['decided_at_ms']}.refuse.0/{version}",
        "version": version,
        "decided_at_ms": raw["decided_at_ms"],
        "reason": action["reason"],
        "action": action,
    }


def _tables(desk: Desk, domain: str) -> dict[str, Any]:
    found = published(desk, domain)
    if found is None:
        raise ApiError(404, "not_found", f"no {domain} service runs here, or it has not spoken yet")
    return {name: table["columns"] for name, table in found["tables"].items()}


def _every_district(desk: Desk, who: Principal) -> None:
    """Refuse who is not of every district: a unit or a truck belongs to none."""
    for district in desk.city.districts:
        who.require_district(district.id)


HANDLERS = {"dispatch.send": send_unit, "refuse.preview": preview, "refuse.replan": replan}
