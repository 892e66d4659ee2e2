"""The brain: a rolling horizon a junction, decided anew every second.

Keeping the stage and changing to each other are weighed by the least weighted delay that can follow
(``horizon_search``), in the mean over what nobody senses (``expected``). The costs of the rejected alternatives are
kept with the decision.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numba import njit

from cityloop.domains.signals.bounds import due_stages
from cityloop.domains.signals.decide.expected import expected_search
from cityloop.domains.signals.decide.given import Costing, Lamps, Queues, Stages, Users
from cityloop.domains.signals.forecast import Demand
from cityloop.domains.signals.schema import ShowStage
from cityloop.domains.signals.state import LEAD_MS, SignalState
from cityloop.kernel.columns import BOOL, F64, I32, I64
from cityloop.kernel.messages import Alternative, Proposal, Request

__all__ = ["BrainParams", "propose"]


@dataclass(frozen=True, slots=True)
class BrainParams:
    """How the horizon is looked at. Set on the project's own networks; see ``docs/signals.md``."""

    horizon_s: int = 24
    """How far ahead plans are compared; little farther than vehicles are seen. [s]"""
    start_loss_s: float = 1.2
    """From green to the first vehicle over the line (HCM 7, ch. 19: 2 s less the headway's own part). [s]"""
    yellow_use_s: float = 0.8
    """Yellow in which moving vehicles still cross. [s]"""
    gap_s: float = 3.5
    """Gap in the opposing stream that a yielding vehicle takes. [s]"""
    stop_cost_s: float = 3.0
    """Delay of braking to a stand and gaining speed again, beyond the wait itself: v/2a + v/2b at 50 km/h. [s]"""
    rest_s: float = 9.0
    """Further wait of whoever the horizon leaves before a red. [s]"""
    eager_s: float = 0.3
    """A change is made now even if it seems this much worse than waiting, of a car's delay: whoever puts a change off
    to the last good moment is late whenever somebody comes a little sooner than foreseen. [s]"""

    promise_frac: float = 0.8
    """Where people on foot have come off worse than under the own plan, who calls walks within this share of the
    longest red that it gives the crossing: its waits spread evenly up to that, the 95th percentile some way below."""

    def __post_init__(self) -> None:
        """Refuse nonsense."""
        if not 10 <= self.horizon_s <= 120:
            raise ValueError(f"horizon_s {self.horizon_s} s, must be 10 to 120.")
        for name in ("start_loss_s", "yellow_use_s", "gap_s", "stop_cost_s", "rest_s", "eager_s", "promise_frac"):
            if getattr(self, name) < 0:
                raise ValueError(f"{name} {getattr(self, name)}, must not be negative.")


DEFAULT = BrainParams()


def propose(
    state: SignalState, demand: Demand, requests: Sequence[Request], now_ms: int, params: BrainParams = DEFAULT
) -> list[Proposal]:
    """Propose a stage for every junction whose sensing lives.

    Parameters
    ----------
    state
        What the junctions show.
    demand
        Users of every queue by arrival.
    requests
        Not yet weighed here; corridors arrive with the emergency domain.
    now_ms
        The instant of the decision. [ms]

    References
    ----------
    .. [1] Sen, S. and Head, K. L. (1997). Controlled optimization of phases at an intersection. Transportation
       Science, 31(1), 5-17. doi:10.1287/trsc.31.1.5

    """
    tables = state.tables
    n, most = tables.service.shape
    costs = np.empty((n, 2 * most + 1))
    choice = np.empty(n, np.int32)
    reason = np.empty(n, np.int32)
    due = due_stages(state, now_ms, params.promise_frac)
    redrawn = demand.redrawn
    _decide_all(
        now_ms,
        params.horizon_s,
        params.eager_s,
        state.stage,
        state.target,
        state.green_since_ms,
        state.dead,
        due,
        tables.n_stages,
        tables.queue_begin,
        tables.queue_end,
        demand.weight,
        demand.headway_s,
        Users(demand.eta_s, demand.wants, demand.count, demand.stands),
        Users(redrawn.eta_s, redrawn.wants, redrawn.count, redrawn.stands),
        Lamps(tables.class_lamp, tables.class_queue, tables.foe_begin, tables.foe_end, tables.foe_class),
        tables.service,
        tables.min_green_s,
        tables.intergreen_s,
        tables.held_s,
        Costing(params.start_loss_s, params.yellow_use_s, params.gap_s, params.stop_cost_s, params.rest_s),
        choice,
        reason,
        costs,
    )
    columns = zip(
        choice.tolist(), reason.tolist(), costs.tolist(), tables.n_stages.tolist(), state.stage.tolist(), strict=True
    )
    return [_proposal(j, *of_junction) for j, of_junction in enumerate(columns) if of_junction[0] >= 0]


