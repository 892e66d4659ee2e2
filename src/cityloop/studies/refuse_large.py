"""Plan a day of tens of thousands of stops: districts side by side, then groups of neighbouring rounds anew.

Each worker plans one part at a time. The plan so far is whole after the first sweep and only gets better; a search
that is stopped hands out the best plan found until then.
"""

from __future__ import annotations

import multiprocessing
import signal
import time
from collections.abc import Callable, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from cityloop.domains.refuse.checker import check_plan
from cityloop.domains.refuse.routes.districts import District, around, merge, orders_of, part_of, split
from cityloop.domains.refuse.routes.problem import problem_of
from cityloop.domains.refuse.routes.reasons import reasons_for
from cityloop.domains.refuse.routes.timing import plan_of
from cityloop.domains.refuse.schema import RoundCase, RoundPlan, VisitKind
from cityloop.kernel.errors import CityloopError
from cityloop.methods.vrp import Problem
from cityloop.methods.vrp_search import SearchParams, improve, warm_up
from cityloop.studies.refuse_bench import Budget, Solved, starts_of

__all__ = ["LARGE", "solve_large"]

LARGE = 4000
"""Stops from which on a day is planned in parts."""
PART_MOST = 1500
"""Stops of a district and of a group of rounds."""
FIRST_SHARE = 0.4
"""Share of the time for the districts."""
AGAIN_S = 20.0
"""Time for a group of rounds."""
COOL = SearchParams(hot_frac=0.05)
"""A group of rounds begins from a plan that is good already."""
_REASONS_MOST = 500

_stopped: Any = None


@dataclass(frozen=True, slots=True)
class _Job:
    case: RoundCase
    """Of the part alone."""
    orders: dict[str, tuple[tuple[VisitKind, str], ...]] | None
    """Rounds to begin from; None: from nothing."""
    seconds: float
    cpu: bool
    seed: int


@dataclass(frozen=True, slots=True)
class _Answer:
    plan: RoundPlan
    gained: bool
    """Whether it costs less than what it began from."""
    iterations: int
    cpu_s: float


def _begin(stopped: Any) -> None:
    """Remember in a worker where it is told to stop; the keyboard's signal is the parent's matter."""
    global _stopped  # a process pool hands its initialiser's arguments on in no other way
    _stopped = stopped
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    warm_up(np.random.default_rng(1))


def _plan_part(job: _Job) -> _Answer:
    spent = time.process_time()
    begun = time.process_time() if job.cpu else time.monotonic()
    clock = time.process_time if job.cpu else time.monotonic

    def progress(iteration: int) -> float:
        return 1.0 if _stopped is not None and _stopped.is_set() else (clock() - begun) / job.seconds

    problem = problem_of(job.case)
    rng = np.random.default_rng(job.seed)
    if job.orders is None:
        found = improve(problem, starts_of(problem)[0], progress, rng)
        gained = True
    else:
        start = _start(job.case, problem, job.orders)
        found = improve(problem, start, progress, rng, COOL)
        gained = found.cost < _cost(problem, start)
    plan = plan_of(job.case, problem, found)
    return _Answer(plan, gained, found.iterations, time.process_time() - spent)


def _start(
    case: RoundCase, problem: Problem, orders: dict[str, tuple[tuple[VisitKind, str], ...]]
) -> list[tuple[int, ...]]:
    node = {(VisitKind.TIP, name): problem.n_depots + row for row, name in enumerate(case.tip_ids)}
    node |= {(VisitKind.STOP, name): problem.first_client + row for row, name in enumerate(case.stop_ids)}
    return [tuple(node[visit] for visit in orders.get(truck, ())) for truck in case.truck_ids]


def _cost(problem: Problem, routes: Sequence[tuple[int, ...]]) -> int:
    left = set(range(problem.first_client, problem.n_nodes)).difference(*routes)
    cost = int(problem.prize[sorted(left)].sum())
    for v, middle in enumerate(routes):
        if middle:
            nodes = [int(problem.fleet.start[v]), *middle, int(problem.fleet.end[v])]
            cost += int(problem.distance[nodes[:-1], nodes[1:]].sum()) + int(problem.fleet.fixed_cost[v])
    return cost


