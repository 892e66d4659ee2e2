"""How others make way for a vehicle with blue light: they move aside within their lane, and back when it is past.

SUMO's own device for this is not used: it crashes on one of the networks measured, and all are to be measured alike.
What the vehicle itself may do (pass a red light slowly, drive faster than allowed) is in its type.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import libsumo

__all__ = ["BlueLights"]

REACH_M = 30.0
"""Vehicles this far ahead on the same street make way. [m]"""


class BlueLights:
    """Has vehicles before units on their way move aside; remembers who did."""

    def __init__(self, names: Iterable[str]) -> None:
        self._names = frozenset(names)
        self._aside: dict[str, str] = {}
        """Vehicles that have moved aside, and how they drove before."""

    def step(self, running: Sequence[str]) -> None:
        """Bring everybody's place within the lane up to date."""
        units = [name for name in running if name in self._names]
        if not units and not self._aside:
            return
        aside: dict[str, str] = {}
        for unit in units:
            edge = libsumo.vehicle.getRoadID(unit)
            if not edge or edge.startswith(":"):
                continue
            at_m, lanes = libsumo.vehicle.getLanePosition(unit), libsumo.edge.getLaneNumber(edge)
            for vehicle in libsumo.edge.getLastStepVehicleIDs(edge):
                ahead_m = libsumo.vehicle.getLanePosition(vehicle) - at_m
                if vehicle not in self._names and -5.0 < ahead_m < REACH_M:
                    leftmost = lanes > 1 and libsumo.vehicle.getLaneIndex(vehicle) == lanes - 1
                    aside[vehicle] = "left" if leftmost else "right"
        here = frozenset(running) if self._aside else frozenset()
        for vehicle, before in self._aside.items():
            if vehicle not in aside and vehicle in here:
                libsumo.vehicle.setLateralAlignment(vehicle, before)
        kept: dict[str, str] = {}
        for vehicle, side in aside.items():
            kept[vehicle] = self._aside.get(vehicle) or libsumo.vehicle.getLateralAlignment(vehicle)
            libsumo.vehicle.setLateralAlignment(vehicle, side)
        self._aside = kept
