"""Tuning of plans, in a town of two signals and a few minutes."""

from __future__ import annotations

import pytest

from cityloop.cities.sumo.folder import CityCase, resolve_city
from cityloop.cities.sumo.netfile import read_netfile
from cityloop.cities.sumo.network import read_network
from cityloop.cities.sumo.plans import read_plans, write_plans
from cityloop.cities.sumo.programs import fixed_plan, program_phases, write_programs
from cityloop.cities.sumo.sumo_tools import run_binary
from cityloop.cities.sumo.trial import answering_junctions, entry_edges, run_trial, turning_flows
from cityloop.kernel.errors import ConfigError
from cityloop.studies.plan_moves import demand_of, webster_plan
from cityloop.studies.tune import TRAINING_SEEDS, ensure_plans, tune

BUDGET = 24
ROUTES = """<routes>
  <flow id="east" from="left0A0" to="B0right0" begin="0" end="300" vehsPerHour="900"/>
  <flow id="north" from="bottom0A0" to="A0top0" begin="0" end="300" vehsPerHour="250"/>
  <flow id="turning" from="right0B0" to="B0bottom1" begin="0" end="300" vehsPerHour="200"/>
</routes>
"""
CONFIG = """<configuration>
  <input><net-file value="town.net.xml"/><route-files value="town.rou.xml"/></input>
  <time><begin value="0"/><end value="300"/></time>
</configuration>
"""


@pytest.fixture(scope="module")
def case(tmp_path_factory) -> CityCase:
    """A main road through two signals, with little from the sides."""
    folder = tmp_path_factory.mktemp("town")
    grid = ["--grid", "--grid.x-number", "2", "--grid.y-number", "1", "--grid.length", "150"]
    grid += [
        "--grid.attach-length",
        "150",
        "--default-junction-type",
        "traffic_light",
        "--no-turnarounds",
        "true",
    ]
    run_binary("netgenerate", [*grid, "-o", str(folder / "town.net.xml")])
    (folder / "town.rou.xml").write_text(ROUTES)
    (folder / "town.sumocfg").write_text(CONFIG)
    return resolve_city(str(folder / "town.sumocfg"))


@pytest.fixture(scope="module")
def tuned(case):
    """The town's plans, tuned with few runs."""
    return tune(case, budget=BUDGET)


def test_tuned_plans_are_better_than_those_before(tuned):
    """On the training seeds both arms end below the plan that they started from."""
    assert tuned.delay_s["fixed-tuned"] < 0.9 * tuned.delay_s["fixed"]
    assert tuned.delay_s["actuated-tuned"] < tuned.delay_s["actuated"]


def test_the_delays_told_are_those_of_the_plans_told(case, tuned, tmp_path):
    """Running the tuned plans again on the training seeds gives the figure of the file."""
    write_programs(read_network(case.net_file), tuned.fixed_tuned, tmp_path / "p.add.xml")
    again = [run_trial(case, tmp_path / "p.add.xml", seed=seed).mean_delay_s for seed in TRAINING_SEEDS]
    assert sum(again) / len(again) == pytest.approx(tuned.delay_s["fixed-tuned"])


def test_no_arm_gets_more_runs_than_the_budget(tuned):
    """Both rivals stay within one budget."""
    assert all(runs <= BUDGET for runs in tuned.evaluations.values())


def test_training_seeds_are_not_those_of_scores(tuned):
    """Scores are taken on seeds 1 to 1000; no plan has seen one of them."""
    assert min(tuned.seeds) > 1000


def test_the_answer_does_not_depend_on_runs_side_by_side(case, tuned):
    """Two jobs give the same plans as one."""
    assert tune(case, budget=BUDGET, jobs=2) == tuned


def test_plans_at_hand_are_not_tuned_again(case, tuned, tmp_path):
    """A file of this tuner for these files is returned at once; one of an older tuner is not."""
    first = ensure_plans(case, budget=BUDGET, cache=tmp_path)
    assert read_plans(first) == tuned
    said: list[str] = []
    assert ensure_plans(case, budget=BUDGET, cache=tmp_path, progress=said.append) == first
    assert said == []


def test_a_plans_file_that_is_none_is_refused_in_one_line(tmp_path):
    """The message names the file and how to make it anew."""
    path = tmp_path / "plans.json"
    path.write_text('{"city": 3}')
    with pytest.raises(ConfigError, match=r"plans\.json: .*cityloop tune"):
        read_plans(path)


def test_plans_come_back_from_their_file(tuned, tmp_path):
    """What is written is what is read."""
    write_plans(tmp_path / "deep" / "plans.json", tuned)
    assert read_plans(tmp_path / "deep" / "plans.json") == tuned


def test_too_small_a_budget_is_refused(case):
    """Fewer than two runs a seed make no comparison."""
    with pytest.raises(ConfigError, match="--budget 5: too few runs; give at least 6"):
        tune(case, budget=5)


def test_the_shipped_plan_as_fixed_gives_the_shipped_delay(case, tmp_path):
    """Writing a sound program as a plan changes nothing on the street."""
    write_programs(read_network(case.net_file), fixed_plan(read_network(case.net_file)), tmp_path / "p.add.xml")
    shipped, fixed = run_trial(case, None, seed=1), run_trial(case, tmp_path / "p.add.xml", seed=1)
    assert fixed.mean_delay_s == shipped.mean_delay_s


def test_delay_counts_those_who_never_got_in(case):
    """Under five times the demand vehicles wait outside; they count, and at the edge where they wait."""
    result = run_trial(case, None, seed=1, scale=5.0, entries=entry_edges(case))
    assert result.vehicles > 450
    attributed_s = sum(result.delay_by_edge_s.values()) / result.vehicles
    assert attributed_s == pytest.approx(result.mean_delay_s, rel=0.1)
    assert result.delay_by_edge_s["left0A0"] > 0.3 * sum(result.delay_by_edge_s.values())


def test_turning_flows_are_those_of_the_demand(case):
    """A flow of 900 veh/h straight on is counted as one, as far as it departed."""
    flows = turning_flows(case, seed=1)
    assert flows["left0A0", "A0B0"] == pytest.approx(900, rel=0.1)
    assert ("left0A0", "A0top0") not in flows


def test_every_edge_to_a_signal_answers_to_it(case):
    """Approaches belong to their signal, edges out of town to none."""
    owner = answering_junctions(case, read_network(case.net_file))
    assert owner["left0A0"] == owner["B0A0"] != owner["A0B0"]
    assert "B0right0" not in owner


def test_websters_plan_favours_the_main_road(case):
    """The stage of the main road gets the most green, and every movement some."""
    network = read_network(case.net_file)
    demand = demand_of(network, 0, turning_flows(case, seed=1), read_netfile(case.net_file).connections)
    plan = webster_plan(network, 0, demand, 80.0)
    main = max(plan.stages, key=lambda shown: shown.green_s)
    east = next(
        c.link_index for c in read_netfile(case.net_file).connections if (c.from_edge, c.to_edge) == ("left0A0", "A0B0")
    )
    assert network.stage_states[0][main.stage][east] in "gG"
    assert program_phases(network, 0, plan)
