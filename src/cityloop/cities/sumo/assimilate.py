"""A twin brought to what is believed of the city as it stands: vehicles moved, added and taken away.

Pure. On each approach that the estimate covers there are afterwards as many vehicles as it says, where it says, as far
as there is room; everywhere else those that the twin had come to by itself. A vehicle that is added drives on as one
of this hour's that passes there and may turn from that lane.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import msgspec
import numpy as np

from cityloop.cities.sumo.start_file import (
    ApproachSeen,
    Estimate,
    LaneFacts,
    PlacedApproach,
    Snapshot,
    StartFile,
    StartVehicle,
)
from cityloop.cities.sumo.zones import Zone

__all__ = ["assimilated"]

_GAP_M = 1.0
"""Least gap between two that stand. [m]"""
_STANDING_M = 7.5
"""From front to front in a queue, for those whose place nobody saw. [m]"""
_NO_ROOM = "no_room"
"""No room was left behind the others."""
_NO_WAY = "no_way"
"""No vehicle of this hour passes there."""


@dataclass(frozen=True, slots=True)
class _Stretch:
    """A lane of an approach's zone, without joints' inner lanes."""

    lane: str
    edge: str
    near_m: float
    """Distance of its downstream end from the stop line."""
    far_m: float


def assimilated(snapshot: Snapshot, estimate: Estimate, zones: Sequence[Zone], rng: np.random.Generator) -> StartFile:
    """Return what runs begin from.

    Parameters
    ----------
    snapshot
        The twin at this hour.
    estimate
        What is believed of the city now.
    zones
        The lanes in which vehicles bound for each approach lane are seen.
    rng
        Draws ways for vehicles that are added.
    """
    by_lane: dict[str, list[StartVehicle]] = defaultdict(list)
    for vehicle in snapshot.vehicles:
        by_lane[vehicle.lane].append(vehicle)
    at_lane = {zone.lane_id: zone for zone in zones}
    ways = _Ways(snapshot, rng)
    kept = {vehicle.name: vehicle for vehicle in snapshot.vehicles}
    seen: dict[str, list[StartVehicle]] = {}
    driven: dict[str, int] = {}
    wanted: dict[str, int] = {}
    why: dict[str, str] = {}
    within_m: dict[str, float] = {}
    not_covered = []
    for approach in estimate.approaches:
        zone = at_lane.get(approach.lane)
        if zone is None or approach.why_not or approach.reach_m <= 0:
            reason = approach.why_not or ("no_lane" if zone is None else "no_detector")
            not_covered.append((approach.lane, reason))
            continue
        stretches, limit_m = _stretches(zone, approach.reach_m, snapshot.lanes)
        asked = _asked(approach, limit_m, estimate.share)
        # A queue that is reckoned with beyond what is seen covers its street as far as it stands.
        limit_m = max(limit_m, asked[-1][0] + _GAP_M) if asked else limit_m
        own = sorted(
            (distance_m, vehicle.name)
            for stretch in stretches
            for vehicle in by_lane[stretch.lane]
            if (distance_m := stretch.far_m - vehicle.at_m) <= limit_m and vehicle.name in kept
        )
        before = [kept.pop(name) for _, name in own]
        placed, reason = _placed(approach.lane, asked, before, stretches, ways)
        seen[approach.lane], driven[approach.lane], wanted[approach.lane] = placed, len(before), len(asked)
        why[approach.lane], within_m[approach.lane] = reason, limit_m
    vehicles = _apart([*(one for own in seen.values() for one in own), *kept.values()], set(kept))
    left = {vehicle.name for vehicle in vehicles}
    approaches = []
    for lane, placed in seen.items():
        n = sum(vehicle.name in left for vehicle in placed)
        reason = (why[lane] or _NO_ROOM) if n < wanted[lane] else ""
        approaches.append(
            PlacedApproach(
                lane=lane,
                estimated_veh=wanted[lane],
                driven_veh=driven[lane],
                placed_veh=n,
                within_m=round(within_m[lane], 1),
                why_fewer=reason,
            )
        )
    return StartFile(
        vehicles=tuple(vehicles),
        walkers=snapshot.walkers,
        stages=estimate.stages,
        services=estimate.services,
        approaches=tuple(approaches),
        not_covered=tuple(not_covered),
    )


def _stretches(zone: Zone, reach_m: float, lanes: Mapping[str, LaneFacts]) -> tuple[list[_Stretch], float]:
    """Return the lanes of a zone from the stop line on, and how far what is seen there is this approach's."""
    limit_m = min(reach_m, zone.reach_m if zone.owner_lane == zone.lane_id else zone.own_m)
    found = []
    for piece in zone.pieces:
        facts = lanes.get(piece.lane_id)
        if facts is None or piece.lane_id.startswith(":"):
            continue
        edge = piece.lane_id.rsplit("_", 1)[0]
        found.append(_Stretch(piece.lane_id, edge, piece.offset_m, piece.offset_m + facts.length_m))
    return found, limit_m


def _asked(approach: ApproachSeen, limit_m: float, share: float) -> list[tuple[float, float]]:
    """Return where vehicles are to be: those that are seen, and those that are reckoned with, standing."""
    found = sorted((d, v) for d, v in approach.vehicles if d <= limit_m)
    unseen = round(len(found) / share) - len(found) + round(approach.hidden_veh)
    for _ in range(unseen):
        # Whom nobody saw stands in the first gap of the queue, or behind it.
        at_m = 0.5
        for distance_m, _ in found:
            if distance_m - at_m >= _STANDING_M:
                break
            at_m = max(at_m, distance_m + _STANDING_M)
        found.append((at_m, 0.0))
        found.sort()
    return found


