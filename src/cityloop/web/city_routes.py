"""The city, its layout and lines, recorded frames, views, search."""

from __future__ import annotations

import asyncio
import dataclasses
import gzip
import hashlib
import struct
import time
from typing import Any

import msgspec
import numpy as np
import orjson
from starlette.requests import Request
from starlette.responses import Response

import cityloop
from cityloop.kernel.columns import columns_of
from cityloop.kernel.shapes import Points
from cityloop.web import service_routes
from cityloop.web.access import Principal
from cityloop.web.answers import ApiError, answer, cached, instant, number
from cityloop.web.board import sections_of
from cityloop.web.halves_routes import left_half
from cityloop.web.ports import Desk, TracePort
from cityloop.wire.frame import encode_frame
from cityloop.wire.live import Tick

__all__ = ["HANDLERS", "prepared"]

_NOTICE = "Synthetic demand, simulated city: gains come only from paired twin runs or field trials."
_MOST_FRAMES = 3600
_MOST_FOUND = 20


def prepared(desk: Desk) -> dict[str, tuple[bytes, str]]:
    """Make the answers that do not change, compressed, with their tags."""
    made = {}
    for name, value in (("layout", _layout(desk)), ("geometry", _geometry(desk))):
        plain = orjson.dumps(value, option=orjson.OPT_SERIALIZE_NUMPY)
        made[name] = (gzip.compress(plain, 6, mtime=0), hashlib.sha256(plain).hexdigest()[:24])
    return made


async def city(desk: Desk, request: Request, who: Principal) -> Response:
    """Tell what city this is."""
    facts, tick, layout = desk.city, desk.newest(), desk.city.layout
    vehicles = 0
    if tick is not None and "vehicles" in tick.shown:
        rows = len(tick.shown["vehicles"]) // 6
        vehicles = int((np.frombuffer(tick.shown["vehicles"], "<i2", rows) != -32768).sum())
    return answer(
        {
            "name": facts.name,
            "case": facts.case,
            "mode": facts.mode,
            "label": facts.label,
            "zone": facts.zone,
            "clock": {
                "now_ms": desk.now_ms(),
                "sim_s": None if tick is None else tick.sim_s,
                "pace": facts.pace,
                "lap": None if tick is None else tick.lap,
                "wall_ms": time.time_ns() // 1_000_000,
            },
            "running": desk.board.silent_s() < 10.0,
            "fault": desk.board.fault or None,
            "bbox": facts.shapes.box,
            "layout_version": layout.version,
            "domains": facts.domains,
            "acting": facts.acting,
            "districts": [{"id": d.id, "name": d.name, "junctions": d.junctions} for d in facts.districts],
            "counts": {
                "junctions": len(layout.junctions.x_m),
                "edges": len(layout.edges.length_m),
                "links": len(facts.shapes.links),
                "approaches": len(layout.approaches.lane),
                "sensors": len(desk.sensors.columns()[0]),
                "vehicles": vehicles,
            },
            "horizon_s": facts.horizon_s,
            "lease_s": facts.lease_s,
            "version": cityloop.__version__,
            "languages": ["en", "zh"],
            "notice": _NOTICE if facts.mode != "live" else "",
            "halves": None if desk.halves is None else {"left": desk.halves.left, "right": desk.halves.right},
        }
    )


async def layout(desk: Desk, request: Request, who: Principal) -> Response:
    """Hand out the assets."""
    return _fixed(request, "layout")


async def geometry(desk: Desk, request: Request, who: Principal) -> Response:
    """Hand out the lines."""
    return _fixed(request, "geometry")


def _fixed(request: Request, name: str) -> Response:
    data, tag = request.app.state.prepared[name]
    return cached(request, data, tag, "application/json")


