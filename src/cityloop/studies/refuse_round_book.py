"""Plan kerbside rounds of a user's own streets, walk them again, and write plan, round book and lines on a map."""

from __future__ import annotations

import json
import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path
from typing import Any

import numpy as np

from cityloop.kernel.errors import CityloopError
from cityloop.methods.arc_bound import bound_streets
from cityloop.methods.vrp import Problem
from cityloop.methods.vrp_search import improve, warm_up
from cityloop.studies.refuse_kerbside import STREET_PARAMS
from cityloop.studies.refuse_plan import read_json
from cityloop.studies.refuse_street_check import Leg, rounds_of, walk
from cityloop.studies.refuse_street_file import Book, read_streets

__all__ = ["Planned", "plan_streets"]

_EARTH_M = 6_371_000.0
_STYLE = (
    "body{font:11pt sans-serif;margin:1.5cm}h1{font-size:15pt;margin:0}table{border-collapse:collapse;width:100%}"
    "td,th{border:1px solid #555;padding:2px 6px;text-align:left}tr{break-inside:avoid}section{break-after:page}"
)


@dataclass(frozen=True, slots=True)
class Planned:
    """What was planned."""

    hours: float
    bound_hours: float
    """No rounds take less."""
    rounds: int
    streets: int
    left_out: tuple[str, ...]
    reasons: tuple[str, ...]


def plan_streets(
    path: Path, out: Path, *, day: str | None, seconds: float, iterations: int | None, seed: int
) -> Planned:
    """Plan the streets of a file and write what was found.

    Raises
    ------
    CityloopError
        When the separate walk finds fault with a round: such a plan is not written.
    """
    book = read_streets(read_json(path), str(path), day)
    problem = book.case.problem(book.trucks)
    warm_up(np.random.default_rng(1))
    plan = improve(problem, (), _progress(seconds, iterations), np.random.default_rng(seed), STREET_PARAMS)
    left = [client - problem.first_client for client in plan.left_out]
    rounds = rounds_of(problem, plan.routes)
    cost_s, faults = walk(book.case, rounds)
    faults = [fault for fault in faults if fault not in {f"street {task}: served 0 times" for task in left}]
    if faults:
        raise CityloopError(f"{path}: the walk refuses a round: {faults[0]}")
    case = book.case
    bound_s = 0.0
    if not left:
        bound_s = bound_streets(case.network, case.tasks, case.depot, case.sites, case.site_cost, case.capacity)
    reasons = tuple(_reason(book, problem, task) for task in left)
    told = [_round(book, problem, route, legs) for route, legs in zip(_used(plan.routes), rounds, strict=True)]
    names = tuple(book.street_ids[task] for task in left)
    found = Planned(cost_s / 3600, bound_s / 3600, len(rounds), len(book.street_ids) - len(left), names, reasons)
    figures = {"hours": round(found.hours, 4), "bound_hours": round(found.bound_hours, 4)}
    whole = figures | {"rounds": told, "left_out": list(names), "reasons": list(reasons)}
    out.write_text(json.dumps(whole) + "\n", encoding="utf-8")
    out.with_suffix(".html").write_text(_page(path.stem, told, reasons), encoding="utf-8")
    out.with_suffix(".geojson").write_text(json.dumps(_lines(book, told)) + "\n", encoding="utf-8")
    return found


def _progress(seconds: float, iterations: int | None) -> Callable[[int], float]:
    if iterations is not None:
        return lambda iteration: iteration / max(1, iterations)
    begun = time.monotonic()
    return lambda iteration: (time.monotonic() - begun) / seconds


def _used(routes: Sequence[Sequence[int]]) -> list[Sequence[int]]:
    return [route for route in routes if route]


def _reason(book: Book, problem: Problem, task: int) -> str:
    """Say why a street is in no round, and what would put it into one."""
    client = problem.first_client + task
    ways = [client] + ([int(problem.twin[client])] if problem.twin is not None and problem.twin[client] >= 0 else [])
    scale = book.case.scale
    alone = min(
        int(problem.distance[0, way]) + int(problem.distance[way, site]) + int(problem.distance[site, 0])
        for way in ways
        for site in range(1, problem.first_client)
    )
    spent_s = (alone + int(problem.service[client])) / scale
    name = f"street {book.street_ids[task]}"
    if book.case.longest is not None and spent_s > book.case.longest:
        if spent_s > 86_400:
            return f"{name}, roads: no way leads there and back; look at one-way streets and at where trucks may turn."
        return (
            f"{name}, shift: alone with the way to a tip and home it takes {spent_s / 3600:.1f} h, a shift has "
            f"{book.case.longest / 3600:.1f}; lengthen it or split the street."
        )
    return f"{name}, fleet: alone it can be served, but not beside the others; add a truck or shift time."


