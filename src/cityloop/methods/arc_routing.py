"""Kerbside rounds: streets to be served, in either direction, as a routing problem over directed street sides.

A street that may be served both ways is one client with two nodes (``Problem.twin``). Ways between streets are shortest
paths over directed arcs, with what turning costs where one arc goes over into the next [1]_.

References
----------
.. [1] Vidal, T. (2017). Node, edge, arc routing and turn penalties: multiple problems, one neighborhood extension.
   Operations Research, 65(4), 992-1010. doi:10.1287/opre.2017.1595
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.optimize import linear_sum_assignment
from scipy.sparse import csr_matrix
from scipy.sparse.csgraph import dijkstra

from cityloop.kernel.columns import BOOL, F64, I32, I64
from cityloop.methods.vrp import FOREVER, MUST, Fleet, Plan, Problem

__all__ = ["ArcNetwork", "Tasks", "Turns", "arc_problem", "bound", "service_total", "turn_costs"]

_TINY = 1e-9


@dataclass(frozen=True, slots=True)
class Turns:
    """What it costs to go from one arc over into the next."""

    straight: float
    right: float
    left: float
    back: float
    """Turning round on the spot."""
    sharp_deg: float = 45.0
    """From this change of bearing on it is a turn."""


@dataclass(frozen=True, slots=True)
class ArcNetwork:
    """Directed arcs, one row each."""

    tail: I32
    head: I32
    cost: F64
    """Of driving along it without service."""
    reverse: I32
    """Row of the arc of the same street in the other direction, or -1."""
    leaves_deg: F64
    """Bearing at its tail; NaN where the shape is not known."""
    enters_deg: F64
    """Bearing at its head."""
    turns: Turns | None = None


@dataclass(frozen=True, slots=True)
class Tasks:
    """Streets to be served."""

    arc: I32
    """Row of the arc in the first direction."""
    both_ways: BOOL
    """Whether one pass in either direction serves it."""
    cost: F64
    """Of serving it, driving along it included."""
    demand: I64
    """Shape (n_tasks, n_dims)."""


def arc_problem(
    network: ArcNetwork,
    tasks: Tasks,
    depot: int,
    sites: list[int],
    site_cost: list[float],
    fleet: Fleet,
    scale: float,
) -> Problem:
    """Return the routing problem of serving streets.

    Parameters
    ----------
    depot, sites
        Nodes of the depot and of the reload sites.
    site_cost
        Cost of one visit to each site, counted into every way to it.
    fleet
        Its ``allowed`` is widened to all nodes; its clock counts cost times ``scale``.
    scale
        Integer units in one unit of cost.
    """
    count = len(tasks.arc)
    turned = np.flatnonzero(tasks.both_ways)
    arcs = np.concatenate([tasks.arc, network.reverse[tasks.arc[turned]]])
    ways = _ways(network, [depot, *sites], arcs)
    first = 1 + len(sites)
    ways[:, 1:first] += np.array(site_cost, dtype=float)
    twin = np.full(first + len(arcs), -1, np.int32)
    twin[first + turned] = first + count + np.arange(len(turned))
    twin[first + count :] = first + turned
    rows = np.concatenate([np.arange(count), turned])
    n = first + len(arcs)
    service = np.concatenate([np.zeros(first), tasks.cost[rows]])
    demand = np.vstack([np.zeros((first, tasks.demand.shape[1]), np.int64), tasks.demand[rows]])
    distance = np.rint(ways * scale).astype(np.int32)
    vehicles = len(fleet)
    wide = Fleet(
        **{
            name: getattr(fleet, name) for name in Fleet.__slots__ if name != "allowed"
        },
        allowed=np.ones((vehicles, n), bool),
    )  # fmt: skip
    return Problem(
        n_depots=1,
        n_reloads=len(sites),
        distance=distance,
        duration=distance,
        early=np.zeros(n, np.int64),
        late=np.full(n, FOREVER, np.int64),
        service=np.rint(service * scale).astype(np.int64),
        demand=demand,
        prize=np.concatenate([np.zeros(first, np.int64), np.full(len(arcs), MUST * 50, np.int64)]),
        fleet=wide,
        queue=np.zeros((len(sites), 1), np.int32),
        slot=FOREVER,
        twin=twin,
        n_primary=first + count,
    )


def service_total(problem: Problem) -> int:
    """Return what serving every street once costs, whatever the plan."""
    return int(problem.service[problem.first_client : problem.end_primary].sum())


def bound(problem: Problem) -> int:
    """Return a proven lower bound on the cost of any plan, service included.

    Every street, every needed load and the day as a whole has one successor; the cheapest assignment of successors,
    each street in its better direction at both ends, costs no more than a tour. A plan with more visits to sites
    than needed costs no less: leaving one out saves its visit, which costs more than any turn.
    """
    first, last = problem.first_client, problem.end_primary
    clients = np.arange(first, last)
    assert problem.twin is not None
    other = np.where(problem.twin[clients] >= 0, problem.twin[clients], clients)
    d = problem.distance.astype(np.int64)
    pair = np.minimum(
        np.minimum(d[np.ix_(clients, clients)], d[np.ix_(clients, other)]),
        np.minimum(d[np.ix_(other, clients)], d[np.ix_(other, other)]),
    )
    np.fill_diagonal(pair, 1 << 40)
    need = problem.demand[clients].sum(axis=0)
    loads = int(np.ceil(need / problem.fleet.capacity[0] - _TINY).max())
    # Without sites every load ends at the depot, as the next begins there.
    sites = np.arange(problem.n_depots, first) if problem.n_reloads else np.zeros(1, np.int64)
    out_depot = np.minimum(d[0, clients], d[0, other])
    to_site = np.minimum(d[np.ix_(clients, sites)], d[np.ix_(other, sites)]).min(axis=1)
    from_site = np.minimum(d[np.ix_(sites, clients)], d[np.ix_(sites, other)]).min(axis=0)
    home = d[sites, 0].min()
    # Starts: the depot and all sites but the last, which leads home; a second vehicle's load may begin at the depot.
    # Ends: every load's visit to a site.
    if len(problem.fleet) > 1:
        from_site = np.minimum(from_site, out_depot)
    starts = np.vstack([out_depot, np.repeat(from_site[None, :], loads - 1, axis=0)])
    ends = np.repeat(to_site[:, None], loads, axis=1)
    corner = np.full((loads, loads), 1 << 40)
    table = np.vstack([np.hstack([pair, ends]), np.hstack([starts, corner])])
    rows, columns = linear_sum_assignment(table)
    return int(table[rows, columns].sum() + home) + service_total(problem)


def plan_cost(problem: Problem, plan: Plan) -> int:
    """Return ways and services of a plan that leaves nothing out."""
    return plan.cost + service_total(problem)


def _ways(network: ArcNetwork, nodes: list[int], arcs: I32) -> F64:
    """Return least costs between places and arcs: from the end of one to the beginning of the next.

    The graph's vertices are the arcs, and for every place one to leave from and one to arrive at.
    """
    n_arcs, n_nodes = len(network.tail), len(nodes)
    rows, columns, costs = _transitions(network)
    for i, node in enumerate(nodes):
        out = np.flatnonzero(network.tail == node)
        into = np.flatnonzero(network.head == node)
        rows += [np.full(len(out), n_arcs + i, np.int32), into.astype(np.int32)]
        columns += [out.astype(np.int32), np.full(len(into), n_arcs + n_nodes + i, np.int32)]
        costs += [network.cost[out], np.full(len(into), _TINY)]
    size = n_arcs + 2 * n_nodes
    graph = csr_matrix((np.concatenate(costs), (np.concatenate(rows), np.concatenate(columns))), shape=(size, size))
    sources = np.concatenate([n_arcs + np.arange(n_nodes), arcs])
    targets = np.concatenate([n_arcs + n_nodes + np.arange(n_nodes), arcs])
    ways: F64 = dijkstra(graph, indices=sources)[:, targets]
    ways[:, n_nodes:] -= network.cost[arcs]
    same = np.equal.outer(np.array(nodes), np.array(nodes))
    ways[:n_nodes, :n_nodes][same] = 0.0
    ways = np.maximum(ways, 0.0)
    return np.where(np.isfinite(ways), ways, 1e6)


def _transitions(network: ArcNetwork) -> tuple[list[I32], list[I32], list[F64]]:
    """Return which arc may follow which, and the cost of turning into it and driving along it."""
    before, after, turning = turn_costs(network)
    return [before], [after], [network.cost[after] + turning + _TINY]


def turn_costs(network: ArcNetwork) -> tuple[I32, I32, F64]:
    """Return which arc may be followed by which, and what turning from one into the other costs."""
    rows, columns, costs = [], [], []
    order = np.argsort(network.tail, kind="stable")
    begins = np.searchsorted(network.tail[order], network.head, side="left")
    ends = np.searchsorted(network.tail[order], network.head, side="right")
    for arc in range(len(network.tail)):
        after = order[begins[arc] : ends[arc]]
        rows.append(np.full(len(after), arc, np.int32))
        columns.append(after.astype(np.int32))
        costs.append(_turn(network, arc, after))
    return np.concatenate(rows), np.concatenate(columns), np.concatenate(costs)


def _turn(network: ArcNetwork, arc: int, after: I64) -> F64:
    turns = network.turns
    if turns is None:
        return np.zeros(len(after))
    change = (network.leaves_deg[after] - network.enters_deg[arc] + 180.0) % 360.0 - 180.0
    cost = np.where(change > turns.sharp_deg, turns.right, np.where(change < -turns.sharp_deg, turns.left, 0.0))
    cost = np.where(np.abs(np.nan_to_num(change)) <= turns.sharp_deg, turns.straight, cost)
    return np.where(network.reverse[arc] == after, turns.back, cost)
