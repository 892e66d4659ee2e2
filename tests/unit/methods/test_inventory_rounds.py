"""The bound by rounds: never above the least cost, equal to it where branching ends, and walks priced as by trial."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from itertools import pairwise, permutations, product

import numpy as np
import pytest
from scipy.sparse.csgraph import floyd_warshall

from cityloop.methods.inventory_bound import Depleting
from cityloop.methods.inventory_prices import Kinds, memory_of, new_table, walks_of
from cityloop.methods.inventory_rounds import bound_by_rounds


def drawn(seed: int, days: int = 2) -> Depleting:
    """Return two or three customers with small stocks, a few days and two small trucks."""
    rng = np.random.default_rng(seed)
    customers = 2 + seed % 2
    spot = rng.integers(0, 50, (customers + 1, 2))
    gap = spot[:, None] - spot
    use = rng.integers(1, 3, customers)
    return Depleting(
        days=days, trucks=2, capacity=4.0, way=np.floor(np.hypot(gap[..., 0], gap[..., 1]) + 0.5),
        stock=(use * rng.integers(0, 2, customers)).astype(float), most=(use * 2).astype(float), use=use.astype(float),
        hold=rng.uniform(0.1, 5.0, customers), supply_hold=0.3, supply_stock=6.0, supply_a_day=6.0,
    )  # fmt: skip


def share_of(programs: int) -> Callable[[int], float]:
    """Return a budget of so many programs."""
    return lambda solved: solved / programs


def driving(case: Depleting, amounts: tuple[int, ...]) -> float:
    """Return the least driving of one day by trial of every order and every split over two trucks."""
    way = floyd_warshall(case.way)
    visits = [place for place, amount in enumerate(amounts, 1) if amount]
    best = np.inf
    for order in permutations(visits):
        for cut in range(len(order) + 1):
            parts = order[:cut], order[cut:]
            if all(sum(amounts[place - 1] for place in part) <= case.capacity for part in parts):
                legs = [(0, *part, 0) for part in parts]
                best = min(best, sum(float(way[a, b]) for stops in legs for a, b in pairwise(stops)))
    return best


def least(case: Depleting) -> float:
    """Return the least cost by trial of all whole amounts."""
    choices = list(product(*(range(int(most) + 1) for most in case.most)))
    ways = {amounts: driving(case, amounts) for amounts in choices}

    @cache
    def from_day(day: int, level: tuple[float, ...], supply: float) -> float:
        """Return the least cost from a day's morning on."""
        if day == case.days:
            return 0.0
        best = np.inf
        for amounts in choices:
            kept = supply + case.supply_a_day - sum(amounts)
            filled = np.add(level, amounts)
            if kept < 0 or (filled > case.most).any() or (filled < case.use).any():
                continue
            after = filled - case.use
            cost = ways[amounts] + case.supply_hold * kept + float(case.hold @ after)
            best = min(best, cost + from_day(day + 1, tuple(after.tolist()), kept))
        return best

    return from_day(0, tuple(case.stock.tolist()), case.supply_stock)


@pytest.mark.parametrize("days", [2, 3])
@pytest.mark.parametrize("seed", range(6))
def test_a_bound_is_never_above_the_least_cost(seed: int, days: int) -> None:
    """At any point of the search it is a bound; when the branches are through it is that cost."""
    case = drawn(seed, days)
    cost = least(case)
    lows = [bound_by_rounds(case, share_of(limit)) for limit in (1, 5, 20, 400)]
    assert max(lows) <= cost + 1e-6
    if np.isfinite(cost):
        assert lows[-1] == pytest.approx(cost, abs=1e-3)


def test_a_known_plan_ends_the_search() -> None:
    """A bound does not go above the cost of the plan that is given, and no program is solved once it is there."""
    case = drawn(5, days=3)
    cost = least(case)
    solved: list[int] = []

    def progress(programs: int) -> float:
        solved.append(programs)
        return programs / 400

    bound_by_rounds(case, progress)
    whole = max(solved)
    solved.clear()
    low = bound_by_rounds(case, progress, enough=0.5 * cost)
    assert low <= 0.5 * cost + 1e-6
    assert max(solved) < whole


def test_the_cheapest_walk_is_no_dearer_than_any_round() -> None:
    """Every round through three customers with every amount is tried; with all neighbours remembered they agree."""
    rng = np.random.default_rng(4)
    spot = rng.integers(0, 40, (4, 2))
    way = np.hypot(*(spot[:, None] - spot).transpose(2, 0, 1))
    kinds = Kinds(np.array([0, 0, 2, 3, 4]), np.array([1, 3, 2, 1]), np.array([2, 5, 2, 4]))
    worth, rate = rng.uniform(20, 60, 4), rng.uniform(0, 9, 4)
    best = np.inf
    for count in (1, 2, 3):
        for order in permutations((1, 2, 3), count):
            for used in product(*(range(kinds.begin[place], kinds.begin[place + 1]) for place in order)):
                for amounts in product(*(range(kinds.low[kind], kinds.high[kind] + 1) for kind in used)):
                    if sum(amounts) <= 6:
                        stops = (0, *order, 0)
                        drive = sum(way[a, b] for a, b in pairwise(stops))
                        best = min(
                            best, drive - sum(worth[k] + rate[k] * q for k, q in zip(used, amounts, strict=True))
                        )
    for neighbours in (0, 1, 3):
        memory = memory_of(way, neighbours)
        walks = walks_of(new_table(6, memory, 4), memory, way, kinds, worth, rate)
        assert walks[0].price <= best + 1e-9
        stops = (0, *walks[0].places, 0)
        drive = sum(way[a, b] for a, b in pairwise(stops))
        gains = sum(worth[k] + rate[k] * q for k, q in zip(walks[0].kinds, walks[0].amounts, strict=True))
        assert walks[0].price == pytest.approx(drive - gains)
        assert sum(walks[0].amounts) <= 6
        if neighbours == 3:
            assert walks[0].price == pytest.approx(best)