def _proposal(junction: int, stage: int, why: int, row: list[float], n_stages: int, shown: int) -> Proposal:
    """Return the proposal of a stage; ``row`` holds what changing to each stage would cost, and what keeping would."""
    keep = row[n_stages]
    mine = keep if stage == shown else row[stage]
    # NaN, the cost of what was not weighed, is the only number that is not itself.
    others = [Alternative(k, row[k]) for k in range(n_stages) if k != stage and row[k] == row[k]]
    if stage != shown and keep == keep:
        others.append(Alternative(shown, keep))
    known = mine == mine
    rival = keep if stage != shown else min([other.cost for other in others], default=mine)
    return Proposal(
        target=junction,
        action=ShowStage(stage),
        reason=why,
        cost=mine if known else -1.0,
        gain=rival - mine if known and rival == rival else 0.0,
        alternatives=tuple(others),
    )


@njit(cache=True)
def _decide_all(
    now_ms: int,
    horizon: int,
    eager_s: float,
    stage: I32,
    target: I32,
    green_since_ms: I64,
    dead: BOOL,
    due: I32,
    n_stages: I32,
    queue_begin: I32,
    queue_end: I32,
    weight: F64,
    headway_s: F64,
    users: Users,
    redrawn: Users,
    lamps: Lamps,
    service: BOOL,
    min_green_s: F64,
    intergreen_s: F64,
    held_s: F64,
    costing: Costing,
    choice: I32,
    reason: I32,
    costs: F64,
) -> None:
    """Choose for every junction, and fill in why and at what cost."""
    eta_s, wants, count, class_lamp = users.eta_s, users.wants, users.length, lamps.shown
    for j in range(len(stage)):
        costs[j, :] = np.nan
        shown = stage[j]
        if dead[j]:
            choice[j] = -1
            continue
        if shown < 0:
            # A change is under way: confirm it; before the first lease there is nothing to confirm.
            choice[j] = target[j]
            reason[j] = 8
            if target[j] < 0:
                for k in range(n_stages[j]):
                    if service[j, k]:
                        choice[j] = k
                        break
            continue
        wait_s = min_green_s[j, shown] - (now_ms + LEAD_MS - green_since_ms[j]) / 1000.0
        if not service[j, shown]:
            wait_s = 0.0
        if wait_s > 0.0:
            choice[j] = shown
            reason[j] = 3
            continue
        if due[j] >= 0:
            choice[j] = due[j]
            reason[j] = 4
            continue
        q0, q1 = queue_begin[j], queue_end[j]
        if service[j, shown]:
            # Nobody anywhere that the stage shown does not serve: no search can find a reason to change.
            idle = True
            for q in range(q0, q1):
                for i in range(count[q]):
                    if eta_s[q, i] > horizon:
                        break
                    if class_lamp[wants[q, i], shown] != 2:
                        idle = False
                        break
                if not idle:
                    break
            if idle:
                choice[j] = shown
                reason[j] = 5
                continue
        queues = Queues(q0, q1, weight, headway_s)
        stages = Stages(service[j], min_green_s[j], intergreen_s[j], held_s[j])
        best = expected_search(shown, n_stages[j], horizon, queues, users, redrawn, lamps, stages, costing, costs[j])
        # Keeping throughout, or changing later, whichever is best: one figure.
        keep_s = np.nanmin(costs[j, n_stages[j] : 2 * n_stages[j] + 1])
        costs[j, n_stages[j]] = keep_s
        if best < 0:
            least_s = keep_s + eager_s * weight[q0:q1].min()
            for k in range(n_stages[j]):
                if costs[j, k] <= least_s:
                    best, least_s = k, costs[j, k]
        if best < 0 and not service[j, shown]:
            for k in range(n_stages[j]):
                if service[j, k]:
                    best = k
                    break
        choice[j] = shown if best < 0 else best
        reason[j] = 1 if best < 0 else 2
