"""Responses of several units: what a determinant asks for, unit by unit, and when first, second and all were there.

A response plan is a table of counts by capability for each determinant; determinants come with the call. An
incident that asks for several units is as many places to fill, each with what its unit must be able to do, so that
every policy and the guard treat it as they treat calls: one place, one unit.

References
----------
.. [1] NFPA 1710 (2020), Standard for the Organization and Deployment of Fire Suppression Operations by Career Fire
   Departments, 4.1.2.1: driving of at most 240 s for the first engine, 360 s for the second, 480 s for the full first
   alarm assignment on other than high-rises, each in 90 % of incidents.

"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum, IntFlag

import numpy as np

from cityloop.kernel.columns import F64, I32, I64
from cityloop.kernel.errors import ConfigError

__all__ = ["Due", "DueFigures", "Fire", "FullAssignment", "ResponsePlan", "due_of", "full_assignment"]


class Fire(IntFlag):
    """What a unit of the fire service can do."""

    ENGINE = 16
    LADDER = 32
    CHIEF = 64


class Due(IntEnum):
    """What part of an assignment a unit fills."""

    FIRST = 1
    """The first engine."""
    SECOND = 2
    """The second engine."""
    OTHER = 3


@dataclass(frozen=True, slots=True)
class ResponsePlan:
    """What each determinant asks for."""

    counts: dict[str, tuple[tuple[int, int], ...]]
    """By determinant: bits of capability and how many units with them."""

    def __post_init__(self) -> None:
        """Refuse a determinant that asks for nobody."""
        for determinant, wanted in self.counts.items():
            if not wanted or any(bits <= 0 or count < 1 for bits, count in wanted):
                raise ConfigError(
                    f"Response plan: {determinant!r} asks for {wanted}, must name units, at least 1 of each."
                )

    def places(self, determinant: str) -> tuple[tuple[int, Due], ...]:
        """Return the places to fill: what each unit must be able to do, and its part."""
        if determinant not in self.counts:
            raise ConfigError(f"Response plan: no determinant {determinant!r}; there are {', '.join(self.counts)}.")
        found: list[tuple[int, Due]] = []
        engines = 0
        for bits, count in self.counts[determinant]:
            for _ in range(count):
                due = Due.OTHER
                if bits & Fire.ENGINE:
                    engines += 1
                    due = Due(min(engines, 3))
                found.append((bits, due))
        return tuple(found)


@dataclass(frozen=True, slots=True)
class DueFigures:
    """When one part of the assignments was there."""

    incidents: int
    mean_min: float
    """From the call answered. [min]"""
    p90_min: float
    drive_within: float
    """Share whose driving kept the norm's bound."""
    bound_s: float


@dataclass(frozen=True, slots=True)
class FullAssignment:
    """How soon incidents had their units."""

    first: DueFigures
    second: DueFigures
    """Of incidents that ask for two engines or more."""
    full: DueFigures
    """The last of all units, of incidents that ask for more than one."""
    unserved: int
    """Places that nobody filled."""


def due_of(incident: I64, needs: I32, received_ms: I64, mobile_ms: I64, arrived_ms: I64) -> tuple[F64, F64, F64]:
    """Return response and driving of first engine, second engine and last unit, by incident, NaN where there is none.

    Each is of shape (n_incidents, 2): minutes from the call answered, and seconds of driving. Who was there first is
    the first due, whatever place he was sent to fill. The last unit's driving is the longest of all.
    """
    n = int(incident.max(initial=-1)) + 1
    first, second, full = (np.full((n, 2), np.nan) for _ in range(3))
    order = np.lexsort((arrived_ms, incident))
    starts = np.searchsorted(incident[order], np.arange(n + 1))
    for k in range(n):
        rows = order[starts[k] : starts[k + 1]]
        there = rows[arrived_ms[rows] >= 0]
        engines = there[(needs[there] & int(Fire.ENGINE)) > 0]
        for at, found in ((0, first), (1, second)):
            if len(engines) > at:
                found[k] = _clocks(received_ms, mobile_ms, arrived_ms, int(engines[at]))
        if len(rows) > 1 and len(there) == len(rows):
            full[k, 0] = (arrived_ms[there[-1]] - received_ms[there[-1]]) / 60_000.0
            full[k, 1] = (arrived_ms[there] - mobile_ms[there]).max() / 1000.0
    return first, second, full


def full_assignment(incident: I64, needs: I32, received_ms: I64, mobile_ms: I64, arrived_ms: I64) -> FullAssignment:
    """Return the figures of all incidents, beside the bounds of NFPA 1710."""
    parts = due_of(incident, needs, received_ms, mobile_ms, arrived_ms)
    figures = [_figures(part, bound_s) for part, bound_s in zip(parts, (240.0, 360.0, 480.0), strict=True)]
    return FullAssignment(*figures, unserved=int((arrived_ms < 0).sum()))


def _clocks(received_ms: I64, mobile_ms: I64, arrived_ms: I64, row: int) -> tuple[float, float]:
    response_min = (arrived_ms[row] - received_ms[row]) / 60_000.0
    return float(response_min), float(arrived_ms[row] - mobile_ms[row]) / 1000.0


def _figures(part: F64, bound_s: float) -> DueFigures:
    known = part[np.isfinite(part[:, 0])]
    if not len(known):
        return DueFigures(0, np.nan, np.nan, np.nan, bound_s)
    return DueFigures(
        incidents=len(known),
        mean_min=float(known[:, 0].mean()),
        p90_min=float(np.percentile(known[:, 0], 90)),
        drive_within=float((known[:, 1] <= bound_s).mean()),
        bound_s=bound_s,
    )
