"""What traffic knows of the future is in its view: the arrivals sent downstream. Nothing further is predicted."""

from __future__ import annotations

from cityloop.domains.traffic.state import TrafficState
from cityloop.kernel.domain import Views

__all__ = ["predict"]


def predict(state: TrafficState, views: Views, now_ms: int) -> None:
    """Return nothing: no policy of this domain looks ahead."""
    return
