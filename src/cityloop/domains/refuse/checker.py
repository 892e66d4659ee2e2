"""Replay a plan on the clock and name every rule it breaks.

This file shares nothing with what makes plans: it reads the case and the plan and drives the plan again, with its own
distances, queues, loads and breaks. A plan that it finds fault with is not reported as a result.
"""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import dataclass, field

from cityloop.domains.refuse.schema import Metric, RoundCase, RoundPlan, Route, Visit, VisitKind

__all__ = ["Fault", "Report", "check_plan"]

SLACK_S = 0.5
"""Times are read from files with this accuracy."""
SLACK_M3 = 0.001
SLACK_KG = 1.0


@dataclass(frozen=True, slots=True)
class Fault:
    """A rule that a plan breaks, and where."""

    rule: str
    truck: str
    at: str
    told: str

    def __str__(self) -> str:
        """Return one line for a reader."""
        where = f"truck {self.truck}" + (f", {self.at}" if self.at else "")
        return f"{self.rule}: {where}: {self.told}" if self.truck else f"{self.rule}: {self.told}"


@dataclass(frozen=True, slots=True)
class Report:
    """What a replay found."""

    faults: tuple[Fault, ...]
    metres: float
    stops: int
    trucks: int
    hours: float
    """From first departure to last return, over all trucks."""

    @property
    def legal(self) -> bool:
        """Whether no rule is broken."""
        return not self.faults


@dataclass(slots=True)
class _Day:
    """A truck while its day is driven again."""

    truck: int
    place: int
    leave_s: float
    volume_m3: float
    mass_kg: float
    day_m3: float
    day_kg: float
    stops: int = 0
    metres: float = 0.0
    breaks: list[tuple[float, float]] = field(default_factory=list)
    emptied: bool = True
    bodies_m3: dict[int, float] = field(default_factory=dict)
    """On board by body, where the truck's body is split."""
    driven_s: float = 0.0
    unbroken_s: float = 0.0
    """Driven since the last legal break."""


class _Places:
    """Row of every id among depots, tips and stops, and the ways between."""

    def __init__(self, case: RoundCase) -> None:
        self._case = case
        self.depot = {name: row for row, name in enumerate(case.depot_ids)}
        self.tip = {name: row for row, name in enumerate(case.tip_ids)}
        self.stop = {name: row for row, name in enumerate(case.stop_ids)}
        self._tips_from = len(case.depot_ids)
        self._stops_from = self._tips_from + len(case.tip_ids)

    def of_tip(self, row: int) -> int:
        return self._tips_from + row

    def of_stop(self, row: int) -> int:
        return self._stops_from + row

    def _position(self, place: int) -> tuple[float, float]:
        case = self._case
        for table, begin in ((case.depots, 0), (case.tips, self._tips_from), (case.stops, self._stops_from)):
            if begin <= place < begin + len(table.x_m):
                return float(table.x_m[place - begin]), float(table.y_m[place - begin])
        row = place - self._stops_from - len(case.stop_ids)
        return float(case.travel.extra_x_m[row]), float(case.travel.extra_y_m[row])

    def way(self, here: int, there: int) -> tuple[float, float]:
        """Return metres and seconds of a way."""
        travel = self._case.travel
        if travel.metres is not None:
            metres = float(travel.metres[here, there])
        else:
            (x0, y0), (x1, y1) = self._position(here), self._position(there)
            manhattan = travel.metric is Metric.MANHATTAN
            metres = abs(x1 - x0) + abs(y1 - y0) if manhattan else math.hypot(x1 - x0, y1 - y0)
        if travel.seconds is not None:
            return metres, float(travel.seconds[here, there])
        return metres, metres / travel.speed_mps


