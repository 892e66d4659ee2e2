"""The month of calls and of weighings: what could have been done, from the time stamps and weights alone."""

from __future__ import annotations

import math

import msgspec
import numpy as np

from cityloop.kernel.columns import F64
from cityloop.methods.statistics import mean_interval
from cityloop.studies.month.rates import NOMINAL
from cityloop.studies.month.records import Calls, Weighings

__all__ = ["CallsTest", "WeighingsTest", "judge_calls", "judge_weighings"]

_LEAST = 30


class CallsTest(msgspec.Struct, frozen=True, kw_only=True):
    """Dispatch in shadow: the free unit with the least expected drive, against the unit that was sent."""

    calls: int
    judged: int
    """Calls with place, times and at least two free units of known place."""
    agreement: float | None
    drive_mae_s: float | None
    """Of the drive times on the last third of the month, learned on the first two."""
    drive_coverage: float | None
    nominal: float = NOMINAL
    gain_s: float | None = None
    """Expected drive saved where another unit would have been sent, mean over the judged calls."""
    low_s: float | None = None
    high_s: float | None = None
    unsure: str = ""


class WeighingsTest(msgspec.Struct, frozen=True, kw_only=True):
    """Emptying in shadow: which visits found a container that needed none yet."""

    weighings: int
    sites: int
    judged: int
    light: int
    """Held-out visits below half of what the site holds when full (95th percentile)."""
    foreseen_light: int
    """Of those, how many the rate learned before would have named the day before."""
    skipped_wrongly: int
    """Visits that the same rule would have skipped though the container was above three quarters."""
    kg_mae: float | None
    kg_coverage: float | None
    nominal: float = NOMINAL
    unsure: str = ""


