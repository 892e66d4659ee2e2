"""What happened in a run: the clocks of every call, and what the gain cost."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

__all__ = ["NONE_MS", "Changed", "Ledger", "Redirect"]

NONE_MS = np.int64(-1)
"""Not yet."""


@dataclass(frozen=True, slots=True)
class Redirect:
    """A unit with a patient aboard was told another hospital."""

    at_ms: int
    call: int
    unit: int
    from_site: int
    to_site: int
    door: int
    """A ``Door``: why the new one."""


@dataclass(frozen=True, slots=True)
class Changed:
    """A call was upgraded, downgraded, called off or found to be another."""

    at_ms: int
    call: int
    kind: int
    """A ``CallChange``."""
    in_time: bool
    """Whether nobody was on scene yet, so that it still mattered for dispatch."""


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
        self.bay_ms = clock()
        """When the handover began; between arriving and this a unit waits for a bay."""
        self.free_ms = clock()
        self.first_sent_ms = clock()
        self.unit = np.full(n_calls, -1, np.int32)
        self.hospital = np.full(n_calls, -1, np.int32)
        self.door = np.zeros(n_calls, np.int32)
        """A ``Door``: why that hospital."""
        self.redirects: list[Redirect] = []
        self.changes: list[Changed] = []
        self.cancelled_ms = clock()
        """When a call was called off, or found to be another, before anybody was there."""
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