def _placed(
    lane: str,
    asked: Sequence[tuple[float, float]],
    before: Sequence[StartVehicle],
    stretches: Sequence[_Stretch],
    ways: _Ways,
) -> tuple[list[StartVehicle], str]:
    """Return the vehicles of an approach: the twin's own moved, others added; and why there are fewer than asked."""
    if not stretches:
        return [], _NO_ROOM
    at_m = -math.inf
    placed: list[StartVehicle] = []
    path = [stretch.edge for stretch in reversed(stretches)]
    for number, (distance_m, speed_mps) in enumerate(asked):
        drawn = before[number] if number < len(before) else ways.draw(lane, f"live.{lane}.{number}")
        if drawn is not None and path[-1] not in drawn.route:
            # It would have left at a joint before the stop line.
            drawn = ways.draw(lane, drawn.name)
        if drawn is None:
            return placed, _NO_WAY
        at_m = max(distance_m, at_m, 0.1)
        stretch = next((one for one in stretches if at_m <= one.far_m - 0.1), None)
        if stretch is None:
            return placed, _NO_ROOM
        # Inside a joint nobody is put: a little upstream of it.
        at_m = max(at_m, stretch.near_m + 0.1)
        onward = drawn.route[drawn.route.index(path[-1]) + 1 :]
        own = path[path.index(stretch.edge) :]
        placed.append(
            msgspec.structs.replace(
                drawn,
                lane=stretch.lane,
                at_m=round(stretch.far_m - at_m, 2),
                speed_mps=round(speed_mps, 2),
                route=(*own, *onward),
            )
        )
        at_m += drawn.length_m + _GAP_M
    return placed, ""


class _Ways:
    """Draws a vehicle of this hour that passes a stop line and may turn from its lane."""

    def __init__(self, snapshot: Snapshot, rng: np.random.Generator) -> None:
        self._snapshot, self._rng = snapshot, rng
        self._through: dict[str, list[tuple[str, tuple[str, ...]]]] = defaultdict(list)
        for kind, edges in snapshot.ways:
            for k, edge in enumerate(edges):
                self._through[edge].append((kind, edges[k:]))
        self._fits: dict[str, list[tuple[str, tuple[str, ...]]]] = {}

    def draw(self, lane: str, name: str) -> StartVehicle | None:
        """Return such a vehicle, None where there is none in this hour."""
        fits = self._fits.get(lane)
        if fits is None:
            fits = self._fits[lane] = self._fitting(lane)
        if not fits:
            return None
        kind, route = fits[int(self._rng.integers(len(fits)))]
        return StartVehicle(
            name=name, kind=kind, lane=lane, at_m=0.0, speed_mps=0.0, route=route,
            length_m=self._snapshot.lengths_m[kind],
        )  # fmt: skip

    def _fitting(self, lane: str) -> list[tuple[str, tuple[str, ...]]]:
        facts = self._snapshot.lanes[lane]
        edge = lane.rsplit("_", 1)[0]
        may = [
            (kind, route) for kind, route in self._through[edge] if self._snapshot.classes[kind] not in facts.closed_to
        ]
        turning = [one for one in may if len(one[1]) > 1 and one[1][1] in facts.next_edges]
        # Where nobody of this hour turns from this lane a vehicle drives to the next edge and is gone there.
        kinds = sorted({kind for kind, _ in may}) or self._usual(facts)
        return turning or [(kind, (edge, following)) for kind in kinds for following in facts.next_edges]

    def _usual(self, facts: LaneFacts) -> list[str]:
        kinds = [kind for kind, _ in self._snapshot.ways if self._snapshot.classes[kind] not in facts.closed_to]
        return [max(sorted(set(kinds)), key=kinds.count)] if kinds else []


def _apart(vehicles: Sequence[StartVehicle], yielding: set[str]) -> list[StartVehicle]:
    """Return the vehicles with none inside another; a twin's own makes way for one that was seen."""
    by_lane: dict[str, list[StartVehicle]] = defaultdict(list)
    for vehicle in vehicles:
        by_lane[vehicle.lane].append(vehicle)
    found: list[StartVehicle] = []
    # Who waits to set out stands nowhere yet.
    found += by_lane.pop("", [])
    for lane in sorted(by_lane):
        found += _lane_apart(sorted(by_lane[lane], key=lambda one: (-one.at_m, one.name)), yielding)
    return found


def _lane_apart(front_to_back: Sequence[StartVehicle], yielding: set[str]) -> Iterator[StartVehicle]:
    seen = [one for one in front_to_back if one.name not in yielding]
    free_to_m = math.inf
    for vehicle in front_to_back:
        if vehicle.name in yielding:
            clear = all(
                vehicle.at_m <= other.at_m - other.length_m - _GAP_M
                or vehicle.at_m - vehicle.length_m - _GAP_M >= other.at_m
                for other in seen
            )
            if not clear or vehicle.at_m > free_to_m:
                continue
            yield vehicle
            free_to_m = vehicle.at_m - vehicle.length_m - _GAP_M
            continue
        at_m = min(vehicle.at_m, free_to_m)
        if at_m < 0.1:
            continue
        yield msgspec.structs.replace(vehicle, at_m=round(at_m, 2))
        free_to_m = at_m - vehicle.length_m - _GAP_M
