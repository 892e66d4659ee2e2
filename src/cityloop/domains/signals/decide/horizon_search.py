"""The rolling horizon's search, compiled: the stage sequence of least weighted delay over the next half minute or so.

A forward dynamic program over (stage, second it begins to be green), in the line of OPAC (Gartner 1983), PRODYN (Henry,
Farges and Tuffal 1983) and COP (Sen and Head 1997). Each node keeps the best way found to it, with every queue's place;
serving a stage lets its queues leave in order: not before they arrive, one saturation headway apart, after the start-up
loss, and, where they must give way, only into gaps of the streams they yield to.

Delay is counted by departures: what arrives does not depend on the plan, so a plan's delay up to a moment is a constant
less the sum over those who left of the time since they left.
"""

from __future__ import annotations

import numpy as np
from numba import njit

from cityloop.domains.signals.decide.departures import rank, serve
from cityloop.domains.signals.decide.given import Costing, Lamps, Queues, Stages, Users
from cityloop.kernel.columns import BOOL, F64, I32

__all__ = ["KEEP", "USEFUL_S", "search"]

KEEP = -1
USEFUL_S = 6.0
"""A stage is weighed where somebody could use it so soon after it began. [s]"""
_NEVER = 1e9


@njit(cache=True, fastmath=False)
def search(
    stage: int,
    first_end_s: int,
    n_stages: int,
    horizon: int,
    queues: Queues,
    users: Users,
    lamps: Lamps,
    stages: Stages,
    costing: Costing,
    open_to: BOOL,
    costs: F64,
) -> int:
    """Return the best first action: ``KEEP``, or the stage to change to now.

    Parameters
    ----------
    stage, first_end_s
        Stage shown, and the first whole second from now at which it may end.
    open_to
        Stages to which a first change is weighed whoever could use them, shape (n_stages,).
    costs
        Filled, shape (2 n_stages + 1,): weighted delay of changing to each stage now, of keeping and changing to each
        later, and of keeping throughout; NaN where the search did not weigh it. [s]

    """
    q0, q1, weight, headway_s = queues.begin, queues.end, queues.weight, queues.headway_s
    eta_s, wants, count = users.eta_s, users.wants, users.length
    class_lamp = lamps.shown
    service, min_green_s = stages.service, stages.min_green_s
    intergreen_s, held_s = stages.intergreen_s, stages.held_s
    yellow_use_s, stop_cost_s, rest_s = costing.yellow_use_s, costing.stop_cost_s, costing.rest_s
    n = q1 - q0
    most = eta_s.shape[1]
    total_h = float(horizon)
    # Nodes: (stage, second). The root is the stage shown at second 0.
    n_nodes = n_stages * (horizon + 1)
    value = np.full(n_nodes, _NEVER)
    left_w = np.zeros(n_nodes)
    left_wt = np.zeros(n_nodes)
    stops = np.zeros(n_nodes)
    place = np.zeros((n_nodes, n), np.int32)
    ready = np.zeros((n_nodes, n))
    parent = np.full(n_nodes, -1, np.int32)
    since = np.zeros(n_nodes)
    before = np.full(n_nodes, -1, np.int32)
    tag = np.full(n_nodes, -2, np.int32)
    idle = np.zeros(n_nodes, np.bool_)
    leaf = np.full(n_nodes, _NEVER)
    never = 2 * n_stages
    lost = np.full((never + 1, n_nodes), _NEVER)
    leave = np.zeros((n, most))
    gone_by = np.zeros((n, most), np.int32)
    n_leave = np.zeros(n, np.int32)
    gone_w = np.zeros(horizon + 3)
    gone_wt = np.zeros(horizon + 3)
    gone_stop = np.zeros(horizon + 3)
    cut = np.zeros(n, np.int32)
    last = np.zeros(n, np.int32)
    # What has arrived by each second, whatever the plan.
    arrived = np.zeros(horizon + 2)
    for q in range(q0, q1):
        for i in range(count[q]):
            s = int(np.ceil(eta_s[q, i]))
            if s <= horizon:
                arrived[s] += weight[q]
    waited = np.zeros(horizon + 2)
    here = np.zeros(horizon + 1)
    present = 0.0
    for s in range(horizon + 1):
        present += arrived[s]
        here[s] = present
        waited[s + 1] = waited[s] + present
    root = stage * (horizon + 1)
    value[root] = 0.0
    tag[root] = -1
    for i in range(n):
        ready[root, i] = 0.0
    for t0 in range(horizon + 1):
        for k in range(n_stages):
            node = k * (horizon + 1) + t0
            if value[node] >= _NEVER:
                continue
            is_root = node == root
            prior = k if is_root else before[node]
            serve(
                k, float(t0), 0.0 if is_root else since[node], prior, total_h + yellow_use_s,
                queues, users, lamps, costing, place[node], ready[node], leave, n_leave,
            )  # fmt: skip
            for s in range(t0, horizon + 3):
                gone_w[s] = 0.0
                gone_wt[s] = 0.0
                gone_stop[s] = 0.0
            for i in range(n):
                w = weight[q0 + i]
                for x in range(n_leave[i]):
                    t = leave[i, x]
                    s = int(np.ceil(t - yellow_use_s))
                    if s < t0:
                        s = t0
                    if s > horizon:
                        s = horizon + 1
                    # Counted and moved up by this one second: two roundings of one instant could count a user twice.
                    gone_by[i, x] = s
                    gone_w[s] += w
                    gone_wt[s] += w * min(t, total_h)
                    if t - eta_s[q0 + i, place[node, i] + x] > 2.0:
                        gone_stop[s] += w * stop_cost_s
            # From here on: all who leave up to that second, those before the stage included.
            sum_w, sum_wt, sum_stop = left_w[node], left_wt[node], stops[node]
            for s in range(t0, horizon + 1):
                sum_w += gone_w[s]
                sum_wt += gone_wt[s]
                sum_stop += gone_stop[s]
                gone_w[s], gone_wt[s], gone_stop[s] = sum_w, sum_wt, sum_stop
            earliest = first_end_s if is_root else t0 + int(np.ceil(min_green_s[k]))
            cut[:] = 0
            for e in range(max(t0, earliest), horizon):
                if not is_root and e > earliest:
                    # Long greens need no fine grid.
                    over = e - earliest
                    if over % (3 if over > 8 else 2) != 0:
                        continue
                elif is_root and e > 16 and e % 2 != 0:
                    continue
                for i in range(n):
                    while cut[i] < n_leave[i] and gone_by[i, cut[i]] <= e:
                        cut[i] += 1
                    last[i] = cut[i]
                last_e = e
                for k2 in range(n_stages):
                    if k2 == k or not service[k2]:
                        continue
                    # A change that only adds green takes no time; a node must still lie after its parent.
                    t1 = e + max(int(intergreen_s[k, k2]), 1)
                    if t1 >= horizon:
                        continue
                    # While people clear a crossing the vehicles beside it go on leaving.
                    ends = min(e + int(held_s[k, k2]), horizon)
                    if ends != last_e:
                        last_e = ends
                        for i in range(n):
                            x = cut[i]
                            while x < n_leave[i] and gone_by[i, x] <= ends:
                                x += 1
                            last[i] = x
                    sum_w, sum_wt, sum_stop = gone_w[ends], gone_wt[ends], gone_stop[ends]
                    useful = is_root and open_to[k2]
                    for i in range(n):
                        if useful:
                            break
                        x = place[node, i] + last[i]
                        if x < count[q0 + i] and eta_s[q0 + i, x] <= t1 + USEFUL_S:
                            c = wants[q0 + i, x]
                            useful = rank(class_lamp[c, k2]) > rank(class_lamp[c, k])
                    if not useful:
                        continue
                    cost = waited[t1] - (sum_w * t1 - sum_wt) + sum_stop
                    # Of two ways to the same node the one with fewer left waiting is worth more than its delay tells.
                    cost += max(here[t1] - sum_w, 0.0) * rest_s * 0.5
                    branch = tag[node]
                    if is_root:
                        branch = k2 if e == 0 else n_stages + k2
                    to = k2 * (horizon + 1) + t1
                    if cost < value[to]:
                        if value[to] < _NEVER:
                            gap = value[to] - cost
                            for b in range(never + 1):
                                if lost[b, to] < _NEVER:
                                    lost[b, to] += gap
                            if tag[to] != branch and lost[tag[to], to] > gap:
                                lost[tag[to], to] = gap
                        value[to] = cost
                        left_w[to] = sum_w
                        left_wt[to] = sum_wt
                        stops[to] = sum_stop
                        parent[to] = node
                        since[to] = float(ends)
                        before[to] = k
                        tag[to] = branch
                        idle[to] = is_root and sum_w <= 0.0
                        for i in range(n):
                            place[to, i] = place[node, i] + last[i]
                            if last[i] > 0:
                                ready[to, i] = leave[i, last[i] - 1] + headway_s[q0 + i]
                            else:
                                ready[to, i] = ready[node, i]
                    elif tag[to] != branch and cost - value[to] < lost[branch, to]:
                        lost[branch, to] = cost - value[to]
            # Keeping the stage to the horizon.
            sum_w, sum_wt, sum_stop = gone_w[horizon], gone_wt[horizon], gone_stop[horizon]
            end_cost = waited[horizon] - (sum_w * total_h - sum_wt) + sum_stop
            for i in range(n):
                x = place[node, i] + n_leave[i]
                w = weight[q0 + i]
                ahead = 0.0
                if x < count[q0 + i]:
                    green = class_lamp[wants[q0 + i, x], k] != 0
                    while x < count[q0 + i] and eta_s[q0 + i, x] <= total_h:
                        end_cost += w * ((0.0 if green else rest_s + stop_cost_s) + ahead)
                        ahead += headway_s[q0 + i]
                        x += 1
            leaf[node] = end_cost
    # Backward: the least delay through each node, then of each first action.
    for t0 in range(horizon, -1, -1):
        for k in range(n_stages):
            node = k * (horizon + 1) + t0
            if value[node] < _NEVER and parent[node] >= 0 and parent[node] != root and leaf[node] < leaf[parent[node]]:
                leaf[parent[node]] = leaf[node]
    costs[: never + 1] = np.nan
    costs[never] = leaf[root]
    for node in range(n_nodes):
        if value[node] >= _NEVER or node == root:
            continue
        for b in range(never):
            c = _NEVER
            if tag[node] == b:
                c = leaf[node]
            elif lost[b, node] < _NEVER:
                c = leaf[node] + lost[b, node]
            if c < _NEVER and not c >= costs[b]:
                costs[b] = c
    best, best_cost = KEEP, costs[never]
    for b in range(n_stages, never):
        if costs[b] < best_cost:
            best_cost = costs[b]
    for b in range(n_stages):
        if costs[b] < best_cost - 1e-6:
            best, best_cost = b, costs[b]
    if best == KEEP:
        best = _idle_change(root, n_stages, horizon, parent, tag, idle, leaf, costs)
    return best


@njit(cache=True)
def _idle_change(
    root: int,
    n_stages: int,
    horizon: int,
    parent: I32,
    tag: I32,
    idle: BOOL,
    leaf: F64,
    costs: F64,
) -> int:
    """Return the stage that the best plan changes to later though nobody leaves before; ``KEEP`` where somebody does.

    A green that begins sooner can be kept as long, so such waiting wins nothing on the street, and the change now is
    given the cost of the later one. In the reckoning it can win: a second moves who gets which gap between two streams
    that must yield to each other, and with a long queue behind them that outweighs all else, second after second
    for as long as nothing changes.
    """
    to, least = -1, leaf[root]
    for node in range(len(leaf)):
        if parent[node] == root and leaf[node] < least:
            to, least = node, leaf[node]
    if to < 0 or tag[to] < n_stages or not idle[to]:
        return KEEP
    stage = to // (horizon + 1)
    if costs[stage] != costs[stage]:
        return KEEP
    costs[stage] = min(costs[stage], leaf[to])
    return stage
