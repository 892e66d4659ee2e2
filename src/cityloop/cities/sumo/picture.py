"""What a map may show of the simulation's truth: where everybody is. No controller reads it.

A vehicle keeps its slot while it is in the simulation, and a slot stays empty for a step before another takes it, so
that a map can follow rows without names.
"""

from __future__ import annotations

from collections.abc import Sequence
from enum import IntEnum

import libsumo
import numpy as np

from cityloop.cities.sumo.fleet_case import REFUSE
from cityloop.cities.sumo.network import Network
from cityloop.cities.sumo.shapes import bounding_box
from cityloop.wire.frame import pack_nibbles, vehicle_rows

__all__ = ["LAMP_CODES", "PictureReader", "Who"]

UNKNOWN = 255

LAMP_CODES = {"r": 0, "g": 1, "G": 2, "s": 3, "y": 4, "Y": 4, "u": 5, "o": 6, "O": 6}
"""Lamp codes of the map by SUMO's letters."""


class Who(IntEnum):
    """Kinds of road users on the map."""

    CAR = 0
    BUS = 1
    RAIL = 2
    LORRY = 3
    BICYCLE = 4
    PERSON = 5
    EMERGENCY = 6
    REFUSE = 7


_WHO = {
    "bus": Who.BUS, "coach": Who.BUS, "tram": Who.RAIL, "rail_urban": Who.RAIL, "rail": Who.RAIL,
    "rail_electric": Who.RAIL, "truck": Who.LORRY, "trailer": Who.LORRY, "delivery": Who.LORRY,
    "bicycle": Who.BICYCLE, "pedestrian": Who.PERSON, "emergency": Who.EMERGENCY, "authority": Who.EMERGENCY,
}  # fmt: skip


class PictureReader:
    """Reads places by slot; owns the slots."""

    def __init__(self, network: Network) -> None:
        edges = network.layout.names["edges"]
        self._edge_row = {name: row for row, name in enumerate(edges)}
        self._limit_mps = network.layout.edges.speed_limit_mps
        self._box = bounding_box(network.layout)
        self._slot: dict[str, int] = {}
        self._who: list[int] = []
        self._free: list[int] = []
        self._resting: list[int] = []

    def read(self, lamps: Sequence[str]) -> dict[str, bytes]:
        """Return the vehicles' columns, each edge's speed as a share of its limit, and every link's lamp."""
        vehicles = libsumo.vehicle.getIDList()
        people = libsumo.person.getIDList()
        self._keep_slots(vehicles, people)
        rows = len(self._who)
        x_m, y_m = np.full(rows, np.nan), np.full(rows, np.nan)
        heading, speed = np.zeros(rows), np.zeros(rows)
        edges, shares = [], []
        place_of, angle_of, speed_of = libsumo.vehicle.getPosition, libsumo.vehicle.getAngle, libsumo.vehicle.getSpeed
        road_of = libsumo.vehicle.getRoadID
        for vehicle in vehicles:
            slot = self._slot[vehicle]
            x_m[slot], y_m[slot] = place_of(vehicle)
            heading[slot], speed[slot] = angle_of(vehicle), speed_of(vehicle)
            edge = self._edge_row.get(road_of(vehicle))
            if edge is not None:
                edges.append(edge)
                shares.append(speed[slot])
        for person in people:
            slot = self._slot[person]
            x_m[slot], y_m[slot] = libsumo.person.getPosition(person)
            heading[slot], speed[slot] = libsumo.person.getAngle(person), libsumo.person.getSpeed(person)
        # SUMO answers with a huge negative number for somebody who is nowhere yet.
        nowhere = np.abs(x_m) > 1e8
        x_m[nowhere] = np.nan
        who = np.array(self._who, np.uint8)
        shown = np.frombuffer("".join(lamps).encode().translate(_LAMP_BYTES), np.uint8)
        return {
            "vehicles": vehicle_rows(x_m, y_m, heading, who, speed, self._box),
            "edges_truth": self._edge_shares(edges, shares),
            "lamps": pack_nibbles(shown),
        }

    def _edge_shares(self, edges: list[int], speeds_mps: list[float]) -> bytes:
        n = len(self._limit_mps)
        count = np.bincount(edges, minlength=n)
        total = np.bincount(edges, weights=speeds_mps, minlength=n) if edges else np.zeros(n)
        share = total / np.maximum(count, 1) / np.maximum(self._limit_mps, 0.1)
        return np.where(count > 0, np.clip(np.rint(share * 200), 0, 200), UNKNOWN).astype(np.uint8).tobytes()

    def _keep_slots(self, vehicles: Sequence[str], people: Sequence[str]) -> None:
        here = {*vehicles, *people}
        gone = [name for name in self._slot if name not in here]
        self._free += self._resting
        self._resting = [self._slot.pop(name) for name in gone]
        for name in vehicles:
            if name not in self._slot:
                refuse = libsumo.vehicle.getTypeID(name) == REFUSE
                who = Who.REFUSE if refuse else _WHO.get(libsumo.vehicle.getVehicleClass(name), Who.CAR)
                self._take(name, who)
        for name in people:
            if name not in self._slot:
                self._take(name, Who.PERSON)

    def _take(self, name: str, who: Who) -> None:
        if self._free:
            slot = self._free.pop()
            self._who[slot] = who
        else:
            slot = len(self._who)
            self._who.append(who)
        self._slot[name] = slot


_LAMP_BYTES = bytes(LAMP_CODES.get(chr(code), 6) for code in range(256))
