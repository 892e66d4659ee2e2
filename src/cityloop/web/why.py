"""Decisions with their reasons: what was seen, chosen, rejected and bound, and what was observed afterwards.

Forecast and observation are one quantity: the delay of the vehicles that the detectors of a junction's approaches see,
unweighted, over the same horizon. What the policy itself weighed (people, trams, stops) stands beside it as its cost.
That a forecast came true is no proof of gain: gains come from paired twin runs or field trials alone.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

import msgspec
import numpy as np

from cityloop.kernel.columns import F64
from cityloop.kernel.ladder import OPERATOR_REASONS, Rung, gate_rule_of
from cityloop.web.ports import CityFacts, TracePort
from cityloop.web.service_outcomes import SERVICES
from cityloop.web.service_told import (
    BY_SERVICE,
    Made,
    ServiceTold,
    alternative_name,
    costs_unit,
    named,
    service_told,
)
from cityloop.web.words import RECEIPTS, reason_words, rule_words
from cityloop.wire.live import Tick

__all__ = [
    "BY_QUEUES",
    "QUANTITY",
    "Filter",
    "Told",
    "Window",
    "decisions_between",
    "of_services",
    "read_window",
    "target_name",
    "wanted_of",
]

_TICK = msgspec.msgpack.Decoder(Tick)
_MOST_TICKS = 4 * 3600
_PENDING = 1
_LONGEST_SPAN_S = 2.0
"""A gap between two steps counts as no more than this."""
_TARGETS = {"emergency": "units", "refuse": "trucks"}
"""By domain, the names that a decision's target is a row of."""
_PLACES = {"Lead": "dispatch centre", "PlanRound": "round planner"}
"""Whom a kind of action is asked of, where it is no row of a table."""
BY_QUEUES = "the queues seen, served in turn from the stage asked for on"
BY_PERSISTENCE = "persistence: as much as stands now"
QUANTITY = "delay of the vehicles seen on the junction's approaches over {:g} s, unweighted"


@dataclass(frozen=True, slots=True, kw_only=True)
class Filter:
    """Which decisions are wanted."""

    begin_ms: int
    end_ms: int
    target: int | None = None
    domain: str | None = None
    changes: bool = False
    id: str | None = None


