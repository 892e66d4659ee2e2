"""A bound to measure against: free units stand on the greedy median as each call arrives, at no cost.

Nobody can do this: units are where the plan wants them without having driven. Crews have no meals and no shifts.
"""

from __future__ import annotations

import heapq

import numpy as np

from cityloop.cities.events.calls import Calls
from cityloop.domains.emergency.schema import SiteKind
from cityloop.kernel.columns import F64
from cityloop.methods.location import greedy_median
from cityloop.studies.emergency_world import World

__all__ = ["reference_response_min"]


def reference_response_min(world: World, calls: Calls) -> F64:
    """Return every call's response under the reference. [min]"""
    units, coverage = len(world.case.unit_name), world.coverage
    matrix = world.times.siren.matrix_ms(world.zones.node, world.zones.node) / 60_000.0
    posts = world.zones.node[greedy_median(matrix, coverage.weight, units)]
    hospitals = world.sites.node[world.sites.kind == SiteKind.HOSPITAL]
    hospital_off_ms = world.sites.offroad_m[world.sites.kind == SiteKind.HOSPITAL] * (
        1000.0 / world.times.ordinary_offroad_mps
    )
    busy_until_ms: list[int] = []
    waiting: list[tuple[int, int, int]] = []
    arrived_ms = np.zeros(len(calls), np.int64)
    events = [(int(at), 0, c) for c, at in enumerate(calls.ready_ms)]
    heapq.heapify(events)

    def serve(call: int, now_ms: int) -> None:
        siren = world.times.response_mode[calls.priority[call] - 1] == 0
        router = world.times.siren if siren else world.times.ordinary
        speed = world.times.siren_offroad_mps if siren else world.times.ordinary_offroad_mps
        free = units - len(busy_until_ms)
        node = int(calls.node[call])
        road_ms = int(router.to_one_ms(posts[:free], node).min())
        arrived_ms[call] = now_ms + road_ms + round(float(calls.offroad_m[call]) / speed * 1000)
        end_ms = int(arrived_ms[call]) + int(calls.on_scene_ms[call])
        if calls.transport[call]:
            out_ms = float(calls.offroad_m[call]) / world.times.ordinary_offroad_mps * 1000
            drive_ms = (world.times.ordinary.matrix_ms([node], hospitals)[0] + hospital_off_ms).min() + out_ms
            end_ms += round(float(drive_ms)) + int(calls.handover_ms[call])
        heapq.heappush(busy_until_ms, end_ms)
        heapq.heappush(events, (end_ms, -1, -1))

    while events:
        now_ms, kind, call = heapq.heappop(events)
        if kind < 0:
            heapq.heappop(busy_until_ms)
        else:
            heapq.heappush(waiting, (int(calls.priority[call]), int(calls.received_ms[call]), call))
        while waiting and len(busy_until_ms) < units:
            serve(heapq.heappop(waiting)[2], now_ms)
    response: F64 = (arrived_ms - calls.received_ms) / 60_000.0
    return response
