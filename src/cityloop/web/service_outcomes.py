"""What came of a service's decision, against what was expected of it: read from recorded steps alone.

What is not seen within the horizon is told as that, a lower bound. Where something else came first (another call,
another plan, the simulation's next lap) the forecast is closed at that moment: what came first is told, and of a
duration what had passed until then, a lower bound too. Where nobody was told, because the ladder stood below live, no
figure would answer the forecast.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

import msgspec
import numpy as np

from cityloop.kernel.columns import I64
from cityloop.wire.live import Tick

__all__ = ["QUANTITIES", "SERVICES", "History", "Outcome", "Slim", "outcome_of"]

SERVICES = frozenset({"emergency", "refuse"})
QUANTITIES = {
    "Send": ("time until a unit is on the scene of the call", "s"),
    "Move": ("time until the unit stands at its new place", "s"),
    "TakeBreak": ("time until the unit is free again", "s"),
    "Advise": ("time until the unit is at that hospital", "s"),
    "Lead": ("the dispatch centre takes the lease", "1"),
    "EmptyToday": ("fill found when the container is emptied", "1"),
    "PlanRound": ("containers emptied in the round", "1"),
    "DriveRoute": ("time until the truck is home", "s"),
}
"""By kind of action: what is forecast and then observed, and its unit."""
_STANDING, _ON_SCENE, _AT_HOSPITAL, _ON_BREAK = 0, 4, 6, 7
_OUT, _BROKEN_DOWN, _HOME = (1, 2, 3), 4, 5
_SLACK_MS = 1500


class Slim(msgspec.Struct, frozen=True):
    """Of a recorded step, what outcomes are read from."""

    at_ms: int
    lap: int = 1
    at_once: bool = False
    arrays: dict[str, bytes] = {}


@dataclass(frozen=True, slots=True)
class Outcome:
    """What was observed against a forecast."""

    status: str
    """``complete``; ``beyond``: not within the horizon; ``overtaken``: something else came first, and the value, where
    there is one, is what had passed until then; ``pending``."""
    value: float
    covered_s: float
    note: str = ""
    """A code for what came first, or for what has to be known with the value."""


@dataclass(slots=True)
class History:
    """Recorded steps as columns, shape (steps, rows)."""

    at_ms: I64
    lap: I64
    columns: dict[str, np.ndarray[Any, Any]] = field(default_factory=dict)
    last_ms: int = 0
    """The newest instant that is recorded at all: nothing after it can be known yet."""

    @classmethod
    def of(cls, steps: Iterable[Slim | Tick], last_ms: int) -> History:
        """Lay out recorded steps that tell of services."""
        kept = [one for one in steps if not one.at_once and ("unit_status" in one.arrays or "round_i32" in one.arrays)]
        made = cls(
            np.array([one.at_ms for one in kept], np.int64), np.array([one.lap for one in kept], np.int64), {}, last_ms
        )
        for name, kind, missing in _COLUMNS:
            width = max((len(one.arrays.get(name, b"")) // kind.itemsize for one in kept), default=0)
            column = np.full((len(kept), width), missing, kind)
            for row, one in enumerate(kept):
                raw = one.arrays.get(name)
                if raw is not None and len(raw) == width * kind.itemsize:
                    column[row] = np.frombuffer(raw, kind)
            made.columns[name] = column
        return made

    def after(self, at_ms: int, horizon_s: float) -> slice:
        """Return the steps of a horizon."""
        lo = int(np.searchsorted(self.at_ms, at_ms, "right"))
        return slice(lo, int(np.searchsorted(self.at_ms, at_ms + horizon_s * 1000.0, "right")))

    def cell(self, name: str, rows: slice, target: int) -> np.ndarray[Any, Any]:
        """Return one asset's column over some steps; empty where the asset is unknown."""
        column = self.columns[name][rows]
        return column[:, target] if 0 <= target < column.shape[1] else column[:0, :0].ravel()


_COLUMNS = (
    ("unit_status", np.dtype(np.uint8), 255),
    ("unit_call_i32", np.dtype(np.int32), -1),
    ("unit_site_i32", np.dtype(np.int32), -1),
    ("truck_status", np.dtype(np.uint8), 255),
    ("truck_told_i32", np.dtype(np.int32), 0),
    ("round_i32", np.dtype(np.int32), -1),
    ("found_f32", np.dtype(np.float32), np.nan),
)


