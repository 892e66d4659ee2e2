"""Under what conditions a run is made: turnout, luck, radios, hospitals. The plain case is none of it."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from cityloop.cities.events.chance import Chance
from cityloop.cities.events.changes import Changes
from cityloop.kernel.columns import BOOL
from cityloop.kernel.errors import ConfigError
from cityloop.methods.hospital_doors import HospitalPlan

__all__ = ["PLAIN", "Conditions", "Radio", "Turnout"]

MINUTE_MS = 60_000


@dataclass(frozen=True, slots=True)
class Turnout:
    """From dispatch to wheels turning, by where the unit is. [ms]"""

    standing_ms: int = 0
    driving_ms: int = 0


@dataclass(frozen=True, slots=True)
class Radio:
    """Positions that come late: each minute another share of the units is seen where it was a while ago."""

    late_share: float = 0.0
    late_ms: int = 60_000
    seed: int = 0

    def __post_init__(self) -> None:
        """Refuse what is no share or no delay."""
        if not 0.0 <= self.late_share <= 1.0 or self.late_ms < 0:
            raise ConfigError(
                f"Late positions: share {self.late_share}, delay {self.late_ms} ms: must be 0 to 1, >= 0."
            )

    def late(self, now_ms: int, n_units: int) -> BOOL:
        """Tell whose position is late now."""
        if self.late_share == 0.0:
            return np.zeros(n_units, np.bool_)
        drawn = np.random.default_rng([self.seed, now_ms // MINUTE_MS]).random(n_units)
        return np.asarray(drawn < self.late_share)


@dataclass(frozen=True, slots=True)
class Conditions:
    """What a run is made under."""

    turnout: Turnout = field(default_factory=Turnout)
    chance: Chance = field(default_factory=Chance)
    radio: Radio = field(default_factory=Radio)
    hospitals: HospitalPlan | None = None
    """Nothing: the nearest open hospital takes everybody at once."""
    changes: Changes | None = None
    """What becomes of calls after they were taken."""


PLAIN = Conditions()
