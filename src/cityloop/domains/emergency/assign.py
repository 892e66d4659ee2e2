"""The rolling assignment: calls that wait and calls whose unit is under way, against free and divertible units."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numba import njit
from scipy.optimize import linear_sum_assignment

from cityloop.domains.emergency.cover import loss_without
from cityloop.domains.emergency.crew import protected
from cityloop.domains.emergency.forecast import Coverage
from cityloop.domains.emergency.relocate import Picture
from cityloop.domains.emergency.schema import Reason, Send, UnitStatus
from cityloop.domains.emergency.state import HIGH, EmergencyState, eta_matrix_ms, free_units
from cityloop.kernel.columns import BOOL, F64, I64
from cityloop.kernel.messages import Alternative, Proposal

__all__ = ["AssignParams", "Assignment", "assign"]

NO_WAY = 1e6
HIGH_HOLD, LOW_HOLD = 500.0, 200.0
"""What leaving a call without a unit costs, by priority: more than any drive. [min]"""
MOST_KEPT = 100.0
"""What a unit leaves uncovered counts for no more: the last one free is not held back from a call that waits. [min]"""


@dataclass(frozen=True, slots=True)
class AssignParams:
    """What a minute is worth."""

    low_weight: float = 0.35
    """Worth of a minute of a call of lower priority, of one of high priority."""
    cover_min: float = 30.0
    """How long what a unit leaves uncovered stays so, in the mean. [min]"""
    switch_min: float = 0.4
    """What a change of a unit under way must save. [min]"""
    reassign: bool = True
    prepared: bool = True
    """Whether what a choice leaves uncovered counts."""
    high_slack_min: float = 1.0
    """Only among units at most this much farther than the closest does coverage count for high priority. [min]"""
    low_wait_most_min: float = 12.0
    """A call of lower priority that has waited so long is served by the closest. [min]"""
    hold_min: float = 6.0
    """What waiting for a unit to come free is taken to cost a call of lower priority. [min]"""
    hold_free_most: int = 5
    """A call of lower priority waits for coverage's sake only while no more units than this are free."""
    high_first: bool = True
    """Whether high priority chooses before the rest while there are too few units for all."""


@dataclass(frozen=True, slots=True)
class Assignment:
    """Units to send, and units that lose their call and need a place."""

    proposals: list[Proposal]
    released: I64


def assign(state: EmergencyState, coverage: Coverage, view: Picture, now_ms: int, params: AssignParams) -> Assignment:
    """Assign all calls without a unit on scene at once, at least total weighted cost.

    Returns only what changes: a call that keeps its unit makes no proposal.
    """
    units, calls = state.units, state.calls
    none = Assignment([], np.empty(0, np.int64))
    if not len(calls.call):
        return none
    free = free_units(units)
    under_way = (units.status == UnitStatus.EN_ROUTE) | (units.status == UnitStatus.TURNING_OUT)
    if not (calls.unit < 0).any() and not (params.reassign and free.any()):
        return none
    rows = np.flatnonzero(free | under_way)
    if not len(rows):
        return none
    minutes = eta_matrix_ms(state, rows) / 60_000.0
    loss = _losses(state, coverage, view, rows, params)
    cost = _costs(state, rows, minutes, loss, now_ms, params)
    waited_min = (now_ms - calls.received_ms) / 60_000.0
    may_wait = params.prepared and int(free.sum()) <= params.hold_free_most
    patient = may_wait & (waited_min < params.low_wait_most_min)
    low = np.where(patient, params.low_weight * (params.hold_min + minutes.min(axis=1)), LOW_HOLD)
    hold = np.where(calls.priority <= HIGH, HIGH_HOLD, low)
    at_call, at_unit = _least_cost(cost, hold)
    if params.high_first and _short(state, at_call[at_unit >= len(rows)], now_ms):
        # A unit that is taken from its call must save as much as any other change of a unit under way.
        serving = units.call[rows][None, :]
        taken = (serving >= 0) & (serving != calls.call[:, None])
        at_call, at_unit = _high_first(cost + params.switch_min * taken, hold, calls.priority <= HIGH)
    return _changes(state, rows, minutes, at_call, at_unit, len(rows))


