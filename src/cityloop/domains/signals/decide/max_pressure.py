"""Max-pressure: give green to the stage whose movements press hardest.

Pressure is taken per movement, not per lane: counting a shared lane once for each stage that serves any of its turns
starves the turn that few take. A movement's pressure is its queue upstream less the queue of the approach it leads to,
spread over its turns.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from cityloop.domains.signals.bounds import due_stages
from cityloop.domains.signals.forecast import Demand
from cityloop.domains.signals.schema import Reason, ShowStage
from cityloop.domains.signals.state import LEAD_MS, SignalState
from cityloop.kernel.columns import F64
from cityloop.kernel.messages import Alternative, Proposal, Request

__all__ = ["MaxPressureParams", "propose"]


@dataclass(frozen=True, slots=True)
class MaxPressureParams:
    """When stages are compared again."""

    least_green_s: float = 5.0
    """A stage is kept at least this long, as RESCO's acyclic max-pressure does. [s]"""
    greens_per_change: float = 2.0
    """And at least this many times as long as a change takes: 5 s of green after 5 s of yellow lose half the time."""
    permissive_share: float = 0.5
    """What a movement that must yield is counted as, of its pressure."""


DEFAULT = MaxPressureParams()


def propose(
    state: SignalState, demand: Demand, requests: Sequence[Request], now_ms: int, params: MaxPressureParams = DEFAULT
) -> list[Proposal]:
    """Give green to the stage with the largest pressure.

    Parameters
    ----------
    state
        What the junctions show.
    demand
        Users of every queue by arrival; those present count.

    References
    ----------
    .. [1] Varaiya, P. (2013). Max pressure control of a network of signalized intersections.
       Transp. Res. C, 36, 177-195. doi:10.1016/j.trc.2013.08.014

    """
    tables = state.tables
    by_junction = _stage_pressure(state, demand, params.permissive_share)
    due = due_stages(state, now_ms)
    proposals = []
    for j in range(len(tables.n_stages)):
        shown = int(state.stage[j])
        if state.dead[j]:
            continue
        if shown < 0:
            target = int(state.target[j])
            stage = target if target >= 0 else int(np.flatnonzero(tables.service[j])[0])
            change = Reason.CHANGE_IN_PROGRESS
            proposals.append(Proposal(target=j, action=ShowStage(stage), reason=change, cost=0.0, gain=0.0))
            continue
        by_stage = by_junction[j, : tables.n_stages[j]]
        best = int(np.argmax(by_stage))
        if by_stage[shown] >= by_stage[best]:
            best = shown
        reason = Reason.KEEP_PRESSURE if best == shown else Reason.CHANGE_PRESSURE
        change_s = float((tables.intergreen_s[j, shown] * tables.service[j]).max())
        least_s = max(params.least_green_s, float(tables.min_green_s[j, shown]), params.greens_per_change * change_s)
        if now_ms + LEAD_MS - int(state.green_since_ms[j]) < least_s * 1000 and tables.service[j, shown]:
            best, reason = shown, Reason.KEEP_MINIMUM_GREEN
        elif due[j] >= 0:
            best, reason = int(due[j]), Reason.CHANGE_WAIT_BOUND
        proposals.append(
            Proposal(
                target=j,
                action=ShowStage(best),
                reason=reason,
                cost=-float(by_stage[best]),
                gain=float(by_stage[best] - by_stage[shown]),
                alternatives=tuple(
                    Alternative(k, -float(by_stage[k]))
                    for k in range(len(by_stage))
                    if k != best and np.isfinite(by_stage[k])
                ),
            )
        )
    return proposals


def _stage_pressure(state: SignalState, demand: Demand, permissive_share: float) -> F64:
    """Return each stage's pressure, shape (n_junctions, most_stages); -inf for a stage that does not serve.

    A lane leaves in order: only those before the first who may not go press for a stage.
    """
    tables = state.tables
    columns = np.arange(demand.wants.shape[1])
    here = columns[None, :] < demand.now[:, None]
    weights = np.broadcast_to(demand.weight[:, None], here.shape)
    waiting = np.bincount(demand.wants[here], weights=weights[here], minlength=len(tables.class_queue))
    # A full exit takes a movement's pressure away; it cannot press backwards and starve what else its stage serves.
    relief = np.maximum(waiting - _beyond_veh(state, demand), 1e-3 * waiting) / np.maximum(waiting, 1e-9)
    lamp = tables.class_lamp[demand.wants]
    goes = np.logical_and.accumulate((lamp != 0) & here[:, :, None], axis=1)
    counted = np.where(lamp == 2, 1.0, permissive_share) * (weights * relief[demand.wants])[:, :, None]
    by_queue = (goes * counted).sum(axis=1)
    by_junction = np.add.reduceat(by_queue, tables.queue_begin, axis=0)
    return np.where(tables.service, by_junction, -np.inf)


def _beyond_veh(state: SignalState, demand: Demand) -> F64:
    """Return, by class, the mean queue of the approach group its movements lead to."""
    tables, movements, approaches = state.tables, state.layout.movements, state.layout.approaches
    here = tables.queue_approach >= 0
    by_group = np.bincount(
        approaches.group[tables.queue_approach[here]], weights=demand.now[here], minlength=len(tables.group_size)
    )
    per_lane = by_group / tables.group_size
    led = movements.next_group >= 0
    beyond = np.zeros(len(tables.class_queue))
    np.maximum.at(beyond, tables.class_of_movement[led], per_lane[movements.next_group[led]])
    return beyond
