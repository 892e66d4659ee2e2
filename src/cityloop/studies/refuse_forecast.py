"""Do fill forecasts keep their word? Split by time: learned and calibrated before, scored after.

Wyndham: will a bin that is not full be full within 24 or 48 hours? Amsterdam: what will the truck find, and is it
full, said 24 and 48 hours before the visit. References: climatology (the site's own share before the split), and the
rate since the last emptying, calibrated on the same past as the forecast.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path

import click
import numpy as np
import numpy.typing as npt
from scipy.special import gammainc

from cityloop.domains.refuse.state import FillState, chance_of, day_passed, fill_of, read_levels, start_fill
from cityloop.kernel.columns import BOOL, F64, I64
from cityloop.methods.calibration import (
    brier,
    brier_skill,
    conformal_level,
    fit_logistic,
    fit_monotone,
    log_odds,
    logistic,
    recalibrate,
)
from cityloop.methods.fill_belief import CELLS, WIDTH, SensorParams, deposit
from cityloop.methods.fill_rate import RateParams, dispersion_of, expected, learn, start_rates, weekday_factors
from cityloop.studies.refuse_records import Levels, Visits, read_amsterdam, read_wyndham

__all__ = ["Skill", "amsterdam_skill", "command", "wyndham_skill"]

Table = npt.NDArray[np.float64]
_FULL_LEVEL = 8.0
"""Wyndham's own alarm threshold on its scale of 0 to 10; a reading of 8 stands for 7 and more."""


@dataclass(frozen=True, slots=True)
class Skill:
    """How well one question was answered after the split."""

    question: str
    cases: int
    happened_frac: float
    brier: float
    over_climatology: float
    """Brier skill."""
    over_rate: float
    """Brier skill over the rate since the last emptying, calibrated likewise."""
    coverage_90: float
    """Share of outcomes inside the 90 % interval; NaN where the question has none."""


def _skill(
    question: str, forecast: F64, happened: BOOL, references: tuple[F64, F64], past: BOOL, coverage: float
) -> Skill:
    """Calibrate forecast and rate reference on the past, and score the rest."""
    rest = ~past
    said = recalibrate(fit_monotone(forecast[past], happened[past]), forecast)
    climatology, rate = references
    ruled = recalibrate(fit_monotone(rate[past], happened[past]), rate)
    return Skill(
        question,
        int(rest.sum()),
        float(happened[rest].mean()),
        brier(said[rest], happened[rest]),
        brier_skill(said[rest], climatology[rest], happened[rest]),
        brier_skill(said[rest], ruled[rest], happened[rest]),
        coverage,
    )


def _climatology(row: I64, group: I64, happened: BOOL, past: BOOL) -> F64:
    """Return each row's share of past cases by group (weekday), drawn to the row's own mean as five cases would."""
    rows, groups = int(row.max()) + 1, int(group.max()) + 1
    cell = row * groups + group
    own = np.bincount(row[past], happened[past], minlength=rows)
    mean = (own + 5.0 * happened[past].mean()) / (np.bincount(row[past], minlength=rows) + 5.0)
    cases = np.bincount(cell[past], minlength=rows * groups)
    by_cell = np.bincount(cell[past], happened[past], minlength=rows * groups)
    return np.asarray((by_cell[cell] + 5.0 * mean[row]) / (cases[cell] + 5.0))