def _losses(state: EmergencyState, coverage: Coverage, view: Picture, rows: I64, params: AssignParams) -> F64:
    """Return what taking each unit leaves uncovered over the time it stays so, in minutes of high-priority calls."""
    loss = np.zeros(len(rows))
    if not params.prepared:
        return loss
    at = {int(u): k for k, u in enumerate(view.row)}
    mine = [(k, at[int(u)]) for k, u in enumerate(rows) if int(u) in at]
    if mine:
        found = loss_without(view.eta, view.there, coverage.weight, np.array([j for _, j in mine], np.int64))
        loss[[k for k, _ in mine]] = np.minimum(found * coverage.high_per_min * params.cover_min, MOST_KEPT)
    return loss


def _least_cost(cost: F64, hold: F64) -> tuple[I64, I64]:
    """Return calls and their units at least total cost; a call that is better held gets a column past the last unit."""
    n_calls, n_units = cost.shape
    if n_units < n_calls:
        aside = np.full((n_calls, n_calls), NO_WAY)
        np.fill_diagonal(aside, hold)
        at_call, at_unit = linear_sum_assignment(np.concatenate((cost, aside), axis=1))
        return at_call, at_unit
    # There is always a unit that no other call takes, so whoever waits may be laid on it at the cost of waiting.
    at_call, at_unit = linear_sum_assignment(np.minimum(cost, hold[:, None]))
    held = cost[at_call, at_unit] >= hold[at_call]
    return at_call, np.where(held, n_units + at_call, at_unit)


def _short(state: EmergencyState, without: I64, now_ms: int) -> bool:
    """Tell whether a call of high priority is open while there are too few units for all.

    So it is where a call of lower priority is left ``without`` a unit, and where it would be, were not one of high
    priority given a unit that may take no other, such as one near the end of its shift.
    """
    units, calls = state.units, state.calls
    high = calls.priority <= HIGH
    if not high.any():
        return False
    if not high[without].all():
        return True
    for_all = (free_units(units) & ~protected(units, state.rules, now_ms)).sum()
    # Who is under way stays one of its call's, so that only calls without a unit still need one.
    return bool(for_all < (calls.unit < 0).sum())


def _high_first(cost: F64, hold: F64, high: BOOL) -> tuple[I64, I64]:
    """Return calls and their units: high priority at its own least cost, then the rest among what is left.

    In one sum the wait of a lower call that loses its unit outweighs every drive: a call of high priority would get a
    unit from afar while nearer ones stayed with lower calls.
    """
    n_calls, n_units = cost.shape
    at_unit = n_units + np.arange(n_calls)
    columns = np.arange(n_units)
    for group in (np.flatnonzero(high), np.flatnonzero(~high)):
        if not len(group) or not len(columns):
            continue
        call, unit = _least_cost(cost[np.ix_(group, columns)], hold[group])
        served = unit < len(columns)
        at_unit[group[call[served]]] = columns[unit[served]]
        columns = np.delete(columns, unit[served])
    return np.arange(n_calls), at_unit


def _costs(state: EmergencyState, rows: I64, minutes: F64, loss: F64, now_ms: int, params: AssignParams) -> F64:
    """Return what every unit costs every call, shape (n_calls, n_rows)."""
    units, calls = state.units, state.calls
    held = calls.unit >= 0
    fixed = held if not params.reassign else held & units.diverted[np.maximum(calls.unit, 0)]
    high = calls.priority <= HIGH
    waited_min = (now_ms - calls.received_ms) / 60_000.0
    return np.asarray(
        _cost_table(
            minutes,
            loss,
            (calls.call, calls.priority.astype(np.int64), calls.needs.astype(np.int64)),
            (high, held, fixed, ~high & (waited_min >= params.low_wait_most_min)),
            (units.call[rows], _served_priority(state, rows), units.capability[rows].astype(np.int64)),
            (units.diverted[rows], protected(units, state.rules, now_ms)[rows]),
            (params.low_weight, params.high_slack_min, params.switch_min),
        )
    )


