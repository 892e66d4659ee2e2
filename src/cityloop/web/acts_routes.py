"""What people do to the running city: rungs, holds, releases, manual plans, the drill."""

from __future__ import annotations

import asyncio
from typing import Any

import msgspec
import numpy as np
from starlette.requests import Request
from starlette.responses import Response

from cityloop.kernel.ladder import Rung
from cityloop.kernel.office import CHANGE_MS, Change, HeldOrder, RungSet
from cityloop.web.access import Principal
from cityloop.web.answers import ApiError, answer, body_of
from cityloop.web.policy import ENGINEER
from cityloop.web.ports import Desk
from cityloop.web.signals_routes import hold_item
from cityloop.web.steering import place, rung_of, steer

__all__ = [
    "HANDLERS", "HoldBody", "RungBody", "ask_change", "change_item", "check_hold", "check_rung", "place_hold",
    "set_rung",
]  # fmt: skip

_RUNGS = {rung.name.lower(): rung for rung in Rung}
_LONGEST_HOLD_S = 900
_BULK = 3
"""More junctions than this at once take two people."""


class RungBody(msgspec.Struct, forbid_unknown_fields=True):
    """A rung for a district, or for all."""

    domain: str
    district: str
    rung: str
    expires_in_s: int | None = None
    why: str = ""


class HoldBody(msgspec.Struct, forbid_unknown_fields=True):
    """An act at one junction, or the same at several."""

    kind: str
    junction: int | None = None
    junctions: tuple[int, ...] = ()
    stage: int | None = None
    stages: tuple[tuple[int, float], ...] = ()
    expires_in_s: int = 120
    why: str = ""
    replace: str | None = None
    decision: str | None = None


class DrillBody(msgspec.Struct, forbid_unknown_fields=True):
    """For how long the plug is out."""

    seconds: int = 30


async def ladder(desk: Desk, request: Request, who: Principal) -> Response:
    """Tell every rung."""
    return answer({"rungs": _rungs(desk)})


def _rungs(desk: Desk) -> list[dict[str, Any]]:
    kept = {(rung.domain, rung.district): rung for rung in desk.holds.rungs()}
    found = []
    shown, state = desk.board.column("stage"), desk.board.column("state")
    for domain in desk.city.acting:
        for district in desk.city.districts:
            rung = kept.get((domain, district.id))
            agreement = desk.drill.get("agreement", {}).get(district.id)
            rows = [row for row in district.junctions if row < len(state)]
            leased = int(((state[rows] & 3) == 1).sum()) if len(rows) and len(shown) else 0
            found.append(
                {
                    "domain": domain,
                    "district": district.id,
                    "name": district.name,
                    "junctions": len(district.junctions),
                    "rung": rung_of(desk, domain, district.id).name.lower(),
                    "since_ms": rung.since_ms if rung else None,
                    "by": rung.by if rung else None,
                    "expires_at_ms": rung.expires_at_ms if rung else None,
                    "agreement": agreement,
                    "leased": leased,
                }
            )
    return found


async def set_ladder(desk: Desk, request: Request, who: Principal) -> Response:
    """Set a rung; all districts to live at once takes two people."""
    body = await body_of(request, RungBody)
    request.state.target = f"{body.domain}/{body.district}"
    request.state.detail = msgspec.to_builtins(body)
    rung = check_rung(desk, body)
    if rung is Rung.LIVE and ENGINEER not in who.roles:
        raise ApiError(403, "role", "setting live takes an engineer; an operator may set shadow or advise")
    if body.district == "*" and rung is Rung.LIVE and len(desk.city.districts) > 1:
        change = await ask_change(desk, "ladder", msgspec.to_builtins(body), body.why, who)
        return answer({"change": change}, 202)
    if body.district == "*":
        for district in desk.city.districts:
            who.require_district(district.id)
    else:
        who.require_district(body.district)
    await set_rung(desk, body, who.name)
    return answer({"rungs": _rungs(desk)})


def check_rung(desk: Desk, body: RungBody) -> Rung:
    """Refuse a rung that cannot be."""
    if body.rung not in _RUNGS:
        raise ApiError(422, "invalid", f"rung: {body.rung!r} is not one of {', '.join(_RUNGS)}", field="rung")
    if body.domain not in desk.city.acting:
        known = ", ".join(desk.city.acting)
        raise ApiError(422, "invalid", f"domain: {body.domain!r} does not act; these do: {known}", field="domain")
    if body.district != "*" and body.district not in {d.id for d in desk.city.districts}:
        raise ApiError(422, "invalid", f"district: there is no {body.district[:40]!r}", field="district")
    if body.expires_in_s is not None and not 10 <= body.expires_in_s <= 30 * 86_400:
        raise ApiError(422, "invalid", "expires_in_s: give 10 s to 30 days, or null", field="expires_in_s")
    return _RUNGS[body.rung]


