"""What a load of readings did: how many were sent, acknowledged and refused, and how long that took."""

from __future__ import annotations

import resource
import time
from dataclasses import dataclass, field

import numpy as np

__all__ = ["LoadCount", "LoadParams", "LoadReport"]


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadParams:
    """How a load is sent."""

    url: str
    """http://HOST:PORT or mqtt://HOST:PORT."""

    protocol: str = "arrow"
    rate_hz: float = 1.0
    """Readings of each sensor a second."""

    duration_s: float = 10.0
    connections: int = 8
    pack: int = 1000
    qos: int = 0
    token: str = ""
    device: str = ""
    """Over HTTP each connection speaks for a device of its own, of this name and a number; empty: for the token's."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadReport:
    """What a load did."""

    sent: int
    acknowledged: int
    refused: int
    """Readings that the server said it does not take now."""
    failed: int
    """Readings whose request failed otherwise, or whose connection broke."""
    blocked: int
    """Readings that could not be sent because the server made the sender wait."""
    wall_s: float
    client_cpu_s: float
    rate_per_s: float
    """Readings sent a second."""
    ack_ms: dict[str, float]
    """Percentiles of the time from sending to acknowledgement."""
    behind_s: float
    """How far the sender fell behind its own timetable at worst: above a second the load was not what was asked."""


@dataclass(slots=True)
class LoadCount:
    """Counts of a load while it runs."""

    sent: int = 0
    acknowledged: int = 0
    refused: int = 0
    failed: int = 0
    blocked: int = 0
    behind_s: float = 0.0
    ack_s: list[float] = field(default_factory=list)
    began_s: float = field(default_factory=time.perf_counter)
    began_cpu_s: float = field(default_factory=lambda: _cpu_s())

    def report(self) -> LoadReport:
        """Return the outcome."""
        wall_s = time.perf_counter() - self.began_s
        waits = np.array(self.ack_s) * 1000
        told = (
            {f"p{share:g}": round(float(np.percentile(waits, share)), 2) for share in (50, 90, 99, 99.9)}
            if len(waits)
            else {}
        )
        return LoadReport(
            sent=self.sent,
            acknowledged=self.acknowledged,
            refused=self.refused,
            failed=self.failed,
            blocked=self.blocked,
            wall_s=round(wall_s, 3),
            client_cpu_s=round(_cpu_s() - self.began_cpu_s, 3),
            rate_per_s=round(self.sent / wall_s, 1),
            ack_ms=told,
            behind_s=round(self.behind_s, 3),
        )


def _cpu_s() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime
