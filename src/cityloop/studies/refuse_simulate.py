"""Run a city of containers day by day under one policy, from a common history, with one router for all.

A policy sees what a city sees: this morning's sensor readings and what trucks weighed when it sent them. Only
``perfect`` is told what will be thrown in, as a bound on what any forecast could save.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from cityloop.cities.bins.city import BinCity, BinRun, Fault
from cityloop.domains.refuse.decide import brain, fixed_rounds, frequencies, threshold
from cityloop.domains.refuse.forecast import Outlook, outlook_of, working_days
from cityloop.domains.refuse.measure import DayRecord
from cityloop.domains.refuse.state import FillState, day_passed, read_levels, start_fill
from cityloop.kernel.columns import BOOL, F64, I64
from cityloop.kernel.errors import InputError
from cityloop.methods.fill_belief import deposit
from cityloop.methods.fill_rate import RateParams, dispersion_of, learned_best, start_rates, weekday_factors
from cityloop.methods.tour import DayLimits, plan_day

__all__ = ["FLEET", "History", "Policy", "gather_history", "run_policy"]

FLEET = DayLimits(payload_kg=10_000.0)
"""A crane loader between the 8 t of a three-axle and the 12 t of a four-axle body (SKF Hades, maker's figures)."""

_HORIZON = 6
"""Working days that are assigned; containers may also wait for later."""

_SEARCH_SEED = 1

_MEMORIES = tuple(
    RateParams(prior_days=prior, half_life_days=half_life)
    for prior in (1.0, 2.0, 4.0)
    for half_life in (8.0, 15.0, 30.0, 60.0)
)
"""How long findings count and how strongly containers are drawn together: what foretold the history best is kept."""

Announce = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Policy:
    """A policy by name, with the dial that trades driving for overflow."""

    name: str
    """``brain``, ``perfect``, ``fixed``, ``frequencies``, ``threshold`` or ``recorded``."""
    dial: float
    """Metres a day of overflow for ``brain`` and ``perfect``, accepted risk for rounds, fill for ``threshold``."""


@dataclass(frozen=True, slots=True)
class History:
    """What is known when the policies take over, and the city at that morning."""

    run: BinRun
    state: FillState
    rate: F64
    dispersion: F64
    weekday: F64
    day: int


def gather_history(city: BinCity, practice: Sequence[I64], days: int) -> History:
    """Let the city's practice run for some days and learn from what it found.

    Parameters
    ----------
    practice
        Containers emptied on each of the days.
    """
    n, run = len(city), BinRun(city)
    spans = np.zeros((n, 7))
    container, found, gathered = [], [], []
    for day in range(days):
        weekday = (city.first_weekday + day) % 7
        there = _present(city, day)
        spans[there, weekday] += city.visit_of_day
        rows = practice[day]
        amount = run.live(rows)
        container.append(rows)
        found.append(amount)
        gathered.append(spans[rows].copy())
        spans[rows] = 0.0
        spans[there, weekday] += 1.0 - city.visit_of_day
    c, f, d = np.concatenate(container), np.concatenate(found), np.concatenate(gathered)
    if not len(c):
        raise InputError(
            f"{city.name}: nothing was collected in its first {days} days; there is nothing to learn from."
        )
    factor = weekday_factors(c, f, d)
    exposure = d @ factor
    common = float(f.sum() / exposure.sum())
    seen = np.bincount(c, exposure, minlength=n)
    rate = (np.bincount(c, f, minlength=n) + 4.0 * common) / (seen + 4.0)
    every = np.arange(n)
    dispersion = dispersion_of(
        np.concatenate([c, every]), np.concatenate([f, rate]), np.concatenate([rate[c] * exposure, rate])
    )
    start = start_rates(np.full(n, common), dispersion, factor, RateParams())
    rounds = [(r, w, g @ factor) for r, w, g in zip(container, found, gathered, strict=True)]
    rates = learned_best(start, rounds, _MEMORIES)
    state = start_fill(rates, (city.first_weekday + days) % 7, np.flatnonzero(city.sensor != Fault.ABSENT))
    # What lies in the containers when the policies take over is what the calendar lets expect since they were emptied.
    state = replace(state, since=spans @ factor)
    return History(run, _primed(state), rate, dispersion, factor, days)


def _primed(state: FillState) -> FillState:
    """Bring the histograms of sensed containers to what their history lets expect."""
    rows = state.sensed
    mean = np.maximum((state.rates.rate() * state.since)[rows], 1e-3)
    belief = deposit(state.belief, mean, state.rates.dispersion[rows] * mean + 0.04 * mean * mean, 1.0, state.sensors)
    return replace(state, belief=belief)


def _present(city: BinCity, day: int) -> BOOL:
    return (city.present[:, 0] <= day) & (day < city.present[:, 1])


def run_policy(
    city: BinCity,
    history: History,
    policy: Policy,
    *,
    recorded: Sequence[I64] | None = None,
    fleet: DayLimits = FLEET,
    announce: Announce | None = None,
    keep: Callable[[DayRecord], None] | None = None,
) -> list[DayRecord]:
    """Run the city from its history's last day to its end under one policy."""
    run, state = copy.deepcopy(history.run), history.state
    n = len(city)
    place = brain.Map(city.distance_m, np.arange(2, n + 2), 1, city.x_m, city.y_m, depot=0)
    params = brain.SEARCHED
    if policy.name in ("brain", "perfect"):
        params = replace(params, overflow_m=policy.dial)
    rng = np.random.default_rng(_SEARCH_SEED)
    memory = brain.start_memory(place, params)
    calendar = _calendar(city, history, policy)
    records: list[DayRecord] = []
    for day in range(history.day, city.days):
        weekday = (city.first_weekday + day) % 7
        reading = run.readings()
        state = read_levels(state, reading)
        there = _present(city, day)
        rows: I64 = np.zeros(0, np.int64)
        if policy.name == "recorded":
            if recorded is None:
                raise InputError(f"{city.name}: has no recorded days; choose another policy than 'recorded'.")
            rows = recorded[day]
        elif city.works[weekday]:
            match policy.name:
                case "fixed" | "frequencies":
                    rows = frequencies.due(calendar, day % 14)
                case "threshold":
                    rows = threshold.choose(reading, state.rates.rate() * state.since, policy.dial)
                case _:
                    outlook = outlook_of(state, working_days(weekday, city.works, _HORIZON))
                    if policy.name == "perfect":
                        outlook = _told(outlook, run, city, day)
                    load = np.maximum(outlook.fill + city.visit_of_day * outlook.rate, 0.02) * city.capacity_kg
                    rows, memory = brain.choose(
                        outlook, place, memory, (load, fleet.payload_kg), params, allowed=there, rng=rng
                    )
        rows = rows[there[rows]]
        found = run.live(rows)
        plan = plan_day(city.distance_m, 0, 1, rows + 2, found * city.capacity_kg[rows], fleet)
        records.append(
            DayRecord(
                day=day,
                stops=len(rows),
                length_m=plan.length_m,
                haul_m=plan.haul_m,
                trips=plan.trips,
                trucks=len(plan.trucks),
                crew_s=float(sum(plan.duration_s)),
                mass_kg=float((found * city.capacity_kg[rows]).sum()),
                fill_sum=float(found.sum()),
                overflow_days=float(run.overflow_days[day]),
                containers=int(there.sum()),
            )
        )
        if keep is not None:
            keep(records[-1])
        state = day_passed(state, rows, found, city.visit_of_day)
        if announce is not None and (day + 1) % 30 == 0:
            announce(f"{city.name} {policy.name}: day {day + 1} of {city.days}")
    return records


def _calendar(city: BinCity, history: History, policy: Policy) -> list[tuple[int, ...]]:
    """Fit the round book of the policies that have one."""
    between = city.distance_m[2:, 2:]
    if policy.name == "frequencies":
        return frequencies.fit_patterns(history.rate, history.dispersion, history.weekday, policy.dial, between)
    if policy.name == "fixed":
        place = (city.x_m, city.y_m, between)
        return fixed_rounds.fit_rounds(history.rate, history.dispersion, history.weekday, policy.dial, place)
    return []


def _told(outlook: Outlook, run: BinRun, city: BinCity, day: int) -> Outlook:
    """Replace what is expected by what will be: the bound that no forecast can pass."""
    last = int(outlook.wait_days[-1])
    at_visit, at_end = run.ahead(last)
    waited = np.concatenate([np.zeros((len(city), 1)), np.cumsum(at_end >= 1.0, axis=1)], axis=1)
    days = outlook.wait_days.astype(int)
    overflow = waited[:, days].astype(float)
    near = days[: outlook.horizon]
    overflow[:, : outlook.horizon] += at_visit[:, near] >= 1.0
    around = city.deposit[:, max(0, day - 15) : day + 15].sum(axis=2).mean(axis=1)
    fill = run.found(np.arange(len(city)))
    return replace(outlook, overflow_days=overflow, fill=fill, rate=around, dispersion=np.full(len(city), 0.002))
