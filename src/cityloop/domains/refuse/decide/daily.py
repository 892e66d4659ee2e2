"""The brain's choice of a morning as proposals, one a container."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from cityloop.domains.refuse.containers import EmptyToday, Reason
from cityloop.domains.refuse.decide.brain import BrainParams, choose
from cityloop.domains.refuse.forecast import VISIT_OF_DAY, Outlook
from cityloop.domains.refuse.live import LiveState
from cityloop.kernel.messages import Proposal, Request

__all__ = ["propose"]


def propose(state: LiveState, forecast: Outlook | None, requests: Sequence[Request], now_ms: int) -> Sequence[Proposal]:
    """Propose the containers of today, once, at the hour of decision.

    Cost and gain are metres of driving: the overflow expected until the visit, and what waiting for the next working
    day would add to it.
    """
    if forecast is None:
        return ()
    params = BrainParams()
    capacity = state.table.containers.capacity_kg
    load = np.maximum(forecast.fill + VISIT_OF_DAY * forecast.rate, 0.02) * capacity
    rows, _ = choose(forecast, state.place, state.memory, (load, state.table.payload_kg), params)
    day = state.today(now_ms)
    risk = params.overflow_m * forecast.overflow_days
    return tuple(
        Proposal(
            target=int(row),
            action=EmptyToday(day),
            reason=Reason.RISK if risk[row, 1] - risk[row, 0] > state.memory.visit_m[row] else Reason.NEAR,
            cost=float(risk[row, 0]),
            gain=float(risk[row, 1] - risk[row, 0]),
        )
        for row in rows
    )
