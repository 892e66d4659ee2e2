"""What comes in from outside, admitted or set aside by name: calls and positions of units.

A call is never lost: what cannot be placed or is reported twice is set aside with its reason, for a person to own.
Positions that are late, from the future or impossibly far are counted and kept out of the live state.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum

import numpy as np

from cityloop.kernel.columns import F64, I32, I64

__all__ = ["CallFault", "PositionFault", "Positions", "judge_calls", "judge_positions"]

FUTURE_MS = 2_000
"""Clocks may differ by this much. [ms]"""


class CallFault(IntEnum):
    """Why a call needs a person before it is dispatched to."""

    NONE = 0
    DUPLICATE = 1
    """Its number is known already."""
    OFF_THE_GRAPH = 2
    """Farther from any road than a crew walks; dispatched to the nearest road only by a person."""
    NO_PRIORITY = 3
    """No priority, or one that the service does not use."""


class PositionFault(IntEnum):
    """Why a position is not believed."""

    NONE = 0
    FUTURE = 1
    OLD = 2
    """Older than what is known already."""
    JUMP = 3
    """Farther from the last position than any unit drives in the time."""


@dataclass(frozen=True, slots=True)
class Positions:
    """Reports of units' positions, one a row."""

    unit: I32
    observed_at_ms: I64
    x_m: F64
    y_m: F64


def judge_calls(
    numbers: I64, offroad_m: F64, priority: I32, known: I64, most_offroad_m: float = 5_000.0, lowest: int = 5
) -> I32:
    """Return the ``CallFault`` of each call, in order of arrival; of two alike the first is kept.

    Parameters
    ----------
    numbers
        The calls' numbers in the dispatch system.
    offroad_m
        Way to the nearest road; NaN for a place that could not be read.
    priority
        1 the highest.
    known
        Numbers of calls that are known already.
    most_offroad_m
        Beyond this a place is taken to be wrong.
    lowest
        The lowest priority in use.

    """
    fault = np.zeros(len(numbers), np.int32)
    fault[~((priority >= 1) & (priority <= lowest))] = CallFault.NO_PRIORITY
    fault[~(offroad_m <= most_offroad_m)] = CallFault.OFF_THE_GRAPH
    first = np.zeros(len(numbers), np.bool_)
    first[np.unique(numbers, return_index=True)[1]] = True
    fault[~first | np.isin(numbers, known)] = CallFault.DUPLICATE
    return fault


def judge_positions(
    reports: Positions, last_ms: I64, last_x_m: F64, last_y_m: F64, now_ms: int, fastest_mps: float = 60.0
) -> I32:
    """Return the ``PositionFault`` of each report, in order, each against the last one believed of its unit.

    Parameters
    ----------
    reports
        In order of arrival.
    last_ms, last_x_m, last_y_m
        What was last believed, by unit; NaN where nothing is known.
    now_ms
        The instant.
    fastest_mps
        No unit drives faster; 200 m are forgiven for the error of a fix. [m/s]

    """
    seen_ms, x_m, y_m = last_ms.copy(), last_x_m.copy(), last_y_m.copy()
    fault = np.zeros(len(reports.unit), np.int32)
    for k, u in enumerate(reports.unit):
        at_ms = int(reports.observed_at_ms[k])
        if at_ms > now_ms + FUTURE_MS:
            fault[k] = PositionFault.FUTURE
            continue
        if at_ms <= seen_ms[u]:
            fault[k] = PositionFault.OLD
            continue
        moved_m = float(np.hypot(reports.x_m[k] - x_m[u], reports.y_m[k] - y_m[u]))
        if moved_m > 200.0 + fastest_mps * (at_ms - int(seen_ms[u])) / 1000.0:
            fault[k] = PositionFault.JUMP
            continue
        seen_ms[u], x_m[u], y_m[u] = at_ms, reports.x_m[k], reports.y_m[k]
    return fault