def wyndham_skill(levels: Levels, split: np.datetime64) -> list[Skill]:
    """Score P(full within 24 and 48 hours) of bins that are not full, and the interval of tomorrow's level."""
    level = levels.level / (_FULL_LEVEL - 1.0)
    bins, days = level.shape
    first = int((levels.first_day.astype("datetime64[D]").astype(int) + 3) % 7)
    weekday = (np.arange(days) + first) % 7
    cut = int((split - levels.first_day).astype(int))
    rise = np.diff(level, axis=1)
    usable = (rise >= 0) & (level[:, :-1] < 1.0)
    usable[:, cut:] = False
    c, d = np.nonzero(usable)
    factor = np.array([rise[c, d][weekday[d + 1] == k].mean() for k in range(7)])
    factor /= factor.mean()
    mean = np.bincount(c, rise[c, d], minlength=bins) / np.bincount(c, minlength=bins)
    spread = dispersion_of(c, rise[c, d], mean[c] * factor[weekday[d + 1]], pull=50.0)
    rates = start_rates(np.full(bins, mean.mean()), spread, factor, RateParams())
    sensors = SensorParams(noise_frac=0.06, step_frac=2.0 / (_FULL_LEVEL - 1.0))
    said, rank = _follow_levels(level, start_fill(rates, first, np.arange(bins), sensors))
    answers = []
    inside = _covered(rank, np.arange(days)[None, :] < cut)
    for hours, forecast in ((24, said[0]), (48, said[1])):
        outcome = np.full((bins, days), np.nan)
        outcome[:, :-1] = level[:, 1:]
        if hours == 48:
            second = np.full((bins, days), np.nan)
            second[:, :-2] = level[:, 2:]
            # Full tomorrow settles it; otherwise both mornings must have been read.
            outcome = np.where(outcome >= 1.0, outcome, np.maximum(outcome, second))
        asked = ~np.isnan(outcome) & (level < 1.0)
        asked[:, :30] = False
        c, d = np.nonzero(asked)
        happened, past = outcome[c, d] >= 1.0, d < cut
        age = _age(level)[c, d]
        rate = np.clip((level[c, d] * (1.0 + hours / 24.0 / age)) / 3.0, 0.0, 1.0)
        references = (_climatology(c, weekday[d], happened, past), rate)
        question = f"wyndham: full within {hours} h"
        coverage = inside if hours == 24 else float("nan")
        answers.append(_skill(question, forecast[c, d], happened, references, past, coverage))
    return answers


def _age(level: Table) -> Table:
    """Return days since the last drop of each bin, at least half a day."""
    age = np.full(level.shape, 0.5)
    last = level[:, 0].copy()
    for day in range(1, level.shape[1]):
        now = level[:, day]
        age[:, day] = np.where(now < last - 1e-9, 0.5, age[:, day - 1] + 1.0)
        last = np.where(np.isnan(now), last, now)
    return age


def _follow_levels(level: Table, state: FillState) -> tuple[tuple[Table, Table], Table]:
    """Run the filter day by day; return P(full within 24 h, 48 h) and where each next reading fell in its forecast."""
    bins, days = level.shape
    said = (np.full(level.shape, np.nan), np.full(level.shape, np.nan))
    rank = np.full(level.shape, np.nan)
    last = np.full(bins, np.nan)
    edge = np.asarray((np.arange(CELLS) + 1) * WIDTH, np.float64)
    half = 0.5 * state.sensors.step_frac
    for day in range(days):
        now = level[:, day]
        emptied = np.flatnonzero(now < last - 1e-9)
        kept = np.flatnonzero(now >= last - 1e-9)
        exposure = float(state.rates.weekday[state.weekday])
        if len(kept):
            ahead = deposit(
                state.belief, *expected(state.rates, exposure, fill_of(state), state.since), 1.0, state.sensors
            )
            below = np.cumsum(ahead.level[kept], axis=1)
            low = np.where(now[kept] <= half, 0.0, _at(below, edge, now[kept] - half))
            rank[kept, day] = 0.5 * (low + _at(below, edge, now[kept] + half))
        # The truck came at some hour between the two mornings, and had no scale.
        state = day_passed(state, emptied, np.full(len(emptied), np.nan), 0.5)
        state = read_levels(state, now)
        last = np.where(np.isnan(now), last, now)
        tomorrow = float(state.rates.weekday[state.weekday])
        after = float(state.rates.weekday[(state.weekday + 1) % 7])
        said[0][:, day] = chance_of(state, tomorrow)
        said[1][:, day] = chance_of(state, tomorrow + after)
    return said, rank


