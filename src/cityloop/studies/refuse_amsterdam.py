"""Replay Amsterdam's residual waste: recorded weighings as the city, recorded visits as the rival.

What lay in a container on a day was never recorded; what a truck found was. Each finding is spread over the days
since the visit before, in gamma parts, so that every policy collects the same mass on the whole, and the recorded
days find what was recorded. A policy sees a weighing only where it sends a truck.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from cityloop.cities.bins.city import BinCity, Fault
from cityloop.kernel.columns import F64, I64
from cityloop.studies.refuse_records import Visits, read_amsterdam

__all__ = ["REPLAY", "Replay", "recorded_order_km", "replay_city"]

_CIRCUITY = 1.3
_DEPOT = (52.3893, 4.9180)
"""Yard of the city's collection service in Amsterdam-Noord (Papaverweg)."""
_TIP = (52.4013, 4.7884)
"""The waste-to-energy plant AEB, Australiehavenweg, where Amsterdam's residual waste is burnt."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Replay:
    """What the records do not tell, fixed from sources before any run."""

    container_m3: float = 5.0
    """The usual underground container."""
    density_kg_m3: float = 150.0
    """Unsorted waste as thrown in (Stichting Stimular, table of densities); US EPA (2016) gives 148 to 178 for mixed
    municipal waste."""
    payload_kg: float = 10_000.0
    """Between 8 t (three axles) and 12 t (four) that a maker gives for crane loaders (SKF Hades)."""
    scatter: float = 0.02
    """Variance over mean of deposits within a span, share of capacity."""
    history_days: int = 31


REPLAY = Replay()


def replay_city(folder: Path, replay: Replay, seed: int) -> tuple[BinCity, tuple[I64, ...]]:
    """Build the city and the sites visited on each recorded day."""
    visits = read_amsterdam(folder)
    n = len(visits.site_names)
    day = visits.at_s // 86_400
    first = int(day.min())
    days = int(day.max()) - first + 1
    # One visit a site and day: a second one the same day is the same crew coming back.
    site, when, mass = _daily(visits.site, day - first, visits.mass_kg, days)
    capacity: F64 = np.asarray(visits.containers * replay.container_m3 * replay.density_kg_m3, np.float64)
    share = 0.4
    deposit = np.zeros((n, days, 2))
    rng = np.random.default_rng([seed, 83])
    present = np.zeros((n, 2), np.int64)
    starts = np.searchsorted(site, np.arange(n + 1))
    for k in range(n):
        own, found = when[starts[k] : starts[k + 1]], mass[starts[k] : starts[k + 1]] / capacity[k]
        present[k] = own[0], own[-1] + 1
        for before, at, amount in zip(own[:-1], own[1:], found[1:], strict=True):
            _spread(deposit[k], (int(before), int(at)), float(amount), (share, replay.scatter), rng)
    lat0, lon0 = visits.centre
    nodes = np.array([_metres(_DEPOT, lat0, lon0), _metres(_TIP, lat0, lon0)])
    x = np.concatenate([nodes[:, 0], visits.x_m]).astype(np.float32)
    y = np.concatenate([nodes[:, 1], visits.y_m]).astype(np.float32)
    distance = np.float32(_CIRCUITY) * np.hypot(x[:, None] - x[None, :], y[:, None] - y[None, :])
    city = BinCity(
        name="amsterdam",
        first_weekday=(first + 3) % 7,
        distance_m=distance,
        x_m=visits.x_m,
        y_m=visits.y_m,
        capacity_kg=capacity,
        deposit=deposit,
        visit_of_day=share,
        sensor=np.full(n, int(Fault.ABSENT)),
        fault_from=np.zeros(n, np.int64),
        reading=np.zeros((n, 0, 2)),
        scale_noise=np.broadcast_to(np.float64(0.0), (n, days)),
        noise_frac=0.04,
        step_frac=0.0,
        works=(True, True, True, True, True, True, False),
        present=present,
    )
    practice = tuple(np.sort(site[when == d]) for d in range(days))
    return city, practice


def _daily(site: I64, day: I64, mass: F64, days: int) -> tuple[I64, I64, F64]:
    key, inverse = np.unique(site * days + day, return_inverse=True)
    return key // days, key % days, np.asarray(np.bincount(inverse, mass), np.float64)


def _spread(
    deposit: F64, between: tuple[int, int], amount: float, shape: tuple[float, float], rng: np.random.Generator
) -> None:
    """Spread a finding over the half days between two visits, in gamma parts that add up to it."""
    before, at = between
    share, scatter = shape
    # After the visit of the first day, whole days between, before the visit of the last day.
    weight = np.tile([1.0 - share, share], at - before)
    part = rng.gamma(np.maximum(amount * weight / max(weight.sum(), 1e-9) / scatter, 1e-3))
    total = part.sum()
    part = amount * (part / total if total > 0 else weight / weight.sum())
    flat = deposit.reshape(-1)
    flat[2 * before + 1 : 2 * at + 1] += part


def _metres(place: tuple[float, float], lat0: float, lon0: float) -> tuple[float, float]:
    return (place[1] - lon0) * float(np.cos(np.radians(lat0))) * 111_320.0, (place[0] - lat0) * 111_195.0


def recorded_order_km(folder: Path, replay: Replay, from_day: int) -> list[float]:
    """Return the kilometres of each day if the recorded visits are driven in the order of their clock times.

    Trucks are not recorded: each visit goes to the nearest truck that can have come from its last one in time, at 40
    km/h in a straight line; another truck is taken out when none can. A truck tips before the stop that would
    overload it.
    """
    visits = read_amsterdam(folder)
    lat0, lon0 = visits.centre
    depot, tip = (np.array(_metres(p, lat0, lon0)) for p in (_DEPOT, _TIP))
    first = int((visits.at_s // 86_400).min())
    order = np.argsort(visits.at_s, kind="stable")
    by_day: dict[int, list[int]] = {}
    for k in order.tolist():
        by_day.setdefault(int(visits.at_s[k] // 86_400) - first, []).append(k)
    return [
        _CIRCUITY * _day_order(visits, by_day[day], (depot, tip), replay.payload_kg) / 1000.0
        for day in sorted(by_day)
        if day >= from_day
    ]


def _day_order(visits: Visits, rows: list[int], ends: tuple[F64, F64], payload_kg: float) -> float:
    depot, tip = ends
    where = np.zeros((0, 2))
    when = np.zeros(0)
    load: list[float] = []
    total = 0.0
    for k in rows:
        place = np.array([visits.x_m[visits.site[k]], visits.y_m[visits.site[k]]])
        at, mass = float(visits.at_s[k]), float(min(visits.mass_kg[k], payload_kg))
        gap = np.hypot(*(where - place).T) if len(load) else np.zeros(0)
        able = np.flatnonzero(gap <= (at - when) * 40.0 / 3.6)
        if len(able):
            truck = int(able[np.argmin(gap[able])])
            leg = float(gap[truck])
            if load[truck] + mass > payload_kg:
                leg = float(np.hypot(*(where[truck] - tip)) + np.hypot(*(tip - place)))
                load[truck] = 0.0
            total += leg
            load[truck] += mass
            where[truck], when[truck] = place, at
        else:
            total += float(np.hypot(*(depot - place)))
            where, when = np.vstack([where, place]), np.append(when, at)
            load.append(mass)
    home = float(np.hypot(*(tip - depot)))
    return total + sum(float(np.hypot(*(p - tip))) + home for p in where)
