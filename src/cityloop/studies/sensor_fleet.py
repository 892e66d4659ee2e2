"""A fleet of imagined sensors: what each measures now, and what goes wrong with some of them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from cityloop.kernel.columns import BOOL, F64, I64
from cityloop.kernel.errors import ConfigError
from cityloop.storage.recorded_series import Series

__all__ = ["FAULT_KINDS", "Fleet", "FleetParams", "Round"]

FAULT_KINDS = (
    "stuck",
    "wild",
    "nan",
    "future",
    "late",
    "repeated",
    "unset",
    "silent",
    "jumping",
    "skewed",
    "unordered",
)
"""Stuck at a value, out of range, not a number, an hour ahead, an hour behind, said twice, a clock never set, silent
for thirty of sixty rounds, far off in every twentieth, a clock 5 s ahead, every other reading 3 s behind."""

_DAY_S = 86_400.0
_SILENT_ROUNDS = 30
_JUMP_ROUNDS = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class FleetParams:
    """How many sensors there are, and how they fail."""

    count: int = 1000
    prefix: str = "sensor-"
    seed: int = 1
    fault_share: float = 0.0
    """Share of the sensors that are faulty, each in one way all along."""

    series: Series | None = None
    """Values of real sensors, or of a twin's, which are told again; None makes values up."""

    def __post_init__(self) -> None:
        if not 1 <= self.count <= 10_000_000:
            raise ConfigError(f"count is {self.count}, must be from 1 to 10,000,000")
        if not 0 <= self.fault_share <= 1:
            raise ConfigError(f"the share of faults is {self.fault_share:g}, must be from 0 to 1")


@dataclass(frozen=True, slots=True)
class Round:
    """What every sensor says in one round."""

    observed_at_ms: I64
    value: F64
    said: BOOL | None = None
    """Who says anything at all; None: everybody."""


class Fleet:
    """Sensors that drift over the day, each in its own way, plus noise of its own; or that tell a series again."""

    def __init__(self, params: FleetParams) -> None:
        self.params = params
        self._rng = np.random.default_rng(params.seed)
        count = params.count
        self.names = [f"{params.prefix}{row:06d}" for row in range(count)]
        self._middle = self._rng.normal(15.0, 4.0, count)
        self._swing = self._rng.uniform(2.0, 8.0, count)
        self._phase = self._rng.uniform(0.0, 1.0, count)
        self._drift = np.zeros(count)
        self.unit, self.low, self.high = "Cel", -50.0, 60.0
        series = params.series
        if series is not None:
            # Whose values a sensor tells, and from where on.
            self._of = np.arange(count) % len(series.begin)
            self._begin = self._rng.integers(0, series.count[self._of])
            margin = 0.1 * (series.high - series.low) or 1.0
            self.unit, self.low, self.high = "1", series.low - margin, series.high + margin
        self._rounds = 0
        self.fault = np.full(count, -1, np.int8)
        """Index into ``FAULT_KINDS`` of each sensor, -1 for a sound one."""
        faulty = self._rng.random(count) < params.fault_share
        self.fault[faulty] = self._rng.integers(0, len(FAULT_KINDS), int(faulty.sum()))

    def round(self, now_ms: int) -> Round:
        """Return what all sensors say now."""
        value = self._sound(now_ms)
        observed = np.full(len(value), now_ms, np.int64)
        said = self._spoil(now_ms, observed, value) if self.params.fault_share else None
        self._rounds += 1
        return Round(observed, value, said)

    def _sound(self, now_ms: int) -> F64:
        """Return what sound sensors would say."""
        series = self.params.series
        if series is not None:
            place = (self._begin + self._rounds) % series.count[self._of]
            told: F64 = series.value[series.begin[self._of] + place]
            return told
        self._drift = 0.95 * self._drift + self._rng.normal(0.0, 0.05, self.params.count)
        day = now_ms / 1000 / _DAY_S
        value = self._middle + self._swing * np.sin(2 * np.pi * (day + self._phase)) + self._drift
        return np.asarray(np.round(np.clip(value, -40.0, 55.0), 3), np.float64)

    def _spoil(self, now_ms: int, observed: I64, value: F64) -> BOOL | None:
        """Do to faulty sensors' readings what their faults do; return who speaks, None for all."""
        said = None
        width = self.high - self.low
        for kind, name in enumerate(FAULT_KINDS):
            rows = np.flatnonzero(self.fault == kind)
            if not len(rows):
                continue
            if name == "stuck":
                value[rows] = round(self.low + 0.56 * width, 3)
            elif name == "wild":
                value[rows] = self.high + 9 * width
            elif name == "nan":
                value[rows] = np.nan
            elif name == "future":
                observed[rows] += 3_600_000
            elif name == "late":
                observed[rows] -= 3_600_000
            elif name == "repeated":
                observed[rows] = now_ms // 10_000 * 10_000
                value[rows] = round(self.low + 0.52 * width, 3)
            elif name == "unset":
                observed[rows] = now_ms % 1_000_000
            elif name == "silent":
                said = np.ones(len(value), np.bool_)
                said[rows] = self._rounds // _SILENT_ROUNDS % 2 == 0
            elif name == "jumping" and self._rounds % _JUMP_ROUNDS == _JUMP_ROUNDS - 1:
                # To the farther end of the range.
                high = value[rows] > self.low + width / 2
                value[rows] = np.where(high, self.low + 0.02 * width, self.high - 0.02 * width).round(3)
            elif name == "skewed":
                observed[rows] += 5_000
            elif name == "unordered" and self._rounds % 2:
                observed[rows] -= 3_000
        return said
