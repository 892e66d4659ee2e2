"""What is believed of the city at this moment, taken from what its brain publishes: where a what-if begins.

Nothing of a simulation's truth is looked at: vehicles are those that the brain sees or reckons with, units stand where
they told that they are, containers hold what is believed of them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from io import BytesIO
from typing import Any

import msgspec
import numpy as np

from cityloop.cities.sumo.sensors import parse_level
from cityloop.cities.sumo.start_file import ApproachSeen, CallNow, Estimate, ServicesNow, StageNow, TruckNow, UnitNow
from cityloop.domains.emergency.schema import HOSPITALS, CallStatus
from cityloop.domains.refuse.schema import DEPOT, TIP
from cityloop.kernel.layout import Layout
from cityloop.kernel.tick import BrainState
from cityloop.wire.live import Steering, Tick

__all__ = ["LEARNED", "MEMORY", "SEEN", "LiveNow", "live_now", "packed_memory", "packed_vehicles"]

SEEN = "traffic"
"""Key of the packed vehicles among the published tables."""
MEMORY = "traffic memory"
LEARNED = ("lanes", "turns")
"""Blocks of the state of traffic that outlast a moment."""
_LEARNED_EVERY_S = 30
_OLD_DS = 100
_UNKNOWN = 255
_MOST = 65_535
_CONTAINER = 0
_VISITS = {1: TIP, 2: DEPOT}


class LiveNow(msgspec.Struct, frozen=True, kw_only=True):
    """The city as it stands, and what people have set."""

    at_ms: int
    estimate: Estimate
    steering: Steering
    memory: bytes = b""
    """What the brain has learned of turns, headways and flows; empty: nothing yet."""


class _Seen(msgspec.Struct, frozen=True):
    """Vehicles on approach lanes, as small integers."""

    count: bytes
    distance_dm: bytes
    speed_dmps: bytes
    hidden_veh: bytes
    age_ds: bytes


def packed_vehicles(state: BrainState) -> dict[str, bytes]:
    """Return the brain's vehicles on approach lanes, packed; nothing where it has none."""
    view = state.views.get("traffic")
    if view is None:
        return {}
    now_ms = state.domains["traffic"].now_ms
    there = np.isfinite(view.distance_m)
    seen = _Seen(
        count=there.sum(axis=1).astype(np.uint16).tobytes(),
        distance_dm=np.clip(np.rint(view.distance_m[there] * 10), 0, _MOST).astype(np.uint16).tobytes(),
        speed_dmps=np.clip(np.rint(view.speed_mps[there] * 10), 0, _MOST).astype(np.uint16).tobytes(),
        hidden_veh=np.nan_to_num(view.hidden_veh).astype(np.float32).tobytes(),
        age_ds=np.clip((now_ms - view.seen_at_ms) / 100, 0, _MOST).astype(np.uint16).tobytes(),
    )
    return {SEEN: msgspec.msgpack.encode(seen)}


def packed_memory(state: BrainState) -> dict[str, bytes]:
    """Return what traffic has learned of turns, headways and flows, packed; once in half a minute."""
    traffic = state.domains.get("traffic")
    if traffic is None or traffic.now_ms // 1000 % _LEARNED_EVERY_S:
        return {}
    packed = BytesIO()
    np.savez(packed, **{name: getattr(traffic, name) for name in LEARNED})
    return {MEMORY: packed.getvalue()}


def live_now(tick: Tick, steering: Steering, layout: Layout, memory: bytes = b"") -> LiveNow:
    """Gather what is known now.

    Parameters
    ----------
    tick
        The newest step, with what the domains published.
    steering
        What people have set.
    layout
        The city's assets, by whose names everything is told.
    memory
        What the brain has learned, packed.
    """
    level = parse_level(layout.tables["signals"].sensing)
    return LiveNow(
        at_ms=tick.at_ms,
        estimate=Estimate(
            approaches=_approaches(tick.views.get(SEEN), layout, level.reach_m, loops=level.loops),
            share=level.share,
            stages=_stages(tick, layout),
            services=_services(tick.views, tick.at_ms, layout),
        ),
        steering=steering,
        memory=memory,
    )


