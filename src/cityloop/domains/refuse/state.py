"""What is known of every container this morning: what lies in it, how fast it fills, and how long it has gathered.

Containers with a level sensor have a histogram of their level; the others are known by their rate and the days since
they were emptied. Both learn from what a truck's scale finds.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from scipy.special import gammainc

from cityloop.kernel.columns import F64, I64
from cityloop.methods.fill_belief import Belief, SensorParams, chance_full, deposit, emptied, fresh, sense
from cityloop.methods.fill_rate import Rates, expected, learn

__all__ = ["FillState", "chance_of", "collected", "day_passed", "fill_of", "passed", "read_levels", "start_fill"]


@dataclass(frozen=True, slots=True)
class FillState:
    """Live picture of all containers, at the beginning of a day."""

    rates: Rates
    since: F64
    """Calendar days gathered since the container was emptied, shape (n,). [d]"""
    weekday: int
    """Of the day that begins, Monday 0."""
    sensed: I64
    """Rows of the containers with a level sensor."""
    belief: Belief
    """Of the sensed containers, in the order of ``sensed``."""
    sensors: SensorParams


def start_fill(rates: Rates, weekday: int, sensed: I64, sensors: SensorParams | None = None) -> FillState:
    """Return the state before anything was seen: containers taken to be empty."""
    sensors = sensors or SensorParams()
    n = len(rates.group_rate)
    return FillState(rates, np.zeros(n), weekday, sensed, fresh(len(sensed), sensors), sensors)


def fill_of(state: FillState) -> F64:
    """Return the expected fill, shape (n,). [1]"""
    fill = state.rates.rate() * state.rates.level * state.since
    voice = state.belief.voice()
    fill[state.sensed] = voice * state.belief.mean() + (1.0 - voice) * fill[state.sensed]
    return np.asarray(fill)


def chance_of(state: FillState, exposure: float) -> F64:
    """Return the probability of being full after so many more days of the calendar, shape (n,)."""
    nothing = np.zeros(len(state.since))
    # Without a sensor what lies there is as unknown as what is to come: one deposit since it was emptied.
    mean, variance = expected(state.rates, state.since + exposure, nothing, nothing)
    scale = np.maximum(variance, 1e-12) / np.maximum(mean, 1e-9)
    full = 1.0 - gammainc(np.maximum(mean, 1e-9) / scale, 1.0 / scale)
    rows = state.sensed
    if len(rows):
        voice = state.belief.voice()
        full[rows] = voice * chance_full(state.belief, *_coming(state, exposure)) + (1.0 - voice) * full[rows]
    return np.asarray(full)


def read_levels(state: FillState, reading: F64) -> FillState:
    """Take this morning's level readings, NaN where a sensor is silent or absent."""
    return replace(state, belief=sense(state.belief, reading[state.sensed], state.sensors))


def day_passed(state: FillState, rows: I64, found: F64, share: float) -> FillState:
    """Let a day pass in which some containers are emptied, and the next begin.

    Parameters
    ----------
    rows, found
        Containers emptied, and what the truck's scale says lay in each, as a share of its capacity; NaN where it has
        no scale. [1]
    share
        Share of the day's deposits that had been made by then.
    """
    part = collected(passed(state, share), rows, found)
    return replace(passed(part, 1.0 - share), weekday=(state.weekday + 1) % 7)


def collected(state: FillState, rows: I64, found: F64) -> FillState:
    """Let containers be emptied now, and learn from what was found."""
    if not len(rows):
        return state
    place = np.full(len(state.since), -1)
    place[state.sensed] = np.arange(len(state.sensed))
    heard = np.flatnonzero(place[rows] >= 0)
    mine = place[rows[heard]]
    # Where there is no scale, what the level sensor made believe is learned, if the sensor is believed.
    guess = np.full(len(rows), np.nan)
    guess[heard] = np.where(state.belief.faulty[mine] < 0.5, state.belief.mean()[mine], np.nan)
    rates = learn(state.rates, rows, np.where(np.isnan(found), guess, found), state.since[rows])
    trusted = replace(state.belief, faulty=_trust(state.belief, mine, found[heard], state.sensors))
    since = state.since.copy()
    since[rows] = 0.0
    return replace(state, belief=emptied(trusted, mine), rates=rates, since=since)


def passed(state: FillState, share: float) -> FillState:
    """Let a share of the day pass in which deposits are made."""
    exposure = share * float(state.rates.weekday[state.weekday])
    belief = state.belief
    if len(state.sensed):
        belief = deposit(belief, *_coming(state, exposure), share, state.sensors)
    return replace(state, belief=belief, since=state.since + exposure)


def _coming(state: FillState, exposure: float) -> tuple[F64, F64]:
    """Return mean and variance of what is thrown into the sensed containers; what lies there already is evidence."""
    found = np.zeros(len(state.since))
    found[state.sensed] = state.belief.mean()
    mean, variance = expected(state.rates, exposure, found, np.where(found > 0, state.since, 0.0))
    return mean[state.sensed], variance[state.sensed]


def _trust(belief: Belief, rows: I64, found: F64, params: SensorParams) -> F64:
    """Weigh each sensor against the scale: a level that was believed and not found speaks against its sensor."""
    faulty = belief.faulty.copy()
    weighed = ~np.isnan(found)
    rows, found = rows[weighed], found[weighed]
    believed = belief.mean()[rows]
    spread = np.hypot(params.weight_noise * np.maximum(found, 0.1), 3.0 * params.noise_frac)
    fits = np.exp(-0.5 * np.square((believed - found) / spread)) / (spread * np.sqrt(2.0 * np.pi))
    # A broken sensor leaves the belief anywhere between empty and half over full.
    odds = faulty[rows] / np.maximum(1.0 - faulty[rows], 1e-9) / np.maximum(1.5 * fits, 1e-6)
    faulty[rows] = np.clip(odds / (1.0 + odds), 1e-6, 1.0 - 1e-6)
    return faulty