def outcome_of(
    history: History, raw: dict[str, Any], horizon_s: float, receipt: Sequence[Any] | None, *, acted: bool
) -> Outcome:
    """Return what came of a decision within its horizon."""
    action, at_ms = raw["proposal"]["action"], raw["decided_at_ms"]
    kind = action.get("type", "") if isinstance(action, dict) else ""
    if kind == "Lead":
        return _lease(history, at_ms, horizon_s, receipt, acted)
    look = _LOOKS.get(kind)
    if look is None:
        return Outcome("none", math.nan, 0.0)
    if not acted and kind in _NEEDS_ACTING:
        return Outcome("overtaken", math.nan, 0.0, "NOT_ACTED")
    rows = history.after(at_ms, horizon_s)
    laps = history.lap[rows]
    if len(laps):
        first = history.lap[max(rows.start - 1, 0)]
        other = np.flatnonzero(laps != first)
        if len(other):
            rows = slice(rows.start, rows.start + int(other[0]))
    seen = _Seen(history, rows, at_ms, horizon_s, cut=rows.stop < history.after(at_ms, horizon_s).stop)
    outcome = look(seen, action, raw["proposal"]["target"])
    if outcome.status == "overtaken" and QUANTITIES[kind][1] == "s":
        return Outcome("overtaken", outcome.covered_s, outcome.covered_s, outcome.note)
    return outcome


@dataclass(frozen=True, slots=True)
class _Seen:
    """The steps of one decision's horizon."""

    history: History
    rows: slice
    at_ms: int
    horizon_s: float
    cut: bool
    """Whether the simulation began anew within it."""

    def column(self, name: str, target: int) -> np.ndarray[Any, Any]:
        return self.history.cell(name, self.rows, target)

    def complete(self, row: int, note: str = "") -> Outcome:
        """Return an outcome that is a duration."""
        took_s = (int(self.history.at_ms[self.rows.start + row]) - self.at_ms) / 1000.0
        return Outcome("complete", took_s, took_s, note)

    def value(self, value: float, row: int) -> Outcome:
        return Outcome("complete", value, (int(self.history.at_ms[self.rows.start + row]) - self.at_ms) / 1000.0)

    def overtaken(self, row: int, note: str) -> Outcome:
        return Outcome(
            "overtaken", math.nan, (int(self.history.at_ms[self.rows.start + row]) - self.at_ms) / 1000, note
        )

    def nothing(self) -> Outcome:
        """Return what is known where nothing of it was seen."""
        n = self.rows.stop - self.rows.start
        covered_s = (int(self.history.at_ms[self.rows.stop - 1]) - self.at_ms) / 1000.0 if n else 0.0
        if self.cut:
            return Outcome("overtaken", math.nan, covered_s, "NEXT_LAP")
        if self.history.last_ms < self.at_ms + self.horizon_s * 1000.0 - _SLACK_MS:
            return Outcome("pending", math.nan, covered_s)
        if covered_s < self.horizon_s - 5.0:
            return Outcome("partly", math.nan, covered_s)
        return Outcome("beyond", self.horizon_s, covered_s)


def _first(where: Any) -> int:
    found = np.flatnonzero(where)
    return int(found[0]) if len(found) else -1


def _on_scene(seen: _Seen, action: dict[str, Any], unit: int) -> Outcome:
    status, call = seen.history.columns["unit_status"][seen.rows], seen.history.columns["unit_call_i32"][seen.rows]
    there = (status == _ON_SCENE) & (call == action["call"])
    row = _first(there.any(axis=1))
    if row < 0:
        return seen.nothing()
    mine = 0 <= unit < there.shape[1] and bool(there[row, unit])
    return seen.complete(row, "" if mine else "OTHER_UNIT")


def _at_place(seen: _Seen, action: dict[str, Any], unit: int) -> Outcome:
    status, site = seen.column("unit_status", unit), seen.column("unit_site_i32", unit)
    call = seen.column("unit_call_i32", unit)
    there = _first((status == _STANDING) & (site == action["site"]))
    sent, moved = _first(call >= 0), _first((site >= 0) & (site != action["site"]))
    first = min([row for row in (there, sent, moved) if row >= 0], default=-1)
    if first < 0:
        return seen.nothing()
    if first == there:
        return seen.complete(first)
    return seen.overtaken(first, "SENT_TO_CALL" if first == sent else "SENT_ELSEWHERE")


