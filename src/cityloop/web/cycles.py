"""Cycles of a junction from its recorded steps: greens, who was served, who still waited, and how each stage ended.

Termination by the names of the ATSPM measures, judged from outside: a stage that ends with nobody in its zones gapped
out, one that ends with somebody still standing was ended by force or by a limit.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from cityloop.kernel.layout import Layout
from cityloop.wire.live import Tick

__all__ = ["cycles_of", "stage_changes"]

_INTERGREEN = 255
_MAX_OUT_S = 60.0


def stage_changes(steps: Sequence[Tick], row: int) -> list[list[int]]:
    """Return ``[at_ms, stage, mode]`` wherever stage or mode changed; stage -1 is an intergreen."""
    changes: list[list[int]] = []
    for tick in steps:
        if row >= len(tick.arrays["stage"]):
            continue
        stage, mode = tick.arrays["stage"][row], tick.arrays["state"][row] & 3
        shown = -1 if stage == _INTERGREEN else stage
        if not changes or changes[-1][1:] != [shown, mode]:
            changes.append([tick.at_ms, shown, mode])
    return changes


def cycles_of(layout: Layout, steps: Sequence[Tick], row: int) -> list[dict[str, Any]]:
    """Return the junction's cycles, each beginning where the stage that was first seen comes again."""
    greens = _greens(layout, steps, row)
    if not greens:
        return []
    first = greens[0]["stage"]
    cycles: list[dict[str, Any]] = []
    for green in greens:
        if green["stage"] == first or not cycles:
            cycles.append({"begin_ms": green["begin_ms"], "stages": []})
        cycles[-1]["stages"].append(green)
    return cycles


def _greens(layout: Layout, steps: Sequence[Tick], row: int) -> list[dict[str, Any]]:
    served_by = _served_approaches(layout, row)
    greens: list[dict[str, Any]] = []
    current: dict[str, Any] | None = None
    for tick in steps:
        stage = tick.arrays["stage"][row]
        if current is not None and stage != current["stage"]:
            greens.append(_ended(current, tick, served_by))
            current = None
        if stage != _INTERGREEN:
            if current is None:
                current = {"stage": stage, "begin_ms": tick.at_ms, "served": 0, "state": 0}
            current["served"] += sum(tick.arrays["left"][a] for a in served_by.get(stage, ()))
            current["waiting"] = sum(tick.arrays["standing"][a] for a in served_by.get(stage, ()))
            current["state"] = tick.arrays["state"][row]
    return greens


def _ended(green: dict[str, Any], tick: Tick, served_by: dict[int, list[int]]) -> dict[str, Any]:
    green_s = (tick.at_ms - green["begin_ms"]) / 1000.0
    state, waiting = green["state"], green.get("waiting", 0)
    if state & 4:
        ended = "hold"
    elif state & 3 == 0:
        ended = "plan"
    elif waiting == 0:
        ended = "gap out"
    else:
        ended = "max out" if green_s >= _MAX_OUT_S else "force off"
    return {
        "stage": green["stage"],
        "begin_ms": green["begin_ms"],
        "green_s": round(green_s, 1),
        "served": green["served"],
        "waiting_at_end": waiting,
        "ended": ended,
        "split_failure": bool(waiting > 0 and green["served"] > 0),
    }


def _served_approaches(layout: Layout, row: int) -> dict[int, list[int]]:
    """Return by stage the approaches that some link of theirs shows green."""
    assets = layout.tables.get("signals")
    if assets is None:
        return {}
    c = assets.controllers
    lo, n = int(c.link_begin[row]), int(c.link_end[row] - c.link_begin[row])
    found: dict[int, list[int]] = {}
    for local in range(int(c.stage_end[row] - c.stage_begin[row])):
        at = int(c.lamps_begin[row]) + local * n
        shown = assets.lamps[at : at + n]
        rows = {int(assets.links.approach[lo + i]) for i in range(n) if shown[i] in (1, 2)}
        found[local] = sorted(a for a in rows if a >= 0)
    return found
