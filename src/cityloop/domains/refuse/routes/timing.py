"""Give a route its times: when the truck leaves, where its breaks lie, when it is where.

A break is taken where the truck stands after a visit, never between two places. Of all legal departures the last is
taken: it waits least.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from cityloop.domains.refuse.routes.problem import TICKS_PER_S
from cityloop.domains.refuse.schema import RoundCase, RoundPlan, Route, Visit, VisitKind
from cityloop.methods.vrp import Plan, Problem

__all__ = ["drives", "plan_of", "timed_route"]

_HALF_HOUR = 1800 * TICKS_PER_S
_QUARTER_HOUR = 900 * TICKS_PER_S


class _Clock(NamedTuple):
    """A state of a truck that stands after a visit, and how it came there."""

    leave: int
    taken: int
    lines: tuple[tuple[int, int, int], ...]
    """Node (-1 for a break), arrival and departure of every line so far, newest last."""


def plan_of(case: RoundCase, problem: Problem, plan: Plan, reasons: Sequence[str] = ()) -> RoundPlan:
    """Return a plan on the clock.

    Raises
    ------
    ValueError
        When a route cannot be timed legally; the search hands out none of that kind.
    """
    names = _names(case)
    routes = []
    units = 0
    for v, middle in enumerate(plan.routes):
        if not middle:
            continue
        routes.append(timed_route(case, problem, v, middle, names))
        nodes = [int(problem.fleet.start[v]), *middle, int(problem.fleet.end[v])]
        units += int(problem.distance[nodes[:-1], nodes[1:]].sum())
    left_out = tuple(names[client][1] for client in plan.left_out)
    return RoundPlan(case.name, tuple(routes), left_out, tuple(reasons), units / 10)


def timed_route(
    case: RoundCase,
    problem: Problem,
    v: int,
    middle: Sequence[int],
    names: Sequence[tuple[VisitKind, str]],
) -> Route:
    """Return one truck's day with its times."""
    open_, close = int(problem.fleet.open[v]), int(problem.fleet.close[v])
    for begin in _departures(case, open_, close):
        lines = _drive(problem, v, middle, begin)
        if lines is not None:
            return Route(case.truck_ids[v], tuple(_visits(lines, names)))
    raise ValueError(f"{case.name}: the route of truck {case.truck_ids[v]} cannot be driven in its shift")


def _departures(case: RoundCase, open_: int, close: int) -> Iterator[int]:
    step = _HALF_HOUR if case.half_hours else _QUARTER_HOUR
    latest = (close - 1) // step * step if case.half_hours else open_ + (close - open_) // step * step
    while latest > open_:
        yield latest
        latest -= step
    yield open_


def _names(case: RoundCase) -> list[tuple[VisitKind, str]]:
    yards = [(VisitKind.DEPOT, name) for name in case.depot_ids]
    yards += [(VisitKind.DEPOT, "on the way")] * len(case.travel.extra_x_m)
    tips = [(VisitKind.TIP, name) for name in case.tip_ids]
    return [*yards, *tips, *((VisitKind.STOP, name) for name in case.stop_ids)]


def _drive(problem: Problem, v: int, middle: Sequence[int], begin: int) -> list[tuple[int, int, int]] | None:
    """Return the lines of a legal day that departs at ``begin``, or None."""
    fleet = problem.fleet
    start, end = int(fleet.start[v]), int(fleet.end[v])
    breaks = [tuple(int(x) for x in row) for row in fleet.breaks[v]]
    clocks = _rest(breaks, [_Clock(begin, int(fleet.breaks_taken[v]), ((start, begin, begin),))])
    here = start
    for node in middle:
        drive = int(problem.duration[here, node])
        arrived = []
        for clock in clocks:
            at = max(clock.leave + drive, int(problem.early[node]))
            if at <= problem.late[node]:
                leave = at + _waits(problem, node, at) + int(problem.service[node])
                arrived.append(_Clock(leave, clock.taken, (*clock.lines, (node, clock.leave + drive, leave))))
        clocks = _rest(breaks, arrived)
        here = node
        if not clocks:
            return None
    drive = int(problem.duration[here, end])
    for clock in clocks:
        home = clock.leave + drive
        due = clock.taken < len(breaks) and home > breaks[clock.taken][1]
        if home <= fleet.close[v] and not due:
            return [*clock.lines, (end, home, home)]
    return None


def _rest(breaks: list[tuple[int, ...]], clocks: list[_Clock]) -> list[_Clock]:
    """Return every state worth following: the earliest for each number of breaks taken."""
    best: dict[int, _Clock] = {}
    queue = list(clocks)
    while queue:
        clock = queue.pop(0)
        known = best.get(clock.taken)
        if known is not None and known.leave <= clock.leave:
            continue
        best[clock.taken] = clock
        if clock.taken < len(breaks):
            earliest, latest, length = breaks[clock.taken]
            if clock.leave <= latest:
                begin = max(clock.leave, earliest)
                line = (-1 - clock.taken, begin, begin + length)
                queue.append(_Clock(begin + length, clock.taken + 1, (*clock.lines, line)))
    return [best[taken] for taken in sorted(best)]


def _waits(problem: Problem, node: int, at: int) -> int:
    """Return the queue at a tip for an arrival; who comes later never leaves earlier."""
    if node < problem.n_depots or node >= problem.first_client:
        return 0
    row, slots = node - problem.n_depots, problem.queue.shape[1]
    slot = min(at // problem.slot, slots - 1)
    wait = int(problem.queue[row, slot])
    if slot + 1 < slots:
        wait = min(wait, max((slot + 1) * problem.slot + int(problem.queue[row, slot + 1]) - at, 0))
    return wait


def _visits(lines: Sequence[tuple[int, int, int]], names: Sequence[tuple[VisitKind, str]]) -> Iterator[Visit]:
    for node, arrive, leave in lines:
        kind, name = (VisitKind.BREAK, f"break {-node}") if node < 0 else names[node]
        yield Visit(kind, name, arrive / TICKS_PER_S, leave / TICKS_PER_S)


def drives(problem: Problem, v: int, middle: Sequence[int]) -> bool:
    """Whether a truck that leaves as early as it may can drive a route legally."""
    return _drive(problem, v, middle, int(problem.fleet.open[v])) is not None
