"""What-ifs from the city as its brain believes it to stand, over the real twin."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import pytest

from cityloop.app import RunSpec, open_run
from cityloop.app.live_picture import LivePicture
from cityloop.app.live_views import packed_views
from cityloop.app.what_if import Running, WhatIf
from cityloop.app.what_if_now import MEMORY, LiveNow, live_now
from cityloop.app.what_if_start import StartSpec, make_start
from cityloop.cities.sumo.start_file import START_FILE, StartFile, read_struct, write_struct
from cityloop.engine.inline import InlineEngine
from cityloop.kernel.layout import Layout
from cityloop.wire.live import Steering, Tick

_NOW_S = 240.0
_JAMMED = 4.0
"""So many times its demand is more than the square takes."""


@pytest.fixture(scope="module")
def jam(grid_city: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[LiveNow, Layout]:
    """The square after four minutes of far too much traffic: what is believed, and its layout."""
    out = tmp_path_factory.mktemp("jam") / "run"
    spec = RunSpec(city=str(grid_city), out=out, seed=7, scale=_JAMMED, begin_s=0.0, end_s=_NOW_S)
    newest: dict[str, Any] = {}
    with open_run(spec) as opened:
        layout = opened.city.layout()
        picture = LivePicture(layout, 0)

        def look(observed: Any, state: Any, decisions: Any) -> None:
            arrays, _ = picture.step(observed, state)
            views = packed_views(state)
            newest["memory"] = views.get(MEMORY, newest.get("memory", b""))
            newest["tick"] = Tick(at_ms=observed.now_ms, wall_ms=0, sim_s=_NOW_S, number=1, arrays=arrays, views=views)

        InlineEngine(opened.city, opened.brain, opened.store, opened.params, look, opened.begun).run()
    rungs = {"signals": dict.fromkeys(range(len(layout.junctions.x_m)), 2)}

    return live_now(newest["tick"], Steering(token=1, rungs=rungs), layout, newest["memory"]), layout


def _done(studio: WhatIf, spec: dict[str, Any]) -> dict[str, Any]:
    done = studio.start(spec, "a test")
    while done["status"] in ("queued", "running"):
        time.sleep(0.1)
        told = studio.get(done["id"])
        assert told is not None
        done = told
    assert done["status"] == "done", done["text"]
    result: dict[str, Any] = done["result"]
    return result


def _studio(city: Path, folder: Path, layout: Layout, live: LiveNow) -> WhatIf:
    running = Running(sim_s=lambda: _NOW_S, live=lambda: live, scale=1.0)
    return WhatIf(str(city), folder, layout.names["edges"], lambda job: None, running)


def test_a_what_if_asked_in_a_jam_begins_in_it(grid_city: Path, tmp_path: Path, jam: Any) -> None:
    """Each approach has what the brain believes, as far as there is room; both worlds begin alike."""
    live, layout = jam
    believed = {one.lane: len(one.vehicles) + round(one.hidden_veh) for one in live.estimate.approaches}
    assert sum(believed.values()) > 60, "the square is jammed"
    studio = _studio(grid_city, tmp_path / "jobs", layout, live)
    try:
        change = {"control": "now", "baseline": "now"}
        jammed = _done(studio, {"change": change, "minutes": 2, "seeds": [1, 2]})
    finally:
        studio.close()
    start = jammed["start"]
    assert start["covered"] == start["approaches"] == len(believed)
    full = {one["lane"] for one in start["fewer"] if one["why"] == "no_room"}
    assert start["worst_off_veh"] <= 1 or full, start["fewer"]
    assert start["off_veh"] <= 0.05 * start["estimated_veh"], start["fewer"]
    assert start["placed_veh"] >= 60
    assert start["driven_veh"] < start["placed_veh"] / 2, "an hour's own demand does not jam the square"
    assert start["alike"]
    assert start["refused"] == 0
    assert start["stages"] >= 3
    assert jammed["paired"]["delay_s"]["mean"] == 0.0
    as_is = jammed["arms"]["as it is"]
    assert as_is["unsafe"] == [0, 0]
    assert min(as_is["vehicles"]) > start["placed_veh"]


def test_the_same_seed_makes_the_same_start(grid_city: Path, tmp_path: Path, jam: Any) -> None:
    """Byte for byte; another seed has other ways, and as many vehicles on each approach."""
    live, _ = jam
    write_struct(tmp_path / "now.json", live)
    made = {}
    for name, seed in (("one", 3), ("again", 3), ("other", 4)):
        spec = StartSpec(
            city=str(grid_city),
            now=str(tmp_path / "now.json"),
            seed=seed,
            scale=1.0,
            begin_s=0.0,
            now_s=_NOW_S,
            out=str(tmp_path / name),
        )
        make_start(spec)
        made[name] = (tmp_path / name / START_FILE).read_bytes()
    assert made["one"] == made["again"] != made["other"]
    one, other = (read_struct(tmp_path / name / START_FILE, StartFile) for name in ("one", "other"))
    assert [a.placed_veh for a in one.approaches] == [a.placed_veh for a in other.approaches]
