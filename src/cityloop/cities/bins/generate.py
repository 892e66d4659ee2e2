"""Draw a city of containers: places in quarters, rates that differ and wander, weekdays, shared days, sensors that err.

What is drawn stands beside five hundred days of weighings in Amsterdam: there, rates differ with a standard deviation
of 0.54 in their logarithm; a site's amount scatters by 0.47 of its mean from week to week and still by 0.29 from one
eight weeks to the next, of which a part is the scale and not the container. Bags make the rest of the scatter here.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from cityloop.cities.bins.city import BinCity, Fault

__all__ = ["CitySpec", "generate", "with_faults"]

CIRCUITY = 1.3
"""Road metres a straight metre; Ballou, Rahardja & Sakai (2002), Transp. Res. A 36, 843-848, give 1.2 to 1.5 for
Europe."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CitySpec:
    """What a drawn city is like."""

    containers: int = 300
    days: int = 120
    side_m: float = 9_000.0
    quarters: int = 14
    median_days: float = 10.0
    """Days in which the median container fills."""
    least_days: float = 3.0
    """Where it would be fewer the city has set up a second container."""
    rate_spread: float = 0.55
    """Standard deviation of the logarithm of the rates."""
    dispersion: float = 0.02
    """Variance over mean of deposits, share of capacity: bags of 1 to 1.5 % of it, of unequal size."""
    burst_spread: float = 0.15
    """Standard deviation of the logarithm of a container's own ups and downs over days."""
    burst_days: float = 4.0
    drift_spread: float = 0.25
    """The same over months: people move, shops open."""
    drift_days: float = 60.0
    shared_spread: float = 0.10
    """Standard deviation of what all containers share in a day (weather, events)."""
    season: float = 0.15
    """Amplitude of the season over the run."""
    visit_of_day: float = 0.4
    """Share of a day's deposits made before the trucks' hours."""
    without_sensor: float = 0.15
    noise_frac: float = 0.04
    step_frac: float = 0.0
    scale_noise: float = 0.08

    def __post_init__(self) -> None:
        if self.containers < 2 or self.days < 1 or self.median_days <= 0 or not 0 <= self.without_sensor <= 1:
            raise ValueError(f"A city needs containers, days, a time to fill and a share of sensors in [0, 1]: {self}.")


def generate(spec: CitySpec, seed: int) -> BinCity:
    """Draw a city; the same seed gives the same city."""
    rng = np.random.default_rng([seed, 81])
    n, days = spec.containers, spec.days
    centres = rng.uniform(0.1, 0.9, (spec.quarters, 2)) * spec.side_m
    share = rng.dirichlet(np.full(spec.quarters, 3.0))
    quarter = rng.choice(spec.quarters, n, p=share)
    spread = rng.uniform(300.0, 1100.0, spec.quarters)
    place = np.clip(centres[quarter] + rng.normal(size=(n, 2)) * spread[quarter, None], 0, spec.side_m)
    depot = rng.uniform(0.2, 0.8, 2) * spec.side_m
    tip = np.array([spec.side_m, rng.uniform(0.1, 0.9) * spec.side_m])
    nodes = np.concatenate([depot[None], tip[None], place])
    distance = CIRCUITY * np.hypot(*(nodes[:, None] - nodes[None]).transpose(2, 0, 1))
    rate = np.exp(rng.normal(0.0, spec.rate_spread, n)) / spec.median_days
    rate /= np.ceil(rate * spec.least_days)
    weekday = rng.uniform(0.8, 1.2, 7)
    weekday /= weekday.mean()
    phase = rng.uniform(0, 2 * np.pi)
    day = np.arange(days)
    calendar = weekday[day % 7] * (1.0 + spec.season * np.sin(2 * np.pi * day / 120.0 + phase))
    calendar = calendar * np.maximum(1.0 + spec.shared_spread * rng.normal(size=days), 0.3)
    own = _wander(rng, n, days, spec.burst_spread, spec.burst_days)
    own += _wander(rng, n, days, spec.drift_spread, spec.drift_days)
    mean = rate[:, None] * calendar[None, :] * np.exp(own)
    parts = mean[:, :, None] * np.array([spec.visit_of_day, 1.0 - spec.visit_of_day])
    deposit = rng.gamma(parts / spec.dispersion, spec.dispersion)
    kind = np.where(rng.uniform(size=n) < spec.without_sensor, int(Fault.ABSENT), int(Fault.NONE))
    volume_m3 = rng.choice([3.0, 5.0], n)
    return BinCity(
        name=f"drawn-{seed}",
        first_weekday=0,
        distance_m=distance.astype(np.float32),
        x_m=place[:, 0].copy(),
        y_m=place[:, 1].copy(),
        capacity_kg=volume_m3 * 100.0,
        deposit=deposit,
        visit_of_day=spec.visit_of_day,
        sensor=kind.astype(np.int64),
        fault_from=np.zeros(n, np.int64),
        reading=np.stack([rng.normal(size=(n, days)), rng.uniform(0, 1.0, (n, days))], axis=2),
        scale_noise=np.clip(spec.scale_noise * rng.normal(size=(n, days)), -0.5, 0.5),
        noise_frac=spec.noise_frac,
        step_frac=spec.step_frac,
        works=(True, True, True, True, True, True, False),
        present=np.column_stack([np.zeros(n, np.int64), np.full(n, days)]),
    )


def _wander(rng: np.random.Generator, n: int, days: int, spread: float, memory_days: float) -> npt.NDArray[np.float64]:
    """Draw paths that wander about 0 with a given spread and memory, shape (n, days)."""
    keep = np.exp(-1.0 / memory_days)
    path = np.empty((n, days))
    path[:, 0] = rng.normal(0.0, spread, n)
    for day in range(1, days):
        path[:, day] = keep * path[:, day - 1] + rng.normal(0.0, spread * np.sqrt(1.0 - keep * keep), n)
    return path


def with_faults(city: BinCity, share: float, seed: int, first_day: int) -> BinCity:
    """Return the city with a share of its working sensors dead, stuck or lying, a third each, from some day on."""
    rng = np.random.default_rng([seed, 82])
    working = np.flatnonzero(city.sensor == Fault.NONE)
    hit = rng.choice(working, round(share * len(working)), replace=False)
    kind, since = city.sensor.copy(), city.fault_from.copy()
    kind[hit] = rng.choice([int(Fault.DEAD), int(Fault.STUCK), int(Fault.LYING)], len(hit))
    since[hit] = first_day + rng.integers(0, 15, len(hit))
    return replace(city, sensor=kind, fault_from=since)