def _layout(desk: Desk) -> dict[str, Any]:
    layout, shapes = desk.city.layout, desk.city.shapes
    assets = layout.tables.get("signals")
    junctions = []
    for row, name in enumerate(layout.names["junctions"]):
        spans = {}
        if assets is not None:
            c = assets.controllers
            spans = {
                "links": [int(c.link_begin[row]), int(c.link_end[row])],
                "stages": [int(c.stage_begin[row]), int(c.stage_end[row])],
                "approaches": [int(c.approach_begin[row]), int(c.approach_end[row])],
            }
        junctions.append(
            {
                "name": name,
                "label": shapes.junction_labels[row],
                "x_m": round(float(layout.junctions.x_m[row]), 1),
                "y_m": round(float(layout.junctions.y_m[row]), 1),
                "district": desk.city.district_of(row),
                **spans,
            }
        )
    lanes = layout.names.get("lanes", ())
    approaches = [
        {
            "junction": int(a_junction),
            "lane": lanes[lane] if lane < len(lanes) else str(lane),
            "edge": int(layout.lanes.edge[lane]),
            "speed_limit_mps": float(limit),
            "zone_m": round(float(zone), 1),
        }
        for a_junction, lane, limit, zone in zip(
            layout.approaches.junction.tolist(),
            layout.approaches.lane.tolist(),
            layout.approaches.speed_limit_mps.tolist(),
            layout.approaches.zone_m.tolist(),
            strict=True,
        )
    ]
    edges = [
        {"name": name, "street": street, "length_m": round(length, 1), "speed_limit_mps": round(limit, 2)}
        for name, street, length, limit in zip(
            layout.names["edges"],
            shapes.streets,
            layout.edges.length_m.tolist(),
            layout.edges.speed_limit_mps.tolist(),
            strict=True,
        )
    ]
    return {
        "version": layout.version,
        "junctions": junctions,
        "links": [] if assets is None else _links(desk),
        "stages": [] if assets is None else _stages(desk),
        "approaches": approaches,
        "edges": edges,
        "tables": {name: _table(value) for name, value in layout.tables.items() if name != "signals"},
    }


def _links(desk: Desk) -> list[dict[str, Any]]:
    layout = desk.city.layout
    links = layout.tables["signals"].links
    found = []
    for row in range(len(links.junction)):
        approach = int(links.approach[row])
        edge = int(layout.lanes.edge[layout.approaches.lane[approach]]) if approach >= 0 else -1
        found.append(
            {
                "junction": int(links.junction[row]),
                "kind": int(links.kind[row]),
                "approach": approach,
                "turn": int(links.turn[row]),
                "from_edge": edge,
                "length_m": round(float(links.length_m[row]), 1),
            }
        )
    return found


def _stages(desk: Desk) -> list[dict[str, Any]]:
    assets = desk.city.layout.tables["signals"]
    found = []
    for row in range(len(assets.stages.junction)):
        junction = int(assets.stages.junction[row])
        c = assets.controllers
        local = row - int(c.stage_begin[junction])
        n = int(c.link_end[junction] - c.link_begin[junction])
        at = int(c.lamps_begin[junction]) + local * n
        found.append(
            {
                "junction": junction,
                "local": local,
                "service": bool(assets.stages.service[row]),
                "min_green_s": float(assets.stages.min_green_s[row]),
                "lamps": assets.lamps[at : at + n].tolist(),
            }
        )
    return found


def _geometry(desk: Desk) -> dict[str, Any]:
    shapes, base = desk.city.shapes, desk.city.basemap
    x0, y0 = shapes.box[0], shapes.box[1]

    def line(points: Points) -> list[int]:
        if not points:
            return []
        dm = np.rint((np.array(points) - (x0, y0)) * 10).astype(np.int64)
        return np.concatenate([dm[:1], np.diff(dm, axis=0)]).ravel().tolist()

    return {
        "unit_m": 0.1,
        "bbox": shapes.box,
        "edges": [[one.row, int(one.way), round(one.width_m * 10), line(one.points)] for one in shapes.lines],
        "junctions": [line(points) for points in shapes.outlines],
        "links": [[row, line(points)] for row, points in enumerate(shapes.links)],
        "base": [] if base is None else [[int(one.kind), [line(ring) for ring in one.rings]] for one in base.shapes],
        "base_attribution": "" if base is None else base.attribution,
    }


async def frames_span(desk: Desk, request: Request, who: Principal) -> Response:
    """Tell from when to when there are records."""
    span = await asyncio.to_thread(desk.trace.span)
    return answer({"begin_ms": span[0] if span else None, "end_ms": span[1] if span else None})


async def frames(desk: Desk, request: Request, who: Principal) -> Response:
    """Hand out recorded frames."""
    now_ms = desk.now_ms()
    begin_ms, end_ms = instant(request, "begin_ms", now_ms - 60_000), instant(request, "end_ms", now_ms)
    step_s = number(request, "step_s", 1, 1, 3600)
    if end_ms < begin_ms:
        raise ApiError(422, "invalid", f"end_ms: {end_ms} is before begin_ms {begin_ms}", field="end_ms")
    left = left_half(desk, request)
    trace = desk.trace if left is None else left.trace
    data = await asyncio.to_thread(_recorded_frames, desk, trace, begin_ms, end_ms, step_s)
    return Response(data, media_type="application/octet-stream", headers={"Cache-Control": "no-store"})


