"""From what people have set to what the running city is told, and back to the controller's first receipt."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

import msgspec
import orjson

from cityloop.kernel.ladder import Rung
from cityloop.kernel.office import HeldOrder
from cityloop.web.cad_calls import entries
from cityloop.web.ports import Desk
from cityloop.web.words import RECEIPTS, rule_words
from cityloop.wire.live import Order, Steering, Tick

__all__ = ["RECEIPT_LIMIT_S", "STRICTER", "answer_of", "heard", "place", "rung_of", "steer", "steering"]

RECEIPT_LIMIT_S = 1.0
"""A person waits no longer for a controller's receipt."""

STRICTER = "signals.stricter"
"""Setting: minimums and conflicts that two people agreed on."""


def rung_of(desk: Desk, domain: str, district: str) -> Rung:
    """Return the rung in force; a rung that has lapsed is shadow again."""
    now_ms = desk.now_ms()
    for rung in desk.holds.rungs():
        if rung.domain == domain and rung.district == district:
            lapsed = rung.expires_at_ms is not None and now_ms >= rung.expires_at_ms
            return Rung.SHADOW if lapsed else Rung(rung.rung)
    return Rung(int(desk.holds.setting("first_rung") or 0))


def steering(desk: Desk) -> Steering:
    """Gather everything that people have set."""
    now_ms = desk.now_ms()
    rungs: dict[str, dict[int, int]] = {}
    for domain in desk.city.acting:
        rungs[domain] = {}
        for district in desk.city.districts:
            rung = rung_of(desk, domain, district.id)
            rungs[domain].update(dict.fromkeys(district.junctions, int(rung)))
    stricter = orjson.loads(desk.holds.setting(STRICTER) or "{}")
    desk.token_counter += 1
    return Steering(
        token=desk.token_counter,
        orders=tuple(
            Order(
                id=order.id,
                kind="hold" if order.kind == "advice" else order.kind,
                target=order.target,
                domain=order.domain,
                stages=order.stages,
                action=_proposed(desk, order),
                placed_at_ms=order.placed_at_ms,
                expires_at_ms=order.expires_at_ms,
            )
            for order in desk.holds.orders(now_ms=now_ms)
        ),
        rungs=rungs,
        unplugged_until_ms=int(desk.drill.get("until_ms", 0)),
        minimums=tuple((int(j), int(s), float(t)) for j, s, t in stricter.get("minimums", ())),
        calls=entries(desk, now_ms),
        conflicts=tuple((int(j), int(a), int(b)) for j, a, b in stricter.get("conflicts", ())),
    )


def _proposed(desk: Desk, order: HeldOrder) -> bytes:
    """Return the plan of a round that a person had made, as the brain had proposed it; empty for any other act."""
    if order.kind != "replan":
        return b""
    at_ms = order.stages[0][0]
    for payload in desk.trace.between(at_ms, at_ms):
        for record in msgspec.msgpack.decode(payload, type=Tick).decisions:
            raw = msgspec.msgpack.decode(record)
            action = raw["proposal"]["action"]
            if raw["domain"] == order.domain and isinstance(action, dict) and action.get("type") == "PlanRound":
                return msgspec.msgpack.encode(action)
    return b""


async def steer(desk: Desk) -> Tick | None:
    """Tell the running city, and wait for the step that heeds it; None when it did not answer in time."""
    told = steering(desk)
    future: asyncio.Future[Tick] = asyncio.get_running_loop().create_future()
    desk.waiting[told.token] = future
    try:
        desk.steer(told)
        return await asyncio.wait_for(future, RECEIPT_LIMIT_S)
    except (TimeoutError, OSError):
        return None
    finally:
        desk.waiting.pop(told.token, None)


def heard(desk: Desk, tick: Tick) -> None:
    """Give a step to whoever waits for what it heeds."""
    for token, future in list(desk.waiting.items()):
        if tick.steered >= token and not future.done():
            future.set_result(tick)


async def place(desk: Desk, order: HeldOrder) -> tuple[HeldOrder, Mapping[str, Any]]:
    """Keep an order, tell the running city, and return what the controller first said of it."""
    # Kept first: a crash between the two must not lose what a person was told holds.
    kept = desk.holds.place(order)
    sent_ms = desk.now_ms()
    began_s = asyncio.get_running_loop().time()
    tick = await steer(desk)
    wall_ms = round((asyncio.get_running_loop().time() - began_s) * 1000.0, 1)
    told = answer_of(tick, kept.domain, kept.target, sent_ms, wall_ms)
    desk.holds.answered(kept.id, told)
    desk.events.send("hold", {"id": kept.id, "junction": kept.target, "kind": kept.kind, "by": kept.by, **told})
    return kept, told


def answer_of(
    tick: Tick | None, domain: str, target: int, sent_ms: int, wall_ms: float, *, by: int | None = None
) -> dict[str, Any]:
    """Return the controller's receipt and the guard's verdict on an order, as far as they are known.

    ``by`` is the reason that marks a person's act where it is decided with others, at a tick.
    """
    if tick is None:
        return {"receipt": None, "verdict": None, "bound_by": None, "note": "no answer from the running city yet"}
    told: dict[str, Any] = {"receipt": None, "verdict": None, "bound_by": None}
    sequence = -1
    for record in tick.decisions:
        raw = msgspec.msgpack.decode(record)
        mine = raw["policy"] == "operator" if by is None else raw["proposal"]["reason"] == by
        if raw["domain"] == domain and raw["proposal"]["target"] == target and mine:
            verdict, sequence = raw["verdict"], raw["sequence"]
            told["verdict"] = verdict["type"].lower()
            if "rule" in verdict:
                rule = rule_words(domain, verdict["rule"])
                told["bound_by"], told["rule_text"] = rule["code"], rule["text"]
    for receipt in tick.receipts:
        if receipt[0] == domain and receipt[1] == target and receipt[2] == sequence:
            told["receipt"] = {
                "status": RECEIPTS[receipt[3]],
                "at_ms": receipt[4],
                "detail": receipt[5],
                "after_ms": wall_ms,
            }
    return told
