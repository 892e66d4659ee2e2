"""Forecasts against what was observed, over many decisions: how far they were out, and how many could be held to it."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from cityloop.web.ports import CityFacts
from cityloop.web.service_outcomes import SERVICES
from cityloop.web.service_told import agreement_of
from cityloop.web.why import BY_QUEUES, QUANTITY, Filter, Window, of_services, wanted_of
from cityloop.web.words import reason_words

__all__ = ["calibration", "told_share"]

_SLACK_S = 1.5
_CLOSED = ("complete", "beyond", "overtaken")
_COUNTED = ("decisions", "reason", "forecast", "due", "value", "overtaken", "cut")


def calibration(city: CityFacts, window: Window, wanted: Filter) -> dict[str, Any]:
    """Compare forecast and observed delay over all decisions of a span whose horizon is complete."""
    forecast, observed = [], []
    for one in wanted_of(window.ticks, wanted):
        proposal = one.raw["proposal"]
        expected, by = window.forecast(proposal["target"], one.tick, city.horizon_s)
        value, covered_s = window.observed(proposal["target"], one.raw["decided_at_ms"], city.horizon_s)
        if covered_s >= city.horizon_s - 1.5 and by == BY_QUEUES:
            forecast.append(expected)
            observed.append(value)
    f, o = np.array(forecast), np.array(observed)
    if len(f) < 10:
        return {"n": len(f), "bias": None, "mae": None, "rank_correlation": None, "bins": []}
    edges = np.quantile(f, np.linspace(0, 1, 9))
    which = np.clip(np.searchsorted(edges, f, "right") - 1, 0, 7)
    bins = [
        {"forecast": float(f[which == b].mean()), "observed": float(o[which == b].mean()), "n": int((which == b).sum())}
        for b in range(8)
        if (which == b).any()
    ]
    ranks = np.corrcoef(np.argsort(np.argsort(f)), np.argsort(np.argsort(o)))[0, 1]
    return {
        "n": len(f),
        "bias": float((o - f).mean()),
        "mae": float(np.abs(o - f).mean()),
        "rank_correlation": None if math.isnan(ranks) else float(ranks),
        "bins": bins,
        "what": QUANTITY.format(city.horizon_s),
        "unit": "veh·s",
        "ratio": float(o.sum() / f.sum()) if f.sum() > 0 else None,
        "note": "one quantity, forecast and then observed by the same detectors; not a proof of gain",
    }


def told_share(city: CityFacts, window: Window, wanted: Filter) -> dict[str, Any]:
    """Count by domain how many decisions have a reason, a forecast, and, their horizon over, an observation.

    ``value``: observed as a figure, be it a bound: not within the horizon, or not until something else came first.
    ``overtaken``: something else came first, whether or not there is a figure until then. ``cut``: the simulation ended
    before its horizon and began anew; never due, for nothing can come of it any more.
    """
    told = list(wanted_of(window.ticks, wanted))
    of = of_services(window, told)
    last_ms = window.ticks[-1].at_ms if window.ticks else 0
    counts: dict[str, dict[str, int]] = {}
    for one in told:
        domain, target = one.raw["domain"], one.raw["proposal"]["target"]
        count = counts.setdefault(domain, dict.fromkeys(_COUNTED, 0))
        count["decisions"] += 1
        code = reason_words(domain, one.raw["proposal"]["reason"])["code"]
        count["reason"] += not str(code).startswith("REASON_")
        service = of.get(id(one))
        if service is not None:
            count["forecast"] += math.isfinite(service.value)
            if service.outcome.note == "NEXT_LAP":
                count["cut"] += 1
                continue
            count["due"] += service.outcome.status != "pending"
            count["value"] += service.outcome.status in _CLOSED and math.isfinite(service.outcome.value)
            count["overtaken"] += service.outcome.status == "overtaken"
            continue
        at_ms = one.raw["decided_at_ms"]
        expected, _ = window.forecast(target, one.tick, city.horizon_s)
        value, covered_s = window.observed(target, at_ms, city.horizon_s)
        whole = covered_s >= city.horizon_s - _SLACK_S
        count["forecast"] += math.isfinite(expected)
        count["due"] += whole or last_ms >= at_ms + city.horizon_s * 1000
        count["value"] += whole and math.isfinite(value)
    mine = [(one.kind, of[id(one)]) for one in told if one.raw["domain"] in SERVICES]
    return {"by_domain": counts, "services": agreement_of(mine)}
