"""Districts: every stop and truck in one of them, parts that stand alone, and plans put together again."""

from __future__ import annotations

import numpy as np
import pytest

from cityloop.domains.refuse.checker import check_plan
from cityloop.domains.refuse.routes.districts import District, around, merge, orders_of, part_of, split
from cityloop.domains.refuse.routes.problem import problem_of
from cityloop.domains.refuse.routes.timing import plan_of
from cityloop.domains.refuse.schema import RoundCase, RoundPlan
from cityloop.methods.vrp_search import SearchParams, improve
from cityloop.studies.refuse_scale import drawn_day


@pytest.fixture
def day() -> RoundCase:
    """A drawn day of 500 stops with four trucks."""
    return drawn_day(500, 3)


def quick_plan(case: RoundCase) -> RoundPlan:
    """Plan a case in a hundred iterations."""
    problem = problem_of(case)
    found = improve(problem, (), lambda i: i / 100, np.random.default_rng(1), SearchParams(block=100))
    return plan_of(case, problem, found)


def test_districts_share_all_stops_and_trucks(day: RoundCase) -> None:
    """Nothing is in two districts or in none, and none is larger than asked."""
    parts = split(day, 200)
    assert sorted(np.concatenate([part.stops for part in parts]).tolist()) == list(range(500))
    assert sorted(np.concatenate([part.trucks for part in parts]).tolist()) == list(range(len(day.truck_ids)))
    assert max(len(part.stops) for part in parts) <= 200


def test_plans_of_districts_together_are_a_legal_plan(day: RoundCase) -> None:
    """The checker finds no fault with the merged plan of the whole day."""
    plan = None
    for part in split(day, 300):
        plan = merge(day, plan, part, quick_plan(part_of(day, part)))
    assert plan is not None
    assert check_plan(day, plan).faults == ()


def test_a_part_keeps_what_belongs_to_its_trucks(day: RoundCase) -> None:
    """Breaks, depots and ids are those of the trucks and stops that were taken."""
    part = part_of(day, District(np.array([5, 7]), np.array([1, 3])))
    assert part.stop_ids == ("s5", "s7")
    assert part.truck_ids == ("t1", "t3")
    assert part.breaks.truck.tolist() == [0, 1]
    assert part.trucks.depot.tolist() == day.trucks.depot[[1, 3]].tolist()


def test_a_group_is_the_nearest_rounds_and_whom_nobody_serves(day: RoundCase) -> None:
    """A group holds the truck asked for, no more stops than asked, and none of the trucks that are busy."""
    plan = quick_plan(day)
    row_of = {name: row for row, name in enumerate(day.stop_ids)}
    orders = orders_of(plan)
    most = max(len(orders[name]) for name in orders) * 2
    part = around(day, orders, plan.left_out, row_of, 0, most, frozenset({1}))
    assert 0 in part.trucks.tolist()
    assert 1 not in part.trucks.tolist()
    assert len(part.stops) <= most + 50
    inside = {name for v in part.trucks for _, name in orders[day.truck_ids[v]] if name in row_of}
    assert inside <= {day.stop_ids[row] for row in part.stops}
