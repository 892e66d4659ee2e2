"""Changes that take two people: minimums, conflict tables, and the same act in many places at once."""

from __future__ import annotations

from typing import Any

import msgspec
import orjson
from starlette.requests import Request
from starlette.responses import Response

from cityloop.web.access import Principal
from cityloop.web.acts_routes import (
    HoldBody,
    RungBody,
    ask_change,
    change_item,
    check_hold,
    check_rung,
    place_hold,
    set_rung,
)
from cityloop.web.answers import ApiError, answer, body_of
from cityloop.web.policy import ENGINEER
from cityloop.web.ports import Desk
from cityloop.web.steering import STRICTER, steer

__all__ = ["HANDLERS"]


class ChangeBody(msgspec.Struct, forbid_unknown_fields=True):
    """What is asked for."""

    kind: str
    body: dict[str, Any]
    why: str


class MinimumBody(msgspec.Struct, forbid_unknown_fields=True):
    """A longer least green of a stage."""

    junction: int
    stage: int
    min_green_s: float


class ConflictBody(msgspec.Struct, forbid_unknown_fields=True):
    """Two links of a junction that must not be green together."""

    junction: int
    links: tuple[int, int]


_BODIES: dict[str, type] = {
    "minimums": MinimumBody,
    "conflicts": ConflictBody,
    "ladder": RungBody,
    "holds": HoldBody,
}


async def listed(desk: Desk, request: Request, who: Principal) -> Response:
    """List changes."""
    return answer({"items": [change_item(change) for change in desk.holds.changes()], "next": None})


async def ask(desk: Desk, request: Request, who: Principal) -> Response:
    """Ask for a change; nothing happens until somebody else seconds it."""
    body = await body_of(request, ChangeBody)
    request.state.target, request.state.detail = body.kind, msgspec.to_builtins(body)
    if not body.why.strip():
        raise ApiError(422, "invalid", "why: say why, for whoever is to second it", field="why")
    _checked(desk, body.kind, body.body)
    return answer({"change": await ask_change(desk, body.kind, body.body, body.why, who)}, 202)


async def approve(desk: Desk, request: Request, who: Principal) -> Response:
    """Second a change, which then happens."""
    change = _waiting(desk, request, who)
    if change.kind in ("minimums", "conflicts") and ENGINEER not in who.roles:
        raise ApiError(403, "role", f"seconding {change.kind} takes an engineer")
    typed = _checked(desk, change.kind, change.body)
    if not desk.holds.settle(change.id, "approved", who.name, desk.now_ms()):
        raise ApiError(409, "over", "the change was settled meanwhile")
    by = f"{change.by} and {who.name}"
    items: list[dict[str, Any]] = []
    if isinstance(typed, RungBody):
        await set_rung(desk, typed, by)
    elif isinstance(typed, HoldBody):
        items = [await place_hold(desk, typed, row, by) for row in typed.junctions]
    else:
        _keep_stricter(desk, typed)
        await steer(desk)
    settled = desk.holds.change(change.id)
    assert settled is not None
    told = change_item(settled)
    desk.events.send("change", told)
    return answer({"change": told, "items": items})


async def reject(desk: Desk, request: Request, who: Principal) -> Response:
    """Turn a change down; whoever asked may take it back."""
    change = _waiting(desk, request, who, own=True)
    desk.holds.settle(change.id, "rejected", who.name, desk.now_ms())
    settled = desk.holds.change(change.id)
    assert settled is not None
    desk.events.send("change", change_item(settled))
    return answer({"change": change_item(settled)})


def _waiting(desk: Desk, request: Request, who: Principal, own: bool = False) -> Any:
    change_id = request.path_params["id"]
    request.state.target = change_id
    change = desk.holds.change(change_id)
    if change is None:
        raise ApiError(404, "not_found", "there is no such change")
    if change.status != "waiting" or desk.now_ms() >= change.expires_at_ms:
        raise ApiError(409, "over", f"the change is {change.status}, or has lapsed")
    if change.by == who.name and not own:
        raise ApiError(403, "same_person", "a change is seconded by another person than the one who asked")
    return change


def _checked(desk: Desk, kind: str, body: Any) -> Any:
    """Return the typed body of a change, or say what is wrong with it."""
    if kind not in _BODIES:
        raise ApiError(422, "invalid", f"kind: {kind[:20]!r} is not one of {', '.join(_BODIES)}", field="kind")
    try:
        typed: Any = msgspec.convert(body, _BODIES[kind])
    except msgspec.ValidationError as error:
        raise ApiError(422, "invalid", f"body: {error}", field="body") from error
    if isinstance(typed, RungBody):
        check_rung(desk, typed)
    elif isinstance(typed, HoldBody):
        for row in typed.junctions:
            check_hold(desk, typed, row)
        if not typed.junctions:
            raise ApiError(422, "invalid", "body.junctions: name some", field="body")
    else:
        _check_stricter(desk, typed)
    return typed


def _check_stricter(desk: Desk, typed: MinimumBody | ConflictBody) -> None:
    assets = desk.city.layout.tables["signals"]
    c = assets.controllers
    if not 0 <= typed.junction < len(c.link_begin):
        raise ApiError(422, "invalid", f"junction: there is no row {typed.junction}", field="body")
    j = typed.junction
    if isinstance(typed, MinimumBody):
        n = int(c.stage_end[j] - c.stage_begin[j])
        if not 0 <= typed.stage < n:
            raise ApiError(422, "invalid", f"stage: give 0 to {n - 1}", field="body")
        shipped = float(assets.stages.min_green_s[int(c.stage_begin[j]) + typed.stage])
        if not shipped <= typed.min_green_s <= 60:
            message = f"min_green_s: {typed.min_green_s:g}; give {shipped:g} (the network's own) to 60"
            raise ApiError(422, "invalid", message, field="body")
        return
    n = int(c.link_end[j] - c.link_begin[j])
    a, b = typed.links
    if a == b or not (0 <= a < n and 0 <= b < n):
        raise ApiError(422, "invalid", f"links: give two different links of 0 to {n - 1}", field="body")


def _keep_stricter(desk: Desk, typed: MinimumBody | ConflictBody) -> None:
    kept = orjson.loads(desk.holds.setting(STRICTER) or "{}")
    if isinstance(typed, MinimumBody):
        rows = [row for row in kept.get("minimums", []) if row[:2] != [typed.junction, typed.stage]]
        kept["minimums"] = [*rows, [typed.junction, typed.stage, typed.min_green_s]]
    else:
        row = [typed.junction, *sorted(typed.links)]
        kept["conflicts"] = [*(one for one in kept.get("conflicts", []) if one != row), row]
    desk.holds.keep_setting(STRICTER, orjson.dumps(kept).decode())


HANDLERS = {
    "changes.list": listed,
    "changes.ask": ask,
    "changes.approve": approve,
    "changes.reject": reject,
}
