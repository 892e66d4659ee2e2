"""The least delay expected over several draws of what nobody senses, compiled.

Which turn a vehicle of a shared lane wants decides whom it holds up, and before a pocket its lane does. One draw taken
for the truth lets a junction plan for queues that are not there. So each draw is searched by itself, and a first action
costs the mean of what can follow it: sample average approximation of a decision that is taken anew every second, each
draw being known from then on (Van Hentenryck and Bent 2006, Online Stochastic Combinatorial Optimization, MIT Press).
"""

from __future__ import annotations

import numpy as np
from numba import njit

from cityloop.domains.signals.decide.departures import rank
from cityloop.domains.signals.decide.given import Costing, Lamps, Queues, Stages, Users
from cityloop.domains.signals.decide.horizon_search import KEEP, USEFUL_S, search
from cityloop.kernel.columns import BOOL, F64

__all__ = ["expected_search"]


@njit(cache=True)
def expected_search(
    stage: int,
    n_stages: int,
    horizon: int,
    queues: Queues,
    users: Users,
    redrawn: Users,
    lamps: Lamps,
    stages: Stages,
    costing: Costing,
    costs: F64,
) -> int:
    """Return the best first action, ``KEEP`` or the stage to change to now, with the stage shown free to end.

    Parameters
    ----------
    redrawn
        Further draws, one after the other; those that are as the first within the horizon are not searched again.
    costs
        Filled: the mean over the draws of what `search` fills. The stage to change to later is one for all draws, since
        waiting tells nobody's turn: chosen draw by draw, waiting would look better than it is, for ever.

    """
    draws = redrawn.wants.shape[0]
    unlike = np.zeros(draws, np.bool_)
    doubt = False
    for d in range(draws):
        unlike[d] = _unlike(horizon, queues, users, _draw(redrawn, d))
        doubt = doubt or unlike[d]
    open_to = np.zeros(n_stages, np.bool_)
    if doubt:
        _open(stage, queues, users, lamps, stages, open_to)
        for d in range(draws):
            if unlike[d]:
                _open(stage, queues, _draw(redrawn, d), lamps, stages, open_to)
    best = search(stage, 0, n_stages, horizon, queues, users, lamps, stages, costing, open_to, costs)
    if not doubt:
        return best
    never = 2 * n_stages
    first, one = costs[: never + 1].copy(), np.empty(never + 1)
    _only_when_useful(n_stages, first)
    costs[: never + 1] = first
    for d in range(draws):
        if not unlike[d]:
            costs[: never + 1] += first
            continue
        search(stage, 0, n_stages, horizon, queues, _draw(redrawn, d), lamps, stages, costing, open_to, one)
        _only_when_useful(n_stages, one)
        costs[: never + 1] += one
    costs[: never + 1] /= draws + 1.0
    best, least = KEEP, costs[n_stages : never + 1].min() - 1e-6
    for k in range(n_stages):
        if costs[k] < least:
            best, least = k, costs[k]
    return best


@njit(cache=True)
def _draw(redrawn: Users, d: int) -> Users:
    return Users(redrawn.eta_s[d], redrawn.wants[d], redrawn.length[d], redrawn.stands[d])


@njit(cache=True)
def _only_when_useful(n_stages: int, costs: F64) -> None:
    """Let who would change to a stage later, where nobody could use it, not change at all."""
    for k in range(n_stages, 2 * n_stages):
        if np.isnan(costs[k]):
            costs[k] = costs[2 * n_stages]


@njit(cache=True)
def _unlike(horizon: int, queues: Queues, one: Users, other: Users) -> bool:
    """Say whether two draws differ in who comes within the horizon."""
    for q in range(queues.begin, queues.end):
        for i in range(max(one.length[q], other.length[q])):
            if i >= one.length[q] or i >= other.length[q]:
                if (one.eta_s[q, i] if i < one.length[q] else other.eta_s[q, i]) <= horizon:
                    return True
                break
            if min(one.eta_s[q, i], other.eta_s[q, i]) > horizon:
                break
            if one.wants[q, i] != other.wants[q, i] or one.eta_s[q, i] != other.eta_s[q, i]:
                return True
    return False


@njit(cache=True)
def _open(stage: int, queues: Queues, users: Users, lamps: Lamps, stages: Stages, open_to: BOOL) -> None:
    """Mark the stages that would let somebody at the head of a queue go sooner: every draw weighs them."""
    for q in range(queues.begin, queues.end):
        if users.length[q] == 0:
            continue
        head = users.wants[q, 0]
        for k in range(len(open_to)):
            if k == stage or not stages.service[k]:
                continue
            if users.eta_s[q, 0] <= stages.intergreen_s[stage, k] + USEFUL_S:
                open_to[k] = open_to[k] or rank(lamps.shown[head, k]) > rank(lamps.shown[head, stage])
