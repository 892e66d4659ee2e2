"""A what-if with a closed street, in the twin."""

from __future__ import annotations

import gzip
import time

from cityloop.app.what_if import WhatIf
from cityloop.cities.sumo.closure import city_with_closure
from cityloop.cities.sumo.folder import resolve_city
from cityloop.cities.sumo.netfile import read_netfile

_CLOSED = "670062912#1"
"""In the built-in city's busiest street; a few vehicles of the demand end on it."""


def test_closed_street_gives_a_paired_scorecard_and_a_ghost(tmp_path):
    """Vehicles go round the closure, those that cannot are counted, and nobody is seen on the closed edge."""
    edges = tuple(sorted(read_netfile(resolve_city("adlershof").net_file).edges))
    told: list[dict] = []
    studio = WhatIf("adlershof", tmp_path / "jobs", edges, told.append)
    try:
        change = {"close_edge": _CLOSED, "control": "fixed", "baseline": "fixed"}
        spec = {"change": change, "minutes": 4, "seeds": [1, 2]}
        job = studio.start(spec, "a test")
        while studio.get(job["id"])["status"] in ("queued", "running"):
            time.sleep(0.2)
        done = studio.get(job["id"])
    finally:
        studio.close()
    assert done["status"] == "done", done["text"]
    result = done["result"]
    closure = result["closure"]
    assert closure["rerouted_veh"] > 100
    assert 0 < closure["cannot_veh"] < 0.1 * closure["total_veh"]
    assert {"delay_s", "travel_time_s", "waiting_s", "stops"} == set(result["paired"])
    assert all(one["n"] == 2 and one["low"] <= one["mean"] <= one["high"] for one in result["paired"].values())
    changed = dict(map(tuple, result["ghost"]["edges"]))
    assert result["ghost"]["closed"] == edges.index(_CLOSED)
    assert changed, "closing a busy street moves lost time"
    assert changed.get(edges.index(_CLOSED), 0.0) <= 0.0


def test_closure_that_leaves_an_edge_alone_keeps_every_other_route(tmp_path):
    """Closing an edge of which no route makes use takes nobody out and leads nobody round."""
    case = resolve_city("adlershof")
    net = read_netfile(case.net_file)
    used = gzip.decompress(case.route_files[0].read_bytes()).decode()
    spare = next(
        name
        for name, edge in sorted(net.edges.items())
        if not name.startswith(":")
        and any(lane.motorised and not lane.rail_only for lane in edge.lanes)
        and f"{name} " not in used
        and f' {name}"' not in used
        and f'"{name}"' not in used
    )
    closed = city_with_closure("adlershof", spare, tmp_path / "city")
    assert (closed.rerouted_veh, closed.cannot_veh) == (0, 0)


_CITY = """name = "square"
network = "grid.net.xml"
routes = ["grid.rou.xml"]
begin_s = 0
end_s = 900
zone = "UTC"
synthetic = true
[assets]
emergency = "emergency.toml"
"""
_EMERGENCY = """synthetic = true
begins_at_h = 10
turnout_s = 5.0
[[sites]]
name = "Station"
kind = "station"
place = ["A0B0", 80.0]
[[sites]]
name = "Hospital"
kind = "hospital"
place = ["B1A1", 80.0]
[[units]]
name = "Ambulance 1"
station = "Station"
[calls]
per_h = 240.0
priority_share = [1.0]
determinants = ["made up"]
call_taking_s = 5.0
on_scene_min = [5.0, 1.5]
transport_share = 0.6
handover_min = [5.0, 1.5]
"""


def test_an_ambulance_more_and_another_plan_are_run_and_compared(tmp_path, grid_city):
    """Both worlds have the same calls; with a second ambulance they wait for less long; the map is told the places."""
    folder = tmp_path / "square"
    folder.mkdir()
    for name in ("grid.net.xml", "grid.rou.xml"):
        (folder / name).write_bytes(grid_city.with_name(name).read_bytes())
    (folder / "city.toml").write_text(_CITY)
    (folder / "emergency.toml").write_text(_EMERGENCY)
    edges = tuple(sorted(read_netfile(folder / "grid.net.xml").edges))
    studio = WhatIf(str(folder), tmp_path / "jobs", edges, lambda job: None)
    try:
        standing = studio.choices()["plans"]["0"]
        change = {
            "add_unit": "Station",
            "plan": {"junction": 0, "greens_s": [green_s + 5 for _, green_s, _ in standing["stages"]]},
            "control": "fixed-tuned",
            "baseline": "fixed-tuned",
        }
        job = studio.start({"change": change, "minutes": 5, "seeds": [1, 2]}, "a test")
        while studio.get(job["id"])["status"] in ("queued", "running"):
            time.sleep(0.2)
        done = studio.get(job["id"])
    finally:
        studio.close()
    assert done["status"] == "done", done["text"]
    result = done["result"]
    as_is, would_be = result["arms"]["as it is"], result["arms"]["as it would be"]
    assert as_is["calls"] == would_be["calls"]
    assert min(as_is["calls"]) > 5
    assert result["paired"]["response_s"]["mean"] < 0
    assert len(result["ghost"]["at"]) == 2
    assert min(as_is["vehicles"]) > 20
