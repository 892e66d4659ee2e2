"""The walkable variant of a toy town that netgenerate lays out."""

from __future__ import annotations

import shutil
import subprocess
import xml.etree.ElementTree as ET
from dataclasses import asdict
from pathlib import Path

import pytest

from cityloop.cities.sumo.crossings import read_sites
from cityloop.cities.sumo.sumo_tools import run_binary, sumo_home
from cityloop.cities.sumo.walkable import WalkableCity, make_walkable
from cityloop.kernel.errors import InputError

ROUTES = """<routes>
  <vType id="car" vClass="passenger"/>
  <flow id="many" type="car" from="top1B0" to="A0left0" begin="0" period="6" number="30">
    <stop lane="B0A0_0" endPos="40" duration="1"/>
  </flow>
  <route id="through" edges="left0A0 A0B0 B0right0"/>
  <vehicle id="numbered" type="car" route="through" depart="1" departLane="0" arrivalLane="1"/>
  <trip id="chosen" type="car" from="bottom0A0" to="B0right0" depart="2" departLane="best"/>
</routes>
"""

CONFIG = """<configuration>
  <input><net-file value="town.net.xml"/><route-files value="town.rou.xml"/></input>
  <time><begin value="0"/><end value="300"/></time>
</configuration>
"""


def write_town(folder: Path, net: Path, *, routes: str = ROUTES, config: str = CONFIG) -> Path:
    """Write a case of its own around the toy town's network."""
    folder.mkdir()
    shutil.copyfile(net, folder / "town.net.xml")
    (folder / "town.rou.xml").write_text(routes)
    (folder / "town.sumocfg").write_text(config)
    return folder / "town.sumocfg"


@pytest.fixture(scope="module")
def net(tmp_path_factory) -> Path:
    """Two signals side by side, two lanes a way."""
    path = tmp_path_factory.mktemp("net") / "town.net.xml"
    grid = ["--grid", "--grid.x-number", "2", "--grid.y-number", "1", "--grid.length", "120"]
    lanes = [
        "--default.lanenumber",
        "2",
        "--default-junction-type",
        "traffic_light",
        "--no-turnarounds",
        "true",
    ]
    run_binary("netgenerate", [*grid, "--grid.attach-length", "120", *lanes, "-o", str(path)])
    return path


@pytest.fixture(scope="module")
def town(net, tmp_path_factory) -> Path:
    """The toy town's configuration."""
    return write_town(tmp_path_factory.mktemp("shipped") / "in", net)


@pytest.fixture(scope="module")
def walkable(town, tmp_path_factory) -> WalkableCity:
    """Its walkable variant."""
    return make_walkable(town, tmp_path_factory.mktemp("walkable") / "town", seed=1)


def test_every_arm_of_a_signal_gains_a_crossing(walkable):
    """Two crossroads have four crossings each, all under their signal."""
    assert walkable.crossings == 8
    assert [signal.crossings for signal in walkable.signals] == [4, 4]


def test_edges_and_signal_indices_are_kept(town, walkable):
    """What routes and programs rely on is the same, but for the lane that the sidewalk moved up."""
    before, after = (read_sites(ET.parse(path).getroot()) for path in (town.parent / "town.net.xml", walkable.net))
    for signal, site in before.items():
        assert [(x.index, x.from_edge, x.to_edge) for x in sorted(site.links, key=lambda x: x.index)] == [
            (x.index, x.from_edge, x.to_edge) for x in sorted(after[signal].links, key=lambda x: x.index)
        ]


def test_turns_over_a_crossing_yield_and_straight_traffic_does_not_cross_it(walkable):
    """At a crossroads each crossing is left by one right turn and one left turn, and met by its own arm."""
    site = next(iter(read_sites(ET.parse(walkable.net).getroot()).values()))
    turn_of = {link.index: link.turn for link in site.links}
    for crossing in site.crossings:
        assert {turn_of[i] for i in crossing.turns_near} == {"r"}
        assert {turn_of[i] for i in crossing.turns_far} == {"l"}
        assert "s" in {turn_of[i] for i in crossing.foes - crossing.turns_near - crossing.turns_far}


def test_people_are_sorted_and_about_as_many_as_asked(walkable):
    """300 an hour at each of two signals for 300 s are 50 people; departures never go back."""
    people = list(ET.parse(walkable.pedestrians).getroot())
    departures_s = [float(person.attrib["depart"]) for person in people]
    assert departures_s == sorted(departures_s)
    assert all(0 <= depart_s < 300 for depart_s in departures_s)
    assert 25 <= walkable.persons == len(people) <= 80
    assert walkable.unjoined_pairs == 0


def test_lane_numbers_move_up_with_the_sidewalk(walkable):
    """A numbered lane and a stop's lane are one higher; a rule such as 'best' stays."""
    routes = ET.parse(walkable.routes[0]).getroot()
    numbered = routes.find("vehicle[@id='numbered']")
    assert (numbered.get("departLane"), numbered.get("arrivalLane")) == ("1", "2")
    assert routes.find("trip").get("departLane") == "best"
    assert routes.find("flow/stop").get("lane") == "B0A0_1"