def _approaches(raw: bytes | None, layout: Layout, reach_m: float, *, loops: bool) -> tuple[ApproachSeen, ...]:
    lanes, approaches = layout.names["lanes"], layout.approaches
    names = [lanes[row] for row in approaches.lane.tolist()]
    if raw is None or loops:
        # Loops count who passes, and tell nobody's place.
        why = "loops" if loops else "nothing_yet"
        return tuple(ApproachSeen(lane=name, reach_m=0.0, why_not=why) for name in names)
    seen = msgspec.msgpack.decode(raw, type=_Seen)
    count = np.frombuffer(seen.count, np.uint16).astype(np.int64)
    ends = np.cumsum(count)
    metres = np.frombuffer(seen.distance_dm, np.uint16) / 10.0
    speeds = np.frombuffer(seen.speed_dmps, np.uint16) / 10.0
    hidden, age_ds = np.frombuffer(seen.hidden_veh, np.float32), np.frombuffer(seen.age_ds, np.uint16)
    found = []
    for row, name in enumerate(names):
        if age_ds[row] > _OLD_DS:
            why = "silent" if age_ds[row] < _MOST else "no_detector"
            found.append(ApproachSeen(lane=name, reach_m=0.0, why_not=why))
            continue
        own = slice(int(ends[row] - count[row]), int(ends[row]))
        found.append(
            ApproachSeen(
                lane=name,
                reach_m=min(reach_m, float(approaches.zone_m[row])),
                vehicles=tuple(zip(metres[own].tolist(), speeds[own].tolist(), strict=True)),
                hidden_veh=round(float(hidden[row]), 2),
            )
        )
    return tuple(found)


def _stages(tick: Tick, layout: Layout) -> tuple[StageNow, ...]:
    stage = np.frombuffer(tick.arrays.get("stage", b""), np.uint8)
    since_s = np.frombuffer(tick.arrays.get("stage_s", b""), np.uint8)
    return tuple(
        StageNow(junction=name, stage=-1 if shown == _UNKNOWN else int(shown), since_s=float(lasting))
        for name, shown, lasting in zip(layout.names["junctions"], stage.tolist(), since_s.tolist(), strict=False)
    )


def _services(views: Mapping[str, bytes], at_ms: int, layout: Layout) -> ServicesNow:
    emergency, refuse = _columns(views.get("emergency")), _columns(views.get("refuse"))
    names = layout.names.get("units", ())
    units = emergency.get("units", {})
    trucks, visits = refuse.get("trucks", {}), refuse.get("visits", {})
    return ServicesNow(
        units=tuple(
            UnitNow(name=name, x_m=x_m, y_m=y_m, status=status, site=site, call=call, since_s=(at_ms - since_ms) / 1000)
            for name, x_m, y_m, status, site, call, since_ms in _rows(
                names, units, "x_m", "y_m", "status", "site", "call", "since_ms"
            )
        ),
        calls=tuple(
            CallNow(
                number=number,
                priority=priority,
                determinant=determinant,
                x_m=x_m,
                y_m=y_m,
                waited_s=(at_ms - received_ms) / 1000,
                unit=unit,
                attended=status == CallStatus.ATTENDED,
            )
            for number, priority, determinant, x_m, y_m, received_ms, unit, status in _rows(
                emergency.get("calls", {}).get("number", ()), emergency.get("calls", {}),
                "priority", "determinant", "x_m", "y_m", "received_ms", "unit", "status",
            )
            if status != CallStatus.CLOSED
        ),
        declared=_declared(emergency.get("sites", {}), layout),
        trucks=tuple(
            TruckNow(
                name=name,
                x_m=x_m,
                y_m=y_m,
                status=status,
                next=bound,
                load_kg=load_kg,
                route=_route(row, bound, visits),
                planned=row in visits.get("truck", ()),
            )
            for row, (name, x_m, y_m, status, bound, load_kg) in enumerate(
                _rows(layout.names.get("trucks", ()), trucks, "x_m", "y_m", "status", "next", "load_kg")
            )
        ),
        fill_frac=tuple(refuse.get("containers", {}).get("fill_frac", ())),
    )  # fmt: skip


def _declared(sites: Mapping[str, Sequence[Any]], layout: Layout) -> tuple[tuple[int, bool, bool], ...]:
    """Return what hospitals have declared: site, open, diverting; nothing where they tell nothing."""
    hospitals = layout.tables.get(HOSPITALS)
    if hospitals is None or not sites:
        return ()
    return tuple((row, bool(sites["is_open"][row]), bool(sites["diverting"][row])) for row in hospitals.site.tolist())


def _route(truck: int, bound: int, visits: Mapping[str, Sequence[int]]) -> tuple[int, ...]:
    """Return the visits that a truck has still to make after the one that it is bound for."""
    own = [
        container if kind == _CONTAINER else _VISITS[kind]
        for of, kind, container, done in zip(*(visits[k] for k in ("truck", "kind", "container", "done")), strict=True)
        if of == truck and not done
    ] if visits else []  # fmt: skip
    return tuple(own[own.index(bound) + 1 :] if bound in own else own)


def _columns(raw: bytes | None) -> dict[str, dict[str, Any]]:
    if raw is None:
        return {}
    return {
        table: {name: column["values"] for name, column in columns.items()}
        for table, columns in msgspec.msgpack.decode(raw).items()
    }


def _rows(keys: Sequence[Any], table: Mapping[str, Sequence[Any]], *columns: str) -> list[tuple[Any, ...]]:
    """Return the rows of a table, each after its key; none where there is no table."""
    if not table:
        return []
    return list(zip(keys, *(table[name] for name in columns), strict=False))