def check_plan(case: RoundCase, plan: RoundPlan) -> Report:
    """Drive every route of a plan again and report what is not legal."""
    places = _Places(case)
    faults: list[Fault] = []
    metres = hours = 0.0
    served: Counter[str] = Counter()
    trucks: Counter[str] = Counter(route.truck for route in plan.routes)
    for name, times in trucks.items():
        if name not in case.truck_ids:
            faults.append(Fault("known truck", name, "", "is not one of the case"))
        elif times > 1:
            faults.append(Fault("one route a truck", name, "", f"has {times} routes"))
    for route in plan.routes:
        if route.truck not in case.truck_ids:
            continue
        served.update(visit.id for visit in route.visits if visit.kind is VisitKind.STOP)
        day = _replay(case, places, route, faults)
        metres += day.metres
        if route.visits:
            hours += (route.visits[-1].arrive_s - route.visits[0].leave_s) / 3600
    left = set(plan.left_out)
    for row, name in enumerate(case.stop_ids):
        if served[name] > 1:
            faults.append(Fault("once a day", "", name, f"stop {name} is served {served[name]} times"))
        elif served[name] == 0 and name not in left and math.isnan(case.stops.prize_m[row]):
            faults.append(Fault("every stop", "", name, f"stop {name} is neither served nor named as left out"))
    return Report(tuple(faults), metres, sum(served.values()), len(plan.routes), hours)


def _replay(case: RoundCase, places: _Places, route: Route, faults: list[Fault]) -> _Day:
    truck = case.truck_ids.index(route.truck)
    fleet = case.trucks
    home = int(fleet.depot[truck])
    start = home if case.start_place is None else int(case.start_place[truck])

    def fault(rule: str, visit: Visit | None, told: str) -> None:
        faults.append(Fault(rule, route.truck, f"{visit.kind.value} {visit.id}" if visit else "", told))

    loaded = float(fleet.loaded_m3[truck]), float(fleet.loaded_kg[truck])
    day = _Day(truck, start, 0.0, *loaded, *loaded, emptied=max(loaded) <= 0)
    if len(route.visits) < 2 or route.visits[0].kind is not VisitKind.DEPOT:
        fault("depot to depot", None, "does not begin at its depot")
        return day
    first, last = route.visits[0], route.visits[-1]
    open_s = max(float(fleet.shift_begin_s[truck]), float(case.depots.open_s[home]))
    close_s = min(float(fleet.shift_end_s[truck]), float(case.depots.close_s[home]))
    if first.leave_s < open_s - SLACK_S:
        fault("shift", first, f"leaves at {_hm(first.leave_s)}, not before {_hm(open_s)}")
    if case.half_hours and start == home and min(first.leave_s % 1800, -first.leave_s % 1800) > SLACK_S:
        fault("half hour", first, f"leaves at {_hm(first.leave_s)}, must be on the half hour")
    if last.kind is not VisitKind.DEPOT or places.depot.get(last.id) != home:
        fault("depot to depot", last, f"does not end at depot {case.depot_ids[home]}")
    if last.arrive_s > close_s + SLACK_S:
        fault("shift", last, f"is back at {_hm(last.arrive_s)}, must be by {_hm(close_s)}")
    if case.bodies is not None:
        day.bodies_m3 = dict(enumerate(case.bodies.loaded_m3[truck].tolist()))
    day.leave_s = first.leave_s
    for visit in route.visits[1:]:
        _step(case, places, day, visit, fault)
        _check_hours(case, day, visit, fault)
    if case.driving is not None and day.driven_s > case.driving.day_s + SLACK_S:
        told = f"{_hm(day.driven_s)} h driven, must be {_hm(case.driving.day_s)} or less; end its shift earlier"
        fault("driving hours", None, told)
    if case.ends_at_tip and not day.emptied:
        fault("home empty", last, f"comes home with {day.volume_m3:.1f} m3 on board")
    _check_breaks(case, day, last.arrive_s, fault)
    if day.stops > fleet.stops_most[truck]:
        fault("stops a day", None, f"{day.stops} stops, must be {fleet.stops_most[truck]} or fewer")
    if day.day_m3 > fleet.daily_volume_m3[truck] + SLACK_M3:
        fault("daily volume", None, f"{day.day_m3:.2f} m3, must be {fleet.daily_volume_m3[truck]:.2f} or less")
    if day.day_kg > fleet.daily_mass_kg[truck] + SLACK_KG:
        fault("daily mass", None, f"{day.day_kg:.0f} kg, must be {fleet.daily_mass_kg[truck]:.0f} or less")
    return day