def _at_hospital(seen: _Seen, action: dict[str, Any], unit: int) -> Outcome:
    status, site = seen.column("unit_status", unit), seen.column("unit_site_i32", unit)
    row = _first(status == _AT_HOSPITAL)
    if row < 0:
        return seen.nothing()
    return seen.complete(row) if site[row] == action["site"] else seen.overtaken(row, "OTHER_HOSPITAL")


def _meal_over(seen: _Seen, action: dict[str, Any], unit: int) -> Outcome:
    status = seen.column("unit_status", unit)
    began = _first(status == _ON_BREAK)
    over = -1 if began < 0 else _first(status[began:] != _ON_BREAK)
    return seen.nothing() if over < 0 else seen.complete(began + over)


def _emptied(seen: _Seen, action: dict[str, Any], container: int) -> Outcome:
    found = seen.column("found_f32", container)
    row = _first(np.isfinite(found))
    return _round_over(seen) if row < 0 else seen.value(float(found[row]), row)


def _round_emptied(seen: _Seen, action: dict[str, Any], _: int) -> Outcome:
    end = _round_end(seen)
    if end < 0:
        return seen.nothing()
    found = seen.history.columns["found_f32"][seen.rows][: end + 1]
    wanted = [c for c in action["containers"] if 0 <= c < found.shape[1]]
    return seen.value(float(np.isfinite(found[:, wanted]).any(axis=0).sum()), end)


def _home(seen: _Seen, action: dict[str, Any], truck: int) -> Outcome:
    status, told = seen.column("truck_status", truck), seen.column("truck_told_i32", truck)
    out = _first(np.isin(status, _OUT))
    home = -1 if out < 0 else _first(status[out:] == _HOME)
    broken = _first(status == _BROKEN_DOWN)
    if home >= 0 and (broken < 0 or out + home < broken):
        again = bool((told[: out + home + 1] > action["version"]).any())
        return seen.complete(out + home, "REPLANNED" if again else "")
    return seen.overtaken(broken, "BROKEN_DOWN") if broken >= 0 else _round_over(seen)


def _round_over(seen: _Seen) -> Outcome:
    number = seen.column("round_i32", 0)
    other = _first(number != number[0]) if len(number) else -1
    return seen.overtaken(other, "ROUND_OVER") if other >= 0 else seen.nothing()


def _round_end(seen: _Seen) -> int:
    """Return the last step of a round: everybody is home or broken down after somebody was out; -1 before that."""
    status = seen.history.columns["truck_status"][seen.rows]
    if not status.size:
        return -1
    out = _first(np.isin(status, _OUT).any(axis=1))
    back = -1 if out < 0 else _first(np.isin(status[out:], (_HOME, _BROKEN_DOWN)).all(axis=1))
    other = _first(seen.column("round_i32", 0) != seen.column("round_i32", 0)[0])
    ends = [end for end in (out + back if back >= 0 else -1, other, len(status) - 1 if seen.cut else -1) if end >= 0]
    return min(ends, default=-1)


def _lease(history: History, at_ms: int, horizon_s: float, receipt: Sequence[Any] | None, acted: bool) -> Outcome:
    if not acted:
        return Outcome("overtaken", math.nan, 0.0, "NOT_ACTED")
    if receipt is not None:
        return Outcome("complete", float(receipt[3] == 0), (receipt[4] - at_ms) / 1000.0)
    if history.last_ms < at_ms + horizon_s * 1000.0:
        return Outcome("pending", math.nan, 0.0)
    return Outcome("complete", 0.0, horizon_s)


_LOOKS: dict[str, Callable[[_Seen, dict[str, Any], int], Outcome]] = {
    "Send": _on_scene,
    "Move": _at_place,
    "TakeBreak": _meal_over,
    "Advise": _at_hospital,
    "EmptyToday": _emptied,
    "PlanRound": _round_emptied,
    "DriveRoute": _home,
}
_NEEDS_ACTING = frozenset({"Move", "TakeBreak", "Advise", "DriveRoute"})