def test_routes_that_number_no_lane_are_copied_byte_for_byte(net, tmp_path):
    """Demand that needs no change is not touched."""
    routes = '<routes><trip id="a"  from="left0A0" to="B0right0" depart="2"/></routes>'
    made = make_walkable(write_town(tmp_path / "in", net, routes=routes), tmp_path / "out", seed=1)
    assert made.routes[0].read_text() == routes


def test_the_same_inputs_give_the_same_bytes(town, walkable, tmp_path):
    """Every file of a second build equals that of the first, wherever it is made."""
    again = make_walkable(town, tmp_path / "again", seed=1)
    for path in sorted(walkable.net.parent.iterdir()):
        assert (again.net.parent / path.name).read_bytes() == path.read_bytes(), path.name
    same = {k: v for k, v in asdict(again).items() if not isinstance(v, Path) and k != "routes"}
    assert same == {k: v for k, v in asdict(walkable).items() if k in same}


def test_another_seed_gives_other_people_and_the_same_signals(town, walkable, tmp_path):
    """The seed is the people's alone."""
    other = make_walkable(town, tmp_path / "other", seed=2)
    assert other.pedestrians.read_bytes() != walkable.pedestrians.read_bytes()
    assert other.net.read_bytes() == walkable.net.read_bytes()


def test_sumo_runs_the_town_and_its_lamps_are_safe(walkable, tmp_path):
    """Cars and people arrive, nobody teleports, and the lamps shown keep yellow, Walk and clearance."""
    lamps, trips = tmp_path / "lamps.xml", tmp_path / "trips.xml"
    events = "".join(
        f'<timedEvent type="SaveTLSStates" source="{signal.signal}" dest="{lamps}"/>' for signal in walkable.signals
    )
    (tmp_path / "watch.add.xml").write_text(f"<additional>{events}</additional>")
    sumo = [str(sumo_home() / "bin/sumo"), "-c", str(walkable.sumocfg), "-a", str(tmp_path / "watch.add.xml")]
    more = [
        "--time-to-teleport",
        "-1",
        "--no-step-log",
        "true",
        "--tripinfo-output",
        str(trips),
        "--end",
        "400",
    ]
    done = subprocess.run([*sumo, *more], capture_output=True, text=True, check=True)
    assert "rror" not in done.stderr
    arrived = ET.parse(trips).getroot()
    assert len(arrived.findall("tripinfo")) == 32
    assert len(arrived.findall("personinfo")) >= 0.8 * walkable.persons
    sites = read_sites(ET.parse(walkable.net).getroot())
    shown: dict[str, list[str]] = {}
    for element in ET.parse(lamps).getroot():
        shown.setdefault(element.attrib["id"], []).append(element.attrib["state"])
    for record in walkable.signals:
        states = shown[record.signal]
        assert len(states) == 400
        for crossing in sites[record.signal].crossings:
            column = "".join(state[crossing.index] for state in states)
            assert "rGGGGG" in column
            ended = [t for t in range(1, 400) if column[t - 1 : t + 1] == "Gr"]
            for link in crossing.foes:
                gained = [t for t in range(1, 400) if states[t][link] == "G" != states[t - 1][link]]
                assert all(g - e >= crossing.length_m for e in ended for g in gained if g >= e)


def test_a_slower_walking_speed_lengthens_the_cycle(town, walkable, tmp_path):
    """At 0.25 m/s crossings need more time than the shipped greens leave."""
    slow = make_walkable(town, tmp_path / "slow", seed=1, walking_speed_mps=0.25)
    assert slow.signals[0].cycle_s > walkable.signals[0].cycle_s


def test_a_folder_with_files_is_refused(town):
    """Nothing is ever written beside the source, nor over another run."""
    with pytest.raises(InputError, match="not an empty folder"):
        make_walkable(town, town.parent, seed=1)


@pytest.mark.parametrize(
    ("config", "message"),
    [
        (CONFIG.replace('<end value="300"/>', ""), "names no end"),
        (CONFIG.replace("300", "-5"), "must lie after begin"),
        (CONFIG.replace("300", "noon"), "end is 'noon'; give seconds"),
        (CONFIG.replace("town.net", "nowhere.net"), r"nowhere\.net\.xml: cannot be read"),
    ],
)
def test_a_case_that_lacks_something_is_refused_in_one_line(net, tmp_path, config, message):
    """The message names the file and the key, and nothing is left behind."""
    town = write_town(tmp_path / "in", net, config=config)
    with pytest.raises(InputError, match=message) as refused:
        make_walkable(town, tmp_path / "out", seed=1)
    assert "\n" not in str(refused.value)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["in"]


def test_a_numbered_lane_of_unnamed_edges_is_refused(net, tmp_path):
    """Where the edge of a numbered lane is unknown, it cannot be moved up."""
    routes = '<routes><vehicle id="v" route="elsewhere" depart="0" departLane="0"/></routes>'
    town = write_town(tmp_path / "in", net, routes=routes)
    with pytest.raises(InputError, match="vehicle 'v' numbers a lane of edges that this file does not name"):
        make_walkable(town, tmp_path / "out", seed=1)


def test_negative_demand_is_refused(town, tmp_path):
    """People come in numbers of zero or more."""
    with pytest.raises(InputError, match="persons_per_junction_h -1"):
        make_walkable(town, tmp_path / "out", seed=1, persons_per_junction_h=-1.0)
