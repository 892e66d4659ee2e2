"""How well it went: response by priority, its phases, and the norms of three countries.

NFPA 1710 (2020), 4.1.2: turnout of at most 60 s for ambulances, first unit with a defibrillator within 240 s of driving
and advanced life support within 480 s, each in 90 % of calls. NHS England, ambulance response programme: category 1 in
7 min in the mean and 15 min for nine of ten. Netherlands, A1: 15 min from the call in 95 %. Norms are shown, not
certified: each counts what its country defines, as far as the clocks here allow.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from cityloop.kernel.columns import BOOL, F64, I64

__all__ = ["Clocks", "Norms", "Phases", "Response", "norms", "offload_shares", "phases", "response"]


@dataclass(frozen=True, slots=True)
class Clocks:
    """The clocks of calls, -1 where one has not run. [ms]"""

    received_ms: I64
    ready_ms: I64
    dispatched_ms: I64
    mobile_ms: I64
    arrived_ms: I64
    at_hospital_ms: I64
    free_ms: I64


@dataclass(frozen=True, slots=True)
class Response:
    """Response from the call answered to the first capable unit on scene. [min]"""

    calls: int
    unserved: int
    mean_min: float
    median_min: float
    p90_min: float
    longest_min: float


@dataclass(frozen=True, slots=True)
class Phases:
    """Mean of each part of the response. [min]"""

    call_taking_min: float
    waiting_min: float
    """From the earliest dispatch to that of the unit that came."""
    turnout_min: float
    driving_min: float


@dataclass(frozen=True, slots=True)
class Norms:
    """Shares of calls within what norms ask."""

    nfpa_turnout_60s: float
    nfpa_drive_240s: float
    nfpa_drive_480s: float
    nhs_7min: float
    nhs_15min: float
    nl_a1_15min: float


def response(clocks: Clocks, which: BOOL) -> Response:
    """Return the figures of some calls; percentiles are interpolated between ranks."""
    arrived = which & (clocks.arrived_ms >= 0)
    minutes = _minutes(clocks.received_ms, clocks.arrived_ms, arrived)
    served = int(arrived.sum())
    if not served:
        return Response(int(which.sum()), int(which.sum()), np.nan, np.nan, np.nan, np.nan)
    return Response(
        calls=int(which.sum()),
        unserved=int(which.sum()) - served,
        mean_min=float(minutes.mean()),
        median_min=float(np.median(minutes)),
        p90_min=float(np.percentile(minutes, 90)),
        longest_min=float(minutes.max()),
    )


def phases(clocks: Clocks, which: BOOL) -> Phases:
    """Split the mean response of some calls."""
    arrived = which & (clocks.arrived_ms >= 0)
    steps = (clocks.received_ms, clocks.ready_ms, clocks.dispatched_ms, clocks.mobile_ms, clocks.arrived_ms)
    parts = [float(_minutes(a, b, arrived).mean()) if arrived.any() else np.nan for a, b in pairwise(steps)]
    return Phases(*parts)


def norms(clocks: Clocks, which: BOOL) -> Norms:
    """Return the shares of some calls that keep each norm's bound; an unserved call keeps none."""
    arrived = which & (clocks.arrived_ms >= 0)
    count = max(int(which.sum()), 1)
    whole_min = _minutes(clocks.received_ms, clocks.arrived_ms, arrived)
    drive_min = _minutes(clocks.mobile_ms, clocks.arrived_ms, arrived)
    turnout_min = _minutes(clocks.dispatched_ms, clocks.mobile_ms, arrived)

    def within(minutes: F64, bound_min: float) -> float:
        return float((minutes <= bound_min).sum()) / count

    return Norms(
        within(turnout_min, 1.0),
        within(drive_min, 4.0),
        within(drive_min, 8.0),
        within(whole_min, 7.0),
        within(whole_min, 15.0),
        within(whole_min, 15.0),
    )


def offload_shares(clocks: Clocks) -> tuple[float, float, float]:
    """Return the shares of handovers that lasted longer than 15, 30 and 60 min."""
    done = (clocks.at_hospital_ms >= 0) & (clocks.free_ms >= 0)
    minutes = _minutes(clocks.at_hospital_ms, clocks.free_ms, done)
    if not len(minutes):
        return np.nan, np.nan, np.nan
    over = [float((minutes > bound).mean()) for bound in (15.0, 30.0, 60.0)]
    return over[0], over[1], over[2]


def _minutes(begin_ms: I64, end_ms: I64, which: BOOL) -> F64:
    return np.asarray((end_ms[which] - begin_ms[which]) / 60_000.0)
