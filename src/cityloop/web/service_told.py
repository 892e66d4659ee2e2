"""A service's decision in the words and figures of the decision log: what was expected, what came of it, from whom."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec
import numpy as np

from cityloop.web.ports import CityFacts, TracePort
from cityloop.web.service_outcomes import QUANTITIES, History, Outcome, Slim, outcome_of
from cityloop.wire.live import Tick

__all__ = ["Made", "ServiceTold", "agreement_of", "alternative_name", "costs_unit", "named", "service_told"]

_SLIM = msgspec.msgpack.Decoder(Slim)
_FIRST_LOOK_MS = 1_800_000
BY_SERVICE = "the service's own reckoning when it was decided"
_COSTS = {"Send": "s", "Move": "min (weighted)", "EmptyToday": "m"}
"""Unit of cost, gain and alternatives, by kind of action."""


@dataclass(frozen=True, slots=True)
class Made:
    """A decision with the step it was made in."""

    raw: dict[str, Any]
    tick: Tick
    row: int
    """Among the step's decisions."""

    @property
    def kind(self) -> str:
        """Of its action."""
        action = self.raw["proposal"]["action"]
        return str(action.get("type", "")) if isinstance(action, dict) else ""


@dataclass(frozen=True, slots=True)
class ServiceTold:
    """What was expected of one decision, and what came of it."""

    what: str
    unit: str
    value: float
    horizon_s: float
    age_s: float
    outcome: Outcome


def service_told(
    made: Sequence[Made],
    ticks: Sequence[Tick],
    receipts: Mapping[tuple[int, str, int], Sequence[Any]],
    trace: TracePort | None,
) -> list[ServiceTold]:
    """Return what became of each decision; recorded steps after the window are read only as far as it takes."""
    if not made:
        return []
    steps: list[Slim | Tick] = list(ticks)
    read_ms = ticks[-1].at_ms if ticks else 0
    span = None if trace is None else trace.span()
    last_ms = read_ms if span is None else max(span[1], read_ms)
    chunk_ms = _FIRST_LOOK_MS
    while True:
        told = _all(made, History.of(steps, last_ms), receipts)
        waits_ms = [
            one.raw["decided_at_ms"] + told[row].horizon_s * 1000
            for row, one in enumerate(made)
            if told[row].outcome.status in ("pending", "partly", "beyond")
        ]
        upto_ms = min(max(waits_ms, default=0), last_ms, read_ms + chunk_ms)
        if trace is None or upto_ms <= read_ms:
            return told
        steps += [_SLIM.decode(payload) for payload in trace.between(read_ms + 1, round(upto_ms))]
        read_ms, chunk_ms = round(upto_ms), 2 * chunk_ms


def _all(made: Sequence[Made], history: History, receipts: Mapping[Any, Sequence[Any]]) -> list[ServiceTold]:
    told = []
    for one in made:
        what, unit = QUANTITIES.get(one.kind, ("", ""))
        mine = [line for line in one.tick.forecasts if line[0] == one.row]
        _, value, horizon_s, age_s = mine[0] if mine else (0, math.nan, 0.0, math.nan)
        acted = one.raw["sequence"] >= 0
        receipt = receipts.get((one.tick.epoch, one.raw["domain"], one.raw["sequence"])) if acted else None
        if mine:
            outcome = outcome_of(history, one.raw, horizon_s, receipt, acted=acted)
        else:
            outcome = Outcome("none", math.nan, 0.0)
        told.append(ServiceTold(what, unit, value, horizon_s, age_s, outcome))
    return told


def named(city: CityFacts, domain: str, action: Mapping[str, Any]) -> dict[str, Any]:
    """Return the names that an action's rows stand for."""
    found: dict[str, Any] = {}
    for key, kind in (("site", "sites"),):
        names, row = city.layout.names.get(kind, ()), action.get(key)
        if isinstance(row, int) and 0 <= row < len(names):
            found["place"] = names[row]
    for key in ("visits", "containers"):
        if domain == "refuse" and isinstance(action.get(key), list):
            found["stops"] = sum(one >= 0 for one in action[key])
    return found


def alternative_name(city: CityFacts, kind: str, row: int) -> str:
    """Return whom or what a rejected alternative's number stands for."""
    names = city.layout.names.get({"Send": "units", "Move": "sites"}.get(kind, ""), ())
    return names[row] if 0 <= row < len(names) else str(row)


def costs_unit(kind: str) -> str:
    """Return the unit of a decision's cost, gain and alternatives."""
    return _COSTS.get(kind, "")


def agreement_of(told: Sequence[tuple[str, ServiceTold]]) -> list[dict[str, Any]]:
    """Compare forecasts with what was observed, by kind of decision."""
    found = []
    for kind in QUANTITIES:
        pairs = [
            (one.value, one.outcome.value)
            for name, one in told
            if name == kind and one.outcome.status == "complete" and math.isfinite(one.value)
        ]
        mine = [one for name, one in told if name == kind]
        if not mine:
            continue
        expected, seen = (np.array(column, float) for column in zip(*pairs, strict=True)) if pairs else (None, None)
        statuses = [one.outcome.status for one in mine]
        found.append(
            {
                "kind": kind,
                "what": QUANTITIES[kind][0],
                "unit": QUANTITIES[kind][1],
                "decisions": len(mine),
                "n": len(pairs),
                "beyond": statuses.count("beyond"),
                "overtaken": statuses.count("overtaken"),
                "pending": statuses.count("pending"),
                "forecast": None if expected is None else round(float(expected.mean()), 3),
                "observed": None if seen is None else round(float(seen.mean()), 3),
                "bias": None if expected is None or seen is None else round(float((seen - expected).mean()), 3),
                "mae": None if expected is None or seen is None else round(float(np.abs(seen - expected).mean()), 3),
            }
        )
    return found
