"""Junctions: what they show, what was planned, and what came of it."""

from __future__ import annotations

import asyncio
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from cityloop.kernel.ladder import Rung
from cityloop.web.access import Principal
from cityloop.web.answers import ApiError, answer, instant, number
from cityloop.web.calibration import calibration, told_share
from cityloop.web.corridor import corridor_of
from cityloop.web.cycles import cycles_of, stage_changes
from cityloop.web.ports import Desk
from cityloop.web.steering import rung_of
from cityloop.web.why import Filter, decisions_between, read_window

__all__ = ["HANDLERS", "hold_item"]

_MODES = ("own plan", "leased", "handing back", "unknown")
_LONGEST_HISTORY_MS = 2 * 3_600_000
MAX_RED_S = 120


_TARGETS = {"emergency": "units", "refuse": "trucks"}


def hold_item(desk: Desk, order: Any, now_ms: int) -> dict[str, Any]:
    """Return an operator's act in words."""
    status = "active" if order.active(now_ms) else "lifted" if order.lifted_at_ms is not None else "expired"
    signals = order.domain == "signals"
    labels = desk.city.shapes.junction_labels if signals else desk.city.layout.names.get(_TARGETS[order.domain], ())
    return {
        "id": order.id,
        "domain": order.domain,
        "kind": order.kind,
        "junction": order.target if signals else None,
        "call": order.stages[0][0] if order.kind == "send" else None,
        "label": labels[order.target] if order.target < len(labels) else str(order.target),
        "district": desk.city.district_of(order.target) if signals else "",
        "stage": order.stages[0][0] if order.kind in ("hold", "advice") and order.stages else None,
        "stages": [list(one) for one in order.stages],
        "by": order.by,
        "why": order.why,
        "placed_at_ms": order.placed_at_ms,
        "expires_at_ms": order.expires_at_ms,
        "lifted_by": order.lifted_by,
        "status": status,
        "receipt": order.answer.get("receipt"),
        "bound_by": order.answer.get("bound_by"),
        "verdict": order.answer.get("verdict"),
    }


def _rungs(desk: Desk) -> dict[str, Rung]:
    """Return the rung in force by district: the ladder's own, of which the picture may be a step behind."""
    return {district.id: rung_of(desk, "signals", district.id) for district in desk.city.districts}


def _summary(desk: Desk, row: int, holds: dict[int, Any], rungs: dict[str, Rung]) -> dict[str, Any]:
    board, city = desk.board, desk.city
    c = city.layout.tables["signals"].controllers if "signals" in city.layout.tables else None

    def cell(name: str, at: int) -> int | None:
        column = board.column(name)
        return int(column[at]) if at < len(column) else None

    state = cell("state", row) or 0
    stage = cell("stage", row)
    queue = seen = None
    if c is not None:
        span = slice(int(c.approach_begin[row]), int(c.approach_end[row]))
        queue, seen = int(board.column("standing")[span].sum()), int(board.column("seen")[span].sum())
    return {
        "row": row,
        "name": city.layout.names["junctions"][row],
        "label": city.shapes.junction_labels[row],
        "district": city.district_of(row),
        "stage": None if stage is None else -1 if stage == 255 else stage,
        "stage_s": cell("stage_s", row),
        "mode": _MODES[state & 3],
        "rung": rungs.get(city.district_of(row), Rung.SHADOW).name.lower(),
        "hold": holds.get(row),
        "sensing": "dead" if state & 16 else "ok",
        "longest_red_s": cell("red_s", row),
        "queue_veh": queue,
        "seen_veh": seen,
        "last_decision_id": None,
        "reason": None,
    }


def _active_holds(desk: Desk) -> dict[int, Any]:
    now_ms = desk.now_ms()
    return {
        order.target: hold_item(desk, order, now_ms)
        for order in reversed(desk.holds.orders(now_ms=now_ms))
        if order.domain == "signals"
    }


def _row(desk: Desk, row: int) -> int:
    if not 0 <= row < len(desk.city.layout.junctions.x_m):
        count = len(desk.city.layout.junctions.x_m)
        raise ApiError(404, "not_found", f"there is no junction {row}; there are rows 0 to {count - 1}")
    return row


async def listed(desk: Desk, request: Request, who: Principal) -> Response:
    """List every junction's state, with its newest decision."""
    holds, rungs = _active_holds(desk), _rungs(desk)
    items = [_summary(desk, row, holds, rungs) for row in range(len(desk.city.layout.junctions.x_m))]
    now_ms = desk.now_ms()
    for decision in await _decisions(desk, Filter(begin_ms=now_ms - 3000, end_ms=now_ms, domain="signals"), 5000):
        item = items[decision["target"]]
        if item["last_decision_id"] is None:
            item["last_decision_id"], item["reason"] = decision["id"], decision["reason"]["text"]
            item["proposed_stage"] = decision["action"].get("stage")
    return answer({"items": items, "next": None, "at_ms": now_ms})


