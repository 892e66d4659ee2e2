"""Incidents that several units answer: when first, second and all were there, beside the norm.

References
----------
.. [1] NFPA 1710 (2020), Standard for the Organization and Deployment of Fire Suppression Operations by Career Fire
   Departments, 4.1.2.1: driving of at most 240 s for the first engine, 360 s for the second, 480 s for the full first
   alarm assignment on other than high-rises, each in 90 % of incidents.

"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from cityloop.domains.emergency.schema import Fire
from cityloop.kernel.columns import BOOL, F64, I32, I64

__all__ = ["DueFigures", "FullAssignment", "due_of", "full_assignment"]


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
    second_alarm: DueFigures | None = None
    """The last unit of second alarms, from when they were asked for; None where there was none."""


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


def full_assignment(
    incident: I64, needs: I32, received_ms: I64, mobile_ms: I64, arrived_ms: I64, alarm: I32 | None = None
) -> FullAssignment:
    """Return the figures of all incidents, beside the bounds of NFPA 1710.

    Parameters
    ----------
    incident, needs, received_ms, mobile_ms, arrived_ms
        One row a place to fill.
    alarm
        2 for a place of a second alarm: it counts apart, from when it was asked for, beside the bound of a full
        assignment; None where there is none.

    """
    first_alarm = np.ones(len(incident), np.bool_) if alarm is None else alarm < 2
    parts = _parts(first_alarm, incident, needs, received_ms, mobile_ms, arrived_ms)
    first, second, full = (_figures(part, s) for part, s in zip(parts, (240.0, 360.0, 480.0), strict=True))
    again = None
    if not first_alarm.all():
        again = _figures(_parts(~first_alarm, incident, needs, received_ms, mobile_ms, arrived_ms)[2], 480.0)
    unserved = int((arrived_ms < 0).sum())
    return FullAssignment(first=first, second=second, full=full, unserved=unserved, second_alarm=again)


def _parts(
    some: BOOL, incident: I64, needs: I32, received_ms: I64, mobile_ms: I64, arrived_ms: I64
) -> tuple[F64, F64, F64]:
    return due_of(incident[some], needs[some], received_ms[some], mobile_ms[some], arrived_ms[some])


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
