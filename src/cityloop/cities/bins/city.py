"""The city itself: what is really in each container, and the little of it that sensors and scales tell."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum

import numpy as np
import numpy.typing as npt

from cityloop.kernel.columns import BOOL, F64, I64

__all__ = ["BinCity", "BinRun", "Fault"]


class Fault(IntEnum):
    """What a level sensor does."""

    NONE = 0
    ABSENT = 1
    DEAD = 2
    """Silent from its first day of fault on."""
    STUCK = 3
    """Says for ever what it said last."""
    LYING = 4
    """Says something between empty and full that has nothing to do with the container."""


@dataclass(frozen=True, slots=True)
class BinCity:
    """A city over a number of days, deposits drawn beforehand so that every policy meets the same."""

    name: str
    first_weekday: int
    """Of day 0, Monday 0."""
    distance_m: npt.NDArray[np.float32]
    """Between depot, tip and containers in this order. [m]"""
    x_m: F64
    y_m: F64
    """Of the containers."""
    capacity_kg: F64
    deposit: npt.NDArray[np.float64]
    """Thrown in each day before and after the trucks' hours, share of capacity, shape (n, days, 2). [1]"""
    visit_of_day: float
    """Share of a day's deposits that is made before the trucks' hours, on average."""
    sensor: I64
    """A ``Fault`` by container."""
    fault_from: I64
    """Day from which the fault shows."""
    reading: npt.NDArray[np.float64]
    """Noise of a working sensor and words of a lying one, drawn beforehand, shape (n, days, 2)."""
    scale_noise: npt.NDArray[np.float64]
    """Relative error of the truck's scale against fill, shape (n, days)."""
    noise_frac: float
    step_frac: float
    works: tuple[bool, ...]
    """Weekdays on which trucks drive."""
    present: npt.NDArray[np.int64]
    """First day on which each container is there, and the first on which it is gone, shape (n, 2)."""

    @property
    def days(self) -> int:
        """Number of days."""
        return int(self.deposit.shape[1])

    def __len__(self) -> int:
        """Return the number of containers."""
        return len(self.x_m)


class BinRun:
    """One run of a city: holds the true fill and counts what overflows."""

    def __init__(self, city: BinCity) -> None:
        self._city = city
        self._fill = np.zeros(len(city))
        self._stuck_at = np.full(len(city), np.nan)
        self.day = 0
        self.overflow_days = np.zeros(city.days)
        """Overfull containers by day."""
        self.excess = np.zeros(city.days)
        """Share of capacity beyond full that was found or left beside containers, by day."""

    def readings(self) -> F64:
        """Return this morning's words of the level sensors; NaN where there are none."""
        city, day = self._city, self.day
        if (city.sensor == Fault.ABSENT).all():
            return np.full(len(city), np.nan)
        honest = np.clip(self._fill + city.noise_frac * city.reading[:, day, 0], 0.0, 1.2)
        if city.step_frac > 0:
            honest = np.round(honest / city.step_frac) * city.step_frac
        said = honest.copy()
        broken = city.fault_from <= day
        said[(city.sensor == Fault.ABSENT) | ((city.sensor == Fault.DEAD) & broken)] = np.nan
        stuck = (city.sensor == Fault.STUCK) & broken
        new = stuck & np.isnan(self._stuck_at)
        self._stuck_at[new] = honest[new]
        said[stuck] = self._stuck_at[stuck]
        lying = (city.sensor == Fault.LYING) & broken
        said[lying] = city.reading[lying, day, 1]
        return said

    def live(self, rows: I64) -> F64:
        """Let the day pass: part of the deposits, the trucks, the rest; return what the scales said. [1]"""
        city, day = self._city, self.day
        fill = self._fill + city.deposit[:, day, 0]
        overfull: BOOL = np.zeros(len(city), bool)
        overfull[rows] = fill[rows] >= 1.0
        weighed = fill[rows] * (1.0 + city.scale_noise[rows, day])
        self.excess[day] = np.maximum(fill[rows] - 1.0, 0.0).sum()
        fill[rows] = 0.0
        fill += city.deposit[:, day, 1]
        overfull |= fill >= 1.0
        self.overflow_days[day] = overfull.sum()
        self._fill = fill
        self.day += 1
        return np.asarray(weighed)

    def ahead(self, last: int) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
        """Return what is to come, for a planner that is told the truth: an upper bound, no policy.

        Returns
        -------
        tuple
            Fill at the visit of each of the next days and at the end of each, shape (n, last + 1) both.
        """
        coming = self._city.deposit[:, self.day : self.day + last + 1]
        if coming.shape[1] <= last:
            mean = self._city.deposit.mean(axis=1, keepdims=True)
            coming = np.concatenate([coming, np.repeat(mean, last + 1 - coming.shape[1], axis=1)], axis=1)
        end = self._fill[:, None] + np.cumsum(coming.sum(axis=2), axis=1)
        return end - coming[:, :, 1], end

    def found(self, rows: I64) -> F64:
        """Return what really lies in some containers this morning: for scores, never for policies. [1]"""
        return np.asarray(self._fill[rows])
