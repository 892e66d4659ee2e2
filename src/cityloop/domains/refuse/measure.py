"""How the rounds went: driving, stops, crew hours and overflow, by day and over a window."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

__all__ = ["DIESEL_CO2_KG_L", "DIESEL_L_KM", "DIESEL_L_STOP", "DayRecord", "Scorecard", "score"]

DIESEL_L_KM = 0.45
"""Litres a refuse truck takes a kilometre between stops; compare Nguyen & Wilson (2010), Waste Manage. Res. 28,
289-297."""
DIESEL_L_STOP = 0.25
"""Litres a lift takes: the crane and the press run off the engine."""
DIESEL_CO2_KG_L = 2.68
"""Carbon dioxide from a litre of diesel burnt (IPCC 2006 guidelines, vol. 2, default factors)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DayRecord:
    """What was done and what overflowed on one day."""

    day: int
    stops: int
    length_m: float
    """Driven. [m]"""
    haul_m: float
    """Of which to and from tip and depot. [m]"""
    trips: int
    """Loads tipped."""
    trucks: int
    crew_s: float
    mass_kg: float
    fill_sum: float
    """Fill found, summed over the stops. [1]"""
    overflow_days: float
    """Containers that were overfull at some time of the day."""
    containers: int
    """Containers that were there."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Scorecard:
    """Figures of a window of days."""

    days: int
    km: float
    haul_km: float
    stops: int
    trips: int
    truck_days: int
    crew_h: float
    mass_t: float
    fill_at_stop: float
    """Mean share of capacity found. [1]"""
    overflows_per_1000: float
    """Container-days with an overfull container, per thousand container-days."""
    fuel_l: float
    co2_kg: float
    day_to_day: float
    """Standard deviation over mean of the stops of worked days: how even the work is. [1]"""


def score(window: Sequence[DayRecord]) -> Scorecard:
    """Score a window of days."""
    stops = sum(r.stops for r in window)
    km = math.fsum(r.length_m for r in window) / 1000.0
    container_days = sum(r.containers for r in window)
    fuel = DIESEL_L_KM * km + DIESEL_L_STOP * stops
    worked = [r.stops for r in window if r.stops]
    mean = sum(worked) / max(len(worked), 1)
    spread = math.sqrt(sum((s - mean) ** 2 for s in worked) / len(worked)) / mean if worked else math.nan
    return Scorecard(
        days=len(window),
        km=km,
        haul_km=math.fsum(r.haul_m for r in window) / 1000.0,
        stops=stops,
        trips=sum(r.trips for r in window),
        truck_days=sum(r.trucks for r in window),
        crew_h=math.fsum(r.crew_s for r in window) / 3600.0,
        mass_t=math.fsum(r.mass_kg for r in window) / 1000.0,
        fill_at_stop=math.fsum(r.fill_sum for r in window) / stops if stops else math.nan,
        overflows_per_1000=1000.0 * math.fsum(r.overflow_days for r in window) / container_days
        if container_days
        else math.nan,
        fuel_l=fuel,
        co2_kg=DIESEL_CO2_KG_L * fuel,
        day_to_day=spread,
    )
