"""Inventory routing, multi-vehicle: a fixed list of forty published files, planned, replayed and bounded.

``python -m cityloop.studies.refuse_inventory FOLDER --seconds 10 --out inventory.jsonl``

The bound is the better of two: one by edges and cuts, which suits long rounds, one by whole rounds with their amounts.

A customer's stock and capacity are multiples of its consumption a day, and its holding cost is linear: with its visit
days fixed and trucks large enough, some best amounts are multiples of a day's consumption. These are the options that
the search chooses among first, and full loads where a truck is small; then among halves, which fill small trucks
better. Other amounts that fill a truck exactly are left out.

References
----------
.. [1] Archetti, C., Bertazzi, L., Laporte, G. and Speranza, M. G. (2007). A branch-and-cut algorithm for a
   vendor-managed inventory-routing problem. Transportation Science, 41(3), 382-391. doi:10.1287/trsc.1060.0188
.. [2] Coelho, L. C. and Laporte, G. (2013). The exact solution of several classes of inventory-routing problems.
   Computers & Operations Research, 40(2), 558-565. doi:10.1016/j.cor.2012.08.012
"""

from __future__ import annotations

import json
import statistics
from dataclasses import dataclass
from itertools import pairwise, product
from pathlib import Path
from typing import Any

import click
import numpy as np

from cityloop.kernel.columns import F64, I64
from cityloop.kernel.errors import InputError
from cityloop.methods.inventory_bound import Depleting, bound_inventory
from cityloop.methods.inventory_rounds import bound_by_rounds
from cityloop.methods.vrp import FOREVER, MUST, Fleet, Problem
from cityloop.methods.vrp_periodic import Options, PeriodicPlan, improve_periodic
from cityloop.methods.vrp_search import SearchParams
from cityloop.studies.processor_budget import processor_budget

__all__ = ["FILES", "Case", "main", "problem_of_case", "read_case", "replay", "solve_case"]

FILES = tuple(
    f"IRP_{'High' if level == 'H' else 'Low'}T3/S_abs{draw}n{customers}_{trucks}_{level}3.dat"
    for customers, draw, trucks, level in (
        (customers, 1 + (row + turn) % 5, 2 + (row + turn) % 4, level)
        for row, customers in enumerate(range(5, 55, 5))
        for turn, level in enumerate("HLHL")
    )
)
"""The list that is reported: every size from 5 to 50 customers four times, trucks, draws and holding costs in turn."""
CENTS = 100
HOT_FRACS = (1.0, 3.0, 10.0)
"""How hot each search from nothing begins."""
LEAN = 0.4
FINE_SHARE = 0.3
"""Of the budget, for the search with finer amounts."""
FINE_PARTS = 2
FINE_HOT_FRAC = 0.1


@dataclass(frozen=True, slots=True)
class Case:
    """An instance; rows of the tables are customers."""

    name: str
    days: int
    trucks: int
    capacity: int
    way: I64
    """Distances, the supplier at row 0 and customer ``i`` at row ``i + 1``."""
    stock: I64
    most: I64
    use: I64
    """A day's consumption."""
    hold: F64
    """Cost of a unit over one night."""
    supply_stock: int
    supply_a_day: int
    supply_hold: float

    def fixed_cost(self) -> float:
        """Return what holding costs however anything is delivered: the stock at the beginning."""
        return float(self.supply_hold * self.supply_stock + (self.hold * self.stock).sum())


def read_case(path: Path) -> Case:
    """Read an instance."""
    try:
        rows = [[float(word) for word in line.split()] for line in path.read_text().splitlines() if line.strip()]
        count, days, capacity, trucks = (int(value) for value in rows[0])
        supplier, customers = rows[1], rows[2:]
        spot = np.array([row[1:3] for row in rows[1:]])
        table = np.array([row[3:8] for row in customers])
        if len(rows) != count + 1 or table.shape != (count - 1, 5):
            raise ValueError(f"{len(rows) - 1} places of {count}")
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror}).") from error
    except (ValueError, IndexError) as error:
        raise InputError(f"{path}: not an inventory routing instance ({error}).") from error
    if (table[:, 2] != 0).any() or (table[:, :2] % table[:, 3:4] != 0).any():
        raise InputError(f"{path}: stocks must be multiples of a day's consumption, and none a least stock above 0.")
    gap = spot[:, None] - spot
    return Case(
        name=path.stem, days=days, trucks=trucks, capacity=capacity,
        way=np.floor(np.hypot(gap[..., 0], gap[..., 1]) + 0.5).astype(np.int64),
        stock=table[:, 0].astype(np.int64), most=table[:, 1].astype(np.int64), use=table[:, 3].astype(np.int64),
        hold=table[:, 4], supply_stock=int(supplier[3]), supply_a_day=int(supplier[4]), supply_hold=supplier[5],
    )  # fmt: skip


