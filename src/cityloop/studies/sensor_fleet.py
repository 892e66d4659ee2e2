"""A fleet of imagined sensors: what each measures now, and what goes wrong with some of them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from cityloop.kernel.columns import F64, I64
from cityloop.kernel.errors import ConfigError, InputError
from cityloop.wire.reading_csv import decode_csv

__all__ = ["FAULT_KINDS", "Fleet", "FleetParams", "Round", "read_series"]

FAULT_KINDS = ("stuck", "wild", "nan", "future", "late", "repeated", "unset")
"""Stuck at a value, out of range, not a number, an hour ahead, an hour behind, said twice, a clock never set."""

_DAY_S = 86_400.0


@dataclass(frozen=True, slots=True, kw_only=True)
class FleetParams:
    """How many sensors there are, and how they fail."""

    count: int = 1000
    prefix: str = "sensor-"
    seed: int = 1
    fault_share: float = 0.0
    """Share of the sensors that are faulty, each in one way all along."""

    series: Path | None = None
    """CSV of real readings whose values are replayed; None makes values up."""

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


class Fleet:
    """Sensors that drift over the day, each in its own way, plus noise of its own."""

    def __init__(self, params: FleetParams) -> None:
        self.params = params
        self._rng = np.random.default_rng(params.seed)
        count = params.count
        self.names = [f"{params.prefix}{row:06d}" for row in range(count)]
        self._middle = self._rng.normal(15.0, 4.0, count)
        self._swing = self._rng.uniform(2.0, 8.0, count)
        self._phase = self._rng.uniform(0.0, 1.0, count)
        self._drift = np.zeros(count)
        self._series = None if params.series is None else read_series(params.series)
        self._begin = self._rng.integers(0, len(self._series), count) if self._series is not None else None
        self._rounds = 0
        self.fault = np.full(count, -1, np.int8)
        """Index into ``FAULT_KINDS`` of each sensor, -1 for a sound one."""
        faulty = self._rng.random(count) < params.fault_share
        self.fault[faulty] = self._rng.integers(0, len(FAULT_KINDS), int(faulty.sum()))

    def round(self, now_ms: int) -> Round:
        """Return what all sensors say now."""
        count = self.params.count
        if self._series is not None and self._begin is not None:
            value: F64 = self._series[(self._begin + self._rounds) % len(self._series)].astype(np.float64)
        else:
            self._drift = 0.95 * self._drift + self._rng.normal(0.0, 0.05, count)
            day = now_ms / 1000 / _DAY_S
            value = self._middle + self._swing * np.sin(2 * np.pi * (day + self._phase)) + self._drift
            value = np.asarray(np.round(np.clip(value, -40.0, 55.0), 3), np.float64)
        observed = np.full(count, now_ms, np.int64)
        for kind, name in enumerate(FAULT_KINDS):
            rows = np.flatnonzero(self.fault == kind)
            if name == "stuck":
                value[rows] = 11.5
            elif name == "wild":
                value[rows] = 1000.0
            elif name == "nan":
                value[rows] = np.nan
            elif name == "future":
                observed[rows] += 3_600_000
            elif name == "late":
                observed[rows] -= 3_600_000
            elif name == "repeated":
                observed[rows] = now_ms // 10_000 * 10_000
                value[rows] = 7.25
            else:
                observed[rows] = now_ms % 1_000_000
        self._rounds += 1
        return Round(observed, value)


def read_series(path: Path) -> F64:
    """Return the finite values of a CSV of readings, in its order."""
    try:
        value = decode_csv(path.read_bytes()).value
    except OSError as error:
        raise InputError(f"{path}: {error.strerror}") from error
    except InputError as error:
        raise InputError(f"{path}: {error}") from error
    value = value[np.isfinite(value)]
    if len(value) < 2:
        raise InputError(f"{path}: {len(value)} readings, needs at least 2")
    return value
