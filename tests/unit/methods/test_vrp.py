"""Routing: exact where it can be enumerated, kerbside streets, and PyVRP's answer mended."""

from __future__ import annotations

from dataclasses import replace
from itertools import permutations
from pathlib import Path

import numpy as np
import pytest

from cityloop.kernel.errors import InputError
from cityloop.methods.arc_routing import bound, plan_cost
from cityloop.methods.vrp import FOREVER, MUST, Fleet, Problem, arrays_of
from cityloop.methods.vrp_kernel import new_routes, put_after, refresh, trip_fits
from cityloop.methods.vrp_pyvrp import solve_with_pyvrp
from cityloop.methods.vrp_search import SearchParams, improve
from cityloop.methods.vrp_start import start_by_savings
from cityloop.studies.refuse_streets import read_carp, read_round


def problem(clients: int, *, capacity: int, reloads: int = 1, vehicles: int = 1, seed: int = 3) -> Problem:
    """Return unit demands at random places, without windows."""
    rng = np.random.default_rng(seed)
    n = 1 + reloads + clients
    spots = rng.integers(0, 1000, (n, 2))
    distance = np.rint(np.hypot(*(spots[:, None] - spots).transpose(2, 0, 1))).astype(np.int32)
    zeros = np.zeros(vehicles, np.int64)
    fleet = Fleet(
        start=zeros.astype(np.int32), end=zeros.astype(np.int32), open=zeros, close=zeros + FOREVER,
        capacity=np.full((vehicles, 1), capacity), daily=np.full((vehicles, 1), 1000), max_stops=zeros + 1000,
        fixed_cost=zeros, load=np.zeros((vehicles, 1), np.int64), allowed=np.ones((vehicles, n), bool),
        breaks=np.zeros((vehicles, 0, 3), np.int64), breaks_taken=zeros,
    )  # fmt: skip
    demand = np.zeros((n, 1), np.int64)
    demand[1 + reloads :] = 1
    return Problem(
        n_depots=1, n_reloads=reloads, distance=distance, duration=distance, early=np.zeros(n, np.int64),
        late=np.full(n, FOREVER), service=np.zeros(n, np.int64), demand=demand, prize=np.full(n, MUST), fleet=fleet,
        queue=np.zeros((reloads, 1), np.int32), slot=FOREVER,
    )  # fmt: skip


def search(given: Problem, iterations: int = 1000) -> tuple[int, tuple[tuple[int, ...], ...]]:
    plan = improve(given, (), lambda i: i / iterations, np.random.default_rng(1), SearchParams(block=100))
    assert plan.left_out == ()
    return plan.cost, plan.routes


def test_six_stops_in_loads_of_three_are_routed_optimally() -> None:
    """Every order of six stops, cut after the third, is enumerated; the search finds the best of them."""
    given = problem(6, capacity=3)
    d = given.distance
    best = min(
        sum(int(d[a, b]) for a, b in zip((0, *o[:3], 1, *o[3:], 1), (*o[:3], 1, *o[3:], 1, 0), strict=True))
        for o in permutations(range(2, 8))
    )
    assert search(given)[0] <= best


def test_a_prize_below_the_detour_is_left() -> None:
    """A client that may stay out is served only when that costs less than its prize."""
    given = problem(5, capacity=9)
    given.prize[2:] = 1
    plan = improve(given, (), lambda i: i / 200, np.random.default_rng(1), SearchParams(block=100))
    assert len(plan.left_out) == 5
    assert plan.cost == 5


def test_pyvrp_s_answer_can_be_mended() -> None:
    """Its plan is a start that the search keeps or betters, reload sites included."""
    given = problem(20, capacity=6, vehicles=2)
    first = solve_with_pyvrp(given, lambda i: i >= 50, seed=1)
    plan = improve(given, first.routes, lambda i: i / 300, np.random.default_rng(1), SearchParams(block=100))
    assert plan.left_out == ()
    assert plan.cost <= first.cost or first.left_out