def judge_calls(calls: Calls) -> CallsTest:
    """Judge a month's dispatches."""
    n = len(calls.unit)
    place = np.stack([calls.x_m, calls.y_m], axis=1)
    distance = np.full(n, np.nan)
    free: list[list[tuple[int, float]]] = []
    last: dict[int, int] = {}
    until_ms: dict[int, float] = {}
    for call in range(n):
        at_ms = calls.received_ms[call]
        known = [
            (unit, float(np.hypot(*(place[call] - place[before]))))
            for unit, before in last.items()
            if until_ms.get(unit, math.inf) <= at_ms
        ]
        free.append([(unit, metres) for unit, metres in known if math.isfinite(metres)])
        unit = int(calls.unit[call])
        distance[call] = next((metres for one, metres in free[call] if one == unit), np.nan)
        last[unit], until_ms[unit] = call, _clear_ms(calls, call)
    drive_s = (calls.arrived_ms - calls.dispatched_ms) / 1000
    good = np.isfinite(distance) & np.isfinite(drive_s) & (drive_s > 0) & (drive_s < 7200)
    rows = np.flatnonzero(good)
    if len(rows) < _LEAST:
        return CallsTest(
            calls=n, judged=0, agreement=None, drive_mae_s=None, drive_coverage=None,
            unsure=f"only {len(rows)} drives between known places; a unit's place is that of its last call",
        )  # fmt: skip
    first, middle = rows[: len(rows) // 3], rows[len(rows) // 3 : 2 * len(rows) // 3]
    late = rows[2 * len(rows) // 3 :]
    fit = _line(np.sqrt(distance[first]), drive_s[first])
    half = _conformal(np.abs(drive_s[middle] - _drive(fit, distance[middle])))
    foreseen = _drive(fit, distance[late])
    saved, agreed, judged = [], 0, 0
    for call in late.tolist():
        if len(free[call]) < 2:
            continue
        judged += 1
        best = min(free[call], key=lambda one: (one[1], one[0]))
        agreed += best[0] == int(calls.unit[call])
        saved.append(float(_drive(fit, distance[[call]])[0] - _drive(fit, np.array([best[1]]))[0]))
    gain = mean_interval(saved) if len(saved) > 1 else None
    return CallsTest(
        calls=n,
        judged=judged,
        agreement=round(agreed / judged, 3) if judged else None,
        drive_mae_s=round(float(np.abs(drive_s[late] - foreseen).mean()), 1),
        drive_coverage=round(float((np.abs(drive_s[late] - foreseen) <= half).mean()), 3),
        gain_s=None if gain is None else round(gain.mean, 1),
        low_s=None if gain is None or gain.interval is None else round(gain.interval.low, 1),
        high_s=None if gain is None or gain.interval is None else round(gain.interval.high, 1),
        unsure="units are taken to stand where their last call was, and distances are as the crow flies",
    )


def judge_weighings(weighings: Weighings) -> WeighingsTest:
    """Judge a month's emptyings."""
    judged = light = foreseen_light = wrong = sites = 0
    errors: list[float] = []
    covered: list[bool] = []
    for site in range(len(weighings.sites)):
        mine = weighings.site == site
        at_d, kg = weighings.at_ms[mine] / 86_400_000, weighings.kg[mine]
        if len(kg) < 8:
            continue
        sites += 1
        gap_d, held = np.diff(at_d), kg[1:]
        gap_d, held = gap_d[gap_d > 0.2], held[gap_d > 0.2]
        cut, middle = len(held) // 2, len(held) - max(len(held) // 4, 2)
        if cut < 3 or middle <= cut:
            continue
        rate = float(held[:cut].sum() / gap_d[:cut].sum())
        full_kg = float(np.quantile(held[:middle], 0.95))
        half_kg = _conformal(np.abs(held[cut:middle] - rate * gap_d[cut:middle]))
        for days, was_kg in zip(gap_d[middle:], held[middle:], strict=True):
            foreseen = rate * float(days)
            judged += 1
            errors.append(abs(foreseen - float(was_kg)))
            covered.append(errors[-1] <= half_kg)
            is_light = was_kg < 0.5 * full_kg
            skips = foreseen + half_kg / 2 < 0.75 * full_kg and foreseen < 0.5 * full_kg
            light += bool(is_light)
            foreseen_light += bool(is_light and skips)
            wrong += bool(skips and was_kg > 0.75 * full_kg)
    return WeighingsTest(
        weighings=len(weighings.kg),
        sites=sites,
        judged=judged,
        light=light,
        foreseen_light=foreseen_light,
        skipped_wrongly=wrong,
        kg_mae=round(float(np.mean(errors)), 1) if errors else None,
        kg_coverage=round(float(np.mean(covered)), 3) if covered else None,
        unsure="" if judged >= _LEAST else f"only {judged} visits held back; bring more weeks",
    )


def _clear_ms(calls: Calls, call: int) -> float:
    usual = ((calls.cleared_ms, 0.0), (calls.arrived_ms, 1_800_000.0), (calls.dispatched_ms, 2_700_000.0))
    for stamps, usual_ms in usual:
        if math.isfinite(stamps[call]):
            return float(stamps[call]) + usual_ms
    return float(calls.received_ms[call]) + 3_600_000.0


def _line(x: F64, y: F64) -> tuple[float, float]:
    """Return intercept and slope of least squares; never a drive that shortens with distance."""
    slope = float(np.cov(x, y)[0, 1] / max(x.var(ddof=1), 1e-9))
    slope = max(slope, 0.0)
    return float(y.mean() - slope * x.mean()), slope


def _drive(fit: tuple[float, float], metres: F64) -> F64:
    """Return the expected drive: with the square root of the distance, as short drives never reach full speed."""
    return np.maximum(fit[0] + fit[1] * np.sqrt(metres), 0.0)


def _conformal(scores: F64) -> float:
    known = np.sort(scores[np.isfinite(scores)])
    rank = math.ceil((len(known) + 1) * NOMINAL)
    return math.nan if len(known) == 0 else float(known[min(rank, len(known)) - 1])