def deliveries(case: Case, row: int, parts: int = 1) -> list[tuple[tuple[int, ...], float]]:
    """Return series of amounts that keep a customer in stock: all those in such parts of a day's consumption.

    Each comes with its holding cost, less what the supplier is spared.
    """
    use, most, stock = int(case.use[row]), int(case.most[row]), int(case.stock[row])
    load = case.capacity
    # Rounded up: parts that fall short of a whole day's consumption would keep no customer in stock.
    amounts = {-(-count * use // parts) for count in range(parts * (most // use) + 1)}
    # Where a truck holds less than a customer, a full load and what it leaves to be brought are worth a look too.
    amounts |= {load, *(amount - load for amount in amounts if amount > load)} if load < most else set()
    found = []
    for each in product(sorted(amounts), repeat=case.days):
        level, cost, legal = stock, 0.0, True
        for day, amount in enumerate(each):
            legal = legal and level + amount <= most and amount <= load
            level += amount - use
            legal = legal and level >= 0
            cost += float(case.hold[row]) * level - case.supply_hold * amount * (case.days - day)
        if legal:
            found.append((each, cost))
    return found


def problem_of_case(case: Case, parts: int = 1) -> tuple[Problem, Options]:
    """Return all days as one routing problem: a node for every customer, day and amount."""
    place, amount, node_day = [0], [0], [-1]
    node_of: dict[tuple[int, int, int], int] = {}
    visits: list[list[list[int]]] = []
    cost: list[list[int]] = []
    for row in range(len(case.stock)):
        each, priced = [], []
        for amounts, holding in deliveries(case, row, parts):
            nodes = []
            for day, load in enumerate(amounts):
                if load:
                    key = (row, day, load)
                    if key not in node_of:
                        node_of[key] = len(place)
                        place.append(row + 1)
                        amount.append(load)
                        node_day.append(day)
                    nodes.append(node_of[key])
            each.append(nodes)
            priced.append(round(CENTS * holding))
        if not each:
            raise InputError(f"{case.name}: customer {row + 1} runs dry whatever is delivered.")
        visits.append(each)
        cost.append(priced)
    n, vehicles = len(place), case.days * case.trucks
    ways = (case.way[np.ix_(place, place)] * CENTS).astype(np.int32)
    days = np.array(node_day, np.int32)
    vehicle_day = np.repeat(np.arange(case.days), case.trucks).astype(np.int32)
    zeros = np.zeros(vehicles, np.int64)
    none = np.zeros(n, np.int64)
    problem = Problem(
        n_depots=1, n_reloads=0, distance=ways, duration=np.zeros_like(ways), early=none, late=none + FOREVER,
        service=none, demand=np.array(amount, np.int64)[:, None], prize=none + MUST,
        fleet=Fleet(
            start=zeros.astype(np.int32), end=zeros.astype(np.int32), open=zeros, close=zeros + FOREVER,
            capacity=(zeros + case.capacity)[:, None], daily=(zeros + FOREVER)[:, None], max_stops=zeros + n,
            fixed_cost=zeros, load=zeros[:, None], breaks=np.zeros((vehicles, 0, 3), np.int64), breaks_taken=zeros,
            allowed=(days < 0) | (vehicle_day[:, None] == days),
        ),
        queue=np.zeros((0, 1), np.int32), slot=FOREVER,
    )  # fmt: skip
    options = Options(
        lean=LEAN,
        visits=visits,
        cost=cost,
        unserved=[MUST] * len(visits),
        node_day=days,
        vehicle_day=vehicle_day,
        supply=case.supply_stock + case.supply_a_day * np.arange(1, case.days + 1, dtype=np.int64),
    )
    return problem, options


Rounds = list[list[list[tuple[int, int]]]]
"""For every day and truck the customers in order, with the amount for each."""


def rounds_of(case: Case, problem: Problem, options: Options, plan: PeriodicPlan) -> Rounds:
    """Return a plan as customers and amounts."""
    row_of = {node: row for row, each in enumerate(options.visits) for nodes in each for node in nodes}
    rounds: Rounds = [[] for _ in range(case.days)]
    for vehicle, route in enumerate(plan.routes):
        if route:
            rounds[vehicle // case.trucks].append([(row_of[node], int(problem.demand[node, 0])) for node in route])
    return rounds


def replay(case: Case, rounds: Rounds) -> tuple[float, list[str]]:
    """Drive, deliver and consume again day by day; return the whole cost and every rule that is broken."""
    faults: list[str] = []
    stock = [int(value) for value in case.stock]
    supplier = case.supply_stock
    cost = case.supply_hold * supplier + sum(float(h) * s for h, s in zip(case.hold, stock, strict=True))
    for day, routes in enumerate(rounds):
        supplier += case.supply_a_day
        if len(routes) > case.trucks:
            faults.append(f"day {day}: {len(routes)} trucks, {case.trucks} at the most")
        visited = [customer for route in routes for customer, _ in route]
        if len(visited) > len(set(visited)):
            faults.append(f"day {day}: a customer is visited twice")
        for route in routes:
            cost += sum(int(case.way[a, b]) for a, b in pairwise([0, *(c + 1 for c, _ in route), 0]))
            if sum(amount for _, amount in route) > case.capacity:
                faults.append(f"day {day}: a load above {case.capacity}")
            for customer, amount in route:
                supplier -= amount
                stock[customer] += amount
                if stock[customer] > case.most[customer]:
                    faults.append(f"day {day}: customer {customer + 1} holds more than {case.most[customer]}")
        if supplier < 0:
            faults.append(f"day {day}: the supplier is {-supplier} short")
        for customer, use in enumerate(case.use):
            stock[customer] -= int(use)
            if stock[customer] < 0:
                faults.append(f"day {day}: customer {customer + 1} runs dry")
        cost += case.supply_hold * supplier + sum(float(h) * s for h, s in zip(case.hold, stock, strict=True))
    return cost, faults


def plan_of_rounds(case: Case, problem: Problem, options: Options, rounds: Rounds) -> PeriodicPlan:
    """Return rounds as a plan among options that hold all of their amounts."""
    node_of = {
        (row, int(options.node_day[node]), int(problem.demand[node, 0])): node
        for row, each in enumerate(options.visits)
        for nodes in each
        for node in nodes
    }
    routes: list[tuple[int, ...]] = [() for _ in options.vehicle_day]
    visits: list[list[int]] = [[] for _ in options.visits]
    for day, each_day in enumerate(rounds):
        for truck, each_round in enumerate(each_day):
            nodes = tuple(node_of[customer, day, amount] for customer, amount in each_round)
            routes[day * case.trucks + truck] = nodes
            for (customer, _), node in zip(each_round, nodes, strict=True):
                visits[customer].append(node)
    chosen = tuple(list(each).index(nodes) for each, nodes in zip(options.visits, visits, strict=True))
    return PeriodicPlan(tuple(routes), chosen, 0, 0)


def solve_case(case: Case, seconds: float, seed: int) -> tuple[Rounds, int]:
    """Return rounds found in so many seconds of the processor, and the iterations done.

    Several searches start from nothing, as one may freeze where trucks are nearly full; the last goes on from the
    best of them, with finer amounts and not as hot.
    """
    rng = np.random.default_rng(seed)
    problem, options = problem_of_case(case)
    plans = []
    for hot_frac in HOT_FRACS:
        budget = processor_budget(seconds * (1 - FINE_SHARE) / len(HOT_FRACS))
        plans.append(improve_periodic(problem, options, budget, rng, SearchParams(block=50, hot_frac=hot_frac)))
    done = sum(plan.iterations for plan in plans)
    best = min(plans, key=lambda plan: plan.cost)
    rounds = rounds_of(case, problem, options, best)
    if min(best.chosen) < 0:
        return rounds, done
    problem, options = problem_of_case(case, FINE_PARTS)
    start = plan_of_rounds(case, problem, options, rounds)
    cool = SearchParams(block=50, hot_frac=FINE_HOT_FRAC)
    plan = improve_periodic(problem, options, processor_budget(seconds * FINE_SHARE), rng, cool, start)
    return rounds_of(case, problem, options, plan), done + plan.iterations


def bound_case(case: Case, nodes: int) -> float:
    """Return a proven bound on the cost of any plan, by edges and cuts."""
    return bound_inventory(depleting(case), nodes=nodes) + case.fixed_cost()


def depleting(case: Case) -> Depleting:
    """Return a case as the bounds take it."""
    return Depleting(
        days=case.days, trucks=case.trucks, capacity=float(case.capacity), way=case.way.astype(float),
        stock=case.stock.astype(float), most=case.most.astype(float), use=case.use.astype(float), hold=case.hold,
        supply_hold=case.supply_hold, supply_stock=float(case.supply_stock), supply_a_day=float(case.supply_a_day),
    )  # fmt: skip


def bound_case_by_rounds(case: Case, seconds: float, rounds: Rounds, cost: float) -> float:
    """Return a proven bound found in so many seconds of the processor, from the rounds of a plan and its cost."""
    fixed = case.fixed_cost()
    return bound_by_rounds(depleting(case), processor_budget(seconds), rounds, cost - fixed) + fixed


@click.command()
@click.argument("folder", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.option("--seconds", type=float, default=10.0, show_default=True, help="Of the processor, for each search.")
@click.option("--bound-nodes", type=int, default=10, show_default=True, help="Of a bound by edges; -1: no bound.")
@click.option("--bound-seconds", type=float, default=20.0, show_default=True, help="For a bound by rounds; 0: none.")
@click.option("--seed", type=int, default=1, show_default=True)
@click.option("--first", type=int, default=len(FILES), show_default=True, help="How many files of the list.")
@click.option("--every", type=click.IntRange(min=1), default=1, show_default=True, help="Take each so many-th of them.")
@click.option("--out", type=click.Path(dir_okay=False, path_type=Path), help="One line of JSON a file.")
def main(
    folder: Path, seconds: float, bound_nodes: int, bound_seconds: float, seed: int, first: int, every: int,
    out: Path | None,
) -> None:  # fmt: skip
    """Plan the files of the fixed list below FOLDER, replay the plans and compare them with proven bounds."""
    lines: list[dict[str, Any]] = []
    # The first call compiles the search, which no file's budget should pay for.
    solve_case(read_case(folder / FILES[0]), 0.001, seed)
    if out is not None:
        out.write_text("", encoding="utf-8")
    for name in FILES[:first:every]:
        case = read_case(folder / name)
        rounds, iterations = solve_case(case, seconds, seed)
        cost, faults = replay(case, rounds)
        lows = [bound_case(case, bound_nodes)] if bound_nodes >= 0 else []
        lows += [bound_case_by_rounds(case, bound_seconds, rounds, cost)] if bound_seconds > 0 and not faults else []
        low = max(lows, default=None)
        line = {
            "instance": case.name, "cost": round(cost, 2), "bound": None if low is None else round(low, 2),
            "gap_pct": None if low is None else round(100 * (cost / low - 1), 3),
            "legal": not faults, "faults": faults[:3], "iterations": iterations,
        }  # fmt: skip
        lines.append(line)
        click.echo(json.dumps(line))
        if out is not None:
            with out.open("a", encoding="utf-8") as kept:
                kept.write(json.dumps(line) + "\n")
    gaps = [line["gap_pct"] for line in lines if line["legal"] and line["gap_pct"] is not None]
    told = f", mean gap to the bound {statistics.mean(gaps):.2f} %, worst {max(gaps):.2f} %" if gaps else ""
    click.echo(f"{len(lines)} instances, {sum(line['legal'] for line in lines)} legal{told}")


if __name__ == "__main__":
    main()
