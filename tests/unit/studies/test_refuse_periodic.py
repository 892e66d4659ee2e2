"""Periodic rounds: days are evenly spaced, tips are visited, and the replay finds what is not legal."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from cityloop.kernel.errors import InputError
from cityloop.studies.refuse_periodic import best_known, main, read_district, replay, solve_district


def district_file(folder: Path, frequency: float = 2.0) -> Path:
    """Write four customers on a line, a tip at its end, two days."""
    kinds = ["depot", *["customer"] * 4, "intermediateFacility"]
    rows = [
        {"properties": {"id": i, "type": kind, "frequency": 1.0, "demand": 4.0, "service": 1.0}}
        for i, kind in enumerate(kinds)
    ]
    rows[1]["properties"]["frequency"] = frequency
    way = [[abs(a - b) for b in range(6)] for a in range(6)]
    info = {"numVehicles": 1, "maxDuration": 30, "maxCapacity": 12, "planningHorizon": 2}
    path = folder / "Line_004_2_0.geojson"
    path.write_text(json.dumps({"info": info, "features": rows, "duration": way}), encoding="utf-8")
    return path


def test_a_plan_visits_everyone_as_often_as_asked(tmp_path: Path) -> None:
    """Customer 1 is visited on both days, each other once; the best drives the line once a day: 10 and 10."""
    district = read_district(district_file(tmp_path))
    rounds, _ = solve_district(district, 0.2, 1)
    assert replay(district, rounds) == (20, [])


def test_the_replay_names_what_is_broken(tmp_path: Path) -> None:
    """A load too heavy, a round that does not end at a tip and a customer on the wrong days are named."""
    district = read_district(district_file(tmp_path))
    _, faults = replay(district, [[[0, 1, 2, 3, 4, 0]], []])
    told = " ".join(faults)
    assert "not end tip, depot" in told
    assert "load 16" in told
    assert "customer 1: visited on days [0]" in told
    assert "customer 2: visited" not in told


def test_visits_that_do_not_divide_the_days_are_refused(tmp_path: Path) -> None:
    """Three visits on two days cannot be evenly spaced."""
    with pytest.raises(InputError, match="customer 1: its visits do not divide 2 days evenly"):
        read_district(district_file(tmp_path, 3.0))


def test_a_value_below_its_own_bound_is_not_taken(tmp_path: Path) -> None:
    """Where the table contradicts itself the proved bound stands."""
    row = "<th>{}</th>\n" + "<td>9.0</td>\n" * 4 + "<td>{}</td>\n<td>{}</td>\n"
    readme = tmp_path / "README.md"
    readme.write_text(row.format("A_1", "562*", "562.0") + row.format("B_2", "539", "545.0"), encoding="utf-8")
    assert best_known(readme) == {"A_1": (562.0, 562.0), "B_2": (545.0, 545.0)}


def test_the_study_prints_the_gap(tmp_path: Path) -> None:
    """One line an instance, one over all."""
    district_file(tmp_path)
    result = CliRunner().invoke(main, [str(tmp_path), "--seconds", "0.1"])
    assert result.exit_code == 0, result.output
    assert "1 instances, 1 legal" in result.output
