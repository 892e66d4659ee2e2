"""Tests of junctions in a row: distances, and green for those who drive along."""

from __future__ import annotations

import numpy as np
import pytest

from cityloop.app.city_source import told_apart
from cityloop.cities.sumo.folder import resolve_city
from cityloop.cities.sumo.network import read_network
from cityloop.web.corridor import corridor_of, stages_along
from cityloop.wire.live import Tick


@pytest.fixture(scope="module")
def layout(grid_city):
    """Four signals in a square."""
    case = resolve_city(str(grid_city))
    return read_network(case.net_file, sensing="area:150", walking_speed_mps=case.walking_speed_mps).layout


def _row_of_junctions(layout) -> list[int]:
    """The two on the lower street, from west to east; the streets' ends count as junctions as well."""
    x, y = layout.junctions.x_m, layout.junctions.y_m
    on = np.flatnonzero(np.isclose(y, 200.0) & (x > 100.0) & (x < 500.0))
    return on[np.argsort(x[on])].tolist()


def test_a_stage_is_green_along_only_where_it_lets_that_street_go(layout):
    """Some stage of each junction lets the street go, and some other does not."""
    rows = _row_of_junctions(layout)
    found = stages_along(layout, rows)
    c = layout.tables["signals"].controllers
    for row in rows:
        stages = set(range(int(c.stage_end[row] - c.stage_begin[row])))
        assert found[row]
        assert found[row] < stages, "the cross street has a stage of its own"


def test_the_row_tells_distance_and_green_never_the_mode(layout):
    """The third of each change is whether the street has green, as the diagram draws it."""
    rows = _row_of_junctions(layout)
    n = len(layout.junctions.x_m)
    ticks = [
        Tick(
            at_ms=k * 1000, wall_ms=0, sim_s=k, number=k, arrays={"stage": bytes([k % 2]) * n, "state": bytes([1]) * n}
        )
        for k in range(4)
    ]
    found = corridor_of(layout, ticks, rows)
    assert [one["at_m"] for one in found["junctions"]] == [0.0, pytest.approx(200.0)]
    green = stages_along(layout, rows)[rows[0]]
    assert [change[2] for change in found["stages"][str(rows[0])]] == [k % 2 in green for k in range(4)]


def test_junctions_of_one_name_are_told_apart():
    """Two on the same street are numbered, one alone keeps its name."""
    assert told_apart(("Main", "Side", "Main")) == ("Main (1)", "Side", "Main (2)")
