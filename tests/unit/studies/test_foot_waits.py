"""What people on foot wait under a plan, told from their calls."""

from __future__ import annotations

import msgspec
import pytest

from cityloop.cities.sumo.folder import CityCase, resolve_city
from cityloop.cities.sumo.network import Network, read_network
from cityloop.cities.sumo.own_reds import with_own_reds
from cityloop.cities.sumo.plans import read_plans, write_plans
from cityloop.cities.sumo.programs import fixed_plan
from cityloop.cities.sumo.sumo_tools import run_binary
from cityloop.studies.foot_waits import foot_waits
from cityloop.studies.tune import TRAINING_SEEDS, ensure_plans, tune

ROUTES = """<routes>
  <flow id="through" from="left0A0" to="A0right0" begin="0" end="1500" vehsPerHour="200"/>
  <personFlow id="over" begin="0" end="1500" probability="0.1" departPos="80">
    <walk from="left0A0" to="A0left0" arrivalPos="20"/>
  </personFlow>
</routes>
"""
CONFIG = """<configuration>
  <input><net-file value="town.net.xml"/><route-files value="town.rou.xml"/></input>
  <time><begin value="0"/><end value="1500"/></time>
</configuration>
"""


@pytest.fixture(scope="module")
def case(tmp_path_factory) -> CityCase:
    """One junction; all who walk come by chance and take the crossing of its western leg alone."""
    folder = tmp_path_factory.mktemp("crossing")
    run_binary(
        "netgenerate",
        ["--grid", "--grid.number", "1", "--grid.attach-length", "100", "--default-junction-type", "traffic_light",
         "--sidewalks.guess", "--crossings.guess", "--no-turnarounds", "true", "-o", str(folder / "town.net.xml")],
    )  # fmt: skip
    (folder / "town.rou.xml").write_text(ROUTES)
    (folder / "town.sumocfg").write_text(CONFIG)
    return resolve_city(str(folder / "town.sumocfg"))


@pytest.fixture(scope="module")
def network(case) -> Network:
    """The junction and its crossings."""
    return read_network(case.net_file)


def test_who_comes_by_chance_waits_as_the_reds_say(case, network):
    """Half the red for the share of the round that is red, which is what is taken where nothing was measured."""
    plans = fixed_plan(network)
    (found,) = foot_waits(case, plans, (1001, 1002))
    by_chance_s = with_own_reds(network, plans).assets.links.own_wait_s[found.link]
    assert network.crossing_edges[found.link].startswith(":A0_c")
    assert found.wait_s == pytest.approx(by_chance_s, rel=0.2)


def test_tuned_plans_bring_the_waits_of_their_own_training_runs(case, tmp_path):
    """A file that was kept without them gets them, and the links of the layout have them."""
    tuned = tune(case, budget=6)
    assert tuned.foot_waits == foot_waits(case, tuned.fixed_tuned, TRAINING_SEEDS)
    path = ensure_plans(case, budget=6, cache=tmp_path)
    write_plans(path, msgspec.structs.replace(tuned, foot_waits=()))
    assert ensure_plans(case, cache=tmp_path) == path
    assert read_plans(path) == tuned
