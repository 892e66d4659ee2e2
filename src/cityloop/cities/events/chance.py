"""Runs are never twice alike: how drives and turnouts vary about what is expected of them. Off unless asked for.

A drive takes its expected time times a log-normal factor of mean 1. Its deviation is told for a drive of five
minutes and falls with the fourth root of the expected time, since short drives vary more in proportion than long
ones (Budge, Ingolfsson and Zerom 2010, for ambulances of Calgary). Turnout varies likewise, alike for all. Every
factor is drawn from a seed and from who drives where, never from a stream that all share: two policies that send
the same unit to the same call meet the same luck.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from cityloop.kernel.errors import ConfigError

__all__ = ["Chance"]

USUAL_MS = 300_000.0
_SHORTEST_MS, _LONGEST_MS = 60_000.0, 1_800_000.0
_TO_CALL, _TO_SITE, _TURNOUT = 1, 2, 3


@dataclass(frozen=True, slots=True)
class Chance:
    """How much runs vary."""

    travel: float = 0.0
    """Standard deviation of the log of a drive of five minutes."""
    turnout: float = 0.0
    """The same of turnout."""
    seed: int = 0

    def __post_init__(self) -> None:
        """Refuse what no street shows."""
        for name, value in (("travel", self.travel), ("turnout", self.turnout)):
            if not 0.0 <= value <= 1.0:
                raise ConfigError(f"Variation of {name} {value}: must be from 0 to 1.")

    def drive(self, unit: int, call: int, number: int, expected_ms: int) -> float:
        """Return by what factor a drive takes longer than expected.

        Parameters
        ----------
        unit
            Who drives.
        call
            Where to; -1 for a site.
        number
            Of the unit's drives to sites, so that no two are alike.
        expected_ms
            How long the drive is expected to take. [ms]

        """
        if self.travel == 0.0:
            return 1.0
        shortness = USUAL_MS / min(max(float(expected_ms), _SHORTEST_MS), _LONGEST_MS)
        key = (_TO_CALL, unit, call) if call >= 0 else (_TO_SITE, unit, number)
        return self._factor(self.travel * shortness**0.25, key)

    def turnout_ms(self, unit: int, call: int, expected_ms: int) -> int:
        """Return how long a turnout takes. [ms]"""
        if self.turnout == 0.0 or expected_ms == 0:
            return expected_ms
        return round(expected_ms * self._factor(self.turnout, (_TURNOUT, unit, call)))

    def _factor(self, sigma: float, key: tuple[int, int, int]) -> float:
        normal = float(np.random.default_rng([self.seed, *key]).standard_normal())
        return float(np.exp(sigma * normal - 0.5 * sigma * sigma))
