"""What overflow is to be expected if a container waits: the outlook that policies decide on."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.special import gammainc

from cityloop.domains.refuse.state import FillState, chance_of, fill_of
from cityloop.kernel.columns import F64

__all__ = ["VISIT_OF_DAY", "Outlook", "cycle_cost", "outlook_of", "working_days"]

VISIT_OF_DAY = 0.4
"""Share of a day's deposits that lies in a container when it is visited that day."""

Matrix = npt.NDArray[np.float64]


_FAR = (9, 11, 14, 18, 23, 29, 36)
"""Days ahead at which containers that fill slowly are looked at, beyond the working days of the horizon."""


@dataclass(frozen=True, slots=True)
class Outlook:
    """What each container is expected to do if it is next visited on one of some days to come."""

    wait_days: F64
    """Calendar days from this morning to each day looked at, shape (days,); 0 first where today is worked. [d]"""
    overflow_days: Matrix
    """Expected days with an overfull container until the visit, shape (n, days). [d]"""
    horizon: int
    """The first so many columns are the next working days; the rest lie farther ahead."""
    fill: F64
    """Expected fill this morning, shape (n,). [1]"""
    rate: F64
    """Expected fill a day at present, shape (n,). [1/d]"""
    dispersion: F64
    """Variance over mean of deposits, shape (n,). [1]"""


def working_days(weekday: int, works: tuple[bool, ...], count: int) -> list[int]:
    """Return how many days ahead the next ``count`` working days lie, today included if it is one.

    Parameters
    ----------
    weekday
        Of today, Monday 0.
    works
        By weekday.
    """
    if not any(works):
        raise ValueError("No weekday is worked.")
    ahead: list[int] = []
    k = 0
    while len(ahead) < count:
        if works[(weekday + k) % 7]:
            ahead.append(k)
        k += 1
    return ahead


def outlook_of(state: FillState, ahead: list[int]) -> Outlook:
    """Look ahead from this morning.

    Parameters
    ----------
    ahead
        Days from today to each working day, as ``working_days`` gives them.
    """
    rates, fill = state.rates, fill_of(state)
    near = ahead[-1]
    ends = [*range(near + 1), *(k for k in _FAR if k > near)]
    factor = [float(rates.weekday[(state.weekday + k) % 7]) for k in range(ends[-1] + 1)]
    until = np.concatenate([[0.0], np.cumsum(factor)])

    # Overfull at the end of each day looked at; between days that are not, the chance is taken to rise evenly.
    at_end = np.stack([chance_of(state, float(until[k + 1])) for k in ends], axis=1)
    waited = np.zeros((len(fill), len(ends) + 1))
    for column, k in enumerate(ends):
        gap = k - (ends[column - 1] if column else -1)
        before = at_end[:, column - 1] if column else at_end[:, 0]
        even = np.arange(1, gap + 1) / gap
        waited[:, column + 1] = waited[:, column] + before * (gap - even.sum()) + at_end[:, column] * even.sum()
    visits = [waited[:, k] + chance_of(state, float(until[k] + VISIT_OF_DAY * factor[k])) for k in ahead]
    later = [waited[:, column + 1] for column, k in enumerate(ends) if k > near]
    return Outlook(
        wait_days=np.array([*ahead, *(k + 1 for k in ends if k > near)], float),
        overflow_days=np.stack([*visits, *later], axis=1),
        horizon=len(ahead),
        fill=fill,
        rate=rates.rate() * rates.level,
        dispersion=rates.dispersion,
    )


def cycle_cost(rate: F64, dispersion: F64, visit_m: F64, overflow_m: float, longest: int = 42) -> F64:
    """Return the least mean cost a day of emptying a container over and over, shape (n,). [m/d]

    Renewal reward: a cycle of T days costs a visit and the overflow days expected within it; the best T is taken.

    Parameters
    ----------
    visit_m
        Driving that a visit costs. [m]
    overflow_m
        Driving that a day of overflow is worth. [m/d]
    """
    shape_a_day = np.maximum(rate, 1e-6) / dispersion
    days = np.arange(1, longest + 1)
    full = 1.0 - gammainc(shape_a_day[:, None] * days[None, :], (1.0 / dispersion)[:, None])
    cost = (visit_m[:, None] + overflow_m * np.cumsum(full, axis=1)) / days[None, :]
    return np.asarray(cost.min(axis=1))
