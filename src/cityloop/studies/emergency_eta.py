"""Expected times with their bands, held against arrivals: told at dispatch, judged when the unit is on scene.

Bands are learned while a run goes on, from runs that have ended before: each is told before its own outcome is
known. The first day teaches only (half of a run of less than two days) and none of it is scored.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from cityloop.cities.events.city import EventCity
from cityloop.domains.emergency.bands import Residuals, band, learned
from cityloop.domains.emergency.state import EmergencyState, eta_ms
from cityloop.kernel.columns import F64, I64
from cityloop.storage.call_logs import write_log

__all__ = ["EtaFigures", "EtaWatch", "eta_figures", "eta_lines"]

DISTANCE_FROM_KM = (0.0, 2.0, 4.0, 7.0, 12.0)
DAY_MS = 86_400_000
_COLUMNS = 8
_CALL, _UNIT, _SENT, _EXPECTED, _LOW, _HIGH, _ACTUAL, _ROAD = range(_COLUMNS)


@dataclass(slots=True)
class EtaWatch:
    """Notes what was told at each dispatch of a run, and what came of it."""

    scored_from_ms: int
    residuals: Residuals = field(default_factory=Residuals)
    taken_off: int = 0
    """Units that never came, so that nothing can be said of their time."""
    _awaited: dict[int, tuple[float, ...]] = field(default_factory=dict)
    _done: list[tuple[float, ...]] = field(default_factory=list)

    def told(self, city: EventCity, state: EmergencyState, unit: int, call: int) -> None:
        """Note what is expected of a unit that is about to be sent."""
        if call in self._awaited:
            self.taken_off += 1
        row = int(np.flatnonzero(state.calls.call == call)[0])
        expected_s = float(eta_ms(state, np.array([unit], np.int64), row)[0]) / 1000.0
        low_s, high_s = band(self.residuals, np.array([expected_s]))
        times = state.times
        router = times.siren if times.response_mode[state.calls.priority[row] - 1] == 0 else times.ordinary
        way = router.way(int(state.units.node[unit]), int(state.calls.node[row]))
        road_m = float(router.graph.length_m[way.arcs[1:]].sum()) + float(state.calls.offroad_m[row])
        self._awaited[call] = (call, unit, city.now_ms, expected_s, low_s[0], high_s[0], np.nan, road_m)

    def look(self, city: EventCity) -> None:
        """Take in who has arrived since; a unit that was taken off its call is no longer awaited."""
        for call, told in list(self._awaited.items()):
            at_ms, unit = int(city.ledger.arrived_ms[call]), int(told[_UNIT])
            if at_ms >= 0 and city.ledger.unit[call] == unit:
                actual_s = (at_ms - told[_SENT]) / 1000.0
                self.residuals = learned(self.residuals, told[_EXPECTED], actual_s)
                self._done.append((*told[:_ACTUAL], actual_s, told[_ROAD]))
            elif city.call_unit[call] == unit:
                continue
            else:
                self.taken_off += 1
            del self._awaited[call]

    def rows(self) -> F64:
        """Return completed runs that are scored, one a row."""
        rows = np.array(self._done, np.float64).reshape(-1, _COLUMNS)
        return rows[rows[:, _SENT] >= self.scored_from_ms]

    def write(self, path: Path, names: Sequence[str]) -> int:
        """Write every completed run, those of the first day too, and return the bytes."""
        rows = np.array(self._done, np.float64).reshape(-1, _COLUMNS)
        whole: I64 = rows[:, [_CALL, _UNIT, _SENT]].astype(np.int64)
        return write_log(
            path,
            {
                "call_id": np.ascontiguousarray(whole[:, 0]),
                "unit_id": (whole[:, 1].astype(np.int32), names),
                "sent_ms": np.ascontiguousarray(whole[:, 2]),
                "expected_s": rows[:, _EXPECTED],
                "low_s": rows[:, _LOW],
                "high_s": rows[:, _HIGH],
                "actual_s": rows[:, _ACTUAL],
                "road_m": rows[:, _ROAD],
            },
        )


@dataclass(frozen=True, slots=True)
class EtaFigures:
    """How good expected times and their bands were, over all seeds of an arm."""

    runs: int
    """Units that were sent after the first day and arrived."""
    taken_off: int
    """Units that were sent and never came, of all days: nothing can be said of their time."""
    banded: int
    """Runs for which a band had been told."""
    inside_frac: float
    """Share of those that lay within their 90 % band."""
    below_frac: float
    above_frac: float
    width_s: float
    """Mean width of the bands. [s]"""
    error_s: float
    """Mean of actual less expected. [s]"""
    abs_error_s: float
    by_distance: tuple[dict[str, float], ...]
    """The same by the way on the roads."""


def eta_figures(rows: F64, taken_off: int) -> EtaFigures:
    """Return the figures of completed runs."""
    by_distance = []
    km = rows[:, _ROAD] / 1000.0
    for low, high in zip(DISTANCE_FROM_KM, (*DISTANCE_FROM_KM[1:], np.inf), strict=True):
        mine = rows[(km >= low) & (km < high)]
        if len(mine):
            by_distance.append({"from_km": low, "runs": len(mine), **_figures(mine)})
    found = _figures(rows) if len(rows) else dict.fromkeys(_FIGURES, float("nan")) | {"banded": 0}
    return EtaFigures(runs=len(rows), taken_off=taken_off, by_distance=tuple(by_distance), **found)


_FIGURES = ("banded", "inside_frac", "below_frac", "above_frac", "width_s", "error_s", "abs_error_s")


def _figures(rows: F64) -> dict[str, Any]:
    error_s = rows[:, _ACTUAL] - rows[:, _EXPECTED]
    told = rows[np.isfinite(rows[:, _LOW])]
    # Instants are whole milliseconds: one of them either way is no miss.
    below, above = told[:, _ACTUAL] < told[:, _LOW] - 0.002, told[:, _ACTUAL] > told[:, _HIGH] + 0.002
    some = len(told) > 0
    return {
        "banded": len(told),
        "inside_frac": float((~below & ~above).mean()) if some else float("nan"),
        "below_frac": float(below.mean()) if some else float("nan"),
        "above_frac": float(above.mean()) if some else float("nan"),
        "width_s": float((told[:, _HIGH] - told[:, _LOW]).mean()) if some else float("nan"),
        "error_s": float(error_s.mean()),
        "abs_error_s": float(np.abs(error_s).mean()),
    }


def eta_lines(arm: str, found: EtaFigures) -> list[str]:
    """Return the figures as lines for a terminal."""
    whole = (
        f"  {arm}: expected times of {found.runs} runs (another {found.taken_off} were taken off): "
        f"{100 * found.inside_frac:.1f} % within their 90 % band, {found.width_s:.0f} s wide in the mean; "
        f"actual less expected {found.error_s:+.1f} s, off by {found.abs_error_s:.1f} s"
    )
    return [
        whole,
        *(
            f"    from {row['from_km']:.0f} km: {row['runs']:.0f} runs, {100 * row['inside_frac']:.1f} % within, "
            f"{row['width_s']:.0f} s wide, {row['error_s']:+.1f} s, off by {row['abs_error_s']:.1f} s"
            for row in found.by_distance
        ),
    ]
