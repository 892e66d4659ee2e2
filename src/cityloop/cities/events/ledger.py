"""What happened in a run: the clocks of every call, and what the gain cost."""

from __future__ import annotations

import numpy as np

__all__ = ["NONE_MS", "Ledger"]

NONE_MS = np.int64(-1)
"""Not yet."""


class Ledger:
    """The clocks of every call and the price of a run, as the city counts them."""

    def __init__(self, n_calls: int, n_units: int) -> None:
        def clock() -> np.ndarray[tuple[int], np.dtype[np.int64]]:
            return np.full(n_calls, NONE_MS, np.int64)

        self.dispatched_ms = clock()
        """First unit sent that is still the one that came."""
        self.mobile_ms = clock()
        self.arrived_ms = clock()
        self.left_scene_ms = clock()
        self.at_hospital_ms = clock()
        self.free_ms = clock()
        self.first_sent_ms = clock()
        self.unit = np.full(n_calls, -1, np.int32)
        self.bumped = np.zeros(n_calls, np.int32)
        self.sent_ms = np.zeros(n_units, np.int64)
        self.unit_mobile_ms = np.zeros(n_units, np.int64)
        self.refused: dict[int, int] = {}
        """Proposals that the guard refused, by rule."""
        self.moves = 0
        self.swaps = 0
        self.diversions = 0
        self.repositioned_m = 0.0
        self.kerb_ms = 0
        self.kerb_longest_ms = 0
        self.shifts = 0
        self.late_ms = 0
        self.late_finishes = 0
        self.breaks_taken = 0
        self.breaks_missed = 0
        self.fastest = 1.0
        """Greatest factor by which any drive was faster than its roads' own time; 1 where runs do not vary."""

    def sent(self, call: int, unit: int, now_ms: int) -> None:
        """Note that a unit was sent."""
        if self.first_sent_ms[call] < 0:
            self.first_sent_ms[call] = now_ms
        self.dispatched_ms[call] = now_ms
        self.sent_ms[unit] = now_ms

    def mobile(self, call: int, unit: int, now_ms: int) -> None:
        """Note that its wheels turn."""
        self.mobile_ms[call] = now_ms
        self.unit_mobile_ms[unit] = now_ms

    def first_unit_off(self, call: int) -> None:
        """Note that a call lost its unit: the clocks of the one that comes in the end count."""
        self.dispatched_ms[call] = NONE_MS
        self.mobile_ms[call] = NONE_MS