def _step(case: RoundCase, places: _Places, day: _Day, visit: Visit, fault: object) -> None:
    """Drive to one line of the route and do there what it says."""
    assert callable(fault)
    if visit.leave_s < visit.arrive_s - SLACK_S:
        fault("time runs forward", visit, f"arrives {_hm(visit.arrive_s)} and leaves {_hm(visit.leave_s)}")
    if visit.kind is VisitKind.BREAK:
        if visit.arrive_s < day.leave_s - SLACK_S:
            fault("time runs forward", visit, f"begins {_hm(visit.arrive_s)}, before {_hm(day.leave_s)}")
        day.breaks.append((visit.arrive_s, visit.leave_s))
        day.leave_s = visit.leave_s
        return
    if visit.kind is VisitKind.DEPOT:
        row = places.depot.get(visit.id)
        if row is None:
            fault("known place", visit, "is not a depot of the case")
            return
        _drive(places, day, visit, row, fault)
        return
    table = places.stop if visit.kind is VisitKind.STOP else places.tip
    row = table.get(visit.id)
    if row is None:
        fault("known place", visit, "is not in the case")
        return
    if visit.kind is VisitKind.STOP:
        _drive(places, day, visit, places.of_stop(row), fault)
        stops = case.stops
        _window(visit, float(stops.open_s[row]), float(stops.close_s[row]), float(stops.service_s[row]), fault)
        if case.may_stop is not None and not case.may_stop[day.truck, row]:
            fault("access", visit, "may not be served by this truck (stream, width or access)")
        day.stops += 1
        day.emptied = False
        day.volume_m3 += float(stops.volume_m3[row])
        day.mass_kg += float(stops.mass_kg[row])
        day.day_m3 += float(stops.volume_m3[row])
        day.day_kg += float(stops.mass_kg[row])
        if day.volume_m3 > case.trucks.volume_m3[day.truck] + SLACK_M3:
            fault("volume", visit, f"{day.volume_m3:.2f} m3 on board, {case.trucks.volume_m3[day.truck]:.2f} at most")
        _check_body(case, day, visit, row, fault)
        if day.mass_kg > case.trucks.payload_kg[day.truck] + SLACK_KG:
            fault("payload", visit, f"{day.mass_kg:.0f} kg on board, {case.trucks.payload_kg[day.truck]:.0f} at most")
        return
    _drive(places, day, visit, places.of_tip(row), fault)
    tips = case.tips
    begin_s = max(visit.arrive_s, float(tips.open_s[row]))
    spent_s = _queue(case, row, begin_s) + float(tips.service_s[row])
    _window(visit, float(tips.open_s[row]), float(tips.close_s[row]), spent_s, fault)
    if case.may_tip is not None and not case.may_tip[day.truck, row]:
        fault("access", visit, "does not take this truck's stream")
    day.volume_m3 = day.mass_kg = 0.0
    day.bodies_m3.clear()
    day.emptied = True


def _drive(places: _Places, day: _Day, visit: Visit, place: int, fault: object) -> None:
    assert callable(fault)
    metres, seconds = places.way(day.place, place)
    if visit.arrive_s < day.leave_s + seconds - SLACK_S:
        due = _hm(day.leave_s + seconds)
        fault("driving time", visit, f"arrives at {_hm(visit.arrive_s)}, cannot be there before {due}")
    day.metres += metres
    day.driven_s += seconds
    day.unbroken_s += seconds
    day.place = place
    day.leave_s = visit.leave_s


