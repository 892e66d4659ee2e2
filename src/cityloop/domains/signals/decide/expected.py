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
from cityloop.domains.signals.decide.horizon_search import KEEP, USEFUL_S, search
from cityloop.kernel.columns import BOOL, F64, I32, U8

__all__ = ["expected_search"]


@njit(cache=True)
def expected_search(
    stage: int,
    n_stages: int,
    horizon: int,
    q0: int,
    q1: int,
    eta_s: F64,
    wants: I32,
    count: I32,
    stands: BOOL,
    more_eta_s: F64,
    more_wants: I32,
    more_count: I32,
    more_stands: BOOL,
    weight: F64,
    headway_s: F64,
    class_lamp: U8,
    class_queue: I32,
    foe_begin: I32,
    foe_end: I32,
    foe_class: I32,
    service: BOOL,
    min_green_s: F64,
    intergreen_s: F64,
    held_s: F64,
    start_loss_s: float,
    yellow_use_s: float,
    gap_s: float,
    stop_cost_s: float,
    rest_s: float,
    costs: F64,
) -> int:
    """Return the best first action, ``KEEP`` or the stage to change to now, with the stage shown free to end.

    Parameters
    ----------
    more_eta_s, more_wants, more_count, more_stands
        Further draws, one after the other; those that are as the first within the horizon are not searched again.
    costs
        Filled: the mean over the draws of what `search` fills. The stage to change to later is one for all draws, since
        waiting tells nobody's turn: chosen draw by draw, waiting would look better than it is, for ever.

    """
    draws = more_wants.shape[0]
    unlike = np.zeros(draws, np.bool_)
    doubt = False
    for d in range(draws):
        unlike[d] = _unlike(horizon, q0, q1, eta_s, wants, count, more_eta_s[d], more_wants[d], more_count[d])
        doubt = doubt or unlike[d]
    open_to = np.zeros(n_stages, np.bool_)
    if doubt:
        _open(stage, q0, q1, eta_s, wants, count, class_lamp, service, intergreen_s, open_to)
        for d in range(draws):
            if unlike[d]:
                _open(
                    stage, q0, q1, more_eta_s[d], more_wants[d], more_count[d], class_lamp, service, intergreen_s,
                    open_to,
                )  # fmt: skip
    best = search(
        stage, 0, n_stages, horizon, q0, q1, eta_s, wants, count, weight, headway_s, stands, class_lamp, class_queue,
        foe_begin, foe_end, foe_class, service, min_green_s, intergreen_s, held_s, open_to,
        start_loss_s, yellow_use_s, gap_s, stop_cost_s, rest_s, costs,
    )  # fmt: skip
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
        search(
            stage, 0, n_stages, horizon, q0, q1, more_eta_s[d], more_wants[d], more_count[d], weight, headway_s,
            more_stands[d], class_lamp, class_queue, foe_begin, foe_end, foe_class, service, min_green_s, intergreen_s,
            held_s, open_to, start_loss_s, yellow_use_s, gap_s, stop_cost_s, rest_s, one,
        )  # fmt: skip
        _only_when_useful(n_stages, one)
        costs[: never + 1] += one
    costs[: never + 1] /= draws + 1.0
    best, least = KEEP, costs[n_stages : never + 1].min() - 1e-6
    for k in range(n_stages):
        if costs[k] < least:
            best, least = k, costs[k]
    return best


@njit(cache=True)
def _only_when_useful(n_stages: int, costs: F64) -> None:
    """Let who would change to a stage later, where nobody could use it, not change at all."""
    for k in range(n_stages, 2 * n_stages):
        if np.isnan(costs[k]):
            costs[k] = costs[2 * n_stages]


@njit(cache=True)
def _unlike(
    horizon: int, q0: int, q1: int, eta_s: F64, wants: I32, count: I32, eta2_s: F64, wants2: I32, count2: I32
) -> bool:
    """Say whether two draws differ in who comes within the horizon."""
    for q in range(q0, q1):
        for i in range(max(count[q], count2[q])):
            if i >= count[q] or i >= count2[q]:
                if (eta_s[q, i] if i < count[q] else eta2_s[q, i]) <= horizon:
                    return True
                break
            if min(eta_s[q, i], eta2_s[q, i]) > horizon:
                break
            if wants[q, i] != wants2[q, i] or eta_s[q, i] != eta2_s[q, i]:
                return True
    return False


@njit(cache=True)
def _open(
    stage: int, q0: int, q1: int, eta_s: F64, wants: I32, count: I32, class_lamp: U8, service: BOOL, intergreen_s: F64,
    open_to: BOOL,
) -> None:  # fmt: skip
    """Mark the stages that would let somebody at the head of a queue go sooner: every draw weighs them."""
    for q in range(q0, q1):
        if count[q] == 0:
            continue
        shown = rank(class_lamp[wants[q, 0], stage])
        for k in range(len(open_to)):
            if k != stage and service[k] and eta_s[q, 0] <= intergreen_s[stage, k] + USEFUL_S:
                open_to[k] = open_to[k] or rank(class_lamp[wants[q, 0], k]) > shown
