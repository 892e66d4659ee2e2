"""The signals domain, gathered into one value."""

from __future__ import annotations

from cityloop.domains.signals import state
from cityloop.domains.signals.decide import brain, max_pressure
from cityloop.domains.signals.decide.corridor import with_corridors
from cityloop.domains.signals.forecast import Demand, predict
from cityloop.domains.signals.guard import check
from cityloop.domains.signals.hearing import hear
from cityloop.domains.signals.schema import DOMAIN
from cityloop.domains.signals.state import SignalState
from cityloop.kernel.domain import Domain

__all__ = ["signals"]

signals: Domain[SignalState, Demand] = Domain(
    name=DOMAIN,
    start=state.start,
    update=state.update,
    predict=predict,
    policies={
        "brain": with_corridors(brain.propose),
        "max-pressure": with_corridors(max_pressure.propose),
    },
    check=check,
    accept=state.accept,
    view=state.view,
    hear=hear,
    lease_s=4.0,
)