async def read(desk: Desk, request: Request, who: Principal) -> Response:
    """Tell everything about one junction."""
    row = _row(desk, request.path_params["row"])
    found = _summary(desk, row, _active_holds(desk), _rungs(desk))
    now_ms, layout = desk.now_ms(), desk.city.layout
    assets = layout.tables.get("signals")
    if assets is not None:
        c = assets.controllers
        lo, hi = int(c.link_begin[row]), int(c.link_end[row])
        stages = []
        for local in range(int(c.stage_end[row] - c.stage_begin[row])):
            at = int(c.lamps_begin[row]) + local * (hi - lo)
            stage = int(c.stage_begin[row]) + local
            stages.append(
                {
                    "local": local,
                    "service": bool(assets.stages.service[stage]),
                    "min_green_s": float(assets.stages.min_green_s[stage]),
                    "lamps": assets.lamps[at : at + hi - lo].tolist(),
                }
            )
        found["stages"] = stages
        approaches = []
        standing, seen, age = (desk.board.column(name) for name in ("standing", "seen", "age_ds"))
        for approach in range(int(c.approach_begin[row]), int(c.approach_end[row])):
            edge = int(layout.lanes.edge[layout.approaches.lane[approach]])
            lane = layout.names["lanes"][int(layout.approaches.lane[approach])] if "lanes" in layout.names else ""
            known = approach < len(seen)
            approaches.append(
                {
                    "row": approach,
                    "lane": lane,
                    "street": desk.city.shapes.streets[edge],
                    "queue_veh": int(standing[approach]) if known else None,
                    "seen_veh": int(seen[approach]) if known else None,
                    "age_s": float(age[approach]) / 10 if known else None,
                }
            )
        found["approaches"] = approaches
        calls = desk.board.column("calls")
        found["crossings"] = [
            {"link": link - lo, "waiting": bool(calls[link]) if link < len(calls) else False}
            for link in range(lo, hi)
            if assets.links.kind[link] == 1
        ]
    wanted = Filter(begin_ms=now_ms - 5000, end_ms=now_ms, target=row, domain="signals")
    newest = await _decisions(desk, wanted, 1)
    found["decision"] = newest[0] if newest else None
    found["advice"] = newest[0] if newest and newest[0]["rung"] == "advise" else None
    found["limits"] = {"max_red_s": MAX_RED_S, "lease_s": desk.city.lease_s, "sensing_dead_s": 3}
    return answer(found)


async def history(desk: Desk, request: Request, who: Principal) -> Response:
    """Tell what a junction showed, proposed and saw over a span."""
    row = _row(desk, request.path_params["row"])
    begin_ms, end_ms = _span(desk, request, 900_000)
    return answer(await asyncio.to_thread(_history, desk, row, begin_ms, end_ms))