def test_a_place_is_found_in_time_exactly_when_the_route_with_it_is() -> None:
    """Loads that have to be waited for: every place of a client, alone or with a reload, is judged as a drive is."""
    rng = np.random.default_rng(5)
    fits = misfits = 0
    for _ in range(40):
        base = problem(8, capacity=9, seed=int(rng.integers(1000)))
        n = base.n_nodes
        release = np.where(np.arange(n) < 2, 0, rng.integers(0, 3000, n))
        late = np.where(np.arange(n) < 2, FOREVER, rng.integers(5000, 14000, n))
        given = replace(base, release=release, late=late)
        arrays = arrays_of(given)
        routes = new_routes(arrays, 20)
        middle = [int(node) for node in rng.permutation(np.arange(2, n - 1))]
        for cut in (3, 6):
            middle.insert(cut, 1)
        for inner, p, chain in [(middle, p, c) for p in range(9) for c in ([n - 1], [n - 1, 1], [1, n - 1])]:
            routes.nodes[0, :11], routes.length[0] = [0, *inner, 0], 11
            if not refresh(arrays, routes, 0):
                continue
            said = trip_fits(arrays, routes, 0, p, chain[0], chain[1] if len(chain) > 1 else -1)
            after = [0, *inner, 0]
            after[p + 1 : p + 1] = chain
            routes.nodes[0, : len(after)], routes.length[0] = after, len(after)
            assert said == refresh(arrays, routes, 0)
            fits, misfits = fits + said, misfits + (not said)
    assert fits > 50
    assert misfits > 50


def test_a_route_brought_up_to_date_is_the_route_computed_anew() -> None:
    """Times, loads and cost after an insertion, breaks included, are those of a full computation."""
    rng = np.random.default_rng(6)
    for _ in range(30):
        base = problem(8, capacity=4, seed=int(rng.integers(1000)))
        n = base.n_nodes
        rest = np.array([[[1500, 2500, 700], [3000, 4000, 300]]])
        given = replace(
            base, release=np.where(np.arange(n) < 2, 0, rng.integers(-2000, 2000, n).clip(0)),
            fleet=replace(base.fleet, breaks=rest), early=np.where(np.arange(n) < 2, 0, rng.integers(0, 3000, n)),
            late=np.where(np.arange(n) < 2, FOREVER, rng.integers(3000, 8000, n)),
        )  # fmt: skip
        arrays = arrays_of(given)
        once, anew = new_routes(arrays, 20), new_routes(arrays, 20)
        nodes = [0, *rng.permutation(np.arange(2, n - 1)).tolist(), 1, 0]
        once.nodes[0, : len(nodes)], once.length[0] = nodes, len(nodes)
        refresh(arrays, once, 0)
        p = int(rng.integers(len(nodes) - 1))
        chain = [(n - 1, -1), (n - 1, 1), (1, n - 1)][int(rng.integers(3))]
        put_after(arrays, once, 0, p, *chain)
        size = int(once.length[0])
        anew.nodes[0, :size], anew.length[0] = once.nodes[0, :size], size
        refresh(arrays, anew, 0)
        assert once.nodes[0, :size].tolist() == [*nodes[: p + 1], *(x for x in chain if x >= 0), *nodes[p + 1 :]]
        for name in ("leave", "latest"):
            assert (getattr(once, name)[0, :, :size] == getattr(anew, name)[0, :, :size]).all(), name
        for name in ("prefix", "segment", "ready"):
            assert (getattr(once, name)[0, :size] == getattr(anew, name)[0, :size]).all(), name
        assert (once.leg[0, : size - 1] == anew.leg[0, : size - 1]).all()
        assert once.cost[0] == anew.cost[0]
        assert once.position_of.tolist() == anew.position_of.tolist()