@njit(cache=True)
def _cost_table(
    minutes: F64,
    loss: F64,
    call_facts: tuple[I64, I64, I64],
    call_marks: tuple[BOOL, BOOL, BOOL, BOOL],
    unit_facts: tuple[I64, I64, I64],
    unit_marks: tuple[BOOL, BOOL],
    weights: tuple[float, float, float],
) -> F64:
    """Fill the table pair by pair: with hundreds of calls and a thousand units whole-array steps cost far more."""
    number, priority, needs = call_facts
    high, held, fixed, due = call_marks
    serving, served_priority, capability = unit_facts
    diverted, guarded = unit_marks
    low_weight, slack, switch = weights
    n_calls, n_units = minutes.shape
    worst = 0.0
    for k in range(n_units):
        worst = max(worst, loss[k])
    cost = np.empty((n_calls, n_units))
    for c in range(n_calls):
        weight = 1.0 if high[c] else low_weight
        least = np.inf
        for k in range(n_units):
            least = min(least, minutes[c, k])
        for k in range(n_units):
            mine = serving[k] == number[c]
            allowed = capability[k] & needs[c] == needs[c]
            if serving[k] >= 0 and not mine:
                allowed = allowed and high[c] and served_priority[k] > priority[c] and not diverted[k]
            if guarded[k] and not high[c] and not mine:
                allowed = False
            if fixed[c] and not mine:
                allowed = False
            if not allowed:
                cost[c, k] = NO_WAY
                continue
            x = minutes[c, k]
            # A swap frees a unit elsewhere: it costs no coverage.
            extra = 0.0
            if not held[c]:
                if high[c]:
                    # Coverage breaks near ties only where a life may be in danger: such a call gets the closest.
                    extra = loss[k] if x <= least + slack else slack + worst
                elif not due[c]:
                    extra = loss[k] / low_weight
            elif not mine:
                extra = switch
            cost[c, k] = weight * (x + extra)
    return cost


def _served_priority(state: EmergencyState, rows: I64) -> I64:
    """Return the priority of the call that each unit serves, 0 for who serves none that waits."""
    calls = state.calls
    priority = np.zeros(len(rows), np.int64)
    if not len(calls.call):
        return priority
    order = np.argsort(calls.call, kind="stable")
    at = np.minimum(np.searchsorted(calls.call[order], state.units.call[rows]), len(order) - 1)
    found = calls.call[order][at] == state.units.call[rows]
    priority[found] = calls.priority[order][at[found]]
    return priority


def _changes(state: EmergencyState, rows: I64, minutes: F64, at_call: I64, at_unit: I64, n_units: int) -> Assignment:
    units, calls = state.units, state.calls
    proposals, taken, lost = [], set(), set()
    for c, k in zip(at_call, at_unit, strict=True):
        if k >= n_units:
            continue
        u, held = int(rows[k]), int(calls.unit[c])
        if held == u:
            continue
        if held >= 0:
            lost.add(held)
        taken.add(u)
        nearest = _nearest(minutes[c])
        reason = Reason.SHORTER if held >= 0 else Reason.UPGRADE if units.call[u] >= 0 else Reason.ROLLING
        if reason is Reason.ROLLING:
            reason = Reason.CLOSEST if nearest[0] == k else Reason.COVERAGE_KEPT
        proposals.append(
            Proposal(
                target=u,
                action=Send(int(calls.call[c])),
                reason=reason,
                cost=float(minutes[c, k]) * 60.0,
                gain=0.0,
                alternatives=tuple(Alternative(int(rows[j]), float(minutes[c, j]) * 60.0) for j in nearest if j != k),
            )
        )
    return Assignment(proposals, np.array(sorted(lost - taken), np.int64))


def _nearest(minutes: F64, count: int = 4) -> I64:
    """Return the nearest few, in order, without sorting all."""
    if len(minutes) <= 4 * count:
        return np.argsort(minutes, kind="stable")[:count]
    some = np.sort(np.argpartition(minutes, count)[: count + 1])
    return np.asarray(some[np.argsort(minutes[some], kind="stable")][:count])