def _check_body(case: RoundCase, day: _Day, visit: Visit, row: int, fault: object) -> None:
    """Put a stop's waste into its body."""
    assert callable(fault)
    if case.bodies is None or case.bodies.of_stop[row] < 0:
        return
    body = int(case.bodies.of_stop[row])
    held = day.bodies_m3.get(body, 0.0) + float(case.stops.volume_m3[row])
    day.bodies_m3[body] = held
    if held > case.bodies.holds_m3[day.truck, body] + SLACK_M3:
        fault("body", visit, f"{held:.2f} m3 in its body, {case.bodies.holds_m3[day.truck, body]:.2f} at most")


def _check_hours(case: RoundCase, day: _Day, visit: Visit, fault: object) -> None:
    """Count what is driven without a legal break."""
    assert callable(fault)
    if case.driving is None:
        return
    if visit.kind is VisitKind.BREAK and visit.leave_s - visit.arrive_s >= case.driving.break_s - SLACK_S:
        day.unbroken_s = 0.0
    elif day.unbroken_s > case.driving.unbroken_s + SLACK_S:
        told = f"{_hm(day.unbroken_s)} h driven without a break, must be {_hm(case.driving.unbroken_s)} or less"
        fault("driving hours", visit, told)


def _window(visit: Visit, open_s: float, close_s: float, spent_s: float, fault: object) -> None:
    assert callable(fault)
    begin_s = max(visit.arrive_s, open_s)
    if begin_s > close_s + SLACK_S:
        fault("window", visit, f"begins at {_hm(begin_s)}, must by {_hm(close_s)}")
    if visit.leave_s < begin_s + spent_s - SLACK_S:
        fault("service time", visit, f"leaves at {_hm(visit.leave_s)}, not before {_hm(begin_s + spent_s)}")


def _queue(case: RoundCase, tip: int, arrive_s: float) -> float:
    """Return the wait at a tip; a wait that is shorter after the turn of an hour is sat out until then."""
    if not case.queue_s.size:
        return 0.0
    hours = [float(wait) for wait in case.queue_s[tip]]
    hour = min(int(arrive_s // 3600), len(hours) - 1)
    wait_s = hours[hour]
    if hour + 1 < len(hours):
        wait_s = min(wait_s, max((hour + 1) * 3600 + hours[hour + 1] - arrive_s, 0.0))
    return wait_s


def _check_breaks(case: RoundCase, day: _Day, home_s: float, fault: object) -> None:
    """Match the breaks taken with those due, in order."""
    assert callable(fault)
    due = [row for row in range(len(case.breaks.truck)) if case.breaks.truck[row] == day.truck]
    due = [row for row in due if not case.breaks.taken[row]]
    for row, (begin_s, end_s) in zip(due, day.breaks, strict=False):
        low, high = float(case.breaks.earliest_s[row]), float(case.breaks.latest_s[row])
        if not low - SLACK_S <= begin_s <= high + SLACK_S:
            fault("break", None, f"begins at {_hm(begin_s)}, must between {_hm(low)} and {_hm(high)}")
        if end_s - begin_s < case.breaks.length_s[row] - SLACK_S:
            fault("break", None, f"lasts {end_s - begin_s:.0f} s, must {case.breaks.length_s[row]:.0f} s")
    for row in due[len(day.breaks) :]:
        if home_s > case.breaks.latest_s[row] + SLACK_S:
            latest = _hm(float(case.breaks.latest_s[row]))
            fault("break", None, f"none begun by {latest}, and the truck is home at {_hm(home_s)} only")


def _hm(seconds: float) -> str:
    whole = round(seconds)
    return f"{whole // 3600:02d}:{whole // 60 % 60:02d}:{whole % 60:02d}"
