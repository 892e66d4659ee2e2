"""The monitors beside the field controllers: each junction's programming card, from the network's own data."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import msgspec
import numpy as np

from cityloop.cities.sumo.transitions import clearances_ms, foes_of_crossings
from cityloop.domains.signals.schema import LinkKind, SignalAssets
from cityloop.methods.lamp_monitor import LampFault, LampMonitor, MonitorRules

__all__ = ["FLASHING", "MONITOR_FILE", "Latched", "Monitors", "latched_in", "monitor_rules"]

FLASHING = "o"
"""SUMO's sign for lamps that flash yellow: everybody gives way."""

MONITOR_FILE = "monitor.json"
"""What the monitors latched in a run; not there where they latched nothing."""


class Latched(msgspec.Struct, frozen=True, kw_only=True):
    """A junction that its monitor took out of service."""

    junction: str
    at_ms: int
    fault: str


def monitor_rules(assets: SignalAssets, junction_row: int) -> MonitorRules:
    """Return what a junction must never show.

    Streams whose paths cross may not both be protected, unless the shipped program shows them so; yellow is the
    shipped one; a crossing clears at the city's walking speed.
    """
    controllers = assets.controllers
    begin, end = int(controllers.link_begin[junction_row]), int(controllers.link_end[junction_row])
    size, first = end - begin, int(controllers.matrix_begin[junction_row])
    square = slice(first, first + size * size)
    together = assets.matrices.shipped_together[square].reshape(size, size)
    foe = assets.matrices.foe[square].reshape(size, size) & ~together
    one, other = np.nonzero(np.triu(foe | foe.T, 1))
    crossing = assets.links.kind[begin:end] == LinkKind.CROSSING
    yellow_s = np.where(crossing, 0.0, assets.links.yellow_s[begin:end])
    return MonitorRules(
        conflicts=frozenset(zip(one.tolist(), other.tolist(), strict=True)),
        yellow_ms=tuple(round(yellow * 1000) for yellow in yellow_s.tolist()),
        clearance_ms=clearances_ms(assets, junction_row),
        crossing_foes=foes_of_crossings(assets, junction_row),
    )


class Monitors:
    """A monitor for every junction of a city."""

    def __init__(self, assets: SignalAssets) -> None:
        rows = range(len(assets.controllers.link_begin))
        self._monitors = [LampMonitor(monitor_rules(assets, row)) for row in rows]

    def see(self, now_ms: int, shown: Sequence[str]) -> list[tuple[int, LampFault]]:
        """Take what every junction shows; return the junctions that are latched by it, each once."""
        found = []
        for row, (monitor, lamps) in enumerate(zip(self._monitors, shown, strict=True)):
            if monitor.fault is None:
                fault = monitor.see(now_ms, lamps)
                if fault is not None:
                    found.append((row, fault))
        return found

    def write(self, path: Path, junctions: Sequence[str]) -> None:
        """Write what is latched, by the junctions' names; nothing where nothing is."""
        found = [
            Latched(junction=name, at_ms=monitor.fault.at_ms, fault=str(monitor.fault))
            for name, monitor in zip(junctions, self._monitors, strict=True)
            if monitor.fault is not None
        ]
        if found:
            path.write_bytes(msgspec.json.encode(found))


def latched_in(path: Path) -> tuple[Latched, ...]:
    """Return what the monitors of a run latched."""
    return msgspec.json.decode(path.read_bytes(), type=tuple[Latched, ...]) if path.is_file() else ()