def _history(desk: Desk, row: int, begin_ms: int, end_ms: int) -> dict[str, Any]:
    window = read_window(desk.trace, begin_ms, end_ms, 0.0)
    ticks = [tick for tick in window.ticks if tick.at_ms <= end_ms and "stage" in tick.arrays]
    steps = [tick for tick in ticks if not tick.at_once]
    c = desk.city.layout.tables["signals"].controllers
    approaches = list(range(int(c.approach_begin[row]), int(c.approach_end[row])))
    stages = stage_changes(steps, row)
    arrivals = [[t.at_ms, a, t.arrays["left"][a]] for t in steps for a in approaches if t.arrays["left"][a]]
    proposed: list[list[int]] = []
    wanted = Filter(begin_ms=begin_ms, end_ms=end_ms, target=row, domain="signals")
    for decision in reversed(decisions_between(desk.city, window, wanted, 20_000)):
        stage = decision["action"].get("stage", -1)
        if not proposed or proposed[-1][1] != stage:
            proposed.append([decision["decided_at_ms"], stage])
    stride = max(1, len(steps) // 600)
    return {
        "begin_ms": begin_ms,
        "end_ms": end_ms,
        "stages": stages,
        "proposed": proposed,
        "arrivals": arrivals,
        "queues": {
            "at_ms": [t.at_ms for t in steps[::stride]],
            "approach": {str(a): [t.arrays["standing"][a] for t in steps[::stride]] for a in approaches},
        },
        "cycles": cycles_of(desk.city.layout, steps, row),
    }


async def corridor(desk: Desk, request: Request, who: Principal) -> Response:
    """Tell the stages of several junctions in a row, with the distance along them."""
    text = request.query_params.get("junctions", "")
    try:
        rows = [_row(desk, int(word)) for word in text.split(",") if word]
    except ValueError:
        raise ApiError(422, "invalid", f"junctions: {text[:60]!r} is no list of rows", field="junctions") from None
    if not 1 <= len(rows) <= 40:
        raise ApiError(422, "invalid", "junctions: give 1 to 40 rows", field="junctions")
    begin_ms, end_ms = _span(desk, request, 600_000)
    found = await asyncio.to_thread(_corridor, desk, rows, begin_ms, end_ms)
    return answer(found)


def _corridor(desk: Desk, rows: list[int], begin_ms: int, end_ms: int) -> dict[str, Any]:
    window = read_window(desk.trace, begin_ms, end_ms, 0.0)
    steps = [t for t in window.ticks if t.at_ms <= end_ms and "stage" in t.arrays and not t.at_once]
    return {"begin_ms": begin_ms, "end_ms": end_ms, **corridor_of(desk.city.layout, steps, rows)}


async def decisions(desk: Desk, request: Request, who: Principal) -> Response:
    """List decisions, the newest first."""
    begin_ms, end_ms = _span(desk, request, 600_000)
    limit = number(request, "limit", 200, 1, 2000)
    cursor = request.query_params.get("cursor")
    if cursor:
        end_ms = min(end_ms, number(request, "cursor", end_ms, 0, 2**53))
    wanted = Filter(
        begin_ms=begin_ms,
        end_ms=end_ms,
        target=_optional(request, "junction"),
        domain=request.query_params.get("domain") or None,
        changes=request.query_params.get("changes") in ("1", "true"),
    )
    found = await _decisions(desk, wanted, limit)
    more = str(found[-1]["decided_at_ms"] - 1) if len(found) == limit else None
    return answer({"items": found, "next": more})


async def decision(desk: Desk, request: Request, who: Principal) -> Response:
    """Tell one decision."""
    name = request.path_params["id"]
    head, _, rest = name.partition(".")
    if not head.isdigit() or not rest or len(head) > 15:
        raise ApiError(404, "not_found", f"{name[:60]!r} is no decision's name, such as 1764000000000.signals.3")
    found = await _decisions(desk, Filter(begin_ms=int(head), end_ms=int(head), id=name), 1)
    if not found:
        raise ApiError(404, "not_found", f"no decision {name[:60]!r} is kept; traces are kept by time")
    return answer(found[0])


async def calibrated(desk: Desk, request: Request, who: Principal) -> Response:
    """Compare forecasts with what was observed."""
    begin_ms, end_ms = _span(desk, request, 900_000)

    def work() -> dict[str, Any]:
        window = read_window(desk.trace, begin_ms, end_ms, desk.city.horizon_s)
        target = _optional(request, "junction")
        wanted = Filter(begin_ms=begin_ms, end_ms=end_ms, target=target, domain="signals")
        # A junction is named: its own decisions alone. Else those of every domain are counted.
        domain = None if target is None else "signals"
        every = Filter(begin_ms=begin_ms, end_ms=end_ms, target=target, domain=domain)
        return {**calibration(desk.city, window, wanted), **told_share(desk.city, window, every)}

    return answer(await asyncio.to_thread(work))


async def _decisions(desk: Desk, wanted: Filter, limit: int) -> list[dict[str, Any]]:
    def work() -> list[dict[str, Any]]:
        window = read_window(desk.trace, wanted.begin_ms, wanted.end_ms, desk.city.horizon_s)
        return decisions_between(desk.city, window, wanted, limit)

    return await asyncio.to_thread(work)


def _span(desk: Desk, request: Request, usual_ms: int) -> tuple[int, int]:
    end_ms = instant(request, "end_ms", desk.now_ms())
    begin_ms = instant(request, "begin_ms", max(end_ms - usual_ms, 0))
    if end_ms < begin_ms:
        raise ApiError(422, "invalid", f"end_ms: {end_ms} is before begin_ms {begin_ms}", field="end_ms")
    if end_ms - begin_ms > _LONGEST_HISTORY_MS:
        raise ApiError(422, "invalid", "end_ms: the span is longer than 2 h; ask for less at a time", field="end_ms")
    return begin_ms, end_ms


def _optional(request: Request, key: str) -> int | None:
    return number(request, key, 0, 0, 2**31) if request.query_params.get(key) else None


HANDLERS = {
    "signals.list": listed,
    "signals.read": read,
    "signals.history": history,
    "signals.corridor": corridor,
    "decisions.list": decisions,
    "decisions.read": decision,
    "decisions.calibration": calibrated,
}