def _round(book: Book, problem: Problem, route: Sequence[int], legs: Sequence[Leg]) -> dict[str, Any]:
    case = book.case
    at_s, here = book.begin_s, 0
    visits: list[dict[str, Any]] = []
    for node, leg in zip(route, legs, strict=True):
        way_s, service_s = int(problem.distance[here, node]) / case.scale, int(problem.service[node]) / case.scale
        if leg.street < 0:
            # What a visit to the tip takes is counted into the way there.
            spent_s = case.site_cost[leg.tip]
            visits.append({"kind": "tip", "id": book.tip_ids[leg.tip], "arrive_s": round(at_s + way_s - spent_s, 1)})
        else:
            arc = int(case.tasks.arc[leg.street])
            head = int(case.network.tail[arc] if leg.against else case.network.head[arc])
            tail = int(case.network.head[arc] if leg.against else case.network.tail[arc])
            told = {"kind": "street", "id": book.street_ids[leg.street], "arrive_s": round(at_s + way_s, 1)}
            told |= {"from": book.node_ids[tail], "to": book.node_ids[head]}
            visits.append(told | {"kg": round(float(book.kg[leg.street]), 1)})
        at_s, here = at_s + way_s + service_s, node
    at_s += int(problem.distance[here, 0]) / case.scale
    return {"begin_s": book.begin_s, "end_s": round(at_s, 1), "visits": visits}


def _hm(seconds: float) -> str:
    minutes = round(seconds / 60)
    return f"{minutes // 60:02d}:{minutes % 60:02d}"


def _towards(visit: dict[str, Any]) -> str:
    return f"{visit['from']} → {visit['to']}" if visit["kind"] == "street" else "tip"


def _page(name: str, rounds: Sequence[dict[str, Any]], reasons: Sequence[str]) -> str:
    parts = []
    for number, each in enumerate(rounds, 1):
        rows = "".join(
            f"<tr><td>{row}</td><td>{_hm(visit['arrive_s'])}</td><td>{escape(str(visit['id']))}</td>"
            f"<td>{escape(_towards(visit))}</td><td></td></tr>"
            for row, visit in enumerate(each["visits"], 1)
        )
        head = "<tr><th>#</th><th>At</th><th>Street</th><th>Direction</th><th>Done / code</th></tr>"
        title = f"Round {number}, {_hm(each['begin_s'])} to {_hm(each['end_s'])}"
        parts.append(f"<section><h1>{title}</h1><table><thead>{head}</thead><tbody>{rows}</tbody></table></section>")
    left = "".join(f"<li>{escape(line)}</li>" for line in reasons)
    parts.append(f"<section><h1>Left out</h1><ul>{left}</ul></section>" if left else "")
    return (
        f'<!doctype html>\n<html lang="en"><head><meta charset="utf-8"><title>{escape(name)}</title>'
        f"<style>{_STYLE}</style></head><body>{''.join(parts)}</body></html>\n"
    )


def _lines(book: Book, rounds: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Return the streets served as lines on a map, in degrees where the file is."""
    spot = {}
    for name, x_m, y_m in zip(book.node_ids, book.x_m.tolist(), book.y_m.tolist(), strict=True):
        spot[name] = [x_m, y_m]
        if book.origin is not None:
            lat, lon = book.origin
            east = math.degrees(x_m / (_EARTH_M * math.cos(math.radians(lat))))
            spot[name] = [lon + east, lat + math.degrees(y_m / _EARTH_M)]
    features = [
        {
            "type": "Feature",
            "geometry": {"type": "LineString", "coordinates": [spot[visit["from"]], spot[visit["to"]]]},
            "properties": {"round": number, "order": row, "id": visit["id"], "at": _hm(visit["arrive_s"])},
        }
        for number, each in enumerate(rounds, 1)
        for row, visit in enumerate(each["visits"], 1)
        if visit["kind"] == "street"
    ]
    return {"type": "FeatureCollection", "features": features}
