"""Instances in VRPLIB's format: trips wait for their loads, prizes are left where they do not pay."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner

from cityloop.kernel.errors import InputError
from cityloop.studies.refuse_vrplib import main, read_instance, replay, solve_instance

HEAD = """NAME: {name}
TYPE: VRPTW
EDGE_WEIGHT_TYPE: EUC_2D
DIMENSION: 4
VEHICLES: 1
CAPACITY: 2
SERVICE_TIME: 1
NODE_COORD_SECTION
1 0 0
2 10 0
3 0 10
4 0 20
DEMAND_SECTION
1 0
2 1
3 1
4 1
TIME_WINDOW_SECTION
1 0 500
2 0 500
3 0 500
4 0 500
"""
RELEASES = """RELEASE_TIME_SECTION
1 0
2 100
3 0
4 0
VEHICLES_RELOAD_DEPOT_SECTION
1 1
"""
PRIZES = """PRIZE_SECTION
1 0
2 5
3 15
4 60
"""


def instance_file(folder: Path, name: str, tail: str) -> Path:
    path = folder / f"{name}.vrp"
    path.write_text(HEAD.format(name=name) + tail + "DEPOT_SECTION\n1\nEOF\n", encoding="utf-8")
    path.with_suffix(".sol").write_text("Route #1: 1\nCost: 600\n", encoding="utf-8")
    return path


@pytest.mark.parametrize("arm", ["cityloop", "pyvrp", "plain"])
def test_a_trip_waits_for_its_load(tmp_path: Path, arm: str) -> None:
    """Three customers in loads of two: 40 for the two on one side and 20 for the other, in tenths."""
    path = instance_file(tmp_path, "releases", RELEASES)
    trips, _ = solve_instance(path, arm, 0.3, 1)
    assert replay(read_instance(path), trips) == (600, [])
    assert len(trips[0]) == 2


@pytest.mark.parametrize("arm", ["cityloop", "pyvrp", "plain"])
def test_a_prize_below_its_way_is_left(tmp_path: Path, arm: str) -> None:
    """The customer at 10 with a prize of 5 is left; the two on one side cost 40: 40 + 5."""
    path = instance_file(tmp_path, "prizes", PRIZES)
    trips, _ = solve_instance(path, arm, 0.2, 1)
    assert replay(read_instance(path), trips) == (450, [])


def test_the_replay_names_what_is_broken(tmp_path: Path) -> None:
    """A load above the capacity, a customer served twice, one not served and a second trip are named."""
    instance = read_instance(instance_file(tmp_path, "prizes", PRIZES))
    _, faults = replay(instance, [[[1, 2, 3], [1]]])
    told = " ".join(faults)
    assert "2 trips, one is allowed" in told
    assert "load 3.0" in told
    assert "customer 1: served twice" in told
    _, faults = replay(read_instance(instance_file(tmp_path, "releases", RELEASES)), [[[1, 2]]])
    assert faults == ["customer 3: not served"]


def test_a_table_too_short_is_named(tmp_path: Path) -> None:
    """The message names the section and the number of rows that is expected."""
    path = instance_file(tmp_path, "short", "PRIZE_SECTION\n1 0\n")
    with pytest.raises(InputError, match="1 rows in PRIZE_SECTION, 4 are expected"):
        read_instance(path)


def test_the_study_prints_a_line_a_set(tmp_path: Path) -> None:
    """The gap is to the value in the file beside the instance."""
    instance_file(tmp_path, "releases", RELEASES)
    result = CliRunner().invoke(main, [str(tmp_path), "--seconds", "0.2", "--arms", "cityloop"])
    assert result.exit_code == 0, result.output
    assert "1 instances, 1 legal, mean gap 0.000 %" in result.output
