"""Where an ambulance of the twin takes its patient: the nearest hospital that has what the crew says is needed.

Drives are told as the crow flies, on streets that are a third longer; queues and diversions are not in the twin.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from cityloop.cities.sumo.fleet_assets import Kerb
from cityloop.cities.sumo.fleet_case import TREATS, SiteCase
from cityloop.methods.hospital_choice import Departments, Door, advise

__all__ = ["Hospitals"]

_MS_PER_M = 1000.0 * 1.3 / 8.0
"""Of ordinary driving in town, along streets. [ms/m]"""


class Hospitals:
    """The hospitals among a city's sites, and what they treat."""

    def __init__(self, sites: Sequence[SiteCase], kerbs: Sequence[Kerb]) -> None:
        self._rows = [row for row, site in enumerate(sites) if site.kind == "hospital"]
        self._kerbs = [kerbs[row] for row in self._rows]
        count = len(self._rows)
        none = np.zeros(count, np.int32)
        self._departments = Departments(
            capability=np.array([sum(TREATS[word] for word in sites[row].treats) for row in self._rows], np.int32),
            is_open=np.ones(count, np.bool_),
            diverting=np.zeros(count, np.bool_),
            bays=none,
            here=none,
            coming=none,
            handover_ms=0.0,
        )

    def advised(self, kerb: Kerb, needs: int) -> tuple[int, Door]:
        """Return the site of the hospital for a patient, and why that one."""
        drive_ms = np.array([math.hypot(one.x_m - kerb.x_m, one.y_m - kerb.y_m) * _MS_PER_M for one in self._kerbs])
        advice = advise(self._departments, needs, np.rint(drive_ms).astype(np.int64))
        return self._rows[advice.hospital], advice.door
