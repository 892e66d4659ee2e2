"""The traffic domain, gathered into one value. It acts on nothing."""

from __future__ import annotations

from cityloop.domains.traffic import state
from cityloop.domains.traffic.forecast import predict
from cityloop.domains.traffic.guard import check
from cityloop.domains.traffic.schema import DOMAIN
from cityloop.domains.traffic.state import TrafficState
from cityloop.kernel.domain import Domain

__all__ = ["traffic"]

traffic: Domain[TrafficState, None] = Domain(
    name=DOMAIN,
    start=state.start,
    update=state.update,
    predict=predict,
    policies={},
    check=check,
    accept=lambda before, verdicts, now_ms: before,
    view=state.view,
)
