"""A new plan of a round, made to be looked at: the planner's own search, and nothing handed over."""

from __future__ import annotations

import itertools
import time
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from cityloop.app.planner import Apart
from cityloop.domains.refuse.schema import DEPOT, TIP, PlanRound, RoundsTable
from cityloop.kernel.errors import InputError

__all__ = ["RoundPreview"]

_ITERATIONS = 2_000
_LONGEST_S = 120.0


class RoundPreview:
    """Asks the planner what would change."""

    def __init__(self, table: RoundsTable) -> None:
        self._table = table

    @property
    def capacity_kg(self) -> list[float]:
        """What each container holds when full."""
        return [float(kg) for kg in self._table.containers.capacity_kg]

    def preview(self, fields: Mapping[str, Any]) -> dict[str, Any]:
        """Return what a plan would change: stops that move, and kilometres still to be driven before and after.

        Raises
        ------
        InputError
            If the planner finds no plan, or none in time.
        """
        asked = msgspec.convert({"type": "PlanRound", **fields}, PlanRound)
        search = Apart(self._table, asked, _ITERATIONS)
        until_s = time.monotonic() + _LONGEST_S
        while not search.done():
            if time.monotonic() > until_s:
                search.stop()
                raise InputError(f"the planner found no plan within {_LONGEST_S:.0f} s; the plan in force stands")
            time.sleep(0.05)
        plan = search.result()
        server = {visit: truck for truck, own in enumerate(plan.visits) for visit in own if visit >= 0}
        before = {visit: truck for truck, own in enumerate(asked.orders) for visit in own if visit >= 0}
        return {
            "stops": len(asked.containers),
            "moved": [
                {"container": c, "from": before.get(c, -1), "to": server[c], "lost": before.get(c, -1) in _out(asked)}
                for c in (*plan.taken, *plan.moved)
            ],
            "left_out": list(plan.left_out),
            "trucks_out": _out(asked),
            "metres_before": round(self._metres(asked.truck_at, asked.orders)),
            "metres_after": round(
                self._metres(asked.truck_at, [() if t in _out(asked) else v for t, v in enumerate(plan.visits)])
            ),
            "home_in_s": max((own[-1] for own in plan.in_s if own), default=0.0),
        }

    def _metres(self, at: Sequence[int], orders: Sequence[Sequence[int]]) -> float:
        """Return the way still to be driven: from where each truck is or is bound for, stop by stop, and home."""
        metres = self._table.metres
        total = 0.0
        for start, order in zip(at, orders, strict=True):
            if not order:
                continue
            way = [start, *(visit for visit in order if visit != DEPOT)]
            if way[-1] != TIP:
                way.append(TIP)
            rows = [1 if visit == TIP else 0 if visit < 0 else 2 + visit for visit in (*way, DEPOT)]
            total += float(sum(metres[a, b] for a, b in itertools.pairwise(rows)))
        return total


def _out(asked: PlanRound) -> list[int]:
    return [truck for truck, out in enumerate(asked.truck_out) if out]
