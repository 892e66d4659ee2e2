"""``cityloop tune``: its outcome, its file and its refusals."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from cityloop.cities.sumo.plans import read_plans
from cityloop.cities.sumo.sumo_tools import run_binary
from cityloop.cli.tune import command

CONFIG = """<configuration>
  <input><net-file value="town.net.xml"/><route-files value="town.rou.xml"/></input>
  <time><begin value="0"/><end value="120"/></time>
</configuration>
"""
ROUTES = '<routes><flow id="a" from="left0A0" to="A0right0" begin="0" end="120" vehsPerHour="900"/></routes>'


@pytest.fixture
def town(tmp_path, monkeypatch) -> str:
    """One signal and two minutes, with a cache of its own."""
    grid = [
        "--grid",
        "--grid.number",
        "1",
        "--grid.attach-length",
        "100",
        "--default-junction-type",
        "traffic_light",
    ]
    run_binary("netgenerate", [*grid, "--no-turnarounds", "true", "-o", str(tmp_path / "town.net.xml")])
    (tmp_path / "town.rou.xml").write_text(ROUTES)
    (tmp_path / "town.sumocfg").write_text(CONFIG)
    monkeypatch.setenv("CITYLOOP_CACHE", str(tmp_path / "cache"))
    return str(tmp_path / "town.sumocfg")


def test_json_is_one_object_and_names_a_file_that_can_be_read(town):
    """The last line of standard output tells the plans' file and the delays before and after."""
    done = CliRunner().invoke(command, [town, "--budget", "8", "--json"])
    assert done.exit_code == 0
    told = json.loads(done.stdout.splitlines()[-1])
    assert read_plans(Path(told["plans"])).budget == 8
    assert told["delay_s"]["fixed-tuned"] <= told["delay_s"]["fixed"]


def test_more_runs_than_were_made_tune_anew_and_fewer_do_not(town):
    """Plans at hand are shown as they are, unless a greater budget is asked for."""
    tuned = []
    for asked in ("8", "6", "10"):
        done = CliRunner().invoke(command, [town, "--budget", asked])
        tuned.append("fixed-tuned" in done.stderr)
    assert tuned == [True, False, True]


@pytest.mark.parametrize("seeds", ["1,a", "5,5", "-3"])
def test_seeds_that_are_none_are_wrong_usage(town, seeds):
    """Words, repeats and negative seeds end with exit code 2 and name the value."""
    done = CliRunner().invoke(command, [town, f"--seeds={seeds}"])
    assert done.exit_code == 2
    assert seeds in done.stderr