class _Search:
    """The plan so far, and what the workers are busy with."""

    def __init__(self, case: RoundCase, budget: Budget) -> None:
        self._case = case
        self._budget = budget
        self._rng = np.random.default_rng(budget.seed)
        self._row_of = {name: row for row, name in enumerate(case.stop_ids)}
        self._turns: list[int] = []
        self.plan: RoundPlan | None = None
        self.cpu_s = 0.0
        self.iterations = 0

    def job(self, part: District, seconds: float, *, again: bool) -> _Job:
        orders = orders_of(self.plan) if again and self.plan is not None else None
        seed = int(self._rng.integers(1 << 31))
        return _Job(part_of(self._case, part), orders, seconds, self._budget.cpu, seed)

    def take(self, part: District, answer: _Answer) -> None:
        self.cpu_s += answer.cpu_s
        self.iterations += answer.iterations
        if answer.gained:
            self.plan = merge(self._case, self.plan, part, answer.plan)

    def next_group(self, busy: Sequence[District]) -> District | None:
        """Return rounds around a truck that has waited longest, or around a stop left out, beside those in work."""
        assert self.plan is not None
        taken = frozenset(int(v) for part in busy for v in part.trucks)
        held = {int(row) for part in busy for row in part.stops}
        left = [name for name in self.plan.left_out if self._row_of[name] not in held]
        orders = orders_of(self.plan)
        # A truck that stays at home is of use only where somebody waits for one.
        free = [v for v, name in enumerate(self._case.truck_ids) if v not in taken and (left or orders.get(name))]
        self._turns = [v for v in self._turns if v in free] or self._rng.permutation(free).tolist()
        if not self._turns:
            return None
        part = around(self._case, orders, left, self._row_of, self._turns.pop(), PART_MOST, taken)
        return part if len(part.stops) else None


def solve_large(
    case: RoundCase,
    budget: Budget,
    told: Callable[[str], None] = lambda text: None,
    should_stop: Callable[[], bool] = lambda: False,
) -> Solved:
    """Plan a case within a budget and have the plan checked.

    Parameters
    ----------
    told
        Given a line about the plan so far whenever a part is done.
    should_stop
        Asked twice a second; the best plan so far is handed out soon after.
    """
    begun = time.monotonic()
    parts = split(case, PART_MOST)
    each = FIRST_SHARE * budget.seconds * budget.workers / len(parts)
    search = _Search(case, budget)
    context = multiprocessing.get_context("spawn")
    stopped = context.Event()
    share = 0.0

    def spent() -> float:
        return search.cpu_s / budget.workers if budget.cpu else time.monotonic() - begun

    with ProcessPoolExecutor(budget.workers, context, _begin, (stopped,)) as pool:
        at_work: dict[Future[_Answer], District] = {}
        waiting = list(parts)
        done = 0
        while True:
            # A district that no worker has begun when it is time to stop is still planned, in a moment.
            while len(at_work) < budget.workers and (waiting or not stopped.is_set()):
                again = not waiting and done >= len(parts)
                left_s = budget.seconds - spent()
                if again and left_s < 1.0:
                    break
                part = waiting.pop() if waiting else search.next_group(list(at_work.values())) if again else None
                if part is None:
                    break
                job = search.job(part, min(AGAIN_S, left_s) if again else each, again=again)
                at_work[pool.submit(_plan_part, job)] = part
            if not at_work:
                break
            ready, _ = wait(at_work, timeout=0.5, return_when=FIRST_COMPLETED)
            for future in ready:
                search.take(at_work.pop(future), future.result())
                done += 1
                assert search.plan is not None
                share = min(1.0, max(share, spent() / budget.seconds))
                told(_told(case, search.plan, share, min(done, len(parts)), len(parts)))
            if should_stop():
                stopped.set()
    assert search.plan is not None
    plan = replace(search.plan, reasons=_reasons(case, search.plan))
    report = check_plan(case, plan)
    if report.faults:
        raise CityloopError(f"{case.name}: the checker refuses the plan: {report.faults[0]}")
    plan = replace(plan, metres=report.metres)
    return Solved(plan, report, search.iterations, time.monotonic() - begun, search.cpu_s)


def _told(case: RoundCase, plan: RoundPlan, share: float, done: int, parts: int) -> str:
    served = sum(visit.kind is VisitKind.STOP for route in plan.routes for visit in route.visits)
    if done < parts:
        return f"{100 * share:.0f} %: {done} of {parts} districts planned, {served} of {len(case.stop_ids)} stops"
    metres = check_plan(case, plan).metres
    return f"{100 * share:.0f} %: {metres / 1000:.1f} km, {len(plan.routes)} trucks, {len(plan.left_out)} left out"


def _reasons(case: RoundCase, plan: RoundPlan) -> tuple[str, ...]:
    if not plan.left_out:
        return ()
    row_of = {name: row for row, name in enumerate(case.stop_ids)}
    rows = np.array(sorted(row_of[name] for name in plan.left_out[:_REASONS_MOST]), np.int64)
    part = part_of(case, District(rows, np.arange(len(case.truck_ids))))
    problem = problem_of(part)
    return tuple(reasons_for(part, problem, range(problem.first_client, problem.n_nodes)))
