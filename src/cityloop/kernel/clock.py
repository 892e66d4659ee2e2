"""Clock values: instants are int64 UTC milliseconds, durations are float seconds.

Nothing here reads a clock. Whoever drives the tick hands over ``now_ms``.
"""

from __future__ import annotations

__all__ = ["MS_PER_S", "ms_from_s", "s_from_ms"]

MS_PER_S = 1000


def ms_from_s(duration_s: float) -> int:
    """Return a duration in whole milliseconds."""
    return round(duration_s * MS_PER_S)


def s_from_ms(duration_ms: int) -> float:
    """Return a duration in seconds."""
    return duration_ms / MS_PER_S