@dataclass(slots=True)
class Window:
    """Recorded steps of a span and the horizon after it."""

    ticks: list[Tick]
    at_ms: F64 = field(init=False)
    delay: F64 = field(init=False)
    """Delay that grows at each junction, shape (steps, junctions). [veh]"""
    sum_s: F64 = field(init=False)
    """Time that the steps cover so far. [s]"""
    sum_delay: F64 = field(init=False)
    """Delay so far at each junction, shape (steps, junctions). [veh·s]"""
    expected: list[F64 | None] = field(init=False)
    """The delay expected at each junction from each step on; None where none was recorded. [veh·s]"""
    receipts: dict[tuple[int, str, int], tuple[str, int, int, int, int, str]] = field(init=False)
    steps: list[Tick] = field(init=False)
    """Without what was done between two steps."""
    trace: TracePort | None = None
    """Where what happened after the window is read."""

    def __post_init__(self) -> None:
        """Lay out what outcomes are read from."""
        steps = [tick for tick in self.ticks if "delay_f32" in tick.arrays and not tick.at_once]
        self.steps = steps
        self.at_ms = np.array([tick.at_ms for tick in steps], np.float64)
        self.expected = [
            np.frombuffer(tick.arrays["forecast_f32"], np.float32).astype(np.float64)
            if "forecast_f32" in tick.arrays
            else None
            for tick in steps
        ]
        rows = [np.frombuffer(tick.arrays["delay_f32"], np.float32) for tick in steps]
        self.delay = np.stack(rows).astype(np.float64) if rows else np.zeros((0, 0))
        spans_s = np.minimum(np.diff(self.at_ms, prepend=self.at_ms[:1]) / 1000.0, _LONGEST_SPAN_S)
        self.sum_s = np.cumsum(spans_s)
        self.sum_delay = np.cumsum(self.delay * spans_s[:, None], axis=0) if rows else self.delay
        self.receipts = {}
        for tick in self.ticks:
            for receipt in tick.receipts:
                key = (tick.epoch, receipt[0], receipt[2])
                # Taken first, then accepted; that the lease ran out at last is no news.
                if key not in self.receipts or self.receipts[key][3] == _PENDING:
                    self.receipts[key] = receipt

    def observed(self, target: int, at_ms: int, horizon_s: float) -> tuple[float, float]:
        """Return the delay observed in the horizon after an instant [veh·s], and how much of it is covered [s]."""
        if self.delay.shape[1:] and not 0 <= target < self.delay.shape[1]:
            return math.nan, 0.0
        lo = int(np.searchsorted(self.at_ms, at_ms, "right"))
        hi = int(np.searchsorted(self.at_ms, at_ms + horizon_s * 1000.0, "right"))
        if hi <= lo:
            return math.nan, 0.0
        first_s = min((self.at_ms[lo] - at_ms) / 1000.0, _LONGEST_SPAN_S)
        value = self.delay[lo, target] * first_s + self.sum_delay[hi - 1, target] - self.sum_delay[lo, target]
        return float(value), float(first_s + self.sum_s[hi - 1] - self.sum_s[lo])

    def step_of(self, tick: Tick) -> int:
        """Return the step that a decision was made in, or just after; -1 where it was not read."""
        return int(np.searchsorted(self.at_ms, tick.at_ms, "right")) - 1

    def forecast(self, target: int, tick: Tick, horizon_s: float) -> tuple[float, str]:
        """Return the delay expected when a decision was made [veh·s], and by what."""
        at = self.step_of(tick)
        expected = self.expected[at] if at >= 0 else None
        if expected is not None and 0 <= target < len(expected) and math.isfinite(expected[target]):
            return float(expected[target]), BY_QUEUES
        if at >= 0 and 0 <= target < self.delay.shape[1]:
            return float(self.delay[at, target]) * horizon_s, BY_PERSISTENCE
        return math.nan, BY_PERSISTENCE


@dataclass(frozen=True, slots=True)
class Told(Made):
    """A decision on its way out, with the step it was made in."""

    @property
    def id(self) -> str:
        """The decision's name."""
        proposal = self.raw["proposal"]
        by_hand = ".op" if self.raw["policy"] == "operator" else ""
        return f"{self.raw['decided_at_ms']}.{self.raw['domain']}.{proposal['target']}{by_hand}"


def read_window(trace: TracePort, begin_ms: int, end_ms: int, after_s: float) -> Window:
    """Read recorded steps from begin to end, and so much after."""
    payloads = trace.between(begin_ms, end_ms + round(after_s * 1000) + 1000, limit=_MOST_TICKS)
    return Window([_TICK.decode(payload) for payload in payloads], trace)


def decisions_between(city: CityFacts, window: Window, wanted: Filter, limit: int) -> list[dict[str, Any]]:
    """Return decisions, the newest first."""
    told = [one for one in wanted_of(window.ticks, wanted) if wanted.id is None or one.id == wanted.id]
    last = told[-limit:]
    of = of_services(window, last)
    return [_decision(city, window, one, of.get(id(one))) for one in reversed(last)]


def of_services(window: Window, told: Sequence[Told]) -> dict[int, ServiceTold]:
    """Return what became of the decisions of services among these, by identity."""
    mine = [one for one in told if one.raw["domain"] in SERVICES]
    found = service_told(mine, window.ticks, window.receipts, window.trace)
    return {id(one): what for one, what in zip(mine, found, strict=True)}


def wanted_of(ticks: Sequence[Tick], wanted: Filter) -> Iterable[Told]:
    """Yield the decisions that are wanted, the oldest first."""
    last: dict[tuple[str, int], tuple[Any, ...]] = {}
    for tick in ticks:
        if not wanted.begin_ms <= tick.at_ms <= wanted.end_ms:
            continue
        for row, record in enumerate(tick.decisions):
            raw = msgspec.msgpack.decode(record)
            proposal, domain = raw["proposal"], raw["domain"]
            if wanted.target is not None and proposal["target"] != wanted.target:
                continue
            if wanted.domain is not None and domain != wanted.domain:
                continue
            if wanted.changes:
                rule = raw["verdict"].get("rule")
                mark = (proposal["action"], proposal["reason"], raw["verdict"]["type"], rule)
                if last.get((domain, proposal["target"])) == mark:
                    continue
                last[domain, proposal["target"]] = mark
            yield Told(raw, tick, row)


def _decision(city: CityFacts, window: Window, told: Told, service: ServiceTold | None) -> dict[str, Any]:
    raw, tick = told.raw, told.tick
    proposal, verdict, domain = raw["proposal"], raw["verdict"], raw["domain"]
    target, at_ms = proposal["target"], raw["decided_at_ms"]
    rule = verdict.get("rule")
    gate, _ = gate_rule_of(rule) if rule is not None else (None, 0)
    acted = raw["sequence"] >= 0
    receipt = window.receipts.get((tick.epoch, domain, raw["sequence"])) if acted else None
    by_hand = proposal["reason"] in OPERATOR_REASONS
    signals = domain == "signals"
    value, covered_s = window.observed(target, at_ms, city.horizon_s) if signals else (math.nan, 0.0)
    whole = covered_s >= city.horizon_s - 1.5
    last_ms = window.ticks[-1].at_ms if window.ticks else at_ms
    pending = not whole and last_ms < at_ms + city.horizon_s * 1000
    reason = reason_words(domain, proposal["reason"])
    name = target_name(city, domain, target, told.kind)
    by_policy = math.isfinite(proposal["cost"]) and proposal["cost"] >= 0 and not by_hand
    at = window.step_of(tick)
    step = window.steps[at] if at >= 0 else tick
    expected, by = window.forecast(target, tick, city.horizon_s) if signals else (math.nan, "")
    shown = _cell(step, "stage", target) if signals else None
    asked = _action(proposal["action"])
    asked |= named(city, domain, asked)
    if service is None:
        forecast = {
            "what": QUANTITY.format(city.horizon_s), "by": by, "value": _finite(expected), "unit": "veh·s",
            "horizon_s": city.horizon_s,
        }  # fmt: skip
        observed = {
            "what": forecast["what"], "status": "complete" if whole else "pending" if pending else "partly",
            "value": _finite(value), "covered_s": round(covered_s, 1), "unit": "veh·s", "note": "",
        }  # fmt: skip
    else:
        forecast, observed = _expected(service)
    decision = {
        "id": told.id,
        "decided_at_ms": at_ms,
        "domain": domain,
        "policy": raw["policy"],
        "target": target,
        "junction": name,
        "action": asked,
        "reason": reason,
        "cost": _finite(proposal["cost"]) if by_policy else None,
        "gain": _finite(proposal["gain"]),
        "unit": "veh·s (weighted)" if signals else costs_unit(told.kind),
        "alternatives": [
            {"stage": a[0], "cost": _finite(a[1])}
            | ({} if signals else {"name": alternative_name(city, told.kind, a[0])})
            for a in proposal["alternatives"]
        ],
        "verdict": {
            "kind": "held back" if gate else verdict["type"].lower(),
            "rule": None if rule is None else rule_words(domain, rule),
            "action": _action(verdict["action"]) if "action" in verdict else None,
        },
        "acted": acted,
        "rung": gate.name.lower() if gate else "live" if acted and not by_hand else None,
        "sequence": raw["sequence"],
        "receipt": None
        if receipt is None
        else {"status": RECEIPTS[receipt[3]], "at_ms": receipt[4], "detail": receipt[5]},
        "saw": _saw(city, step, target) if signals else _heard_of(name, service),
        "stage_shown": None if shown is None else (-1 if shown == 255 else shown),
        "forecast": forecast,
        "observed": observed,
        "agreement": None if not gate or shown in (None, 255) else shown == asked.get("stage"),
    }
    decision["plain"] = _plain(decision)
    return decision