def _at(below: Table, edge: F64, value: F64) -> F64:
    cell = np.clip(np.searchsorted(edge, value), 0, below.shape[1] - 1)
    return np.asarray(below[np.arange(len(value)), cell])


def _covered(rank: Table, past: BOOL) -> float:
    """Return the share of later outcomes inside the interval that would have held 90 % of the earlier ones."""
    known = ~np.isnan(rank)
    before = rank[known & past]
    after = rank[known & ~past]
    return float(np.mean(np.abs(after - 0.5) <= conformal_level(before, 0.9)))


def amsterdam_skill(visits: Visits, split: np.datetime64, capacity_kg: float) -> list[Skill]:
    """Score what the truck will find, and P(full at the visit), said 24 and 48 hours before."""
    site, day = visits.site, visits.at_s // 86_400
    n = len(visits.site_names)
    found = visits.mass_kg / (visits.containers * capacity_kg)[site]
    first = np.concatenate([[True], np.diff(site) != 0])
    span = np.concatenate([[0], np.diff(visits.at_s)]) / 86_400.0
    usable = ~first & (span > 0.5) & (span < 60.0)
    cut = int(split.astype("datetime64[D]").astype(int))
    past_visit = visits.at_s // 86_400 < cut
    days_of = _weekdays_between(np.concatenate([[0], visits.at_s[:-1]]), visits.at_s)
    fit = usable & past_visit
    factor = weekday_factors(site[fit], found[fit], days_of[fit])
    exposure = days_of @ factor
    common = float(found[fit].sum() / exposure[fit].sum())
    own_mean = np.bincount(site[fit], found[fit], minlength=n) + 4 * common
    own_mean /= np.bincount(site[fit], exposure[fit], minlength=n) + 4
    spread = dispersion_of(
        np.concatenate([site[fit], np.arange(n)]),
        np.concatenate([found[fit], own_mean]),
        np.concatenate([own_mean[site[fit]] * exposure[fit], own_mean]),
    )
    answers = []
    own = _own_record(site, found, exposure)
    for hours in (24, 48):
        start = (np.full(n, common), spread, factor)
        chance, rank, awaited = _follow_visits(site, day, found, exposure, start, hours // 24)
        # Half a year to learn in; the last part of it calibrates.
        asked = usable & (span >= hours / 24.0) & (day >= cut - 180)
        past = day[asked] < cut
        happened = found[asked] >= 1.0
        weekday = (day[asked] + 3) % 7
        known = np.column_stack([log_odds(chance), np.log(np.maximum(awaited, 0.02)), own])[asked]
        forecast = _stack(known, np.eye(7)[weekday][:, 1:], happened, past)
        last_rate = np.clip(own[asked, -1] / 3.0, 0.0, 1.0)
        references = (_climatology(site[asked], weekday, happened, past), last_rate)
        inside = _covered(rank[asked][:, None], past[:, None])
        question = f"amsterdam: full at the visit, said {hours} h before"
        answers.append(_skill(question, forecast, happened, references, past, inside))
    return answers


def _stack(known: Table, marks: Table, happened: BOOL, past: BOOL) -> F64:
    """Weigh what is known by a logistic model with products, fitted on the past."""
    n = known.shape[1]
    pairs = [known[:, i] * known[:, j] for i in range(n) for j in range(i, n)]
    full = np.column_stack([known, *pairs, marks])
    full = (full - full[past].mean(axis=0)) / (full[past].std(axis=0) + 1e-9)
    return logistic(full, fit_logistic(full[past], happened[past], ridge=5.0))


def _own_record(site: I64, found: F64, exposure: F64) -> Table:
    """Return what a site's earlier visits tell.

    Columns: how often it was full of late and in the long run, its last four findings, the last span, this span, and
    the amount that the rate of its last emptying would give. Rows are sorted by site and time.
    """
    n = len(site)
    rate = found / np.maximum(exposure, 0.3)
    late, long_run = np.zeros(n), np.zeros(n)
    a = b = mean = 0.0
    lags = np.zeros((n, 5))
    ruled = np.zeros(n)
    history: list[float] = []
    for k in range(n):
        if k == 0 or site[k] != site[k - 1]:
            a = b = 0.06
            mean, history = 0.1, []
        late[k], long_run[k] = a, b
        ruled[k] = (history[-1] if history else mean) * exposure[k]
        for lag, earlier in enumerate(history[:-5:-1]):
            lags[k, lag] = np.log(max(earlier / mean, 0.05))
        lags[k, 4] = np.log(max(exposure[k - 1], 0.2)) if history else 0.0
        full = float(found[k] >= 1.0)
        a += 0.25 * (full - a)
        b += 0.07 * (full - b)
        if exposure[k] > 0.5:
            mean += 0.1 * (rate[k] - mean)
            history.append(float(rate[k]))
    log_days = np.log(np.maximum(exposure, 0.3))
    return np.column_stack([log_odds(late, 0.01), log_odds(long_run, 0.01), lags, log_days, ruled])


def _weekdays_between(begin_s: I64, end_s: I64) -> Table:
    """Return days of each weekday between pairs of instants, parts of days included, shape (n, 7)."""
    out = np.zeros((len(begin_s), 7))
    for k in range(7):

        def upto(at_s: I64, weekday: int = k) -> F64:
            day, part = at_s // 86_400, (at_s % 86_400) / 86_400.0
            # Day 0 of 1970 was a Thursday.
            whole = (day - (weekday - 3) % 7 + 6) // 7
            return np.asarray(whole + np.where((day + 3) % 7 == weekday, part, 0.0))

        out[:, k] = upto(end_s) - upto(begin_s)
    return np.maximum(out, 0.0)


def _follow_visits(
    site: I64, day: I64, found: F64, exposure: F64, start: tuple[F64, F64, F64], lead: int
) -> tuple[F64, F64, F64]:
    """Learn visit by visit in order of days, forecasting each with what was known ``lead`` days before.

    Returns
    -------
    tuple
        P(full at the visit), where the finding fell in its forecast, and the amount awaited.
    """
    rates = start_rates(*start, RateParams())
    n = len(start[0])
    chance, rank, awaited = np.zeros(len(site)), np.full(len(site), np.nan), np.zeros(len(site))
    order = np.argsort(day, kind="stable")
    nothing = np.zeros(n)
    waiting: list[I64] = []
    for group in np.split(order, np.flatnonzero(np.diff(day[order])) + 1):
        # Findings of the last ``lead`` days are not known yet when the forecast is made.
        while waiting and day[waiting[0][0]] <= day[group[0]] - lead:
            known = waiting.pop(0)
            rates = learn(rates, site[known], found[known], exposure[known])
        own = site[group]
        total = np.zeros(n)
        total[own] = exposure[group]
        mean, variance = expected(rates, total, nothing, nothing)
        m, v = np.maximum(mean[own], 1e-9), np.maximum(variance[own], 1e-12)
        chance[group] = 1.0 - gammainc(m * m / v, m / v)
        rank[group] = gammainc(m * m / v, found[group] * m / v)
        awaited[group] = m
        waiting.append(group)
    return chance, rank, awaited


@click.command()
@click.option("--wyndham", type=click.Path(path_type=Path), help="Folder with Wyndham's fill levels.")
@click.option("--amsterdam", type=click.Path(path_type=Path), help="Folder with Amsterdam's weighings.")
@click.option(
    "--capacity-kg", default=750.0, show_default=True, help="What one full container of Amsterdam holds. [kg]"
)
def command(wyndham: Path | None, amsterdam: Path | None, capacity_kg: float) -> None:
    """Score fill forecasts on recorded levels and weighings."""
    answers: list[Skill] = []
    if wyndham is not None:
        answers += wyndham_skill(read_wyndham(wyndham), np.datetime64("2019-07-01"))
    if amsterdam is not None:
        answers += amsterdam_skill(read_amsterdam(amsterdam), np.datetime64("2020-10-01"), capacity_kg)
    for answer in answers:
        click.echo(json.dumps(asdict(answer)))


if __name__ == "__main__":
    command()
