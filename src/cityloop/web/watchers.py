"""What the server itself notes of each step: changed decisions, agreement in shadow, how the drill goes."""

from __future__ import annotations

from collections import deque
from typing import Any

import msgspec
import numpy as np

from cityloop.kernel.ladder import gate_rule_of
from cityloop.web.ports import Desk
from cityloop.web.steering import steering
from cityloop.web.why import target_name
from cityloop.web.words import reason_words
from cityloop.wire.live import Tick

__all__ = ["ActWatch"]

_CLOCK_EVERY_MS = 5000
_AGREEMENT_STEPS = 900


class ActWatch:
    """Looks at each step once; lives in the server's event loop."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._last: dict[tuple[str, int], Any] = {}
        self._clock_ms = 0
        self._agreed: dict[str, deque[tuple[int, int]]] = {
            district.id: deque(maxlen=_AGREEMENT_STEPS) for district in desk.city.districts
        }
        self._in_force: tuple[Any, ...] = ()

    def step(self, tick: Tick) -> None:
        """Take one step in."""
        desk = self._desk
        raws = [msgspec.msgpack.decode(record) for record in tick.decisions]
        for raw in raws:
            self._tell_change(raw)
        if not tick.at_once:
            self._agree(tick, raws)
            self._drill(tick)
            self._lapse(tick)
        if tick.at_ms - self._clock_ms >= _CLOCK_EVERY_MS:
            self._clock_ms = tick.at_ms
            clock = {"now_ms": tick.at_ms, "sim_s": tick.sim_s, "lap": tick.lap, "pace": desk.city.pace}
            desk.events.send("clock", clock)

    def _tell_change(self, raw: dict[str, Any]) -> None:
        proposal, domain = raw["proposal"], raw["domain"]
        key, mark = (domain, proposal["target"]), (proposal["action"], raw["verdict"]["type"])
        if self._last.get(key) == mark:
            return
        self._last[key] = mark
        action = proposal["action"]
        kind = str(action.get("type", "")) if isinstance(action, dict) else ""
        target = proposal["target"]
        self._desk.events.send(
            "decision",
            {
                "id": f"{raw['decided_at_ms']}.{domain}.{target}",
                "decided_at_ms": raw["decided_at_ms"],
                "domain": domain,
                "target": target,
                "junction": target_name(self._desk.city, domain, target, kind),
                "policy": raw["policy"],
                "stage": action[1] if isinstance(action, list) and len(action) > 1 else None,
                "reason": reason_words(domain, proposal["reason"]),
                "verdict": raw["verdict"]["type"].lower(),
                "acted": raw["sequence"] >= 0,
            },
        )

    def _agree(self, tick: Tick, raws: list[dict[str, Any]]) -> None:
        """Count how often, in shadow or advice, the plan did what the brain would have done."""
        stage = tick.arrays.get("stage", b"")
        counts: dict[str, list[int]] = {}
        for raw in raws:
            rule, action = raw["verdict"].get("rule"), raw["proposal"]["action"]
            target = raw["proposal"]["target"]
            held_back = raw["domain"] == "signals" and rule is not None and gate_rule_of(rule)[0] is not None
            if held_back and target < len(stage) and stage[target] != 255 and isinstance(action, list):
                count = counts.setdefault(self._desk.city.district_of(target), [0, 0])
                count[0] += stage[target] == action[1]
                count[1] += 1
        for district, (same, all_) in counts.items():
            if district in self._agreed:
                self._agreed[district].append((same, all_))
        shares: dict[str, float | None] = {}
        for district, seen in self._agreed.items():
            total = sum(all_ for _, all_ in seen)
            shares[district] = round(sum(same for same, _ in seen) / total, 3) if total else None
        self._desk.drill["agreement"] = shares

    def _drill(self, tick: Tick) -> None:
        drill, names = self._desk.drill, self._desk.city.layout.names["junctions"]
        state = np.frombuffer(tick.arrays.get("state", b""), np.uint8)
        if not drill.get("began_ms") or not len(state):
            return
        since_s = (tick.at_ms - drill["began_ms"]) / 1000
        back_s = (tick.at_ms - drill["until_ms"]) / 1000
        for row in drill.get("leased", ()):
            name = names[row]
            if tick.unplugged and state[row] & 3 == 0:
                drill["after_s"].setdefault(name, round(since_s, 1))
            elif back_s > 0 and not tick.unplugged and state[row] & 3 == 1:
                drill["back_after_s"].setdefault(name, round(back_s, 1))

    def _lapse(self, tick: Tick) -> None:
        """Tell the running city again when an act has lapsed, so that nothing outlives its expiry anywhere."""
        desk = self._desk
        now_ms = desk.now_ms()
        orders = tuple(sorted(order.id for order in desk.holds.orders(now_ms=now_ms)))
        lapsed = tuple(
            rung.domain + rung.district
            for rung in desk.holds.rungs()
            if rung.expires_at_ms is not None and now_ms >= rung.expires_at_ms
        )
        if (orders, lapsed) != self._in_force:
            gone = set(self._in_force[0]) - set(orders) if self._in_force else set()
            self._in_force = (orders, lapsed)
            desk.steer(steering(desk))
            for order_id in gone:
                desk.events.send("hold", {"id": order_id, "status": "ended"})
