"""A point queue: evenly spaced arrivals, served one saturation headway apart while green.

Exact to the millisecond, so that delays can be checked against the closed form.
"""

from __future__ import annotations

from cityloop.kernel.clock import MS_PER_S, ms_from_s

__all__ = ["PointQueue"]


class PointQueue:
    """One approach lane.

    Parameters
    ----------
    begin_ms
        The first vehicle reaches the free stop line one headway later.
    headway_s, saturation_headway_s
        Between arrivals, and between departures from a queue. [s]
    """

    def __init__(self, begin_ms: int, headway_s: float, saturation_headway_s: float) -> None:
        self._begin_ms = begin_ms
        self._headway_ms = ms_from_s(headway_s)
        self._saturation_ms = ms_from_s(saturation_headway_s)
        self._served_at_ms = begin_ms - self._saturation_ms
        self.departed_ms: list[int] = []
        """When each vehicle left, in order."""

    def arrival_ms(self, vehicle: int) -> int:
        """Return when a vehicle reaches, or would have reached, the free stop line."""
        return self._begin_ms + (vehicle + 1) * self._headway_ms

    def serve(self, from_ms: int, to_ms: int) -> int:
        """Let vehicles leave from ``from_ms`` until before ``to_ms``, all green; return how many did."""
        before = len(self.departed_ms)
        while True:
            arrival_ms = self.arrival_ms(len(self.departed_ms))
            at_ms = max(arrival_ms, self._served_at_ms + self._saturation_ms, from_ms)
            if at_ms >= to_ms:
                return len(self.departed_ms) - before
            self.departed_ms.append(at_ms)
            self._served_at_ms = at_ms

    def delays_s(self) -> list[float]:
        """Return the delay of every vehicle that has left. [s]."""
        return [(left - self.arrival_ms(i)) / MS_PER_S for i, left in enumerate(self.departed_ms)]

    def queued(self, now_ms: int) -> int:
        """Return how many have reached the stop line or its queue and not left."""
        return max(0, (now_ms - self._begin_ms) // self._headway_ms - len(self.departed_ms))

    def passed(self, from_ms: int, to_ms: int) -> int:
        """Return how many arrivals fall after ``from_ms`` and no later than ``to_ms``."""
        arrivals = [max(0, (at_ms - self._begin_ms) // self._headway_ms) for at_ms in (from_ms, to_ms)]
        return arrivals[1] - arrivals[0]

    def distances_m(self, now_ms: int, speed_mps: float, zone_m: float, spacing_m: float) -> list[float]:
        """Return distances to the stop line of the vehicles in the zone, nearest first. [m]."""
        distances: list[float] = []
        vehicle = len(self.departed_ms)
        while True:
            free_m = (self.arrival_ms(vehicle) - now_ms) / MS_PER_S * speed_mps
            at_m = max(free_m, spacing_m * len(distances))
            if at_m > zone_m:
                return distances
            distances.append(at_m)
            vehicle += 1