async def set_rung(desk: Desk, body: RungBody, by: str) -> None:
    """Keep a rung and tell the running city."""
    now_ms = desk.now_ms()
    for district in desk.city.districts:
        if body.district in ("*", district.id):
            expires = None if body.expires_in_s is None else now_ms + body.expires_in_s * 1000
            kept = RungSet(
                domain=body.domain,
                district=district.id,
                rung=int(_RUNGS[body.rung]),
                since_ms=now_ms,
                by=by,
                expires_at_ms=expires,
            )
            desk.holds.set_rung(kept)
    await steer(desk)
    desk.events.send("ladder", {"domain": body.domain, "district": body.district, "rung": body.rung, "by": by})


async def holds(desk: Desk, request: Request, who: Principal) -> Response:
    """List operators' acts."""
    now_ms = desk.now_ms()
    return answer({"items": [hold_item(desk, one, now_ms) for one in desk.holds.orders(limit=200)], "next": None})


async def place_holds(desk: Desk, request: Request, who: Principal) -> Response:
    """Place an act; many junctions at once take two people."""
    body = await body_of(request, HoldBody)
    rows = body.junctions or (() if body.junction is None else (body.junction,))
    request.state.target = ",".join(map(str, rows))[:100]
    request.state.detail = msgspec.to_builtins(body)
    for row in rows:
        check_hold(desk, body, row)
        who.require_district(desk.city.district_of(row))
    if not rows:
        raise ApiError(422, "invalid", "junction: name one", field="junction")
    if len(rows) > _BULK:
        change = await ask_change(desk, "holds", msgspec.to_builtins(body), body.why, who)
        return answer({"change": change}, 202)
    items = [await place_hold(desk, body, row, who.name) for row in rows]
    return answer(items[0] if len(items) == 1 else {"items": items}, 201)


def check_hold(desk: Desk, body: HoldBody, row: int) -> None:
    """Refuse an act that cannot be, before anything is kept."""
    layout = desk.city.layout
    if not 0 <= row < len(layout.junctions.x_m):
        raise ApiError(422, "invalid", f"junction: there is no row {row}", field="junction")
    if body.kind not in ("hold", "release", "plan", "advice"):
        raise ApiError(422, "invalid", f"kind: {body.kind[:20]!r} is not hold, release, plan or advice", field="kind")
    if not 5 <= body.expires_in_s <= _LONGEST_HOLD_S:
        message = f"expires_in_s: {body.expires_in_s} s; give 5 to {_LONGEST_HOLD_S}"
        raise ApiError(422, "invalid", message, field="expires_in_s")
    if len(body.why) > 500:
        raise ApiError(422, "invalid", "why: at most 500 characters", field="why")
    assets = layout.tables["signals"]
    c = assets.controllers
    first, n = int(c.stage_begin[row]), int(c.stage_end[row] - c.stage_begin[row])
    asked: list[int | None] = [body.stage] if body.kind == "hold" else [stage for stage, _ in body.stages]
    if body.kind == "plan" and not 1 <= len(body.stages) <= 20:
        raise ApiError(422, "invalid", "stages: give 1 to 20 pairs of stage and green", field="stages")
    for stage in asked:
        if stage is None or not 0 <= stage < n:
            message = f"stage: junction {row} has stages 0 to {n - 1}, not {stage}"
            raise ApiError(422, "invalid", message, field="stage")
        if not assets.stages.service[first + stage]:
            raise ApiError(422, "invalid", f"stage: {stage} is a clearance stage and never served", field="stage")
    for stage, green_s in body.stages:
        least = float(assets.stages.min_green_s[first + stage])
        if not least <= green_s <= 120:
            raise ApiError(422, "invalid", f"stages: stage {stage} takes {least:g} to 120 s of green", field="stages")


async def place_hold(desk: Desk, body: HoldBody, row: int, by: str) -> dict[str, Any]:
    """Place one act; two people on the same junction see one another."""
    now_ms = desk.step_ms()
    for other in desk.holds.orders(now_ms=now_ms):
        if other.domain == "signals" and other.target == row and other.id != body.replace:
            if other.by != by:
                message = f"{other.by} has a {other.kind} on this junction; lift it, or send replace: {other.id!r}"
                raise ApiError(409, "held_by_other", message, hold=hold_item(desk, other, now_ms))
            desk.holds.lift(other.id, by, now_ms)
    if body.replace:
        desk.holds.lift(body.replace, by, now_ms)
    stages = body.stages
    if body.kind == "hold" and body.stage is not None:
        stages = ((body.stage, 0.0),)
    elif body.kind == "advice":
        stages = ((await _advised_stage(desk, body, row), 0.0),)
    order = HeldOrder(
        id="",
        domain="signals",
        kind=body.kind,
        target=row,
        stages=stages,
        by=by,
        why=body.why,
        placed_at_ms=now_ms,
        expires_at_ms=now_ms + body.expires_in_s * 1000,
        answer={},
    )
    kept, told = await place(desk, order)
    return {**hold_item(desk, kept, now_ms), **told}


async def _advised_stage(desk: Desk, body: HoldBody, row: int) -> int:
    from cityloop.web.why import Filter, decisions_between, read_window

    head, _, rest = (body.decision or "").partition(".")
    if not head.isdigit() or rest != f"signals.{row}":
        raise ApiError(422, "invalid", "decision: name a decision of this junction", field="decision")

    def work() -> list[dict[str, Any]]:
        window = read_window(desk.trace, int(head), int(head), 0.0)
        return decisions_between(desk.city, window, Filter(begin_ms=int(head), end_ms=int(head), id=body.decision), 1)

    found = await asyncio.to_thread(work)
    if not found or desk.now_ms() - int(head) > 60_000:
        raise ApiError(409, "stale", "decision: that advice is older than a minute; take a newer one", field="decision")
    return int(found[0]["action"]["stage"])


async def lift(desk: Desk, request: Request, who: Principal) -> Response:
    """End an act early."""
    request.state.target = request.path_params["id"]
    order = desk.holds.order(request.path_params["id"])
    if order is None:
        raise ApiError(404, "not_found", "there is no such act")
    for district in desk.city.districts:
        # A unit or a truck belongs to no district.
        if order.domain != "signals" or order.target in district.junctions:
            who.require_district(district.id)
    now_ms = desk.now_ms()
    if not desk.holds.lift(order.id, who.name, now_ms):
        raise ApiError(409, "over", "the act has ended already")
    await steer(desk)
    desk.events.send("hold", {"id": order.id, "junction": order.target, "status": "lifted", "by": who.name})
    found = desk.holds.order(order.id)
    return answer(hold_item(desk, found, desk.now_ms()))


async def drill_read(desk: Desk, request: Request, who: Principal) -> Response:
    """Tell how the junctions take the drill."""
    return answer(_drill(desk))


def _drill(desk: Desk) -> dict[str, Any]:
    state = desk.board.column("state")
    now_ms = desk.now_ms()
    until_ms = int(desk.drill.get("until_ms", 0))
    return {
        "active": now_ms < until_ms,
        "began_ms": desk.drill.get("began_ms"),
        "until_ms": until_ms or None,
        "by": desk.drill.get("by"),
        "own_plan": int(((state & 3) == 0).sum()),
        "leased": int(((state & 3) == 1).sum()),
        "handing_back": int(((state & 3) == 2).sum()),
        "junctions": len(state),
        "after_s": desk.drill.get("after_s", {}),
        "back_after_s": desk.drill.get("back_after_s", {}),
    }


async def drill_begin(desk: Desk, request: Request, who: Principal) -> Response:
    """Pull the plug."""
    body = await body_of(request, DrillBody)
    if not 5 <= body.seconds <= 120:
        raise ApiError(422, "invalid", f"seconds: {body.seconds}; give 5 to 120", field="seconds")
    now_ms = desk.now_ms()
    if now_ms < int(desk.drill.get("until_ms", 0)):
        raise ApiError(409, "active", "a drill is under way")
    request.state.target, request.state.detail = "brain", {"seconds": body.seconds}
    leased = np.flatnonzero((desk.board.column("state") & 3) == 1).tolist()
    desk.drill.update(
        began_ms=now_ms, until_ms=now_ms + body.seconds * 1000, by=who.name, leased=leased, after_s={}, back_after_s={}
    )
    await steer(desk)
    desk.events.send("drill", _drill(desk))
    return answer(_drill(desk), 201)


async def drill_end(desk: Desk, request: Request, who: Principal) -> Response:
    """Put the plug back."""
    request.state.target = "brain"
    desk.drill["until_ms"] = min(int(desk.drill.get("until_ms", 0)), desk.now_ms())
    await steer(desk)
    desk.events.send("drill", _drill(desk))
    return answer(_drill(desk))


async def ask_change(desk: Desk, kind: str, body: Any, why: str, who: Principal) -> dict[str, Any]:
    """Keep something that takes two people until another seconds it."""
    now_ms = desk.now_ms()
    change = desk.holds.ask(
        Change(
            id="",
            kind=kind,
            body=body,
            why=why,
            by=who.name,
            asked_at_ms=now_ms,
            expires_at_ms=now_ms + CHANGE_MS,
            status="waiting",
        )
    )
    told = change_item(change)
    desk.events.send("change", told)
    return told


def change_item(change: Change) -> dict[str, Any]:
    """Return a change in words."""
    return {
        "id": change.id,
        "kind": change.kind,
        "body": change.body,
        "why": change.why,
        "by": change.by,
        "asked_at_ms": change.asked_at_ms,
        "expires_at_ms": change.expires_at_ms,
        "status": change.status,
        "second": change.second,
        "settled_at_ms": change.settled_at_ms,
    }


HANDLERS = {
    "ladder.read": ladder,
    "ladder.set": set_ladder,
    "holds.list": holds,
    "holds.place": place_holds,
    "holds.lift": lift,
    "drill.read": drill_read,
    "drill.begin": drill_begin,
    "drill.end": drill_end,
}