def _expected(told: ServiceTold) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return a service's forecast and what was observed of the same quantity."""
    outcome = told.outcome
    same = {"what": told.what, "unit": told.unit}
    return (
        {**same, "by": BY_SERVICE, "value": _finite(told.value), "horizon_s": round(told.horizon_s, 1)},
        {
            **same,
            "status": outcome.status,
            "value": _finite(outcome.value),
            "covered_s": round(outcome.covered_s, 1),
            "note": outcome.note,
        },
    )


def _heard_of(name: str, told: ServiceTold | None) -> list[dict[str, Any]]:
    """Return the oldest reading that a service's decision rests on; nothing where none had been heard."""
    if told is None or not math.isfinite(told.age_s):
        return []
    return [{"sensor": name, "seen_veh": None, "standing_veh": None, "age_s": told.age_s}]


def _plain(d: dict[str, Any]) -> str:
    """Say a decision in one sentence."""
    # People count stages from one, as every page does.
    what = f"show stage {d['action']['stage'] + 1}" if "stage" in d["action"] else d["action"]["kind"]
    why = str(d["reason"]["text"]).rstrip(".")
    kind, rule = d["verdict"]["kind"], d["verdict"]["rule"]
    end = {
        "allowed": "The guard allowed it.",
        "trimmed": f"The guard trimmed it: {rule['text'] if rule else ''}",
        "refused": f"The guard refused it: {rule['text'] if rule else ''}",
        "held back": rule["text"] if rule else "",
    }[kind]
    return f"{d['junction']}: {what}, because: {why}. {end}"


def _saw(city: CityFacts, tick: Tick, junction: int) -> list[dict[str, Any]]:
    """Return what each approach's detector had said when the decision was made, and how old it was."""
    approaches = city.layout.approaches
    names = city.layout.names.get("lanes", ())
    saw = []
    for row in np.flatnonzero(approaches.junction == junction):
        seen, standing, age = (_cell(tick, name, int(row)) for name in ("seen", "standing", "age_ds"))
        if seen is None:
            continue
        lane = int(approaches.lane[row])
        saw.append(
            {
                "sensor": f"approach {row}",
                "lane": names[lane] if lane < len(names) else str(lane),
                "seen_veh": seen,
                "standing_veh": standing,
                "age_s": None if age is None else age / 10,
            }
        )
    return saw


def _action(raw: Any) -> dict[str, Any]:
    """Return an action of any domain: its kind, and its fields."""
    if isinstance(raw, list) and raw:
        if raw[0] == "ShowStage":
            return {"kind": "show stage", "stage": raw[1]}
        return {"kind": str(raw[0]), "fields": raw[1:]}
    if isinstance(raw, dict):
        return {"kind": str(raw.get("type", "act")), **{key: value for key, value in raw.items() if key != "type"}}
    return {"kind": "act"}


def _cell(tick: Tick, name: str, row: int) -> int | None:
    column = tick.arrays.get(name, b"")
    return column[row] if 0 <= row < len(column) else None


def target_name(city: CityFacts, domain: str, target: int, kind: str) -> str:
    """Return the name of what a decision is about, given the kind of its action."""
    if kind in _PLACES:
        return _PLACES[kind]
    names = "containers" if kind == "EmptyToday" else _TARGETS.get(domain, "")
    labels = city.shapes.junction_labels if domain == "signals" else city.layout.names.get(names, ())
    return labels[target] if 0 <= target < len(labels) else f"{domain} {target}"


def _finite(value: float) -> float | None:
    return round(value, 2) if math.isfinite(value) else None


RUNG_NAMES = tuple(rung.name.lower() for rung in Rung)