def _recorded_frames(desk: Desk, trace: TracePort, begin_ms: int, end_ms: int, step_s: int) -> bytes:
    parts = []
    stride_ms = step_s * 1000 if step_s > 1 else 0
    for payload in trace.between(begin_ms, end_ms, stride_ms=stride_ms, limit=_MOST_FRAMES):
        tick = msgspec.msgpack.decode(payload, type=Tick)
        sections = sections_of(tick, desk.board.links)
        chosen = [sections[key] for key in sorted(sections)]
        frame = encode_frame(tick.number, tick.at_ms, desk.city.pace, chosen, full=True, unplugged=tick.unplugged)
        parts += [struct.pack("<I", len(frame)), frame]
    return b"".join(parts)


async def views(desk: Desk, request: Request, who: Principal) -> Response:
    """Hand out a domain's published columns."""
    domain = request.path_params["domain"]
    if domain == "emergency":
        # One way in to calls, so that no reading of them goes unnoted.
        return await service_routes.emergency(desk, request, who)
    if domain in service_routes.SERVICES and (found := service_routes.published(desk, domain)) is not None:
        return answer(found)
    tables = _VIEWS.get(domain)
    if tables is None:
        known = ", ".join(sorted({*_VIEWS, *desk.board.views}))
        raise ApiError(404, "not_found", f"no view of domain {domain[:40]!r} is published; there are: {known}")
    found = {
        table: {
            name: {"unit": unit, "values": desk.board.column(column).tolist()}
            for name, (column, unit) in columns.items()
        }
        for table, columns in tables.items()
    }
    return answer({"domain": domain, "at_ms": desk.now_ms(), "tables": found})


_VIEWS: dict[str, dict[str, dict[str, tuple[str, str]]]] = {
    "signals": {
        "junctions": {"stage": ("stage", "1"), "stage_s": ("stage_s", "s"), "longest_red_s": ("red_s", "s")},
        "links": {"call": ("calls", "1")},
    },
    "traffic": {
        "approaches": {
            "count_veh": ("seen", "veh"),
            "standing_veh": ("standing", "veh"),
            "released": ("left", "veh"),
            "age_ds": ("age_ds", "0.1 s"),
        },
    },
}
"""Published columns by domain and table: the recorded column, and its unit."""


def _table(table: Any) -> dict[str, Any]:
    """Return a table of declared columns, tables within it too, with units."""
    columns: dict[str, Any] = {}
    for named in columns_of(type(table)):
        values = getattr(table, named.name)
        unit = named.column.unit
        columns[named.name] = {"unit": unit, "values": np.asarray(values).tolist()}
    inner = {
        field.name: _table(getattr(table, field.name))
        for field in dataclasses.fields(table)
        if dataclasses.is_dataclass(getattr(table, field.name))
    }
    return {"columns": columns, **({"tables": inner} if inner else {})}


async def search(desk: Desk, request: Request, who: Principal) -> Response:
    """Find junctions, streets, sensors and views by a part of their name."""
    text = request.query_params.get("q", "")[:100].strip().casefold()
    items: list[dict[str, Any]] = []
    if text:
        shapes, layout = desk.city.shapes, desk.city.layout
        views = ("city", "signals", "emergency", "refuse", "evidence")
        items += [
            {"kind": "view", "label": view.capitalize(), "row": None, "url": f"#/{view}"}
            for view in views
            if text in view
        ]
        named = enumerate(zip(shapes.junction_labels, layout.names["junctions"], strict=True))
        rows = [row for row, (label, name) in named if text in label.casefold() or text in name.casefold()]
        for row in rows[:_MOST_FOUND]:
            place = (float(layout.junctions.x_m[row]), float(layout.junctions.y_m[row]))
            items.append(_found("junction", shapes.junction_labels[row], row, place, f"#/signals/{row}"))
        first = {street: row for row, street in reversed(list(enumerate(shapes.streets))) if street}
        streets = sorted((row, street) for street, row in first.items() if text in street.casefold())
        for row, street in streets[:_MOST_FOUND]:
            place = (float(layout.edges.x0_m[row]), float(layout.edges.y0_m[row]))
            items.append(_found("street", street, row, place, f"#/city?edge={row}"))
        for row in desk.sensors.find(text, (), 0, _MOST_FOUND):
            sensor = desk.sensors.item(row)
            items.append(_found("sensor", sensor.name, row, (sensor.x_m, sensor.y_m), f"#/evidence/sensors/{row}"))
    return answer({"items": items, "next": None})


def _found(kind: str, label: str, row: int, place: tuple[float, float], url: str) -> dict[str, Any]:
    return {"kind": kind, "label": label, "row": row, "x_m": place[0], "y_m": place[1], "url": url}


HANDLERS = {
    "city.read": city,
    "city.layout": layout,
    "city.geometry": geometry,
    "frames.read": frames,
    "frames.span": frames_span,
    "views.read": views,
    "search.find": search,
}