def test_rounds_are_opened_for_clients_that_pay_only_together() -> None:
    """No client far away pays its way alone, six of them do: a round is sent to them."""
    given = problem(6, capacity=9)
    far = np.full((8, 8), 1000, np.int32)
    far[2:, 2:] = 1
    np.fill_diagonal(far, 0)
    far[:2, :2] = 0
    prize = np.where(np.arange(8) < 2, 0, 600)
    plan = improve(
        replace(given, distance=far, duration=far, prize=prize), (), lambda i: i / 2000,
        np.random.default_rng(1), SearchParams(block=100),
    )  # fmt: skip
    assert plan.left_out == ()
    assert plan.cost == 2005


SQUARE = """NOMBRE : square
VERTICES : 4
CAPACIDAD : {capacity}
LISTA_ARISTAS_REQ :
 ( 1, 2)  coste 10 demanda 1
 ( 2, 3)  coste 10 demanda 1
 ( 3, 4)  coste 10 demanda 1
 ( 4, 1)  coste 10 demanda 1
 DEPOSITO :   1
"""


@pytest.mark.parametrize(("capacity", "cost"), [(4, 40), (2, 80), (1, 120)])
def test_streets_round_a_square(tmp_path: Path, capacity: int, cost: int) -> None:
    """One tour drives each side once; two tours come back the way they went; four go 20, 20, 40 and 40."""
    path = tmp_path / "square.dat"
    path.write_text(SQUARE.format(capacity=capacity), encoding="utf-8")
    given = read_carp(path)
    plan = improve(given, (), lambda i: i / 500, np.random.default_rng(1), SearchParams(block=100))
    assert plan.left_out == ()
    assert plan_cost(given, plan) == cost


ROUND = """NAME\tcorner
CAPACITY\t10\t10
DUMPING_COST\t100
MAX_DURATION\t36000
DEPOT\t1
DUMPING_SITES\t4
TURN_PENALTY\t0\t5\t9\t40
LIST_REQ_EDGES :
2\t3\t20\t10\t6\t6\t0 0,0 100
3\t5\t20\t10\t6\t6\t0 100,100 100
LIST_NOREQ_EDGES :
1\t2\t0\t10\t0\t0\t0 -100,0 0
5\t4\t0\t10\t0\t0\t100 100,200 100
LIST_REQ_ARCS :
LIST_NOREQ_ARCS :
"""


def test_turns_and_tips_count_and_the_bound_holds(tmp_path: Path) -> None:
    """Two streets that do not fit one load need two visits to the tip; no plan is cheaper than the bound."""
    path = tmp_path / "corner.txt"
    path.write_text(ROUND, encoding="utf-8")
    given = read_round(path)
    plan = improve(given, (), lambda i: i / 500, np.random.default_rng(1), SearchParams(block=100))
    assert plan.left_out == ()
    assert plan.routes[0].count(1) == 2
    assert bound(given) <= plan_cost(given, plan)


def test_a_file_without_streets_is_named(tmp_path: Path) -> None:
    """The message names the file and the line that is missing."""
    path = tmp_path / "empty.dat"
    path.write_text("CAPACIDAD : 5\nDEPOSITO : 1\n", encoding="utf-8")
    with pytest.raises(InputError, match=r"empty\.dat: no line of the form"):
        read_carp(path)


def test_rounds_by_savings_fit_the_fleet() -> None:
    """The start has no more rounds than vehicles and serves nobody twice."""
    given = problem(40, capacity=20, vehicles=3)
    rounds = start_by_savings(given)
    served = [client for route in rounds for client in route]
    assert len(rounds) <= 3
    assert len(served) == len(set(served))
    assert set(served) <= set(range(given.first_client, given.n_nodes))


def test_of_a_start_too_heavy_its_beginning_stands() -> None:
    """A round above the day's load keeps its first clients; the rest stays out where no other vehicle has room."""
    given = problem(12, capacity=100)
    given = replace(given, fleet=replace(given.fleet, daily=np.array([[7]])))
    order = tuple(range(given.first_client, given.n_nodes))
    plan = improve(given, [order], lambda iteration: 1.0, np.random.default_rng(1))
    assert [node for node in plan.routes[0] if node >= given.first_client] == list(order[:7])
    assert plan.left_out == order[7:]
