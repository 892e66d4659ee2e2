"""Fixed days: every zone on the weekdays of its round book, whatever sensors say. The practice of most cities."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from cityloop.domains.refuse.containers import Reason
from cityloop.domains.refuse.decide.fixed_rounds import fit_rounds
from cityloop.domains.refuse.decide.frequencies import due
from cityloop.domains.refuse.forecast import Outlook
from cityloop.domains.refuse.live import LiveState
from cityloop.domains.refuse.schema import EmptyToday
from cityloop.kernel.messages import Proposal, Request

__all__ = ["propose"]

_RISK = 0.02
"""Chance of overflow in a round book's longest gap that a service accepts."""
_ZONE_SIZE = 12


def propose(state: LiveState, forecast: Outlook | None, requests: Sequence[Request], now_ms: int) -> Sequence[Proposal]:
    """Propose the containers whose day it is, once, when the round is opened."""
    if forecast is None:
        return ()
    own, node = state.table.containers, state.place.node
    book = fit_rounds(
        np.maximum(own.rate_per_day, 1e-4),
        state.fill.rates.dispersion,
        state.fill.rates.weekday,
        _RISK,
        (own.x_m, own.y_m, state.place.distance_m[np.ix_(node, node)]),
        _ZONE_SIZE,
    )
    day = state.today(now_ms)
    number = state.progress.round if state.progress is not None else day + 3
    # Rounds are numbered by worked days, the book by days of two weeks with their Sundays.
    of_book = number % 12 + number % 12 // 6 if state.progress is not None else number % 14
    return tuple(
        Proposal(target=int(row), action=EmptyToday(day), reason=Reason.FIXED_DAY, cost=0.0, gain=0.0)
        for row in due(book, of_book)
    )
